//! The diagrams of docs/STATES.md, drawn from the tables that the tests execute.

use std::cell::RefCell;
use std::fmt::{Debug, Write as _};
use std::fs;

thread_local! {
    /// Changes of state that the tables on this thread have shown.
    static CHANGES: RefCell<Vec<[String; 2]>> = const { RefCell::new(Vec::new()) };
}

/// Records that an input led from one state to another; `None` for a removed channel.
#[expect(clippy::needless_pass_by_value, reason = "the tables make what they record")]
pub fn record<S: Debug>(from: Option<S>, to: Option<S>) {
    CHANGES.with_borrow_mut(|changes| changes.push([name(&from), name(&to)]));
}

/// Returns a state's name in Mermaid.
fn name<S: Debug>(state: &Option<S>) -> String {
    state.as_ref().map_or_else(|| "[*]".to_owned(), |state| format!("{state:?}"))
}

/// Executes the tables, and compares the changes they show with the diagram below a heading of the document.
#[track_caller]
pub fn assert_is_in_the_docs<S: Debug>(heading: &str, first: &Option<S>, inputs: &[(&str, fn())]) {
    // Each change once, with the inputs that lead to it, in the order in which they come up first.
    let mut edges: Vec<([String; 2], Vec<&str>)> = Vec::new();
    for (input, table) in inputs {
        CHANGES.take();
        table();
        let changes = CHANGES.take();
        assert!(!changes.is_empty(), "{input}: the test has no table");
        for change in changes.into_iter().filter(|[from, to]| from != to) {
            match edges.iter_mut().find(|(known, _)| *known == change) {
                Some((_, words)) if words.contains(input) => {}
                Some((_, words)) => words.push(input),
                None => edges.push((change, vec![input])),
            }
        }
    }
    let mut diagram =
        format!("\n## {heading}\n\n```mermaid\nstateDiagram-v2\n    [*] --> {}\n", name(first));
    for ([from, to], words) in edges {
        writeln!(diagram, "    {from} --> {to}: {}", words.join(", ")).unwrap();
    }
    diagram.push_str("```\n");
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/STATES.md");
    let text = fs::read_to_string(path).unwrap();
    assert!(text.contains(&diagram), "docs/STATES.md must contain:\n{diagram}");
}
