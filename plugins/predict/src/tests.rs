//! What holds for every algorithm of the crate, whatever the question and the learner.

use std::collections::BTreeSet;
use std::sync::Arc;

use lode_plugin::Algorithm;
use lode_plugin::Inputs;
use lode_plugin::Level;
use lode_plugin::Role;
use lode_plugin::arrow_array::Array;
use lode_plugin::arrow_array::ArrayRef;
use lode_plugin::arrow_array::Float64Array;
use lode_plugin::arrow_array::Int64Array;
use lode_plugin::arrow_array::RecordBatch;
use lode_plugin::arrow_array::StringArray;
use lode_plugin::arrow_array::cast::AsArray;
use lode_plugin::describe;
use lode_plugin::serde_json::Value as Json;
use lode_plugin::testing;

use crate::Predict;
use crate::families::Churn;
use crate::families::Credit;
use crate::families::Demand;
use crate::families::Response;
use crate::families::Value;
use crate::learners::Cox;
use crate::learners::Gbdt;
use crate::learners::GbdtAmount;
use crate::learners::Hazard;
use crate::learners::Linear;
use crate::learners::Logistic;
use crate::learners::Scorecard;
use crate::learners::Tree;
use crate::learners::TwoStage;
use crate::testdata::contributions;
use crate::testdata::customers;
use crate::testdata::fit;
use crate::testdata::floats;
use crate::testdata::message;
use crate::testdata::score;
use crate::testdata::spenders;
use crate::testdata::watched;
use crate::testdata::with;

/// Boosting in a moment; what it finds is checked beside the learners.
const QUICK: &str = r#"{"members": 2, "repeats": 1, "max_depth": 3, "max_rounds": 40}"#;

