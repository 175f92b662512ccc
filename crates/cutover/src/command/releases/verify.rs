//! `releases verify`

use super::{Known, environments};
use crate::{
    halt::Halt,
    session::Session,
    target,
    ui::releases::verify::{self as printed, Verified},
};
use drivers::{layout::Layout, releases::DirectoryReleases};
use model::{
    failure::{Blame, Failure},
    release::Release,
};
use std::collections::BTreeSet;

/// Some content is not what was put there.
const EXIT_DIFFERS: u8 = 1;

/// Compares the content of releases with its hashes.  Starts nothing.
///
/// # Errors
///
/// Where something cannot be read.
pub async fn run(session: &Session, words: &[String]) -> Result<u8, Halt> {
    let mut verified = vec![];
    for release in wanted(session, words).await? {
        let what = format!("{} {} to be read", release.spec.id, release.version);
        let one = session.ui.waiting(&what, verify(session, release)).await?;
        if !session.ui.is_json() {
            session.ui.line(&printed::text(&one, &session.ui.paint));
        }
        verified.push(one);
    }
    let whole = verified.iter().all(|it| it.whole);
    if session.ui.is_json() {
        session.ui.object(&verified);
    } else if verified.is_empty() {
        session.ui.line("no releases");
    }
    Ok(if whole { 0 } else { EXIT_DIFFERS })
}

/// One release a version: those that share a version share their content.
async fn wanted(session: &Session, words: &[String]) -> Result<Vec<Release>, Halt> {
    if !words.is_empty() {
        let known = target::known(session).await?;
        let (target, rest) = known.find_first(words)?;
        if let [version, more @ ..] = rest {
            if let [more, ..] = more {
                let message = format!("understand `{more}`: the version was given already");
                return Err(Halt::usage(message));
            }
            let known = Known::new(session, target.id).await?;
            return Ok(vec![known.find(version)?.0.clone()]);
        }
    }
    let mut releases = vec![];
    for environment in environments(session, words).await? {
        let mut seen = BTreeSet::new();
        let known = Known::new(session, environment).await?;
        let all = known.releases.into_iter().map(|it| it.0);
        releases.extend(all.filter(|it| seen.insert(it.version.clone())));
    }
    Ok(releases)
}

async fn verify(session: &Session, release: Release) -> Result<Verified, Halt> {
    let releases = DirectoryReleases::new(Layout::new(&session.root));
    let reading = tokio::task::spawn_blocking(move || {
        let integrity = releases.integrity(&release)?;
        let (environment, version) = (release.spec.id, release.version);
        Ok::<_, Failure>(Verified {
            environment,
            version,
            digest: release.artifact.digest,
            whole: integrity.is_whole(),
            integrity,
        })
    });
    let read = reading.await;
    let failed = |it| Failure::new(Blame::Us, format!("read the release: {it}"));
    Ok(read.map_err(failed)??)
}
