//! The one place that prints.

pub mod audit;
pub mod backup;
pub mod cleanup;
pub mod failure;
pub mod figure;
#[cfg(test)]
mod golden;
pub mod health;
pub mod history;
mod job;
mod json;
mod live;
pub mod lock;
pub mod metrics;
pub mod one_off;
pub mod out;
pub mod paint;
mod plain;
pub mod plan;
pub mod ps;
pub mod releases;
#[cfg(test)]
mod sample;
pub mod show;
pub mod status;
#[cfg(test)]
mod tests;
pub mod top;
pub mod variables;
pub mod verdict;
pub mod view;

use crate::{cli::grammar::Globals, halt::Halt};
use failure::Block;
use figure::Clock;
use model::id::DeploymentId;
use out::Out;
use paint::Paint;
use serde::Serialize;
use std::{
    env,
    io::{self, IsTerminal},
    time::Instant,
};

/// How it is told what goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// To a terminal: lines that change.
    Live,
    /// To a file or a pipe: a line with its time for each event.
    Plain,
    /// To a program: an object a line.
    Json,
    /// Only the last line.
    Quiet,
}

/// Prints.
pub struct Ui {
    /// How.
    pub manner: Manner,
    /// Every step, not only every phase.
    pub verbose: bool,
    /// Colours, or none.
    pub paint: Paint,
    /// Times of day.
    pub clock: Clock,
    /// Where to.
    pub out: Out,
}

impl Ui {
    /// By the global options and what stdout is.
    pub fn new(globals: &Globals) -> Ui {
        let terminal = io::stdout().is_terminal();
        let set = |name: &str| env::var_os(name).is_some_and(|it| !it.is_empty());
        let dumb = env::var_os("TERM").is_none_or(|it| it == "dumb");
        let manner = match globals {
            Globals { json: true, .. } => Manner::Json,
            Globals { quiet: true, .. } => Manner::Quiet,
            _ if terminal && !dumb => Manner::Live,
            _ => Manner::Plain,
        };
        let colours = terminal && !dumb && !globals.no_color && !set("NO_COLOR") && !globals.json;
        Ui {
            manner,
            verbose: globals.verbose > 0,
            paint: Paint { on: colours },
            clock: Clock::local(),
            out: Out::default(),
        }
    }

    /// Whether a program reads.
    pub fn is_json(&self) -> bool {
        self.manner == Manner::Json
    }

    /// Whether somebody can be asked: reads and types at a terminal.
    pub fn can_ask(&self) -> bool {
        let typed = io::stdin().is_terminal();
        typed && self.manner != Manner::Json && io::stderr().is_terminal()
    }

    /// A line of what was asked for.
    pub fn line(&self, text: &str) {
        self.out.line(text);
    }

    /// Waits for something, and says so where it takes long.
    pub async fn waiting<T>(&self, what: &str, future: impl Future<Output = T>) -> T {
        let mut future = std::pin::pin!(future);
        let began = Instant::now();
        loop {
            tokio::select! {
                done = &mut future => return done,
                () = tokio::time::sleep(view::SILENCE_MAX) => {
                    let ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
                    self.note(plain::waiting(what, ms).trim_start());
                }
            }
        }
    }

    /// That something was done, where nothing else is to be told.
    pub fn done(&self, text: &str) {
        match self.manner {
            Manner::Json => self.out.line(&json::done(text, figure::now_ms())),
            Manner::Live | Manner::Plain | Manner::Quiet => self.line(text),
        }
    }

    /// What was asked for, as an object.
    pub fn object(&self, value: &impl Serialize) {
        match serde_json::to_string_pretty(value) {
            Ok(text) => self.out.line(&text),
            Err(error) => self.out.error(&format!("cutover: the answer is no JSON: {error}")),
        }
    }

    /// Says what is waited for, or what was done besides.
    pub fn note(&self, text: &str) {
        match self.manner {
            Manner::Quiet => (),
            Manner::Json => self.out.line(&json::note(text, figure::now_ms())),
            Manner::Live => self.out.error(&self.paint.dim(text)),
            Manner::Plain => self.out.error(text),
        }
    }

    /// Says that a deployment goes on without its watcher.
    pub fn detached(&self, deployment: &DeploymentId, exit_code: u8) {
        if self.is_json() {
            self.out.line(&json::detached(deployment, exit_code, figure::now_ms()));
            return;
        }
        self.line(&format!(
            "detached: deployment {deployment} goes on · watch: cutover attach {deployment} · \
             turn back: cutover abort {deployment}"
        ));
    }

    /// Says why a verb ended; gives its exit code.
    pub fn halt(&self, halt: &Halt) -> u8 {
        match halt {
            Halt::Problems(problems) if self.is_json() => {
                self.out.line(&config::render::json(problems));
            }
            Halt::Problems(problems) => {
                self.out.error(config::render::human(problems).trim_end());
                self.out.error(&problem_count(problems));
            }
            Halt::Failed(report, _) if self.is_json() => self.out.line(&json::error(report)),
            Halt::Failed(report, serving) => {
                let block = Block::of_report(report, serving.as_deref(), &self.clock);
                self.out.error(&block.text(&self.paint, self.manner == Manner::Quiet));
            }
        }
        halt.exit_code()
    }
}

/// `2 errors, 1 warning`.
pub fn problem_count(problems: &[config::Problem]) -> String {
    let count = |severity| problems.iter().filter(|it| it.severity == severity).count();
    let kinds = [
        (count(config::Severity::Error), "error"),
        (count(config::Severity::Warning), "warning"),
        (count(config::Severity::Note), "note"),
    ];
    let texts = kinds.iter().filter(|it| it.0 > 0);
    let texts: Vec<String> = texts.map(|(count, word)| figure::counted(*count, word)).collect();
    texts.join(", ")
}
