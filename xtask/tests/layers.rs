//! Checks that the diagram of the crates in ARCHITECTURE.md has the dependencies of their manifests.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;

/// Returns the diagram's edges for a manifest.
fn edges(name: &str, manifest: &str) -> Vec<String> {
    // Those of one target alone as well: phx-web has no others.
    let sections = manifest.split("\n[").filter(|section| {
        let header = section.split("]\n").next().unwrap();
        header == "dependencies"
            || (header.starts_with("target.") && header.ends_with(".dependencies"))
    });
    let lines = sections.flat_map(str::lines).filter(|line| line.starts_with("phx-"));
    let mut edges: Vec<String> = lines
        .map(|line| {
            let on = line.split(['.', ' ', '=']).next().unwrap();
            match line.contains("optional = true") {
                true => format!("    {name} -. optional .-> {on}\n"),
                false => format!("    {name} --> {on}\n"),
            }
        })
        .collect();
    // One that several targets have, with different features.
    edges.dedup();
    edges
}

#[test]
fn the_layers_are_those_of_the_manifests() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut names: Vec<String> = fs::read_dir(root.join("crates"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let lines = names.iter().flat_map(|name| {
        let manifest = root.join("crates").join(name).join("Cargo.toml");
        edges(name, &fs::read_to_string(manifest).unwrap())
    });
    let diagram = format!("```mermaid\ngraph TD\n{}```\n", lines.collect::<String>());
    let text = fs::read_to_string(root.join("ARCHITECTURE.md")).unwrap();
    assert!(text.contains(&diagram), "ARCHITECTURE.md must contain:\n{diagram}");
}
