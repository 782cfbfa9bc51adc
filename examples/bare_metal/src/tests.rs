//! The story on this machine, under virtual time: with a modem and a server of a few lines, and with a heap that fails.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and its child process speaks through standard output"
)]

mod clock;
mod endpoint;
mod modem;
mod no_memory;
mod world;

use std::time::Duration;

use self::world::World;
use crate::story;

#[test]
fn the_story_is_told_line_by_line() {
    let mut world = World::new();
    story::run(&mut world, world::URL, world::not_random).unwrap();
    let shown = world.lines.iter();
    let lines: Vec<&str> = shown.map(|line| line.split(';').next().unwrap()).collect();
    assert_eq!(lines, world::STORY);
    assert!(world.uptime < Duration::from_secs(20), "{:?}", world.uptime);
}
