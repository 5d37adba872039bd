//! Columns as one dense matrix, and the plan that makes the same matrix when scoring.
//!
//! A fit learns a [`MatrixPlan`] and keeps it in its model; scoring encodes with that plan,
//! by the names of columns, so that their order and columns that came later do not matter.
//! Invariant: what a value becomes depends on the plan and the value alone, never on the
//! other rows of the call or on how they were cut into batches. Does not scale or select.

use std::collections::HashMap;

use lode_types::Features;
use serde::Deserialize;
use serde::Serialize;

use crate::Error;
use crate::Ids;
use crate::Result;
use crate::Table;
use crate::Values;

/// What becomes of a null.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Nulls {
    /// It is an error that names the column and the row.
    #[default]
    Refuse,
    /// A number becomes the mean of the known values of the fit, 0 when there were none; a
    /// text becomes zeros.
    Mean,
    /// A number becomes 0, a text zeros.
    Zero,
    /// A number becomes this one, a text zeros.
    Value(f64),
    /// A number becomes NaN; a text becomes NaN in all of its columns.
    Keep,
}

/// What becomes of an infinite number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Infinities {
    /// It is an error that names the column and the row.
    #[default]
    Refuse,
    /// It stays; means are taken over the finite values.
    Keep,
}

/// Which category of a text column gets no column of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reference {
    /// Each has one: right for trees and distances, and for regressions with a penalty.
    #[default]
    None,
    /// The first in the order of their names has none, so that the columns are independent.
    First,
    /// The most frequent has none; of equals the first by name.
    MostFrequent,
}

/// How a table becomes a matrix. The defaults take every column of numbers without a role
/// and refuse nulls and infinities.
#[derive(Clone, Debug, PartialEq)]
pub struct MatrixOptions {
    /// Which columns without a role are taken; [`Features::All`] takes text as categories.
    pub features: Features,
    /// Columns to leave out, by name; one that is not there is an error.
    pub exclude: Vec<String>,
    /// What becomes of nulls.
    pub nulls: Nulls,
    /// What becomes of infinite numbers.
    pub infinities: Infinities,
    /// Most categories of a text column; the most frequent are taken, of equals the first by
    /// name. The others become zeros, as do categories that the fit did not see.
    pub max_categories: usize,
    /// Which category is told by zeros alone. With one, an unknown category looks like it.
    pub reference: Reference,
}

impl Default for MatrixOptions {
    fn default() -> Self {
        Self {
            features: Features::Numeric,
            exclude: Vec::new(),
            nulls: Nulls::Refuse,
            infinities: Infinities::Refuse,
            max_categories: 64,
            reference: Reference::None,
        }
    }
}

/// A dense matrix of numbers, row after row.
///
/// Row by row, because distances, margins and trees walk a row at a time, and threads share
/// rows out among them; `lode_numeric::Rows` has the same layout.
#[derive(Clone, Debug, PartialEq)]
pub struct Matrix {
    n_rows: usize,
    names: Vec<String>,
    values: Vec<f64>,
}

impl Matrix {
    /// How many rows: those of the table, in its order.
    pub fn n_rows(&self) -> usize {
        self.n_rows
    }

    /// How many columns.
    pub fn n_cols(&self) -> usize {
        self.names.len()
    }

    /// Names of the columns: of a number the column's own, of a category `column=category`.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// All values, row after row.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// The values of a row.
    ///
    /// # Panics
    /// When there is no such row.
    pub fn row(&self, row: usize) -> &[f64] {
        let n_cols = self.n_cols();
        &self.values[row * n_cols..(row + 1) * n_cols]
    }

    /// The values of a column, from the first row on.
    ///
    /// # Panics
    /// When there is no such column.
    pub fn column(&self, column: usize) -> impl Iterator<Item = f64> + '_ {
        assert!(column < self.n_cols(), "expected a column of the matrix");
        let from_there = self.values.get(column..).unwrap_or_default();
        from_there.iter().step_by(self.n_cols()).copied()
    }
}

/// How columns are read, learned by a fit and kept in its model (it is serializable).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MatrixPlan {
    nulls: Nulls,
    infinities: Infinities,
    columns: Vec<Planned>,
}

