//! The numbers and tables of an answer that is one of several: how probable the true one was, how
//! often it was the one named.
//!
//! The measures themselves are `lode_numeric::metrics`. Invariant: the class that is taken as named
//! is the most probable one, of equal ones the first by name.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::Array;
use arrow_array::RecordBatch;
use arrow_array::StringArray;
use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_schema::DataType;
use lode_numeric::metrics;
use lode_numeric::metrics::Classified;

use super::measures::bug;
use super::predict::Held;
use super::tables::Columns;
use crate::Error;
use crate::Result;

/// Measures that are means over parts.
pub(super) const NAMES: [&str; 3] = ["log_loss", "accuracy", "macro_f1"];
/// What the columns of probabilities are called before the class.
const PREFIX: &str = "p_";
/// Most classes of a label.
pub(super) const MOST: usize = 1000;
/// How far the probabilities of a row may be from 1 together.
const SLACK: f64 = 1e-6;
/// Probabilities are kept this far from 0.
const LEAST: f64 = 1e-15;

/// Rows that are measured together.
pub(super) struct Part {
    pub(super) losses: Vec<f64>,
    pub(super) actual: Vec<u32>,
    pub(super) chosen: Vec<u32>,
    pub(super) n_classes: usize,
}

impl Part {
    /// Of rows with these probabilities, row by row.
    pub(super) fn new(shares: &[f64], actual: Vec<u32>, n_classes: usize) -> Result<Self> {
        Ok(Self {
            losses: metrics::class_losses(n_classes, shares, &actual).map_err(bug)?,
            chosen: shares.chunks(n_classes.max(1)).map(largest).collect(),
            actual,
            n_classes,
        })
    }

    pub(super) fn numbers(&self, weights: Option<&[f64]>) -> Vec<Option<f64>> {
        let counted = Classified::new(self.n_classes, &self.actual, &self.chosen, weights).ok();
        vec![
            metrics::weighted_mean(&self.losses, weights),
            counted.as_ref().map(Classified::accuracy),
            counted.as_ref().map(Classified::macro_f1),
        ]
    }
}

/// Numbers of all rows of a group together: what the commonest class alone, and the shares of all
/// alone, would come to.
pub(super) fn of_whole(
    actual: &[u32],
    n_classes: usize,
    weights: Option<&[f64]>,
) -> Vec<(&'static str, f64)> {
    let Ok(counted) = Classified::new(n_classes, actual, actual, weights) else {
        return Vec::new();
    };
    let shares = (0..n_classes).map(|class| counted.of_class(class).rows / counted.rows());
    let shares: Vec<f64> = shares.filter(|share| *share > 0.0).collect();
    let most = shares.iter().copied().fold(0.0, f64::max);
    let entropy: f64 = shares.iter().map(|share| -share * share.ln()).sum();
    vec![
        ("base_accuracy", most),
        ("base_log_loss", entropy),
        ("classes", shares.len() as f64),
    ]
}

/// The place of the largest, the first of equal ones.
fn largest(shares: &[f64]) -> u32 {
    let mut best = 0;
    for (at, share) in shares.iter().enumerate() {
        if *share > shares[best] {
            best = at;
        }
    }
    best as u32
}

/// The probabilities of an answer, row by row in the order of the classes. A class that the fit had
/// no row of has probability 0.
pub(super) fn shares_of(scored: &RecordBatch, names: &[String]) -> Result<Vec<f64>> {
    let failed = |message: String| Error::new(lode_types::Class::Bug, "PLUGIN_FAILED", message);
    let n_rows = scored.num_rows();
    let mut shares = vec![0.0; n_rows * names.len()];
    for (class, name) in names.iter().enumerate() {
        let Some(column) = scored.column_by_name(&format!("{PREFIX}{name}")) else {
            continue;
        };
        let column = arrow_cast::cast(column, &DataType::Float64)?;
        let column = column.as_primitive::<Float64Type>();
        for row in 0..n_rows {
            let share = column.is_valid(row).then(|| column.value(row));
            let share = share.filter(|share| (0.0..=1.0).contains(share));
            shares[row * names.len() + class] = share.ok_or_else(|| {
                failed(format!(
                    "expected every {PREFIX}{name} to be a number from 0 to 1"
                ))
            })?;
        }
    }
    for row in shares.chunks(names.len().max(1)) {
        let sum: f64 = row.iter().sum();
        if (sum - 1.0).abs() > SLACK {
            return Err(failed(format!(
                "expected columns {PREFIX}VALUE for the values of the label that add up to 1, \
                 found {sum}"
            )));
        }
    }
    Ok(shares)
}

