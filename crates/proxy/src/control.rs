//! What the proxy may be asked over `ROOT/proxy/control.sock`: one JSON object a line, one answer a
//! line.  Only the user the proxy runs as, and root, are answered (SO_PEERCRED).

use crate::certificate::Facts;
use crate::edge::CertificateFiles;
use crate::route_file::FellBack;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A question or an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case", deny_unknown_fields)]
pub enum Ask {
    /// Put the staged `ENVIRONMENT.GENERATION.json` in force, if `expects` is in force now (0:
    /// none) and it is above all that were ever on disk.  What is in force already succeeds.
    /// Answered once every thread serves by it.
    Install {
        /// `PROJECT.ENVIRONMENT`.
        environment: String,
        /// The staged generation.
        generation: u64,
        /// The generation that must be in force.
        expects: u64,
        /// The asking daemon's epoch.
        epoch: u64,
    },
    /// Wait until nothing is in flight to these instances, then close their idle connections.  At
    /// the deadline end streams politely and cut the rest.
    Drain {
        /// Instance ids.
        instances: Vec<String>,
        /// Counted from now.
        deadline_ms: u64,
        /// The asking daemon's epoch.
        epoch: u64,
    },
    /// Read anew whose word is taken on who clients are; it holds for requests from now on.
    Trust,
    /// Read edge files and certificates anew.  A certificate that cannot be presented changes
    /// nothing: the one before it is presented on.
    Edges,
    /// What is in force, and what was served.
    Status,
    /// Read route files, edge files and whom to trust anew: another proxy leads, and changed them.
    Follow,
    /// Take the place of the proxy with this pid; none: there is none.  Answered when this one
    /// accepts, or when the other accepts again.
    Lead {
        /// Its process.
        after: Option<u32>,
        /// How long the other may finish what it has.
        limit_ms: u64,
    },
    /// Accept no more and write no route file, for another proxy leads from now on; of the same
    /// connection [`Ask::Led`] is expected.  Where it ends without, this proxy leads on.  Refused
    /// during a probation.
    Leave {
        /// What is in flight after this is ended politely.
        limit_ms: u64,
    },
    /// After [`Ask::Leave`]: the other one accepts.  Not answered.
    Led,
    /// Send this process's listeners over the socket (SCM_RIGHTS), in the order of `addresses`.
    Listeners,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    /// The generation is in force in every thread.
    Installed {
        /// It.
        generation: u64,
    },
    /// Nothing was changed.
    Refused {
        /// Why.
        reason: RefusalReason,
        /// In words for an operator.
        message: String,
    },
    /// No request is in flight to the instances any more.
    Drained {
        /// Requests that were still in flight at the deadline and were ended by us.
        cut: u64,
        /// How long it took.
        waited_ms: u64,
    },
    /// The list was read.
    Trusts,
    /// They were read.
    Edges {
        /// All that are wanted.
        certificates: Vec<CertificateStatus>,
        /// Edge files that cannot be read, in words.
        broken: Vec<String>,
    },
    /// See [`Ask::Status`].
    Status(Status),
    /// They were read.
    Follows,
    /// This proxy accepts, and alone writes route files.
    Leads,
    /// This proxy accepts no more.
    Leaves {
        /// What it has in force, by `PROJECT.ENVIRONMENT`: whoever leads next has to serve as much.
        generations: BTreeMap<String, u64>,
    },
    /// The listeners follow as ancillary data of this very line.
    Listeners {
        /// As they were bound.
        addresses: Vec<String>,
    },
}

/// Why an order was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusalReason {
    /// Another generation is in force than was expected.
    Unexpected,
    /// The generation is not above all that were on disk.
    Old,
    /// A newer daemon has spoken.
    Epoch,
    /// The generation to confirm was baked under another start of the proxy.
    Nonce,
    /// It fell back, and may not serve again.
    FellBack,
    /// The staged file is missing, broken, or another environment claims its host.
    Unfit,
    /// The disk did not take it.
    Disk,
    /// It is not this proxy's turn, or the other's.
    Turn,
    /// The line was not understood.
    Malformed,
}

