//! What the two survival learners share: features to columns, hazard ratios, chances.
//!
//! Does not fit. Invariant: what a row's features say is apart from time, so margins compare
//! customers of any tenure.

mod ratios;

use lode_plugin::Context;
use lode_plugin::Error;
use lode_plugin::Result;
use lode_plugin::arrow_array::ArrayRef;
use lode_plugin::arrow_array::RecordBatch;
use lode_plugin::arrow_schema::Field;
use lode_plugin::arrow_schema::Schema;

use lode_numeric::glm::Design;
use lode_numeric::survival::cox::MAX_WEIGHTS;

use super::regression::design;
use super::regression::design::Prepared;
use crate::frame::View;
use crate::learner::Training;
use crate::learner::numeric;

pub(super) use ratios::Ratios;

/// The column of role duration in both algorithms.
pub(super) const DURATION: &str = "How long the customer was watched, in any one unit: until he \
    left, or until now; empty when not known";

/// The features of the rows as columns; the one that is `skipped` is a column of zeros, whose
/// weight is 0.
pub(super) fn prepare(
    rows: &Training<'_>,
    skipped: Option<usize>,
    cx: &Context<'_>,
) -> Result<Vec<Prepared>> {
    let mut prepared = Vec::with_capacity(rows.rows.n_features());
    for (index, view) in rows.rows.features().enumerate() {
        cx.check_cancelled()?;
        let name = &rows.plan.features[index].name;
        if skipped == Some(index) {
            let zeros = vec![0.0; rows.rows.len()];
            prepared.push(Prepared::new(name, View::Number(&zeros), rows, cx)?);
        } else {
            prepared.push(Prepared::new(name, view, rows, cx)?);
        }
    }
    Ok(prepared)
}

/// Their design, if it is not too wide.
pub(super) fn design_of(prepared: &[Prepared], n_rows: usize) -> Result<Design<'_>> {
    let design = design::design(prepared, n_rows)?;
    if design.n_weights() > MAX_WEIGHTS {
        return Err(Error::invalid(
            "params.max_levels",
            format!(
                "expected at most {MAX_WEIGHTS} columns and levels together, found {}",
                design.n_weights()
            ),
        ));
    }
    Ok(design)
}

/// What a fit found wrong; rows that cannot be learned from are the label's fault.
pub(super) fn refused(what: &str, error: lode_numeric::Error, rows: &Training<'_>) -> Error {
    match error {
        lode_numeric::Error::NoEvents { .. } | lode_numeric::Error::OneClass { .. } => {
            Error::invalid(
                rows.label.as_str(),
                format!(
                    "expected customers who left and some who stayed for a while among the rows \
                     with a duration: {error}"
                ),
            )
        }
        other => numeric(what, other),
    }
}

/// The chance of an event under a cumulative hazard of `exp(margin)` times `baseline`.
pub(super) fn chance(baseline: f64, margin: f64) -> f64 {
    if baseline > 0.0 {
        -(-(baseline.ln() + margin).exp()).exp_m1()
    } else {
        0.0
    }
}

/// A table of columns.
pub(super) fn table(columns: Vec<(&str, bool, ArrayRef)>) -> Result<RecordBatch> {
    let fields: Vec<Field> = columns
        .iter()
        .map(|(name, nullable, column)| Field::new(*name, column.data_type().clone(), *nullable))
        .collect();
    let arrays = columns.into_iter().map(|(_, _, column)| column).collect();
    Ok(RecordBatch::try_new(
        std::sync::Arc::new(Schema::new(fields)),
        arrays,
    )?)
}
