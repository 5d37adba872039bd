//! Checks that the card on paper gives the points of every row, and the promises of the docs.

use std::sync::Arc;

use arrow_array::Array;
use arrow_array::Float64Array;
use arrow_array::RecordBatch;
use arrow_array::StringArray;
use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::types::Int64Type;
use lode_numeric::Rng;
use lode_numeric::glm::sigmoid;
use lode_plugin::Inputs;
use lode_plugin::Result;
use lode_plugin::Role;
use lode_plugin::testing;
use lode_plugin::testing::Fit;

use crate::Predict;
use crate::families::Credit;

type Scorecard = Predict<Credit, super::Scorecard>;

fn applicants(n: usize) -> RecordBatch {
    let mut rng = Rng::new(31);
    let (mut ids, mut incomes, mut homes) = (Vec::new(), Vec::new(), Vec::new());
    let (mut noise, mut labels) = (Vec::new(), Vec::new());
    for row in 0..n {
        let income = (rng.uniform() * 80.0).round() + 10.0;
        let home = ["own", "rent", "family", "boat", "tent"][match rng.index(40) {
            0 => 3,
            1 => 4,
            at => at % 3,
        }];
        let of_home = match home {
            "own" => -0.8,
            "rent" => 0.6,
            _ => 0.0,
        };
        let margin = -1.0 - 0.04 * (income - 50.0) + of_home;
        ids.push(format!("a{row}"));
        incomes.push((!rng.chance(0.08)).then_some(income));
        homes.push((!rng.chance(0.03)).then_some(home));
        noise.push(rng.normal());
        labels.push(if rng.chance(sigmoid(margin)) {
            "yes"
        } else {
            "no"
        });
    }
    testing::batch(&[
        (
            "id",
            Some(Role::CustomerId),
            Arc::new(StringArray::from(ids)),
        ),
        ("income", None, Arc::new(Float64Array::from(incomes))),
        ("home", None, Arc::new(StringArray::from(homes))),
        ("noise", None, Arc::new(Float64Array::from(noise))),
        (
            "defaulted",
            Some(Role::Label),
            Arc::new(StringArray::from(labels)),
        ),
    ])
}

fn fit(params: &str, batch: &RecordBatch) -> Result<Fit> {
    let inputs = Inputs::new().with("customers", batch.clone().into());
    testing::fit::<Scorecard>(params, inputs, 1, 2)
}

fn floats(batch: &RecordBatch, column: &str) -> Vec<f64> {
    batch[column]
        .as_primitive::<Float64Type>()
        .values()
        .to_vec()
}

/// The points of a value, read off the card as a clerk would.
fn by_hand(card: &RecordBatch, feature: &str, number: Option<f64>, text: Option<&str>) -> f64 {
    let features = card["feature"].as_string::<i32>();
    let levels = card["levels"].as_string::<i32>();
    let (low, high) = (
        card["low"].as_primitive::<Float64Type>(),
        card["high"].as_primitive::<Float64Type>(),
    );
    let row = (0..card.num_rows()).find(|row| {
        let word = levels.is_valid(*row).then(|| levels.value(*row));
        features.value(*row) == feature
            && match (number, text) {
                (Some(number), _) => {
                    word.is_none()
                        && (low.is_null(*row) || number > low.value(*row))
                        && (high.is_null(*row) || number <= high.value(*row))
                }
                (None, Some(text)) => word.is_some_and(|w| w.split(", ").any(|w| w == text)),
                (None, None) => word == Some("(missing)"),
            }
    });
    floats(card, "points")[row.unwrap()]
}

#[test]
fn points_are_those_of_the_card_on_paper() {
    let batch = applicants(4_000);
    let found = fit("{}", &batch).unwrap();
    let (card, scores) = (found.table("scorecard"), found.table("scores"));
    let incomes = batch["income"].as_primitive::<Float64Type>();
    let homes = batch["home"].as_string::<i32>();
    let noise = floats(&batch, "noise");
    let points = floats(scores, "points");
    let margins = floats(scores, "margin");
    let base = floats(card, "points")[0];
    assert_eq!(card["feature"].as_string::<i32>().value(0), "(base)");
    let factor = 20.0 / std::f64::consts::LN_2;
    for row in 0..4_000 {
        let income = incomes.is_valid(row).then(|| incomes.value(row));
        let home = homes.is_valid(row).then(|| homes.value(row));
        let sum = base
            + by_hand(card, "income", income, None)
            + by_hand(card, "home", None, home)
            + by_hand(card, "noise", Some(noise[row]), None);
        assert_eq!(sum.to_bits(), points[row].to_bits(), "row {row}");
        // Rounded once for the base and each of the two columns in the card.
        let exact = 600.0 - factor * (50.0_f64.ln() + margins[row]);
        assert!((points[row] - exact).abs() <= 1.5 + 1e-9);
    }
}

