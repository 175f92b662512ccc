//! Questions that a candidate is asked besides its health, and whether one may go on without them.

use crate::service::{Millis, SmokeTest};
use serde::{Deserialize, Serialize};

/// One question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// How it is called where it fails.
    pub name: String,
    /// It is asked once more after the switch, before the new release is confirmed.
    pub after: bool,
    /// For each part of it: one request, one connection, the command.
    pub timeout: Millis,
    /// What is asked.
    pub question: Question,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Question {
    /// Requests in order.
    Http {
        /// One sequence.
        steps: Vec<SmokeTest>,
    },
    /// A port accepts.
    Tcp {
        /// `host:port`, placeholders are filled; none: the instance's own.
        address: Option<String>,
    },
    /// A program in the release's directory, with the instance's environment, ends with 0.
    Command {
        /// Program and arguments.
        command: Vec<String>,
    },
    /// What the instance wrote so far does not match.
    Log {
        /// A regular expression, tried on each line.
        absent: String,
    },
    /// It says that it is this release.
    Identity {
        /// What of it.
        what: Identity,
        /// Asked by GET; none: the path of the health check.
        path: Option<String>,
        /// By dotted path in a JSON body; none: as a health document has it.
        field: Option<String>,
    },
    /// It is quick and lean enough.
    Performance(Performance),
    /// GET each: an answer below 500.
    Endpoints {
        /// They.
        paths: Vec<String>,
    },
    /// What clients elsewhere see under the public name.
    External(External),
}

/// A request that goes the clients' way: by name, and with TLS to whom the name leads to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct External {
    /// With TLS, its certificate verified.
    pub tls: bool,
    /// Resolved as the host does.
    pub host: String,
    /// 443 or 80 mostly.
    pub port: u16,
    /// Asked by GET.
    pub path: String,
    /// Wanted.
    pub status: u16,
    /// A certificate that ends sooner is told.
    pub expires_in: Millis,
    /// Certificates in PEM that are trusted; none: those that the host trusts.
    pub trusted: Option<String>,
}

/// By what a release is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Identity {
    /// Its version.
    Version,
    /// The commit it was made of; a shortened one will do.
    Commit,
}

/// Bounds on means over a window, after a warm-up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Performance {
    /// Asked by GET, again and again.
    pub path: String,
    /// To the last byte of the answer.
    pub response: Millis,
    /// Of the instance's limit, else of the machine's memory.
    pub memory_percent: u32,
    /// Of the processors that may be used.
    pub cpu_percent: u32,
    /// So long is it measured.
    pub window: Millis,
}

/// What was measured of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// Mean, in milliseconds.
    pub response_ms: f64,
    /// Mean.
    pub memory_percent: f64,
    /// Mean.
    pub cpu_percent: f64,
}

/// What one step asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checks {
    /// In this order.
    pub list: Vec<Check>,
    /// Requests go by the public route, under this host name; none: to the instance itself.
    pub host: Option<String>,
    /// Soft ones that fail are told, and held against nobody.
    pub force: bool,
}

impl Check {
    /// Whether `--force` goes on in spite of it.
    pub fn is_soft(&self) -> bool {
        matches!(self.question, Question::Performance(_) | Question::Identity { .. })
    }
}

impl Question {
    /// Whether only what serves can be asked, and never a candidate.
    pub fn is_of_what_serves(&self) -> bool {
        matches!(self, Question::External(_))
    }

    /// The key that names it in a configuration.
    pub fn word(&self) -> &'static str {
        match self {
            Question::Http { .. } => "http",
            Question::Tcp { .. } => "tcp",
            Question::Command { .. } => "command",
            Question::Log { .. } => "log",
            Question::Identity { what, .. } => what.word(),
            Question::Performance(_) => "performance",
            Question::Endpoints { .. } => "endpoints",
            Question::External(_) => "external",
        }
    }

    /// The longest that it may take, where each part may take `timeout`.
    pub fn time_max(&self, timeout: Millis) -> Millis {
        match self {
            Question::Http { steps } => Millis(steps.iter().map(|it| it.timeout.0).sum()),
            Question::Endpoints { paths } => Millis(timeout.0 * paths.len() as u64),
            Question::External(_) => {
                Millis(EXTERNAL_TRIES * timeout.0 + (EXTERNAL_TRIES - 1) * EXTERNAL_PAUSE.0)
            }
            // The requests of a warm-up, and one that began within the window.
            Question::Performance(it) => Millis(it.window.0 + (WARM_UPS + 1) * timeout.0),
            _ => timeout,
        }
    }
}

/// Requests before the window, which are not counted.
pub const WARM_UPS: u64 = 3;
/// Names, lines and other people's balancers have hiccups that say nothing of a release.
pub const EXTERNAL_TRIES: u64 = 3;
/// Between two of them.
pub const EXTERNAL_PAUSE: Millis = Millis::seconds(1);

impl External {
    /// Its address as people write it.
    pub fn url(&self) -> String {
        let External { host, port, path, .. } = self;
        match (self.tls, port) {
            (true, 443) => format!("https://{host}{path}"),
            (true, _) => format!("https://{host}:{port}{path}"),
            (false, 80) => format!("http://{host}{path}"),
            (false, _) => format!("http://{host}:{port}{path}"),
        }
    }
}

impl Identity {
    /// `version` or `commit`.
    pub fn word(self) -> &'static str {
        match self {
            Identity::Version => "version",
            Identity::Commit => "commit",
        }
    }

    /// Whether what an instance says of itself is what it should be.
    pub fn agrees(self, said: &str, wanted: &str) -> bool {
        const SHORT_COMMIT: usize = 7;
        let (said, wanted) = (said.trim(), wanted.trim());
        match self {
            Identity::Version => said.strip_prefix('v').unwrap_or(said) == wanted,
            Identity::Commit => {
                let shorter = said.len().min(wanted.len());
                shorter >= SHORT_COMMIT && (said.starts_with(wanted) || wanted.starts_with(said))
            }
        }
    }
}

impl Performance {
    /// What is beyond its bound, if anything.
    pub fn trouble(&self, seen: &Measured) -> Option<String> {
        let mut beyond = vec![];
        if seen.response_ms >= self.response.0 as f64 {
            let most = self.response.0;
            beyond.push(format!(
                "it answers in {:.0} ms, wanted: less than {most}",
                seen.response_ms
            ));
        }
        let parts = [
            ("memory", seen.memory_percent, self.memory_percent),
            ("processor", seen.cpu_percent, self.cpu_percent),
        ];
        for (what, percent, most) in parts {
            if percent >= f64::from(most) {
                beyond.push(format!(
                    "it takes {percent:.0} % of its {what}, wanted: less than {most} %"
                ));
            }
        }
        (!beyond.is_empty()).then(|| beyond.join("; "))
    }
}
