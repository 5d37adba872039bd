//! Time as Lode keeps it: microseconds since the Unix epoch, UTC; and the clock to ask for it.

use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use serde::Deserialize;
use serde::Serialize;

/// Microseconds since the Unix epoch, UTC.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The instant as RFC 3339 with microseconds, e.g. `2026-11-21T20:00:00.000000Z`.
    pub fn to_rfc3339(self) -> String {
        match chrono::DateTime::from_timestamp_micros(self.0) {
            Some(time) => time.to_rfc3339_opts(chrono::SecondsFormat::Micros, true),
            None => format!("{} us since 1970", self.0),
        }
    }

    /// The same time of day some calendar months earlier, on the month's last day where the
    /// month has no such day; none before the calendar's begin.
    pub fn months_before(self, months: u32) -> Option<Self> {
        let time = chrono::DateTime::from_timestamp_micros(self.0)?;
        let earlier = time.checked_sub_months(chrono::Months::new(months))?;
        Some(Self(earlier.timestamp_micros()))
    }

    /// The instant that a person writes: a date, or a date and a time of day with or without
    /// a zone; UTC without one. None for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Ok(time) = chrono::DateTime::parse_from_rfc3339(text) {
            return Some(Self(time.timestamp_micros()));
        }
        let forms = [
            "%Y-%m-%dT%H:%M:%S%.f",
            "%Y-%m-%d %H:%M:%S%.f",
            "%Y-%m-%dT%H:%M",
            "%Y-%m-%d %H:%M",
        ];
        let time = forms
            .iter()
            .find_map(|form| chrono::NaiveDateTime::parse_from_str(text, form).ok());
        let midnight = || {
            let date = chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
            date.and_hms_opt(0, 0, 0)
        };
        let time = time.or_else(midnight)?;
        Some(Self(time.and_utc().timestamp_micros()))
    }
}

/// Where the time of day comes from; tests bring their own.
pub trait Clock: Send + Sync {
    /// The time now.
    fn now(&self) -> Timestamp;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Timestamp(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }
}
