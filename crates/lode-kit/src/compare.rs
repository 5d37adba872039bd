//! Whether two calls gave the same.

use arrow_array::Array;
use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_cast::cast;
use arrow_schema::DataType;

use crate::ear::Heard;

/// What differs between two results over the same columns, in words; numbers may differ by
/// `tolerance`, relative to the larger, and everything else not at all. Models are compared
/// when `tolerance` is 0.
pub(crate) fn difference(one: &Heard, other: &Heard, tolerance: f64) -> Option<String> {
    results(one, other, tolerance).or_else(|| {
        let differ = tolerance == 0.0 && one.models != other.models;
        differ.then(|| "the bytes of a model".to_owned())
    })
}

/// The same, less the models: their bytes may tell from which columns they were made.
pub(crate) fn results(one: &Heard, other: &Heard, tolerance: f64) -> Option<String> {
    let names = |heard: &Heard| heard.outputs.keys().cloned().collect::<Vec<_>>();
    if names(one) != names(other) {
        return Some(format!("outputs {:?} and {:?}", names(one), names(other)));
    }
    for (name, batch) in &one.outputs {
        if let Some(words) = tables(batch, &other.outputs[name], tolerance) {
            return Some(format!("output {name:?}: {words}"));
        }
    }
    for (name, value) in &one.metrics {
        match other.metrics.get(name) {
            Some(found) if near(*value, *found, tolerance) => {}
            found => return Some(format!("metric {name:?}: {value} and {found:?}")),
        }
    }
    if one.metrics.len() != other.metrics.len() {
        return Some("numbers of metrics".to_owned());
    }
    None
}

/// What differs between two tables, in words.
pub(crate) fn tables(one: &RecordBatch, other: &RecordBatch, tolerance: f64) -> Option<String> {
    if one.schema() != other.schema() {
        return Some("the columns".to_owned());
    }
    if one.num_rows() != other.num_rows() {
        return Some(format!("{} and {} rows", one.num_rows(), other.num_rows()));
    }
    for (index, field) in one.schema().fields().iter().enumerate() {
        let (a, b) = (one.column(index), other.column(index));
        if a.to_data() == b.to_data() {
            continue;
        }
        if tolerance > 0.0 && *field.data_type() == DataType::Float64 {
            let (a, b) = (
                a.as_primitive::<Float64Type>(),
                b.as_primitive::<Float64Type>(),
            );
            let mut pairs = a.iter().zip(b.iter());
            let near = pairs.all(|pair| match pair {
                (Some(a), Some(b)) => near(a, b, tolerance),
                (a, b) => a.is_none() && b.is_none(),
            });
            if near {
                continue;
            }
        }
        let row = (0..one.num_rows())
            .find(|&row| a.slice(row, 1).to_data() != b.slice(row, 1).to_data())
            .unwrap_or(0);
        return Some(format!(
            "column {:?}, row {row}: {} and {}",
            field.name(),
            word(a, row),
            word(b, row)
        ));
    }
    None
}

pub(crate) fn near(one: f64, other: f64, tolerance: f64) -> bool {
    one.to_bits() == other.to_bits()
        || (one - other).abs() <= tolerance * one.abs().max(other.abs())
}

fn word(column: &dyn Array, row: usize) -> String {
    let one = cast(&column.slice(row, 1), &DataType::Utf8).ok();
    let text = one.as_ref().and_then(|text| text.as_string_opt::<i32>());
    match text {
        Some(text) if text.is_valid(0) => text.value(0).chars().take(60).collect(),
        Some(_) => "null".to_owned(),
        None => "other values".to_owned(),
    }
}
