//! Columns as an algorithm for any table sees them: numbers or categories.

/// A column as a feature.
#[derive(Clone, Debug, PartialEq)]
pub struct Feature {
    /// Name of the column.
    pub name: String,
    /// One value a row.
    pub values: Values,
}

/// The values of a [`Feature`].
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// Numbers; NaN where there is none.
    Number(Vec<f64>),
    /// Words.
    Category {
        /// One a row, an index into `names`; [`crate::Ids::NONE`] where there is none.
        codes: Vec<u32>,
        /// The words that occur, sorted as text.
        names: Vec<String>,
    },
}
