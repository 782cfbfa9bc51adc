//! The table of attacks.

use super::case::Case;

mod attempts;
mod compressed;
mod floods;
mod frames;
mod messages;
mod presence;

/// Returns all cases, by the target of the attack.
pub(super) fn all() -> impl Iterator<Item = &'static Case> {
    let all = [
        attempts::CASES,
        frames::CASES,
        compressed::CASES,
        floods::CASES,
        messages::CASES,
        presence::CASES,
    ];
    all.into_iter().flatten()
}

/// Returns the case of this name.
pub(super) fn find(name: &str) -> Option<&'static Case> {
    all().find(|case| case.name == name)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_case_has_a_name_of_its_own() {
        let names: Vec<_> = all().map(|case| case.name).collect();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
    }
}
