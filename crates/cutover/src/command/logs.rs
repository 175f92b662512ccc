//! `logs`

use super::carry;
use crate::{
    cli::grammar::{LogStream, Logs},
    controller::{Controller, Lines},
    halt::Halt,
    session::Session,
    target::{self, Target},
    ui::figure::now_ms,
};
use daemon::{
    api::logs::{HISTORY_MAX, written_by},
    logs::{Filter, Follower, Stream, Wanted, plain, tail},
    secrets::Secrets,
};
use model::{
    failure::{Blame, Failure},
    name::Name,
};
use std::io;
use tokio::sync::mpsc;

/// Lines of several environments that wait to be shown.
const LINES_WAITING_MAX: usize = 256;

/// What is looked for.
struct Asked {
    targets: Vec<Target>,
    service: Option<Name>,
    stream: Stream,
    since_ms: Option<u64>,
}

/// Shows what instances wrote.  Starts nothing.
///
/// # Errors
///
/// Where a log cannot be read, or the words name no environment.
pub async fn run(session: &Session, args: &Logs) -> Result<u8, Halt> {
    let asked = asked(session, args).await?;
    let controller = Controller::new(&session.root);
    let mut open = vec![];
    for target in &asked.targets {
        let answer = controller.logs(&target.id, &query(&asked, args)).await;
        match carry::unless_absent(answer)? {
            Some(lines) => open.push((target, lines)),
            None => return directly(session, &asked, args).await,
        }
    }
    if args.follow && open.len() > 1 {
        let open = open.into_iter().map(|(target, lines)| (target.clone(), lines)).collect();
        return interleaved(session, &asked, open).await;
    }
    let mut all = vec![];
    let several = open.len() > 1;
    for (target, mut lines) in open {
        // Nobody reads them any more: that is how `| head` ends.
        while !session.ui.out.closed() {
            let Some(line) = lines.next().await? else { break };
            let line = led(&asked, target, &plain(&String::from_utf8_lossy(&line)));
            match several {
                true => all.push(line),
                false => session.ui.line(&line),
            }
        }
    }
    for line in merged(&asked, all, args.lines) {
        session.ui.line(&line);
    }
    Ok(0)
}

async fn asked(session: &Session, args: &Logs) -> Result<Asked, Halt> {
    let known = target::known(session).await?;
    let (targets, rest) = match args.words.split_first() {
        Some((first, rest)) if first.contains(',') => {
            let found = first.split(',').map(|it| known.find(&[it.to_owned()]));
            (found.collect::<Result<Vec<_>, _>>()?, rest)
        }
        _ => {
            let (target, rest) = known.find_first(&args.words)?;
            (vec![target], rest)
        }
    };
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
    let since_ms = args.since.as_deref().map(since).transpose()?;
    Ok(Asked { targets, service, stream, since_ms })
}

fn named(service: &str) -> Result<Name, Halt> {
    service
        .parse()
        .map_err(|it: model::name::NotAName| Halt::usage(format!("find a service: {it}")))
}

/// A time, or so long ago: Unix time in ms.
fn since(text: &str) -> Result<u64, Halt> {
    if let Some(length) = config::quantity::duration(text) {
        return Ok(now_ms().saturating_sub(length.0));
    }
    let time = text.parse::<jiff::Timestamp>().ok();
    time.and_then(|it| u64::try_from(it.as_millisecond()).ok()).ok_or_else(|| {
        Halt::usage(format!("understand `{}` as a time", text.escape_debug()))
            .hint("write how long ago, `15m` or `2h`, or a time like `2026-11-21T13:00:00Z`")
    })
}

/// The lines of several logs name none of them, unless they name their instance.
fn led(asked: &Asked, target: &Target, line: &str) -> String {
    if asked.targets.len() > 1 && asked.stream != Stream::Combined {
        return format!("{} {line}", target.id);
    }
    line.to_owned()
}

/// The last of several logs, by their times, where they have them.
fn merged(asked: &Asked, mut lines: Vec<String>, count: usize) -> Vec<String> {
    if asked.stream != Stream::Combined {
        return lines;
    }
    let time = |it: &String| it.split(' ').next().unwrap_or_default().to_owned();
    lines.sort_by_key(time);
    lines.split_off(lines.len().saturating_sub(count))
}

