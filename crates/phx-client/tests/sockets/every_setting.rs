//! Every setting of every builder takes effect, on every path from the builder to what it makes.
//!
//! The tables are complete: a setting in the source that has no row here is a failure.

mod channels;
mod sockets;
mod streams;

use std::collections::BTreeSet;
use std::future::Future;
use std::time::Duration;

use tokio::time::Instant;

use crate::common::soon;

/// A time that differs from every default.
const THREE: Duration = Duration::from_secs(3);

/// Returns the names of a source's methods from `self` to `Self`: its settings.
fn settings_in(source: &str) -> BTreeSet<&str> {
    let methods = source.split("\n    pub fn ").skip(1);
    let names = methods.filter_map(|method| {
        let (head, _) = method.split_once('{')?;
        let (name, arguments) = head.split_once('(')?;
        let arguments = arguments.trim_start();
        let name = name.split('<').next()?;
        let takes_self = arguments.starts_with("mut self") || arguments.starts_with("self");
        (takes_self && head.contains("-> Self")).then_some(name)
    });
    names.collect()
}

#[test]
fn settings_are_found_in_a_source() {
    let source = "impl A {\n    pub fn a(mut self, b: u8) -> Self {\n    }\n
    pub fn c<F, M>(\n        self,\n        make: F,\n    ) -> Self\n    where\n        F: Fn(),\n    {\n    }\n
    pub fn d(&self) -> Self {\n    }\n\n    pub fn e(self) -> u8 {\n    }\n}\n";
    assert_eq!(settings_in(source), BTreeSet::from(["a", "c"]));
}

/// Returns a future's output, and the time until it was ready.
async fn time_of<F: Future>(future: F) -> (F::Output, Duration) {
    let start = Instant::now();
    let output = soon(future).await;
    (output, start.elapsed())
}
