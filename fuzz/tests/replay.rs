//! Every seed through its target, on any toolchain: what was found once is never found again.

use std::fs;
use std::path::Path;

use phx_fuzz::TARGETS;

#[test]
fn every_seed_of_every_target_passes() {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds");
    for target in TARGETS {
        let mut inputs: Vec<_> = fs::read_dir(seeds.join(target.name))
            .unwrap_or_else(|error| panic!("no seeds of {}: {error}", target.name))
            .map(|entry| entry.unwrap().path())
            .collect();
        inputs.sort();
        assert!(inputs.len() >= 5, "{} seeds of {}", inputs.len(), target.name);
        for input in &inputs {
            let bytes = fs::read(input).unwrap();
            let passes = std::panic::catch_unwind(|| (target.check)(&bytes)).is_ok();
            assert!(passes, "{} of {}", input.display(), target.name);
        }
        println!("{}: {} seeds", target.name, inputs.len());
    }
}

#[test]
fn every_directory_of_seeds_has_a_target() {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds");
    for entry in fs::read_dir(seeds).unwrap() {
        let name = entry.unwrap().file_name();
        assert!(TARGETS.iter().any(|target| *target.name == name), "{name:?}");
    }
}
