//! When an environment may be deployed to: days and hours, in the time zone of its people.

use jiff::{Timestamp, ToSpan, Zoned, civil::Weekday, tz::TimeZone};
use serde::{Deserialize, Serialize};

/// Minutes of a day.
pub const DAY_MINUTES: u16 = 24 * 60;
/// The next window is looked for so many days ahead.
const AHEAD_DAYS: i64 = 8;
/// In the order of [`Window::days`].
pub const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// When deployments are let in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Windows {
    /// Only then; empty: at any time.
    pub open: Vec<Window>,
    /// Never then.
    pub peak: Vec<Window>,
    /// As the tz database has it; empty: UTC.
    pub zone: String,
}

/// Hours of some days.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// From Monday on.
    pub days: [bool; 7],
    /// Minute of the day.
    pub from: u16,
    /// Minute of the day, exclusive; below `from`: of the day after.
    pub until: u16,
    /// As it was written.
    pub text: String,
}

/// Why not now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    /// `outside its windows`, `at its peak (fri 18:00-22:00)`.
    pub why: String,
    /// `Mon 2026-11-23 09:00 Europe/Berlin`, if one comes within a week.
    pub next: Option<String>,
}

impl Windows {
    /// Whether a deployment is let in at this time (Unix time in ms).
    ///
    /// # Errors
    ///
    /// Where not: why, and when next.
    pub fn judge(&self, now_ms: u64) -> Result<(), Closed> {
        let zone = zone(&self.zone).unwrap_or(TimeZone::UTC);
        let stamp = i64::try_from(now_ms).ok();
        let stamp = stamp.and_then(|it| Timestamp::from_millisecond(it).ok()).unwrap_or_default();
        let now = stamp.to_zoned(zone);
        let Some(why) = self.against(&now) else { return Ok(()) };
        Err(Closed { why, next: self.next(now) })
    }

    fn against(&self, at: &Zoned) -> Option<String> {
        if let Some(peak) = self.peak.iter().find(|it| it.holds(at)) {
            return Some(format!("it is at its peak ({})", peak.text));
        }
        let inside = self.open.is_empty() || self.open.iter().any(|it| it.holds(at));
        let texts: Vec<&str> = self.open.iter().map(|it| it.text.as_str()).collect();
        (!inside).then(|| format!("it is outside its windows ({})", texts.join(", ")))
    }

    /// The first minute that is let in.
    fn next(&self, now: Zoned) -> Option<String> {
        let last = now.checked_add(AHEAD_DAYS.days()).ok()?;
        let mut at = now.with().second(0).subsec_nanosecond(0).build().ok()?;
        while at < last {
            at = at.checked_add(1.minute()).ok()?;
            if self.against(&at).is_none() {
                let zone = if self.zone.is_empty() { "UTC" } else { &self.zone };
                return Some(format!("{} {zone}", at.strftime("%a %Y-%m-%d %H:%M")));
            }
        }
        None
    }
}

impl Window {
    /// `mon-fri 09:00-17:00`, `sat,sun 22:00-02:00`, `daily 10:00-12:00`, `fri`.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Window, String> {
        let mut words = text.split_whitespace();
        let days = words.next().ok_or("a window names days, such as `mon-fri 09:00-17:00`")?;
        let days = parse_days(days)?;
        let (from, until) = match words.next() {
            None => (0, DAY_MINUTES),
            Some(hours) => {
                let (from, until) = hours
                    .split_once('-')
                    .ok_or_else(|| format!("`{hours}` is no hours, such as `09:00-17:00`"))?;
                (minute(from)?, minute(until)?)
            }
        };
        if words.next().is_some() || from == until || from == DAY_MINUTES {
            return Err(format!("`{text}` is no window, such as `mon-fri 09:00-17:00`"));
        }
        Ok(Window { days, from, until, text: text.to_owned() })
    }

    fn holds(&self, at: &Zoned) -> bool {
        let today = at.weekday();
        let minute = u16::try_from(i32::from(at.hour()) * 60 + i32::from(at.minute())).unwrap_or(0);
        let on = |day: Weekday| {
            self.days[usize::try_from(day.to_monday_zero_offset()).unwrap_or(0) % DAYS.len()]
        };
        if self.from < self.until {
            return on(today) && (self.from..self.until).contains(&minute);
        }
        (on(today) && minute >= self.from) || (on(today.previous()) && minute < self.until)
    }
}

