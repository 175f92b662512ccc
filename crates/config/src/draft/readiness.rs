//! How an instance says that it is ready.

use crate::{
    draft::smoke::pattern,
    report::{Field, Placed, Report, Table},
    scalar,
    yaml::Value,
};
use model::service::{Millis, Readiness};

/// Longer than anybody waits for a worker to show that it lives.
const ALIVE_MAX: Millis = Millis::seconds(3600);

/// A word, or `alive: 5s`, or `log: pattern`.
pub(crate) fn read(field: &Field<'_>, report: &mut Report) -> Option<Placed<Readiness>> {
    if !matches!(field.node.value, Value::Mapping(_)) {
        #[derive(Clone, Copy)]
        enum Word {
            Port,
            Notify,
            Running,
        }
        let words = [("port", Word::Port), ("notify", Word::Notify), ("running", Word::Running)];
        let word = scalar::choice(field, &words, report)?;
        return Some(word.with(match word.value {
            Word::Port => Readiness::Port,
            Word::Notify => Readiness::Notify,
            Word::Running => Readiness::Running,
        }));
    }
    let table = Table::read(field, &["alive", "log"], &[], report)?;
    match (table.get("alive"), table.get("log")) {
        (Some(alive), None) => {
            let least = scalar::time(alive, Millis(0)..=ALIVE_MAX, report)?;
            Some(field.placed(Readiness::Alive(least.value)))
        }
        (None, Some(log)) => {
            let wanted = pattern(log, report)?;
            Some(field.placed(Readiness::Log(wanted.value)))
        }
        _ => {
            field.wrong(report, "either `alive: 5s` or `log: \"a line like this\"`");
            None
        }
    }
}
