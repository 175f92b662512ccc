//! The controller: sole writer of the journal, and what serves the API.

pub mod abandoned;
pub mod api;
mod background;
pub mod behind;
mod by_hand;
mod certificates;
mod controller;
mod deployment_log;
mod gate;
mod hub;
pub mod keeping;
pub mod logs;
pub mod one_off;
pub mod prune;
pub mod rebuild;
pub mod report;
pub mod run;
mod saved;
pub mod secrets;
mod socket;
mod waiting;
