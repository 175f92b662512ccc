//! The ways in which this app can be broken.  Chosen at start by name: in the environment variable
//! BREAK or a file BREAK in the release, as a comma list.  `../../README.md` says what each does.

use crate::{leave, route::Exchange};
use std::{
    collections::BTreeMap,
    env,
    io::{self, Write},
    process::{Command, Stdio},
    thread,
    time::Duration,
};

const NAMES: [&str; 23] = [
    "exit0",
    "exit1",
    "exit_after",
    "crash_after_switch",
    "hang_port",
    "health_hang",
    "health_slow_body",
    "health_redirect_loop",
    "health_10mb",
    "health_flap",
    "slow_start",
    "all_500",
    "errors",
    "ignore_sigterm",
    "double_fork",
    "zombies",
    "log_flood",
    "long_line",
    "ansi",
    "wrong_version",
    "no_keepalive",
    "leak_memory",
    "listen_wrong_port",
];
/// The first argument of this program's own descendants.
const CHILD: &str = "example-app-child";
const GRANDCHILD: &str = "example-app-grandchild";
const GRANDCHILD_MS: u64 = 600_000;
const LEAK_BYTES_MAX: usize = 2 << 30;
const LEAK_STEP: usize = 1 << 20;
const FLOOD_MIB: u64 = 2048;
const LONG_LINE_BYTES: u64 = 64 << 20;
const ZOMBIES: u32 = 50;

/// What goes on beside the app.
type Action = Box<dyn FnOnce() + Send>;

