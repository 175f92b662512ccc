//! `setup`

use clap::Args;

/// `setup`
#[derive(Debug, Args)]
#[command(
    after_help = "Three units are written into /etc/systemd/system, and enabled: the controller,
the proxy, and one that ends what serves when the host goes down.  After a boot
everything serves again, and `systemctl restart` of them drops no request: the
proxy and the instances outlive the units, and systemd keeps the listeners.
What runs already is taken over without a gap.  It may be repeated.

Examples:
  cutover setup --dry-run
  cutover setup
  cutover setup --remove

Exit codes: 1 not root, or a file is not ours; 2 systemd refuses; 5 a unit was
changed by hand."
)]
pub struct Setup {
    /// Print the units, and change nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Overwrite, or remove, also what somebody has changed by hand.
    #[arg(long)]
    pub force: bool,
    /// Remove the units; what serves goes on, and does not come back after a boot.
    #[arg(long)]
    pub remove: bool,
    /// Refused, with the reason: units of a user end with that user's session.
    #[arg(long, hide = true)]
    pub user: bool,
    /// What the units' names begin with, where a host has several state directories.
    #[arg(long, value_name = "NAME", default_value = drivers::units::NAME)]
    pub name: model::name::Name,
}
