//! The search for parameters: what it finds, that it finds it again, and what it refuses.
//!
//! The algorithms are those of `tests/plugins/knob`, whose best parameters are known.

mod dates;

use std::collections::BTreeMap;

use anyhow::Result;
use arrow_array::Array as _;
use arrow_array::cast::AsArray as _;
use lode_client::Client;
use lode_proto::v1;
use lode_tests::Columns;
use lode_tests::Engine;
use lode_tests::Setup;
use lode_tests::settings;
use lode_tests::wire;
use lode_tests::work;

const N_CUSTOMERS: usize = 400;

/// An engine whose knobs turn as the tests know, with customers of whom those with a signal leave
/// four times out of five.
async fn people() -> Result<(Engine, Client)> {
    let engine = Engine::with(Setup {
        plugins: Some(settings::faulty_plugins()),
        ..Setup::default()
    })?;
    let client = engine.client()?;
    let all = || 0..N_CUSTOMERS;
    let signal = |n: usize| n.is_multiple_of(3);
    let left = all().map(|n| match signal(n) == (n / 3 % 5 != 4) {
        true => "yes",
        false => "no",
    });
    Columns::of_customers("customer", all().map(|n| format!("c{n}")))
        .number("signal", all().map(|n| if signal(n) { 1.0 } else { 0.0 }))
        .text("left", left)
        .role(v1::Role::Label)
        .load(&client, "people", v1::DatasetKind::Customers)
        .await?;
    Ok((engine, client))
}

fn spec(algorithm: &str, tuning: v1::Tuning) -> v1::JobSpec {
    let mut spec = work::spec(algorithm, "customers", "people");
    spec.tuning = Some(tuning);
    spec
}

fn trials(max_trials: u32) -> v1::Tuning {
    v1::Tuning {
        max_trials,
        ..v1::Tuning::default()
    }
}

fn algorithms(names: &[&str]) -> Vec<String> {
    names
        .iter()
        .map(|name| format!("algorithms/{name}"))
        .collect()
}

/// A line of the leaderboard.
#[derive(Clone, Debug, PartialEq)]
struct Line {
    trial: f64,
    algorithm: String,
    params: BTreeMap<String, serde_json::Value>,
    value: Option<f64>,
    splits: f64,
    state: String,
    error: String,
}

async fn leaderboard(client: &Client, job: &v1::Job) -> Result<Vec<Line>> {
    let rows = work::output_of(client, job, "leaderboard").await?;
    let mut lines = Vec::new();
    for batch in &rows {
        let text = |name: &str, row: usize| {
            let column = batch.column_by_name(name).expect("it is there");
            let column = column.as_string::<i32>();
            column.is_valid(row).then(|| column.value(row).to_owned())
        };
        let number = |name: &str, row: usize| {
            let column = batch.column_by_name(name).expect("it is there");
            let column = arrow_cast::cast(column, &arrow_schema::DataType::Float64);
            let column = column.expect("a number");
            let column = column.as_primitive::<arrow_array::types::Float64Type>();
            column.is_valid(row).then(|| column.value(row))
        };
        for row in 0..batch.num_rows() {
            assert_eq!(number("rank", row), Some((lines.len() + 1) as f64));
            assert!(number("seconds", row) >= Some(0.0));
            lines.push(Line {
                trial: number("trial", row).expect("a number"),
                algorithm: text("algorithm", row).expect("a name"),
                params: serde_json::from_str(&text("params", row).expect("params"))?,
                value: number("value", row),
                splits: number("splits", row).expect("a number"),
                state: text("state", row).expect("a state"),
                error: text("error", row).unwrap_or_default(),
            });
        }
    }
    Ok(lines)
}

async fn model(client: &Client, job: &v1::Job) -> Result<v1::Model> {
    let request = v1::GetModelRequest {
        name: job.models[0].clone(),
    };
    Ok(client.get_model(request).await?.model.unwrap_or_default())
}

fn refusal(error: &lode_client::Error) -> (String, String) {
    let refusal = error.refusal().expect("the engine answers");
    (refusal.reason.clone(), refusal.field.clone())
}