/// The zone of this name; none is UTC.
pub fn zone(name: &str) -> Option<TimeZone> {
    if name.is_empty() { Some(TimeZone::UTC) } else { TimeZone::get(name).ok() }
}

fn parse_days(text: &str) -> Result<[bool; 7], String> {
    let position = |word: &str| {
        let lower = word.to_ascii_lowercase();
        let found = DAYS.iter().position(|it| *it == lower);
        found.ok_or_else(|| format!("`{word}` is no day: they are {}, daily", DAYS.join(", ")))
    };
    let mut days = [false; 7];
    for part in text.split(',') {
        if part == "daily" {
            days = [true; 7];
            continue;
        }
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (mut at, last) = (position(first)?, position(last)?);
        days[at] = true;
        // `fri-mon` goes over the end of the week.
        while at != last {
            at = (at + 1) % DAYS.len();
            days[at] = true;
        }
    }
    Ok(days)
}

fn minute(text: &str) -> Result<u16, String> {
    let wrong = || format!("`{text}` is no time of day, such as `09:00`");
    let (hour, minute) = text.split_once(':').ok_or_else(wrong)?;
    let (hour, minute): (u16, u16) =
        (hour.parse().map_err(|_| wrong())?, minute.parse().map_err(|_| wrong())?);
    let whole = hour.saturating_mul(60).saturating_add(minute);
    if minute < 60 && whole <= DAY_MINUTES { Ok(whole) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(text: &str) -> u64 {
        text.parse::<Timestamp>().unwrap().as_millisecond().try_into().unwrap()
    }

    fn windows(open: &[&str], peak: &[&str], zone: &str) -> Windows {
        let all = |it: &[&str]| it.iter().map(|it| Window::parse(it).unwrap()).collect();
        Windows { open: all(open), peak: all(peak), zone: zone.into() }
    }

    #[test]
    fn windows_are_hours_of_days_where_people_live() {
        let office = windows(&["mon-thu 09:00-16:00"], &[], "Europe/Berlin");
        // A Monday; Berlin is an hour ahead in winter.
        assert_eq!(office.judge(ms("2026-11-23T08:00:00Z")), Ok(()));
        let early = office.judge(ms("2026-11-23T07:59:59Z")).unwrap_err();
        assert!(early.why.contains("mon-thu 09:00-16:00"), "{early:?}");
        assert_eq!(early.next.as_deref(), Some("Mon 2026-11-23 09:00 Europe/Berlin"));
        let friday = office.judge(ms("2026-11-20T12:00:00Z")).unwrap_err();
        assert_eq!(friday.next.as_deref(), Some("Mon 2026-11-23 09:00 Europe/Berlin"));
        // In summer it is two.
        assert_eq!(office.judge(ms("2026-07-06T07:00:00Z")), Ok(()));
    }

    #[test]
    fn the_peak_is_left_out_also_over_midnight() {
        let peak = windows(&[], &["fri-sat 22:00-02:00"], "");
        assert_eq!(peak.judge(ms("2026-11-20T21:59:00Z")), Ok(()));
        let closed = peak.judge(ms("2026-11-20T23:00:00Z")).unwrap_err();
        assert_eq!(closed.next.as_deref(), Some("Sat 2026-11-21 02:00 UTC"));
        assert!(peak.judge(ms("2026-11-22T01:59:00Z")).is_err(), "Saturday's night is Sunday");
        assert_eq!(peak.judge(ms("2026-11-23T01:00:00Z")), Ok(()));
        assert_eq!(Windows::default().judge(0), Ok(()));
        let never = windows(&["mon 09:00-10:00"], &["daily"], "");
        assert_eq!(never.judge(0).unwrap_err().next, None);
    }

    #[test]
    fn windows_that_are_none_are_told() {
        for text in [
            "",
            "monday",
            "mon 9-17",
            "mon 09:00",
            "mon 09:00-09:00",
            "mon 24:00-01:00",
            "mon 09:60-10:00",
            "mon 09:00-25:00",
            "mon 09:00-10:00 UTC",
        ] {
            assert!(Window::parse(text).is_err(), "{text}");
        }
        assert_eq!(
            Window::parse("fri-mon").unwrap().days,
            [true, false, false, false, true, true, true]
        );
    }
}
