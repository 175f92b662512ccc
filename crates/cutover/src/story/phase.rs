//! Steps of the same word that follow each other.

use model::{
    journal::Status,
    plan::{Plan, Step},
};
use std::collections::BTreeMap;

/// Steps of the same word that follow each other.
#[derive(Clone, Debug, PartialEq)]
pub struct Phase {
    /// The steps' word.
    pub word: String,
    /// Of all its steps together.
    pub state: PhaseState,
    /// Unix time in ms when it, or its undo, began.
    pub began_ms: Option<u64>,
    /// Unix time in ms.
    pub ended_ms: Option<u64>,
    steps: BTreeMap<usize, (String, Status)>,
}

/// Where the steps of a phase stand, together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PhaseState {
    /// None is begun.
    Pending,
    /// Some are begun, and not all are done.
    Running,
    /// All are done.
    Done,
    /// Some failed, and nothing is being undone yet.
    Failed,
    /// Some are being, or still to be, undone.
    Undoing,
    /// None that was begun is in force any more.
    Undone,
}

/// The phases of a plan.
pub fn of(plan: &Plan) -> Vec<Phase> {
    let mut phases: Vec<Phase> = vec![];
    for (index, step) in plan.steps.iter().enumerate() {
        if phases.last().is_none_or(|it| it.word != step.word()) {
            phases.push(Phase::new(step.word()));
        }
        if let Some(last) = phases.last_mut() {
            last.steps.insert(index, (subject(step), Status::Pending));
        }
    }
    phases
}

/// What a step is about, where its instance says it; else its first news does.
fn subject(step: &Step) -> String {
    match step {
        Step::Start { instance }
        | Step::Await { instance, .. }
        | Step::Smoke { instance, .. }
        | Step::Stop { instance, .. }
        | Step::Retire { instance, .. } => short(&instance.id.0),
        _ => String::new(),
    }
}

/// `web.1` of `shop.production.web.1.XXXXXXXX`, also in a list; anything else as it is.
pub fn short(subject: &str) -> String {
    let one = |text: &str| {
        let parts: Vec<&str> = text.split('.').collect();
        match parts[..] {
            [_, _, service, number, _] if number.parse::<u16>().is_ok() => {
                format!("{service}.{number}")
            }
            _ => daemon::logs::plain(text),
        }
    };
    let names: Vec<String> = subject.split(", ").map(one).collect();
    names.join(if names.iter().all(|it| is_instance(it)) { " " } else { ", " })
}

/// `web.1`
fn is_instance(name: &str) -> bool {
    name.starts_with(|it: char| it.is_ascii_lowercase())
        && name.rsplit_once('.').is_some_and(|(_, number)| number.parse::<u16>().is_ok())
}

impl Phase {
    /// Without steps.
    pub fn new(word: &str) -> Phase {
        Phase {
            word: word.to_owned(),
            state: PhaseState::Pending,
            began_ms: None,
            ended_ms: None,
            steps: BTreeMap::new(),
        }
    }

    /// Whether the step is one of it.
    pub fn has(&self, index: usize) -> bool {
        self.steps.contains_key(&index)
    }

    /// Says what a step is about.
    pub fn name(&mut self, index: usize, subject: &str) {
        let step = self.steps.entry(index).or_default();
        if step.0.is_empty() {
            step.0 = short(subject);
        }
    }

    /// What it is about: `web.1 web.2`.
    pub fn subjects(&self) -> String {
        let mut seen: Vec<&str> = vec![];
        for (subject, _) in self.steps.values() {
            if !subject.is_empty() && !seen.contains(&subject.as_str()) {
                seen.push(subject);
            }
        }
        seen.join(" ")
    }

    /// Word and subjects.
    pub fn title(&self) -> String {
        format!("{} {}", self.word, self.subjects()).trim_end().to_owned()
    }

    /// What one of its steps is about.
    pub fn subject(&self, index: usize) -> &str {
        self.steps.get(&index).map_or("", |it| it.0.as_str())
    }

    /// How many of its steps are done, of how many.
    pub fn count(&self) -> (usize, usize) {
        let done = self.steps.values().filter(|it| it.1 == Status::Done).count();
        (done, self.steps.len())
    }

    /// From its beginning to its end, or to `now_ms`.
    pub fn took_ms(&self, now_ms: u64) -> u64 {
        let began = self.began_ms.unwrap_or(now_ms);
        self.ended_ms.unwrap_or(now_ms).saturating_sub(began)
    }

    pub(super) fn set(&mut self, index: usize, status: Status, at_ms: u64) {
        self.steps.entry(index).or_default().1 = status;
        let before = self.state;
        self.state = self.sum();
        let began = matches!(self.state, PhaseState::Running | PhaseState::Undoing);
        if began && before != self.state {
            self.began_ms = Some(at_ms);
            self.ended_ms = None;
        }
        if !began {
            self.ended_ms = Some(at_ms);
        }
    }

    fn sum(&self) -> PhaseState {
        let all = || self.steps.values().map(|it| it.1);
        let any = |wanted: fn(&Status) -> bool| all().any(|it| wanted(&it));
        if any(|it| *it == Status::Undoing) {
            PhaseState::Undoing
        } else if any(|it| *it == Status::Undone) {
            // Steps that were never begun have nothing to undo.
            let rest = any(|it| !matches!(it, Status::Undone | Status::Pending));
            if rest { PhaseState::Undoing } else { PhaseState::Undone }
        } else if any(|it| matches!(it, Status::Failed | Status::Stuck)) {
            PhaseState::Failed
        } else if all().all(|it| it == Status::Done) {
            PhaseState::Done
        } else if all().all(|it| it == Status::Pending) {
            PhaseState::Pending
        } else {
            PhaseState::Running
        }
    }
}

#[cfg(test)]
mod tests {
    use super::short;

    #[test]
    fn instances_are_called_by_service_and_number() {
        for (subject, shown) in [
            ("shop.production.web.1.becp3kgb", "web.1"),
            ("shop.production.web.1.becp3kgb, shop.production.web.2.becp3kgb", "web.1 web.2"),
            ("web.1, web.2", "web.1 web.2"),
            ("1.2.0, 1.3.0", "1.2.0, 1.3.0"),
            ("manifest.json", "manifest.json"),
            ("1, 2, 4", "1, 2, 4"),
            ("", ""),
            ("\u{1b}[31mred", "red"),
        ] {
            assert_eq!(short(subject), shown);
        }
    }
}
