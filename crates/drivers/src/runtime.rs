//! Runs instances.

pub mod chosen;
mod orders;
pub mod pm2;
pub mod process;
pub mod systemd;

pub use chosen::ChosenRuntime;
pub use pm2::Pm2Runtime;
pub use process::{HostBuilder, OneOffProcesses, ProcessRuntime};
pub use systemd::SystemdRuntime;
