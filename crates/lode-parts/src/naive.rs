//! For tests: made-up batches, and the naive ways of reading, picking and ordering them.

pub(crate) mod picks;

use std::fs::File;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use arrow_array::Array;
use arrow_array::ArrayRef;
use arrow_array::BooleanArray;
use arrow_array::Date32Array;
use arrow_array::Decimal128Array;
use arrow_array::Float64Array;
use arrow_array::Int64Array;
use arrow_array::RecordBatch;
use arrow_array::StringArray;
use arrow_array::TimestampMicrosecondArray;
use arrow_array::cast::AsArray;
use arrow_array::types::Date32Type;
use arrow_array::types::Decimal128Type;
use arrow_array::types::Float64Type;
use arrow_array::types::Int32Type;
use arrow_array::types::Int64Type;
use arrow_array::types::TimestampMicrosecondType;
use arrow_schema::DataType;
use arrow_schema::Field;
use arrow_schema::Schema;
use arrow_schema::TimeUnit;

use crate::Manifest;
use crate::Order;
use crate::PartInfo;
use crate::RunPart;
use crate::Strings;
use crate::Table;
use crate::Target;
use crate::sort;

/// A small generator of numbers, so that each test is the same each time.
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        self.0 >> 24
    }
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
    pub(crate) fn maybe<T>(&mut self, percent: u64, value: T) -> Option<T> {
        (self.below(100) >= percent).then_some(value)
    }
}

pub(crate) fn folder(name: &str) -> PathBuf {
    let dir = std::env::temp_dir().join(format!("lode-sort-{}-{name}", std::process::id()));
    drop(std::fs::remove_dir_all(&dir));
    std::fs::create_dir_all(&dir).unwrap();
    dir
}

/// Columns: customer, at, day, amount, raw, odd, price, flag, text, word, small, large, row.
pub(crate) fn batch(
    chance: &mut Chance,
    rows: usize,
    first: i64,
    texts: bool,
    nulls: u64,
) -> RecordBatch {
    let id = |chance: &mut Chance| chance.below(300) as i64 * 1_000_003 - 40;
    let customer: ArrayRef = if texts {
        Arc::new(StringArray::from_iter((0..rows).map(|_| {
            let v = id(chance);
            chance.maybe(nulls, format!("c-{v}"))
        })))
    } else {
        Arc::new(Int64Array::from_iter((0..rows).map(|_| {
            let v = id(chance);
            chance.maybe(nulls, v)
        })))
    };
    let at = |chance: &mut Chance| 1_600_000_000_000_000 + chance.below(400) as i64 * 60_000_000;
    let utc = DataType::Timestamp(TimeUnit::Microsecond, Some(Arc::from("UTC")));
    let floats = |chance: &mut Chance, make: &dyn Fn(u64) -> f64| -> ArrayRef {
        Arc::new(Float64Array::from_iter((0..rows).map(|_| {
            let v = make(chance.next());
            chance.maybe(nulls, v)
        })))
    };
    let columns: Vec<(&str, DataType, ArrayRef)> = vec![
        ("customer", customer.data_type().clone(), customer),
        (
            "at",
            utc.clone(),
            Arc::new(
                TimestampMicrosecondArray::from_iter((0..rows).map(|_| {
                    let v = at(chance);
                    chance.maybe(nulls, v)
                }))
                .with_data_type(utc),
            ),
        ),
        (
            "day",
            DataType::Date32,
            Arc::new(Date32Array::from_iter((0..rows).map(|_| {
                let v = chance.below(9000) as i32 - 4000;
                chance.maybe(nulls, v)
            }))),
        ),
        (
            "amount",
            DataType::Float64,
            floats(chance, &|n| (n % 100_000) as f64 / 100.0),
        ),
        (
            "raw",
            DataType::Float64,
            floats(chance, &|n| {
                (n as f64).sqrt() * if n % 2 == 0 { -1.0 } else { 1.0 }
            }),
        ),
        (
            "odd",
            DataType::Float64,
            floats(chance, &|n| match n % 5 {
                0 => f64::NAN,
                1 => -0.0,
                2 => f64::INFINITY,
                3 => f64::from_bits(1),
                _ => 1e300,
            }),
        ),
        (
            "price",
            DataType::Float64,
            floats(chance, &|n| f64::from((n % 7000) as f32 / 100.0_f32)),
        ),
        (
            "flag",
            DataType::Boolean,
            Arc::new(BooleanArray::from_iter((0..rows).map(|_| {
                let v = chance.below(2) == 0;
                chance.maybe(nulls, v)
            }))),
        ),
        (
            "text",
            DataType::Utf8,
            Arc::new(StringArray::from_iter((0..rows).map(|_| {
                let v = format!("t{}-\u{e9}", chance.next());
                chance.maybe(nulls, v)
            }))),
        ),
        (
            "word",
            DataType::Utf8,
            Arc::new(StringArray::from_iter((0..rows).map(|_| {
                let v = format!("w{}", chance.below(40));
                chance.maybe(nulls, v)
            }))),
        ),
        (
            "small",
            DataType::Decimal128(12, 2),
            Arc::new(
                Decimal128Array::from_iter((0..rows).map(|_| {
                    let v = i128::from(chance.below(100_000)) - 50_000;
                    chance.maybe(nulls, v)
                }))
                .with_data_type(DataType::Decimal128(12, 2)),
            ),
        ),
        (
            "large",
            DataType::Decimal128(38, 0),
            Arc::new(
                Decimal128Array::from_iter((0..rows).map(|_| {
                    let v = i128::from(chance.next()) << 70;
                    chance.maybe(nulls, v)
                }))
                .with_data_type(DataType::Decimal128(38, 0)),
            ),
        ),
        (
            "wide",
            DataType::Int64,
            Arc::new(Int64Array::from_iter_values(
                (0..rows).map(|_| chance.next() as i64 * (i64::MAX >> 40) - i64::MAX / 2),
            )),
        ),
        (
            "row",
            DataType::Int64,
            Arc::new(Int64Array::from_iter_values(first..first + rows as i64)),
        ),
    ];
    let fields: Vec<Field> = columns
        .iter()
        .map(|(name, t, _)| Field::new(*name, t.clone(), true))
        .collect();
    let arrays = columns.into_iter().map(|(_, _, array)| array).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap()
}

