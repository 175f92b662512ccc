//! What the host has, as preflight asks it.

use async_trait::async_trait;
use model::{failure::Failure, name::EnvironmentId, nginx::FrontSpec};

/// The host.  Contract: looks only.
#[async_trait]
pub trait Machine: Send + Sync {
    /// What is free, and what is permitted, under the environment's directory.
    async fn facts(&self, environment: &EnvironmentId) -> Result<Facts, Failure>;
    /// Of these ports, those somebody listens on, each with the owner in words.
    async fn ports_taken(&self, ports: &[u16]) -> Result<Vec<(u16, String)>, Failure>;
    /// Of 20000–29999, `count` ports that nobody listens on and that are not in `leased`.
    async fn free_ports(&self, count: usize, leased: &[u16]) -> Result<Vec<u16>, Failure>;
    /// Whether a user of this name exists and we may run processes as it.
    async fn may_run_as(&self, user: &str) -> Result<(), Failure>;
    /// What a program says of its version; none: there is none, or it says nothing.
    async fn version_of(&self, program: &str) -> Option<String>;
    /// What speaks against nginx as it stands in front of these hosts.  Nothing where it was never
    /// told of any: it does not stand in front yet.
    async fn front_troubles(&self, _front: &FrontSpec, _hosts: &[String]) -> Vec<Failure> {
        vec![]
    }
    /// Drawn by the kernel at boot.
    fn boot_id(&self) -> String;
}

/// What is free, and what is permitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// On the file system of the state directory.
    pub disk_free_bytes: u64,
    /// On the same.
    pub inodes_free: u64,
    /// As the kernel estimates it.
    pub memory_available_bytes: u64,
    /// Why the state directory cannot be written, if it cannot.
    pub unwritable: Option<String>,
}
