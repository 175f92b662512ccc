//! Arguments in, exit code out.

mod alias;
#[cfg(test)]
mod book;
pub(crate) mod grammar;
mod habit;
mod tip;

use crate::{
    command,
    session::Session,
    ui::{Ui, out::Out},
};
use clap::{
    CommandFactory, Parser,
    error::{ContextKind, ErrorKind},
};
use grammar::{Cli, Verb};
use std::{ffi::OsString, process::ExitCode};

/// Usage or configuration.
pub const EXIT_USAGE: u8 = 1;
/// Somebody has to look at it before anything goes on.
pub const EXIT_ATTENTION: u8 = 5;
/// The controller, or what it needs, does not answer.
pub const EXIT_UNREACHABLE: u8 = 7;
/// The user left; the deployment goes on.
pub const EXIT_DETACHED: u8 = 130;

/// Every verb.
pub fn verbs() -> Vec<String> {
    Cli::command().get_subcommands().map(|it| it.get_name().to_owned()).collect()
}

/// Does what the arguments ask, the program's own name being the first of them.
pub fn command_line(args: Vec<OsString>) -> ExitCode {
    let args = alias::expanded(habit::reordered(args));
    let cli = match Cli::try_parse_from(&args) {
        Ok(cli) => cli,
        Err(error) => return ExitCode::from(not_parsed(error, &args)),
    };
    // They need neither a state directory nor a home.
    match &cli.verb {
        Verb::Completion(args) => return command::completion::run(&Out::default(), args).into(),
        Verb::Man(args) => return command::man::run(&Out::default(), args).into(),
        _ => {}
    }
    let ui = Ui::new(&cli.globals);
    let session = match Session::new(&cli.globals, ui) {
        Ok(session) => session,
        Err((ui, halt)) => return ExitCode::from(ui.halt(&halt)),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            Out::default().error(&format!("cutover: failed to start: {error}"));
            return ExitCode::from(EXIT_UNREACHABLE);
        }
    };
    let ended = runtime.block_on(command::run(&session, cli.verb));
    // A thread that reads the terminal, or a file, may never end: nothing of it is needed.
    runtime.shutdown_background();
    ExitCode::from(match ended {
        Ok(code) => code,
        Err(halt) => session.ui.halt(&halt),
    })
}

/// Help and version are asked for, the rest is refused.
fn not_parsed(mut error: clap::Error, args: &[OsString]) -> u8 {
    let out = Out::default();
    let tip = tip::of(&error, args).map(|it| format!("\n\n  tip: {it}"));
    if tip.is_some() {
        // One tip is read, two are a riddle.
        error.remove(ContextKind::Suggested);
    }
    let text = error.render().to_string();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            out.print(&text);
            out.print(&alias::told(args));
            0
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            out.error(text.trim_end());
            EXIT_USAGE
        }
        _ => {
            out.error(&format!("{}{}", text.trim_end(), tip.unwrap_or_default()));
            EXIT_USAGE
        }
    }
}
