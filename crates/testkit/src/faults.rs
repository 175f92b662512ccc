//! The fault matrix: every fault the program must survive, made from outside on real processes
//! under real load, and what must hold after each.
//!
//! A row makes its fault in one or many runs.  After each run the same is checked: no request was
//! lost beyond those that were in flight in the very process that was killed, no POST was lost or
//! doubled, nothing is left but what serves or is kept warm, `status` says what answers through the
//! public route, and the command line ended with the code that the journal's outcome stands for.

mod bad_apps;
mod client_killed;
mod clock;
mod contest;
mod crashes;
mod data_plane;
mod descriptors;
mod disk;
mod evidence;
mod going;
mod health;
mod journal;
mod kill_points;
mod memory;
mod open;
mod output;
mod ports_taken;
mod posts;
mod random;
mod reboot;
mod recovery;
mod report;
mod rollbacks;
mod route_file;
mod scene;
mod syscalls;
mod traces;
mod turn_back;
mod two_daemons;
mod upgrades;
mod versions;

pub use open::{OPEN, Open};
pub use report::{Context, Report, Size};

use std::time::Instant;

/// One row of the matrix, or several that are run together.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Its number.
    pub number: u32,
    /// The last of the numbers that it stands for.
    pub last: u32,
    /// The fault, and what must come of it.
    pub title: &'static str,
    /// Makes it.
    pub run: fn(&Context) -> Report,
}

impl Row {
    /// `1`, or `2–15`.
    pub fn numbers(&self) -> String {
        match self.last == self.number {
            true => self.number.to_string(),
            false => format!("{}–{}", self.number, self.last),
        }
    }

    /// Runs it; a panic outside its runs fails it.
    pub fn execute(&self, context: &Context) -> Report {
        let began = Instant::now();
        let mut report = Report::new(context);
        report.guarded(|whole| whole.take((self.run)(context)));
        report.took = began.elapsed();
        report
    }
}

/// A row of one number.
const fn row(number: u32, title: &'static str, run: fn(&Context) -> Report) -> Row {
    Row { number, last: number, title, run }
}

/// All rows that run.
pub const ROWS: [Row; 42] = [
    row(1, "daemon killed before the lock is committed: a retry starts it", client_killed::lock),
    Row {
        number: 2,
        last: 15,
        title: "daemon killed before and after each commit of a deployment",
        run: kill_points::run,
    },
    row(16, "daemon killed at the k-th system call that changes something", syscalls::run),
    row(17, "daemon killed again during recovery, 20 times in a row", recovery::run),
    row(18, "daemon stopped and a second started; take-over; lock unlinked", two_daemons::run),
    row(19, "daemon of another version finds a plan in its midst", versions::run),
    row(20, "command line killed: the deployment goes on, `attach` shows it", client_killed::run),
    row(21, "reboot in probation: the old release serves", reboot::in_probation),
    row(22, "reboot after confirm: the new release serves", reboot::after_confirm),
    row(23, "proxy, daemon and proxy, holder, `supervise` killed", data_plane::run),
    row(24, "proxy killed around the rename of a route file", route_file::killed_at_rename),
    row(25, "route file cut, bit flipped, checksum wrong; old epoch", route_file::broken),
    row(26, "another build takes over under load: nothing is lost", upgrades::under_load),
    row(27, "a new proxy ends at once or hangs: the old one serves on", upgrades::bad),
    row(28, "port accepts and nobody answers: no switch", health::hang_port),
    row(29, "port stolen between plan and start: no request to a stranger", ports_taken::run),
    row(30, "POSTs exactly while the old drains: none lost, none doubled", posts::run),
    row(31, "proxy out of descriptors: refuses politely, still answers", descriptors::exhausted),
    row(32, "exits at once, with 0 and with 1", bad_apps::exits),
    row(33, "crashes in the bake: back on the old", crashes::in_bake),
    row(34, "crashes twice after confirm: rolled back by itself", crashes::after_confirm),
    row(35, "health: hangs, dribbles, redirects, 10 MB, flaps", health::run),
    row(36, "starts slowly within its time: waited for, without traffic", bad_apps::slow),
    row(37, "health green, every request 500: smoke, and error test", bad_apps::all_500),
    row(38, "five requests in a hundred fail: rolled back", bad_apps::some_errors),
    row(39, "no traffic at all: undecided, and said so", bad_apps::no_traffic),
    row(40, "ignores SIGTERM: killed at the deadline, and said so", bad_apps::ignores_sigterm),
    row(41, "leaves a daemon of its own: ended with it", bad_apps::double_fork),
    row(43, "leaves zombies: reaped", bad_apps::zombies),
    row(45, "log flood, endless line, terminal escapes", output::run),
    row(46, "writes into its release: the release is not gone back to", rollbacks::self_altered),
    row(47, "inherits descriptors 0, 1, 2 and no other", descriptors::run),
    row(48, "file system full, inodes used up", disk::full),
    row(49, "a sync of the journal fails: nothing more is done", disk::sync_fails),
    row(50, "read-only in the midst: the old serves, and there is a way out", disk::read_only),
    row(51, "journal copied back, cut, damaged, gone: nobody acts by it", journal::run),
    row(53, "wall clock leaps ten years in a deployment: no wait changes", clock::run),
    row(54, "daemon has 64 MiB while a far larger release is sent", memory::run),
    row(60, "two deployments at once: the second is refused", contest::run),
    row(66, "abort at each step, twice, and after confirm", turn_back::run),
    row(67, "rollback to a release that is missing or altered", rollbacks::missing),
    row(68, "rollback of a rollback; with nothing to go back to", rollbacks::twice),
];
