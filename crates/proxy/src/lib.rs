//! The data plane: carries users' traffic, and decides alone about a probation.
//!
//! It knows generations and probations, nothing of deployments, and serves on while the daemon is
//! down or replaced.

pub mod control;
pub mod route_file;
