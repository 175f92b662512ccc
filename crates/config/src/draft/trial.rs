//! How a new release is tried under traffic: `bake` and `canary`.

use crate::{
    report::{Field, Placed, Report, Table},
    scalar,
    yaml::Value,
};
use model::{
    bake::{BakeRule, OnUndecided},
    canary::{Canary, STAGES_MAX},
    service::Millis,
};

const HOUR: Millis = Millis::seconds(3600);
/// More than that is no floor any more.
const SLOWER_BY_MAX: Millis = Millis::seconds(60);

/// What is judged at the end of a watch, as far as it is given.
#[derive(Clone, Debug, Default)]
pub(crate) struct VerdictDraft {
    on_undecided: Option<OnUndecided>,
    /// Inner none: latency is not judged.
    slower_by: Option<Option<Millis>>,
}

/// A time alone, or a mapping: the time, and what is judged.
pub(crate) fn bake(
    field: &Field<'_>,
    report: &mut Report,
) -> (Option<Placed<Millis>>, VerdictDraft) {
    let time = |it: &Field<'_>, report: &mut Report| scalar::time(it, Millis(0)..=HOUR, report);
    if !matches!(field.node.value, Value::Mapping(_)) {
        return (time(field, report), VerdictDraft::default());
    }
    let known = ["time", "on_undecided", "slower_by"];
    let Some(table) = Table::read(field, &known, &[], report) else {
        return (None, VerdictDraft::default());
    };
    let policies = [
        ("confirm", OnUndecided::Confirm),
        ("hold", OnUndecided::Hold),
        ("rollback", OnUndecided::Rollback),
    ];
    let on_undecided =
        table.get("on_undecided").and_then(|it| scalar::choice(it, &policies, report));
    let verdict = VerdictDraft {
        on_undecided: on_undecided.map(|it| it.value),
        slower_by: table.get("slower_by").and_then(|it| slower_by(it, report)),
    };
    (table.get("time").and_then(|it| time(it, report)), verdict)
}

/// A time, or `off`.
fn slower_by(field: &Field<'_>, report: &mut Report) -> Option<Option<Millis>> {
    if let Value::Scalar { text, .. } = &field.node.value
        && matches!(&**text, "off" | "false")
    {
        return Some(None);
    }
    scalar::time(field, Millis(1)..=SLOWER_BY_MAX, report).map(|it| Some(it.value))
}

impl VerdictDraft {
    pub(crate) fn over(&self, base: &VerdictDraft) -> VerdictDraft {
        VerdictDraft {
            on_undecided: self.on_undecided.or(base.on_undecided),
            slower_by: self.slower_by.or(base.slower_by),
        }
    }

    pub(crate) fn rule(&self) -> BakeRule {
        let usual = BakeRule::default();
        BakeRule {
            on_undecided: self.on_undecided.unwrap_or(usual.on_undecided),
            slower_by: self.slower_by.unwrap_or(usual.slower_by),
        }
    }
}

/// `{ stages: [5%, 25%, 50%], each: 2m }`; what is left out is as by default.
pub(crate) fn canary(field: &Field<'_>, report: &mut Report) -> Option<Placed<Canary>> {
    let table = Table::read(field, &["stages", "each"], &[], report)?;
    let usual = Canary::default();
    let each = table.get("each").and_then(|it| scalar::time(it, Millis(1000)..=HOUR, report));
    let stages = match table.get("stages") {
        Some(given) => stages(given, report)?,
        None => usual.stages,
    };
    Some(field.placed(Canary { stages, each: each.map_or(usual.each, |it| it.value) }))
}

fn stages(field: &Field<'_>, report: &mut Report) -> Option<Vec<u8>> {
    let stages: Vec<Placed<u8>> = scalar::list(field, report, percent)?.value;
    if stages.is_empty() || stages.len() > STAGES_MAX {
        let message = format!("`stages` has {} shares: 1 to {STAGES_MAX} will do", stages.len());
        field.error(report, message);
        return None;
    }
    let wrong = stages.windows(2).find(|it| it[1].value <= it[0].value);
    if let Some([before, after]) = wrong {
        let message = format!("{}% comes after {}%: shares rise", after.value, before.value);
        report.error(after.place, after.path.clone(), message);
        return None;
    }
    Some(stages.into_iter().map(|it| it.value).collect())
}

/// `5%`, or `5`.
fn percent(field: &Field<'_>, report: &mut Report) -> Option<Placed<u8>> {
    let found = match &field.node.value {
        Value::Scalar { text, .. } => text.strip_suffix('%').unwrap_or(text).trim().parse().ok(),
        _ => None,
    };
    let fits = found.filter(|it| (1..=99).contains(it));
    if fits.is_none() {
        field.wrong(report, "a share of the requests from `1%` to `99%`");
    }
    fits.map(|it| field.placed(it))
}
