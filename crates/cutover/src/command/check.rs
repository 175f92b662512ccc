//! `check`

use crate::{
    cli::{EXIT_USAGE, grammar::Check},
    configuration::{self, Configuration, is_root},
    halt::Halt,
    session::Session,
    ui::{figure::counted, problem_count},
};
use config::{Severity, render};

/// Reports everything that is wrong with the configuration.
///
/// # Errors
///
/// Where there is none.
pub fn run(session: &Session, args: &Check) -> Result<u8, Halt> {
    let path = configuration::path(session);
    let Some(path) = path else { return configuration::expect(session).map(|_| 0) };
    let (document, mut problems) = configuration::read_all(&path);
    let mut environments = 0;
    let mut aliases = Vec::new();
    if let Some(document) = document {
        aliases = document.aliases();
        environments = document.environments().len();
        let configuration = Configuration { path: path.clone(), document };
        problems = configuration.document.check(&configuration.env_files(), is_root());
    }
    let warned = problems.iter().any(|it| it.severity == Severity::Warning);
    let wrong = config::any_error(&problems) || (args.strict && warned);
    let ui = &session.ui;
    if args.github {
        ui.out.print(&render::github(&problems));
    } else if ui.is_json() {
        ui.line(&render::json(&problems));
    } else {
        ui.out.print(&render::human(&problems));
        let count = counted(environments, "environment");
        let sum = match problem_count(&problems) {
            none if none.is_empty() => format!("in order, {count}"),
            some => some,
        };
        let sum = if wrong { ui.paint.bad(&sum) } else { ui.paint.good(&sum) };
        ui.line(&format!("{}: {sum}", path.display()));
        for alias in &aliases {
            ui.line(&format!("alias: `cutover {}` is `cutover {}`", alias.name, alias.typed()));
        }
        if let Some(other) = configuration::passed_over(session) {
            let other = other.display();
            ui.note(&format!("{other} is here too, and is not read: `-f {other}` names it"));
        }
    }
    Ok(if wrong { EXIT_USAGE } else { 0 })
}
