//! `releases diff`

use super::{Known, split};
use crate::{
    halt::Halt,
    session::Session,
    ui::releases::diff::{self as printed, Diff},
};
use drivers::{layout::Layout, releases::DirectoryReleases};
use model::{
    plan::ReleaseLabel,
    release::{Release, difference::Difference},
};

/// Shows what differs between two releases.  Starts nothing.
///
/// # Errors
///
/// Where one of them is not kept, or the state cannot be read.
pub async fn run(session: &Session, words: &[String]) -> Result<u8, Halt> {
    let (environment, [from, to]) = split(session, words, "two versions").await?;
    let known = Known::new(session, environment).await?;
    let ((from, _), (to, _)) = (known.find(from)?, known.find(to)?);
    let releases = DirectoryReleases::new(Layout::new(&session.root));
    let label = |of: &Release| ReleaseLabel { id: of.id.clone(), version: of.version.clone() };
    let diff = Diff {
        environment: known.environment.clone(),
        from: label(from),
        to: label(to),
        same_content: from.artifact.digest_in_place() == to.artifact.digest_in_place(),
        files: releases.compare(from, to)?,
        configuration: Difference::between(&from.spec, &to.spec),
    };
    if session.ui.is_json() {
        session.ui.object(&diff);
    } else {
        session.ui.line(&printed::text(&diff, &session.ui.paint));
    }
    Ok(0)
}
