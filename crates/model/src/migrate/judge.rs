//! What became of a migration, by the word of its tool.

use super::{Said, State, Tool};
use std::collections::BTreeSet;

/// How a run of the tool ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ran {
    /// With exit code 0.
    Well,
    /// With another, by itself.
    Badly,
    /// By a signal or its time limit, or nobody saw how.
    Cut,
    /// It could not be executed.
    Never,
}

/// What became of the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is as the release needs it.
    Done,
    /// It is as it was: as if the migration had never begun.
    Untouched,
    /// It may be anything between: somebody has to look.
    Unclear,
}

/// Decides what became of a database; `before` and `after` are the tool's words on it, if it has
/// any.  A tool that says it failed is never believed to have come to the end.
pub fn judge(tool: Tool, ran: Ran, before: Option<&Said>, after: Option<&Said>) -> Verdict {
    let alike = || match (before, after) {
        (Some(before), Some(after)) => {
            before.state(tool) == after.state(tool) && before.position(tool) == after.position(tool)
        }
        _ => false,
    };
    let state = after.map_or(State::Unclear, |it| it.state(tool));
    match (ran, state) {
        // Its status passes over a migration that was marked as rolled back.
        (Ran::Cut, State::Done) if tool == Tool::Prisma && alike() => Verdict::Untouched,
        (Ran::Well, _) | (Ran::Cut, State::Done) => Verdict::Done,
        (Ran::Never, _) => Verdict::Untouched,
        (Ran::Badly | Ran::Cut, State::Done | State::Pending) if alike() => Verdict::Untouched,
        (Ran::Badly | Ran::Cut, _) => Verdict::Unclear,
    }
}

impl Said {
    /// What a status command's end and words mean.
    pub fn state(&self, tool: Tool) -> State {
        let says = |words: &[&str]| {
            words.iter().any(|it| self.out.contains(it) || self.error.contains(it))
        };
        match (tool, self.code) {
            // Each line is a revision; those at the end say so.  None: nothing was applied yet.
            (Tool::Alembic, Some(0)) => {
                let revisions = self.position(tool);
                let at_end =
                    !revisions.is_empty() && revisions.iter().all(|it| it.contains("(head)"));
                if at_end { State::Done } else { State::Pending }
            }
            (Tool::Django, Some(0)) => {
                let is_open = |it: &str| it.starts_with("[ ]");
                let open = self.position(tool).iter().any(|it| is_open(it));
                if open { State::Pending } else { State::Done }
            }
            (Tool::Prisma, _) if says(&["have failed", "failed migration", "has failed"]) => {
                State::Unclear
            }
            (Tool::Prisma, Some(0)) => State::Done,
            (Tool::Prisma, Some(1)) if says(&["not yet been applied"]) => State::Pending,
            // A database that is new knows nothing of Prisma.
            (Tool::Prisma, Some(1)) if says(&["no such table: _prisma_migrations"]) => {
                State::Pending
            }
            (Tool::Sqlx, Some(0)) if says(&["different checksum", "mismatch"]) => State::Unclear,
            (Tool::Sqlx, Some(0)) if says(&["/pending "]) => State::Pending,
            (Tool::Sqlx | Tool::Command, Some(0)) => State::Done,
            (Tool::Command, Some(1)) => State::Pending,
            _ => State::Unclear,
        }
    }

    /// What the tool says is applied, by its own names; nothing where it does not list them.
    pub fn applied(&self, tool: Tool) -> Vec<String> {
        let lines = self.position(tool).into_iter();
        let name = |it: &str| it.split_whitespace().next().unwrap_or_default().to_owned();
        match tool {
            Tool::Alembic => lines.map(name).collect(),
            Tool::Django => lines.filter_map(|it| it.strip_prefix("[X]")).map(name).collect(),
            Tool::Sqlx => {
                let installed = |it: &str| it.split_once("/installed ").map(|it| it.0.to_owned());
                lines.filter_map(installed).collect()
            }
            Tool::Prisma | Tool::Command => vec![],
        }
    }

    /// The lines that say where the database stands.
    fn position(&self, tool: Tool) -> BTreeSet<&str> {
        let lines = self.out.lines().map(str::trim).filter(|it| !it.is_empty());
        match tool {
            Tool::Alembic => lines.filter(|it| is_revision(it)).collect(),
            Tool::Django => {
                lines.filter(|it| it.starts_with("[X]") || it.starts_with("[ ]")).collect()
            }
            Tool::Prisma | Tool::Sqlx | Tool::Command => lines.collect(),
        }
    }
}

