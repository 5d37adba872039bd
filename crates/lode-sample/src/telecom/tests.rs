//! Checks that churn follows the stated formula, from the table and the truth alone.

use std::collections::BTreeMap;

use lode_numeric::glm::sigmoid;
use lode_numeric::metrics;
use serde_json::Value;

use super::write_customers;
use crate::SampleOptions;

fn sample(customers: u64) -> (Vec<Vec<String>>, Value) {
    let mut table = Vec::new();
    let mut truth = Vec::new();
    write_customers(
        &SampleOptions { customers, seed: 2 },
        &mut table,
        &mut truth,
    )
    .unwrap();
    let rows = String::from_utf8(table)
        .unwrap()
        .lines()
        .skip(1)
        .map(|line| line.split(',').map(str::to_owned).collect())
        .collect();
    (rows, serde_json::from_slice(&truth).unwrap())
}

#[test]
fn probabilities_are_those_of_the_formula() {
    let (rows, truth) = sample(500);
    let columns = [
        (2, "contract_months_left"),
        (3, "tenure_months"),
        (5, "hotline_calls"),
        (7, "late_payments"),
        (8, "monthly_charge"),
    ];
    let mut n_whole = 0;
    for (row, entry) in rows.iter().zip(truth["customers"].as_array().unwrap()) {
        assert_eq!(row[0], entry["customer_id"].as_str().unwrap());
        assert_eq!(row[10] == "yes", entry["churned"].as_bool().unwrap());
        if row.iter().any(String::is_empty) {
            continue;
        }
        n_whole += 1;
        let mut margin = truth["intercept"].as_f64().unwrap()
            + truth["tariff"][&row[1]].as_f64().unwrap()
            + truth["payment_method"][&row[6]].as_f64().unwrap();
        for (column, name) in columns {
            let coefficient = truth["per_unit"][name]["coefficient"].as_f64().unwrap();
            margin += coefficient * row[column].parse::<f64>().unwrap();
        }
        let probability = entry["probability"].as_f64().unwrap();
        assert!((sigmoid(margin) - probability).abs() < 1e-9);
    }
    assert!(
        (430..490).contains(&n_whole),
        "{n_whole} rows without a gap"
    );
}

#[test]
fn outcomes_follow_the_probabilities() {
    let (_, truth) = sample(5_000);
    let customers = truth["customers"].as_array().unwrap();
    let probabilities: Vec<f64> = customers
        .iter()
        .map(|c| c["probability"].as_f64().unwrap())
        .collect();
    let left: Vec<bool> = customers
        .iter()
        .map(|c| c["churned"].as_bool().unwrap())
        .collect();
    let expected = probabilities.iter().sum::<f64>() / 5_000.0;
    let found = left.iter().filter(|left| **left).count() as f64 / 5_000.0;
    assert!(
        (found - expected).abs() < 0.02,
        "{found} against {expected}"
    );
    assert!((0.15..0.35).contains(&found), "{found}");
    // The best that any model can reach.
    let auc = metrics::auc(&probabilities, &left).unwrap();
    assert!((0.78..0.9).contains(&auc), "{auc}");
}

#[test]
fn stated_means_are_those_of_the_table_and_causes_vary() {
    let (rows, truth) = sample(5_000);
    for (column, name) in [
        (2, "contract_months_left"),
        (5, "hotline_calls"),
        (8, "monthly_charge"),
    ] {
        let known: Vec<f64> = rows
            .iter()
            .filter_map(|row| row[column].parse().ok())
            .collect();
        let mean = known.iter().sum::<f64>() / known.len() as f64;
        let stated = truth["per_unit"][name]["mean"].as_f64().unwrap();
        assert!(
            (mean / stated - 1.0).abs() < 0.05,
            "{name}: {mean} against {stated}"
        );
    }
    let mut causes: BTreeMap<&str, usize> = BTreeMap::new();
    for customer in truth["customers"].as_array().unwrap() {
        *causes
            .entry(customer["main_cause"].as_str().unwrap())
            .or_default() += 1;
    }
    assert!(causes["hotline_calls"] > 300 && causes["late_payments"] > 300);
    assert!(causes.len() >= 5, "{causes:?}");
}