fn query(asked: &Asked, args: &Logs) -> String {
    let stream = match asked.stream {
        Stream::Out => "out",
        Stream::Error => "error",
        Stream::Combined => "combined",
    };
    let mut query = format!("stream={stream}&lines={}&follow={}", args.lines, args.follow);
    let given = [
        ("service", asked.service.as_ref().map(ToString::to_string)),
        ("since_ms", asked.since_ms.map(|it| it.to_string())),
        ("grep", args.grep.clone()),
        ("release", args.release.clone()),
    ];
    for (name, value) in given {
        if let Some(value) = value {
            query.push_str(&format!("&{name}={}", escaped(&value)));
        }
    }
    query
}

/// As a part of a query.
fn escaped(text: &str) -> String {
    let letter = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(letter).collect()
}

/// Several logs that go on, line by line as they come.
async fn interleaved(
    session: &Session,
    asked: &Asked,
    open: Vec<(Target, Lines)>,
) -> Result<u8, Halt> {
    let (sender, mut lines) = mpsc::channel(LINES_WAITING_MAX);
    for (target, mut log) in open {
        let sender = sender.clone();
        tokio::spawn(async move {
            while let Ok(Some(line)) = log.next().await {
                let line = plain(&String::from_utf8_lossy(&line));
                if sender.send((target.clone(), line)).await.is_err() {
                    return;
                }
            }
        });
    }
    drop(sender);
    while !session.ui.out.closed() {
        let Some((target, line)) = lines.recv().await else { break };
        session.ui.line(&led(asked, &target, &line));
    }
    Ok(0)
}

/// Without a controller the files are read from here.
async fn directly(session: &Session, asked: &Asked, args: &Logs) -> Result<u8, Halt> {
    let layout = session.layout();
    let secrets = Secrets::kept(&layout).redactor();
    let failed = |it: io::Error| {
        let blame = match it.kind() {
            io::ErrorKind::InvalidInput => Blame::Request,
            _ => Blame::Platform,
        };
        Halt::from(Failure::new(blame, format!("read the log: {it}")))
    };
    let (mut all, mut followers) = (vec![], vec![]);
    for target in &asked.targets {
        let instances = match &args.release {
            Some(version) => {
                let unreadable = |it: store::OpenError| {
                    Failure::new(Blame::Platform, format!("read the journal: {it}"))
                };
                let journal = store::read_only(&session.root).map_err(unreadable)?;
                Some(written_by(&journal.history(&target.id, HISTORY_MAX)?, version))
            }
            None => None,
        };
        let filter =
            Filter::new(asked.since_ms, args.grep.as_deref(), instances).map_err(failed)?;
        let wanted = Wanted {
            environment: target.id.clone(),
            service: asked.service.clone(),
            stream: asked.stream,
            filter,
        };
        followers.push((target, Follower::at_end(&layout, &wanted).map_err(failed)?));
        let lines = tail(&layout, &wanted, args.lines).map_err(failed)?;
        all.extend(lines.iter().map(|it| led(asked, target, it)));
    }
    for line in merged(asked, all, args.lines.saturating_mul(asked.targets.len())) {
        session.ui.line(&secrets.text(&line));
    }
    while args.follow && !session.ui.out.closed() {
        for (target, follower) in &mut followers {
            let Some(text) = follower.next_now() else { return Ok(0) };
            for line in text.lines() {
                session.ui.line(&secrets.text(&led(asked, target, line)));
            }
        }
        tokio::time::sleep(daemon::logs::FOLLOW_EVERY).await;
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_looked_for_may_hold_anything() {
        assert_eq!(escaped("a b&c=%(ü)"), "a%20b%26c%3D%25%28%C3%BC%29");
    }

    #[test]
    fn a_time_is_a_time_or_a_while_ago() {
        assert_eq!(since("2026-11-21T13:00:00Z").unwrap(), 1_795_266_000_000);
        assert!(now_ms() - since("15m").unwrap() >= 15 * 60_000);
        assert_eq!(since("yesterday").unwrap_err().exit_code(), 1);
    }
}
