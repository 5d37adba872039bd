//! Reads values from the text of one field.
//!
//! The caller has taken blanks off both ends and knows that the text is not empty. Invariant:
//! the same text gives the same value wherever it stands, and what [`crate::infer`] guesses
//! with these functions, the decoder reads with them.

use lode_types::ColumnType;

/// Days from 0001-01-01 to 1970-01-01, negative: the first day that is kept.
const FIRST_DAY: i32 = -719_162;
/// 9999-12-31: the last day that is kept.
const LAST_DAY: i32 = 2_932_896;
const MICROS_PER_DAY: i64 = 86_400_000_000;

/// Why a value cannot be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    NotANumber,
    NotAnInteger,
    NotABool,
    NotATimestamp,
    NotADate,
    NotUtf8,
    OutOfRange(ColumnType),
    /// More digits after the point than the decimal keeps.
    TooManyDecimals(ColumnType),
    Missing,
    KeyTooLong {
        bytes: usize,
    },
    FieldCount {
        expected: usize,
        found: usize,
        lines: usize,
    },
}

impl Problem {
    /// The word that programs switch on.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::NotANumber => "NOT_A_NUMBER",
            Self::NotAnInteger => "NOT_AN_INTEGER",
            Self::NotABool => "NOT_A_BOOL",
            Self::NotATimestamp => "NOT_A_TIMESTAMP",
            Self::NotADate => "NOT_A_DATE",
            Self::NotUtf8 => "NOT_UTF8",
            Self::OutOfRange(_) => "OUT_OF_RANGE",
            Self::TooManyDecimals(_) => "TOO_MANY_DECIMALS",
            Self::Missing => "MISSING_VALUE",
            Self::KeyTooLong { .. } => "KEY_TOO_LONG",
            Self::FieldCount { .. } => "WRONG_FIELD_COUNT",
        }
    }

    /// What was expected and what was found, for people; `found` is the field's text.
    pub(crate) fn message(&self, found: &str) -> String {
        let decimal;
        let expected = match self {
            Self::NotANumber => "a number such as 12.5",
            Self::NotAnInteger => "a whole number",
            Self::NotABool => "true or false (or yes, no, t, f, y, n, 1, 0)",
            Self::NotATimestamp => "a time such as 2026-11-21 20:15:00 or 2026-11-21T20:15:00Z",
            Self::NotADate => "a date such as 2026-11-21 or 20261121",
            Self::NotUtf8 => "UTF-8 text",
            Self::OutOfRange(ColumnType::Int64) => "a whole number of at most 64 bits",
            Self::OutOfRange(ColumnType::Float64) => "a finite number, exact as a 64-bit float",
            Self::OutOfRange(column_type @ ColumnType::Decimal { precision, scale }) => {
                let whole = precision - scale;
                decimal = format!("at most {whole} digits before the point ({column_type})");
                decimal.as_str()
            }
            Self::TooManyDecimals(column_type) => {
                let scale = match column_type {
                    ColumnType::Decimal { scale, .. } => *scale,
                    _ => 0,
                };
                decimal = format!("at most {scale} digits after the point ({column_type})");
                decimal.as_str()
            }
            Self::OutOfRange(_) => "a time in the years 0001 to 9999",
            Self::Missing => return "expected a value, found none".to_owned(),
            Self::KeyTooLong { bytes } => {
                return format!("expected a customer id of at most 512 bytes, found {bytes}");
            }
            Self::FieldCount {
                expected,
                found,
                lines,
            } => {
                let hint = match lines {
                    0..=20 => String::new(),
                    _ => format!("; the record spans {lines} lines: is a quote never closed?"),
                };
                return format!("expected {expected} fields, found {found}{hint}");
            }
        };
        format!("expected {expected}, found {:?}", cut(found, 80))
    }
}

/// The longest start of `text` that is at most `bytes` long and whole characters.
pub(crate) fn cut(text: &str, bytes: usize) -> &str {
    let mut end = bytes.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

/// A whole number: digits with an optional sign, or a decimal whose fraction is zero (`12346.0`).
pub(crate) fn int(text: &[u8]) -> Result<i64, Problem> {
    match digits(text) {
        Some(value) => Ok(value),
        None => int_slow(text),
    }
}

/// The usual case: at most 18 digits, which cannot overflow.
fn digits(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    if digits.is_empty() || digits.len() > 18 {
        return None;
    }
    let mut value = 0_i64;
    for byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value * 10 + i64::from(digit);
    }
    Some(if negative { -value } else { value })
}

