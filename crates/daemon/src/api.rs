//! The daemon's API on its Unix socket.

pub mod words;
