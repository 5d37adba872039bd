//! The tables of a recommender's judging, and its headline numbers.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::BooleanArray;
use arrow_array::Int64Array;
use arrow_array::StringArray;
use arrow_array::TimestampMicrosecondArray;
use arrow_array::UInt64Array;
use arrow_array::builder::ListBuilder;
use arrow_array::builder::StringBuilder;
use arrow_schema::DataType;
use arrow_schema::TimeUnit;
use lode_numeric::metrics::Interval;
use lode_types::Role;
use sha2::Digest;
use sha2::Sha256;

use super::super::Report;
use super::super::tables::Columns;
use super::events::Events;
use super::measures::Answers;
use super::measures::Measured;
use super::measures::WIDTH;
use super::measures::names;
use super::plan::Plan;
use crate::Result;

/// Places of a list that are kept.
const KEPT: usize = 20;
/// The measure that a recommender is known by.
pub(super) const MAIN: &str = "ndcg_10";
/// Measures whose twins (of popularity, of new customers) are headline numbers too.
const HEAD: [&str; 5] = [MAIN, "hit_rate_10", "recall_10", "map", "mrr"];
/// Measures of a customer that a later comparison reads.
pub(in crate::judge) const COMPARED: [&str; 5] = HEAD;

/// The output `evaluation`: one row a measure and group.
pub(super) fn evaluation(measured: &Measured) -> Result<Report> {
    let rows = || {
        let groups = measured.groups.iter();
        groups.flat_map(|group| group.measures.iter().map(move |measure| (group, measure)))
    };
    let low = |interval: Option<Interval>| interval.map(|interval| interval.low);
    let high = |interval: Option<Interval>| interval.map(|interval| interval.high);
    let mut columns = Columns::default();
    let words = |words: Vec<String>| -> ArrayRef { Arc::new(StringArray::from(words)) };
    let groups = rows().map(|(group, _)| group.name.clone());
    columns.add("group", DataType::Utf8, words(groups.collect()));
    let measures = rows().map(|(_, measure)| measure.name.clone());
    columns.add("measure", DataType::Utf8, words(measures.collect()));
    columns.number("value", rows().map(|(_, m)| m.value).collect());
    columns.optional("low", rows().map(|(_, m)| low(m.interval)).collect());
    columns.optional("high", rows().map(|(_, m)| high(m.interval)).collect());
    columns.optional("popularity", rows().map(|(_, m)| m.popularity).collect());
    let over: Vec<_> = rows().map(|(_, m)| m.over_popularity).collect();
    let of_order: Vec<_> = rows().map(|(_, m)| m.over_order).collect();
    let mut difference = |name: &str, over: Vec<Option<(f64, Option<Interval>)>>| {
        columns.optional(name, over.iter().map(|o| o.map(|o| o.0)).collect());
        let lows = over.iter().map(|o| low(o.and_then(|o| o.1)));
        columns.optional(&format!("{name}_low"), lows.collect());
        let highs = over.iter().map(|o| high(o.and_then(|o| o.1)));
        columns.optional(&format!("{name}_high"), highs.collect());
    };
    difference("over_popularity", over);
    if rows().any(|(_, measure)| measure.order.is_some()) {
        difference("over_order", of_order);
        columns.optional("order", rows().map(|(_, m)| m.order).collect());
    }
    let customers = rows().map(|(group, _)| group.n_customers as u64);
    let customers: ArrayRef = Arc::new(UInt64Array::from(customers.collect::<Vec<u64>>()));
    columns.add("customers", DataType::UInt64, customers);
    Ok(Report {
        name: "evaluation",
        chart_hint: "table",
        rows: columns.finish()?,
    })
}

