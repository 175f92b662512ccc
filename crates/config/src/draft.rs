//! The configuration as it was read: each value with its place, nothing filled in yet.

pub(crate) mod acme;
pub(crate) mod alias;
pub(crate) mod backup;
pub(crate) mod build;
pub(crate) mod check;
pub(crate) mod container;
pub(crate) mod control;
pub(crate) mod edge;
pub(crate) mod environment;
pub(crate) mod files;
pub(crate) mod hook;
pub(crate) mod migrate;
pub(crate) mod nginx;
pub(crate) mod pm2;
pub(crate) mod probe;
pub(crate) mod project;
pub(crate) mod rate;
pub(crate) mod readiness;
pub(crate) mod root;
pub(crate) mod schedule;
pub(crate) mod secret;
pub(crate) mod service;
pub(crate) mod shared;
pub(crate) mod smoke;
pub(crate) mod systemd;
pub(crate) mod variable;
