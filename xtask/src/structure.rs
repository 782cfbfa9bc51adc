//! Rules about what is in the files of the crates: no circles of files, the core's state is private
//! to its files, and the core's socket is implemented in one.

mod circles;
mod names;
mod private;
mod resolve;
mod source;

use std::collections::BTreeMap;

use source::Crate;

/// Beginnings of the paths of files that may still be in circles.
const KNOWN_CIRCLES: &[&str] = &["crates/phx-proto/src/socket/"];

/// What is wrong with these files: path and text.
pub(crate) fn faults<'a>(files: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<String> {
    let text: BTreeMap<&str, &str> = files.collect();
    let mut faults = Vec::new();
    let mut edges = names::Edges::new();
    for root in Crate::roots(text.keys().copied()) {
        match Crate::read(root, &text) {
            Ok(read) => {
                names::edges(&read, &mut edges);
                faults.extend(private::faults(&read, private::STATE));
                faults.extend(private::impl_faults(&read, &private::SOCKET, private::IMPLS));
            }
            Err(error) => faults.push(format!("{error:#}")),
        }
    }
    for circle in circles::find(&edges) {
        if circle.is_within(KNOWN_CIRCLES) {
            println!("KNOT of {}", circle.lines(&edges));
        } else {
            faults.push(circle.fault());
        }
    }
    faults
}

#[cfg(test)]
mod tests;
