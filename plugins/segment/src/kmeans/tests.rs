//! Checks against planted groups, plain recomputation and the promises of the docs.

use std::sync::Arc;

use arrow_array::Array;
use arrow_array::ArrayRef;
use arrow_array::BooleanArray;
use arrow_array::Float64Array;
use arrow_array::Int64Array;
use arrow_array::RecordBatch;
use arrow_array::StringArray;
use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::types::Int64Type;
use lode_numeric::Rng;
use lode_plugin::Error;
use lode_plugin::Inputs;
use lode_plugin::Result;
use lode_plugin::Role;
use lode_plugin::testing;
use lode_plugin::testing::Fit;

use super::KMeans;

/// Three planted groups of 50, 30 and 20 in a hundred, apart in spend and visits; `spend`
/// has gaps and a scale a thousand times that of `visits`.
fn customers(n: usize) -> (RecordBatch, Vec<usize>) {
    let mut rng = Rng::new(8);
    let homes = [(1_000.0, 2.0), (5_000.0, 20.0), (9_000.0, 8.0)];
    let mut truth = Vec::new();
    let mut spend = Vec::new();
    let mut visits = Vec::new();
    for row in 0..n {
        let group = [0, 0, 0, 0, 0, 1, 1, 1, 2, 2][row % 10];
        truth.push(group);
        let (money, times) = homes[group];
        spend.push((row % 40 != 39).then(|| money + 200.0 * rng.normal()));
        visits.push((times + rng.normal()).max(0.0));
    }
    let ids: Vec<String> = (0..n).map(|row| format!("c{row}")).collect();
    let batch = testing::batch(&[
        (
            "id",
            Some(Role::CustomerId),
            Arc::new(StringArray::from(ids)),
        ),
        ("spend", None, Arc::new(Float64Array::from(spend))),
        ("visits", None, Arc::new(Float64Array::from(visits))),
        ("plan", None, Arc::new(StringArray::from(vec!["x"; n]))),
    ]);
    (batch, truth)
}

fn fit(params: &str, batch: &RecordBatch) -> Result<Fit> {
    let inputs = Inputs::new().with("customers", batch.clone().into());
    testing::fit::<KMeans>(params, inputs, 1, 2)
}

fn fit_from(params: &str, batch: &RecordBatch, base: &[u8]) -> Result<Fit> {
    let inputs = Inputs::new().with("customers", batch.clone().into());
    testing::fit_from::<KMeans>(params, inputs, base, 1, 2)
}

fn floats(batch: &RecordBatch, column: &str) -> Vec<f64> {
    batch[column]
        .as_primitive::<Float64Type>()
        .values()
        .to_vec()
}

fn texts(batch: &RecordBatch, column: &str) -> Vec<String> {
    let column = batch[column].as_string::<i32>();
    column.iter().map(|v| v.unwrap().to_owned()).collect()
}

fn message(result: Result<Fit>) -> String {
    match result.unwrap_err() {
        Error::Invalid { field, message } => format!("{field}: {message}"),
        other => panic!("expected an invalid input, found {other:?}"),
    }
}

fn one_column(values: Vec<f64>) -> RecordBatch {
    testing::batch(&[("x", None, Arc::new(Float64Array::from(values)))])
}

#[test]
fn the_description_is_whole() {
    assert_eq!(testing::check_spec::<KMeans>(), Vec::<String>::new());
}

