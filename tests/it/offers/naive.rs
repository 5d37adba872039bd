//! The measures of recommenders once more, in the plainest way, from the tables of a job.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use anyhow::Context as _;
use anyhow::Result;
use arrow_array::Array as _;
use arrow_array::cast::AsArray as _;
use arrow_array::types::Int64Type;
use arrow_array::types::TimestampMicrosecondType;
use lode_client::Client;
use lode_proto::v1;
use lode_tests::work;

use super::Row;

/// A row of `evaluation_customers`.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) customer: String,
    pub(super) as_of: Option<i64>,
    pub(super) is_new: bool,
    pub(super) history: i64,
    pub(super) relevant: Vec<String>,
    pub(super) offered: Vec<String>,
}

impl Asked {
    fn hits(&self, k: usize) -> Vec<usize> {
        let places = self.offered.iter().take(k).enumerate();
        let hits = places.filter(|(_, item)| self.relevant.contains(item));
        hits.map(|(place, _)| place + 1).collect()
    }

    pub(super) fn ndcg(&self, k: usize) -> f64 {
        let gain = |rank: usize| 1.0 / (rank as f64 + 1.0).log2();
        let best: f64 = (1..=self.relevant.len().min(k)).map(gain).sum();
        self.hits(k).into_iter().map(gain).sum::<f64>() / best
    }
}

pub(super) async fn asked(client: &Client, job: &v1::Job) -> Result<Vec<Asked>> {
    let mut asked = Vec::new();
    for batch in work::output_of(client, job, "evaluation_customers").await? {
        let column = |name: &str| batch.column_by_name(name).context(name.to_owned());
        let customers = column("customer_id")?.as_string::<i32>().clone();
        let times = column("as_of")?.as_primitive::<TimestampMicrosecondType>();
        let is_new = column("is_new")?.as_boolean();
        let history = column("history")?.as_primitive::<Int64Type>();
        let list = |name: &str, row: usize| -> Result<Vec<String>> {
            let list = column(name)?.as_list::<i32>().value(row);
            let items = list.as_string::<i32>().iter().flatten();
            Ok(items.map(str::to_owned).collect())
        };
        for row in 0..batch.num_rows() {
            asked.push(Asked {
                customer: customers.value(row).to_owned(),
                as_of: times.is_valid(row).then(|| times.value(row)),
                is_new: is_new.value(row),
                history: history.value(row),
                relevant: list("relevant", row)?,
                offered: list("offered", row)?,
            });
        }
    }
    Ok(asked)
}

/// Every measure that 20 places can tell is that of the lists.
pub(super) fn check(job: &v1::Job, asked: &[Asked]) -> Result<()> {
    let mean = |of: &dyn Fn(&Asked) -> f64| asked.iter().map(of).sum::<f64>() / asked.len() as f64;
    for k in [5, 10, 20] {
        let hits = |asked: &Asked| asked.hits(k).len() as f64;
        let measures: [(&str, f64); 5] = [
            (
                "hit_rate",
                mean(&|asked| f64::from(u8::from(hits(asked) > 0.0))),
            ),
            ("precision", mean(&|asked| hits(asked) / k as f64)),
            (
                "recall",
                mean(&|asked| hits(asked) / asked.relevant.len() as f64),
            ),
            (
                "capped_recall",
                mean(&|asked| hits(asked) / asked.relevant.len().min(k) as f64),
            ),
            ("ndcg", mean(&|asked| asked.ndcg(k))),
        ];
        for (name, expected) in measures {
            let name = format!("{name}_{k}");
            super::near(&name, work::metric(job, &name)?, expected);
        }
    }
    let shown = asked.iter().flat_map(|asked| asked.offered.iter().take(10));
    let shown: BTreeSet<&String> = shown.collect();
    let coverage = work::metric(job, "coverage_10")?;
    assert!(coverage > 0.0 && coverage <= 1.0);
    // Of 48 items in all.
    super::near("coverage", coverage, shown.len() as f64 / 48.0);
    let count = work::metric(job, "evaluated_customers")?;
    super::near("customers", count, asked.len() as f64);
    Ok(())
}

/// The NDCG@10 of popularity, counted before each window.
pub(super) fn popularity(rows: &[Row], asked: &[Asked]) -> f64 {
    let mut orders: BTreeMap<i64, Vec<String>> = BTreeMap::new();
    for start in asked.iter().filter_map(|asked| asked.as_of) {
        orders.entry(start).or_insert_with(|| {
            let mut holders: BTreeMap<&String, BTreeSet<&String>> = BTreeMap::new();
            for (who, what, _) in rows.iter().filter(|row| row.2 < start) {
                holders.entry(what).or_default().insert(who);
            }
            let mut order: Vec<(&String, usize)> = holders
                .iter()
                .map(|(item, who)| (*item, who.len()))
                .collect();
            order.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
            order.into_iter().map(|(item, _)| item.clone()).collect()
        });
    }
    let lists = asked.iter().map(|asked| &orders[&asked.as_of.unwrap_or(0)]);
    ranked(rows, asked, lists)
}

/// The NDCG@10 of one order for all.
pub(super) fn of_order(rows: &[Row], asked: &[Asked], order: &[&str]) -> f64 {
    let order: Vec<String> = order.iter().map(|item| (*item).to_owned()).collect();
    ranked(rows, asked, asked.iter().map(|_| &order))
}

fn ranked<'a>(rows: &[Row], asked: &[Asked], lists: impl Iterator<Item = &'a Vec<String>>) -> f64 {
    let mut sum = 0.0;
    for (asked, order) in asked.iter().zip(lists) {
        let start = asked.as_of.unwrap_or(i64::MAX);
        let own = rows
            .iter()
            .filter(|row| row.0 == asked.customer && row.2 < start);
        let own: BTreeSet<&String> = own.map(|row| &row.1).collect();
        let list = order.iter().filter(|item| !own.contains(item));
        let offered = Asked {
            offered: list.cloned().collect(),
            ..asked.clone()
        };
        sum += offered.ndcg(10);
    }
    sum / asked.len() as f64
}