#[tokio::test]
async fn a_planted_parameter_is_found_and_found_again() -> Result<()> {
    let (_engine, client) = people().await?;
    let job = work::run(&client, "first", spec("churn.knob", trials(30))).await?;
    let lines = leaderboard(&client, &job).await?;
    assert_eq!(lines.len(), 30);
    assert_eq!(lines[0].params["turn"], 13, "{:?}", lines[0]);
    // The defaults are the first trial.
    let first = lines.iter().find(|line| line.trial < 1.5);
    assert_eq!(first.expect("a first trial").params["turn"], 0);
    // No setting is tried twice, the broken ones are told and cost nothing else.
    let settings = lines.iter().map(|line| format!("{:?}", line.params));
    assert_eq!(
        settings.collect::<std::collections::BTreeSet<_>>().len(),
        30
    );
    for line in &lines {
        let turn = line.params["turn"].as_u64().expect("a number");
        assert_eq!(line.state == "failed", [3, 4].contains(&turn), "{line:?}");
        assert_eq!(
            line.error.contains("the knob is broken"),
            line.state == "failed"
        );
        assert_eq!(line.state == "judged", line.splits > 4.5, "{line:?}");
    }
    let judged: Vec<f64> = lines
        .iter()
        .filter(|line| line.state == "judged")
        .filter_map(|line| line.value)
        .collect();
    assert!(judged.is_sorted(), "{judged:?}");
    let best = work::metric(&job, "tuning_best_log_loss")?;
    assert!(best < work::metric(&job, "tuning_default_log_loss")? - 0.05);
    assert!((best - judged[0]).abs() < 1e-12);

    // What won is what made the model, and repeats it without a search.
    let provenance = job.provenance.clone().unwrap_or_default();
    assert_eq!(provenance.algorithm, "algorithms/churn.knob");
    let params: serde_json::Value = serde_json::from_str(&provenance.params_json)?;
    assert_eq!(params["turn"], 13);
    let mut repeat = work::spec("churn.knob", "customers", "people");
    repeat.params.insert("turn".to_owned(), work::int(13));
    let color = params["color"].as_str().expect("a word");
    repeat.params.insert("color".to_owned(), work::text(color));
    let repeat = work::run(&client, "repeat", repeat).await?;
    let (tuned, plain) = (model(&client, &job).await?, model(&client, &repeat).await?);
    assert_eq!(tuned.sha256, plain.sha256);
    assert_eq!(
        tuned.provenance.unwrap_or_default().params_json,
        provenance.params_json
    );

    // The same job once more has the same leaderboard but for its seconds; another seed has not.
    let again = work::run(&client, "again", spec("churn.knob", trials(30))).await?;
    assert_eq!(leaderboard(&client, &again).await?, lines);
    let mut other = spec("churn.knob", trials(30));
    other.seed = 2;
    let other = work::run(&client, "other", other).await?;
    assert_ne!(leaderboard(&client, &other).await?, lines);
    Ok(())
}

#[tokio::test]
async fn the_final_judging_is_of_rows_that_the_search_did_not_see() -> Result<()> {
    let (_engine, client) = people().await?;
    let plain = work::spec("churn.knob", "customers", "people");
    let plain = work::run(&client, "plain", plain).await?;
    let tuned = work::run(&client, "tuned", spec("churn.knob", trials(5))).await?;
    let scores = |job: v1::Job| {
        let client = client.clone();
        async move {
            let rows = work::output_of(&client, &job, "evaluation_scores").await?;
            let ids = wire::texts(&rows, "customer_id")?;
            let folds = rows.iter().flat_map(|batch| {
                let folds = batch.column_by_name("fold").expect("it is there");
                let folds = folds.as_primitive::<arrow_array::types::Int64Type>();
                folds.values().to_vec()
            });
            anyhow::Ok(
                ids.into_iter()
                    .zip(folds)
                    .collect::<BTreeMap<String, i64>>(),
            )
        }
    };
    let (of_plain, of_tuned) = (scores(plain).await?, scores(tuned.clone()).await?);
    assert_eq!(of_plain.len(), N_CUSTOMERS);
    // A fifth: the first of the folds that a job without a search is judged by.
    assert!(
        of_tuned.len().abs_diff(N_CUSTOMERS / 5) <= 2,
        "{}",
        of_tuned.len()
    );
    let first: Vec<&String> = of_plain
        .iter()
        .filter(|(_, fold)| **fold == 1)
        .map(|(id, _)| id)
        .collect();
    assert_eq!(of_tuned.keys().collect::<Vec<_>>(), first);
    assert!((work::metric(&tuned, "evaluated_rows")? - of_tuned.len() as f64).abs() < 0.5);
    Ok(())
}

