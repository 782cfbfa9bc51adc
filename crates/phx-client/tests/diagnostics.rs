//! The compiler's error about a push without a type of response names the solutions.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Returns a program with a push that ends with `rest`.
fn program(rest: &str) -> String {
    format!(
        "use phx_client::{{Channel, Payload, PushError}};
         pub async fn push(room: Channel) -> Result<(), PushError> {{
             room.push(\"new_msg\", Payload::empty()){rest}?;
             Ok(())
         }}"
    )
}

fn compile(directory: &Path, library: &Path, source: &str) -> Output {
    let file = directory.join("diagnostics_program.rs");
    fs::write(&file, source).unwrap();
    let mut library_is = OsStr::new("phx_client=").to_owned();
    library_is.push(library);
    Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
        .args(["--edition", "2024", "--crate-type", "lib", "--emit", "metadata"])
        .arg("-L")
        .arg(library.parent().unwrap())
        .arg("--extern")
        .arg(library_is)
        .arg("--out-dir")
        .arg(directory)
        .arg(file)
        .output()
        .unwrap()
}

/// Returns the builds of this crate beside this test, the newest first. One of them is the test's.
fn libraries() -> Vec<PathBuf> {
    let test = env::current_exe().unwrap();
    let entries = fs::read_dir(test.parent().unwrap()).unwrap().map(|entry| entry.unwrap().path());
    let mut libraries: Vec<PathBuf> = entries
        .filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with("libphx_client-") && name.ends_with(".rlib")
        })
        .collect();
    libraries
        .sort_by_key(|path| std::cmp::Reverse(fs::metadata(path).unwrap().modified().unwrap()));
    libraries
}

#[test]
fn a_push_without_a_type_is_answered_with_the_ways_out() {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let acknowledged = program(".acknowledged().await");
    let library = libraries()
        .into_iter()
        .find(|library| compile(directory, library, &acknowledged).status.success())
        .unwrap();

    let failed = compile(directory, &library, &program(".await"));
    assert!(!failed.status.success());
    let text = String::from_utf8_lossy(&failed.stderr);
    for expected in [
        "error[E0277]: the response of this push has no type that it can be decoded into",
        "nothing says what the response is",
        "say `.push(..).acknowledged().await?`, or `.push(..).detach()?`",
        "let response: serde_json::Value = room.push(..).await?",
    ] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    assert!(!text.contains("derive(Deserialize)"), "{text}");
}
