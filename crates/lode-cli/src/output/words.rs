//! Numbers and times as a person reads them.

use lode_types::Timestamp;

/// An integer with commas: `541,909`.
pub(crate) fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count with its noun: `1 row`, `2 rows`.
pub(crate) fn of(n: u64, noun: &str) -> String {
    let plural = if n == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", count(n))
}

/// Bytes in a unit that fits: `7.5 MiB`.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut unit = 0;
    let mut rest = bytes;
    let mut below = 0;
    while rest >= 1024 && unit + 1 < UNITS.len() {
        below = rest % 1024;
        rest /= 1024;
        unit += 1;
    }
    match unit {
        0 => format!("{rest} B"),
        _ => format!("{rest}.{} {}", below * 10 / 1024, UNITS[unit]),
    }
}

/// A time to the second, UTC.
pub(crate) fn time(time: Option<Timestamp>) -> String {
    let Some(time) = time else {
        return String::new();
    };
    let text = time.to_rfc3339();
    match text.get(..19) {
        Some(second) => second.replace('T', " "),
        None => text,
    }
}

/// The time from `start` to `end`: `0.3 s`, `2 min 5 s`.
pub(crate) fn duration(start: Option<Timestamp>, end: Option<Timestamp>) -> String {
    let (Some(start), Some(end)) = (start, end) else {
        return String::new();
    };
    let millis = end.0.saturating_sub(start.0).max(0) / 1000;
    match millis {
        0..60_000 => format!("{}.{} s", millis / 1000, millis % 1000 / 100),
        _ => format!("{} min {} s", millis / 60_000, millis % 60_000 / 1000),
    }
}

#[cfg(test)]
mod tests;