#[tokio::test]
async fn the_better_algorithm_wins() -> Result<()> {
    let (_engine, client) = people().await?;
    let tuning = v1::Tuning {
        algorithms: algorithms(&["churn.knob-broken", "churn.knob-fixed", "churn.knob-better"]),
        measure: "brier".to_owned(),
        ..trials(40)
    };
    let mut spec = spec("churn.knob", tuning);
    // What is given is not searched; what another algorithm does not have is not said of it.
    spec.params.insert("color".to_owned(), work::text("green"));
    let job = work::run(&client, "several", spec.clone()).await?;
    let lines = leaderboard(&client, &job).await?;
    let provenance = job.provenance.clone().unwrap_or_default();
    assert_eq!(
        provenance.algorithm, "algorithms/churn.knob-better",
        "{lines:?}"
    );
    assert_eq!(
        job.spec.unwrap_or_default().algorithm,
        "algorithms/churn.knob"
    );
    let made = model(
        &client,
        &v1::Job {
            models: job.models,
            ..v1::Job::default()
        },
    )
    .await?;
    assert_eq!(made.algorithm, "algorithms/churn.knob-better");
    let params: serde_json::Value = serde_json::from_str(&provenance.params_json)?;
    assert_eq!(
        (&params["turn"], &params["color"]),
        (&6.into(), &"green".into())
    );
    // Each has a trial with its defaults, in the order in which they were named.
    let defaults = lines.iter().filter(|line| line.trial < 4.5);
    let mut defaults: Vec<(u64, &str)> = defaults
        .map(|line| (line.trial as u64, line.algorithm.as_str()))
        .collect();
    defaults.sort_unstable();
    let named = [
        "churn.knob",
        "churn.knob-broken",
        "churn.knob-fixed",
        "churn.knob-better",
    ];
    assert_eq!(defaults, (1..).zip(named).collect::<Vec<_>>());
    // Without a hint there is nothing but the defaults.
    let fixed = lines
        .iter()
        .filter(|line| line.algorithm == "churn.knob-fixed");
    assert_eq!(fixed.count(), 1);
    // A model that the better algorithm made is served as any other.
    let request = v1::ScoreRequest {
        model: made.name,
        customers: vec!["c0".to_owned(), "c1".to_owned()],
        ..v1::ScoreRequest::default()
    };
    let results = client.score(request).await?.results;
    assert!(results[0].score > results[1].score, "{results:?}");
    Ok(())
}

