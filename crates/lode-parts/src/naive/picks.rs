//! Picked rows, rows within a range, and zones, against decoding everything first.

use arrow_array::Array;
use arrow_array::UInt32Array;
use arrow_array::cast::AsArray;
use arrow_array::types::Date32Type;
use arrow_array::types::Decimal128Type;
use arrow_array::types::Float64Type;
use arrow_array::types::Int64Type;
use arrow_array::types::TimestampMicrosecondType;
use arrow_schema::DataType;
use arrow_select::take::take_record_batch;

use super::Chance;
use crate::Bound;
use crate::Strings;
use crate::Table;

/// Of each third batch some rows, in every form of strings, and of each ordered column some ranges.
pub(crate) fn check(table: &Table, chance: &mut Chance) {
    for i in (0..table.n_batches()).filter(|i| i % 3 == 0) {
        let n = table.batch_rows(i).unwrap();
        for strings in [Strings::Plain, Strings::View] {
            let whole = table.batch_as(i, None, strings).unwrap();
            for every in [1, 2, 50] {
                let rows: Vec<u32> = (0..n as u32).filter(|_| chance.below(every) == 0).collect();
                let expected = take_record_batch(&whole, &UInt32Array::from(rows.clone())).unwrap();
                let found = table.pick_as(i, &rows, None, strings).unwrap();
                assert_eq!(found, expected);
            }
        }
        for column in 0..table.schema().fields().len() {
            check_ranges(table, i, column, chance);
        }
    }
}

fn check_ranges(table: &Table, i: usize, column: usize, chance: &mut Chance) {
    let n = table.batch_rows(i).unwrap();
    let batch = table.batch(i, Some(&[column])).unwrap();
    let values: Vec<Option<i64>> = match batch.column(0).data_type() {
        DataType::Int64 => batch.column(0).as_primitive::<Int64Type>().iter().collect(),
        DataType::Timestamp(_, _) => {
            let times = batch.column(0).as_primitive::<TimestampMicrosecondType>();
            times.iter().collect()
        }
        DataType::Date32 => {
            let days = batch.column(0).as_primitive::<Date32Type>().iter();
            days.map(|day| day.map(i64::from)).collect()
        }
        _ => {
            let range = i64::MIN..=i64::MAX;
            let found = table.within(i, 0..n, None, column, &range).unwrap();
            assert_eq!(found, None, "{column}");
            return;
        }
    };
    let one = |chance: &mut Chance| values[chance.below(n as u64) as usize].unwrap_or(0);
    let (a, b) = (one(chance), one(chance));
    let ends = [i64::MIN, i64::MAX, a, b.saturating_add(1)];
    let start = chance.below(n as u64) as usize;
    let picked: Vec<u32> = (start as u32..n as u32)
        .filter(|_| chance.below(3) > 0)
        .collect();
    for low in ends {
        for high in ends {
            let range = low..=high;
            let fits = |row: &u32| values[*row as usize].is_some_and(|v| range.contains(&v));
            let expected: Vec<u32> = (start as u32..n as u32).filter(fits).collect();
            let found = table.within(i, start..n, None, column, &range).unwrap();
            // A column that is not stored as offsets cannot say.
            let Some(found) = found else { return };
            assert_eq!(found, expected, "{column} {range:?}");
            let found = table
                .within(i, 0..n, Some(&picked), column, &range)
                .unwrap();
            let expected: Vec<u32> = picked.iter().copied().filter(fits).collect();
            assert_eq!(found, Some(expected), "{column} {range:?}");
        }
    }
}

/// Whether the zones of a batch are those of its values.
pub(crate) fn check_zones(table: &Table, i: usize) {
    let batch = table.batch(i, None).unwrap();
    let zones = table.zones(i).unwrap();
    for zone in zones {
        let (at, _) = batch
            .schema()
            .column_with_name(&zone.column)
            .map(|(i, f)| (i, f.clone()))
            .unwrap();
        let column = batch.column(at);
        assert_eq!(zone.nulls, column.null_count() as u64, "{}", zone.column);
        match column.data_type() {
            DataType::Int64 => {
                let column = column.as_primitive::<Int64Type>();
                assert_eq!(zone.min, column.iter().flatten().min().map(Bound::Int));
                assert_eq!(zone.max, column.iter().flatten().max().map(Bound::Int));
            }
            DataType::Decimal128(_, _) => {
                let column = column.as_primitive::<Decimal128Type>();
                assert!(
                    zone.min.is_none()
                        || zone.min == column.iter().flatten().min().map(Bound::Decimal)
                );
            }
            DataType::Float64 if zone.min.is_some() => {
                let values = || {
                    column
                        .as_primitive::<Float64Type>()
                        .iter()
                        .flatten()
                        .filter(|v| !v.is_nan())
                };
                assert_eq!(zone.min, values().min_by(f64::total_cmp).map(Bound::Float));
                assert_eq!(zone.max, values().max_by(f64::total_cmp).map(Bound::Float));
            }
            _ => {}
        }
    }
    assert!(zones.iter().any(|zone| zone.column == "at"));
}
