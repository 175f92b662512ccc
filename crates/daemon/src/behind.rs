//! A journal that is older than what it is the journal of: a copy that was put back, or none.
//!
//! Every life of a controller writes its epoch, and every plan its generations, before anything
//! carries them.  So what lies on disk with a higher number than the journal knows was done by a
//! controller whose journal is not this one: acting by it would repeat numbers, and take for
//! strangers what serves.

use drivers::{ground::Ground, layout::Layout};
use model::failure::{Blame, Failure};
use std::path::Path;
use store::{OpenError, Position};

/// How much of a journal is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pages {
    /// What says how far it has come.
    Few,
    /// All: a damaged one is found also where the damage is elsewhere.
    All,
}

/// What the journal of this position does not know; none: it knows all that is there.
pub fn missing(position: &Position, ground: &Ground) -> Option<String> {
    if ground.epoch > position.epoch {
        return Some(format!(
            "it ends with controller {}, and controller {} gave orders",
            position.epoch, ground.epoch
        ));
    }
    let known = |it| position.generations.get(it).copied().unwrap_or(0);
    let unknown = ground.generations.iter().find(|(it, highest)| **highest > known(it));
    unknown.map(|(it, highest)| {
        format!("it knows generations of {it} up to {}, and {highest} is on disk", known(it))
    })
}

/// What the journal of this position does not know of the state directory, as an error.
///
/// # Errors
///
/// Where it does not know something, or nobody can tell.
pub fn refuse(root: &Path, position: &Position) -> Result<(), String> {
    let ground = drivers::ground::look(&Layout::new(root)).map_err(|it| it.message)?;
    missing(position, &ground).map_or(Ok(()), Err)
}

/// The same, of the state directory, as nothing and nobody is changed; none where nothing was ever
/// done under it.
///
/// # Errors
///
/// Where it cannot be seen.
pub fn look(root: &Path, pages: Pages) -> Result<Option<String>, Failure> {
    let ground = drivers::ground::look(&Layout::new(root))?;
    let position = match store::read_only(root) {
        Ok(journal) => {
            if pages == Pages::All {
                journal.check()?;
            }
            journal.position()?
        }
        Err(OpenError::Missing { .. }) => Position::default(),
        Err(error) => {
            let message = format!("read the journal: {error}");
            return Err(Failure::new(Blame::Platform, message));
        }
    };
    Ok(missing(&position, &ground).map(|what| match position == Position::default() {
        true => format!("there is no journal, and {}", after_and(&what)),
        false => what,
    }))
}

fn after_and(what: &str) -> &str {
    what.split_once(", and ").map_or(what, |it| it.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_journal_is_known_by_its_epoch_and_by_its_generations() {
        let environment: model::name::EnvironmentId =
            "shop/production".parse().unwrap_or_else(|_| unreachable!("it is a name"));
        let position = |epoch, highest| Position {
            epoch,
            generations: [(environment.clone(), highest)].into(),
        };
        let ground = Ground {
            epoch: 4,
            generations: [(environment.clone(), 7)].into(),
            ..Ground::default()
        };
        assert_eq!(missing(&position(4, 7), &ground), None);
        assert_eq!(missing(&position(9, 12), &ground), None);
        let epoch = missing(&position(3, 7), &ground).unwrap_or_default();
        assert!(epoch.contains("controller 3") && epoch.contains("controller 4"), "{epoch}");
        let generation = missing(&position(4, 6), &ground).unwrap_or_default();
        assert!(generation.contains("shop/production up to 6, and 7"), "{generation}");
        assert!(missing(&Position::default(), &ground).is_some());
        assert_eq!(missing(&Position::default(), &Ground::default()), None);
    }
}
