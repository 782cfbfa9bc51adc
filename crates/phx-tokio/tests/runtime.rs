//! Clock, timers and tasks of each adapter's runtime.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::future::poll_fn;
use std::sync::mpsc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures::channel::oneshot;
use phx_tokio::dial::Network;
use phx_tokio::{AdapterRuntime, Instant, Runtime};
use smol::block_on;

/// Only so that a failure ends; what it waits for comes at once.
const DEADLINE: Duration = Duration::from_secs(60);

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
async fn a_timer_completes_at_its_deadline() {
    let runtime = AdapterRuntime::current().unwrap();
    for (deadline, now) in [(3, 3), (7, 7), (1, 7)] {
        runtime.timer(at(deadline)).await;
        assert_eq!(runtime.now(), at(now));
    }
}

fn timers_complete_when_their_deadline_has_passed<N: Network>() {
    let runtime = N::current().unwrap();
    block_on(runtime.timer(Instant::EPOCH));
    block_on(runtime.timer(runtime.now() + Duration::from_millis(1)));
    // The second is beyond the clock.
    for far in [Duration::from_secs(3_600), Duration::MAX] {
        let mut timer = runtime.timer(Instant::from_epoch(far));
        assert!(timer.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
}

fn tasks_run_in_the_background_without_a_handle<N: Network>() {
    let runtime = N::current().unwrap();
    let timer = runtime.timer(runtime.now());
    let (done, is_done) = mpsc::channel();
    runtime.spawn(Box::pin(async move {
        timer.await;
        done.send("done").unwrap();
    }));
    assert_eq!(is_done.recv_timeout(DEADLINE), Ok("done"));
}

fn all<N: Network>() {
    timers_complete_when_their_deadline_has_passed::<N>();
    tasks_run_in_the_background_without_a_handle::<N>();
    assert!(N::current().unwrap().suspended().is_some());
}

#[test]
fn timers_and_tasks_on_tokio() {
    let tokio = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let _entered = tokio.enter();
    all::<AdapterRuntime>();
}

#[test]
fn timers_and_tasks_on_smol() {
    all::<phx_smol::AdapterRuntime>();
}

#[test]
fn timers_and_tasks_on_async_std() {
    all::<phx_async_std::AdapterRuntime>();
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

/// tokio runs a task that wakes itself up to 61 times before it looks at timers.
#[test]
fn a_task_that_yields_lets_timers_run_first() {
    let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let polls = tokio.block_on(async {
        let runtime = AdapterRuntime::current().unwrap();
        let (fired, mut has_fired) = oneshot::channel();
        let deadline = runtime.now() + Duration::from_millis(1);
        let timer = runtime.timer(deadline);
        runtime.spawn(Box::pin(async {
            timer.await;
            fired.send(()).unwrap();
        }));
        let mut polls = 0;
        // tokio looks at timers between any two polls of the future that it blocks on.
        let busy = tokio::spawn(poll_fn(move |cx| {
            if has_fired.try_recv().unwrap().is_some() {
                return Poll::Ready(polls);
            }
            // The timer is waited for by the second poll. tokio's timers have a resolution of a millisecond.
            while polls == 1 && runtime.now() < deadline + Duration::from_millis(2) {
                std::hint::spin_loop();
            }
            polls += 1;
            runtime.yield_now(cx);
            Poll::Pending
        }));
        busy.await.unwrap()
    });
    assert!(polls <= 4, "{polls}");
}
