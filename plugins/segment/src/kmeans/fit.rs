//! Chooses columns, prepares them, splits the rows, from seeds or from a model's centers.
//!
//! Does not write tables.

use lode_numeric::Rng;
use lode_numeric::Rows;
use lode_numeric::kmeans;
use lode_numeric::kmeans::KMeansFit;
use lode_plugin::Context;
use lode_plugin::Error;
use lode_plugin::Features;
use lode_plugin::Fitted;
use lode_plugin::Result;
use lode_plugin::Role;
use lode_plugin::Table;
use lode_plugin::Values;

use super::base::Base;
use super::model::KMeansModel;
use super::output;
use super::params::KMeansParams;
use super::prepare;
use super::prepare::ColumnScale;

/// Rows that the silhouette is measured on, at most.
const SILHOUETTE_ROWS: usize = 1_000;

pub(super) fn run(
    params: &KMeansParams,
    table: &Table,
    base: Option<&KMeansModel>,
    cx: &Context<'_>,
) -> Result<Fitted> {
    cx.check_cancelled()?;
    cx.progress(0.0, "reading columns");
    if table.n_rows() == 0 {
        return Err(Error::invalid(
            "inputs.customers",
            "expected at least one row, found none",
        ));
    }
    let (names, columns) = columns(table, &params.columns)?;
    let base = base.map(|base| Base::check(base, params, &names));
    let base = base.transpose()?;
    let mut scales = Vec::with_capacity(columns.len());
    for (name, column) in names.iter().zip(&columns) {
        cx.check_cancelled()?;
        scales.push(ColumnScale::fit(name, column, params.transform, cx)?);
    }
    let values = prepare::rows(&columns, &scales, params.transform);
    let rows = Rows::new(&values, columns.len()).map_err(numeric)?;
    let go_on = |fraction: f64| {
        cx.progress(0.05 + 0.85 * fraction, "splitting rows");
        cx.check_cancelled().is_ok()
    };
    let asked = kmeans::KMeansParams {
        k: params.k,
        restarts: params.restarts,
        max_iterations: params.max_iterations,
        tolerance: params.tolerance,
        seed: cx.seed(),
        threads: cx.threads(),
    };
    let found = match base {
        Some(base) => kmeans::fit_from(rows, &asked, base.centers(&scales), &go_on),
        None => kmeans::fit(rows, &asked, &go_on),
    };
    let found = found.map_err(numeric)?;
    if !found.converged {
        cx.warn("the best start did not come to rest; raise max_iterations or tolerance");
    }
    cx.progress(0.9, "writing segments");
    let model = KMeansModel {
        transform: params.transform,
        centers: found.centers.values().to_vec(),
        columns: scales,
    };
    let customer_ids = match table.column(Role::CustomerId) {
        Some(column) => column.texts()?,
        None => vec![None; table.n_rows()],
    };
    let mut fitted = Fitted::new()
        .table("segments", output::segments(customer_ids, &found)?)
        .table("centers", output::centers(&model, &columns, &found)?)
        .model(model.to_bytes()?)
        .metric("inertia", found.inertia)
        .metric("iterations", found.iterations as f64)
        .metric("rows", table.n_rows() as f64)
        .metric("features", columns.len() as f64);
    if let Some(silhouette) = silhouette(rows, &found, cx) {
        fitted = fitted.metric("silhouette", silhouette);
    }
    Ok(fitted)
}

/// Names and values of the columns to use.
fn columns(table: &Table, wanted: &[String]) -> Result<(Vec<String>, Vec<Vec<f64>>)> {
    if !wanted.is_empty() {
        let mut columns = Vec::with_capacity(wanted.len());
        for (index, name) in wanted.iter().enumerate() {
            if wanted[..index].contains(name) {
                return Err(Error::invalid(
                    "params.columns",
                    format!("expected each column once, found {name:?} twice"),
                ));
            }
            columns.push(table.require_named(name)?.numbers()?);
        }
        return Ok((wanted.to_vec(), columns));
    }
    let mut names = Vec::new();
    let mut columns = Vec::new();
    for feature in table.features(Features::Numeric, &[])? {
        if let Values::Number(values) = feature.values {
            names.push(feature.name);
            columns.push(values);
        }
    }
    if columns.is_empty() {
        return Err(Error::invalid(
            "inputs.customers",
            "expected at least one column of numbers or booleans without a role, found none",
        ));
    }
    Ok((names, columns))
}

fn silhouette(rows: Rows<'_>, found: &KMeansFit, cx: &Context<'_>) -> Option<f64> {
    let mut sample: Vec<usize> = (0..rows.n_rows()).collect();
    if sample.len() > SILHOUETTE_ROWS {
        Rng::stream(cx.seed(), u64::MAX).shuffle(&mut sample);
        sample.truncate(SILHOUETTE_ROWS);
        sample.sort_unstable();
    }
    let values: Vec<f64> = sample
        .iter()
        .flat_map(|row| rows.row(*row))
        .copied()
        .collect();
    let labels: Vec<u32> = sample.iter().map(|row| found.labels[*row]).collect();
    let rows = Rows::new(&values, rows.n_cols()).ok()?;
    kmeans::silhouette(rows, &labels, cx.threads())
}

/// What a numeric call found wrong, in the words of this algorithm's caller.
pub(super) fn numeric(error: lode_numeric::Error) -> Error {
    match error {
        lode_numeric::Error::Cancelled => Error::cancelled(),
        lode_numeric::Error::TooFewRows { needed, found } => Error::invalid(
            "params.k",
            format!("expected at most {found}, the number of rows, found {needed}"),
        ),
        lode_numeric::Error::TooFewDistinctRows { needed, found } => Error::invalid(
            "params.k",
            format!("expected at most {found}, the number of different rows, found {needed}"),
        ),
        other => Error::numeric(format!("the rows cannot be split: {other}")),
    }
}
