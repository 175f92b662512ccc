//! The decisions: tables, properties, and every prefix of a journal.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "these are tests")]

mod build;
mod canary;
mod cause;
mod check;
mod checklist;
mod describe;
mod difference;
mod health;
mod manifest;
mod migrators;
mod next;
mod planner;
mod preflight;
mod recreate;
mod retention;
mod rolling;
mod standing_orders;
mod verdict;
mod version;
mod workers;
