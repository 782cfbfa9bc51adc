//! One file a step, or for a few that are alike.

pub(crate) mod api;
pub(crate) mod clippy;
pub(crate) mod counts;
pub(crate) mod coverage;
pub(crate) mod deny;
pub(crate) mod doc;
pub(crate) mod examples;
pub(crate) mod features;
pub(crate) mod files;
pub(crate) mod fmt;
pub(crate) mod fuzz;
pub(crate) mod miri;
pub(crate) mod msrv;
pub(crate) mod mutants;
pub(crate) mod no_std;
pub(crate) mod runs;
pub(crate) mod suite;
pub(crate) mod test;
pub(crate) mod tree;
