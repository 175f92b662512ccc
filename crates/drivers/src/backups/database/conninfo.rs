//! A program's words on a database, without its password.

use super::Failure;
use crate::host::Finished;
use model::failure::Blame;

/// Instead of a password.
const HIDDEN: &str = "[secret]";
/// Shorter ones are found in any text.
const PASSWORD_BYTES_MIN: usize = 3;

/// What is told of a program that ended badly.
pub(super) fn refused(finished: &Finished, doing: &str, password: Option<&str>) -> Failure {
    let mut failure = finished.failure(Blame::Platform, doing);
    if let Some(password) = password.filter(|it| it.len() >= PASSWORD_BYTES_MIN) {
        for text in &mut failure.evidence {
            *text = text.replace(password, HIDDEN);
        }
    }
    failure
}
