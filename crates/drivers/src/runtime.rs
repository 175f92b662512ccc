//! Runs instances.

pub mod process;

pub use process::{HostBuilder, OneOffProcesses, ProcessRuntime};
