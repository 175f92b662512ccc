//! `nginx`

mod apply;
mod check;
mod diff;
mod generate;
mod guard;

use crate::{
    cli::grammar::nginx::NginxAct,
    configuration::{self, Configuration, is_root},
    halt::Halt,
    session::Session,
};
use drivers::nginx::{Difference, Nginx, Trouble, unified};
use model::failure::{Blame, Failure};
use std::path::PathBuf;

/// Something was changed by hand, or nobody knows what serves.
const EXIT_ATTENTION: u8 = 5;
/// Nothing was touched.
const EXIT_REFUSED: u8 = 2;
/// The files from before are back.
const EXIT_PUT_BACK: u8 = 4;
/// Another is at it.
const EXIT_BUSY: u8 = 6;

/// Writes, tests, compares, puts in force.
///
/// # Errors
///
/// Where it was not done.
pub fn run(session: &Session, act: &NginxAct) -> Result<u8, Halt> {
    if let NginxAct::Guard { check: true, .. } = act {
        return guard::check(session);
    }
    let configuration = configuration::expect(session)?;
    let nginx = nginx(session, &configuration)?;
    match act {
        NginxAct::Generate { output, discard_edits } => {
            generate::run(session, &nginx, output, *discard_edits)
        }
        NginxAct::Check => check::run(session, &nginx),
        NginxAct::Diff => diff::run(session, &nginx),
        NginxAct::Apply { install_include: true, .. } => apply::show_include(session, &nginx),
        NginxAct::Apply { discard_edits, .. } => apply::run(session, &nginx, *discard_edits),
        NginxAct::Guard { output, .. } => {
            guard::install(session, &configuration, output.as_deref())
        }
    }
}

/// What nginx is to be told; warnings are printed.
fn nginx(session: &Session, configuration: &Configuration) -> Result<Nginx, Halt> {
    let fronting =
        configuration.document.fronting(is_root(), &links(session)).map_err(Halt::Problems)?;
    for note in &fronting.notes {
        session.ui.note(config::render::human(std::slice::from_ref(note)).trim_end());
    }
    Ok(Nginx {
        directory: PathBuf::from(fronting.directory),
        program: fronting.program,
        front: fronting.front,
    })
}

/// The directory of the links to sockets.
fn links(session: &Session) -> String {
    session.layout().links().display().to_string()
}

/// Prints what somebody changed, and says so.
fn edited(session: &Session, differences: &[Difference], how: &str) -> Halt {
    let mut failure = Failure::new(
        Blame::Request,
        format!("take over {}: changed by hand, so nothing was touched", named(differences)),
    );
    for it in differences.iter().filter(|_| session.ui.is_json()) {
        failure = failure.evidence(shown(it));
    }
    for it in differences.iter().filter(|_| !session.ui.is_json()) {
        session.ui.out.print(&shown(it));
    }
    let failure = failure
        .hint("bring what is wanted of it into the configuration")
        .hint(format!("then go on with `{how} --discard-edits`"));
    Halt::of(EXIT_ATTENTION, failure)
}

/// From the host's to ours.
fn shown(difference: &Difference) -> String {
    let text = unified(&difference.path, difference.host.as_deref(), difference.wanted.as_deref());
    if text.is_empty() {
        // Gone on the host, and not wanted any more.
        return format!("{} was removed by hand\n", difference.path);
    }
    text
}

/// The first few.
fn named(differences: &[Difference]) -> String {
    const NAMED_MAX: usize = 3;
    let names: Vec<&str> = differences.iter().take(NAMED_MAX).map(|it| it.path.as_str()).collect();
    match differences.len().saturating_sub(NAMED_MAX) {
        0 => names.join(", "),
        more => format!("{} and {more} more", names.join(", ")),
    }
}

fn halted(session: &Session, trouble: Trouble, how: &str) -> Halt {
    match trouble {
        Trouble::Edited(differences) => edited(session, &differences, how),
        Trouble::Busy => Halt::of(
            EXIT_BUSY,
            Failure::new(Blame::Request, "apply: another `cutover nginx apply` is at it")
                .hint("try again when it is done"),
        ),
        Trouble::Refused(failure) => Halt::of(EXIT_REFUSED, failure),
        Trouble::PutBack(failure) => Halt::of(
            EXIT_PUT_BACK,
            failure.evidence("the files from before are in their place again"),
        ),
        Trouble::Attention(failure) => Halt::of(EXIT_ATTENTION, failure),
    }
}
