//! Checks that every crate has the lints of the root Cargo.toml, also outside of the workspace.

use std::collections::BTreeSet;

use crate::workspace::{BARE_METAL, FUZZ};

/// The one file that may have `unsafe`, and the most lines that it may have.
const UNSAFE: (&str, usize) = ("examples/bare_metal/src/heap.rs", 60);

/// Returns the faults in the lints of a manifest below the root. It must inherit the workspace's, or have the same tables
/// if it is a separate workspace, which can't inherit.
pub(crate) fn faults(root: &str, path: &str, manifest: &str) -> Vec<String> {
    if !manifest.lines().any(|line| line.trim() == "[workspace]") {
        let inherits = section(manifest, "[lints]").contains("workspace = true");
        let fault = format!("{path} doesn't inherit the lints of the workspace");
        return if inherits { Vec::new() } else { vec![fault] };
    }
    let mut faults = Vec::new();
    if ![BARE_METAL, FUZZ].contains(&path) {
        faults.push(format!("{path} is a workspace that the steps don't check"));
    }
    let tables = root.lines().map(str::trim).filter(|line| line.starts_with("[workspace.lints."));
    for table in tables {
        let own = table.replacen("[workspace.", "[", 1);
        let (mut expected, found) = (section(root, table), section(manifest, &own));
        // One file there may allow it: see `unsafe_fault`.
        if path == BARE_METAL && expected.remove("unsafe_code = \"forbid\"") {
            expected.insert("unsafe_code = \"deny\"");
        }
        let missing = expected.difference(&found).map(|lint| format!("{path}, {own}: no `{lint}`"));
        let extra = found.difference(&expected);
        let extra = extra.map(|lint| format!("{path}, {own}: the root has no `{lint}`"));
        faults.extend(missing.chain(extra));
    }
    faults
}

/// Returns the fault of a file of Rust that allows `unsafe`. Where it is forbidden the compiler refuses that anyway.
pub(crate) fn unsafe_fault(path: &str, text: &str) -> Option<String> {
    let allows = text.lines().any(|line| line.starts_with("#![") && line.contains("(unsafe_code"));
    let inner = text
        .lines()
        .any(|line| line.trim_start().starts_with("#[") && line.contains("(unsafe_code"));
    let below = path.strip_prefix("examples/bare_metal/").is_some_and(|path| path.ends_with(".rs"));
    if !below || !(allows || inner) {
        return None;
    }
    let (file, most) = UNSAFE;
    let lines = text.lines().count();
    if path != file {
        return Some(format!("{path} allows `unsafe`, which only {file} may"));
    }
    (lines > most)
        .then(|| format!("{path} has {lines} lines, {most} at most where there is `unsafe`"))
}

/// Returns the lines between this header and the next one.
fn section<'a>(manifest: &'a str, header: &str) -> BTreeSet<&'a str> {
    let lines = manifest.lines().map(str::trim).skip_while(|line| *line != header).skip(1);
    let lines = lines.take_while(|line| !line.starts_with('['));
    lines.filter(|line| !line.is_empty() && !line.starts_with('#')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: &str = "[workspace.lints.rust]\nunsafe_code = \"forbid\"\n\n\
        [workspace.lints.clippy]\ntodo = \"warn\"\nexit = \"warn\"\n\n[profile.release]\n";

    #[test]
    fn a_member_inherits() {
        let member = "[package]\nname = \"a\"\n\n[lints]\nworkspace = true\n";
        assert_eq!(faults(ROOT, "a/Cargo.toml", member), [""; 0]);
        let without = "[package]\nname = \"a\"\n";
        let expected = "a/Cargo.toml doesn't inherit the lints of the workspace";
        assert_eq!(faults(ROOT, "a/Cargo.toml", without), [expected]);
    }

    #[test]
    fn a_workspace_of_its_own_has_equal_tables() {
        let equal = "[workspace]\n\n[lints.clippy]\n# Why.\nexit = \"warn\"\ntodo = \"warn\"\n\n\
            [lints.rust]\nunsafe_code = \"forbid\"\n";
        assert_eq!(faults(ROOT, "fuzz/Cargo.toml", equal), [""; 0]);
        let other = equal.replace("forbid", "deny").replace("todo = \"warn\"\n", "");
        assert_eq!(
            faults(ROOT, "fuzz/Cargo.toml", &other),
            [
                "fuzz/Cargo.toml, [lints.rust]: no `unsafe_code = \"forbid\"`",
                "fuzz/Cargo.toml, [lints.rust]: the root has no `unsafe_code = \"deny\"`",
                "fuzz/Cargo.toml, [lints.clippy]: no `todo = \"warn\"`",
            ]
        );
    }

    #[test]
    fn the_program_for_a_board_denies_unsafe_but_in_one_short_file() {
        let equal = "[workspace]\n[lints.clippy]\nexit = \"warn\"\ntodo = \"warn\"\n\
            [lints.rust]\nunsafe_code = \"deny\"\n";
        assert_eq!(faults(ROOT, BARE_METAL, equal), [""; 0]);
        assert_eq!(faults(ROOT, BARE_METAL, &equal.replace("deny", "warn")).len(), 2);

        let allows = "#![allow(unsafe_code, reason = \"\")]\n";
        let (file, most) = UNSAFE;
        assert_eq!(unsafe_fault(file, allows), None);
        assert!(unsafe_fault(file, &allows.repeat(most + 1)).is_some());
        let other = "examples/bare_metal/src/modem.rs";
        assert!(unsafe_fault(other, "    #[expect(unsafe_code)]\n").is_some());
        assert_eq!(unsafe_fault(other, "//! unsafe_code\n"), None);
    }

    #[test]
    fn a_workspace_that_no_step_checks_is_a_fault() {
        let equal = "[workspace]\n[lints.clippy]\nexit = \"warn\"\ntodo = \"warn\"\n\
            [lints.rust]\nunsafe_code = \"forbid\"\n";
        let expected = "tools/Cargo.toml is a workspace that the steps don't check";
        assert_eq!(faults(ROOT, "tools/Cargo.toml", equal), [expected]);
    }
}
