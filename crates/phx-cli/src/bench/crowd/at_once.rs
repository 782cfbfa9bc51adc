//! The passes of a loop that run at the same time, on the connection of one user.

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;

use super::stop::{Ended, Stop};

/// Runs this number of lanes, each of which performs one pass after another, until all have ended. If one fails, or the user is asked to stop,
/// all are asked to stop.
pub(super) async fn run<F: Future<Output = Ended>>(
    lanes: usize,
    stop: &mut Stop,
    lane: impl Fn(Stop) -> F,
) -> Ended {
    let (mut asks, mut running) = (Vec::with_capacity(lanes), FuturesUnordered::new());
    for _ in 0..lanes {
        let (sender, stop) = Stop::new();
        asks.push(sender);
        running.push(lane(stop));
    }
    let mut ended = Ended::Whole;
    loop {
        tokio::select! {
            biased;
            () = stop.asked(), if ended == Ended::Whole => ended = Ended::Stopped,
            next = running.next() => match next {
                None => return ended,
                Some(next) if ended == Ended::Whole => ended = next,
                Some(_) => {}
            },
        }
        if ended != Ended::Whole {
            asks.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use futures::FutureExt as _;

    use super::*;

    #[test]
    fn one_that_fails_stops_the_others() {
        let ((_asks, mut stop), stopped, begun) = (Stop::new(), Cell::new(0), Cell::new(0));
        let lane = async |mut stop: Stop| {
            begun.set(begun.get() + 1);
            if begun.get() == 3 {
                return Ended::Failed;
            }
            stop.asked().await;
            stopped.set(stopped.get() + 1);
            Ended::Stopped
        };
        let ended = run(5, &mut stop, lane).now_or_never();
        assert_eq!((ended, stopped.get()), (Some(Ended::Failed), 4));
    }

    #[test]
    fn all_stop_if_the_user_is_asked_to() {
        let (asks, mut stop) = Stop::new();
        let lane = async |mut stop: Stop| {
            stop.asked().await;
            Ended::Stopped
        };
        let mut all = std::pin::pin!(run(5, &mut stop, lane));
        assert_eq!(all.as_mut().now_or_never(), None);
        drop(asks);
        assert_eq!(all.now_or_never(), Some(Ended::Stopped));
    }
}
