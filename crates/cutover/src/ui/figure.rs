//! Numbers and times, as people read them.

use jiff::{Timestamp, tz::TimeZone};

/// Times of day, where the reader is.
#[derive(Clone, Debug)]
pub struct Clock {
    zone: TimeZone,
}

impl Clock {
    /// Of this machine.
    pub fn local() -> Clock {
        Clock { zone: TimeZone::system() }
    }

    /// For output that shall not depend on the machine.
    #[cfg(test)]
    pub fn utc() -> Clock {
        Clock { zone: TimeZone::UTC }
    }

    /// `12:41`.
    pub fn minute(&self, at_ms: u64) -> String {
        self.format(at_ms, "%H:%M")
    }

    /// `12:41:07`.
    pub fn second(&self, at_ms: u64) -> String {
        self.format(at_ms, "%H:%M:%S")
    }

    /// `2026-11-21 12:41:07`.
    pub fn date(&self, at_ms: u64) -> String {
        self.format(at_ms, "%Y-%m-%d %H:%M:%S")
    }

    fn format(&self, at_ms: u64, format: &str) -> String {
        let ms = i64::try_from(at_ms).unwrap_or(i64::MAX);
        let at = Timestamp::from_millisecond(ms).unwrap_or(Timestamp::MAX);
        at.to_zoned(self.zone.clone()).strftime(format).to_string()
    }
}

/// Unix time in ms.
pub fn now_ms() -> u64 {
    u64::try_from(Timestamp::now().as_millisecond()).unwrap_or(0)
}

/// `4.2s`, `1m 05s`, `2h 03m`.
pub fn duration(ms: u64) -> String {
    let seconds = ms / 1000;
    match seconds {
        0..60 => format!("{seconds}.{}s", ms % 1000 / 100),
        60..3600 => format!("{}m {:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h {:02}m", seconds / 3600, seconds / 60 % 60),
    }
}

/// `5 s ago`, `3 min ago`, `2 h ago`, `4 days ago`.
pub fn ago(at_ms: u64, now_ms: u64) -> String {
    let seconds = now_ms.saturating_sub(at_ms) / 1000;
    match seconds {
        0..60 => format!("{seconds} s ago"),
        60..3600 => format!("{} min ago", seconds / 60),
        3600..172_800 => format!("{} h ago", seconds / 3600),
        _ => format!("{} days ago", seconds / 86400),
    }
}

/// `18 412`.
pub fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// `1 request`, `18 412 requests`.
pub fn counted(count: usize, word: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {word}{plural}", number(count as u64))
}

/// `12.4 MB`.
pub fn bytes(bytes: u64) -> String {
    let mut rest = bytes as f64;
    let mut unit = "B";
    for next in ["kB", "MB", "GB", "TB"] {
        if rest < 1000.0 {
            break;
        }
        rest /= 1000.0;
        unit = next;
    }
    if unit == "B" || rest >= 100.0 {
        format!("{rest:.0} {unit}")
    } else {
        format!("{rest:.1} {unit}")
    }
}

/// `3 ms`, `0.4 ms`, `1.2 s`.
pub fn latency(us: u64) -> String {
    match us {
        0..1_000 => format!("{:.1} ms", us as f64 / 1e3),
        1_000..1_000_000 => format!("{} ms", us / 1000),
        _ => format!("{:.1} s", us as f64 / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read_at_a_glance() {
        assert_eq!(
            [0, 999, 1000, 18_412, 1_234_567].map(number),
            ["0", "999", "1 000", "18 412", "1 234 567"]
        );
        assert_eq!(
            [40, 4_230, 65_000, 7_380_000].map(duration),
            ["0.0s", "4.2s", "1m 05s", "2h 03m"]
        );
        assert_eq!(
            [0, 999, 12_400_000, 248_000_000_000].map(bytes),
            ["0 B", "999 B", "12.4 MB", "248 GB"]
        );
        assert_eq!([400, 3_900, 1_240_000].map(latency), ["0.4 ms", "3 ms", "1.2 s"]);
        assert_eq!(
            [5_000, 190_000, 7_200_000, 400_000_000].map(|it| ago(0, it)),
            ["5 s ago", "3 min ago", "2 h ago", "4 days ago"]
        );
        assert_eq!(
            (counted(1, "error"), counted(2, "error")),
            ("1 error".into(), "2 errors".into())
        );
        assert_eq!(Clock::utc().date(1_795_264_867_000), "2026-11-21 12:41:07");
    }
}
