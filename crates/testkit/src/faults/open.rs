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

const NO_UPGRADE: &str = "there is no verb yet that replaces a running program by another version";
const NOT_BUILT: &str = "what it would break is not built yet";

/// All of them.
pub const OPEN: [Open; 16] = [
    open(26, "proxy upgraded under load", NO_UPGRADE),
    open(27, "new proxy crashes at start", NO_UPGRADE),
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
    open(57, "nginx refuses a configuration", NOT_BUILT),
    open(58, "nginx restarts", NOT_BUILT),
    open(59, "SSH drops", NOT_BUILT),
    open(61, "migration fails", NOT_BUILT),
    open(62, "backup is cut", NOT_BUILT),
    open(63, "DNS, registry or ACME gone", NOT_BUILT),
    open(64, "PM2 daemon dies", NOT_BUILT),
    open(65, "a host of several vanishes", NOT_BUILT),
];