fn int_slow(text: &[u8]) -> Result<i64, Problem> {
    let text = std::str::from_utf8(text).map_err(|_| Problem::NotUtf8)?;
    let whole = match text.split_once('.') {
        Some((whole, zeros)) if zeros.bytes().all(|b| b == b'0') => whole,
        _ => text,
    };
    let unsigned = whole.strip_prefix(['+', '-']).unwrap_or(whole);
    if !unsigned.is_empty() && unsigned.bytes().all(|b| b.is_ascii_digit()) {
        return whole
            .parse()
            .map_err(|_| Problem::OutOfRange(ColumnType::Int64));
    }
    match text.parse::<f64>() {
        // Above 2^53 a float's text no longer names one integer.
        Ok(value) if value.fract() == 0.0 && value.abs() <= 9_007_199_254_740_992.0 => {
            Ok(value as i64)
        }
        Ok(value) if value.is_finite() && value.fract() == 0.0 => {
            Err(Problem::OutOfRange(ColumnType::Int64))
        }
        _ => Err(Problem::NotAnInteger),
    }
}

/// A finite number; none when the text says "not a number".
pub(crate) fn float(text: &[u8]) -> Result<Option<f64>, Problem> {
    let text = std::str::from_utf8(text).map_err(|_| Problem::NotUtf8)?;
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() => Ok(Some(value)),
        Ok(value) if value.is_nan() => Ok(None),
        Ok(_) => Err(Problem::OutOfRange(ColumnType::Float64)),
        Err(_) => Err(Problem::NotANumber),
    }
}

/// An exact decimal as its digits without the point, for `1.5` at scale 2 150; none when the
/// text says "not a number". An exponent is read exactly too; zeros after the last digit that
/// is kept lose nothing and are taken.
pub(crate) fn decimal(text: &[u8], precision: u8, scale: u8) -> Result<Option<i128>, Problem> {
    let too_large = || Problem::OutOfRange(ColumnType::Decimal { precision, scale });
    let (negative, unsigned) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    if unsigned.eq_ignore_ascii_case(b"nan") {
        return Ok(None);
    }
    let (mantissa, exponent) = match unsigned.iter().position(|byte| matches!(byte, b'e' | b'E')) {
        Some(at) => (&unsigned[..at], small_int(&unsigned[at + 1..])?),
        None => (unsigned, 0),
    };
    let (whole, fraction) = match mantissa.iter().position(|byte| *byte == b'.') {
        Some(at) => (&mantissa[..at], &mantissa[at + 1..]),
        None => (mantissa, &mantissa[..0]),
    };
    let digits = || whole.iter().chain(fraction);
    if whole.len() + fraction.len() == 0 || !digits().all(u8::is_ascii_digit) {
        return Err(Problem::NotANumber);
    }
    // How many of the digits stand before the point of the value times 10^scale.
    let kept = i64::try_from(whole.len()).unwrap_or(i64::MAX) + exponent + i64::from(scale);
    let mut value = 0_i128;
    let mut place = 0_i64;
    let limit = 10_i128.pow(precision.into());
    for &digit in digits() {
        if place < kept {
            value = value * 10 + i128::from(digit - b'0');
            if value >= limit {
                return Err(too_large());
            }
        } else if digit != b'0' {
            return Err(Problem::TooManyDecimals(ColumnType::Decimal {
                precision,
                scale,
            }));
        }
        place += 1;
    }
    while value != 0 && place < kept {
        value *= 10;
        place += 1;
        if value >= limit {
            return Err(too_large());
        }
    }
    Ok(Some(if negative { -value } else { value }))
}

/// A decimal's digits at another scale; digits other than zero are not dropped.
pub(crate) fn rescale(value: i128, from: u8, precision: u8, scale: u8) -> Result<i128, Problem> {
    let to = ColumnType::Decimal { precision, scale };
    let power = 10_i128.pow(from.abs_diff(scale).into());
    let value = if from <= scale {
        value.checked_mul(power).ok_or(Problem::OutOfRange(to))?
    } else if value % power == 0 {
        value / power
    } else {
        return Err(Problem::TooManyDecimals(to));
    };
    match value.unsigned_abs() < 10_u128.pow(precision.into()) {
        true => Ok(value),
        false => Err(Problem::OutOfRange(to)),
    }
}

/// The exponent of a number; a huge one is cut, which changes no outcome.
fn small_int(text: &[u8]) -> Result<i64, Problem> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(Problem::NotANumber);
    }
    let value = digits.iter().fold(0_i64, |value, digit| {
        (value * 10 + i64::from(digit - b'0')).min(1 << 40)
    });
    Ok(if negative { -value } else { value })
}

/// true, t, yes, y, 1 and their opposites, in any case.
pub(crate) fn bool(text: &[u8]) -> Result<bool, Problem> {
    let is = |words: [&str; 5]| {
        words
            .iter()
            .any(|word| text.eq_ignore_ascii_case(word.as_bytes()))
    };
    if is(["true", "t", "yes", "y", "1"]) {
        Ok(true)
    } else if is(["false", "f", "no", "n", "0"]) {
        Ok(false)
    } else {
        Err(Problem::NotABool)
    }
}

