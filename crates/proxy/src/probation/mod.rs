//! Judging a generation that is on probation.

pub(crate) mod error_test;
pub(crate) mod trial;
