//! Runs instances.

pub mod chosen;
pub mod pm2;
pub mod process;

pub use chosen::ChosenRuntime;
pub use pm2::Pm2Runtime;
pub use process::{HostBuilder, OneOffProcesses, ProcessRuntime};
