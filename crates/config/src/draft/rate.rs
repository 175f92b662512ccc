//! How many requests a client may send, as it was read.

use crate::{
    report::{Field, Report, Table},
    scalar,
};
use model::edge::Rate;

/// Requests in a second, and at once.
const RATE_MAX: u32 = 1_000_000;
/// What may come at once where nobody says: as many as in so many seconds.
const BURST_SECONDS: u32 = 2;

/// The key `limits` of the proxy, or of an environment.
#[derive(Clone, Debug)]
pub(crate) struct LimitsDraft {
    /// None: any number.
    pub(crate) rate: Option<Rate>,
}

impl LimitsDraft {
    pub(crate) fn read(field: &Field<'_>, report: &mut Report) -> Option<LimitsDraft> {
        let table = Table::read(field, &["rate", "burst"], &[], report)?;
        let burst = table.get("burst");
        let burst = burst.and_then(|it| scalar::number(it, 1..=u64::from(RATE_MAX), report));
        let Some(given) = table.get("rate") else {
            if !table.gives("rate") {
                field.error(report, "`limits` has no `rate`").hint("add `rate: 50/s`");
            }
            return None;
        };
        let per_second = per_second(given, report)?;
        let rate = per_second.map(|per_second| {
            let usual = per_second.saturating_mul(BURST_SECONDS).min(RATE_MAX);
            Rate { per_second, burst: burst.map_or(usual, |it| it.value) }
        });
        Some(LimitsDraft { rate })
    }
}

/// `50/s`, or `none`.
fn per_second(field: &Field<'_>, report: &mut Report) -> Option<Option<u32>> {
    let text = scalar::word(field, report)?.value;
    if text == "none" {
        return Some(None);
    }
    let number = text.strip_suffix("/s").and_then(|it| it.trim().parse::<u32>().ok());
    match number.filter(|it| (1..=RATE_MAX).contains(it)) {
        Some(number) => Some(Some(number)),
        None => {
            let message = format!("`{}` is not a number of requests", text.escape_debug());
            field.error(report, message).hint("write `50/s`, or `none`");
            None
        }
    }
}
