//! The same features computed one customer and one time after the other by plain loops over all
//! events, without any of the crate's code.

use std::collections::BTreeMap;
use std::collections::HashSet;

use arrow_array::Array;
use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::Decimal128Type;
use arrow_array::types::Float64Type;
use arrow_array::types::Int64Type;
use arrow_array::types::TimestampMicrosecondType;
use arrow_schema::DataType;

const DAY: i64 = 86_400_000_000;

/// One row of the sales.
#[derive(Clone, Debug)]
pub(super) struct Event {
    pub(super) who: String,
    pub(super) time: i64,
    pub(super) arrival: i64,
    pub(super) order: String,
    pub(super) item: Option<String>,
    pub(super) amount: Option<f64>,
    pub(super) pieces: Option<i64>,
    pub(super) fee: Option<i128>,
    pub(super) kind: &'static str,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Null,
    Int(i64),
    Float(f64),
    Digits(i128),
    Text(String),
    Bool(bool),
}

pub(super) type Row = BTreeMap<String, Value>;

/// Equal, floats in every bit.
pub(super) fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Float(one), Value::Float(other)) => one.to_bits() == other.to_bits(),
        _ => one == other,
    }
}

/// The rows of a batch by column.
pub(super) fn rows(batch: &RecordBatch) -> Vec<Row> {
    let schema = batch.schema();
    (0..batch.num_rows())
        .map(|row| {
            let columns = schema.fields().iter().zip(batch.columns());
            columns
                .map(|(field, column)| (field.name().clone(), cell(column, row)))
                .collect()
        })
        .collect()
}

fn cell(column: &dyn Array, row: usize) -> Value {
    if column.is_null(row) {
        return Value::Null;
    }
    match column.data_type() {
        DataType::Int64 => Value::Int(column.as_primitive::<Int64Type>().value(row)),
        DataType::Float64 => Value::Float(column.as_primitive::<Float64Type>().value(row)),
        DataType::Boolean => Value::Bool(column.as_boolean().value(row)),
        DataType::Utf8 => Value::Text(column.as_string::<i32>().value(row).to_owned()),
        DataType::Decimal128(38, 2) => {
            Value::Digits(column.as_primitive::<Decimal128Type>().value(row))
        }
        DataType::Timestamp(_, _) => {
            Value::Int(column.as_primitive::<TimestampMicrosecondType>().value(row))
        }
        other => panic!("no feature has the type {other}"),
    }
}

fn days(micros: i64) -> f64 {
    micros as f64 / DAY as f64
}

fn float(value: Option<f64>) -> Value {
    value.map_or(Value::Null, Value::Float)
}

fn int(n: usize) -> Value {
    Value::Int(i64::try_from(n).unwrap())
}

fn sum(values: &[f64]) -> f64 {
    let mut sum = 0.0;
    for value in values {
        sum += value;
    }
    sum
}

fn std(values: &[f64], mean: f64) -> Option<f64> {
    let squares: Vec<f64> = values.iter().map(|v| (v - mean) * (v - mean)).collect();
    (values.len() > 1).then(|| (sum(&squares) / (values.len() - 1) as f64).sqrt())
}

