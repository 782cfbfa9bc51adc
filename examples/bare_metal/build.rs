//! Hands the linker the map of the board's memory.

#![allow(clippy::print_stdout, reason = "a build script speaks through standard output")]

fn main() {
    println!("cargo:rerun-if-changed=memory.x");
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("none") {
        println!("cargo:rustc-link-search={}", env!("CARGO_MANIFEST_DIR"));
        println!("cargo:rustc-link-arg-bins=-Tlink.x");
        // Sections needn't begin at pages, which this machine doesn't have.
        println!("cargo:rustc-link-arg-bins=--nmagic");
        // Functions of equal code become one. Nothing here depends on their addresses being different.
        println!("cargo:rustc-link-arg-bins=--icf=all");
    }
}
