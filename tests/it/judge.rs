//! How a job is judged: tables and intervals, calibration that serving applies, warnings, and
//! nothing found where there is nothing.
//!
//! On the sampled telecom operator, by the command; on small tables of known outcomes and a made-up
//! shop, by the wire.

mod dates;

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context as _;
use anyhow::Result;
use lode_client::Client;
use lode_proto::v1;
use lode_proto::v1::value::Kind;
use lode_proto::v1::watch_job_response::Kind as Event;
use lode_tests::Columns;
use lode_tests::Engine;
use lode_tests::cli;
use lode_tests::settings;
use lode_tests::wire;
use lode_tests::work;
use serde_json::Value;
use tempfile::TempDir;

/// A small stream of numbers from 0 to 1 that is the same each time.
pub(crate) struct Draws(pub(crate) u64);

impl Draws {
    pub(crate) fn next(&mut self) -> f64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// Customers with a feature `x`, a label that follows it or does not, and more columns.
async fn load(
    client: &Client,
    dataset: &str,
    labels: &[bool],
    columns: Vec<(&str, Vec<f64>, v1::Role)>,
) -> Result<()> {
    let ids = (0..labels.len()).map(|n| format!("c{n}"));
    let left = labels.iter().map(|left| if *left { "yes" } else { "no" });
    let mut table = Columns::of_customers("customer", ids).text("left", left);
    table = table.role(v1::Role::Label);
    for (name, values, role) in columns {
        table = table.number(name, values).role(role);
    }
    table
        .load(client, dataset, v1::DatasetKind::Customers)
        .await
}

/// Labels of chance `sigmoid(2 x)`.
fn drawn(n: usize, seed: u64) -> (Vec<bool>, Vec<f64>) {
    let mut draws = Draws(seed);
    let x: Vec<f64> = (0..n).map(|_| 4.0 * draws.next() - 2.5).collect();
    let labels = x
        .iter()
        .map(|x| draws.next() < 1.0 / (1.0 + (-2.0 * x).exp()));
    (labels.collect(), x)
}

fn evaluated(spec: v1::JobSpec, evaluation: v1::Evaluation) -> v1::JobSpec {
    v1::JobSpec {
        evaluation: Some(evaluation),
        ..spec
    }
}

/// The warnings of a job.
pub(crate) async fn warnings(client: &Client, id: &str) -> Result<Vec<String>> {
    let (_, events) = work::watch(client, id).await?;
    let lines = events.into_iter().filter_map(|event| match event.kind {
        Some(Event::Log(line)) if line.level == "warn" => Some(line.message),
        _ => None,
    });
    Ok(lines.collect())
}

#[test]
fn the_sampled_operator_is_judged_with_tables_and_intervals() -> Result<()> {
    let folder = TempDir::new()?;
    let into = folder
        .path()
        .to_str()
        .context("temporary paths are UTF-8")?;
    cli::lode(
        ["sample", into, "--customers", "1200", "--seed", "11"],
        None,
    )?
    .text()?;
    let engine = Engine::start()?;
    let file = Path::new(into).join("telecom_customers.csv");
    let file = file.to_str().context("temporary paths are UTF-8")?;
    engine.lode(["ingest", "telecom", file])?.text()?;
    let run = [
        "run",
        "churn.logistic",
        "-i",
        "telecom",
        "--id",
        "churn",
        "--cost-per-contact",
        "2",
        "--value-per-positive",
        "20",
        "--budget",
        "100",
        "-o",
        "json",
    ];
    let job = engine.lode(run)?.json()?;
    let metric = |name: &str| {
        let value = job["metrics"][name].as_f64();
        value.with_context(|| format!("no metric {name}: {}", job["metrics"]))
    };
    for name in [
        "auc",
        "average_precision",
        "lift_top_decile",
        "brier",
        "log_loss",
    ] {
        let (low, high) = (
            metric(&format!("{name}_low"))?,
            metric(&format!("{name}_high"))?,
        );
        let value = metric(name)?;
        assert!(low < value && value < high, "{name}: {low} {value} {high}");
        assert!(metric(&format!("{name}_sd"))? > 0.0);
    }
    assert!(metric("log_loss")? <= metric("log_loss_raw")? + 1e-9);
    assert!(metric("best_profit")? > 0.0 && metric("best_share")? < 1.0);

    let rows = |output: &str| -> Result<Vec<Value>> {
        let table = engine
            .lode(["output", "churn", output, "-o", "json"])?
            .json()?;
        Ok(table.as_array().context("rows")?.clone())
    };
    let number = |row: &Value, name: &str| {
        row[name]
            .as_f64()
            .with_context(|| format!("no {name}: {row}"))
    };
    let summary = rows("evaluation_summary")?;
    let of = |group: &str, measure: &str| {
        summary
            .iter()
            .find(|row| row["group"] == group && row["measure"] == measure)
            .cloned()
    };
    let auc = of("all", "auc").context("an AUC of all")?;
    assert_eq!(number(&auc, "value")?.to_bits(), metric("auc")?.to_bits());
    assert_eq!(number(&auc, "low")?.to_bits(), metric("auc_low")?.to_bits());
    assert!(of("fold 5", "brier").is_some() && of("fold 6", "brier").is_none());

    // Each judged customer once, in its fold, with what was predicted without it.
    let scores = rows("evaluation_scores")?;
    assert_eq!(scores.len(), metric("evaluated_rows")? as usize);
    let mut ids: Vec<&str> = scores
        .iter()
        .filter_map(|row| row["customer_id"].as_str())
        .collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), scores.len());
    let fold_auc = |fold: i64| -> Result<f64> {
        let of_fold = scores.iter().filter(|row| row["fold"] == fold);
        let (mut yes, mut no) = (Vec::new(), Vec::new());
        for row in of_fold {
            let class = if number(row, "label")? > 0.5 {
                &mut yes
            } else {
                &mut no
            };
            class.push(number(row, "margin")?);
        }
        let pairs = yes.iter().flat_map(|y| no.iter().map(move |n| (y, n)));
        let right: f64 = pairs.map(|(y, n)| f64::from(u8::from(y > n))).sum();
        Ok(right / (yes.len() * no.len()) as f64)
    };
    let mean = (1..=5).map(fold_auc).sum::<Result<f64>>()? / 5.0;
    assert!((mean - metric("auc")?).abs() < 1e-9, "{mean}");

    let gains = rows("evaluation_gains")?;
    assert_eq!(gains.len(), 101);
    let mut last = 0.0;
    for row in &gains {
        let reached = number(row, "share_reached")?;
        assert!(
            reached >= last && reached >= number(row, "share_contacted")? - 0.05,
            "{row}"
        );
        last = reached;
    }
    assert!((last - 1.0).abs() < 1e-9);
    assert!(gains.iter().any(|row| row["profit"].as_f64() > Some(0.0)));
    let curve = rows("evaluation_calibration")?;
    for kind in ["raw", "calibrated"] {
        let bins = curve
            .iter()
            .filter(|row| row["score"] == kind && row["binning"] == "equal_count");
        assert_eq!(bins.count(), 10);
    }

    let card = engine.lode(["job", "churn"])?;
    let card = card.text()?;
    assert!(
        card.contains("95% interval") && card.contains("to reach 80 % of them"),
        "{card}"
    );
    settings::say(&format!(
        "judge: telecom AUC {:.4} ({:.4} to {:.4})",
        metric("auc")?,
        metric("auc_low")?,
        metric("auc_high")?
    ));
    Ok(())
}