/// Days since 1970 from `YYYY-MM-DD`, `YYYYMMDD`, or a time that is midnight exactly.
pub(crate) fn date(text: &[u8]) -> Result<i32, Problem> {
    match day(text) {
        Some((days, [])) => Ok(days),
        _ => match time(text) {
            Some(micros) if micros % MICROS_PER_DAY == 0 => {
                Ok(i32::try_from(micros / MICROS_PER_DAY)
                    .expect("a time of the years 1 to 9999 is a day that fits"))
            }
            _ => Err(Problem::NotADate),
        },
    }
}

/// Microseconds since 1970, UTC, from a date, or a date and a time of day with an optional
/// zone. Digits after the sixth of a second are dropped; a time without zone is UTC.
pub(crate) fn timestamp(text: &[u8]) -> Result<i64, Problem> {
    time(text).ok_or(Problem::NotATimestamp)
}

/// Whether a day since 1970 is in the years that are kept.
pub(crate) fn day_in_range(days: i64) -> Option<i32> {
    i32::try_from(days)
        .ok()
        .filter(|days| (FIRST_DAY..=LAST_DAY).contains(days))
}

/// Whether a microsecond since 1970 is in the years that are kept.
pub(crate) fn micros_in_range(micros: i64) -> bool {
    day_in_range(micros.div_euclid(MICROS_PER_DAY)).is_some()
}

fn time(text: &[u8]) -> Option<i64> {
    let (days, rest) = day(text)?;
    let start = i64::from(days) * MICROS_PER_DAY;
    if rest.is_empty() {
        return Some(start);
    }
    let [b' ' | b'T' | b't', rest @ ..] = rest else {
        return None;
    };
    let (hour, rest) = two(rest)?;
    let [b':', rest @ ..] = rest else { return None };
    let (minute, mut rest) = two(rest)?;
    let mut second = 0;
    let mut micros = 0;
    if let [b':', more @ ..] = rest {
        (second, rest) = two(more)?;
        if let [b'.' | b',', more @ ..] = rest {
            (micros, rest) = fraction(more)?;
        }
    }
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let offset_minutes = zone(rest)?;
    let seconds = hour * 3600 + minute * 60 + second - offset_minutes * 60;
    let value = start + seconds * 1_000_000 + micros;
    micros_in_range(value).then_some(value)
}

/// A day at the start of `text`, and what follows it.
fn day(text: &[u8]) -> Option<(i32, &[u8])> {
    let (century, rest) = two(text)?;
    let (years, rest) = two(rest)?;
    let (month, day, rest) = match rest {
        [b'-', rest @ ..] => {
            let (month, rest) = two(rest)?;
            let [b'-', rest @ ..] = rest else { return None };
            let (day, rest) = two(rest)?;
            (month, day, rest)
        }
        _ => {
            let (month, rest) = two(rest)?;
            let (day, rest) = two(rest)?;
            (month, day, rest)
        }
    };
    let year = century * 100 + years;
    if year == 0 || !(1..=12).contains(&month) || !(1..=days_in(year, month)).contains(&day) {
        return None;
    }
    let days = i32::try_from(days_from_civil(year, month, day)).ok()?;
    Some((days, rest))
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days since 1970-01-01 of a day in the Gregorian calendar; years start in March here, so
/// that the leap day is the last one.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

fn two(text: &[u8]) -> Option<(i64, &[u8])> {
    let [tens, ones, rest @ ..] = text else {
        return None;
    };
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    (tens <= 9 && ones <= 9).then(|| (i64::from(tens) * 10 + i64::from(ones), rest))
}

fn fraction(text: &[u8]) -> Option<(i64, &[u8])> {
    let n = text.iter().take_while(|b| b.is_ascii_digit()).count();
    if n == 0 || n > 9 {
        return None;
    }
    let (digits, rest) = text.split_at(n);
    let mut micros = 0;
    for i in 0..6 {
        let digit = digits.get(i).map_or(0, |b| i64::from(b - b'0'));
        micros = micros * 10 + digit;
    }
    Some((micros, rest))
}

/// Minutes east of UTC.
fn zone(text: &[u8]) -> Option<i64> {
    let text = match text {
        [b' ', rest @ ..] if !rest.is_empty() => rest,
        _ => text,
    };
    let (sign, rest) = match text {
        [] | [b'Z' | b'z'] | b"UTC" => return Some(0),
        [b'+', rest @ ..] => (1, rest),
        [b'-', rest @ ..] => (-1, rest),
        _ => return None,
    };
    let (hours, rest) = two(rest)?;
    let minutes = match rest {
        [] => 0,
        [b':', rest @ ..] | rest => match two(rest)? {
            (minutes, []) => minutes,
            _ => return None,
        },
    };
    (hours <= 23 && minutes <= 59).then_some(sign * (hours * 60 + minutes))
}

#[cfg(test)]
mod tests;
