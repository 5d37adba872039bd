//! The values of features as people write them.
//!
//! Does not format contributions. Invariant: a null has no words.

use super::Frame;
use super::Values;

/// How the values of a frame are written in reasons.
#[derive(Debug, Default)]
pub(crate) struct Words {
    columns: Vec<Shown>,
}

#[derive(Debug)]
enum Shown {
    Number,
    Bool,
    /// As the table has them, also the values that the plan does not keep.
    Text {
        codes: Vec<u32>,
        names: Vec<String>,
    },
}

impl Words {
    pub(super) fn push_number(&mut self, is_bool: bool) {
        self.columns.push(match is_bool {
            true => Shown::Bool,
            false => Shown::Number,
        });
    }

    pub(super) fn push_text(&mut self, codes: Vec<u32>, names: Vec<String>) {
        self.columns.push(Shown::Text { codes, names });
    }

    /// The value of a feature in a row of `frame`; none for a null.
    pub(crate) fn value(&self, frame: &Frame, feature: usize, row: usize) -> Option<String> {
        match (&self.columns[feature], &frame.columns[feature]) {
            (Shown::Text { codes, names }, _) => names.get(codes[row] as usize).cloned(),
            (_, Values::Number(values)) if values[row].is_nan() => None,
            (Shown::Bool, Values::Number(values)) => Some((values[row] > 0.5).to_string()),
            (_, Values::Number(values)) => Some(values[row].to_string()),
            (_, Values::Category { .. }) => None,
        }
    }
}