/// The proxy's own word on what it serves.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Drawn at start; a confirmation must name it.
    pub nonce: String,
    /// Its process.
    pub pid: u32,
    /// Since it started.
    pub uptime_ms: u64,
    /// The addresses it accepts on.
    pub addresses: Vec<String>,
    /// Client connections open now.
    pub connections: u64,
    /// By `PROJECT.ENVIRONMENT`.
    pub environments: BTreeMap<String, EnvironmentStatus>,
    /// Files that could not be put in force, in words.
    pub alerts: Vec<String>,
    /// Of the program that runs.
    #[serde(default)]
    pub version: String,
    /// Proxies before this one that finish what they have.  What is in flight in them is in the
    /// counts of `environments`.
    #[serde(default)]
    pub leaving: Vec<LeavingStatus>,
    /// All that are wanted.
    #[serde(default)]
    pub certificates: Vec<CertificateStatus>,
}

/// A proxy that accepts no more and finishes what it has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeavingStatus {
    /// Its process.
    pub pid: u32,
    /// Client connections open now.
    pub connections: u64,
}

/// A certificate that is wanted for a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateStatus {
    /// `PROJECT.ENVIRONMENT`.
    pub environment: String,
    /// It may begin with `*.`.
    pub host: String,
    /// Where it is read from.
    pub files: CertificateFiles,
    /// Of what is presented; none: handshakes are refused.
    pub facts: Option<Facts>,
    /// Why the files as they are now are not what is presented.
    pub trouble: Option<String>,
}

/// One environment, as the proxy serves it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EnvironmentStatus {
    /// In force now.
    pub generation: u64,
    /// The highest that was ever on disk.
    pub highest: u64,
    /// Set while `generation` is on probation.
    pub probation: Option<ProbationStatus>,
    /// The last generation that was left for its fallback, as the marker says.
    pub fell_back: Option<FellBack>,
    /// Requests that wait in a hold.
    pub held: u64,
    /// In flight, by instance id; an instance without any is left out.
    pub in_flight: BTreeMap<String, u64>,
    /// Served since the proxy started, by release id.
    pub releases: BTreeMap<String, ReleaseCounters>,
}

/// A probation that has not ended.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ProbationStatus {
    /// Where it would return to.
    pub fallback: u64,
    /// Left before it expires.
    pub expires_in_ms: u64,
    /// Requests that the new targets answered since the swap.
    pub requests: u64,
    /// Of these, 5xx or no answer.
    pub failures: u64,
    /// To the heads of the new targets' answers, of those that were no failures: how many took at
    /// most so many microseconds, and more than the entry before says.
    #[serde(default)]
    pub times: Vec<(u64, u64)>,
    /// As `times`, of the releases that it would return to, in the minutes before the swap.
    #[serde(default)]
    pub before: Vec<(u64, u64)>,
    /// As `before`, since the swap.
    #[serde(default)]
    pub beside: Vec<(u64, u64)>,
}

/// The fate of every request that was sent, or meant to be sent, to a release.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ReleaseCounters {
    /// The whole response was handed to the client.
    pub completed: u64,
    /// The client or the instance went away before the end, or a drain cut it.
    pub aborted: u64,
    /// Of the completed: streams that a drain ended between two chunks or frames.
    #[serde(default)]
    pub ended_by_drain: u64,
    /// Requests of a controller that verifies: they carry `x-cutover-verify` with the start nonce,
    /// are nobody's traffic, and are in no other count.
    #[serde(default)]
    pub verified: u64,
    /// Answered by us, since the instance did not (502, 504): also in `completed` if sent whole.
    pub unanswered: u64,
    /// Sent once more on a fresh connection.
    pub retried: u64,
    /// Waited in a hold.
    pub held: u64,
    /// Of the completed, by first digit: index 1 is 1xx … 5 is 5xx; 0 is unused.
    pub by_class: [u64; 6],
    /// Time to the last response byte, estimated from the histogram; 0 where there are none.
    pub p50_us: u64,
    /// As `p50_us`.
    pub p99_us: u64,
    /// The longest.
    pub max_us: u64,
    /// Unix time in ms of the last request routed to the release.
    pub last_routed_at_ms: u64,
    /// Unix time in ms of the first request routed to the release.
    pub first_routed_at_ms: u64,
}
