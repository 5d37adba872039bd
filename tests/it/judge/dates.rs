//! A training set is judged on its last dates, each behind what was known by then.
//!
//! The shop is made up: 300 customers who buy for 400 days, each at a pace of his own, until some
//! day on which he stops.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use anyhow::Context as _;
use anyhow::Result;
use arrow_array::BooleanArray;
use arrow_array::cast::AsArray as _;
use arrow_array::types::TimestampMicrosecondType;
use lode_client::Client;
use lode_proto::v1;
use lode_proto::v1::input_ref::Source;
use lode_tests::Columns;
use lode_tests::Engine;
use lode_tests::settings;
use lode_tests::wire;
use lode_tests::work;

use super::Draws;
use super::warnings;

const DAY: i64 = 86_400_000_000;
/// 2024-01-01.
const START: i64 = 19_723 * DAY;

const VIEW: &str = r#"{
  "events": ["sales"],
  "features": [
    {"name": "recency", "kind": "recency"},
    {"name": "n", "kind": "frequency"},
    {"name": "n_60d", "kind": "window", "params": {"window": "60d", "stat": "count"}},
    {"name": "spend", "kind": "monetary"}
  ]
}"#;

async fn load_shop(client: &Client) -> Result<()> {
    let mut draws = Draws(12);
    let (mut who, mut when, mut paid) = (Vec::new(), Vec::new(), Vec::new());
    for customer in 0..300 {
        let pace = 6.0 + 30.0 * draws.next();
        let stops = 100.0 + 600.0 * draws.next();
        let mut day = if customer % 4 == 0 {
            300.0 * draws.next()
        } else {
            30.0 * draws.next()
        };
        while day < stops.min(400.0) {
            who.push(format!("c{customer}"));
            when.push(START + (day * DAY as f64) as i64);
            paid.push(5.0 + 20.0 * draws.next());
            day += -pace * (1.0 - draws.next()).ln();
        }
    }
    Columns::of_events(("customer", who), ("time", when))
        .number("amount", paid)
        .role(v1::Role::Amount)
        .load(client, "sales", v1::DatasetKind::Events)
        .await?;
    let request = v1::CreateFeatureViewRequest {
        parent: wire::TENANT.to_owned(),
        feature_view_id: "habits".to_owned(),
        declaration: Some(v1::create_feature_view_request::Declaration::Json(
            VIEW.to_owned(),
        )),
        validate_only: false,
    };
    client.create_feature_view(request).await?;
    Ok(())
}

/// Who does not buy within 60 days, or how much who buys spends.
fn spec(algorithm: &str, kind: v1::LabelKind) -> v1::JobSpec {
    let set = v1::TrainingSet {
        feature_view: format!("{}/featureViews/habits", wire::TENANT),
        rolling: Some(v1::RollingPlan {
            every: "30d".to_owned(),
            dates: 9,
            ..v1::RollingPlan::default()
        }),
        horizon: "60d".to_owned(),
        label: Some(v1::Label {
            kind: kind.into(),
            ..v1::Label::default()
        }),
        ..v1::TrainingSet::default()
    };
    let input = v1::InputRef {
        source: Some(Source::TrainingSet(set)),
        ..v1::InputRef::default()
    };
    v1::JobSpec {
        algorithm: format!("algorithms/{algorithm}"),
        inputs: BTreeMap::from([("customers".to_owned(), input)]),
        seed: 1,
        ..v1::JobSpec::default()
    }
}

/// The values of a column of a summary, by group and measure.
async fn summary(client: &Client, job: &v1::Job) -> Result<BTreeMap<(String, String), f64>> {
    let rows = work::output_of(client, job, "evaluation_summary").await?;
    let groups = wire::texts(&rows, "group")?;
    let measures = wire::texts(&rows, "measure")?;
    let values = wire::numbers(&rows, "value")?;
    Ok(groups.into_iter().zip(measures).zip(values).collect())
}