/// One column of the table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Planned {
    name: String,
    kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    /// What a null becomes; none for NaN or an error.
    Number { fill: Option<f64> },
    /// The categories with a column each, in the order of their names.
    Category { levels: Vec<String> },
}

impl Kind {
    fn n_cols(&self) -> usize {
        match self {
            Self::Number { .. } => 1,
            Self::Category { levels } => levels.len(),
        }
    }
}

impl MatrixPlan {
    /// Chooses and measures the columns of a table.
    ///
    /// One pass over each column, plus a sort of the different texts.
    ///
    /// # Errors
    /// `INPUT_INVALID` when no column is left, an excluded one is not there, or a null or
    /// an infinite number is refused.
    pub fn learn(table: &Table, options: &MatrixOptions) -> Result<Self> {
        let mut columns = Vec::new();
        for feature in table.features(options.features, &options.exclude)? {
            let kind = match &feature.values {
                Values::Number(values) => {
                    check_numbers(table, &feature.name, values, options)?;
                    let fill = match options.nulls {
                        Nulls::Refuse | Nulls::Keep => None,
                        Nulls::Mean => Some(mean(values)),
                        Nulls::Zero => Some(0.0),
                        Nulls::Value(value) => Some(value),
                    };
                    Kind::Number { fill }
                }
                Values::Category { codes, names } => {
                    check_texts(table, &feature.name, codes, options.nulls)?;
                    Kind::Category {
                        levels: levels(codes, names, options),
                    }
                }
            };
            columns.push(Planned {
                name: feature.name,
                kind,
            });
        }
        if columns.is_empty() {
            let wanted = match options.features {
                Features::All => "numbers, booleans or text",
                Features::Ignored | Features::Numeric => "numbers or booleans",
            };
            return Err(Error::invalid(
                table.path(),
                format!("expected at least one column of {wanted} without a role, found none"),
            ));
        }
        Ok(Self {
            nulls: options.nulls,
            infinities: options.infinities,
            columns,
        })
    }

    /// The matrix of a table, which has the plan's columns in any order and may have more.
    ///
    /// # Errors
    /// `INPUT_INVALID` when a column is missing or has another type than in the fit, or a
    /// null or an infinite number is refused; the field names the column.
    pub fn encode(&self, table: &Table) -> Result<Matrix> {
        let names = self.names();
        let (n_rows, n_cols) = (table.n_rows(), names.len());
        let mut values = vec![0.0; n_rows * n_cols];
        let mut at = 0;
        for planned in &self.columns {
            let width = planned.kind.n_cols();
            if n_cols > 0 {
                let cells = values.chunks_exact_mut(n_cols);
                self.fill(planned, table, cells.map(|row| &mut row[at..at + width]))?;
            }
            at += width;
        }
        Ok(Matrix {
            n_rows,
            names,
            values,
        })
    }

    /// Names of the matrix' columns; see [`Matrix::names`].
    pub fn names(&self) -> Vec<String> {
        let names = self.columns.iter().flat_map(|planned| match &planned.kind {
            Kind::Number { .. } => vec![planned.name.clone()],
            Kind::Category { levels } => levels
                .iter()
                .map(|level| format!("{}={level}", planned.name))
                .collect(),
        });
        names.collect()
    }

