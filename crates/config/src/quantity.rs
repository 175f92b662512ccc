//! Durations and sizes: `30`, `30s`, `500ms`, `10m`; `512M`, `1.5` is neither.

use model::service::Millis;

/// A number and its unit, or the reason why the text is not one.
fn split(text: &str) -> Option<(u64, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let number = text[..digits].parse().ok()?;
    Some((number, text[digits..].trim()))
}

/// Seconds when no unit is given.
pub fn duration(text: &str) -> Option<Millis> {
    let (number, unit) = split(text)?;
    let unit_ms = match unit {
        "ms" => 1,
        "" | "s" => 1000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.checked_mul(unit_ms).map(Millis)
}

/// Bytes when no unit is given; `K`, `M`, `G` and `T` are powers of 1024.
pub(crate) fn size_bytes(text: &str) -> Option<u64> {
    let (number, unit) = split(text)?;
    let shift = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        "t" | "tb" | "tib" => 40,
        _ => return None,
    };
    number.checked_mul(1 << shift)
}

/// As it would be written: `500ms`, `30s`, `10m`, `24h`.
pub(crate) fn written(length: Millis) -> String {
    let ms = length.0;
    match ms {
        0 => "0".to_owned(),
        _ if ms.is_multiple_of(3_600_000) => format!("{}h", ms / 3_600_000),
        _ if ms.is_multiple_of(60_000) => format!("{}m", ms / 60_000),
        _ if ms.is_multiple_of(1000) => format!("{}s", ms / 1000),
        _ => format!("{ms}ms"),
    }
}

/// As it would be written: `1M`, `512M`, `100`.
pub(crate) fn written_size(bytes: u64) -> String {
    let units = [(40, "T"), (30, "G"), (20, "M"), (10, "K")];
    let fits = |shift: u32| bytes != 0 && bytes.is_multiple_of(1 << shift);
    match units.iter().find(|(shift, _)| fits(*shift)) {
        Some((shift, unit)) => format!("{}{unit}", bytes >> shift),
        None => bytes.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let good = [
            ("0", 0),
            ("30", 30_000),
            ("30s", 30_000),
            ("30 s", 30_000),
            ("500ms", 500),
            ("10m", 600_000),
            ("2h", 7_200_000),
            ("1d", 86_400_000),
        ];
        for (text, expected) in good {
            assert_eq!(duration(text), Some(Millis(expected)), "{text}");
        }
        for text in ["", "s", "-1", "1.5s", "30 parsecs", "99999999999999999999", "ten", "1h30m"] {
            assert_eq!(duration(text), None, "{text}");
        }
        assert_eq!(duration("18446744073709551615h"), None, "it does not overflow");
    }

    #[test]
    fn sizes() {
        let good = [("512", 512), ("512M", 512 << 20), ("1G", 1 << 30), ("2 KiB", 2048)];
        for (text, expected) in good {
            assert_eq!(size_bytes(text), Some(expected), "{text}");
        }
        for text in ["", "M", "-5M", "1.5G", "5 parsecs", "18446744073709551615G"] {
            assert_eq!(size_bytes(text), None, "{text}");
        }
    }

    #[test]
    fn writes_what_it_reads() {
        for text in ["0", "500ms", "30s", "10m", "24h"] {
            assert_eq!(duration(text).map(written).as_deref(), Some(text));
        }
    }
}
