//! Zone maps: the smallest and largest value of each ordered column of a part.
//!
//! A reader with a range in mind can skip a part whose zone lies outside it. NaN is no bound.

use serde::Deserialize;
use serde::Serialize;

/// Key of the footer's metadata that holds the zones of a part, as JSON.
pub const ZONES_KEY: &str = "lode.zones";

/// The range of one column in one part.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Zone {
    /// The column's name.
    pub column: String,
    /// Its smallest value; none when all are null or NaN.
    pub min: Option<Bound>,
    /// Its largest value.
    pub max: Option<Bound>,
    /// Rows without a value.
    pub nulls: u64,
}

/// One end of a zone.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    /// Of an int64, timestamp (microseconds) or date (days) column.
    Int(i64),
    /// Of a float64 column.
    Float(f64),
    /// Of a decimal column, unscaled.
    Decimal(i128),
}

impl Zone {
    /// The zone of two stretches of a column, of which `other` has values.
    pub(crate) fn widen(&mut self, other: &Zone) {
        let smaller = |a: Bound, b: Bound| if b.is_below(a) { b } else { a };
        let larger = |a: Bound, b: Bound| if a.is_below(b) { b } else { a };
        // Ends that one of them does not know are known of neither.
        self.min = self.min.zip(other.min).map(|(a, b)| smaller(a, b));
        self.max = self.max.zip(other.max).map(|(a, b)| larger(a, b));
    }
}

impl Bound {
    fn is_below(self, other: Self) -> bool {
        match (self, other) {
            (Self::Int(a), Self::Int(b)) => a < b,
            (Self::Float(a), Self::Float(b)) => a < b,
            (Self::Decimal(a), Self::Decimal(b)) => a < b,
            _ => false,
        }
    }
}
