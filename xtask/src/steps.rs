//! One file a step.

pub(crate) mod api;
pub(crate) mod clippy;
pub(crate) mod counts;
pub(crate) mod coverage;
pub(crate) mod deny;
pub(crate) mod differential;
pub(crate) mod doc;
pub(crate) mod examples;
pub(crate) mod faults;
pub(crate) mod features;
pub(crate) mod files;
pub(crate) mod fmt;
pub(crate) mod fuzz_build;
pub(crate) mod fuzz_replay;
pub(crate) mod hostile;
pub(crate) mod miri;
pub(crate) mod msrv;
pub(crate) mod mutants;
pub(crate) mod no_std;
pub(crate) mod sim;
pub(crate) mod soak;
pub(crate) mod suite;
pub(crate) mod test;
pub(crate) mod tree;
