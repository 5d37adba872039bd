//! The rows of a training set that a plain loop makes, without the features.

use super::*;

/// The rows that a plain loop makes, without the features.
pub(super) struct Expected<'a> {
    pub(super) events: &'a [Event],
    pub(super) kind: LabelKind,
    pub(super) only_sales: bool,
    pub(super) items: &'a [&'a str],
    pub(super) exclude_owned: bool,
}

impl Expected<'_> {
    pub(super) fn rows(&self) -> Vec<naive::Row> {
        let mut customers: Vec<&String> = self.events.iter().map(|event| &event.who).collect();
        customers.sort();
        customers.dedup();
        let mut rows = Vec::new();
        for who in customers {
            for t in dates() {
                self.at(who, t, &mut rows);
            }
        }
        rows
    }

    fn at(&self, who: &str, t: i64, rows: &mut Vec<naive::Row>) {
        let Some(features) = naive::features(self.events, who, t, None) else {
            return;
        };
        let own = || self.events.iter().filter(|event| event.who == who);
        let known: Vec<&Event> = own().filter(|e| e.time <= t && e.arrival <= t).collect();
        let counts = |event: &&Event| !self.only_sales || event.kind == "sale";
        let ahead: Vec<&Event> = own()
            .filter(|e| e.time > t && e.time <= t + HORIZON)
            .filter(counts)
            .collect();
        let first = known.iter().map(|event| event.time).min().unwrap();
        let mut row = naive::Row::new();
        for name in ["customer_id", "as_of", "recency", "spend", "last_item"] {
            row.insert(name.to_owned(), features[name].clone());
        }
        let last_30 = known
            .iter()
            .filter(|event| event.time > t - 30 * DAY)
            .count();
        row.insert(
            "n_30d".to_owned(),
            Value::Int(i64::try_from(last_30).unwrap()),
        );
        row.insert("label_end".to_owned(), Value::Int(t + HORIZON));
        row.insert("is_new".to_owned(), Value::Bool(first > t - 30 * DAY));
        if self.items.is_empty() {
            let label = match self.kind {
                LabelKind::NoEvent => Value::Bool(ahead.is_empty()),
                LabelKind::Event => Value::Bool(!ahead.is_empty()),
                _ => {
                    let fees = ahead.iter().filter_map(|event| event.fee);
                    Value::Float(fees.sum::<i128>() as f64 / 100.0)
                }
            };
            row.insert("label".to_owned(), label);
            rows.push(row);
            return;
        }
        let with_item: Vec<&&Event> = known
            .iter()
            .filter(|event| counts(event) && event.item.is_some())
            .collect();
        for item in self.items {
            let is = |event: &&Event| event.item.as_deref() == Some(*item);
            let own: Vec<&&&Event> = with_item.iter().filter(|event| is(event)).collect();
            if self.exclude_owned && !own.is_empty() {
                continue;
            }
            let mut row = row.clone();
            let int = |n: usize| Value::Int(i64::try_from(n).unwrap());
            row.insert("item".to_owned(), Value::Text((*item).to_owned()));
            row.insert("item_events".to_owned(), int(own.len()));
            let last = own.iter().map(|event| event.time).max();
            let since = last.map(|last| Value::Float((t - last) as f64 / DAY as f64));
            row.insert("item_days_since".to_owned(), since.unwrap_or(Value::Null));
            let share = match with_item.len() {
                0 => Value::Null,
                n => Value::Float(own.len() as f64 / n as f64),
            };
            row.insert("item_share".to_owned(), share);
            row.insert("item_buyers".to_owned(), Value::Float(self.buyers(item, t)));
            let will = ahead.iter().any(is);
            let label = will == (self.kind == LabelKind::Event);
            row.insert("label".to_owned(), Value::Bool(label));
            rows.push(row);
        }
    }

    fn buyers(&self, item: &str, t: i64) -> f64 {
        let known = self.events.iter().filter(|event| {
            let counts = !self.only_sales || event.kind == "sale";
            event.time <= t && event.arrival <= t && counts
        });
        let mut all = BTreeSet::new();
        let mut buyers = BTreeSet::new();
        for event in known {
            if event.item.is_some() {
                all.insert(&event.who);
            }
            if event.item.as_deref() == Some(item) {
                buyers.insert(&event.who);
            }
        }
        // Nobody has it where nobody has any.
        buyers.len() as f64 / all.len().max(1) as f64
    }
}