/// What is broken: names and numbers, 0 where none was given.
#[derive(Debug)]
pub(crate) struct Breakage(BTreeMap<&'static str, u64>);

impl Breakage {
    /// An unknown name is an error: a test that breaks nothing would pass for the wrong reason.
    pub(crate) fn read(texts: &[String]) -> Result<Self, String> {
        let mut broken = BTreeMap::new();
        let separators = |symbol: char| symbol == ',' || symbol.is_whitespace();
        for item in texts.iter().flat_map(|text| text.split(separators)) {
            let (name, value) = item.split_once('=').unwrap_or((item, "0"));
            let known = NAMES.iter().find(|known| **known == name);
            match (known, value.parse()) {
                _ if item.is_empty() => {}
                (Some(known), Ok(value)) => drop(broken.insert(*known, value)),
                _ => return Err(format!("unknown breakage: {item}")),
            }
        }
        Ok(Self(broken))
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        debug_assert!(NAMES.contains(&name));
        self.0.contains_key(name)
    }

    fn value(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or(0)
    }

    /// The number given, or the default where none was.
    fn value_or(&self, name: &str, default: u64) -> u64 {
        Some(self.value(name)).filter(|value| *value > 0).unwrap_or(default)
    }

    /// Breaks what is to be broken before the app listens.
    pub(crate) fn start(&self) {
        if self.has("exit0") {
            leave(0, "nothing to do: leaving with 0");
        }
        if self.has("exit1") {
            leave(1, "fatal: cannot reach the database at db.invalid:5432");
        }
        if self.has("exit_after") {
            leave_after(self.value("exit_after"), "fatal: gave up after a while");
        }
        if self.has("double_fork") {
            double_fork(GRANDCHILD_MS);
        }
        if self.has("zombies") {
            (0..ZOMBIES).for_each(|_| zombie());
        }
        if self.has("ansi") {
            ansi();
        }
        let size = self.value_or("long_line", LONG_LINE_BYTES);
        let mebibytes = self.value_or("log_flood", FLOOD_MIB);
        let aside: [(&str, Action); 3] = [
            ("leak_memory", Box::new(leak)),
            ("log_flood", Box::new(move || flood(mebibytes << 20))),
            ("long_line", Box::new(move || long_line(size))),
        ];
        for (name, action) in aside {
            if self.has(name) {
                thread::spawn(action);
            }
        }
        thread::sleep(Duration::from_millis(self.value("slow_start")));
    }

    /// Called for each request that is not about health.
    pub(crate) fn request(&self, count: u64) {
        if count == 1 && self.has("crash_after_switch") {
            let line = "fatal: died of the first real requests";
            leave_after(self.value("crash_after_switch"), line);
        }
    }

    /// Whether the request is to fail: all, or an even share of them.
    pub(crate) fn fails(&self, count: u64) -> bool {
        let percent = self.value("errors");
        self.has("all_500") || self.has("errors") && (count * percent) % 100 < percent
    }

    /// Answers a health request in the chosen way; false: nothing is chosen.
    pub(crate) fn health(&self, count: u64, exchange: &mut Exchange<'_>) -> io::Result<bool> {
        let kind = ("content-type", "application/json");
        if self.has("health_hang") {
            loop {
                thread::park();
            }
        } else if self.has("health_redirect_loop") {
            exchange.answer(302, &[("location", "/api/health")], b"")?;
        } else if self.has("health_slow_body") {
            exchange.connection.head(200, &[kind, ("content-length", "3600")])?;
            for _ in 0..3600 {
                thread::sleep(Duration::from_secs(1));
                exchange.connection.stream.write_all(b" ")?;
            }
        } else if self.has("health_10mb") {
            let padding = "x".repeat(10 << 20);
            let body = format!("{{\"status\":\"healthy\",\"padding\":\"{padding}\"}}");
            exchange.answer(200, &[kind], body.as_bytes())?;
        } else if self.has("health_flap") && !count.is_multiple_of(3) {
            exchange.answer(503, &[kind], br#"{"status":"unhealthy"}"#)?;
        } else {
            return Ok(false);
        }
        Ok(true)
    }
}

fn leave_after(ms: u64, line: &'static str) {
    thread::spawn(move || {
        thread::sleep(Duration::from_millis(ms));
        leave(1, line)
    });
}

/// Whether this process is one of the app's own descendants; then its work is done.
pub(crate) fn is_descendant() -> bool {
    let arguments: Vec<String> = env::args().collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [_, CHILD, ms] => {
            // A session of its own, and a parent that is gone: nothing ties it to the app.
            let _ = rustix::process::setsid();
            drop(descend(&[GRANDCHILD, ms]));
            true
        }
        [_, GRANDCHILD, ms] => {
            thread::sleep(Duration::from_millis(ms.parse().unwrap_or(0)));
            true
        }
        [_, CHILD] => true,
        _ => false,
    }
}

fn descend(arguments: &[&str]) -> io::Result<std::process::Child> {
    let mut command = Command::new(env::current_exe()?);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()
}

/// A process in a session of its own whose parent is gone.
fn double_fork(ms: u64) {
    if let Ok(mut child) = descend(&[CHILD, &ms.to_string()]) {
        // It ends at once; what it leaves behind is the point.
        let _ = child.wait();
    }
}

/// A child that has ended and is never waited for, and an orphan that ends.
fn zombie() {
    drop(descend(&[CHILD]));
    double_fork(100);
}

fn leak() {
    let mut leaked = Vec::new();
    while leaked.len() * LEAK_STEP < LEAK_BYTES_MAX {
        // Filled, so that the pages are really there.
        leaked.push(vec![b'x'; LEAK_STEP]);
        thread::sleep(Duration::from_millis(10));
    }
    loop {
        thread::park();
    }
}

fn flood(mut left: u64) {
    let block = "a line of a flood that nobody will ever read\n".repeat(1000);
    while left > 0 && io::stdout().write_all(block.as_bytes()).is_ok() {
        left = left.saturating_sub(block.len() as u64);
    }
}

fn long_line(mut size: u64) {
    let block = [b'x'; 64 << 10];
    let mut stdout = io::stdout();
    while size > 0 {
        let length = size.min(block.len() as u64);
        if stdout.write_all(&block[..length as usize]).and_then(|()| stdout.flush()).is_err() {
            return;
        }
        size -= length;
    }
    // A reader that is gone misses nothing.
    let _ = stdout.write_all(b"\n");
}

fn ansi() {
    let text =
        "\x1b[2J\x1b[1;1H\x1b[31mred\x1b[0m \x1b]0;new title\x07 \x1b]8;;http://x\x1b\\link\n";
    let raw = [0x9b, 0x33, 0x31, 0x6d, 0x00, 0xff, 0xfe, 0x08, 0x0d, 0x0a];
    // A reader that is gone is not harmed by it.
    let _ = io::stdout().write_all(&[text.as_bytes(), &raw].concat());
}
