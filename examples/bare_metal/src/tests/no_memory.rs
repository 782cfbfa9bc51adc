//! Where memory ends, the program ends: by the handler of failed allocations, at each allocation of the story.

use std::env;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::world::{self, World};
use crate::heap::Failing;
use crate::story;

#[global_allocator]
pub(super) static HEAP: Failing = Failing { left: AtomicUsize::new(0) };

/// The number of the allocation that fails in a child process.
const FAILS_AT: &str = "BARE_METAL_FAILS_AT";

/// What a child process prints when no allocation was left to fail.
const TOLD: &str = "the whole story";

#[test]
fn each_allocation_of_the_story_may_fail() {
    let program = env::current_exe().unwrap();
    for number in 1.. {
        let mut child = Command::new(&program);
        child.args(["--exact", "tests::no_memory::child", "--nocapture", "--test-threads=1"]);
        let output = child.env(FAILS_AT, number.to_string()).output().unwrap();
        if String::from_utf8_lossy(&output.stdout).contains(TOLD) {
            // On a board with a heap that is large enough it is told too.
            assert!(number > 100, "{number} allocations are too few");
            return;
        }
        // The standard library's handler, in place of a board's.
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(errors.contains("memory allocation of "), "allocation {number}: {errors}");
        assert!(!output.status.success(), "allocation {number}");
    }
}

/// Plays the story with an allocation that fails; does nothing without the variable.
#[test]
fn child() {
    let Ok(number) = env::var(FAILS_AT) else { return };
    let mut world = World::new();
    HEAP.left.store(number.parse().unwrap(), Ordering::Relaxed);
    let played = story::run(&mut world, world::URL, world::not_random);
    let left = HEAP.left.swap(0, Ordering::Relaxed);
    played.unwrap();
    assert_ne!(left, 0, "an allocation failed, and the program went on");
    println!("{TOLD}");
}
