//! Rules about the contents of files: no circles of files, the core's state is private to its files, and the core's
//! socket is implemented in one file.

mod circles;
mod names;
mod private;
mod resolve;
mod source;

use std::collections::BTreeMap;

use source::Crate;

/// Returns the faults of these files, given as path and text.
pub(crate) fn faults<'a>(files: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<String> {
    let text: BTreeMap<&str, &str> = files.collect();
    let mut faults = Vec::new();
    let mut edges = names::Edges::new();
    let mut crates = Vec::new();
    let roots = Crate::roots(text.keys().copied());
    for root in &roots {
        match Crate::read(root, &text) {
            Ok(read) => {
                names::edges(&read, &mut edges);
                faults.extend(private::faults(&read, &private::STATE));
                faults.extend(private::impl_faults(&read, &private::SOCKET, private::IMPLS));
                crates.push(read);
            }
            Err(error) => faults.push(format!("{error:#}")),
        }
    }
    let is_source = |path: &&str| path.starts_with("crates/") && path.contains("/src/");
    let sources = text.keys().copied().filter(is_source).filter(|path| path.ends_with(".rs"));
    if crates.len() == roots.len() {
        let unread = sources.filter(|path| !crates.iter().any(|read| read.has(path)));
        faults.extend(unread.map(|path| format!("{path} is in no module of its crate")));
    }
    faults.extend(circles::find(&edges));
    faults
}

#[cfg(test)]
mod tests;