/// The output `evaluation_customers`: who was asked, what was to be found, what was offered.
pub(super) fn customers(
    events: &Events,
    plan: &Plan,
    answers: &Answers,
    measured: &Measured,
) -> Result<Report> {
    let asked = || plan.splits.iter().flat_map(|split| &split.asked);
    let mut columns = Columns::default();
    let ids = asked().map(|asked| &*events.customers[asked.customer as usize]);
    let ids: ArrayRef = Arc::new(StringArray::from(ids.collect::<Vec<&str>>()));
    columns.add("customer_id", DataType::Utf8, ids);
    columns.role(Role::CustomerId);
    let starts = plan.splits.iter();
    let starts = starts.flat_map(|split| split.asked.iter().map(|_| split.start));
    let starts: TimestampMicrosecondArray = starts.collect();
    let micros = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    columns.nullable("as_of", micros, Arc::new(starts.with_timezone("UTC")));
    let is_new: Vec<bool> = asked().map(|asked| asked.owned.is_empty()).collect();
    let is_new: ArrayRef = Arc::new(BooleanArray::from(is_new));
    columns.add("is_new", DataType::Boolean, is_new);
    let history = asked().map(|asked| asked.owned.len() as i64);
    let history: ArrayRef = Arc::new(Int64Array::from(history.collect::<Vec<i64>>()));
    columns.add("history", DataType::Int64, history);
    let list = |lists: Vec<&[u32]>| -> ArrayRef {
        let mut list = ListBuilder::new(StringBuilder::new());
        for items in lists {
            // Items of no event have no name here; they were not to be found.
            let name = |item: &u32| events.items.get(*item as usize).map(|name| &**name);
            list.append_value(items.iter().map(name));
        }
        Arc::new(list.finish())
    };
    let relevant = list(asked().map(|asked| &*asked.relevant).collect());
    columns.add("relevant", relevant.data_type().clone(), relevant);
    let offered = answers.own.items.iter().flatten();
    let offered = list(
        offered
            .map(|items| &items[..items.len().min(KEPT)])
            .collect(),
    );
    columns.add("offered", offered.data_type().clone(), offered);
    let names = names();
    let mut numbers = |prefix: &str, start: usize| {
        for name in COMPARED {
            let Some(at) = names.iter().position(|known| known == name) else {
                continue;
            };
            let rows = 0..measured.rows.n_rows();
            let values = rows.map(|row| measured.rows.row(row)[start + at]);
            columns.number(&format!("{prefix}{name}"), values.collect());
        }
    };
    numbers("", 0);
    numbers("popularity_", WIDTH);
    if answers.order.is_some() {
        numbers("order_", 3 * WIDTH);
    }
    Ok(Report {
        name: "evaluation_customers",
        chart_hint: "table",
        rows: columns.finish()?,
    })
}

/// The numbers that the job shows.
pub(super) fn headline(plan: &Plan, measured: &Measured) -> BTreeMap<String, f64> {
    let mut metrics = BTreeMap::new();
    let mut put = |name: String, value: f64, interval: Option<Interval>| {
        if let Some(interval) = interval {
            metrics.insert(format!("{name}_low"), interval.low);
            metrics.insert(format!("{name}_high"), interval.high);
        }
        metrics.insert(name, value);
    };
    let mut n_new = 0;
    for group in &measured.groups {
        if group.name == "new" {
            n_new = group.n_customers;
        }
        for measure in &group.measures {
            let is_head = HEAD.contains(&measure.name.as_str());
            match group.name.as_str() {
                "all" => {
                    put(measure.name.clone(), measure.value, measure.interval);
                    for (word, value) in
                        [("popularity", measure.popularity), ("order", measure.order)]
                    {
                        if let Some(value) = value {
                            put(format!("{word}_{}", measure.name), value, None);
                        }
                    }
                    for (word, over) in [
                        ("popularity", measure.over_popularity),
                        ("order", measure.over_order),
                    ] {
                        if let (Some((value, interval)), true) = (over, measure.name == MAIN) {
                            put(format!("over_{word}_{MAIN}"), value, interval);
                        }
                    }
                }
                "new" | "old" if is_head => {
                    let name = format!("{}_{}", measure.name, group.name);
                    put(name, measure.value, None);
                    if let (Some(value), true) = (measure.popularity, measure.name == MAIN) {
                        put(format!("popularity_{MAIN}_{}", group.name), value, None);
                    }
                }
                _ => {}
            }
        }
    }
    let n_asked = measured.rows.n_rows();
    put("evaluated_customers".to_owned(), n_asked as f64, None);
    let new_share = f64::from(n_new as u32) / n_asked.max(1) as f64;
    put("new_share".to_owned(), new_share, None);
    put("test_windows".to_owned(), plan.splits.len() as f64, None);
    metrics.retain(|_, value| value.is_finite());
    metrics
}

/// SHA-256 of who was asked, when, knowing what, and what was to be found.
pub(super) fn sha256(events: &Events, plan: &Plan, repeats: bool) -> String {
    let mut hasher = Sha256::new();
    let word = |word: &str, hasher: &mut Sha256| {
        hasher.update((word.len() as u64).to_be_bytes());
        hasher.update(word.as_bytes());
    };
    hasher.update([u8::from(repeats)]);
    for split in &plan.splits {
        hasher.update(split.start.unwrap_or(0).to_be_bytes());
        for asked in &split.asked {
            word(&events.customers[asked.customer as usize], &mut hasher);
            for items in [&asked.owned, &asked.relevant] {
                hasher.update((items.len() as u64).to_be_bytes());
                for item in items {
                    word(&events.items[*item as usize], &mut hasher);
                }
            }
        }
    }
    let bytes = hasher.finalize();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