    /// Names of the table's columns that it reads, in the order of the matrix.
    pub fn sources(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|planned| planned.name.as_str())
    }

    /// For each column of the matrix the index of its column among [`Self::sources`]: what
    /// adds up the contributions of categories to the column that a person knows.
    pub fn source_of_columns(&self) -> Vec<usize> {
        let indices = self.columns.iter().enumerate();
        indices
            .flat_map(|(index, planned)| std::iter::repeat_n(index, planned.kind.n_cols()))
            .collect()
    }

    /// Writes one of the table's columns into its cells of each row.
    fn fill<'m>(
        &self,
        planned: &Planned,
        table: &Table,
        cells: impl Iterator<Item = &'m mut [f64]>,
    ) -> Result<()> {
        let column = table.column_named(&planned.name).ok_or_else(|| {
            let names: Vec<&str> = table.columns().map(|column| column.name()).collect();
            Error::invalid(
                format!("{}.{}", table.path(), planned.name),
                format!(
                    "expected the column {:?} that the fit had, found {}",
                    planned.name,
                    names.join(", ")
                ),
            )
        })?;
        let wrong_type = |wanted: &str| {
            Error::invalid(
                format!("{}.{}", table.path(), planned.name),
                format!(
                    "expected {wanted} as in the fit, found {}",
                    column.field().data_type()
                ),
            )
        };
        match &planned.kind {
            Kind::Number { fill } => {
                let Some(Values::Number(values)) =
                    column.feature(Features::Numeric)?.map(|found| found.values)
                else {
                    return Err(wrong_type("numbers"));
                };
                let options = MatrixOptions {
                    nulls: self.nulls,
                    infinities: self.infinities,
                    ..MatrixOptions::default()
                };
                check_numbers(table, &planned.name, &values, &options)?;
                let fill = fill.unwrap_or(f64::NAN);
                for (cell, value) in cells.zip(values) {
                    cell[0] = if value.is_nan() { fill } else { value };
                }
            }
            Kind::Category { levels } => {
                let Some(Values::Category { codes, names }) =
                    column.feature(Features::All)?.map(|found| found.values)
                else {
                    return Err(wrong_type("text"));
                };
                check_texts(table, &planned.name, &codes, self.nulls)?;
                let places: HashMap<&str, usize> =
                    levels.iter().map(String::as_str).zip(0..).collect();
                let place_of: Vec<Option<usize>> = names
                    .iter()
                    .map(|name| places.get(name.as_str()).copied())
                    .collect();
                for (cell, code) in cells.zip(codes) {
                    if code == Ids::NONE {
                        if self.nulls == Nulls::Keep {
                            cell.fill(f64::NAN);
                        }
                    } else if let Some(place) = place_of[code as usize] {
                        cell[place] = 1.0;
                    }
                }
            }
        }
        Ok(())
    }
}

/// The mean of the finite values in the order of the rows, 0 when there is none.
fn mean(values: &[f64]) -> f64 {
    let (mut sum, mut n) = (0.0, 0_u64);
    for value in values.iter().filter(|value| value.is_finite()) {
        sum += value;
        n += 1;
    }
    if n == 0 { 0.0 } else { sum / n as f64 }
}

/// The categories that get a column, in the order of their names.
fn levels(codes: &[u32], names: &[String], options: &MatrixOptions) -> Vec<String> {
    let mut counts = vec![0_u64; names.len()];
    for code in codes {
        if let Some(count) = counts.get_mut(*code as usize) {
            *count += 1;
        }
    }
    // Names are sorted, so that a stable sort by count leaves equals in their order.
    let mut order: Vec<usize> = (0..names.len()).collect();
    order.sort_by_key(|index| std::cmp::Reverse(counts[*index]));
    order.truncate(options.max_categories);
    let most_frequent = order.first().copied();
    order.sort_unstable();
    let reference = match options.reference {
        Reference::None => None,
        Reference::First => order.first().copied(),
        Reference::MostFrequent => most_frequent,
    };
    let kept = order.iter().filter(|index| Some(**index) != reference);
    kept.map(|index| names[*index].clone()).collect()
}

fn check_numbers(table: &Table, name: &str, values: &[f64], options: &MatrixOptions) -> Result<()> {
    let refused = |value: &f64| {
        (options.nulls == Nulls::Refuse && value.is_nan())
            || (options.infinities == Infinities::Refuse && value.is_infinite())
    };
    let Some(row) = values.iter().position(refused) else {
        return Ok(());
    };
    let found = match values[row] {
        value if value.is_nan() => "no number".to_owned(),
        value => value.to_string(),
    };
    Err(Error::invalid(
        format!("{}.{name}", table.path()),
        format!("expected finite numbers, found {found} in row {row}"),
    ))
}

fn check_texts(table: &Table, name: &str, codes: &[u32], nulls: Nulls) -> Result<()> {
    let null = match nulls {
        Nulls::Refuse => codes.iter().position(|code| *code == Ids::NONE),
        _ => None,
    };
    match null {
        Some(row) => Err(Error::invalid(
            format!("{}.{name}", table.path()),
            format!("expected a text in each row, found none in row {row}"),
        )),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
