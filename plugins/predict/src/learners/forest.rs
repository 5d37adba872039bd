//! The model behind the tree learners: a forest whose reasons add up to the bit.
//!
//! Does not grow trees. Invariant: margins, base and contributions are whole multiples of one
//! small grain, so that their sums are exact in any order.

use std::sync::Arc;

use lode_numeric::trees;
use lode_numeric::trees::Forest;
use lode_numeric::trees::Table;
use lode_plugin::Chart;
use lode_plugin::Error;
use lode_plugin::Output;
use lode_plugin::Result;
use lode_plugin::arrow_array::ArrayRef;
use lode_plugin::arrow_array::Float64Array;
use lode_plugin::arrow_array::RecordBatch;
use lode_plugin::arrow_array::StringArray;
use lode_plugin::arrow_schema::DataType;
use lode_plugin::arrow_schema::Field;
use lode_plugin::arrow_schema::Schema;

use crate::frame::Plan;
use crate::frame::Rows;
use crate::frame::View;
use crate::learner::Additive;
use crate::learner::numeric;

/// A forest as a scorer.
#[derive(Clone, Debug)]
pub struct Grown {
    forest: Forest,
    grain: Grain,
    base: f64,
}

impl Grown {
    /// The scorer of a forest whose margins over the learned rows are `margins`.
    pub(super) fn new(forest: Forest, margins: &[f64]) -> Self {
        let largest = margins
            .iter()
            .fold(forest.base().abs(), |m, x| m.max(x.abs()));
        Self::of(forest, Grain::of(largest))
    }

    fn of(forest: Forest, grain: Grain) -> Self {
        let base = grain.round(forest.base());
        Self {
            forest,
            grain,
            base,
        }
    }

    pub(super) fn forest(&self) -> &Forest {
        &self.forest
    }

    pub(super) fn write(&self) -> Vec<u8> {
        let grain = self.grain.0.to_le_bytes();
        [grain.as_slice(), &self.forest.to_bytes()].concat()
    }

    pub(super) fn read(bytes: &[u8], plan: &Plan) -> Result<Self> {
        let bad = |what: String| Error::model(format!("expected a forest, found {what}"));
        let (grain, rest) = bytes
            .split_first_chunk::<8>()
            .ok_or_else(|| bad("fewer bytes".to_owned()))?;
        let grain = Grain(f64::from_le_bytes(*grain));
        if !grain.is_valid() {
            return Err(bad(format!("a grain of {}", grain.0)));
        }
        let forest = Forest::from_bytes(rest).map_err(|error| bad(error.to_string()))?;
        let fits = forest.n_cols() == plan.features.len()
            && plan.features.iter().enumerate().all(|(at, planned)| {
                let levels = planned.kind.levels().map(<[String]>::len);
                forest.n_levels(at).map(|n| n as usize) == levels
            });
        match fits {
            true => Ok(Self::of(forest, grain)),
            false => Err(bad("one over other columns".to_owned())),
        }
    }
}

/// The rows as the trees read them.
pub(super) fn table<'a>(rows: &Rows<'a>) -> Result<Table<'a>> {
    let columns = rows.features().map(|view| match view {
        View::Number(values) => trees::Column::Number(values),
        View::Category { codes, n_levels } => trees::Column::Category { codes, n_levels },
    });
    let table = Table::new(rows.len(), columns.collect()).map_err(failed)?;
    match rows.customers() {
        Some(customers) => table.with_groups(customers).map_err(failed),
        None => Ok(table),
    }
}

/// What a call of the trees found wrong.
pub(super) fn failed(error: lode_numeric::Error) -> Error {
    numeric("the trees", error)
}

impl Additive for Grown {
    fn base(&self) -> f64 {
        self.base
    }

    fn contributions(&self, rows: &Rows<'_>, threads: usize) -> Result<Vec<f64>> {
        let table = table(rows)?;
        let margins = self.forest.margins(&table, threads).map_err(failed)?;
        let mut parts = self
            .forest
            .contributions(&table, threads)
            .map_err(failed)?
            .values;
        let rows = parts.chunks_mut(rows.n_features().max(1));
        for (parts, margin) in rows.zip(margins) {
            self.grain.settle(self.base, parts, margin);
        }
        Ok(parts)
    }

    fn margins(&self, rows: &Rows<'_>, threads: usize) -> Result<Vec<f64>> {
        let margins = self
            .forest
            .margins(&table(rows)?, threads)
            .map_err(failed)?;
        Ok(margins.iter().map(|m| self.grain.round(*m)).collect())
    }

    fn scores(&self, _rows: &Rows<'_>, margins: &[f64]) -> Result<Vec<f64>> {
        let objective = self.forest.objective();
        Ok(margins.iter().map(|m| objective.mean(*m)).collect())
    }
}

