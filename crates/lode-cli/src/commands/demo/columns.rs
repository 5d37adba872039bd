//! Columns of a result as plain vectors, for the report.

use arrow_array::ArrayRef;
use lode_sdk::Table;
use lode_types::Class;
use lode_types::Fault;

use crate::failure::Failed;
use crate::failure::Result;
use crate::output::Cell;
use crate::output::cell;

/// A column as text, empty where there is no value.
pub(super) fn texts(table: &Table, name: &str) -> Result<Vec<String>> {
    let cells = cells(table, name)?;
    Ok(cells.iter().map(Cell::plain).collect())
}

/// A column as numbers, NaN where there is no value.
pub(super) fn numbers(table: &Table, name: &str) -> Result<Vec<f64>> {
    let cells = cells(table, name)?;
    Ok(cells
        .iter()
        .map(|cell| match cell {
            Cell::Float(value) => *value,
            Cell::Int(digits) => digits.parse().unwrap_or(f64::NAN),
            Cell::Text(_) | Cell::Empty => f64::NAN,
        })
        .collect())
}

/// A column, one array a batch.
pub(super) fn arrays<'t>(table: &'t Table, name: &str) -> Result<Vec<&'t ArrayRef>> {
    let missing = || {
        let message = format!("expected a column {name} in the result, found none");
        Failed::fault(Fault::new(Class::Bug, "TABLE_INVALID", message))
    };
    if table.schema.column_with_name(name).is_none() {
        return Err(missing());
    }
    table
        .batches
        .iter()
        .map(|batch| batch.column_by_name(name).ok_or_else(missing))
        .collect()
}

fn cells(table: &Table, name: &str) -> Result<Vec<Cell>> {
    let mut all = Vec::with_capacity(table.n_rows());
    for array in arrays(table, name)? {
        for row in 0..array.len() {
            all.push(cell(array, row)?);
        }
    }
    Ok(all)
}

/// The share that `part` is of `whole`, as `12 %`.
pub(super) fn percent(part: f64, whole: f64) -> String {
    match whole > 0.0 {
        true => format!("{:.0} %", 100.0 * part / whole),
        false => "0 %".to_owned(),
    }
}

/// A bar of at most `width` characters for a share of 0.0 to 1.0.
pub(super) fn bar(share: f64, width: usize) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "0 to the width, which is small"
    )]
    let len = (share.clamp(0.0, 1.0) * width as f64).round() as usize;
    "#".repeat(len)
}
