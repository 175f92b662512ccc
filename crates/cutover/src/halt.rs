//! Why a verb ends otherwise than it was asked to.

use crate::cli::{EXIT_UNREACHABLE, EXIT_USAGE};
use config::Problem;
use daemon::api::words::ErrorReport;
use model::{
    deployment::DeploymentRecord,
    failure::{Blame, Failure},
};

/// Why a verb ends; the exit code is part of it.
#[derive(Debug)]
pub enum Halt {
    /// Something was not done; and what serves meanwhile, where it was asked.
    Failed(Box<ErrorReport>, Option<String>),
    /// The configuration is wrong.
    Problems(Vec<Problem>),
}

impl Halt {
    /// The words are wrong, or what they name is not there.
    pub fn usage(message: impl Into<String>) -> Halt {
        Halt::of(EXIT_USAGE, Failure::new(Blame::Request, message))
    }

    /// The controller, or what it needs, does not answer.
    pub fn unreachable(failure: Failure) -> Halt {
        Halt::of(EXIT_UNREACHABLE, failure)
    }

    /// With this exit code.
    pub fn of(exit_code: u8, failure: Failure) -> Halt {
        Halt::Failed(Box::new(ErrorReport { exit_code, failure, holder: None }), None)
    }

    /// The same, with one more thing to try.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Halt {
        if let Halt::Failed(report, _) = &mut self {
            report.failure.hints.push(hint.into());
        }
        self
    }

    /// Why, where only that is to be told.
    pub fn failure(&self) -> Failure {
        match self {
            Halt::Failed(report, _) => report.failure.clone(),
            Halt::Problems(_) => {
                Failure::new(Blame::Request, "use the configuration: it has problems")
            }
        }
    }

    /// The deployment that has the lock, where that is why.
    pub fn holder(&self) -> Option<&DeploymentRecord> {
        match self {
            Halt::Failed(report, _) => report.holder.as_deref(),
            Halt::Problems(_) => None,
        }
    }

    /// What the program exits with.
    pub fn exit_code(&self) -> u8 {
        match self {
            Halt::Failed(report, _) => report.exit_code,
            Halt::Problems(_) => EXIT_USAGE,
        }
    }
}

impl From<ErrorReport> for Halt {
    fn from(report: ErrorReport) -> Halt {
        Halt::Failed(Box::new(report), None)
    }
}

/// What was tried on this side: the request's fault is a usage error, the rest a failed preflight.
impl From<Failure> for Halt {
    fn from(failure: Failure) -> Halt {
        let exit_code = match failure.blame {
            Blame::Request => EXIT_USAGE,
            Blame::Release | Blame::Platform | Blame::Us => 2,
        };
        Halt::of(exit_code, failure)
    }
}