/// Chosen, right and missed rows of each class.
pub(super) fn of_each(
    part: &Part,
    names: &[String],
    shares: &[f64],
    weights: Option<&[f64]>,
) -> Result<Columns> {
    let counted =
        Classified::new(part.n_classes, &part.actual, &part.chosen, weights).map_err(bug)?;
    let each: Vec<_> = (0..names.len())
        .map(|class| counted.of_class(class))
        .collect();
    let mut columns = Columns::default();
    columns.words("class", names.to_vec());
    columns.number("customers", each.iter().map(|own| own.rows).collect());
    columns.number("chosen", each.iter().map(|own| own.chosen).collect());
    columns.optional(
        "precision",
        each.iter().map(metrics::OfClass::precision).collect(),
    );
    columns.optional(
        "recall",
        each.iter().map(metrics::OfClass::recall).collect(),
    );
    columns.optional("f1", each.iter().map(metrics::OfClass::f1).collect());
    let mean = |class: usize| {
        let own: Vec<f64> = shares
            .iter()
            .skip(class)
            .step_by(names.len())
            .copied()
            .collect();
        metrics::weighted_mean(&own, weights)
    };
    columns.optional("mean_score", (0..names.len()).map(mean).collect());
    Ok(columns)
}

/// How many rows of each class were taken for which.
pub(super) fn confusion(part: &Part, names: &[String], weights: Option<&[f64]>) -> Result<Columns> {
    let counted =
        Classified::new(part.n_classes, &part.actual, &part.chosen, weights).map_err(bug)?;
    let (mut actual, mut chosen, mut rows, mut shares) = (vec![], vec![], vec![], vec![]);
    for (class, name) in names.iter().enumerate() {
        let of = counted.of_class(class).rows;
        for (other, found) in names.iter().enumerate() {
            actual.push(name.clone());
            chosen.push(found.clone());
            rows.push(counted.count(class, other));
            shares.push((of > 0.0).then(|| counted.count(class, other) / of));
        }
    }
    let mut columns = Columns::default();
    columns.words("actual", actual);
    columns.words("chosen", chosen);
    columns.number("customers", rows);
    columns.optional("share", shares);
    Ok(columns)
}

/// The true and the named class of each held-out row, and how probable the true one was.
pub(super) fn scores(columns: &mut Columns, held: &Held, actual: &[u32], names: &[String]) {
    let name = |class: u32| names[class as usize].clone();
    let rows = held.rows.iter().zip(held.shares.chunks(names.len().max(1)));
    let own = held.rows.iter().map(|row| actual[*row]);
    columns.words("label", own.map(name).collect());
    columns.words(
        "chosen",
        rows.clone()
            .map(|(_, shares)| name(largest(shares)))
            .collect(),
    );
    columns.number(
        "p_label",
        rows.map(|(row, shares)| shares[actual[*row] as usize])
            .collect(),
    );
}

/// The classes of the held-out rows of a model, as its job kept them.
pub(super) struct Kept {
    pub(super) label: Vec<String>,
    chosen: Vec<String>,
    p_label: Vec<f64>,
}

impl Kept {
    /// None where the rows are of no classes.
    pub(super) fn of(rows: &RecordBatch) -> Option<Self> {
        let words = |name: &str| -> Option<Vec<String>> {
            let words: &StringArray = rows.column_by_name(name)?.as_string_opt::<i32>()?;
            Some(
                words
                    .iter()
                    .map(|word| word.unwrap_or_default().to_owned())
                    .collect(),
            )
        };
        let p_label = rows
            .column_by_name("p_label")?
            .as_primitive_opt::<Float64Type>()?;
        Some(Self {
            label: words("label")?,
            chosen: words("chosen")?,
            p_label: p_label.values().to_vec(),
        })
    }

    /// Some of the rows, ready to be measured.
    pub(super) fn part(&self, rows: &[usize]) -> Part {
        let mut numbers: BTreeMap<&str, u32> = BTreeMap::new();
        for row in rows {
            for word in [&self.label[*row], &self.chosen[*row]] {
                let next = numbers.len() as u32;
                numbers.entry(word.as_str()).or_insert(next);
            }
        }
        let number = |words: &[String]| {
            rows.iter()
                .map(|row| numbers[words[*row].as_str()])
                .collect()
        };
        let losses = rows
            .iter()
            .map(|row| -self.p_label[*row].clamp(LEAST, 1.0).ln());
        Part {
            losses: losses.collect(),
            actual: number(&self.label),
            chosen: number(&self.chosen),
            n_classes: numbers.len(),
        }
    }
}

impl Columns {
    /// A column of words.
    fn words(&mut self, name: &str, words: Vec<String>) {
        self.add(name, DataType::Utf8, Arc::new(StringArray::from(words)));
    }
}
