//! Which generation nginx serves by, asked of itself.

use super::Nginx;
use model::nginx::text::{GENERATION_HOST, GENERATION_PATH};
use std::{
    fs,
    io::{Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    thread,
    time::{Duration, Instant},
};

/// One question.
const ASK_TIME_MAX: Duration = Duration::from_secs(1);
/// Its answer, head and all.
const ANSWER_BYTES_MAX: u64 = 4096;
const PAUSE: Duration = Duration::from_millis(10);
/// Answers in a row, where the workers can be seen too.
const ANSWERS_SEEN: u32 = 3;
/// Answers in a row, where they cannot, as in a container.
const ANSWERS_UNSEEN: u32 = 50;
/// In `/proc`, times are counted so many to the second.
const TICKS_PER_S: f64 = 100.0;

/// An answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Live {
    pub(super) generation: u64,
    /// Of the worker, where nginx sees it.
    worker: u32,
}

/// How waiting for a generation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Awaited {
    /// Only workers that know it take requests; so many old ones end what they have.
    Serves { ending: usize },
    /// The last that answered, if any did.
    Not { last: Option<u64> },
}

impl Nginx {
    /// The generation that one worker has read.
    pub(super) fn live(&self) -> Option<Live> {
        let address = reached(self.front.listen.first()?)?;
        let mut stream = TcpStream::connect_timeout(&address, ASK_TIME_MAX).ok()?;
        stream.set_read_timeout(Some(ASK_TIME_MAX)).ok()?;
        stream.set_write_timeout(Some(ASK_TIME_MAX)).ok()?;
        let ask = format!("GET {GENERATION_PATH} HTTP/1.0\r\nHost: {GENERATION_HOST}\r\n\r\n");
        stream.write_all(ask.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.take(ANSWER_BYTES_MAX).read_to_string(&mut answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        let mut words = body.split_whitespace();
        let (generation, worker) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        head.contains(" 200 ").then_some(Live { generation, worker })
    }

    /// Waits until only workers that know the generation take requests.  `told` is when the master
    /// was told to reload; `again` tells it once more, halfway.
    pub(super) fn await_live(
        &self,
        generation: u64,
        told: Told,
        limit: Duration,
        mut again: impl FnMut(),
    ) -> Awaited {
        let start = Instant::now();
        let mut in_a_row = 0;
        let mut last = None;
        let mut asked_again = false;
        while start.elapsed() < limit {
            let live = self.live();
            last = live.map(|it| it.generation).or(last);
            match live.filter(|it| it.generation == generation) {
                Some(live) => {
                    in_a_row += 1;
                    let workers = Workers::beside(live.worker);
                    match workers.map(|it| it.old(told)) {
                        Some((0, ending)) if in_a_row >= ANSWERS_SEEN => {
                            return Awaited::Serves { ending };
                        }
                        None if in_a_row >= ANSWERS_UNSEEN => {
                            return Awaited::Serves { ending: 0 };
                        }
                        _ => {}
                    }
                }
                None => in_a_row = 0,
            }
            // The master may have died with the signal, and another have read the old files.
            if in_a_row == 0 && !asked_again && start.elapsed() > limit / 2 {
                asked_again = true;
                again();
            }
            thread::sleep(PAUSE);
        }
        Awaited::Not { last }
    }
}

/// When the master was told, in the clock of `/proc`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Told {
    ticks: u64,
}

impl Told {
    pub(super) fn now() -> Told {
        let text = fs::read_to_string("/proc/uptime").unwrap_or_default();
        let uptime_s: f64 =
            text.split_whitespace().next().and_then(|it| it.parse().ok()).unwrap_or(0.0);
        // Never negative, and small.
        Told { ticks: (uptime_s * TICKS_PER_S) as u64 }
    }
}

/// The workers of one master.
struct Workers {
    /// When each began, and whether it takes requests.
    all: Vec<(u64, bool)>,
}

impl Workers {
    /// Those with the same parent; None where it is not a worker that can be seen from here.
    fn beside(worker: u32) -> Option<Workers> {
        let (parent, _) = stat(worker)?;
        title(worker).filter(|it| it.starts_with("nginx: "))?;
        let entries = fs::read_dir("/proc").ok()?;
        let pids = entries.filter_map(|it| it.ok()?.file_name().to_str()?.parse::<u32>().ok());
        let mut all = Vec::new();
        for pid in pids {
            let Some((_, began)) = stat(pid).filter(|it| it.0 == parent) else { continue };
            let Some(title) = title(pid).filter(|it| it.starts_with("nginx: worker")) else {
                continue;
            };
            all.push((began, !title.contains("shutting down")));
        }
        Some(Workers { all })
    }

    /// Of those that began before: how many take requests, and how many only end what they have.
    fn old(&self, told: Told) -> (usize, usize) {
        let old = self.all.iter().filter(|it| it.0 < told.ticks);
        let taking = old.clone().filter(|it| it.1).count();
        (taking, old.count() - taking)
    }
}

/// A process's parent, and when it began.
fn stat(pid: u32) -> Option<(u32, u64)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold blanks and parentheses.
    let mut words = text.rsplit_once(')')?.1.split_whitespace();
    let parent = words.nth(1)?.parse().ok()?;
    Some((parent, words.nth(17)?.parse().ok()?))
}

fn title(pid: u32) -> Option<String> {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// What is listened at everywhere is reached on this machine.
fn reached(listen: &str) -> Option<SocketAddr> {
    let mut address: SocketAddr = listen.parse().ok()?;
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    Some(address)
}
