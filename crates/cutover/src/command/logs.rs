//! `logs`

use super::carry;
use crate::{
    cli::grammar::{LogStream, Logs},
    controller::Controller,
    halt::Halt,
    session::Session,
    target,
};
use daemon::{
    logs::{Follower, Stream, Wanted, plain, tail},
    secrets::Secrets,
};
use model::{
    failure::{Blame, Failure},
    name::Name,
};
use std::io;

/// Shows what instances wrote.  Starts nothing.
///
/// # Errors
///
/// Where a log cannot be read, or the words name no environment.
pub async fn run(session: &Session, args: &Logs) -> Result<u8, Halt> {
    let known = target::known(session).await?;
    let (target, rest) = known.find_first(&args.words)?;
    let service = match rest {
        [] => None,
        [service] => Some(named(service)?),
        [_, more, ..] => return Err(Halt::usage(format!("understand `{more}`: one service only"))),
    };
    let stream = match args.stream {
        LogStream::Out => Stream::Out,
        LogStream::Error => Stream::Error,
        LogStream::Combined => Stream::Combined,
    };
    let wanted = Wanted { environment: target.id, service, stream };
    let query = query(&wanted, args);
    let answer = Controller::new(&session.root).logs(&wanted.environment, &query).await;
    let Some(mut lines) = carry::unless_absent(answer)? else {
        return directly(session, &wanted, args).await;
    };
    // Nobody reads them any more: that is how `| head` ends.
    while !session.ui.out.closed() {
        match lines.next().await? {
            Some(line) => session.ui.line(&plain(&String::from_utf8_lossy(&line))),
            None => break,
        }
    }
    Ok(0)
}

fn named(service: &str) -> Result<Name, Halt> {
    service
        .parse()
        .map_err(|it: model::name::NotAName| Halt::usage(format!("find a service: {it}")))
}

fn query(wanted: &Wanted, args: &Logs) -> String {
    let stream = match wanted.stream {
        Stream::Out => "out",
        Stream::Error => "error",
        Stream::Combined => "combined",
    };
    let service = wanted.service.as_ref().map(|it| format!("&service={it}")).unwrap_or_default();
    format!("stream={stream}&lines={}&follow={}{service}", args.lines, args.follow)
}

/// Without a controller the files are read from here.
async fn directly(session: &Session, wanted: &Wanted, args: &Logs) -> Result<u8, Halt> {
    let layout = session.layout();
    let secrets = Secrets::kept(&layout).redactor();
    let failed = |it: io::Error| {
        let blame = match it.kind() {
            io::ErrorKind::InvalidInput => Blame::Request,
            _ => Blame::Platform,
        };
        Halt::from(Failure::new(blame, format!("read the log: {it}")))
    };
    let mut follower = Follower::at_end(&layout, wanted).map_err(failed)?;
    for line in tail(&layout, wanted, args.lines).map_err(failed)? {
        session.ui.line(&secrets.text(&line));
    }
    while args.follow && !session.ui.out.closed() {
        let Some(text) = follower.next().await else { break };
        session.ui.out.print(&secrets.text(&text));
    }
    Ok(0)
}
