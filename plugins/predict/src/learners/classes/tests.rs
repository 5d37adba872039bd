//! Checks that several answers are told apart, with probabilities and reasons that add up.

use std::sync::Arc;

use lode_numeric::Rng;
use lode_plugin::Role;
use lode_plugin::arrow_array::Array;
use lode_plugin::arrow_array::ArrayRef;
use lode_plugin::arrow_array::Float64Array;
use lode_plugin::arrow_array::Int64Array;
use lode_plugin::arrow_array::RecordBatch;
use lode_plugin::arrow_array::StringArray;
use lode_plugin::arrow_array::cast::AsArray;
use lode_plugin::testing;

use crate::Predict;
use crate::families::Choice;
use crate::testdata::contributions;
use crate::testdata::fit;
use crate::testdata::floats;
use crate::testdata::message;
use crate::testdata::score;
use crate::testdata::with;

type Classes = Predict<Choice, super::GbdtClasses>;

const LINES: [&str; 4] = ["camping", "golf", "outdoor", "p_golf"];

/// Young ones camp, those who earn golf, the others one of two by chance; every tenth is not
/// known.
fn buyers(n: usize, seed: u64) -> RecordBatch {
    let mut rng = Rng::new(seed);
    let (mut age, mut income, mut line) = (Vec::new(), Vec::new(), Vec::new());
    for row in 0..n {
        let (own_age, own_income) = (18.0 + 60.0 * rng.uniform(), 100.0 * rng.uniform());
        let own = match (own_age < 35.0, own_income > 60.0) {
            (true, _) => 0,
            (_, true) => 1,
            _ => 2 + usize::from(rng.chance(0.3)),
        };
        let own = if rng.chance(0.1) { rng.index(4) } else { own };
        age.push((!rng.chance(0.05)).then_some(own_age));
        income.push(own_income);
        line.push((row % 10 != 9).then_some(LINES[own]));
    }
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values((0..).take(n)));
    testing::batch(&[
        ("id", Some(Role::CustomerId), ids),
        ("age", None, Arc::new(Float64Array::from(age))),
        ("income", None, Arc::new(Float64Array::from(income))),
        ("line", Some(Role::Label), Arc::new(StringArray::from(line))),
    ])
}

const QUICK: &str = r#"{"repeats": 1, "max_rounds": 150}"#;

