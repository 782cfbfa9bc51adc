//! Small crates that break each rule, and the crates of the workspace.

use std::path::Path;
use std::{env, fs};

use super::*;

/// Returns the files of a crate `a`, below its `src`.
fn files(texts: &[(&str, &str)]) -> Vec<(String, String)> {
    texts.iter().map(|(path, text)| (format!("crates/a/src/{path}"), (*text).to_owned())).collect()
}

fn faults_of(texts: &[(&str, &str)]) -> Vec<String> {
    let files = files(texts);
    faults(files.iter().map(|(path, text)| (path.as_str(), text.as_str())))
}

/// Returns the circle in these files, without the directory.
fn circle(texts: &[(&str, &str)]) -> Option<String> {
    let mut found = faults_of(texts);
    assert!(found.len() < 2, "{found:?}");
    let found = found.pop()?.replace("crates/a/src/", "");
    Some(found.strip_prefix("a circle of files: ").expect("it is one of two files").to_owned())
}

/// Returns a root and two files, `x` and `y`.
fn x_and_y<'a>(x: &'a str, y: &'a str) -> [(&'a str, &'a str); 3] {
    [("lib.rs", "mod x;\nmod y;\n"), ("x.rs", x), ("y.rs", y)]
}

#[test]
fn there_is_no_circle_where_names_go_one_way() {
    let x = "use crate::y::Y;\npub(crate) struct X(Y);\nimpl X { fn y(&self) { self.0.y() } }";
    let y = "pub(crate) struct Y;\nimpl Y { pub(crate) fn y(&self) {} }";
    assert_eq!(circle(&x_and_y(x, y)), None);
}

#[test]
fn every_way_to_write_a_name_makes_a_circle() {
    let x = "use crate::y::Y;\npub(crate) struct X(Y);\npub(crate) trait T {}\npub(crate) fn f() {}\n\
        pub(crate) const C: u8 = 0;\nmacro_rules! m { () => {}; }\npub(crate) mod deep { pub struct D; }";
    for (y, names) in [
        ("use crate::x::X;\npub struct Y(X);", "X"),
        ("use crate::{x::{self, X}, z::Z};\npub struct Y(X);", "X"),
        ("use crate::x::X as Renamed;\npub struct Y(Renamed);", "X"),
        ("use crate::x::*;\npub struct Y(X);", "X"),
        ("use crate::x;\npub struct Y;\nfn g() { x::f() }", "f"),
        ("use super::x::T as _;\npub struct Y;", "T"),
        ("pub struct Y(crate::x::deep::D);", "D"),
        ("pub struct Y;\nfn g(x: Option<&super::x::X>) {}", "X"),
        ("pub struct Y;\nfn g() { use crate::x; loop { x::f() } }", "f"),
        ("pub struct Y;\nimpl crate::x::T for Y {}", "T"),
        ("pub struct Y;\nfn g() { println!(\"{}\", y.c + super::x::C) }", "C"),
        ("pub struct Y;\nfn g() { m!() }", "m"),
        ("pub struct Y;\n#[arg(value_parser = crate::x::f)]\nstruct Z;", "f"),
        ("pub struct Y;\nmod inner { use super::super::x::f; fn g() { f() } }", "f"),
    ] {
        let expected = format!("x.rs -> y.rs (Y) -> x.rs ({names})");
        assert_eq!(circle(&x_and_y(x, y)), Some(expected), "{y}");
    }
}

#[test]
fn what_is_for_tests_alone_makes_none() {
    let x = "use crate::y::Y;\npub(crate) struct X(Y);";
    for y in [
        "pub struct Y;\n#[cfg(test)]\nmod tests { use crate::x::X; fn f(x: X) {} }",
        "pub struct Y;\n#[cfg(test)]\nmod tests;",
        "pub struct Y;\n#[cfg(all(test, unix))]\nuse crate::x::X;",
        "pub struct Y { #[cfg(test)] x: crate::x::X }",
        "pub struct Y;\nimpl Y { #[cfg(test)] fn f(x: crate::x::X) {} }",
    ] {
        assert_eq!(circle(&x_and_y(x, y)), None, "{y}");
    }
    for y in [
        "pub struct Y;\n#[cfg(not(test))]\nuse crate::x::X;",
        "pub struct Y;\n#[cfg(any(test, unix))]\nuse crate::x::X;",
    ] {
        assert!(circle(&x_and_y(x, y)).is_some(), "{y}");
    }
}

#[test]
fn a_reexport_leads_to_the_file_that_defines() {
    // The root names none of its own items in its re-exports.
    let root = "mod x;\nmod y;\npub use x::X;\npub use y::*;\npub struct Root;";
    let y = "pub struct Y(crate::Root);";
    let x = "pub struct X(crate::Y);";
    assert_eq!(circle(&[("lib.rs", root), ("x.rs", x), ("y.rs", y)]), None);
    let y = "pub struct Y(crate::X);";
    let expected = "x.rs -> y.rs (Y) -> x.rs (X)";
    assert_eq!(circle(&[("lib.rs", root), ("x.rs", x), ("y.rs", y)]).unwrap(), expected);
}