/// A power of two of which margins and contributions are whole multiples. Sums of such numbers
/// are exact, in any order, as long as they stay below 2^53 grains.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Grain(f64);

impl Grain {
    /// The grain for numbers up to `largest`: 2^-44 of it, with room for sums 512 times as
    /// large.
    pub(super) fn of(largest: f64) -> Self {
        let mut grain = 1.0_f64;
        if largest > 0.0 && largest.is_finite() {
            while grain > largest && grain > 1e-150 {
                grain *= 0.5;
            }
            while grain < largest && grain < 1e150 {
                grain *= 2.0;
            }
        }
        Self(grain * 2.0_f64.powi(-44))
    }

    pub(super) fn value(self) -> f64 {
        self.0
    }

    /// The grain that [`Grain::value`] gave, if it is one.
    pub(super) fn from_value(value: f64) -> Option<Self> {
        Some(Self(value)).filter(|grain| grain.is_valid())
    }

    fn is_valid(self) -> bool {
        self.0 > 0.0 && self.0.is_normal() && self.0.to_bits() << 12 == 0
    }

    /// The nearest multiple.
    pub(super) fn round(self, value: f64) -> f64 {
        (value / self.0).round_ties_even() * self.0
    }

    /// Rounds `parts` so that `base` and they add up to the rounded margin: what rounding has
    /// left goes to the largest of them.
    pub(super) fn settle(self, base: f64, parts: &mut [f64], margin: f64) {
        let mut sum = base;
        let mut largest = 0;
        for at in 0..parts.len() {
            parts[at] = self.round(parts[at]);
            sum += parts[at];
            if parts[at].abs() > parts[largest].abs() {
                largest = at;
            }
        }
        if let Some(part) = parts.get_mut(largest) {
            *part += self.round(margin) - sum;
        }
    }
}

/// The output `importance`.
pub(super) fn importance_output() -> Output {
    Output::new("importance", "How much the splits on each column gained").chart(Chart::Bar)
}

/// A row a column, the largest gain first, ties in the order of the columns.
pub(super) fn importance(plan: &Plan, gains: &[f64]) -> Result<RecordBatch> {
    let total: f64 = gains.iter().sum();
    let mut order: Vec<usize> = (0..gains.len().min(plan.features.len())).collect();
    order.sort_by(|a, b| gains[*b].total_cmp(&gains[*a]).then(a.cmp(b)));
    let names: StringArray = order
        .iter()
        .map(|at| Some(plan.features[*at].name.as_str()))
        .collect();
    let share = |at: &usize| if total > 0.0 { gains[*at] / total } else { 0.0 };
    let columns: Vec<ArrayRef> = vec![
        Arc::new(names),
        Arc::new(Float64Array::from_iter_values(order.iter().map(share))),
        Arc::new(Float64Array::from_iter_values(
            order.iter().map(|at| gains[*at]),
        )),
    ];
    let schema = Schema::new(vec![
        Field::new("feature", DataType::Utf8, false),
        Field::new("share", DataType::Float64, false),
        Field::new("gain", DataType::Float64, false),
    ]);
    Ok(RecordBatch::try_new(Arc::new(schema), columns)?)
}

#[cfg(test)]
mod tests {
    use super::Grain;

    #[test]
    fn sums_are_exact_in_any_order() {
        let grain = Grain::of(3.7);
        assert_eq!(grain, Grain(2.0_f64.powi(2 - 44)));
        let base = grain.round(-1.234_567);
        let margin = 2.345_678_9;
        let mut parts = [0.1, -0.7, 3.3, 0.9, 1e-9];
        let off: f64 = margin - base - parts.iter().sum::<f64>();
        parts[3] += off;
        grain.settle(base, &mut parts, margin);
        let forward = parts.iter().fold(base, |sum, part| sum + part);
        let backward = parts.iter().rev().fold(0.0, |sum, part| sum + part) + base;
        assert_eq!(forward.to_bits(), grain.round(margin).to_bits());
        assert_eq!(backward.to_bits(), forward.to_bits());
        assert!((forward - margin).abs() < 1e-12);
    }

    #[test]
    fn grains_are_powers_of_two_for_any_size() {
        for largest in [0.0, 1e-300, 1e-9, 1.0, 1e12, 1e300, f64::INFINITY, f64::NAN] {
            let grain = Grain::of(largest);
            assert_eq!(Grain::from_value(grain.value()), Some(grain), "{largest}");
        }
        for bad in [0.0, -1.0, 3.0, f64::NAN, f64::INFINITY] {
            assert_eq!(Grain::from_value(bad), None);
        }
    }
}
