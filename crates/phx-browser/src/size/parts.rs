//! The parts of a program of WebAssembly: bytes of code by crate, and of data.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use anyhow::bail;
use wasmparser::{KnownCustom, Name, Parser, Payload, TypeRef};

/// Returns a table of the bytes, the largest part first. A generic function of the standard library counts for that library, and
/// what was inlined counts for the function that it is in.
pub(super) fn table(wasm: &[u8]) -> anyhow::Result<String> {
    let (mut parts, mut sizes, mut names) = (BTreeMap::new(), Vec::new(), BTreeMap::new());
    let mut imported = 0;
    for payload in Parser::new(0).parse_all(wasm) {
        match payload? {
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    imported += usize::from(matches!(import?.ty, TypeRef::Func(_)));
                }
            }
            Payload::CodeSectionEntry(body) => sizes.push(body.range().len()),
            Payload::DataSection(data) => {
                parts.insert("data".to_owned(), data.range().len());
            }
            Payload::CustomSection(section) => {
                let KnownCustom::Name(subsections) = section.as_known() else { continue };
                for subsection in subsections {
                    let Name::Function(functions) = subsection? else { continue };
                    for naming in functions {
                        let naming = naming?;
                        names.insert(naming.index, naming.name);
                    }
                }
            }
            _ => {}
        }
    }
    if names.is_empty() {
        bail!("the program has no names");
    }
    for (index, size) in sizes.iter().enumerate() {
        let name = u32::try_from(imported + index).ok().and_then(|index| names.get(&index));
        let name = name.copied().unwrap_or("?");
        *parts.entry(crate_of(name).to_owned()).or_insert(0) += size;
    }
    let mut parts: Vec<_> = parts.into_iter().collect();
    parts.sort_by_key(|(name, size)| (Reverse(*size), name.clone()));
    let lines = parts.iter().map(|(name, size)| format!("{size:>8} {name}\n"));
    Ok(lines.collect())
}

/// The crate that a function's name begins with: `<a::B as c::D>::e` and `a[1f]::b` are of `a`.
fn crate_of(name: &str) -> &str {
    let mut start = name;
    for around in ["<", "&", "mut ", "dyn ", "["] {
        start = start.strip_prefix(around).unwrap_or(start);
    }
    let end = start.find(|char: char| !char.is_alphanumeric() && char != '_');
    match end.map(|end| start.split_at(end)) {
        Some((first, rest)) if rest.starts_with("::") || rest.starts_with('[') => first,
        _ => "others",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_is_of_the_crate_that_its_name_begins_with() {
        let of = [
            ("phx_proto::socket::Socket::new::h0123", "phx_proto"),
            ("<phx_web::timer::Timer as core::future::future::Future>::poll::h0123", "phx_web"),
            ("<&mut serde_json::de::Deserializer<R> as serde::de::Deserializer>::x", "serde_json"),
            ("<dyn core::any::Any>::is", "core"),
            ("<core[c5930c85]::fmt::Formatter>::pad", "core"),
            ("<[alloc::string::String] as core::slice::Join>::join", "alloc"),
            ("memcpy", "others"),
            ("__wbindgen_free", "others"),
            ("", "others"),
        ];
        for (name, expected) in of {
            assert_eq!(crate_of(name), expected, "{name}");
        }
    }

    #[test]
    fn what_is_no_program_with_names_is_an_error() {
        assert!(table(b"").is_err());
        assert!(table(b"\0asm\x01\0\0\0").is_err());
        assert!(table(b"<html>").is_err());
    }
}
