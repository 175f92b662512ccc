//! Rows that do not run, and why.

/// A row that does not run.
#[derive(Clone, Copy, Debug)]
pub struct Open {
    /// Its number.
    pub number: u32,
    /// The fault.
    pub title: &'static str,
    /// Why it does not run here.
    pub reason: &'static str,
}

const fn open(number: u32, title: &'static str, reason: &'static str) -> Open {
    Open { number, title, reason }
}

const NGINX: &str = "it is in tests with a real nginx: \
                     `what_nginx_does_not_take_leaves_what_was_there` and \
                     `a_deployment_looks_at_nginx_first`";
const NGINX_DIES: &str = "it is in a test with a real nginx: \
                          `a_master_that_dies_after_it_was_told_is_waited_for`";
const PM2: &str = "it is in tests with a real PM2: \
                   `pm2_and_the_controller_are_killed_and_the_service_goes_on` and \
                   `an_emptied_list_or_dump_brings_back_only_what_the_journal_says`";
const MEMORY: &str = "the limit needs a control group that can be written: with `runtime: systemd` \
                      it is in a test of a real systemd, \
                      `units_of_instances_are_switched_refused_limited_and_rolled_back`: the \
                      cause is told, and what serves goes on";
const SYSTEMD: &str = "Docker is not built; with `runtime: systemd` it is in a test of a real \
                       systemd: `a_deployment_outlives_systemd_and_is_taken_back_after_a_crash`";
const SSH: &str = "deployments by SSH are not built; of copies of backups it is in a test of a \
                   real server: `a_machine_that_is_unknown_or_goes_away_costs_the_copy_only`";
const BACKUP: &str = "it is in tests with real databases: \
                      `a_flipped_bit_or_a_missing_end_is_refused_before_anything_is_touched`, \
                      `postgresql_conforms`, `mariadb_conforms`, `sqlite_conforms` (dumps that end \
                      too early), `a_full_disk_leaves_nothing`";
const AUTHORITY: &str = "names and images are asked nowhere yet; of the authority it is in tests \
                         with a real one, \
                         `an_authority_that_is_gone_or_forgot_us_harms_nobody`";
const NOT_BUILT: &str = "what it would break is not built yet";

/// All of them.
pub const OPEN: [Open; 13] = [
    open(
        42,
        "fork bomb",
        "the limit needs a control group that can be written, a machine of its own",
    ),
    open(44, "memory leak", MEMORY),
    open(52, "power cut", "needs a device that drops writes"),
    open(55, "dockerd restarts; systemd is executed anew, a host under it dies", SYSTEMD),
    open(56, "image pull fails", NOT_BUILT),
    open(57, "nginx refuses a configuration, or cannot do it; files changed by hand", NGINX),
    open(58, "nginx dies after it was told, or we before it is recorded", NGINX_DIES),
    open(59, "SSH drops", SSH),
    open(
        61,
        "migration fails",
        "it is in tests with a real PostgreSQL: \
         `what_fails_or_hangs_leaves_the_old_and_says_how_far_it_came` and \
         `a_controller_that_is_killed_in_the_middle_runs_nothing_twice`",
    ),
    open(62, "backup is cut", BACKUP),
    open(63, "DNS, registry or ACME gone", AUTHORITY),
    open(64, "PM2's daemon is killed; its dump is empty", PM2),
    open(65, "a host of several vanishes", NOT_BUILT),
];
