//! Chunks whose rows were written out by hand, and chunks that were made to do harm.

mod arrow;
mod csv;
mod hostile;

use std::collections::BTreeMap;

use arrow_array::Array;
use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_cast::display::ArrayFormatter;
use arrow_cast::display::FormatOptions;
use lode_types::Column;
use lode_types::ColumnType;
use lode_types::DatasetKind;
use lode_types::Role;
use lode_types::Schema;

use crate::CsvOptions;
use crate::Decoder;
use crate::decode::cast;

fn schema() -> Schema {
    Schema::new(vec![
        Column::new("id", ColumnType::String)
            .with_role(Role::CustomerId)
            .required(),
        Column::new("n", ColumnType::Int64),
        Column::new("x", ColumnType::Float64),
        Column::new("ok", ColumnType::Bool),
        Column::new("at", ColumnType::Timestamp),
        Column::new("day", ColumnType::Date),
        Column::new("note", ColumnType::String),
    ])
    .unwrap()
}

fn header() -> Vec<String> {
    let schema = schema();
    schema.columns().iter().map(|c| c.name.clone()).collect()
}

fn options(header: &[&str], delimiter: u8) -> CsvOptions {
    CsvOptions {
        header: header.iter().map(|&name| name.to_owned()).collect(),
        delimiter,
    }
}

fn decoder(csv: Option<&CsvOptions>) -> Decoder {
    Decoder::new(&schema(), DatasetKind::Events, &BTreeMap::new(), csv).unwrap()
}

/// Rows as text, null as `-`.
fn rows(batch: &RecordBatch) -> Vec<String> {
    let options = FormatOptions::default().with_null("-");
    (0..batch.num_rows())
        .map(|row| {
            let values = batch.columns().iter().map(|column| {
                if let (true, Some(text)) = (column.is_valid(row), column.as_string_opt::<i32>()) {
                    return format!("{:?}", text.value(row));
                }
                let column = cast::without_zone(column);
                let formatter = ArrayFormatter::try_new(&column, &options).unwrap();
                formatter.value(row).to_string()
            });
            values.collect::<Vec<_>>().join(" ")
        })
        .collect()
}