/// The row of a customer, if there is one; `plan` is what the customers dataset says.
pub(super) fn features(all: &[Event], who: &str, t: i64, plan: Option<&String>) -> Option<Row> {
    let mut known: Vec<&Event> = all
        .iter()
        .filter(|e| e.who == who && e.time <= t && e.arrival <= t)
        .collect();
    known.sort_by_key(|event| event.time);
    if known.is_empty() && plan.is_none() {
        return None;
    }
    let last = |n: i64| -> Vec<&Event> {
        known
            .iter()
            .copied()
            .filter(|e| e.time > t - n * DAY)
            .collect()
    };
    let amounts =
        |events: &[&Event]| -> Vec<f64> { events.iter().filter_map(|e| e.amount).collect() };
    let mean = |values: &[f64]| (!values.is_empty()).then(|| sum(values) / values.len() as f64);
    let of_kind =
        |kind: &str| -> Vec<&Event> { known.iter().copied().filter(|e| e.kind == kind).collect() };
    let gaps = |events: &[&Event]| -> (Vec<f64>, Option<f64>) {
        let mut times: Vec<i64> = events.iter().map(|e| e.time).collect();
        times.dedup();
        let gaps: Vec<f64> = times
            .windows(2)
            .map(|pair| days(pair[1] - pair[0]))
            .collect();
        let mean =
            (!gaps.is_empty()).then(|| days(times[times.len() - 1] - times[0]) / gaps.len() as f64);
        (gaps, mean)
    };
    let mut row = Row::new();
    let mut put = |name: &str, value: Value| {
        row.insert(name.to_owned(), value);
    };
    put("customer_id", Value::Text(who.to_owned()));
    put("as_of", Value::Int(t));
    put("recency", float(known.last().map(|e| days(t - e.time))));
    let orders = known.iter().map(|e| &e.order).collect::<HashSet<_>>().len();
    put("orders", int(orders));
    let event_days: HashSet<i64> = last(40).iter().map(|e| e.time.div_euclid(DAY)).collect();
    put("days", int(event_days.len()));
    put("events", int(known.len()));
    let spend = sum(&amounts(&known));
    let mean_amount = mean(&amounts(&known));
    put("spend", Value::Float(spend));
    put("mean", float(mean_amount));
    put(
        "exact",
        Value::Digits(last(30).iter().filter_map(|e| e.fee).sum()),
    );
    put("tenure", float(known.first().map(|e| days(t - e.time))));
    let (all_gaps, gap) = gaps(&known);
    put("gap", float(gap));
    put("gap_last", float(all_gaps.last().copied()));
    put(
        "gap_cv",
        float(gap.and_then(|mean| Some(std(&all_gaps, mean)? / mean))),
    );
    let (late_gaps, late_gap) = gaps(&last(60));
    put(
        "gap_std",
        float(late_gap.and_then(|mean| std(&late_gaps, mean))),
    );
    put(
        "n_12h",
        int(known.iter().filter(|e| e.time > t - DAY / 2).count()),
    );
    let month = amounts(&last(30));
    put("sum_30d", Value::Float(sum(&month)));
    put("mean_30d", float(mean(&month)));
    put("max_30d", float(month.iter().copied().reduce(f64::max)));
    let pieces = last(30).iter().filter_map(|e| e.pieces).min();
    put("min_30d", pieces.map_or(Value::Null, Value::Int));
    let late: Vec<(i64, f64)> = last(45)
        .iter()
        .filter_map(|e| Some((e.time, e.amount?)))
        .collect();
    let values: Vec<f64> = late.iter().map(|(_, value)| *value).collect();
    put(
        "std_45d",
        float(mean(&values).and_then(|mean| std(&values, mean))),
    );
    put("trend_45d", float(slope(&late)));
    put("ratio", float((spend != 0.0).then(|| sum(&month) / spend)));
    let items: HashSet<String> = last(50).iter().filter_map(|e| e.item.clone()).collect();
    put("items", int(items.len()));
    let returns = of_kind("return").len();
    put(
        "share_n",
        float((!known.is_empty()).then(|| returns as f64 / known.len() as f64)),
    );
    let whole = sum(&amounts(&last(60)));
    let sold: Vec<&Event> = last(60).into_iter().filter(|e| e.kind == "sale").collect();
    put(
        "share_amount",
        float((whole != 0.0).then(|| sum(&amounts(&sold)) / whole)),
    );
    let item = known.iter().rev().find_map(|e| e.item.clone());
    put("last_item", item.clone().map_or(Value::Null, Value::Text));
    put(
        "last_amount",
        float(known.iter().rev().find_map(|e| e.amount)),
    );
    for hour in 0..24 {
        let recent = last(60);
        let in_hour = recent
            .iter()
            .filter(|e| e.time.rem_euclid(DAY) / (DAY / 24) == hour)
            .count();
        let share = (!recent.is_empty()).then(|| in_hour as f64 / recent.len() as f64);
        put(&format!("hours_{hour:02}"), float(share));
    }
    // 1970-01-01 was a Thursday, the fourth day of its week.
    for (i, day) in ["thu", "fri", "sat", "sun", "mon", "tue", "wed"]
        .iter()
        .enumerate()
    {
        let on = known
            .iter()
            .filter(|e| e.time.div_euclid(DAY).rem_euclid(7) == i64::try_from(i).unwrap())
            .count();
        let share = (!known.is_empty()).then(|| on as f64 / known.len() as f64);
        put(&format!("week_{day}"), float(share));
    }
    put("returns", int(returns));
    put(
        "since_complaint",
        float(of_kind("complaint").last().map(|e| days(t - e.time))),
    );
    let big = known
        .iter()
        .filter(|e| ["sale", "gift"].contains(&e.kind))
        .filter_map(|e| e.amount);
    put(
        "big",
        Value::Float(sum(&big
            .filter(|amount| *amount >= 5.0)
            .collect::<Vec<_>>())),
    );
    put(
        "plan",
        plan.map_or(Value::Null, |plan| Value::Text(plan.clone())),
    );
    let crossed = plan.and_then(|plan| Some(format!("{plan}|{}", item?)));
    put("crossed", crossed.map_or(Value::Null, Value::Text));
    put(
        "product",
        float(mean_amount.map(|mean| orders as f64 * mean)),
    );
    Some(row)
}

fn slope(points: &[(i64, f64)]) -> Option<f64> {
    let (first, last) = (points.first()?.0, points.last()?.0);
    if days(last - first) < 1.0 {
        return None;
    }
    let n = points.len() as f64;
    let x: Vec<f64> = points.iter().map(|(time, _)| days(time - first)).collect();
    let y: Vec<f64> = points.iter().map(|(_, value)| *value).collect();
    let (mx, my) = (sum(&x) / n, sum(&y) / n);
    let both: Vec<f64> = x.iter().zip(&y).map(|(x, y)| (x - mx) * (y - my)).collect();
    let alone: Vec<f64> = x.iter().map(|x| (x - mx) * (x - mx)).collect();
    Some(sum(&both) / sum(&alone))
}
