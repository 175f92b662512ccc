//! What a deployment is, and every decision about one.
//!
//! Nothing here can fail for a reason outside its arguments: no clock, no randomness, no I/O, no
//! async.

pub mod backup;
pub mod bake;
pub mod build;
pub mod canary;
pub mod cause;
pub mod check;
pub mod checklist;
pub mod control;
pub mod deployment;
pub mod describe;
pub mod edge;
pub mod failure;
pub mod files;
pub mod health_document;
pub mod hook;
pub mod id;
pub mod instance;
pub mod journal;
pub mod manifest;
pub mod migrate;
pub mod name;
pub mod next;
pub mod nginx;
pub mod one_off;
pub mod outlook;
pub mod plan;
pub mod planner;
pub mod pm2;
pub mod preflight;
pub mod redact;
pub mod release;
pub mod renewal;
pub mod requirement;
pub mod retention;
pub mod role;
pub mod roster;
pub mod routes;
pub mod saved;
pub mod schedule;
pub mod service;
pub mod shared;
pub mod systemd;
pub mod verdict;
pub mod version;
pub mod window;
