//! Checks table, events and truth against each other, as a reader of the files could.

use std::collections::BTreeMap;

use lode_numeric::metrics;
use serde_json::Value;

use super::write_customers;
use crate::SampleOptions;

/// A row by the names of its columns.
type Row = BTreeMap<String, String>;

struct Sample {
    customers: Vec<Row>,
    events: Vec<u8>,
    n_events: u64,
    truth: Value,
}

fn rows(csv: &[u8]) -> Vec<Row> {
    let text = str::from_utf8(csv).unwrap();
    let mut lines = text.lines().map(|line| line.split(','));
    let header: Vec<&str> = lines.next().unwrap().collect();
    lines
        .map(|fields| {
            let fields: Vec<&str> = fields.collect();
            assert_eq!(fields.len(), header.len(), "{fields:?}");
            let named = header.iter().zip(fields);
            named
                .map(|(name, field)| ((*name).to_owned(), field.to_owned()))
                .collect()
        })
        .collect()
}

fn sample(customers: u64, seed: u64) -> Sample {
    let (mut table, mut events, mut truth) = (Vec::new(), Vec::new(), Vec::new());
    let options = SampleOptions { customers, seed };
    let n_events = write_customers(&options, &mut table, &mut events, &mut truth).unwrap();
    let sample = Sample {
        customers: rows(&table),
        events,
        n_events,
        truth: serde_json::from_slice(&truth).unwrap(),
    };
    assert_eq!(sample.customers.len() as u64, customers);
    sample
}

fn int(row: &Row, name: &str) -> i64 {
    let text = &row[name];
    text.parse().unwrap_or_else(|_| panic!("{name}: {text:?}"))
}

/// The value of a cause, by the words of the truth's `value`.
fn value(cause: &str, row: &Row) -> f64 {
    let is = |column: &str, word: &str| f64::from(u8::from(row[column] == word));
    match cause {
        "hotline_rising" => int(row, "hotline_calls").min(5) as f64,
        "contract_ending" => is("contract_status", "ending"),
        "data_falling" => match row["data_change_percent"].is_empty() {
            true => 0.0,
            false => (-int(row, "data_change_percent")).max(0) as f64 / 100.0,
        },
        "complaints" => int(row, "complaints").min(4) as f64,
        "calls_forwarded" => int(row, "forwarded_calls").min(20) as f64 / 10.0,
        "price_increase" => int(row, "price_increase_percent") as f64 / 10.0,
        "late_payments" => int(row, "late_payments").min(5) as f64,
        "payment_method" => match row["payment_method"].as_str() {
            "invoice" => 1.0,
            "cash" => 0.7,
            "card" => 0.3,
            _ => 0.0,
        },
        "short_tenure" => (24 - int(row, "tenure_months")).max(0) as f64 / 24.0,
        "slow_broadband" => is("broadband", "dsl"),
        "off_net_friends" => int(row, "off_net_percent") as f64 / 100.0,
        "old_device" => (int(row, "device_age_months") - 12).clamp(0, 36) as f64 / 24.0,
        other => panic!("no cause {other} is known"),
    }
}

#[test]
fn probabilities_are_those_of_the_formula() {
    let mut seen = BTreeMap::new();
    for seed in 1..=6 {
        let sample = sample(40, seed);
        let truth = &sample.truth;
        let base = truth["base"].as_f64().unwrap();
        let causes = truth["causes"].as_object().unwrap();
        let entries = truth["customers"].as_array().unwrap();
        for (row, entry) in sample.customers.iter().zip(entries) {
            assert_eq!(row["customer_id"], entry["customer_id"].as_str().unwrap());
            assert_eq!(row["churn"] == "yes", entry["churned"].as_bool().unwrap());
            let told = entry["causes"].as_array().unwrap();
            let parts: Vec<f64> = told
                .iter()
                .map(|cause| cause["contribution"].as_f64().unwrap())
                .collect();
            assert!(parts.is_sorted_by(|a, b| a >= b), "{entry}");
            assert_eq!(entry["main_cause"], told[0]["cause"]);
            let margin = entry["margin"].as_f64().unwrap();
            assert!((base + parts.iter().sum::<f64>() - margin).abs() < 1e-9);
            let probability = entry["probability"].as_f64().unwrap();
            assert!((1.0 / (1.0 + (-margin).exp()) - probability).abs() < 1e-12);
            if row["payment_method"].is_empty() {
                continue;
            }
            let mut by_hand = truth["intercept"].as_f64().unwrap();
            for (name, cause) in causes {
                by_hand += cause["coefficient"].as_f64().unwrap() * value(name, row);
                *seen.entry(name.clone()).or_insert(0) += 1;
            }
            assert!((by_hand - margin).abs() < 1e-9, "{by_hand} of {entry}");
        }
    }
    assert!(seen.len() >= 11, "{seen:?}");
}

