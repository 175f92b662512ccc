//! `run`

use super::carry;
use crate::{
    cli::grammar::run::Run,
    controller::{CallError, Controller},
    halt::Halt,
    interrupt::Interrupts,
    session::Session,
    target,
    ui::one_off as printed,
};
use daemon::one_off::{Cursor, News};
use model::{
    failure::{Blame, Failure},
    migrate::ByHand,
    name::Name,
    one_off::{Asked, EXIT_UNKNOWN},
};
use std::time::Duration;

/// For a controller that went away to be gone.
const ASK_AGAIN: Duration = Duration::from_millis(200);
/// Askings for one process, where controllers go away.
const ASKINGS_MAX: u32 = 10;
/// What Ctrl-C sends.
const SIGINT: i32 = 2;
/// After so many Ctrl-C the command is stopped, whatever it makes of them.
const INTERRUPTS_MAX: u32 = 3;

/// Runs a command once, or looks after one that runs.
///
/// # Errors
///
/// Where it was not begun, or the controller went away for good.
pub async fn run(session: &Session, args: Run) -> Result<u8, Halt> {
    if args.list {
        return list(session, &args).await;
    }
    if let Some(id) = &args.stop {
        let controller = carry::reached(session).await?;
        session.ui.waiting("it to end", controller.stop_once(&word(id)?)).await?;
        session.ui.done(&format!("stopped {id}"));
        return Ok(0);
    }
    if let Some(id) = &args.attach {
        let controller = carry::reached(session).await?;
        return watch(session, controller, word(id)?, false).await;
    }
    let asked = asked(session, &args).await?;
    once(session, &asked).await
}

/// As [`run`], of a migration by hand: refused while something is deployed, and nothing is deployed
/// while it runs.
///
/// # Errors
///
/// As those of [`run`].
pub async fn migration(session: &Session, args: Run, done: ByHand) -> Result<u8, Halt> {
    let asked = Asked { migration: Some(done), ..asked(session, &args).await? };
    once(session, &asked).await
}

async fn once(session: &Session, asked: &Asked) -> Result<u8, Halt> {
    let controller = carry::reached(session).await?;
    let one_off = begun(session, controller, asked).await?;
    if asked.detached {
        session.ui.one_off_detached(&one_off);
        return Ok(0);
    }
    if session.ui.is_json() {
        session.ui.out.line(&printed::begun(&one_off));
    }
    watch(session, Controller::new(&session.root), one_off, true).await
}

async fn asked(session: &Session, args: &Run) -> Result<Asked, Halt> {
    let known = target::known(session).await?;
    let (target, rest) = known.find_first(&args.words)?;
    let service: Option<Name> = match rest {
        [] => None,
        [service] => {
            Some(service.parse().map_err(|it: model::name::NotAName| {
                Halt::usage(format!("find a service: {it}"))
            })?)
        }
        [_, more, ..] => {
            let hint = "the command follows `--`: `cutover run production -- ls -l`";
            return Err(Halt::usage(format!("understand `{more}`: one service only")).hint(hint));
        }
    };
    let limit = config::quantity::duration(&args.time_limit).ok_or_else(|| {
        Halt::usage(format!("understand `{}` as a time", args.time_limit))
            .hint("write a number of seconds, or `90s`, `15m`, `1h`")
    })?;
    Ok(Asked {
        id: ulid::Ulid::generate().to_string(),
        environment: target.id,
        service,
        version: args.release.clone(),
        command: args.command.clone(),
        time_limit_ms: Some(limit.0).filter(|it| *it > 0),
        detached: args.detach,
        by: session.by.clone(),
        migration: None,
    })
}

/// Asks until a controller has begun it or refused it; its id.
async fn begun(
    session: &Session,
    mut controller: Controller,
    asked: &Asked,
) -> Result<String, Halt> {
    for _ in 1..ASKINGS_MAX {
        match controller.run_once(asked).await {
            Err(error) if error.is_lost() => {
                tokio::time::sleep(ASK_AGAIN).await;
                controller = crate::controller::start(session, false).await?;
            }
            begun => return Ok(begun?.id.0),
        }
    }
    Ok(controller.run_once(asked).await?.id.0)
}

/// Ids become part of a path: they are letters, digits, dots and dashes.
fn word(id: &str) -> Result<String, Halt> {
    let fits = |it: char| it.is_ascii_alphanumeric() || it == '.' || it == '-';
    if !id.is_empty() && id.chars().all(fits) {
        return Ok(id.to_owned());
    }
    Err(Halt::usage(format!("find one-off process `{}`", id.escape_debug()))
        .hint("`cutover run --list` lists them"))
}

