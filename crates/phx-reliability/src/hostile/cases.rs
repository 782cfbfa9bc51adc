//! The table of attacks.

use super::Case;

mod attempts;
mod floods;
mod frames;
mod messages;
mod presence;

/// All there are, by what is attacked.
pub(super) const ALL: [&[Case]; 5] =
    [attempts::CASES, frames::CASES, floods::CASES, messages::CASES, presence::CASES];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_case_has_a_name_of_its_own() {
        let names: Vec<_> =
            ALL.iter().flat_map(|cases| cases.iter()).map(|case| case.name).collect();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
    }
}