#[test]
fn a_child_may_implement_its_parents_type_and_name_nothing_else_of_it() {
    let root = "mod x;";
    let x = "mod y;\nuse y::Y;\npub struct X(Y);\npub struct Other;";
    let fine = "use super::X;\npub struct Y;\nimpl X { fn f(self) -> Self { self } }\n\
        impl Drop for X { fn drop(&mut self) {} }";
    assert_eq!(circle(&[("lib.rs", root), ("x.rs", x), ("x/y.rs", fine)]), None);
    for also in ["fn g(x: X) {}", "impl From<X> for Y {}", "impl X { fn g(x: &X) {} }"] {
        let y = format!("{fine}\n{also}");
        let found = circle(&[("lib.rs", root), ("x.rs", x), ("x/y.rs", &y)]);
        assert_eq!(found.as_deref(), Some("x.rs -> x/y.rs (Y) -> x.rs (X)"), "{also}");
    }
    // A sibling isn't a child.
    let found =
        circle(&x_and_y("pub struct X(crate::y::Y);", "pub struct Y;\nimpl crate::x::X {}"));
    assert_eq!(found.as_deref(), Some("x.rs -> y.rs (Y) -> x.rs (X)"));
}

#[test]
fn the_shortest_way_around_is_shown() {
    let root = "mod a;\nmod b;\nmod c;\nmod d;";
    let found = faults_of(&[
        ("lib.rs", root),
        ("a.rs", "pub struct A(crate::b::B);"),
        ("b.rs", "pub struct B(crate::c::C);"),
        ("c.rs", "pub struct C(crate::a::A, crate::d::D);\npub struct E;"),
        ("d.rs", "pub struct D(crate::c::C, crate::c::E);"),
    ]);
    let expected = "a circle of 4 files, the shortest way around: crates/a/src/c.rs -> \
        crates/a/src/d.rs (D) -> crates/a/src/c.rs (C, E)";
    assert_eq!(found, [expected]);
}

#[test]
fn what_cannot_be_read_is_a_fault() {
    assert_eq!(faults_of(&[("lib.rs", "mod gone;")]), ["crates/a/src/gone.rs is missing"]);
    let found = faults_of(&[("main.rs", "fn f( {}")]);
    assert!(
        matches!(found.as_slice(), [one] if one.starts_with("can't parse crates/a/src/main.rs"))
    );
}

#[test]
fn a_file_that_is_in_no_module_is_a_fault() {
    let root = "mod x;\n#[cfg(test)]\nmod tests;";
    let texts = [("lib.rs", root), ("x.rs", ""), ("tests.rs", "mod y;"), ("tests/y.rs", "")];
    assert_eq!(faults_of(&texts), [""; 0]);
    let found = faults_of(&[&texts[..], &[("x/left.rs", "")]].concat());
    assert_eq!(found, ["crates/a/src/x/left.rs is in no module of its crate"]);
}

fn read(texts: &[(&str, &str)]) -> Crate {
    let files = files(texts);
    let text = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    Crate::read("crates/a/src/lib.rs", &text).unwrap()
}

#[test]
fn state_has_no_field_that_others_see() {
    let state = |open| private::State { below: "crates/a/src/x", structs: &["X"], open };
    let faults_with = |x: &str, open| {
        let texts =
            [("lib.rs", "mod x;\nstruct Other { pub(crate) o: u8 }"), ("x.rs", x), ("x/y.rs", "")];
        private::faults(&read(&texts), &state(open))
    };
    let faults = |x: &str| faults_with(x, &[]);
    assert_eq!(faults("pub struct X { a: u8 }\nstruct Z(u8);\n#[cfg(test)]\nmod y;"), [""; 0]);
    let z = "struct X;\npub struct Z(u8, pub(crate) u8);";
    for (x, field) in
        [("pub struct X { a: u8, pub(super) b: u8 }", "X's field b"), (z, "Z's field 1")]
    {
        assert_eq!(faults(x), [format!("crates/a/src/x.rs: others see {field}")]);
    }
    assert_eq!(faults_with(z, &[("Z", "It is passed on.")]), [""; 0]);
    let stale = faults_with("struct X;\nstruct Z(u8);", &[("Z", "It is passed on.")]);
    assert_eq!(stale, ["Z is listed as open, and isn't"]);
    let expected = "crates/a/src/x/y.rs can reach the fields of crates/a/src/x.rs";
    assert_eq!(faults("struct X;\nmod y;"), [expected]);
    assert_eq!(faults("struct Renamed;"), ["crates/a/src/x has no X, which has to be private"]);
}

#[test]
fn an_impl_outside_its_file_is_listed_or_a_fault() {
    let of = private::Of("crates/a/src/x.rs", "X");
    let y = "use super::X as It;\nimpl It {}\nimpl Drop for It { fn drop(&mut self) {} }";
    let made =
        read(&[("lib.rs", "mod x;"), ("x.rs", "mod y;\npub struct X;\nimpl X {}"), ("x/y.rs", y)]);
    let expected = "crates/a/src/x/y.rs has an `impl X`, which belongs in crates/a/src/x.rs";
    assert_eq!(private::impl_faults(&made, &of, &[]), [expected]);
    let y = ("crates/a/src/x/y.rs", "It is long.");
    assert_eq!(private::impl_faults(&made, &of, &[y]), [""; 0]);
    let expected = "crates/a/src/z.rs has no `impl X` but is listed for one";
    assert_eq!(private::impl_faults(&made, &of, &[y, ("crates/a/src/z.rs", "")]), [expected]);
}

#[test]
fn the_crates_there_are_keep_the_rules() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut files = Vec::new();
    let mut open = vec![root.join("crates")];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(&directory).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if entry.file_type().unwrap().is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/");
                files.push((name, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    assert!(files.len() > 100, "{} files", files.len());
    let found = faults(files.iter().map(|(path, text)| (path.as_str(), text.as_str())));
    assert_eq!(found, [""; 0]);
}
