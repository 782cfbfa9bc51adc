//! Checks that every crate has the lints of the root Cargo.toml, also outside of the workspace.

use std::collections::BTreeSet;

use crate::steps::fuzz;

/// Returns the faults in the lints of a manifest below the root. It must inherit the workspace's, or have the same tables
/// if it is a separate workspace, which can't inherit.
pub(crate) fn faults(root: &str, path: &str, manifest: &str) -> Vec<String> {
    if !manifest.lines().any(|line| line.trim() == "[workspace]") {
        let inherits = section(manifest, "[lints]").contains("workspace = true");
        let fault = format!("{path} doesn't inherit the lints of the workspace");
        return if inherits { Vec::new() } else { vec![fault] };
    }
    let mut faults = Vec::new();
    if path != fuzz::MANIFEST {
        faults.push(format!("{path} is a workspace that the steps don't check"));
    }
    let tables = root.lines().map(str::trim).filter(|line| line.starts_with("[workspace.lints."));
    for table in tables {
        let own = table.replacen("[workspace.", "[", 1);
        let (expected, found) = (section(root, table), section(manifest, &own));
        let missing = expected.difference(&found).map(|lint| format!("{path}, {own}: no `{lint}`"));
        let extra = found.difference(&expected);
        let extra = extra.map(|lint| format!("{path}, {own}: the root has no `{lint}`"));
        faults.extend(missing.chain(extra));
    }
    faults
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
    fn a_workspace_that_no_step_checks_is_a_fault() {
        let equal = "[workspace]\n[lints.clippy]\nexit = \"warn\"\ntodo = \"warn\"\n\
            [lints.rust]\nunsafe_code = \"forbid\"\n";
        let expected = "tools/Cargo.toml is a workspace that the steps don't check";
        assert_eq!(faults(ROOT, "tools/Cargo.toml", equal), [expected]);
    }
}
