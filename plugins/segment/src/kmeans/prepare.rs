//! Turns number columns into rows that distances can be measured on.
//!
//! Does not choose columns. Invariant: a fit and a later scoring prepare the same value the
//! same way.

use lode_numeric::Rows;
use lode_numeric::standardize::Standardizer;
use lode_plugin::Context;
use lode_plugin::Error;
use lode_plugin::Result;
use lode_plugin::serde::Deserialize;
use lode_plugin::serde::Serialize;

use super::fit::numeric;
use super::params::Transform;

/// What was learned of one column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(crate = "lode_plugin::serde")]
pub(super) struct ColumnScale {
    pub(super) name: String,
    /// Mean of the known values, after the logarithm if there is one; fills gaps.
    pub(super) mean: f64,
    /// Their population standard deviation; 0 for a constant column.
    pub(super) std: f64,
}

impl ColumnScale {
    /// Measures a column, whose missing values are NaN.
    pub(super) fn fit(
        name: &str,
        values: &[f64],
        transform: Transform,
        cx: &Context<'_>,
    ) -> Result<Self> {
        check(name, values, transform)?;
        let known: Vec<f64> = values
            .iter()
            .filter(|value| !value.is_nan())
            .map(|value| bend(*value, transform))
            .collect();
        let (mean, std) = if known.is_empty() {
            (0.0, 0.0)
        } else {
            let rows = Rows::new(&known, 1).map_err(numeric)?;
            let found = Standardizer::fit(rows, cx.threads()).map_err(numeric)?;
            (found.mean[0], found.scale[0])
        };
        Ok(Self {
            name: name.to_owned(),
            mean,
            std,
        })
    }

    /// The prepared value.
    pub(super) fn apply(&self, value: f64, transform: Transform) -> f64 {
        let value = if value.is_nan() {
            self.mean
        } else {
            bend(value, transform)
        };
        match transform {
            Transform::None => value,
            _ if self.std > 0.0 => (value - self.mean) / self.std,
            _ => 0.0,
        }
    }

    /// A value that was prepared by the scale `old`, as this one prepares it.
    pub(super) fn carried(&self, prepared: f64, old: &Self, transform: Transform) -> f64 {
        match transform {
            // The way there and back would cost the last bits.
            _ if self == old => prepared,
            Transform::None => prepared,
            _ if self.std > 0.0 => (prepared * old.std + old.mean - self.mean) / self.std,
            _ => 0.0,
        }
    }

    /// A prepared value in standard deviations from the mean.
    pub(super) fn z(&self, prepared: f64, transform: Transform) -> f64 {
        match transform {
            Transform::None if self.std > 0.0 => (prepared - self.mean) / self.std,
            Transform::None => 0.0,
            Transform::Standardize | Transform::LogStandardize => prepared,
        }
    }
}

/// Refuses what cannot be prepared.
pub(super) fn check(name: &str, values: &[f64], transform: Transform) -> Result<()> {
    let field = || format!("inputs.customers.{name}");
    if let Some(row) = values.iter().position(|value| value.is_infinite()) {
        return Err(Error::invalid(
            field(),
            format!(
                "expected finite numbers, found {} in row {row}",
                values[row]
            ),
        ));
    }
    if transform == Transform::LogStandardize
        && let Some(row) = values.iter().position(|value| *value <= -1.0)
    {
        return Err(Error::invalid(
            field(),
            format!(
                "expected numbers above -1 for log_standardize, found {} in row {row}",
                values[row]
            ),
        ));
    }
    Ok(())
}

fn bend(value: f64, transform: Transform) -> f64 {
    match transform {
        Transform::LogStandardize => value.ln_1p(),
        Transform::Standardize | Transform::None => value,
    }
}

/// Columns laid out row by row, prepared.
pub(super) fn rows(columns: &[Vec<f64>], scales: &[ColumnScale], transform: Transform) -> Vec<f64> {
    let n_rows = columns.first().map_or(0, Vec::len);
    let mut values = vec![0.0; n_rows * columns.len()];
    for (index, (column, scale)) in columns.iter().zip(scales).enumerate() {
        let places = values.iter_mut().skip(index).step_by(columns.len());
        for (place, value) in places.zip(column) {
            *place = scale.apply(*value, transform);
        }
    }
    values
}
