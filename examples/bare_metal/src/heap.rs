//! The heap, and with it the only `unsafe` of this program.
#![allow(
    unsafe_code,
    reason = "memory is handed to an allocator, and allocators are unsafe by nature"
)]

#[cfg(test)]
use std::alloc::{GlobalAlloc, Layout, System};
#[cfg(test)]
use std::sync::atomic::{AtomicUsize, Ordering};

#[cfg(target_os = "none")]
use embedded_alloc::LlffHeap;

/// Bytes of the heap.
pub const SIZE: usize = 8 << 10;

#[cfg(target_os = "none")]
#[global_allocator]
static HEAP: LlffHeap = LlffHeap::empty();

/// Gives the allocator its memory. A second call panics.
#[cfg(target_os = "none")]
pub fn init() {
    // SAFETY: nothing has been allocated before, since allocations fail until this was called, and the memory is a static
    // that nothing else names.
    unsafe {
        embedded_alloc::init!(HEAP, SIZE);
    }
}

/// The allocator of the tests, which fails at one allocation.
#[cfg(test)]
#[derive(Debug)]
pub(crate) struct Failing {
    /// Allocations until then; zero for none.
    pub(crate) left: AtomicUsize,
}

#[cfg(test)]
// SAFETY: the system's allocator does everything, and null is the answer of one that has no memory left.
unsafe impl GlobalAlloc for Failing {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if self.left.load(Ordering::Relaxed) > 0 && self.left.fetch_sub(1, Ordering::Relaxed) == 1 {
            return core::ptr::null_mut();
        }
        // SAFETY: the caller keeps the contract, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the same.
        unsafe { System.dealloc(pointer, layout) }
    }
}
