//! `migrate`

use super::{confirm, run};
use crate::{
    cli::grammar::{
        migrate::{Migrate, Verb},
        run::Run,
    },
    halt::Halt,
    session::Session,
    target,
};
use engine::port::releases::Releases;
use model::{migrate::MigrateSpec, name::Name};

/// Where nothing is said.
const COUNT: &str = "{count}";
/// Typed before something is taken back.
const WORD: &str = "undo";

/// Asks the tool of what serves, or has it go forward or back.
///
/// # Errors
///
/// Where no service has a migration, or the tool knows no such thing.
pub async fn run(session: &Session, args: Migrate) -> Result<u8, Halt> {
    let words = match &args.verb {
        Verb::Status(place) | Verb::Up(place) => &place.words,
        Verb::Undo(undo) => &undo.place.words,
    };
    let known = target::known(session).await?;
    let (target, rest) = known.find_first(words)?;
    let releases = drivers::onlooker(session.root.clone()).releases;
    let (current, _) = releases.links(&target.id).await?;
    let all = releases.list(&target.id).await?;
    let release = all.into_iter().find(|it| Some(&it.version) == current.as_ref());
    let release = release
        .ok_or_else(|| Halt::usage(format!("migrate {}: nothing was deployed", target.id)))?;
    let wanted: Option<&str> = rest.first().map(String::as_str);
    let mut with: Vec<(&Name, &MigrateSpec)> = vec![];
    for service in &release.spec.services {
        if let Some(spec) = &service.migrate
            && wanted.is_none_or(|it| it == service.name.as_str())
        {
            with.push((&service.name, spec));
        }
    }
    let [(service, spec)] = with[..] else {
        let names: Vec<&str> = with.iter().map(|it| it.0.as_str()).collect();
        let message = format!("choose a service of {} with `migrate`", target.id);
        return Err(Halt::usage(message).hint(match names.as_slice() {
            [] => "none has one".to_owned(),
            names => format!("it is one of {}", names.join(", ")),
        }));
    };
    let command = match &args.verb {
        Verb::Status(_) => spec.status.clone(),
        Verb::Up(_) => Some(spec.up.clone()),
        Verb::Undo(undo) => {
            let filled = |it: &String| it.replace(COUNT, &undo.count.to_string());
            spec.undo.as_ref().map(|it| it.iter().map(filled).collect())
        }
    };
    let command = command.ok_or_else(|| {
        Halt::usage(format!("migrate {service}: its tool has no command for this"))
            .hint("`migrate: { status: […], undo: […] }` in the configuration says one")
    })?;
    if let Verb::Undo(undo) = &args.verb
        && !undo.yes
    {
        let what = format!("{} of {} takes back its last migrations.", service, target.id);
        confirm::typed(WORD, &what)?;
    }
    let time_limit = format!("{}ms", spec.timeout.0);
    let run = Run {
        words: vec![target.id.to_string(), service.to_string()],
        command,
        release: Some(release.version.clone()),
        time_limit,
        detach: false,
        attach: None,
        stop: None,
        list: false,
    };
    run::run(session, run).await
}
