//! Reads a time as RFC 3339 text: date, `T` or blank, clock, zone.
//!
//! Does not know leap seconds or zone names. Invariant: what is not fully understood is none.

pub(super) const DAY_MICROS: i64 = 86_400_000_000;

/// Microseconds since the Unix epoch; a date alone is its midnight in UTC.
pub(super) fn parse(text: &str) -> Option<i64> {
    let text = text.trim();
    let (date, rest) = (text.get(..10)?, &text[10..]);
    let days = days(date)?;
    if rest.is_empty() {
        return days.checked_mul(DAY_MICROS);
    }
    let clock = rest.strip_prefix(['T', 't', ' '])?;
    let zone_at = clock.find(['Z', 'z', '+', '-'])?;
    let (clock, zone) = clock.split_at(zone_at);
    let seconds = hours_minutes(clock.get(..5)?)? * 60;
    let rest = clock.get(5..)?.strip_prefix(':')?;
    let (whole, fraction) = rest
        .split_once('.')
        .map_or((rest, None), |(w, f)| (w, Some(f)));
    let seconds = seconds + digits(whole, 2).filter(|second| *second < 60)?;
    let micros = match fraction {
        None => 0,
        Some(fraction) if fraction.len() <= 9 => {
            let parts = digits(fraction, fraction.len())?;
            parts * 10_i64.pow(9 - fraction.len() as u32) / 1_000
        }
        Some(_) => return None,
    };
    let offset = match zone.split_at(1) {
        ("Z" | "z", "") => 0,
        ("+", offset) => hours_minutes(offset)?,
        ("-", offset) => -hours_minutes(offset)?,
        _ => return None,
    };
    let seconds = seconds - offset * 60;
    days.checked_mul(DAY_MICROS)?
        .checked_add(seconds * 1_000_000 + micros)
}

/// Days since 1970-01-01 of `YYYY-MM-DD` in the Gregorian calendar.
fn days(date: &str) -> Option<i64> {
    let mut parts = date.split('-');
    let year = digits(parts.next()?, 4)?;
    let month = digits(parts.next()?, 2)?;
    let day = digits(parts.next()?, 2)?;
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let of_month = match month {
        2 => 28 + i64::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if parts.next().is_some() || !(1..=of_month).contains(&day) {
        return None;
    }
    // Years that begin in March put the leap day last.
    let year = if month <= 2 { year - 1 } else { year };
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let era_years = year.rem_euclid(400);
    let of_era = era_years * 365 + era_years / 4 - era_years / 100 + of_year;
    Some(year.div_euclid(400) * 146_097 + of_era - 719_468)
}

fn hours_minutes(text: &str) -> Option<i64> {
    let (hours, minutes) = text.split_once(':')?;
    let hours = digits(hours, 2).filter(|hours| *hours < 24)?;
    let minutes = digits(minutes, 2).filter(|minutes| *minutes < 60)?;
    Some(hours * 60 + minutes)
}

fn digits(text: &str, len: usize) -> Option<i64> {
    let plain = text.len() == len && len > 0 && text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}
