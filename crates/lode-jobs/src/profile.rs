//! What the rows of a model were like: the distribution of each feature and of the scores.
//!
//! Made once, when a model is made ([`make`]); what is scored later is counted into the same
//! bins ([`tally`]), words that never taught are named ([`mod@unseen`]), and reasons in words take from it what a feature means and what is usual.
//! Invariant: the rows that a profile was made of have a drift of exactly 0 against it.

mod make;
mod tally;
mod unseen;

use arrow_array::Array;
use arrow_array::ArrayRef;
use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_schema::DataType;
use serde::Deserialize;
use serde::Serialize;

use crate::Result;

pub(crate) use make::Rows;
pub(crate) use make::descriptions;
pub(crate) use make::make;
pub use tally::Drift;
pub use tally::LEAST_ROWS;
pub(crate) use tally::Tally;
pub(crate) use unseen::unseen;

/// The rows that a model was made from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Profile {
    /// Rows that taught.
    pub(crate) rows: u64,
    /// Of the model's scores of these rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) score: Option<Distribution>,
    /// In the order of the columns.
    pub(crate) features: Vec<FeatureProfile>,
}

/// One feature among those rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct FeatureProfile {
    /// Its column.
    pub(crate) name: String,
    /// Its exact meaning, where it has one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) description: String,
    /// The median of a number, the most frequent value of others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) typical: Option<String>,
    /// How its values lie.
    pub(crate) values: Distribution,
    /// Words that taught and have no bin of their own, in their order; none of numbers, and where
    /// there are too many to keep.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) other_words: Option<Vec<String>>,
}

impl FeatureProfile {
    /// Whether a word is certainly none of those that taught.
    pub(crate) fn is_unseen(&self, word: &str) -> bool {
        let (Bins::Levels(levels), Some(others)) = (&self.values.bins, &self.other_words) else {
            return false;
        };
        let is_among = |words: &[String]| words.binary_search_by(|w| w.as_str().cmp(word)).is_ok();
        !is_among(levels) && !is_among(others)
    }
}

/// Weights of the rows by bin.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Distribution {
    /// What the bins are.
    pub(crate) bins: Bins,
    /// Of the rows in each bin, the last bin being no value.
    pub(crate) weights: Vec<f64>,
    /// Of the numbers; none of words and of no number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) mean: Option<f64>,
}

/// Bins of numbers or words; behind them there is one more for no value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Bins {
    /// Up to the first border, above it and up to the second, .., above the last.
    Edges(Vec<f64>),
    /// One a word, in their order, and one for all others.
    Levels(Vec<String>),
}

impl Bins {
    /// How many, that for no value among them.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Edges(edges) => edges.len() + 2,
            Self::Levels(levels) => levels.len() + 2,
        }
    }

    fn of_number(&self, value: Option<f64>) -> usize {
        match (self, value) {
            (Self::Edges(edges), Some(value)) => edges.partition_point(|edge| *edge < value),
            _ => self.len() - 1,
        }
    }

    fn of_word(&self, word: Option<&str>) -> usize {
        match (self, word) {
            (Self::Levels(levels), Some(word)) => levels
                .binary_search_by(|level| level.as_str().cmp(word))
                .unwrap_or(levels.len()),
            _ => self.len() - 1,
        }
    }
}

/// A column as numbers or as words: what a profile counts.
pub(crate) enum Values {
    /// No value where it is null or not finite.
    Numbers(arrow_array::Float64Array),
    /// Booleans are the words true and false.
    Words(arrow_array::StringArray),
}

impl Values {
    /// The values of a column; none for what is neither number nor word, such as a date.
    pub(crate) fn of(column: &ArrayRef) -> Result<Option<Self>> {
        Ok(match column.data_type() {
            DataType::Int64 | DataType::Float64 | DataType::Decimal128(_, _) => {
                let numbers = arrow_cast::cast(column, &DataType::Float64)?;
                Some(Self::Numbers(numbers.as_primitive::<Float64Type>().clone()))
            }
            DataType::Boolean | DataType::Utf8 => {
                let words = arrow_cast::cast(column, &DataType::Utf8)?;
                Some(Self::Words(words.as_string::<i32>().clone()))
            }
            _ => None,
        })
    }

    fn len(&self) -> usize {
        match self {
            Self::Numbers(numbers) => numbers.len(),
            Self::Words(words) => words.len(),
        }
    }
}

/// A number that is there and finite.
fn number_at(numbers: &arrow_array::Float64Array, row: usize) -> Option<f64> {
    let valid = numbers.is_valid(row).then(|| numbers.value(row));
    valid.filter(|value| value.is_finite())
}

fn word_at(words: &arrow_array::StringArray, row: usize) -> Option<&str> {
    words.is_valid(row).then(|| words.value(row))
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "counts and means of whole numbers")]
mod tests;
