//! Sets the cfg `for_size` in a build with `opt-level` "s" or "z": the compiler doesn't tell the crate itself.

#![allow(clippy::print_stdout, reason = "it is how a build script talks to cargo")]

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(for_size)");
    if std::env::var("OPT_LEVEL").is_ok_and(|level| matches!(&*level, "s" | "z")) {
        println!("cargo::rustc-cfg=for_size");
    }
}