#[test]
fn outcomes_follow_the_probabilities() {
    let sample = sample(4_000, 2);
    let mut drawn: Vec<(f64, bool)> = sample.truth["customers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| (c["probability"].as_f64().unwrap(), c["churned"] == true))
        .collect();
    let (probabilities, left): (Vec<f64>, Vec<bool>) = drawn.iter().copied().unzip();
    let found = left.iter().filter(|left| **left).count() as f64 / 4_000.0;
    assert!((0.15..0.3).contains(&found), "{found}");
    // The best that any model can reach.
    let auc = metrics::auc(&probabilities, &left).unwrap();
    assert!((0.78..0.9).contains(&auc), "{auc}");
    drawn.sort_by(|a, b| a.0.total_cmp(&b.0));
    for decile in drawn.chunks(400) {
        let expected: f64 = decile.iter().map(|customer| customer.0).sum();
        let variance: f64 = decile
            .iter()
            .map(|customer| customer.0 * (1.0 - customer.0))
            .sum();
        let found = decile.iter().filter(|customer| customer.1).count() as f64;
        assert!(
            (found - expected).abs() < 4.0 * variance.sqrt(),
            "{found} left, {expected} expected"
        );
    }
    // Contributions are beside the mean, so they add up to about nothing, and causes vary.
    let mut sums: BTreeMap<&str, f64> = BTreeMap::new();
    let mut mains: BTreeMap<&str, usize> = BTreeMap::new();
    for customer in sample.truth["customers"].as_array().unwrap() {
        for cause in customer["causes"].as_array().unwrap() {
            *sums.entry(cause["cause"].as_str().unwrap()).or_default() +=
                cause["contribution"].as_f64().unwrap();
        }
        *mains
            .entry(customer["main_cause"].as_str().unwrap())
            .or_default() += 1;
    }
    assert!(
        sums.values().all(|sum| (sum / 4_000.0).abs() < 0.15),
        "{sums:?}"
    );
    assert!(
        mains.len() == 5 && mains.values().all(|n| *n > 100),
        "{mains:?}"
    );
}

#[test]
fn fields_are_in_their_ranges_and_add_up() {
    let sample = sample(500, 3);
    assert!(sample.customers[0].len() >= 37);
    let mut n_missing = 0;
    for row in &sample.customers {
        let n = |name: &str| int(row, name);
        let calls = n("calls_in") + n("calls_out");
        let by_time = n("calls_working_day") + n("calls_evening") + n("calls_weekend");
        assert_eq!(by_time, calls);
        assert_eq!(n("on_net_calls") + n("off_net_calls"), n("calls_out"));
        assert!(n("long_distance_calls") + n("international_calls") <= n("calls_out"));
        assert!(n("busy_hour_calls") <= calls);
        assert!((18..=80).contains(&n("age")));
        assert_eq!(row["sex"].is_empty(), row["customer_type"] == "business");
        assert!((0..=100).contains(&n("off_net_percent")));
        assert!(n("tenure_months") >= 0 && n("device_age_months") >= 0 && n("cells_used") > 0);
        // Days are written so that they sort as text.
        assert!(row["contract_start"] >= row["open_date"]);
        assert!(row["contract_start"].as_str() <= "2025-10-01");
        let (end, left) = (&row["contract_end"], n("contract_months_left"));
        match row["contract_status"].as_str() {
            "open" => assert!(end.is_empty() && left == 0),
            "ending" => assert!(end.as_str() <= "2025-11-30" && (1..=2).contains(&left)),
            _ => assert!(end.as_str() > "2025-11-30" && left > 2),
        }
        assert!(end.is_empty() || *end > row["contract_start"]);
        let speed: Option<i64> = row["broadband_mbps"].parse().ok();
        let fits = match (row["broadband"].as_str(), speed) {
            ("none", None) => row["products"] == "mobile",
            ("dsl", Some(speed)) => speed <= 25,
            ("cable" | "fiber", Some(speed)) => (50..=1000).contains(&speed),
            _ => false,
        };
        assert!(fits, "{row:?}");
        for name in ["calls_per_month", "payment_method", "monthly_charge"] {
            n_missing += usize::from(row[name].is_empty());
        }
        if let Ok(charge) = row["monthly_charge"].parse::<f64>() {
            assert!((15.0..200.0).contains(&charge), "{charge}");
        }
    }
    assert!((20..75).contains(&n_missing), "{n_missing} of 1500");
}

#[test]
fn events_tell_what_the_table_counts() {
    let sample = sample(400, 4);
    let mut of: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
    let all = rows(&sample.events);
    assert_eq!(all.len() as u64, sample.n_events);
    for event in &all {
        of.entry(&event["customer_id"]).or_default().push(event);
    }
    let since = |rows: &[&Row], kind: &str, from: &str| -> Vec<Row> {
        let within = |row: &&&Row| {
            row["kind"] == kind && row["time"].as_str() >= from && row["time"].as_str() < "2025-10"
        };
        rows.iter()
            .filter(within)
            .map(|row| (*row).clone())
            .collect()
    };
    for row in &sample.customers {
        let events = &of[row["customer_id"].as_str()];
        let count = |kind: &str, from: &str| since(events, kind, from).len() as i64;
        assert_eq!(count("hotline_call", "2025-08"), int(row, "hotline_calls"));
        assert_eq!(count("complaint", "2025-07"), int(row, "complaints"));
        assert_eq!(count("late_payment", "2025-04"), int(row, "late_payments"));
        let sum = |kind: &str, from: &str, column: &str| -> i64 {
            let rows = since(events, kind, from);
            rows.iter().map(|row| int(row, column)).sum()
        };
        let increase = sum("price_increase", "2025-07", "quantity");
        assert_eq!(increase, int(row, "price_increase_percent"));
        let forwarded = sum("usage", "2025-08", "forwarded_calls");
        assert_eq!(forwarded, int(row, "forwarded_calls"));
        let calls = sum("usage", "2025-04", "quantity");
        assert_eq!(calls, int(row, "calls_in") + int(row, "calls_out"));
        let data = sum("usage", "2025-04", "data_mb");
        let by_access = ["data_mb_4g", "data_mb_5g", "data_mb_wifi"];
        assert_eq!(
            data,
            by_access.map(|name| int(row, name)).iter().sum::<i64>()
        );
        let last = since(events, "usage", "2025-09");
        for name in [
            "tenure_months",
            "contract_status",
            "contract_months_left",
            "broadband",
        ] {
            assert_eq!(last[0][name], row[name]);
        }
    }
}

#[test]
fn who_leaves_does_so_within_the_horizon_and_is_silent_then() {
    let sample = sample(600, 5);
    let mut ends: BTreeMap<&str, (&str, &str)> = BTreeMap::new();
    let mut n_departures: BTreeMap<&str, usize> = BTreeMap::new();
    let events = rows(&sample.events);
    for event in &events {
        let (id, time) = (event["customer_id"].as_str(), event["time"].as_str());
        let before = ends.insert(id, (event["kind"].as_str(), time));
        assert!(before.is_none_or(|(kind, before)| kind != "departure" && before <= time));
        if event["kind"] == "departure" {
            *n_departures.entry(&time[..7]).or_default() += 1;
        }
        if event["kind"] == "join" {
            assert!(before.is_none(), "{id} had events before joining");
        }
    }
    assert!(events.is_sorted_by_key(|event| &event["time"]));
    for row in &sample.customers {
        let (kind, time) = ends[row["customer_id"].as_str()];
        assert_eq!(kind == "departure", row["churn"] == "yes");
        if kind == "departure" {
            assert!(("2025-10-02".."2025-12-30").contains(&time), "{time}");
        } else {
            assert!(time > "2025-12-31", "{time}");
        }
    }
    // Four quarters of departures, none in the two before.
    assert_eq!(n_departures.len(), 12, "{n_departures:?}");
    assert!(n_departures.keys().all(|month| *month >= "2025-01"));
    let quarters: Vec<usize> = n_departures.values().copied().collect();
    for quarter in quarters.chunks(3) {
        let n: usize = quarter.iter().sum();
        assert!((70..200).contains(&n), "{n_departures:?}");
    }
}

#[test]
fn a_larger_sample_holds_the_smaller_one() {
    let (small, large) = (sample(40, 6), sample(90, 6));
    assert_eq!(small.customers[..], large.customers[..40]);
    let theirs = |event: &&Row| event["customer_id"][..7] <= *"t000040";
    let events = rows(&large.events);
    let events: Vec<&Row> = events.iter().filter(theirs).collect();
    assert!(rows(&small.events).iter().eq(events));
    let customers = |truth: &Value| truth["customers"].as_array().unwrap()[..40].to_vec();
    assert_eq!(customers(&small.truth), customers(&large.truth));
}
