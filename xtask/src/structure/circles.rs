//! Circles in a graph of files, each shown by its shortest path.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::names::Edges;

/// Returns a line for each strongly connected set of files: its shortest circle, with the names on it.
pub(super) fn find(edges: &Edges) -> Vec<String> {
    let reached: BTreeMap<&str, BTreeSet<&str>> =
        edges.keys().map(|file| (file.as_str(), reached(edges, file))).collect();
    let both_ways = |a: &str, b: &str| {
        let reaches = |a: &str, b: &str| reached.get(a).is_some_and(|of| of.contains(b));
        reaches(a, b) && reaches(b, a)
    };
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    let mut faults = Vec::new();
    for file in edges.keys() {
        if !both_ways(file, file) || seen.contains(file.as_str()) {
            continue;
        }
        let files: Vec<&str> =
            edges.keys().map(String::as_str).filter(|other| both_ways(file, other)).collect();
        let ways = files.iter().filter_map(|file| shortest(edges, file));
        let way = ways.min_by_key(Vec::len).map(|way| shown(edges, &way)).unwrap_or_default();
        faults.push(match files.len() {
            2 => format!("a circle of files: {way}"),
            of => format!("a circle of {of} files, the shortest way around: {way}"),
        });
        seen.extend(files);
    }
    faults
}

fn next<'a>(edges: &'a Edges, file: &str) -> impl Iterator<Item = &'a str> {
    edges.get(file).into_iter().flatten().map(|(to, _)| to.as_str())
}

/// Returns all files that a file depends on; itself only if it is in a circle.
fn reached<'a>(edges: &'a Edges, file: &str) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    let mut open: Vec<&str> = next(edges, file).collect();
    while let Some(file) = open.pop() {
        if found.insert(file) {
            open.extend(next(edges, file));
        }
    }
    found
}

/// Returns the shortest path from a file back to itself, with the file at both ends.
fn shortest<'a>(edges: &'a Edges, file: &'a str) -> Option<Vec<&'a str>> {
    let mut before: BTreeMap<&str, &str> = BTreeMap::new();
    let mut open = VecDeque::from([file]);
    while let Some(at) = open.pop_front() {
        for to in next(edges, at) {
            if to == file {
                let back = std::iter::successors(Some(at), |at| before.get(at).copied());
                let mut way: Vec<&str> = back.collect();
                way.reverse();
                way.push(file);
                return Some(way);
            }
            if let Entry::Vacant(entry) = before.entry(to) {
                entry.insert(at);
                open.push_back(to);
            }
        }
    }
    None
}

fn shown(edges: &Edges, way: &[&str]) -> String {
    let mut text = way.first().copied().unwrap_or_default().to_owned();
    for pair in way.windows(2) {
        let [from, to] = pair else { continue };
        let names = edges.get(*from).and_then(|of| of.get(*to)).into_iter().flatten();
        let names: Vec<&str> = names.map(String::as_str).collect();
        text = format!("{text} -> {to} ({})", names.join(", "));
    }
    text
}
