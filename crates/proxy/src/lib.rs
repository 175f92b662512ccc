//! The data plane: carries users' traffic, and decides alone about a probation.
//!
//! It knows generations and probations, nothing of deployments, and serves on while the daemon is
//! down or replaced.

pub mod access;
pub mod address;
pub mod certificate;
pub mod challenge;
pub mod client;
pub mod control;
mod controller;
pub mod edge;
mod error;
mod files;
pub mod http1;
pub mod http2;
pub mod limits;
pub mod links;
mod listeners;
pub mod maintenance;
mod plane;
mod probation;
pub mod rate;
pub mod route_file;
mod run;
pub mod trusted;

pub use error::ProxyError;
pub use listeners::{is_to_wait, listeners_from_environment};
pub use run::{ProxyOptions, SECURE, run};
