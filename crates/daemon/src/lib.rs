//! The controller: sole writer of the journal, and what serves the API.

pub mod api;
mod background;
mod controller;
mod deployment_log;
mod hub;
pub mod logs;
pub mod report;
pub mod run;
mod socket;