pub(crate) fn run(dir: &Path, files: Vec<File>, order: Order, file_rows: usize) -> Vec<PartInfo> {
    let part = |n: u64| {
        let manifest = Manifest {
            format: 1,
            dataset: "d".to_owned(),
            kind: "events".to_owned(),
            ingest: String::new(),
            seq: n,
            run: Some(RunPart {
                number: 1,
                from: 1,
                to: 2,
                rows: 0,
            }),
        };
        (format!("{n}.arrow"), manifest)
    };
    let target = Target {
        dir,
        part: &part,
        after: &|_| {},
        stop: &|| false,
        file_rows: Some(file_rows),
    };
    sort(files, order, &target).unwrap()
}

pub(crate) fn open(dir: &Path, parts: &[PartInfo]) -> Vec<File> {
    parts
        .iter()
        .map(|part| File::open(dir.join(&part.name)).unwrap())
        .collect()
}

/// A row as text, exact to the bit, without its customer's form.
pub(crate) fn row_text(batch: &RecordBatch, row: usize) -> String {
    let mut out = String::new();
    for column in batch.columns() {
        let text = if column.is_null(row) {
            "null".to_owned()
        } else {
            match column.data_type() {
                DataType::Int64 => column.as_primitive::<Int64Type>().value(row).to_string(),
                DataType::Float64 => format!(
                    "{:x}",
                    column.as_primitive::<Float64Type>().value(row).to_bits()
                ),
                DataType::Date32 => column.as_primitive::<Date32Type>().value(row).to_string(),
                DataType::Boolean => column.as_boolean().value(row).to_string(),
                DataType::Decimal128(_, _) => column
                    .as_primitive::<Decimal128Type>()
                    .value(row)
                    .to_string(),
                DataType::Timestamp(_, _) => column
                    .as_primitive::<TimestampMicrosecondType>()
                    .value(row)
                    .to_string(),
                DataType::Utf8 => column.as_string::<i32>().value(row).to_owned(),
                DataType::Utf8View => column.as_string_view().value(row).to_owned(),
                _ => {
                    let column = column.as_dictionary::<Int32Type>();
                    column
                        .values()
                        .as_string::<i32>()
                        .value(column.keys().value(row) as usize)
                        .to_owned()
                }
            }
        };
        out.push_str(&text);
        out.push('|');
    }
    out
}

pub(crate) fn rows(table: &Table, strings: Strings) -> Vec<String> {
    (0..table.n_batches())
        .flat_map(|i| {
            let batch = table.batch_as(i, None, strings).unwrap();
            (0..batch.num_rows())
                .map(|row| row_text(&batch, row))
                .collect::<Vec<_>>()
        })
        .collect()
}

/// (no customer, customer, no time, time, row): what the run must ascend in.
pub(crate) type Key = (bool, (i64, String), bool, i64, i64);

pub(crate) fn keys(batch: &RecordBatch, order: Order) -> Vec<Key> {
    let stored = batch
        .column(batch.num_columns() - 1)
        .as_primitive::<Int64Type>();
    (0..batch.num_rows())
        .map(|row| {
            let customer = order
                .customer
                .map(|c| batch.column(c))
                .filter(|c| c.is_valid(row))
                .map(|c| match c.data_type() {
                    DataType::Int64 => (c.as_primitive::<Int64Type>().value(row), String::new()),
                    _ => (0, c.as_string::<i32>().value(row).to_owned()),
                });
            let time = order
                .time
                .map(|c| batch.column(c))
                .filter(|c| c.is_valid(row))
                .map(|c| c.as_primitive::<TimestampMicrosecondType>().value(row));
            (
                customer.is_none(),
                customer.unwrap_or_default(),
                time.is_none(),
                time.unwrap_or_default(),
                stored.value(row),
            )
        })
        .collect()
}
