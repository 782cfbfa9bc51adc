//! Other programs that want the machine, too.

use std::hint;
use std::num::NonZero;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use anyhow::Context as _;

/// For each processor.
const THREADS: usize = 2;

/// Threads that keep every processor busy until this is dropped: what waits piles up higher than it
/// does on a machine that has nothing else to do.
pub(super) struct Load {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Load {
    pub(super) fn start() -> anyhow::Result<Self> {
        let mut load = Load { stop: Arc::default(), threads: Vec::new() };
        let processors = thread::available_parallelism().map_or(1, NonZero::get);
        for _ in 0..processors * THREADS {
            let stop = Arc::clone(&load.stop);
            let spin = move || {
                while !stop.load(Ordering::Relaxed) {
                    hint::spin_loop();
                }
            };
            let thread = thread::Builder::new().name("load".to_owned()).spawn(spin);
            load.threads.push(thread.context("no thread")?);
        }
        Ok(load)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // They don't panic.
            let _ = thread.join();
        }
    }
}
