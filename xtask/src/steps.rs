//! Steps: a file for each, or for several similar ones.

pub(crate) mod api;
pub(crate) mod bare_metal;
pub(crate) mod cargo;
pub(crate) mod counts;
pub(crate) mod coverage;
pub(crate) mod deny;
pub(crate) mod examples;
pub(crate) mod features;
pub(crate) mod files;
pub(crate) mod fuzz;
pub(crate) mod miri;
pub(crate) mod outside;
pub(crate) mod runs;
pub(crate) mod tree;