#[tokio::test]
async fn a_search_that_cannot_be_is_refused_with_its_field() -> Result<()> {
    let (_engine, client) = people().await?;
    let measure = |name: &str| v1::Tuning {
        measure: name.to_owned(),
        ..trials(5)
    };
    let with = |names: &[&str]| v1::Tuning {
        algorithms: algorithms(names),
        ..trials(5)
    };
    let seconds = |seconds| v1::Tuning {
        time_budget: Some(prost_types::Duration { seconds, nanos: 0 }),
        ..v1::Tuning::default()
    };
    let cases = [
        (
            "churn.knob",
            measure("rmse"),
            "OUT_OF_RANGE",
            "spec.tuning.measure",
        ),
        (
            "churn.knob",
            measure("AUC"),
            "OUT_OF_RANGE",
            "spec.tuning.measure",
        ),
        (
            "churn.knob",
            trials(201),
            "OUT_OF_RANGE",
            "spec.tuning.max_trials",
        ),
        (
            "churn.knob",
            v1::Tuning {
                max_trials: 1,
                ..with(&["churn.knob-better"])
            },
            "OUT_OF_RANGE",
            "spec.tuning.max_trials",
        ),
        (
            "churn.knob",
            seconds(0),
            "INVALID_FIELD",
            "spec.tuning.time_budget",
        ),
        (
            "churn.knob",
            seconds(-1),
            "INVALID_FIELD",
            "spec.tuning.time_budget",
        ),
        (
            "churn.knob",
            seconds(100_000),
            "OUT_OF_RANGE",
            "spec.tuning.time_budget",
        ),
        (
            "churn.knob",
            with(&["churn.none"]),
            "ALGORITHM_NOT_FOUND",
            "spec.tuning.algorithms",
        ),
        (
            "churn.knob",
            with(&["faulty.fit"]),
            "WRONG_ALGORITHM",
            "spec.tuning.algorithms",
        ),
        (
            "churn.knob",
            with(&["churn.knob"]),
            "ALGORITHM_REPEATED",
            "spec.tuning.algorithms",
        ),
        (
            "churn.knob-wrong",
            trials(5),
            "TUNE_HINT_INVALID",
            "spec.params.turn",
        ),
        (
            "churn.knob",
            with(&["churn.knob-wrong"]),
            "TUNE_HINT_INVALID",
            "spec.params.turn",
        ),
        (
            "churn.knob-fixed",
            trials(5),
            "NOTHING_TO_TUNE",
            "spec.tuning",
        ),
    ];
    for (algorithm, tuning, reason, field) in cases {
        let words = format!("{algorithm} {tuning:?}");
        let error = work::create(&client, "refused", spec(algorithm, tuning)).await;
        let found = refusal(&error.expect_err(&words));
        assert_eq!(found, (reason.to_owned(), field.to_owned()), "{words}");
    }
    let mut no_label = work::spec("faulty.fit", "rows", "people");
    no_label.tuning = Some(trials(5));
    let error = work::create(&client, "refused", no_label).await;
    let error = error.expect_err("it has no label");
    assert_eq!(
        refusal(&error),
        ("NOT_TUNABLE".into(), "spec.tuning".into())
    );
    Ok(())
}

#[tokio::test]
async fn a_search_heeds_time_deadline_and_cancel() -> Result<()> {
    let (_engine, client) = people().await?;
    let slow = |wait_ms: i64, tuning: v1::Tuning| {
        let mut spec = spec("churn.knob", tuning);
        spec.params.insert("wait_ms".to_owned(), work::int(wait_ms));
        spec
    };
    // Some seconds are enough for a few trials and not for many; the best of them is kept.
    let seconds = v1::Tuning {
        time_budget: Some(prost_types::Duration {
            seconds: 3,
            nanos: 0,
        }),
        ..v1::Tuning::default()
    };
    let job = work::run(&client, "timed", slow(100, seconds)).await?;
    let made = leaderboard(&client, &job).await?.len();
    assert!((2..60).contains(&made), "{made}");

    let mut late = slow(1_000, trials(50));
    late.limits = Some(v1::JobLimits {
        timeout: Some(prost_types::Duration {
            seconds: 2,
            nanos: 0,
        }),
        ..v1::JobLimits::default()
    });
    let job = work::run_to_end(&client, "late", late).await?;
    assert_eq!(job.state(), v1::JobState::Failed);
    assert_eq!(
        job.error.unwrap_or_default().reason,
        "JOB_DEADLINE_EXCEEDED"
    );

    work::create(&client, "stopped", slow(50, trials(200))).await?;
    loop {
        let job = work::get(&client, "stopped").await?;
        if job
            .progress
            .unwrap_or_default()
            .stage
            .starts_with("trial 2")
        {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let request = v1::CancelJobRequest {
        name: wire::job("stopped"),
    };
    client.cancel_job(request).await?;
    let (job, _) = work::watch(&client, "stopped").await?;
    assert_eq!(job.state(), v1::JobState::Cancelled);
    assert!(job.outputs.is_empty() && job.models.is_empty());
    Ok(())
}

#[tokio::test]
async fn all_trials_that_fail_fail_the_job() -> Result<()> {
    let (_engine, client) = people().await?;
    let mut spec = spec("churn.knob", trials(2));
    spec.params.insert("turn".to_owned(), work::int(3));
    let job = work::run_to_end(&client, "broken", spec).await?;
    assert_eq!(job.state(), v1::JobState::Failed);
    let error = job.error.unwrap_or_default();
    assert!(
        error.message.contains("the knob is broken at 3"),
        "{error:?}"
    );
    Ok(())
}