/// Runs `$check::<A>(params, rows)` for each learner, on rows of its kind.
macro_rules! each_learner {
    ($check:ident, $n:expr) => {{
        $check::<Predict<Churn, Logistic>>("{}", &customers($n));
        $check::<Predict<Churn, Tree>>("{}", &customers($n));
        $check::<Predict<Churn, Gbdt>>(QUICK, &customers($n));
        $check::<Predict<Churn, Cox>>("{}", &watched($n));
        $check::<Predict<Churn, Hazard>>(r#"{"contract_end": "months"}"#, &watched($n));
        $check::<Predict<Credit, Scorecard>>("{}", &customers($n));
        $check::<Predict<Value, Linear>>("{}", &spenders($n));
        $check::<Predict<Value, GbdtAmount>>(QUICK, &spenders($n));
        $check::<Predict<Value, TwoStage>>(QUICK, &spenders($n));
    }};
}

/// The rows with another column in place of a feature; both companies have a tariff.
fn with_tariff(batch: &RecordBatch, tariff: ArrayRef) -> RecordBatch {
    with(batch, "tariff", tariff)
}

/// The rows and one more column.
fn and(batch: &RecordBatch, name: &str, role: Option<Role>, column: ArrayRef) -> RecordBatch {
    let fields = batch.schema_ref().fields().iter().zip(batch.columns());
    let mut columns: Vec<(&str, Option<Role>, ArrayRef)> = fields
        .map(|(field, column)| {
            let role = lode_plugin::role_of(field);
            (field.name().as_str(), role, Arc::clone(column))
        })
        .collect();
    columns.push((name, role, column));
    testing::batch(&columns)
}

/// The rows without labels, as new customers come; the label is the last column.
fn unlabeled(batch: &RecordBatch) -> RecordBatch {
    let keep: Vec<usize> = (0..batch.num_columns() - 1).collect();
    batch.project(&keep).unwrap()
}

#[test]
fn ids_titles_and_parameters_are_whole() {
    fn check<A: Algorithm>(id: &str) {
        assert_eq!(A::ID, id);
        assert_eq!(testing::check_spec::<A>(), Vec::<String>::new());
        let spec = describe::<A>();
        let schema: Json = serde_json::from_str(&spec.params_schema).unwrap();
        let properties = schema["properties"].as_object().unwrap();
        for name in ["max_levels", "exclude", "max_reasons"] {
            assert!(properties.contains_key(name), "{id} has no {name}");
        }
        assert_eq!(
            properties.contains_key("positive"),
            !id.starts_with("value."),
            "{id}"
        );
        let tuned = properties
            .values()
            .filter(|property| property.get("x-tune").is_some());
        assert!(tuned.count() > 0, "{id} has nothing to tune");
    }
    check::<Predict<Churn, Logistic>>("churn.logistic");
    check::<Predict<Churn, Tree>>("churn.tree");
    check::<Predict<Churn, Gbdt>>("churn.gbdt");
    check::<Predict<Churn, Cox>>("churn.cox");
    check::<Predict<Churn, Hazard>>("churn.hazard");
    check::<Predict<Credit, Scorecard>>("credit.scorecard");
    check::<Predict<Response, Logistic>>("response.logistic");
    check::<Predict<Response, Tree>>("response.tree");
    check::<Predict<Response, Gbdt>>("response.gbdt");
    check::<Predict<Demand, Logistic>>("demand.logistic");
    check::<Predict<Demand, Gbdt>>("demand.gbdt");
    check::<Predict<Value, Linear>>("value.linear");
    check::<Predict<Value, GbdtAmount>>("value.gbdt");
    check::<Predict<Value, TwoStage>>("value.two-stage");
    check::<Predict<Credit, Logistic>>("credit.logistic");
    let spec = describe::<Predict<Churn, Logistic>>();
    assert_eq!(spec.title, "Churn score by logistic regression");
}

#[test]
fn reasons_add_up_and_scores_are_those_of_the_fit() {
    fn check<A: Algorithm>(params: &str, batch: &RecordBatch) {
        let fit = fit::<A>(params, batch).unwrap();
        let scores = fit.table("scores");
        let new = unlabeled(batch);
        let plain = score::<A>(params, &fit, &new).unwrap();
        let asked = testing::with_option(&new, "explain", "true");
        let explained = score::<A>(params, &fit, &asked).unwrap();
        assert!(plain.column_by_name("contributions").is_none());
        for answer in [&plain, &explained] {
            for column in ["score", "margin", "base"] {
                assert_eq!(floats(answer, column), floats(scores, column), "{column}");
            }
        }
        assert_eq!(&explained["contributions"], &scores["contributions"]);
        let names: BTreeSet<String> = batch
            .schema()
            .fields()
            .iter()
            .filter(|field| lode_plugin::role_of(field).is_none())
            .map(|field| field.name().clone())
            .collect();
        let (margins, bases) = (floats(scores, "margin"), floats(scores, "base"));
        for row in 0..scores.num_rows() {
            let reasons = contributions(scores, row);
            assert!(reasons.windows(2).all(|p| p[0].1.abs() >= p[1].1.abs()));
            let by_name: BTreeSet<String> = reasons.iter().map(|(name, _)| name.clone()).collect();
            assert_eq!(by_name, names);
            // In the order of the features: to the bit.
            let in_order = new
                .schema()
                .fields()
                .iter()
                .filter_map(|field| {
                    let of_name = reasons.iter().find(|(name, _)| name == field.name());
                    of_name.map(|(_, part)| *part)
                })
                .fold(bases[row], |sum, part| sum + part);
            assert_eq!(
                in_order.to_bits(),
                margins[row].to_bits(),
                "{} {row}",
                A::ID
            );
        }
    }
    each_learner!(check, 500);
}

#[test]
fn bytes_do_not_depend_on_threads_or_batches() {
    fn check<A: Algorithm>(params: &str, batch: &RecordBatch) {
        let run = |rows: usize, threads| {
            let inputs = Inputs::new().with("customers", testing::rebatch(batch, rows));
            testing::fit::<A>(params, inputs, 1, threads).unwrap()
        };
        let one = run(900, 1);
        for (rows, threads) in [(77, 2), (900, 8)] {
            let other = run(rows, threads);
            assert!(other.tables == one.tables, "{}", A::ID);
            assert!(other.model == one.model, "{}", A::ID);
            assert_eq!(other.metrics, one.metrics);
        }
    }
    each_learner!(check, 900);
}

#[test]
fn constant_and_empty_columns_are_warned_of_and_do_no_harm() {
    fn check<A: Algorithm>(params: &str, batch: &RecordBatch) {
        let n = batch.num_rows();
        let odd = with_tariff(batch, Arc::new(StringArray::new_null(n)));
        let odd = and(&odd, "same", None, Arc::new(Int64Array::from(vec![7; n])));
        let odd = and(&odd, "none", None, Arc::new(Float64Array::new_null(n)));
        let fit = fit::<A>(params, &odd).unwrap();
        assert!(
            floats(fit.table("scores"), "score")
                .iter()
                .all(|s| s.is_finite())
        );
        let warned = |words: &str| {
            let mut lines = fit.log.iter();
            lines.any(|(level, text)| *level == Level::Warn && text.contains(words))
        };
        assert!(warned(r#"column "same" has one value"#), "{:?}", fit.log);
        assert!(warned(r#"column "none" has no value"#), "{:?}", fit.log);
        assert!(warned(r#"column "tariff" has no value"#), "{:?}", fit.log);
        for row in 0..n {
            let reasons = contributions(fit.table("scores"), row);
            let teaches_nothing = ["same", "none", "tariff"];
            let of_nothing = reasons
                .iter()
                .filter(|(name, _)| teaches_nothing.contains(&name.as_str()));
            for (name, part) in of_nothing {
                assert!(part.abs() < 1e-9, "{}: {name} {part}", A::ID);
            }
        }
    }
    each_learner!(check, 200);
}

#[test]
fn unseen_levels_nulls_and_missing_columns_at_scoring() {
    fn check<A: Algorithm>(params: &str, batch: &RecordBatch) {
        let n = batch.num_rows();
        let fit = fit::<A>(params, batch).unwrap();
        let new = unlabeled(batch);
        let comets = with_tariff(&new, Arc::new(StringArray::from(vec!["comet"; n])));
        let nulls = with_tariff(&new, Arc::new(StringArray::new_null(n)));
        for odd in [comets, nulls] {
            let answer = score::<A>(params, &fit, &odd).unwrap();
            assert!(floats(&answer, "score").iter().all(|s| s.is_finite()));
        }
        let index = new.schema().index_of("tariff").unwrap();
        let keep: Vec<usize> = (0..new.num_columns()).filter(|at| *at != index).collect();
        let missing = score::<A>(params, &fit, &new.project(&keep).unwrap()).unwrap_err();
        assert!(missing.to_string().contains(r#""tariff""#), "{missing}");
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![1; n]));
        let wrong = score::<A>(params, &fit, &with_tariff(&new, numbers)).unwrap_err();
        assert!(
            wrong.to_string().contains("expected the type it had"),
            "{wrong}"
        );
    }
    each_learner!(check, 200);
}

#[test]
fn weights_count_and_bad_ones_are_refused() {
    fn check<A: Algorithm>(params: &str, batch: &RecordBatch) {
        let n = batch.num_rows();
        let weighted = |weights: Vec<Option<f64>>| {
            let column = Arc::new(Float64Array::from(weights));
            fit::<A>(params, &and(batch, "times", Some(Role::Weight), column))
        };
        let whole = fit::<A>(params, batch).unwrap();
        // Rows without weight teach nothing: the others alone give the same scores.
        let half = weighted(
            (0..n)
                .map(|row| Some(f64::from(u8::from(row < n / 2))))
                .collect(),
        );
        let half = floats(half.unwrap().table("scores"), "score");
        assert_ne!(half, floats(whole.table("scores"), "score"), "{}", A::ID);
        for (weights, words) in [
            (
                vec![Some(-1.0); n],
                "expected a weight of 0 to 1e100, found -1",
            ),
            (vec![None; n], "expected a weight of 0 to 1e100, found none"),
            (vec![Some(f64::INFINITY); n], "of 0 to 1e100, found inf"),
            (vec![Some(0.0); n], "expected a weight above 0"),
        ] {
            let refused = message(weighted(weights));
            assert!(refused.starts_with("inputs.customers.times: "), "{refused}");
            assert!(refused.contains(words), "{refused}");
        }
    }
    each_learner!(check, 300);
}

#[test]
fn a_hundred_thousand_levels_are_cut_to_the_most_frequent() {
    fn check<A: Algorithm>(batch: &RecordBatch, params: &str) {
        let n = batch.num_rows();
        let names = (0..n).map(|row| match row % 4 {
            0 => "often".to_owned(),
            _ => format!("level {row}"),
        });
        let odd = with_tariff(batch, Arc::new(StringArray::from_iter_values(names)));
        let fit = fit::<A>(params, &odd).unwrap();
        let found = fit
            .log
            .iter()
            .any(|(_, text)| text.contains("100 most frequent"));
        assert!(found, "{:?}", fit.log);
        assert!(fit.model.unwrap().len() < 1_000_000);
    }
    let many = customers(134_000);
    check::<Predict<Churn, Logistic>>(&many, r#"{"max_reasons": 1}"#);
    let few_rounds = r#"{"max_reasons": 1, "members": 1, "max_rounds": 5}"#;
    check::<Predict<Churn, Gbdt>>(&many, few_rounds);
}

#[test]
fn one_row_and_labels_that_say_nothing_are_told_apart() {
    fn refused<A: Algorithm>(batch: &RecordBatch, words: &str) {
        let error = fit::<A>("{}", batch).unwrap_err().to_string();
        assert!(error.contains(words), "{}: {error}", A::ID);
    }
    fn binary<A: Algorithm>() {
        let batch = customers(20);
        refused::<A>(&batch.slice(0, 1), "exactly two values");
        let one = Arc::new(StringArray::from(vec!["Yes"; 20]));
        refused::<A>(&with(&batch, "left", one), r#"found the values ["Yes"]"#);
        let none = Arc::new(StringArray::new_null(20));
        refused::<A>(&with(&batch, "left", none), "found the values []");
        let not = Arc::new(Float64Array::from(vec![f64::NAN; 20]));
        refused::<A>(&with(&batch, "left", not), "found the values []");
    }
    binary::<Predict<Churn, Logistic>>();
    binary::<Predict<Churn, Tree>>();
    binary::<Predict<Churn, Gbdt>>();
    fn amount<A: Algorithm>() {
        let batch = spenders(20);
        let not = Arc::new(Float64Array::from(vec![f64::NAN; 20]));
        let not = with(&batch, "spent", not);
        refused::<A>(&not, "expected at least one row with an amount, found none");
        let mut amounts = vec![1.0; 20];
        amounts[7] = f64::INFINITY;
        let infinite = with(&batch, "spent", Arc::new(Float64Array::from(amounts)));
        refused::<A>(
            &infinite,
            "expected finite amounts of at most 1e100, found inf for customer \"c7\"",
        );
    }
    amount::<Predict<Value, Linear>>();
    amount::<Predict<Value, GbdtAmount>>();
    amount::<Predict<Value, TwoStage>>();
    let one = spenders(20).slice(0, 1);
    let one = with(&one, "spent", Arc::new(Float64Array::from(vec![12.5])));
    let linear = fit::<Predict<Value, Linear>>("{}", &one).unwrap();
    assert_eq!(floats(linear.table("scores"), "score"), [12.5]);
    let two = fit::<Predict<Value, TwoStage>>("{}", &one).unwrap();
    assert!((floats(two.table("scores"), "score")[0] - 12.5).abs() < 1e-9);
    refused::<Predict<Value, GbdtAmount>>(&one, "at least 2 rows");
    let below = with(
        &spenders(20),
        "spent",
        Arc::new(Float64Array::from(vec![-1.0; 20])),
    );
    refused::<Predict<Value, GbdtAmount>>(&below, "expected amounts of 0 or more, found -1");
    refused::<Predict<Value, TwoStage>>(&below, "expected amounts of 0 or more, found -1");
    assert!(fit::<Predict<Value, Linear>>("{}", &below).is_ok());
    let zero = with(
        &spenders(20),
        "spent",
        Arc::new(Float64Array::from(vec![0.0; 20])),
    );
    refused::<Predict<Value, GbdtAmount>>(&zero, "expected an amount above 0");
    refused::<Predict<Value, TwoStage>>(&zero, "expected an amount above 0");
}

#[test]
fn a_product_is_a_feature_and_is_kept_beside_the_score() {
    type Demands = Predict<Demand, Logistic>;
    let batch = customers(600);
    let products = || (0..600).map(|row| ["phone", "router"][row % 2]);
    let column = Arc::new(StringArray::from_iter_values(products()));
    let with_item = and(&batch, "product", Some(Role::Item), column);
    let found = fit::<Demands>("{}", &with_item).unwrap();
    let scores = found.table("scores");
    let items = scores["item"].as_string::<i32>();
    assert!(items.iter().flatten().eq(products()));
    let reasons = contributions(scores, 0);
    assert!(reasons.iter().any(|(name, _)| name == "product"));
    let spec = describe::<Demands>();
    assert!(spec.outputs[0].write_back.is_empty());
    // Integers are products too, in a fit and at scoring.
    let column = Arc::new(Int64Array::from_iter_values((0..600).map(|row| row % 2)));
    let numbered = and(&batch, "product", Some(Role::Item), column);
    let found = fit::<Demands>("{}", &numbered).unwrap();
    let answer = score::<Demands>("{}", &found, &numbered).unwrap();
    assert_eq!(
        floats(&answer, "score"),
        floats(found.table("scores"), "score")
    );
    let without = fit::<Demands>("{}", &batch).unwrap();
    assert!(without.table("scores").column_by_name("item").is_none());
}

#[test]
fn more_products_are_kept_than_levels_of_a_text() {
    let batch = customers(3_000);
    let names = || (0..3_000).map(|row| format!("product {}", row % 301));
    let column = Arc::new(StringArray::from_iter_values(names()));
    let with_item = and(&batch, "product", Some(Role::Item), column);
    let kept = |params: &str| {
        let fit = fit::<Predict<Demand, Logistic>>(params, &with_item).unwrap();
        let features = fit.table("coefficients")["feature"]
            .as_string::<i32>()
            .clone();
        features
            .iter()
            .flatten()
            .filter(|name| *name == "product")
            .count()
    };
    assert_eq!(kept("{}"), 301);
    assert_eq!(kept(r#"{"max_items": 20}"#), 20);
}

#[test]
fn a_fit_stops_when_it_is_asked() {
    fn check<A: Algorithm>(params: &str, batch: &RecordBatch) {
        let inputs = Inputs::new().with("customers", batch.clone().into());
        let stopped = testing::fit_cancelled::<A>(params, inputs);
        assert!(matches!(stopped, Err(lode_plugin::Error::Cancelled)));
    }
    each_learner!(check, 50);
}

#[test]
fn damaged_models_are_refused() {
    fn check<A: Algorithm>(params: &str, batch: &RecordBatch) {
        let fit = fit::<A>(params, batch).unwrap();
        let other = unlabeled(batch);
        let model = fit.model.clone().unwrap();
        // The header of the host's own has a checksum; what lies behind it is read with care.
        for cut in [0, 1, model.len() / 3, model.len() - 1] {
            assert!(testing::open::<A>(params, &model[..cut]).is_err());
        }
        assert!(score::<A>(params, &fit, &other).is_ok());
        assert!(fit.table("scores")["customer_id"].null_count() == 0);
    }
    each_learner!(check, 100);
}
