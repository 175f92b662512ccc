//! When a service's command is run, instead of all the time.

use crate::{
    report::{Field, Placed, Report},
    scalar,
};
use model::{
    schedule::{Overlap, Schedule},
    service::Millis,
};

/// The clock that counts where nothing else is said.
pub(crate) const TIMEZONE: &str = "UTC";
/// After so long a run is stopped where nothing else is said.
pub(crate) const TIME_LIMIT: Millis = Millis::seconds(3600);

/// Five fields, as a crontab has them.
pub(crate) fn pattern(field: &Field<'_>, report: &mut Report) -> Option<Placed<String>> {
    let found = scalar::word(field, report)?;
    match schedule(&found.value, TIMEZONE).next_ms(0) {
        Ok(Some(_)) => Some(found),
        Ok(None) => {
            field.error(report, format!("`{}` is never due", found.value));
            None
        }
        Err(why) => {
            field
                .error(report, format!("`{}` is no schedule: {why}", found.value))
                .hint("minute, hour, day, month, weekday: `*/5 * * * *`, `30 4 * * MON-FRI`");
            None
        }
    }
}

/// A name of the time zone database.
pub(crate) fn timezone(field: &Field<'_>, report: &mut Report) -> Option<Placed<String>> {
    let found = scalar::word(field, report)?;
    if schedule("0 0 * * *", &found.value).next_ms(0).is_err() {
        field
            .error(report, format!("`{}` is no time zone that is known here", found.value))
            .hint("write `UTC`, or a name such as `Europe/Vienna`");
        return None;
    }
    Some(found)
}

/// What is done when it is due and runs still.
pub(crate) fn overlap(field: &Field<'_>, report: &mut Report) -> Option<Placed<Overlap>> {
    let words = [("skip", Overlap::Skip), ("queue-one", Overlap::QueueOne)];
    scalar::choice(field, &words, report)
}

fn schedule(pattern: &str, timezone: &str) -> Schedule {
    Schedule {
        pattern: pattern.to_owned(),
        timezone: timezone.to_owned(),
        overlap: Overlap::Skip,
        time_limit: TIME_LIMIT,
        catch_up: false,
    }
}
