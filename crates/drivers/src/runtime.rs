//! Runs instances.

pub mod process;

pub use process::{OneOffProcesses, ProcessRuntime};
