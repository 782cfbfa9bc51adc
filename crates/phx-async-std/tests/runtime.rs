//! async-std's clock, timers and tasks as the client sees them.

use std::sync::mpsc;
use std::task::{Context, Waker};
use std::time::Duration;

use phx_async_std::{AdapterRuntime, Instant, Runtime};

/// Only so that a failure ends; what it waits for comes at once.
const DEADLINE: Duration = Duration::from_secs(60);

#[test]
fn a_timer_whose_deadline_has_passed_completes_and_can_be_set_again() {
    let runtime = AdapterRuntime::current().unwrap();
    let mut timer = runtime.timer(Instant::EPOCH);
    async_std::task::block_on(timer.as_mut());
    timer.as_mut().reset(Instant::from_epoch(Duration::from_secs(3600)));
    assert!(timer.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    timer.as_mut().reset(Instant::EPOCH);
    async_std::task::block_on(timer);
}

#[test]
fn a_deadline_beyond_the_clock_never_comes() {
    let runtime = AdapterRuntime::current().unwrap();
    let mut timer = runtime.timer(Instant::from_epoch(Duration::MAX));
    assert!(timer.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    timer.as_mut().reset(Instant::EPOCH);
    timer.as_mut().reset(Instant::from_epoch(Duration::MAX));
    assert!(timer.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    timer.as_mut().reset(Instant::EPOCH);
    async_std::task::block_on(timer);
}

#[test]
fn tasks_run_in_the_background_without_a_handle() {
    let runtime = AdapterRuntime::current().unwrap();
    let timer = runtime.timer(runtime.now());
    let (done, is_done) = mpsc::channel();
    runtime.spawn(Box::pin(async move {
        timer.await;
        done.send("done").unwrap();
    }));
    assert_eq!(is_done.recv_timeout(DEADLINE), Ok("done"));
}
