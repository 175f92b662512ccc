//! Reading single values: text, numbers, words, durations, sizes.

use crate::{
    nearest::nearest,
    placeholder,
    quantity::{duration, size_bytes, written, written_size},
    report::{Field, Placed, Report, quoted_list},
    yaml::Value,
};
use model::service::Millis;
use std::ops::RangeInclusive;

/// Text as it was written; numbers and truth values keep their spelling.
pub(crate) fn text(field: &Field<'_>, report: &mut Report) -> Option<Placed<String>> {
    let Value::Scalar { text, .. } = &field.node.value else {
        field.wrong(report, "text");
        return None;
    };
    if text.contains('\0') {
        field.error(report, format!("`{}` contains a NUL character", field.name()));
        return None;
    }
    Some(field.placed(text.to_string()))
}

/// Text that is not empty.
pub(crate) fn word(field: &Field<'_>, report: &mut Report) -> Option<Placed<String>> {
    let found = text(field, report)?;
    if found.value.trim().is_empty() {
        field.error(report, format!("`{}` is empty", field.name()));
        return None;
    }
    Some(found)
}

/// Text in which placeholders are filled later.
pub(crate) fn template(field: &Field<'_>, report: &mut Report) -> Option<Placed<String>> {
    let found = text(field, report)?;
    placeholder::check(&found, report);
    Some(found)
}

/// One of some words.
pub(crate) fn choice<T: Copy>(
    field: &Field<'_>,
    choices: &[(&str, T)],
    report: &mut Report,
) -> Option<Placed<T>> {
    let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
    let wanted = format!("one of {}", quoted_list(&names, names.len()));
    let Value::Scalar { text, .. } = &field.node.value else {
        field.wrong(report, &wanted);
        return None;
    };
    if let Some((_, value)) = choices.iter().find(|(name, _)| *name == &**text) {
        return Some(field.placed(*value));
    }
    let reported = field.wrong(report, &wanted);
    if let Some(near) = nearest(text, &names) {
        reported.hint(format!("did you mean `{near}`?"));
    }
    None
}

/// `true`, `false`, `on`, `off`, `yes` or `no`.
pub(crate) fn switch(field: &Field<'_>, report: &mut Report) -> Option<Placed<bool>> {
    let found = match &field.node.value {
        Value::Scalar { text, .. } => match text.to_ascii_lowercase().as_str() {
            "true" | "on" | "yes" => Some(true),
            "false" | "off" | "no" => Some(false),
            _ => None,
        },
        _ => None,
    };
    if found.is_none() {
        field.wrong(report, "`true` or `false`");
    }
    found.map(|it| field.placed(it))
}

/// A whole number within bounds.
pub(crate) fn number<T>(
    field: &Field<'_>,
    bounds: RangeInclusive<u64>,
    report: &mut Report,
) -> Option<Placed<T>>
where
    T: TryFrom<u64>,
{
    let found = match &field.node.value {
        Value::Scalar { text, .. } => text.parse::<u64>().ok(),
        _ => None,
    };
    let fits = found.filter(|it| bounds.contains(it)).and_then(|it| T::try_from(it).ok());
    if fits.is_none() {
        let (least, most) = (bounds.start(), bounds.end());
        field.wrong(report, &format!("a whole number from {least} to {most}"));
    }
    fits.map(|it| field.placed(it))
}

/// A length of time within bounds.
pub(crate) fn time(
    field: &Field<'_>,
    bounds: RangeInclusive<Millis>,
    report: &mut Report,
) -> Option<Placed<Millis>> {
    let found = match &field.node.value {
        Value::Scalar { text, .. } => duration(text),
        _ => None,
    };
    let fits = found.filter(|it| bounds.contains(it));
    if fits.is_none() {
        let wanted = format!(
            "a duration from {} to {}, such as `30s`, `500ms` or `10m`",
            written(*bounds.start()),
            written(*bounds.end())
        );
        field.wrong(report, &wanted);
    }
    fits.map(|it| field.placed(it))
}

/// A number of bytes, at least so many.
pub(crate) fn size(field: &Field<'_>, least: u64, report: &mut Report) -> Option<Placed<u64>> {
    let found = match &field.node.value {
        Value::Scalar { text, .. } => size_bytes(text),
        _ => None,
    };
    let fits = found.filter(|it| *it >= least && *it <= SIZE_BYTES_MAX);
    if fits.is_none() {
        field.wrong(
            report,
            &format!("a size from {} to 1024T, such as `512M` or `2G`", written_size(least)),
        );
    }
    fits.map(|it| field.placed(it))
}

/// More than any machine has: a slip of the keyboard.
const SIZE_BYTES_MAX: u64 = 1024 << 40;

/// Items of one list.
const ITEMS_MAX: usize = 1000;

/// A list of values, or one that stands for a list of one.  Items that are wrong are left out and
/// reported.
pub(crate) fn list<T>(
    field: &Field<'_>,
    report: &mut Report,
    read: impl Fn(&Field<'_>, &mut Report) -> Option<Placed<T>>,
) -> Option<Placed<Vec<Placed<T>>>> {
    if matches!(field.node.value, Value::Null | Value::Mapping(_)) {
        field.wrong(report, "a list");
        return None;
    }
    let items = field.items();
    if let Some(extra) = items.get(ITEMS_MAX) {
        extra.error(report, format!("a list of more than {ITEMS_MAX} items"));
        return None;
    }
    Some(field.placed(items.iter().filter_map(|it| read(it, report)).collect()))
}
