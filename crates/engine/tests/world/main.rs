//! A world in memory, in which every call may fail, and which is asked after each call whether the
//! service serves.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "these are tests")]

mod attention;
mod backups;
mod build;
mod builds;
mod clock;
mod control;
mod drive;
mod faults;
mod hearing;
mod hooks;
mod journal;
mod migrations;
mod part;
mod plain;
mod prober;
mod releases;
mod router;
mod runtime;
mod scenes;
mod schedule;
mod state;
mod unasked;
mod whole;
