//! What the tests of the other crates stand on: load whose every request's fate is counted,
//! snapshots that show what a run left behind, guards, ports, and releases of the example apps.
//!
//! Development only: nothing of this is in the product.

pub mod app;
pub mod argv;
pub mod backup_trial;
pub mod book;
pub mod crc;
pub mod database;
pub mod faults;
pub mod gixy;
pub mod guard;
pub mod kill_point;
pub mod library;
pub mod load;
pub mod machine;
pub mod nginx;
pub mod pebble;
pub mod pm2;
pub mod ports;
pub mod published;
pub mod repository;
pub mod sshd;
pub mod stand;
pub mod terminal;
pub mod time;
pub mod tree;
pub mod websocket;

pub use time::{eventually, within};