#[tokio::test]
async fn the_last_dates_judge_and_each_is_told_apart() -> Result<()> {
    let engine = Engine::start()?;
    let client = engine.client()?;
    load_shop(&client).await?;
    let job = work::run(
        &client,
        "churn",
        spec("churn.logistic", v1::LabelKind::NoEvent),
    )
    .await?;
    assert!(
        (work::metric(&job, "test_dates")? - 3.0).abs() < 1e-9,
        "{:?}",
        job.metrics
    );
    let auc = work::metric(&job, "auc")?;
    assert!(auc > 0.75, "{auc}");
    assert!(work::metric(&job, "auc_low")? < auc && work::metric(&job, "auc_sd")? < 0.15);
    assert!(warnings(&client, "churn").await?.is_empty());

    // The held-out rows are those of the last three dates, and their sums are the report's.
    let scores = work::output_of(&client, &job, "evaluation_scores").await?;
    let mut by_date: BTreeMap<i64, Vec<(f64, bool, bool)>> = BTreeMap::new();
    for batch in &scores {
        let column = |name: &str| batch.column_by_name(name).with_context(|| name.to_owned());
        let dates = column("as_of")?.as_primitive::<TimestampMicrosecondType>();
        let margins = column("margin")?.as_primitive::<arrow_array::types::Float64Type>();
        let labels = column("label")?.as_primitive::<arrow_array::types::Float64Type>();
        let is_new: &BooleanArray = column("is_new")?.as_boolean();
        for row in 0..batch.num_rows() {
            by_date.entry(dates.value(row)).or_default().push((
                margins.value(row),
                labels.value(row) > 0.5,
                is_new.value(row),
            ));
        }
    }
    let dates: Vec<i64> = by_date.keys().copied().collect();
    assert_eq!(dates.len(), 3);
    assert!(dates.windows(2).all(|pair| pair[1] - pair[0] == 30 * DAY));
    let found = summary(&client, &job).await?;
    let value = |group: &str, measure: &str| {
        let key = (group.to_owned(), measure.to_owned());
        found
            .get(&key)
            .copied()
            .with_context(|| format!("no {measure} of {group}"))
    };
    let rows: Vec<(f64, bool, bool)> = by_date.values().flatten().copied().collect();
    assert!((value("all", "auc")? - share_in_order(&rows)).abs() < 1e-9);
    assert!((auc - value("all", "auc")?).abs() < 1e-12);
    let groups: BTreeSet<&str> = found.keys().map(|(group, _)| group.as_str()).collect();
    let mut of_dates = groups.iter().filter(|group| group.starts_with("20"));
    for rows in by_date.values() {
        let group = of_dates.next().context("a group for each date")?;
        assert!(
            (value(group, "auc")? - share_in_order(rows)).abs() < 1e-9,
            "{group}"
        );
    }
    for (group, wanted) in [("new", true), ("old", false)] {
        let rows: Vec<_> = rows.iter().filter(|row| row.2 == wanted).copied().collect();
        if rows.iter().any(|row| row.1) && rows.iter().any(|row| !row.1) {
            assert!(
                (value(group, "auc")? - share_in_order(&rows)).abs() < 1e-9,
                "{group}"
            );
        }
    }
    settings::say(&format!(
        "judge: three later dates of a made-up shop, AUC {auc:.4}"
    ));

    // What the engine keeps for itself is nothing that the plugin could learn from.
    let coefficients = work::output_of(&client, &job, "coefficients").await?;
    let features: BTreeSet<String> = wire::texts(&coefficients, "feature")?.into_iter().collect();
    for feature in &features {
        let known = ["(intercept)", "recency", "n", "n_60d", "spend"];
        assert!(known.contains(&feature.as_str()), "{features:?}");
    }

    // More dates may be asked for; fewer too.
    let mut one = spec("churn.logistic", v1::LabelKind::NoEvent);
    one.evaluation = Some(v1::Evaluation {
        test_dates: 1,
        ..v1::Evaluation::default()
    });
    let job = work::run(&client, "one", one).await?;
    assert!((work::metric(&job, "test_dates")? - 1.0).abs() < 1e-9);
    Ok(())
}

#[tokio::test]
async fn amounts_are_judged_on_later_dates() -> Result<()> {
    let engine = Engine::start()?;
    let client = engine.client()?;
    load_shop(&client).await?;
    let job = work::run(&client, "value", spec("value.linear", v1::LabelKind::Sum)).await?;
    assert!(work::metric(&job, "spearman")? > 0.4, "{:?}", job.metrics);
    let (low, rmse) = (work::metric(&job, "rmse_low")?, work::metric(&job, "rmse")?);
    assert!(low < rmse && rmse < work::metric(&job, "rmse_high")?);
    let deciles = work::output_of(&client, &job, "evaluation").await?;
    let predicted = wire::numbers(&deciles, "predicted")?;
    let actual = wire::numbers(&deciles, "actual")?;
    assert_eq!(predicted.len(), 10);
    assert!(
        predicted[0] > predicted[9] && actual[0] > actual[9],
        "{predicted:?} {actual:?}"
    );
    let scores = work::output_of(&client, &job, "evaluation_scores").await?;
    let labels = wire::numbers(&scores, "label")?;
    let total: f64 = labels.iter().sum();
    assert!((actual.iter().sum::<f64>() - total).abs() < 1e-6 * total);
    Ok(())
}

/// The AUC in the plainest way: over all pairs.
fn share_in_order(rows: &[(f64, bool, bool)]) -> f64 {
    let of = |wanted: bool| rows.iter().filter(move |row| row.1 == wanted);
    let (mut right, mut pairs) = (0.0, 0.0);
    for high in of(true) {
        for low in of(false) {
            pairs += 1.0;
            right += match high.0.total_cmp(&low.0) {
                std::cmp::Ordering::Greater => 1.0,
                std::cmp::Ordering::Equal => 0.5,
                std::cmp::Ordering::Less => 0.0,
            };
        }
    }
    right / pairs
}
