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
const NOT_BUILT: &str = "what it would break is not built yet";

/// All of them.
pub const OPEN: [Open; 14] = [
    open(
        42,
        "fork bomb",
        "the limit needs a control group that can be written, a machine of its own",
    ),
    open(44, "memory leak", "the limit needs a control group that can be written"),
    open(50, "remounted read-only", "the kernel refuses while a file is open for writing"),
    open(52, "power cut", "needs a device that drops writes"),
    open(55, "dockerd restarts", NOT_BUILT),
    open(56, "image pull fails", NOT_BUILT),
    open(57, "nginx refuses a configuration, or cannot do it; files changed by hand", NGINX),
    open(58, "nginx dies after it was told, or we before it is recorded", NGINX_DIES),
    open(59, "SSH drops", NOT_BUILT),
    open(
        61,
        "migration fails",
        "it is in tests with a real PostgreSQL: \
         `what_fails_or_hangs_leaves_the_old_and_says_how_far_it_came` and \
         `a_controller_that_is_killed_in_the_middle_runs_nothing_twice`",
    ),
    open(62, "backup is cut", NOT_BUILT),
    open(63, "DNS, registry or ACME gone", NOT_BUILT),
    open(64, "PM2's daemon is killed; its dump is empty", PM2),
    open(65, "a host of several vanishes", NOT_BUILT),
];