#[tokio::test]
async fn serving_gives_the_calibrated_score_and_the_raw_margin() -> Result<()> {
    let engine = Engine::start()?;
    let client = engine.client()?;
    let (labels, x) = drawn(900, 1);
    load(
        &client,
        "people",
        &labels,
        vec![("x", x, v1::Role::Unspecified)],
    )
    .await?;
    for (id, method) in [
        ("platt", v1::Calibration::Platt),
        ("isotonic", v1::Calibration::Isotonic),
        ("none", v1::Calibration::None),
    ] {
        let mut spec = evaluated(
            work::spec("churn.logistic", "customers", "people"),
            v1::Evaluation {
                calibration: method.into(),
                ..v1::Evaluation::default()
            },
        );
        spec.write_back = true;
        let job = work::run(&client, id, spec).await?;
        let request = v1::GetModelRequest {
            name: job.models[0].clone(),
        };
        let model = client.get_model(request).await?.model.context("a model")?;
        assert_eq!(model.judged_sha256.len(), 64);
        let curve: Value = match model.calibration_json.as_str() {
            "" => Value::Null,
            json => serde_json::from_str(json)?,
        };
        assert_eq!(
            curve["method"].as_str(),
            (id != "none").then_some(id),
            "{curve}"
        );
        let calibrated = |margin: f64| -> Result<f64> {
            let logistic = |x: f64| 1.0 / (1.0 + (-x).exp());
            Ok(match id {
                "none" => logistic(margin),
                "platt" => {
                    let slope = curve["slope"].as_f64().context("a slope")?;
                    logistic(slope * margin + curve["intercept"].as_f64().context("one")?)
                }
                _ => {
                    let knots: Vec<(f64, f64)> = serde_json::from_value(curve["knots"].clone())?;
                    let after = knots.iter().position(|knot| knot.0 >= margin);
                    match after {
                        None => knots.last().context("knots")?.1,
                        Some(0) => knots[0].1,
                        Some(at) => {
                            let ((x0, y0), (x1, y1)) = (knots[at - 1], knots[at]);
                            y0 + (y1 - y0) * (margin - x0) / (x1 - x0)
                        }
                    }
                }
            })
        };
        let customers: Vec<String> = (0..40).map(|n| format!("c{n}")).collect();
        let request = v1::ScoreRequest {
            model: job.models[0].clone(),
            customers: customers.clone(),
            explain: true,
            ..v1::ScoreRequest::default()
        };
        let output = work::output_of(&client, &job, "scores").await?;
        let ids = wire::texts(&output, "customer_id")?;
        let values = wire::numbers(&output, "score")?;
        for result in client.score(request).await?.results {
            let expected = calibrated(result.margin)?;
            assert!(
                (result.score - expected).abs() < 1e-12,
                "{id}: {result:?} {expected}"
            );
            let total: f64 = result
                .reasons
                .iter()
                .map(|reason| reason.contribution)
                .sum();
            assert!(
                (result.base + total - result.margin).abs() < 1e-9,
                "{result:?}"
            );
            // The job's own output and what was written back say the same.
            let at = ids
                .iter()
                .position(|id| *id == result.customer)
                .context("a row")?;
            assert!(
                (values[at] - result.score).abs() < 1e-12,
                "{id}: {result:?}"
            );
            let request = v1::GetCustomerRequest {
                name: format!("{}/customers/{}", wire::TENANT, result.customer),
                ..v1::GetCustomerRequest::default()
            };
            let found = client
                .get_customer(request)
                .await?
                .customer
                .context("answers")?;
            let tag = found
                .tags
                .iter()
                .find(|tag| tag.kind() == v1::TagKind::Score);
            let Some(Kind::DoubleValue(written)) = tag
                .and_then(|tag| tag.value.clone())
                .and_then(|value| value.kind)
            else {
                anyhow::bail!("no score was written onto {}", result.customer);
            };
            assert!(
                (written - result.score).abs() < 1e-12,
                "{id}: {result:?} {written}"
            );
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_shuffled_label_shows_nothing_and_a_planted_one_is_called_out() -> Result<()> {
    let engine = Engine::start()?;
    let client = engine.client()?;
    let (labels, x) = drawn(1500, 2);
    let mut draws = Draws(77);
    let shuffled: Vec<bool> = labels.iter().map(|_| draws.next() < 0.3).collect();
    let columns = vec![("x", x.clone(), v1::Role::Unspecified)];
    load(&client, "shuffled", &shuffled, columns).await?;
    let job = work::run(
        &client,
        "s",
        work::spec("churn.logistic", "customers", "shuffled"),
    )
    .await?;
    let (low, high) = (
        work::metric(&job, "auc_low")?,
        work::metric(&job, "auc_high")?,
    );
    assert!(low < 0.5 && 0.5 < high, "{low} to {high}");
    assert!(warnings(&client, "s").await?.is_empty());

    // The day on which the account was closed is known of those who left alone.
    let closed = labels
        .iter()
        .map(|left| if *left { 100.0 + draws.next() } else { 0.0 });
    let columns = vec![
        ("x", x, v1::Role::Unspecified),
        ("closed", closed.collect(), v1::Role::Unspecified),
    ];
    load(&client, "planted", &labels, columns).await?;
    let spec = work::spec("churn.logistic", "customers", "planted");
    work::run(&client, "p", spec).await?;
    let said = warnings(&client, "p").await?;
    assert!(
        said.iter().any(|words| words.contains("\"closed\"")),
        "{said:?}"
    );
    assert!(
        !said.iter().any(|words| words.contains("\"x\"")),
        "{said:?}"
    );
    assert!(
        said.iter().any(|words| words.starts_with("an AUC of")),
        "{said:?}"
    );
    Ok(())
}

#[tokio::test]
async fn a_row_of_weight_three_is_three_rows() -> Result<()> {
    let engine = Engine::start()?;
    let client = engine.client()?;
    let (labels, x) = drawn(800, 3);
    let noise: Vec<bool> = (0..800).map(|n| n % 2 == 0).collect();
    // Rows of weight 0 have labels that mean nothing: they must not be seen in the numbers.
    let mixed: Vec<bool> = (0..800)
        .map(|n| if n % 2 == 0 { labels[n] } else { noise[n / 2] })
        .collect();
    let weights: Vec<f64> = (0..800)
        .map(|n| if n % 2 == 0 { 3.0 } else { 0.0 })
        .collect();
    let columns = vec![
        ("x", x.clone(), v1::Role::Unspecified),
        ("counts", weights, v1::Role::Weight),
    ];
    load(&client, "weighted", &mixed, columns).await?;
    let even = |n: &usize| n.is_multiple_of(2);
    let kept: Vec<bool> = (0..800).filter(even).map(|n| labels[n]).collect();
    let kept_x: Vec<f64> = (0..800).filter(even).map(|n| x[n]).collect();
    load(
        &client,
        "kept",
        &kept,
        vec![("x", kept_x, v1::Role::Unspecified)],
    )
    .await?;
    let weighted = work::run(
        &client,
        "w",
        work::spec("churn.logistic", "customers", "weighted"),
    )
    .await?;
    let plain = work::run(
        &client,
        "k",
        work::spec("churn.logistic", "customers", "kept"),
    )
    .await?;
    let (auc, other) = (
        work::metric(&weighted, "auc")?,
        work::metric(&plain, "auc")?,
    );
    assert!(
        (auc - other).abs() < 0.02,
        "{auc} with weights, {other} without the others"
    );

    let mut bad = vec![1.0; 800];
    bad[5] = -1.0;
    let columns = vec![
        ("x", x, v1::Role::Unspecified),
        ("counts", bad, v1::Role::Weight),
    ];
    load(&client, "negative", &mixed, columns).await?;
    let spec = work::spec("churn.logistic", "customers", "negative");
    let job = work::run_to_end(&client, "n", spec).await?;
    let error = job.error.context("weights below 0 are refused")?;
    assert_eq!(error.reason, "WEIGHT_INVALID", "{}", error.message);
    Ok(())
}

#[tokio::test]
async fn a_label_of_one_value_is_refused_by_its_name() -> Result<()> {
    let engine = Engine::start()?;
    let client = engine.client()?;
    let x = (0..60).map(f64::from).collect();
    let columns = vec![("x", x, v1::Role::Unspecified)];
    load(&client, "stayed", &[false; 60], columns).await?;
    let spec = work::spec("churn.logistic", "customers", "stayed");
    let failed = work::run_to_end(&client, "stayed", spec).await?;
    let error = failed.error.context("it fails")?;
    let words =
        r#"label column "left": expected a label with exactly two values, found the values ["no"]"#;
    assert_eq!(error.message, words);
    Ok(())
}

#[tokio::test]
async fn a_way_of_judging_without_a_meaning_is_refused() -> Result<()> {
    let engine = Engine::start()?;
    let client = engine.client()?;
    let (labels, x) = drawn(100, 4);
    load(
        &client,
        "people",
        &labels,
        vec![("x", x, v1::Role::Unspecified)],
    )
    .await?;
    let default = v1::Evaluation::default;
    let wrong: BTreeMap<&str, v1::Evaluation> = BTreeMap::from([
        (
            "threshold",
            v1::Evaluation {
                threshold: Some(1.5),
                ..default()
            },
        ),
        (
            "budget",
            v1::Evaluation {
                budget: Some(0.0),
                ..default()
            },
        ),
        (
            "cost_per_contact",
            v1::Evaluation {
                cost_per_contact: -1.0,
                ..default()
            },
        ),
        (
            "value_per_positive",
            v1::Evaluation {
                value_per_positive: f64::NAN,
                ..default()
            },
        ),
        (
            "test_dates",
            v1::Evaluation {
                test_dates: 1000,
                ..default()
            },
        ),
        (
            "calibration",
            v1::Evaluation {
                calibration: 9,
                ..default()
            },
        ),
    ]);
    for (field, evaluation) in wrong {
        let spec = evaluated(
            work::spec("churn.logistic", "customers", "people"),
            evaluation,
        );
        let error = work::create(&client, field, spec).await.expect_err(field);
        let words = error.to_string();
        assert!(words.contains("expected"), "{field}: {words}");
    }
    Ok(())
}

#[tokio::test]
async fn a_time_is_judged_by_the_chance_at_its_horizon() -> Result<()> {
    let engine = Engine::start()?;
    let client = engine.client()?;
    let mut draws = Draws(21);
    let (mut left, mut months, mut x) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..700 {
        let risk = 4.0 * draws.next() - 2.0;
        let time = -(1.0 - draws.next()).ln() * 20.0 * (-risk).exp();
        let watched = 36.0 * draws.next();
        left.push(time <= watched);
        months.push(time.min(watched).ceil());
        x.push(risk);
    }
    let columns = vec![
        ("x", x, v1::Role::Unspecified),
        ("months", months, v1::Role::Duration),
    ];
    load(&client, "people", &left, columns).await?;
    let mut spec = work::spec("churn.cox", "customers", "people");
    spec.params.insert("horizon".to_owned(), work::int(12));
    let job = work::run(&client, "cox", spec).await?;
    let c = work::metric(&job, "concordance")?;
    let (low, high) = (
        work::metric(&job, "concordance_low")?,
        work::metric(&job, "concordance_high")?,
    );
    assert!(c > 0.7 && low < c && c < high, "{low} {c} {high}");
    assert!(work::metric(&job, "brier_at_horizon")? < 0.2);
    assert!(work::metric(&job, "calibration_error")? < 0.12);
    let bins = work::output_of(&client, &job, "evaluation").await?;
    let observed = wire::numbers(&bins, "observed")?;
    assert_eq!(observed.len(), 10);
    assert!(observed[9] > observed[0] + 0.4, "{observed:?}");
    let scores = work::output_of(&client, &job, "evaluation_scores").await?;
    assert_eq!(wire::numbers(&scores, "duration")?.len(), 700);
    Ok(())
}