async fn list(session: &Session, args: &Run) -> Result<u8, Halt> {
    let controller = carry::reached(session).await?;
    let mut all = controller.one_offs().await?;
    if !args.words.is_empty() {
        let target = target::known(session).await?.find(&args.words)?;
        all.retain(|it| it.one_off.environment == target.id);
    }
    if session.ui.is_json() {
        session.ui.object(&printed::objects(&all));
    } else {
        session.ui.line(&printed::table(&all, &session.ui.clock));
    }
    Ok(0)
}

/// How the watching of it goes.
struct Watch<'s> {
    session: &'s Session,
    id: String,
    out: Cursor,
    error: Cursor,
    interrupts: u32,
    /// It is ours: Ctrl-C is its, and it ends with us.
    ours: bool,
}

/// Passes on what it writes, until it ends; gives its exit code.
async fn watch(
    session: &Session,
    mut controller: Controller,
    id: String,
    ours: bool,
) -> Result<u8, Halt> {
    let failed = |it| Failure::new(Blame::Platform, format!("listen to signals: {it}"));
    let mut interrupts = Interrupts::listen().map_err(failed)?;
    let (out, error) = (Cursor::default(), Cursor::default());
    let mut watch = Watch { session, id, out, error, interrupts: 0, ours };
    let mut lost = 0;
    loop {
        match watch.follow(&controller, &mut interrupts).await {
            Err(error) if error.is_lost() && lost < ASKINGS_MAX => {
                lost += 1;
                tokio::time::sleep(ASK_AGAIN).await;
                controller = crate::controller::start(session, false).await?;
            }
            Err(error) => return Err(error.into()),
            Ok(Some(code)) => return Ok(code),
            // Its end was the stream's last line: without one the controller went away.
            Ok(None) => lost += 1,
        }
    }
}

impl Watch<'_> {
    async fn follow(
        &mut self,
        controller: &Controller,
        interrupts: &mut Interrupts,
    ) -> Result<Option<u8>, CallError> {
        let mut lines = controller.output(&self.id, self.out, self.error).await?;
        loop {
            tokio::select! {
                line = lines.next() => {
                    let Some(line) = line? else {
                        return Err(CallError::Lost("it ended too soon".to_owned()));
                    };
                    let news = serde_json::from_slice(&line).map_err(|it| {
                        CallError::Refused(Box::new(not_understood(&it)))
                    })?;
                    if let Some(code) = self.tell(news) {
                        return Ok(Some(code));
                    }
                }
                keyboard = interrupts.next() => {
                    if let Some(code) = self.interrupted(controller, keyboard).await? {
                        return Ok(Some(code));
                    }
                }
            }
        }
    }

    /// Gives the exit code, at the end.
    fn tell(&mut self, news: News) -> Option<u8> {
        let ui = &self.session.ui;
        if ui.is_json()
            && let Some(line) = printed::news(&news)
        {
            ui.out.line(&line);
        }
        match news {
            News::Out { text, cursor } => {
                self.out = cursor;
                if !ui.is_json() {
                    ui.out.print(&text);
                }
            }
            News::Error { text, cursor } => {
                self.error = cursor;
                if !ui.is_json() {
                    ui.out.error(text.trim_end_matches('\n'));
                }
            }
            News::Alive => (),
            News::Ended(ended) => {
                if let Some(remark) = printed::remark(&ended)
                    && !ui.is_json()
                {
                    ui.out.error(&format!("cutover: {remark}"));
                }
                return Some(ended.exit_code());
            }
            News::Lost { failure } => {
                if !ui.is_json() {
                    ui.out.error(&format!("cutover: failed to {}", failure.message));
                }
                return Some(EXIT_UNKNOWN);
            }
        }
        None
    }

    /// Ctrl-C is the command's, where it is ours; what ends us, and too many of them, end it.
    async fn interrupted(
        &mut self,
        controller: &Controller,
        keyboard: bool,
    ) -> Result<Option<u8>, CallError> {
        if !self.ours {
            self.session.ui.one_off_detached(&self.id);
            return Ok(Some(crate::cli::EXIT_DETACHED));
        }
        self.interrupts += 1;
        if keyboard && self.interrupts < INTERRUPTS_MAX {
            controller.signal_once(&self.id, SIGINT).await?;
        } else {
            controller.stop_once(&self.id).await?;
        }
        Ok(None)
    }
}

fn not_understood(error: &serde_json::Error) -> daemon::api::words::ErrorReport {
    let message = format!("understand the controller, which may be of another version: {error}");
    daemon::api::words::ErrorReport {
        exit_code: crate::cli::EXIT_UNREACHABLE,
        failure: Failure::new(Blame::Platform, message)
            .hint("`cutover daemon start --take-over` replaces it by this version"),
        holder: None,
    }
}