#[test]
fn planted_groups_are_found_and_numbered_by_size() {
    let (batch, truth) = customers(400);
    let fit = fit(r#"{"k": 3}"#, &batch).unwrap();
    let segments = texts(fit.table("segments"), "segment");
    for (row, (segment, group)) in segments.iter().zip(&truth).enumerate() {
        if row % 40 != 39 {
            assert_eq!(*segment, (group + 1).to_string(), "row {row}");
        }
    }
    assert!(fit.metrics["silhouette"] > 0.6);
    assert_eq!(fit.metrics["features"] as usize, 2);
    let centers = fit.table("centers");
    assert_eq!(centers.num_rows(), 6);
    assert_eq!(texts(centers, "segment"), ["1", "1", "2", "2", "3", "3"]);
    let sizes = centers["customers"].as_primitive::<Int64Type>();
    assert_eq!(sizes.value(0) + sizes.value(2) + sizes.value(4), 400);
    assert!((floats(centers, "mean")[0] - 1_000.0).abs() < 60.0);
    assert!((floats(centers, "mean")[3] - 20.0).abs() < 0.5);
}

#[test]
fn inertia_is_the_sum_of_squares_on_standardized_columns() {
    let mut rng = Rng::new(1);
    let columns: Vec<Vec<f64>> = [1.0, 50.0]
        .iter()
        .map(|scale| (0..300).map(|_| scale * rng.normal()).collect())
        .collect();
    let batch = testing::batch(&[
        ("a", None, Arc::new(Float64Array::from(columns[0].clone()))),
        ("b", None, Arc::new(Float64Array::from(columns[1].clone()))),
    ]);
    let fit = fit(r#"{"k": 5, "tolerance": 0}"#, &batch).unwrap();
    let segments = texts(fit.table("segments"), "segment");
    let distances = floats(fit.table("segments"), "distance");
    let mut inertia = 0.0;
    for column in &columns {
        let mean = column.iter().sum::<f64>() / 300.0;
        let variance = column.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 300.0;
        for segment in 1..=5 {
            let of: Vec<f64> = (0..300)
                .filter(|row| segments[*row] == segment.to_string())
                .map(|row| column[row])
                .collect();
            let center = of.iter().sum::<f64>() / of.len() as f64;
            inertia += of.iter().map(|x| (x - center).powi(2)).sum::<f64>() / variance;
        }
    }
    assert!((fit.metrics["inertia"] / inertia - 1.0).abs() < 1e-9);
    let squares: f64 = distances.iter().map(|d| d * d).sum();
    assert!((squares / inertia - 1.0).abs() < 1e-9);
    // Standardized columns have a total of n squares each.
    let whole = fit_inertia(&batch, 2);
    assert!(whole < 600.0 && whole > fit.metrics["inertia"]);
}

fn fit_inertia(batch: &RecordBatch, k: usize) -> f64 {
    fit(&format!(r#"{{"k": {k}}}"#), batch).unwrap().metrics["inertia"]
}

#[test]
fn units_do_not_matter_unless_asked() {
    let (batch, _) = customers(200);
    let spend = batch["spend"].as_primitive::<Float64Type>();
    let cents: ArrayRef = Arc::new(spend.unary::<_, Float64Type>(|v| v * 100.0));
    let changed = testing::batch(&[
        ("spend", None, cents),
        ("visits", None, Arc::clone(&batch["visits"])),
    ]);
    let plain = texts(fit("{}", &batch).unwrap().table("segments"), "segment");
    let scaled = fit("{}", &changed).unwrap();
    assert_eq!(texts(scaled.table("segments"), "segment"), plain);
    assert_eq!(scaled.table("segments")["customer_id"].null_count(), 200);
    let raw = fit(r#"{"k": 2, "transform": "none"}"#, &changed).unwrap();
    assert!(raw.metrics["inertia"] > 1e6);
    let of_one = fit(r#"{"k": 2, "columns": ["visits"]}"#, &batch).unwrap();
    assert_eq!(of_one.metrics["features"] as usize, 1);
}

#[test]
fn logarithms_tame_long_tails() {
    let values: Vec<f64> = (0..40)
        .map(|row| {
            if row < 20 {
                1.0 + f64::from(row) * 0.01
            } else {
                1e3 * f64::from(row)
            }
        })
        .collect();
    let fit = fit(
        r#"{"k": 2, "transform": "log_standardize"}"#,
        &one_column(values),
    )
    .unwrap();
    let segments = texts(fit.table("segments"), "segment");
    assert!(segments[..20].iter().all(|s| *s == segments[0]));
    assert!(segments[20..].iter().all(|s| *s != segments[0]));
    // ln(1 + x) of one column, standardized: the center's z is the mean of those.
    let zs = floats(fit.table("centers"), "z");
    assert!((zs[0] + zs[1]).abs() < 1e-9);
}

#[test]
fn scoring_gives_what_the_fit_gave() {
    for transform in ["standardize", "log_standardize", "none"] {
        let params = format!(r#"{{"k": 3, "transform": "{transform}"}}"#);
        let (batch, _) = customers(300);
        let fit = fit(&params, &batch).unwrap();
        let inputs = Inputs::new().with("customers", testing::rebatch(&batch, 17));
        let model = fit.model.as_deref().unwrap();
        let scored = testing::score::<KMeans>(&params, model, inputs, 1, 1).unwrap();
        let segments = fit.table("segments");
        assert_eq!(texts(&scored, "label"), texts(segments, "segment"));
        for (a, b) in floats(&scored, "score")
            .iter()
            .zip(floats(segments, "distance"))
        {
            assert!((a - b).abs() < 1e-9);
        }
    }
}

#[test]
fn bytes_do_not_depend_on_threads_or_batches() {
    let (batch, _) = customers(9_000);
    let run = |rows: usize, threads, seed| {
        let inputs = Inputs::new().with("customers", testing::rebatch(&batch, rows));
        let params = r#"{"k": 6, "restarts": 2, "max_iterations": 15}"#;
        testing::fit::<KMeans>(params, inputs, seed, threads).unwrap()
    };
    let one = run(9_000, 1, 4);
    for (rows, threads) in [(9_000, 2), (9_000, 8), (77, 1), (1_000, 8)] {
        let other = run(rows, threads, 4);
        assert_eq!(other.tables, one.tables);
        assert_eq!(other.model, one.model);
        assert_eq!(other.metrics, one.metrics);
    }
    assert_ne!(run(9_000, 1, 5).tables, one.tables);
}

#[test]
fn odd_columns_are_taken() {
    let n = 30;
    let batch = testing::batch(&[
        ("flag", None, Arc::new(BooleanArray::from(vec![true; n]))),
        ("none", None, Arc::new(Float64Array::new_null(n))),
        ("n", None, Arc::new((0..n as i64).collect::<Int64Array>())),
    ]);
    let fit = fit(r#"{"k": 2}"#, &batch).unwrap();
    let centers = fit.table("centers");
    assert_eq!(texts(centers, "feature")[..3], ["flag", "none", "n"]);
    assert!(centers["mean"].is_null(1));
    assert!(floats(centers, "z").iter().all(|z| z.is_finite()));
}

#[test]
fn bad_input_is_refused() {
    let (batch, _) = customers(40);
    assert_eq!(
        message(fit("{}", &batch.slice(0, 0))),
        "inputs.customers: expected at least one row, found none"
    );
    assert_eq!(
        message(fit(
            r#"{"k": 4}"#,
            &one_column(vec![1.0, 2.0, 2.0, 1.0, 3.0])
        )),
        "params.k: expected at most 3, the number of different rows, found 4"
    );
    assert_eq!(
        message(fit(r#"{"k": 4}"#, &one_column(vec![1.0, 2.0]))),
        "params.k: expected at most 2, the number of rows, found 4"
    );
    assert_eq!(
        message(fit(
            r#"{"transform": "log_standardize"}"#,
            &one_column(vec![1.0, -1.0, 2.0, 5.0])
        )),
        "inputs.customers.x: expected numbers above -1 for log_standardize, found -1 in row 1"
    );
    assert_eq!(
        message(fit("{}", &one_column(vec![1.0, f64::INFINITY]))),
        "inputs.customers.x: expected finite numbers, found inf in row 1"
    );
    assert!(
        message(fit("{}", &batch.project(&[0, 3]).unwrap()))
            .contains("expected at least one column of numbers")
    );
    for (params, part) in [
        (r#"{"k": 1}"#, "params.k: expected 2 to 1000, found 1"),
        (r#"{"restarts": 0}"#, "params.restarts"),
        (
            r#"{"tolerance": -1}"#,
            "params.tolerance: expected 0 to 1, found -1",
        ),
        (r#"{"columns": ["spent"]}"#, "spent"),
        (r#"{"columns": ["spend", "spend"]}"#, "\"spend\" twice"),
        (r#"{"columns": ["plan"]}"#, "expected a number"),
        (r#"{"clusters": 3}"#, "unknown field `clusters`"),
    ] {
        let found = message(fit(params, &batch));
        assert!(found.contains(part), "{found}");
    }
    let inputs = Inputs::new().with("customers", batch.into());
    let cancelled = testing::fit_cancelled::<KMeans>("{}", inputs);
    assert!(matches!(cancelled, Err(Error::Cancelled)));
}

#[test]
fn a_start_from_a_model_of_the_same_rows_ends_at_once() {
    let (batch, _) = customers(400);
    let params = r#"{"k": 3, "tolerance": 0}"#;
    let cold = fit(params, &batch).unwrap();
    let base = cold.model.as_deref().unwrap();
    let warm = fit_from(params, &batch, base).unwrap();
    assert_eq!(warm.metrics["iterations"] as usize, 1);
    assert_eq!(
        warm.metrics["inertia"].to_bits(),
        cold.metrics["inertia"].to_bits()
    );
    assert_eq!(warm.tables, cold.tables);
    assert_eq!(warm.model, cold.model);
}

#[test]
fn segments_keep_their_numbers_from_month_to_month() {
    let (batch, _) = customers(400);
    let cold = fit(r#"{"k": 3}"#, &batch).unwrap();
    let base = cold.model.as_deref().unwrap();
    // Half of the largest segment is gone, everyone spends a little more, on another scale.
    let kept: Vec<usize> = (0..400)
        .filter(|row| ![0, 1, 2, 3].contains(&(row % 10)))
        .collect();
    let picked = |name: &str| {
        let values = batch[name].as_primitive::<Float64Type>();
        let value = |row: &usize| {
            values
                .is_valid(*row)
                .then(|| 1.1 * values.value(*row) + 0.3)
        };
        let values: Float64Array = kept.iter().map(value).collect();
        Arc::new(values) as ArrayRef
    };
    let ids = batch["id"].as_string::<i32>();
    let ids: StringArray = kept.iter().map(|row| Some(ids.value(*row))).collect();
    let later = testing::batch(&[
        ("id", Some(Role::CustomerId), Arc::new(ids)),
        ("spend", None, picked("spend")),
        ("visits", None, picked("visits")),
        (
            "plan",
            None,
            Arc::new(StringArray::from(vec!["x"; kept.len()])),
        ),
    ]);
    let warm = fit_from(r#"{"k": 3}"#, &later, base).unwrap();
    let before = texts(cold.table("segments"), "segment");
    let after = texts(warm.table("segments"), "segment");
    for (row, segment) in kept.iter().zip(&after) {
        if row % 40 != 39 {
            assert_eq!(*segment, before[*row], "row {row}");
        }
    }
    // A fit anew numbers by size, and the largest is another one now.
    let anew = texts(
        fit(r#"{"k": 3}"#, &later).unwrap().table("segments"),
        "segment",
    );
    assert_ne!(anew, after);
    // The model places customers by the same numbers.
    let inputs = Inputs::new().with("customers", later.into());
    let model = warm.model.as_deref().unwrap();
    let placed = testing::score::<KMeans>(r#"{"k": 3}"#, model, inputs, 1, 1).unwrap();
    assert_eq!(texts(&placed, "label"), after);
}

#[test]
fn models_of_other_segments_are_no_start() {
    let (batch, _) = customers(100);
    let cold = fit(r#"{"k": 3}"#, &batch).unwrap();
    let base = cold.model.as_deref().unwrap();
    for (params, words) in [
        (
            r#"{"k": 4}"#,
            "params.k: expected 3, the segments of the model to start from, found 4",
        ),
        (
            r#"{"k": 3, "transform": "none"}"#,
            "params.transform: expected standardize, that of the model to start from, found none",
        ),
        (
            r#"{"k": 3, "columns": ["visits"]}"#,
            "params.columns: expected the columns of the model to start from (spend, visits), \
             found visits",
        ),
    ] {
        assert_eq!(message(fit_from(params, &batch, base)), words);
    }
    // The other way round the columns are the same ones.
    let turned = r#"{"k": 3, "columns": ["visits", "spend"]}"#;
    let turned = fit_from(turned, &batch, base).unwrap();
    assert_eq!(
        texts(turned.table("segments"), "segment"),
        texts(cold.table("segments"), "segment")
    );
    let others = batch.project(&[0, 1]).unwrap();
    let found = message(fit_from(r#"{"k": 3}"#, &others, base));
    assert!(found.starts_with("inputs: expected the columns"), "{found}");
}
