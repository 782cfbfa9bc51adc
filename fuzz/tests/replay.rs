//! Runs every seed through its target, on any toolchain, so that a fault that was found once is found again.

use std::fs;
use std::path::{Path, PathBuf};

use phx_fuzz::{TARGETS, Target};

/// Beginning of the names of seeds that the fuzzer made.
const BY_FUZZER: &str = "corpus_";

#[test]
fn every_seed_of_every_target_passes() {
    for target in TARGETS {
        let directory = seeds().join(target.name);
        let entries = fs::read_dir(&directory).unwrap_or_else(|error| {
            panic!("the target {} has no seeds in {}: {error}", target.name, directory.display())
        });
        let mut inputs: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        inputs.sort();
        assert!(inputs.len() >= 5, "{} seeds of {}", inputs.len(), target.name);
        for path in &inputs {
            let input = fs::read(path).unwrap();
            let name = path.file_name().unwrap().to_string_lossy();
            let shown = path.display();
            if let Err(reason) = has_meaning(&target, &name, &input) {
                panic!("{shown}: {reason}");
            }
            let passes = std::panic::catch_unwind(|| (target.check)(&input)).is_ok();
            assert!(passes, "{shown} shows a fault in {}", target.name);
        }
        println!("{}: {} seeds", target.name, inputs.len());
    }
}

/// Checks that a seed that a person wrote begins with a byte that the target's format has.
fn has_meaning(target: &Target, name: &str, input: &[u8]) -> Result<(), String> {
    let allowed = || {
        let allowed = target.first.escape_ascii();
        format!("inputs of {} begin with one of `{allowed}`, see fuzz/README.md", target.name)
    };
    match input.first() {
        _ if name.starts_with(BY_FUZZER) => Ok(()),
        Some(first) if target.first.contains(first) => Ok(()),
        Some(first) => {
            Err(format!("the first byte `{}` has no meaning: {}", first.escape_ascii(), allowed()))
        }
        None => Err(format!("it is empty: {}", allowed())),
    }
}

#[test]
fn a_seed_whose_first_byte_has_no_meaning_is_refused_with_the_reason() {
    let target = TARGETS.iter().find(|target| target.name == "v1").unwrap();
    assert_eq!(has_meaning(target, "heartbeat", b"1{}"), Ok(()));
    let expected = "the first byte `Z` has no meaning: inputs of v1 begin with one of `0123`, see fuzz/README.md";
    assert_eq!(has_meaning(target, "junk", b"Zjunk"), Err(expected.to_owned()));
    assert_eq!(has_meaning(target, "corpus_00", b"Zjunk"), Ok(()), "the fuzzer's own");
    let empty = has_meaning(target, "junk", b"").unwrap_err();
    assert!(empty.starts_with("it is empty: "), "{empty}");
}

#[test]
fn every_directory_of_seeds_has_a_target() {
    let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
    for entry in fs::read_dir(seeds()).unwrap() {
        let name = entry.unwrap().file_name();
        assert!(
            names.iter().any(|known| **known == name),
            "fuzz/seeds/{} belongs to no target; the targets are {}",
            name.display(),
            names.join(", ")
        );
    }
}

fn seeds() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds")
}
