//! What is written without secrets: findings, outcomes of steps and the failures in them.

use model::{deployment::Finding, failure::Failure, journal::Record, redact::Redactor};
use std::{fmt, sync::Arc};

/// Knows the secrets of now; by default, none.
#[derive(Clone, Default)]
pub(crate) struct Mask(Option<Arc<dyn Fn() -> Arc<Redactor> + Send + Sync>>);

impl fmt::Debug for Mask {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Mask")
    }
}

impl Mask {
    pub(crate) fn by(redactor: impl Fn() -> Arc<Redactor> + Send + Sync + 'static) -> Mask {
        Mask(Some(Arc::new(redactor)))
    }

    pub(crate) fn findings(&self, findings: &[Finding]) -> Vec<Finding> {
        let Some(redactor) = self.redactor() else { return findings.to_vec() };
        findings.iter().map(|it| redactor.finding(it.clone())).collect()
    }

    pub(crate) fn record(&self, record: &Record) -> Record {
        match self.redactor() {
            Some(redactor) => redactor.record(record.clone()),
            None => record.clone(),
        }
    }

    pub(crate) fn failure(&self, failure: &Failure) -> Failure {
        match self.redactor() {
            Some(redactor) => redactor.failure(failure.clone()),
            None => failure.clone(),
        }
    }

    fn redactor(&self) -> Option<Arc<Redactor>> {
        self.0.as_ref().map(|it| it())
    }
}