#[test]
fn classes_are_told_apart_with_probabilities_and_reasons_that_add_up() {
    let (batch, fresh) = (buyers(2_000, 1), buyers(1_000, 2));
    let made = fit::<Classes>(QUICK, &batch).unwrap();
    assert_eq!(made.metrics["classes"].to_bits(), 4.0_f64.to_bits());
    let answer = score::<Classes>(QUICK, &made, &fresh).unwrap();
    let labels = answer["label"].as_string::<i32>();
    let actual = fresh["line"].as_string::<i32>();
    let known: Vec<usize> = (0..1_000).filter(|row| actual.is_valid(*row)).collect();
    let right = known
        .iter()
        .filter(|row| labels.value(**row) == actual.value(**row));
    let accuracy = right.count() as f64 / known.len() as f64;
    // The best that can be is .9 + .1 / 4 less a tenth of three tenths of a quarter: about .84.
    assert!(accuracy > 0.78, "{accuracy}");
    let p = LINES.map(|line| floats(&answer, &format!("p_{line}")));
    let scores = floats(&answer, "score");
    for row in 0..1_000 {
        let own: Vec<f64> = p.iter().map(|p| p[row]).collect();
        assert!((own.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        let best = own.iter().copied().fold(0.0, f64::max);
        assert_eq!(best.to_bits(), scores[row].to_bits());
        let label = LINES.iter().position(|line| *line == labels.value(row));
        assert_eq!(own[label.unwrap()].to_bits(), best.to_bits());
    }
    let own = made.table("scores");
    let (margins, bases) = (floats(own, "margin"), floats(own, "base"));
    for row in 0..2_000 {
        let sum: f64 = contributions(own, row).iter().map(|part| part.1).sum();
        assert_eq!((bases[row] + sum).to_bits(), margins[row].to_bits());
    }
    // What is said of the probabilities is so: of those at .3 about three tenths.
    let open: Vec<usize> = known
        .iter()
        .copied()
        .filter(|row| (0.2..0.5).contains(&p[3][*row]))
        .collect();
    let told: f64 = open.iter().map(|row| p[3][*row]).sum();
    let was = open
        .iter()
        .filter(|row| actual.value(**row) == "p_golf")
        .count() as f64;
    assert!(
        open.len() > 100 && (told / was - 1.0).abs() < 0.2,
        "{told} {was}"
    );
    // The fit's own table says the same of the same rows.
    let own = score::<Classes>(QUICK, &made, &batch).unwrap();
    assert_eq!(
        floats(&own, "p_golf"),
        floats(made.table("scores"), "p_golf")
    );
}

#[test]
fn whole_numbers_are_classes_and_threads_change_nothing() {
    let batch = buyers(600, 3);
    let line = batch["line"].as_string::<i32>();
    let number = |line: Option<&str>| line.map(|line| line.len() as i64);
    let numbers: Int64Array = line.iter().map(number).collect();
    let batch = with(&batch, "line", Arc::new(numbers));
    let inputs = || lode_plugin::Inputs::new().with("customers", batch.clone().into());
    let made = |threads| testing::fit::<Classes>(QUICK, inputs(), 1, threads).unwrap();
    let (one, three) = (made(1), made(3));
    assert_eq!(one.model, three.model);
    assert!(one.table("scores").column_by_name("p_4").is_some());
    let weights: ArrayRef = Arc::new(Float64Array::from_iter_values(
        line.iter()
            .map(|line| f64::from(u8::from(line != Some("golf")))),
    ));
    // A class without weight is no class.
    let weighted = testing::batch(&[
        ("id", Some(Role::CustomerId), Arc::clone(&batch["id"])),
        ("age", None, Arc::clone(&batch["age"])),
        ("line", Some(Role::Label), Arc::clone(&batch["line"])),
        ("w", Some(Role::Weight), weights),
    ]);
    let made = fit::<Classes>(QUICK, &weighted).unwrap();
    assert!(made.table("scores").column_by_name("p_4").is_none());
}

#[test]
fn what_cannot_be_several_is_refused() {
    let batch = buyers(40, 4);
    let one: ArrayRef = Arc::new(StringArray::from(vec!["golf"; 40]));
    let found = message(fit::<Classes>("{}", &with(&batch, "line", one)));
    assert_eq!(
        found,
        "inputs.customers.line: expected a label with 2 to 100 values, found 1: \"golf\""
    );
    let many: ArrayRef = Arc::new(Int64Array::from_iter_values(0..40));
    assert!(fit::<Classes>(r#"{"max_rounds": 3}"#, &with(&batch, "line", many)).is_ok());
    let many = buyers(101, 4);
    let many = with(
        &many,
        "line",
        Arc::new(Int64Array::from_iter_values(0..101)),
    );
    let found = message(fit::<Classes>("{}", &many));
    assert!(found.contains("found 101: \"0\", \"1\""), "{found}");
    let found = message(fit::<Classes>(r#"{"monotone": {"age": "rising"}}"#, &batch));
    assert!(
        found.starts_with("params.monotone.age: expected no trend"),
        "{found}"
    );
}

#[test]
fn damaged_models_are_refused() {
    let batch = buyers(200, 5);
    let made = fit::<Classes>(r#"{"max_rounds": 5, "repeats": 1}"#, &batch).unwrap();
    let bytes = made.model.clone().unwrap();
    for cut in [0, 3, 40, bytes.len() / 2, bytes.len() - 1] {
        let mut short = testing::fit::<Classes>(
            r#"{"max_rounds": 1, "repeats": 1}"#,
            lode_plugin::Inputs::new().with("customers", batch.clone().into()),
            1,
            1,
        )
        .unwrap();
        short.model = Some(bytes[..cut].to_vec());
        assert!(score::<Classes>("{}", &short, &batch).is_err(), "{cut}");
    }
}
