//! Later draws lie where the earlier ones did well.

use std::collections::BTreeMap;

use lode_numeric::Rng;
use lode_types::AlgorithmSpec;
use serde_json::json;

use super::super::space::Space;
use super::STARTUP;
use super::Tried;
use super::draw;

fn space() -> Space {
    let schema = json!({
        "type": "object",
        "properties": {
            "kind": {"enum": ["a", "b", "c", "d"], "x-tune": {"values": ["a", "b", "c", "d"]}},
            "rate": {"type": "number", "x-tune": {"low": 0.0, "high": 1.0}},
        },
    });
    let spec = json!({
        "id": "churn.made-up", "version": "1", "task": "churn", "title": "", "description": "",
        "params_schema": schema.to_string(), "inputs": [], "outputs": [],
    });
    let spec: AlgorithmSpec = serde_json::from_value(spec).unwrap();
    Space::of(&spec, &BTreeMap::new()).unwrap()
}

/// Best at the third kind and a rate of 0.7.
fn loss(point: &[f64]) -> f64 {
    let kind = if (point[0] - 2.0).abs() < 0.5 {
        0.0
    } else {
        0.5
    };
    kind + (point[1] - 0.7).powi(2)
}

fn search(seed: u64, n: usize) -> Vec<Tried> {
    let space = space();
    let mut tried = Vec::new();
    for trial in 0..n {
        let mut rng = Rng::stream(seed, trial as u64);
        let point = draw(&space, &mut rng, &tried);
        tried.push(Tried {
            loss: loss(&point),
            point: point.into_iter().map(Some).collect(),
        });
    }
    tried
}

#[test]
fn a_search_comes_nearer_than_chance() {
    let (mut near, mut chance) = (0.0, 0.0);
    for seed in 0..20 {
        let tried = search(seed, 40);
        let mean =
            |part: &[Tried]| part.iter().map(|tried| tried.loss).sum::<f64>() / part.len() as f64;
        near += mean(&tried[30..]) / 20.0;
        chance += mean(&tried[..STARTUP]) / 20.0;
    }
    assert!(near < chance / 3.0, "{near} against {chance}");
}

#[test]
fn the_same_seed_draws_the_same_points() {
    let points = |seed| -> Vec<Vec<Option<f64>>> {
        search(seed, 20)
            .into_iter()
            .map(|tried| tried.point)
            .collect()
    };
    assert_eq!(points(7), points(7));
    assert_ne!(points(7), points(8));
}
