//! `scale`

use super::{carry, prepare::request};
use crate::{cli::grammar::Scale, halt::Halt, session::Session, target};
use model::{deployment::Change, name::Name};
use std::collections::BTreeMap;

/// Runs more or fewer instances.
///
/// # Errors
///
/// Where it was not begun.
pub async fn run(session: &Session, args: Scale) -> Result<u8, Halt> {
    let (words, instances) = split(args.words)?;
    let target = target::known(session).await?.find(&words)?;
    let controller = carry::reached(session).await?;
    let mut request = request(session, &target, Change::Scale { instances }, args.reason);
    request.overrides.break_lock = args.turn.break_lock;
    carry::out(session, controller, &target, &request, None, &args.turn, false).await
}

/// The target's words, and what follows them.
fn split(words: Vec<String>) -> Result<(Vec<String>, BTreeMap<Name, u16>), Halt> {
    let (counts, target): (Vec<String>, Vec<String>) =
        words.into_iter().partition(|it| it.contains('='));
    let mut instances = BTreeMap::new();
    for word in counts {
        let (service, count) = word.split_once('=').unwrap_or_default();
        let refused = |why: &str| Halt::usage(format!("scale `{word}`: {why}"));
        let service: Name = service.parse().map_err(|_| refused("this is no service's name"))?;
        let count = count.parse().map_err(|_| refused("the number of instances is no number"))?;
        if instances.insert(service, count).is_some() {
            return Err(refused("it was given already"));
        }
    }
    if instances.is_empty() {
        return Err(Halt::usage("scale: no service is named")
            .hint("say how many: `cutover scale production web=4`"));
    }
    Ok((target, instances))
}

#[cfg(test)]
mod tests {
    use super::split;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn services_and_counts_follow_the_target() {
        let (target, instances) = split(words("shop production web=4 worker=0")).unwrap();
        assert_eq!(target, ["shop", "production"]);
        let counts: Vec<String> = instances.iter().map(|(it, n)| format!("{it}={n}")).collect();
        assert_eq!(counts, ["web=4", "worker=0"]);
        for bad in
            ["production", "web=", "web=x", "web=-1", "Web=1", "=4", "web=1 web=2", "web=70000"]
        {
            assert_eq!(split(words(bad)).unwrap_err().exit_code(), 1, "{bad}");
        }
    }
}
