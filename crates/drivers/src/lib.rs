//! The effects behind the engine's ports, for one machine.

mod account;
mod blocking;
pub mod clock;
pub mod file;
pub mod host;
pub mod layout;
pub mod machine;
pub mod releases;
pub mod runtime;