#[test]
fn the_card_says_what_is_in_it_and_what_is_not() {
    let batch = applicants(4_000);
    let found = fit("{}", &batch).unwrap();
    let card = found.table("scorecard");
    let features = card["feature"].as_string::<i32>();
    let left_out = card["left_out"].as_string::<i32>();
    let bins = card["bin"].as_primitive::<Int64Type>();
    let mut shares = 0.0;
    for row in 1..card.num_rows() {
        let is_noise = features.value(row) == "noise";
        assert_eq!(left_out.is_valid(row), is_noise);
        if is_noise {
            assert_eq!(left_out.value(row), "weak");
            assert!(floats(card, "points")[row].abs() < 1e-300);
        }
        if features.value(row) == "income" {
            shares += floats(card, "share")[row];
            assert!(floats(card, "share")[row] >= 0.05);
        }
        assert!(bins.is_valid(row));
    }
    assert!((shares - 1.0).abs() < 1e-12);
    // More income, less risk: monotone, and more points.
    let of_income: Vec<usize> = (1..card.num_rows())
        .filter(|row| features.value(*row) == "income" && card["levels"].is_null(*row))
        .collect();
    assert!(of_income.len() >= 3);
    let points = floats(card, "points");
    assert!(
        of_income
            .windows(2)
            .all(|pair| points[pair[0]] < points[pair[1]])
    );
    // Rare homes are one bin.
    let levels = card["levels"].as_string::<i32>();
    let rare = (1..card.num_rows()).filter(|row| levels.is_valid(*row));
    let rare: Vec<&str> = rare
        .map(|row| levels.value(row))
        .filter(|words| words.contains("boat"))
        .collect();
    assert!(rare.len() == 1 && rare[0].contains("tent"), "{rare:?}");
}

#[test]
fn a_new_value_goes_where_the_rare_ones_are() {
    let batch = applicants(2_000);
    let found = fit("{}", &batch).unwrap();
    let question = testing::batch(&[
        (
            "income",
            None,
            Arc::new(Float64Array::from(vec![50.0, 50.0])),
        ),
        (
            "home",
            None,
            Arc::new(StringArray::from(vec!["castle", "boat"])),
        ),
        ("noise", None, Arc::new(Float64Array::from(vec![0.0, 0.0]))),
    ]);
    let inputs = Inputs::new().with("customers", question.into());
    let answer =
        testing::score::<Scorecard>("{}", found.model.as_deref().unwrap(), inputs, 1, 2).unwrap();
    let points = floats(&answer, "points");
    assert_eq!(points[0].to_bits(), points[1].to_bits());
    let scores = floats(&answer, "score");
    assert_eq!(scores[0].to_bits(), scores[1].to_bits());
}

#[test]
fn contributions_add_up_to_the_margin() {
    let batch = applicants(600);
    let found = fit(r#"{"whole_points": false, "trend": "free"}"#, &batch).unwrap();
    let scores = found.table("scores");
    let lists = scores["contributions"].as_list::<i32>();
    let (margins, bases) = (floats(scores, "margin"), floats(scores, "base"));
    let points = floats(scores, "points");
    let factor = 20.0 / std::f64::consts::LN_2;
    for row in 0..600 {
        let entries = lists.value(row);
        let parts = entries.as_struct().column(2);
        let sum: f64 = parts.as_primitive::<Float64Type>().values().iter().sum();
        assert!((bases[row] + sum - margins[row]).abs() < 1e-12);
        let exact = 600.0 - factor * (50.0_f64.ln() + margins[row]);
        assert!((points[row] - exact).abs() < 1e-9);
    }
    let mean = margins.iter().sum::<f64>() / 600.0;
    assert!((mean - bases[0]).abs() < 1e-9);
}

#[test]
fn a_column_that_gives_the_answer_away_stays_finite() {
    let batch = applicants(400);
    let labels = batch["defaulted"].as_string::<i32>();
    let leak: Vec<f64> = (0..400)
        .map(|row| f64::from(u8::from(labels.value(row) == "yes")))
        .collect();
    let ids: Vec<String> = (0..400).map(|row| row.to_string()).collect();
    let leaky = testing::batch(&[
        (
            "id",
            Some(Role::CustomerId),
            Arc::new(StringArray::from(ids)),
        ),
        ("leak", None, Arc::new(Float64Array::from(leak))),
        ("defaulted", Some(Role::Label), batch["defaulted"].clone()),
    ]);
    let found = fit("{}", &leaky).unwrap();
    let points = floats(found.table("scores"), "points");
    assert!(points.iter().all(|points| points.is_finite()));
    assert!(found.metrics["largest_iv"] > 2.0);
}
