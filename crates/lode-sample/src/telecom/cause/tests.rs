//! Checks what a seed plants.

use std::collections::BTreeSet;

use lode_numeric::Rng;

use super::CAUSES;
use super::N_CAUSES;
use super::Plan;
use super::SALT;
use super::choose;
use crate::telecom::FEATURES;
use crate::telecom::event;
use crate::telecom::record;

#[test]
fn every_cause_is_planted_by_some_seed() {
    let mut seen = BTreeSet::new();
    let mut pictures = BTreeSet::new();
    for seed in 0..60 {
        let chosen = choose(&mut Rng::stream(seed ^ SALT, u64::MAX));
        assert_eq!(chosen.len(), 5);
        assert_eq!(chosen.iter().filter(|c| CAUSES[**c].is_timed).count(), 3);
        seen.extend(chosen.iter().copied());
        pictures.insert(chosen);
    }
    assert_eq!(seen.len(), N_CAUSES);
    assert!(pictures.len() > 50, "{}", pictures.len());
}

#[test]
fn effects_differ_and_are_bounded() {
    for seed in [1, 7] {
        let plan = Plan::draw(seed);
        for planted in &plan.planted {
            assert!(planted.coefficient > 0.3, "{planted:?}");
            assert!(planted.mean > 0.0, "{planted:?}");
        }
        let mut sizes: Vec<f64> = plan.planted.iter().map(|p| p.coefficient).collect();
        sizes.sort_by(f64::total_cmp);
        sizes.dedup();
        assert!(sizes.len() >= 4, "{sizes:?}");
    }
}

#[test]
fn columns_and_features_are_there() {
    let view: serde_json::Value = serde_json::from_str(FEATURES).unwrap();
    let features = view["features"].as_array().unwrap();
    let names: Vec<&str> = features
        .iter()
        .map(|feature| feature["name"].as_str().unwrap())
        .collect();
    let columns: Vec<&str> = record::HEADER.split(',').collect();
    for cause in &CAUSES {
        assert!(
            cause.columns.iter().all(|c| columns.contains(c)),
            "{}",
            cause.name
        );
        assert!(
            cause.features.iter().all(|f| names.contains(f)),
            "{}",
            cause.name
        );
    }
    let told: Vec<&str> = event::HEADER.split(',').collect();
    for feature in features {
        for column in [&feature["params"]["column"], &feature["filter"]["column"]] {
            assert!(
                column.as_str().is_none_or(|column| told.contains(&column)),
                "{feature}"
            );
        }
        for part in ["numerator", "denominator"] {
            let part = feature["params"][part].as_str();
            assert!(part.is_none_or(|part| names.contains(&part)), "{feature}");
        }
    }
}
