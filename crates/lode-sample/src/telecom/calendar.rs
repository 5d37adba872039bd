//! Months and minutes of the operator's 18 months, from July 2024 to December 2025.
//!
//! Knows no customers. Invariant: month 0 is June 2024, so that months 1 to 18 are the ones that
//! are told; minutes count from its beginning, in UTC.

/// The last month that is told: December 2025.
pub(super) const LAST: i64 = 18;

/// Months at whose end each customer makes up their mind.
pub(super) const DECISIONS: [i64; 4] = [6, 9, 12, 15];

/// The month at whose end the customers' table is drawn: September 2025.
pub(super) const SNAPSHOT: i64 = 15;

/// The instant right after [`SNAPSHOT`].
pub(super) const AS_OF: &str = "2025-10-01T00:00:00Z";

/// Days within which those who decide to leave have left.
pub(super) const HORIZON_DAYS: i64 = 90;

/// Minutes of a day.
pub(super) const DAY: i64 = 1440;

/// Year and month (1 to 12) of a month's number, which may be negative.
fn year_month(month: i64) -> (i64, i64) {
    let absolute = 2024 * 12 + 5 + month;
    (absolute.div_euclid(12), absolute.rem_euclid(12) + 1)
}

/// Days of a month.
pub(super) fn n_days(month: i64) -> i64 {
    let (year, month) = year_month(month);
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 => 28 + i64::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// The minute at which a month of the 19 begins.
pub(super) fn start(month: i64) -> i64 {
    (0..month).map(n_days).sum::<i64>() * DAY
}

/// The month that a minute is in.
pub(super) fn month_at(minute: i64) -> i64 {
    let mut month = 0;
    let mut rest = minute.div_euclid(DAY);
    while rest >= n_days(month) {
        rest -= n_days(month);
        month += 1;
    }
    month
}

/// A day of a month as `2025-09-30`; the month may be of any time.
pub(super) fn date(month: i64, day: i64) -> String {
    let (year, month) = year_month(month);
    format!("{year}-{month:02}-{day:02}")
}

/// A minute as `2025-09-30T23:59:00Z`.
pub(super) fn time(minute: i64) -> String {
    let month = month_at(minute);
    let rest = minute - start(month);
    format!(
        "{}T{:02}:{:02}:00Z",
        date(month, rest / DAY + 1),
        rest % DAY / 60,
        rest % 60
    )
}
