//! Sets the cfg `for_size` where code is to be small: in a build with `opt-level` "s" or "z", of which no cfg of the compiler
//! informs, and on a machine without an operating system.

#![allow(clippy::print_stdout, reason = "it is how a build script talks to cargo")]

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(for_size)");
    let is = |name: &str, values: &[&str]| env::var(name).is_ok_and(|it| values.contains(&&*it));
    if is("OPT_LEVEL", &["s", "z"]) || is("CARGO_CFG_TARGET_OS", &["none"]) {
        println!("cargo::rustc-cfg=for_size");
    }
}
