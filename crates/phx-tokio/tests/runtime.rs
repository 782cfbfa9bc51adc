//! tokio's clock, timers and tasks as the client sees them.

use std::time::Duration;

use futures::channel::oneshot;
use phx_tokio::{AdapterRuntime, Instant, Runtime};

fn at(seconds: u64) -> Instant {
    Instant::from_epoch(Duration::from_secs(seconds))
}

#[tokio::test(start_paused = true)]
async fn time_begins_with_the_runtime_and_is_tokios() {
    let runtime = AdapterRuntime::current().unwrap();
    assert_eq!(runtime.now(), Instant::EPOCH);
    tokio::time::advance(Duration::from_secs(5)).await;
    assert_eq!(runtime.now(), at(5));
    assert_eq!(runtime.clone().now(), at(5));
}

#[tokio::test(start_paused = true)]
async fn a_timer_completes_at_its_deadline_and_can_be_set_again() {
    let runtime = AdapterRuntime::current().unwrap();
    let mut timer = runtime.timer(at(3));
    timer.as_mut().await;
    assert_eq!(runtime.now(), at(3));
    timer.as_mut().reset(at(10));
    timer.as_mut().reset(at(7));
    timer.as_mut().await;
    assert_eq!(runtime.now(), at(7));
    // A deadline in the past.
    timer.as_mut().reset(at(1));
    timer.await;
    assert_eq!(runtime.now(), at(7));
}

#[tokio::test(start_paused = true)]
async fn a_deadline_beyond_tokios_clock_is_far_away() {
    let runtime = AdapterRuntime::current().unwrap();
    let mut timer = runtime.timer(Instant::from_epoch(Duration::MAX));
    assert!(futures::poll!(timer.as_mut()).is_pending());
    timer.as_mut().reset(at(2));
    timer.await;
    assert_eq!(runtime.now(), at(2));
}

#[test]
fn tasks_and_timers_can_be_started_from_outside() {
    let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    AdapterRuntime::current().unwrap_err();
    let runtime = {
        let _entered = tokio.enter();
        AdapterRuntime::current().unwrap()
    };
    let timer = runtime.timer(runtime.now());
    let (done, is_done) = oneshot::channel();
    runtime.spawn(Box::pin(async {
        timer.await;
        done.send("done").unwrap();
    }));
    assert_eq!(tokio.block_on(is_done), Ok("done"));
}
