//! Runs instances.

pub mod process;

pub use process::ProcessRuntime;