/// `ae1027a6acf (head)`, and no line of a log.
fn is_revision(line: &str) -> bool {
    let first = line.split_whitespace().next().unwrap_or_default();
    let fits = |it: char| it.is_ascii_alphanumeric() || it == '_' || it == '-' || it == '.';
    let rest = line[first.len()..].trim();
    !first.is_empty() && first.chars().all(fits) && (rest.is_empty() || rest.starts_with('('))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(code: i32, out: &str) -> Said {
        Said { code: Some(code), out: out.to_owned(), error: String::new() }
    }

    #[test]
    fn tools_are_understood() {
        use State::{Done, Pending, Unclear};
        use Tool::{Alembic, Command, Django, Prisma, Sqlx};
        for (tool, code, out, state) in [
            (Alembic, 0, "ae1027a6acf (head)\n", Done),
            (Alembic, 0, "ae1027a6acf (head)\nb2 (head) (mergepoint)\n", Done),
            (Alembic, 0, "ae1027a6acf (head)\nb2\n", Pending),
            (Alembic, 0, "", Pending),
            (Alembic, 255, "", Unclear),
            (Prisma, 0, "Database schema is up to date!", Done),
            (Prisma, 1, "Following migrations have not yet been applied:\n0001_init", Pending),
            (Prisma, 1, "Following migration have failed:\n0003_bad", Unclear),
            (Prisma, 1, "Error: SQLITE_ERROR: no such table: _prisma_migrations", Pending),
            (Prisma, 1, "P1001: Can't reach database server", Unclear),
            (Django, 0, "[X]  shop.0001_initial\n[X]  shop.0002_note", Done),
            (Django, 0, "starting\n[X]  shop.0001_initial\n[ ]  shop.0002_note", Pending),
            (Django, 1, "", Unclear),
            (Sqlx, 0, "1/installed first\n2/pending second", Pending),
            (Sqlx, 0, "1/installed first", Done),
            (Sqlx, 0, "1/installed (different checksum) first", Unclear),
            (Command, 0, "", Done),
            (Command, 1, "", Pending),
            (Command, 2, "", Unclear),
        ] {
            assert_eq!(said(code, out).state(tool), state, "{tool:?} {code} {out}");
        }
        assert_eq!(Said::default().state(Tool::Command), Unclear, "it was cut");
        let logged = Said { error: "INFO  [alembic] Context (x)".into(), ..said(0, "a1 (head)") };
        assert_eq!(logged.state(Alembic), Done);
    }

    #[test]
    fn what_is_applied_is_listed_by_the_names_of_the_tool() {
        for (tool, out, applied) in [
            (Tool::Alembic, "ae1027a6acf (head)\nb2", vec!["ae1027a6acf", "b2"]),
            (Tool::Django, "[ ]  shop.0002_b\n[X]  shop.0001_a", vec!["shop.0001_a"]),
            (Tool::Sqlx, "1/installed first\n2/pending second", vec!["1"]),
            (Tool::Command, "anything", vec![]),
        ] {
            assert_eq!(said(0, out).applied(tool), applied, "{tool:?}");
        }
    }

    #[test]
    fn what_nobody_saw_is_judged_by_the_tools_word() {
        let (one, two, end) = (said(0, "a1"), said(0, "a2"), said(0, "a3 (head)"));
        let lost = said(255, "");
        use Ran::{Badly, Cut, Never, Well};
        for (ran, after, verdict) in [
            (Well, Some(&end), Verdict::Done),
            (Well, None, Verdict::Done),
            (Cut, Some(&end), Verdict::Done),
            (Cut, Some(&one), Verdict::Untouched),
            (Cut, Some(&two), Verdict::Unclear),
            (Cut, Some(&lost), Verdict::Unclear),
            (Cut, None, Verdict::Unclear),
            (Badly, Some(&one), Verdict::Untouched),
            (Badly, Some(&two), Verdict::Unclear),
            // All is applied, and yet it says that it failed.
            (Badly, Some(&end), Verdict::Unclear),
            (Badly, None, Verdict::Unclear),
            (Never, None, Verdict::Untouched),
        ] {
            let got = judge(Tool::Alembic, ran, Some(&one), after);
            assert_eq!(got, verdict, "{ran:?} {after:?}");
        }
        assert_eq!(judge(Tool::Alembic, Cut, None, Some(&one)), Verdict::Unclear);
        let up = said(0, "Database schema is up to date!");
        assert_eq!(judge(Tool::Prisma, Cut, Some(&up), Some(&up)), Verdict::Untouched);
        assert_eq!(judge(Tool::Alembic, Badly, Some(&end), Some(&end)), Verdict::Untouched);
    }
}
