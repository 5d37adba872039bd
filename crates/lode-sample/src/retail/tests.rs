//! Checks that what was planted is in the rows.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use serde_json::Value;

use super::rfc3339;
use super::write_events;
use crate::SampleOptions;
use crate::catalog::CATEGORIES;
use crate::catalog::PAIRS;

/// Rows as fields, and the truth.
fn sample(customers: u64) -> (Vec<Vec<String>>, Value) {
    let mut events = Vec::new();
    let mut truth = Vec::new();
    let options = SampleOptions { customers, seed: 3 };
    let n_rows = write_events(&options, &mut events, &mut truth).unwrap();
    let rows: Vec<Vec<String>> = String::from_utf8(events)
        .unwrap()
        .lines()
        .skip(1)
        .map(|line| line.split(',').map(str::to_owned).collect())
        .collect();
    assert_eq!(rows.len() as u64, n_rows);
    (rows, serde_json::from_slice(&truth).unwrap())
}

#[test]
fn customers_buy_from_their_group() {
    let (rows, truth) = sample(400);
    let group_of_item: BTreeMap<&str, &str> = CATEGORIES
        .iter()
        .flat_map(|c| c.items.iter().map(|item| (item.0, c.name)))
        .collect();
    let group_of: BTreeMap<&str, &str> = truth["customers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| {
            (
                c["customer_id"].as_str().unwrap(),
                c["group"].as_str().unwrap(),
            )
        })
        .collect();
    let known: Vec<&Vec<String>> = rows.iter().filter(|row| !row[1].is_empty()).collect();
    let own = known
        .iter()
        .filter(|row| group_of_item[row[2].as_str()] == group_of[row[1].as_str()])
        .count();
    let share = own as f64 / known.len() as f64;
    // 0.75 + 0.25 / 8, and a little more by way of partners.
    assert!((0.75..0.85).contains(&share), "{share}");
    let buyers: BTreeSet<&str> = known.iter().map(|row| row[1].as_str()).collect();
    assert_eq!(buyers.len(), 400);
}

#[test]
fn rows_have_gaps_returns_and_an_order_in_time() {
    let (rows, _) = sample(400);
    let n = rows.len() as f64;
    let unknown = rows.iter().filter(|row| row[1].is_empty()).count() as f64 / n;
    let returned = rows.iter().filter(|row| row[3].starts_with('-')).count() as f64 / n;
    assert!((0.04..0.14).contains(&unknown), "{unknown}");
    assert!((0.01..0.03).contains(&returned), "{returned}");
    assert!(rows.is_sorted_by(|a, b| a[5] <= b[5]));
    for row in &rows {
        assert_eq!(row[0].starts_with('R'), row[3].starts_with('-'));
        assert!(row[4].parse::<f64>().unwrap() > 0.0);
        assert!(row[5].starts_with("2025-") && row[5].ends_with(":00Z"));
    }
    let mut customers: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for row in &rows {
        customers.entry(&row[0]).or_default().insert(&row[1]);
    }
    assert!(
        customers.values().all(|who| who.len() == 1),
        "an order has one customer"
    );
}

#[test]
fn partners_are_bought_together() {
    let (rows, _) = sample(600);
    let mut orders: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for row in &rows {
        orders.entry(&row[0]).or_default().insert(&row[2]);
    }
    for (a, b) in PAIRS {
        let with_a = orders.values().filter(|items| items.contains(a)).count();
        let with_both = orders
            .values()
            .filter(|items| items.contains(a) && items.contains(b));
        let share = with_both.count() as f64 / with_a as f64;
        assert!(share > 0.35, "{a} with {b}: {share}");
    }
}

#[test]
fn next_items_are_new_to_the_customer() {
    let (rows, truth) = sample(200);
    let mut owned: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for row in &rows {
        owned.entry(&row[1]).or_default().insert(&row[2]);
    }
    for customer in truth["customers"].as_array().unwrap() {
        let next = customer["next_items"].as_array().unwrap();
        assert_eq!(next.len(), 3);
        let own = &owned[customer["customer_id"].as_str().unwrap()];
        assert!(
            next.iter()
                .all(|item| !own.contains(item.as_str().unwrap()))
        );
    }
}

#[test]
fn value_classes_differ_in_orders_and_stops_hold() {
    let (rows, truth) = sample(600);
    let mut orders: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut last: BTreeMap<&str, &str> = BTreeMap::new();
    for row in rows
        .iter()
        .filter(|row| !row[1].is_empty() && !row[3].starts_with('-'))
    {
        orders.entry(&row[1]).or_default().insert(&row[0]);
        last.insert(&row[1], &row[5][..10]);
    }
    let mut totals: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
    for customer in truth["customers"].as_array().unwrap() {
        let id = customer["customer_id"].as_str().unwrap();
        let total = totals
            .entry(customer["class"].as_str().unwrap())
            .or_default();
        total.0 += orders[id].len() as f64;
        total.1 += 1.0;
        if let Some(stop) = customer["stop_day"].as_u64() {
            let stop = rfc3339(stop as u32 * 1440);
            assert!(last[id] <= &stop[..10], "{id}");
        }
    }
    let mean = |class: &str| totals[class].0 / totals[class].1;
    assert!(mean("vip") > 2.0 * mean("regular"));
    assert!(mean("regular") > 1.8 * mean("occasional"));
    assert!((mean("once") - 1.0).abs() < 1e-12);
}

#[test]
fn a_larger_sample_holds_the_smaller_one() {
    let lines = |customers| -> BTreeSet<Vec<String>> {
        let (rows, _) = sample(customers);
        let mine = rows.into_iter().filter(|row| !row[1].is_empty());
        mine.map(|row| row[1..].to_vec()).collect()
    };
    assert!(lines(40).is_subset(&lines(60)));
}

#[test]
fn minutes_become_times() {
    assert_eq!(rfc3339(0), "2025-01-01T00:00:00Z");
    assert_eq!(rfc3339(31 * 1440 + 61), "2025-02-01T01:01:00Z");
    assert_eq!(rfc3339(364 * 1440 + 1439), "2025-12-31T23:59:00Z");
}
