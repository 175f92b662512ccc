//! `deploy`, in two parts

use clap::Args;
use model::id::DeploymentId;

/// What was kept for later, or shall be.
#[derive(Clone, Debug, Default, Args)]
pub struct Later {
    /// Do the plan that was saved as this, or refuse and name what changed since.
    #[arg(
        long,
        value_name = "ID",
        value_parser = id,
        conflicts_with_all = ["words", "from", "env_only", "service", "dry_run", "prepare",
            "prepared", "wait", "supersede"]
    )]
    pub plan: Option<DeploymentId>,
    /// Put the release in its place and keep it for three days, for `--prepared ID`; start nothing.
    #[arg(long, conflicts_with_all = ["dry_run", "prepared", "wait", "supersede", "detach"])]
    pub prepare: bool,
    /// Start what was prepared as this, and move the traffic to it.
    #[arg(
        long,
        value_name = "ID",
        value_parser = id,
        conflicts_with_all = ["words", "from", "env_only", "service", "dry_run", "wait",
            "supersede"]
    )]
    pub prepared: Option<DeploymentId>,
}

fn id(text: &str) -> Result<DeploymentId, String> {
    let id = DeploymentId(text.to_ascii_uppercase());
    if id.is_well_formed() {
        Ok(id)
    } else {
        Err("it is no id: `cutover status` lists them".into())
    }
}
