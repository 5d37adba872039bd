//! Checks that the rules say what the scores do.

use std::collections::BTreeMap;

use lode_plugin::arrow_array::cast::AsArray;
use lode_plugin::arrow_array::types::Int64Type;

use crate::Predict;
use crate::families::Churn;
use crate::testdata::customers;
use crate::testdata::fit;
use crate::testdata::floats;
use crate::testdata::message;
use crate::testdata::score;

type Tree = Predict<Churn, super::Tree>;

#[test]
fn each_row_has_the_probability_of_its_rule() {
    let batch = customers(2_000);
    let fit = fit::<Tree>("{}", &batch).unwrap();
    let rules = fit.table("rules");
    let probabilities = floats(rules, "probability");
    let shares = floats(rules, "share");
    assert!(
        (shares.iter().sum::<f64>() - 1.0).abs() < 1e-6,
        "{shares:?}"
    );
    assert!(rules.num_rows() >= 3 && rules.num_rows() == fit.metrics["rules"] as usize);
    let words = rules["conditions"].as_string::<i32>();
    assert!(words.iter().flatten().any(|words| words.contains("calls")));
    let scores = fit.table("scores");
    let mut seen: BTreeMap<i64, usize> = BTreeMap::new();
    let numbers = scores["rule"].as_primitive::<Int64Type>().values();
    for (score, rule) in floats(scores, "score").iter().zip(numbers) {
        let rule = usize::try_from(*rule).unwrap();
        assert!((score - probabilities[rule]).abs() < 1e-9);
        *seen.entry(rule as i64).or_default() += 1;
    }
    assert_eq!(seen.len(), rules.num_rows());
    let answer = score::<Tree>("{}", &fit, &batch).unwrap();
    assert_eq!(&answer["rule"], &scores["rule"]);
}

#[test]
fn a_tree_is_as_large_as_it_is_told() {
    let batch = customers(500);
    let stump = fit::<Tree>(r#"{"max_depth": 1, "complexity": 0.0}"#, &batch).unwrap();
    assert_eq!(stump.table("rules").num_rows(), 2);
    let none = fit::<Tree>(r#"{"complexity": 1.0}"#, &batch).unwrap();
    let words = none.table("rules")["conditions"].as_string::<i32>();
    assert_eq!(words.value(0), "all customers");
    for (params, words) in [
        (
            r#"{"max_depth": 0}"#,
            "params.max_depth: expected 1 to 32, found 0",
        ),
        (
            r#"{"complexity": 1.5}"#,
            "params.complexity: expected 0 to 1, found 1.5",
        ),
    ] {
        assert_eq!(message(fit::<Tree>(params, &batch)), words);
    }
}
