//! Batches that cannot be: each is refused when it is created, with the field and what was found.

use anyhow::Context as _;
use anyhow::Result;
use arrow_array::RecordBatch;
use lode_proto::v1;
use lode_tests::Columns;
use lode_tests::wire;
use lode_tests::work;

use super::Operator;
use super::load_actions;

struct Refused {
    what: &'static str,
    spec: v1::JobSpec,
    reason: &'static str,
    field: &'static str,
    words: &'static [&'static str],
}

#[tokio::test]
async fn wrong_batches_are_refused_with_field_and_words() -> Result<()> {
    let operator = Operator::new().await?;
    let client = &operator.client;
    load_actions(
        client,
        "no_action",
        &[("feature", &["age"]), ("what", &["call"])],
    )
    .await?;
    load_actions(
        client,
        "bad_condition",
        &[
            ("feature", &["age", "age"]),
            ("condition", &["above 3", "more than 3"]),
            ("action", &["a", "b"]),
        ],
    )
    .await?;
    load_actions(
        client,
        "number_of_words",
        &[
            ("feature", &["tariff"]),
            ("condition", &["above 3"]),
            ("action", &["a"]),
        ],
    )
    .await?;
    let few = Columns::of_customers("id", ["t000001"]);
    few.load(client, "few", v1::DatasetKind::Customers).await?;
    let k = work::spec("segment.kmeans", "customers", "telecom");
    let segments = work::run(client, "segments", k).await?;

    let with = |change: &dyn Fn(&mut v1::BatchScore)| operator.spec_with(change);
    let list = |change: &dyn Fn(&mut v1::ContactList)| {
        let mut list = v1::ContactList::default();
        change(&mut list);
        operator.spec_with(|batch| batch.contacts = Some(list))
    };
    let model = |name: &str| with(&|batch| batch.model = format!("{}/models/{name}", wire::TENANT));
    let also = |change: &dyn Fn(&mut v1::JobSpec)| {
        let mut spec = operator.spec();
        change(&mut spec);
        spec
    };
    let cases = [
        Refused {
            what: "a model that is not there",
            spec: model("nobody"),
            reason: "MODEL_NOT_FOUND",
            field: "spec.batch_score.model",
            words: &["nobody"],
        },
        Refused {
            what: "an alias that is not there",
            spec: model("@nobody"),
            reason: "MODEL_NOT_FOUND",
            field: "spec.batch_score.model",
            words: &["nobody"],
        },
        Refused {
            what: "a model of segments",
            spec: with(&|batch| batch.model.clone_from(&segments.models[0])),
            reason: "WRONG_TASK",
            field: "spec.batch_score.model",
            words: &["churn, response", "segment.kmeans"],
        },
        Refused {
            what: "an algorithm too",
            spec: also(&|spec| spec.algorithm = "algorithms/churn.logistic".to_owned()),
            reason: "NOT_WITH_BATCH_SCORE",
            field: "spec.algorithm",
            words: &["no algorithm", "churn.logistic"],
        },
        Refused {
            what: "parameters",
            spec: also(&|spec| {
                spec.params.insert("l2".to_owned(), work::int(1));
            }),
            reason: "NOT_WITH_BATCH_SCORE",
            field: "spec.params",
            words: &["l2"],
        },
        Refused {
            what: "another input",
            spec: also(&|spec| spec.inputs = work::spec("", "events", "telecom").inputs),
            reason: "NOT_WITH_BATCH_SCORE",
            field: "spec.inputs.events",
            words: &["customers"],
        },
        Refused {
            what: "rows without the model's columns",
            spec: also(&|spec| spec.inputs = work::spec("", "customers", "few").inputs),
            reason: "COLUMN_NOT_FOUND",
            field: "spec.inputs.customers",
            words: &["\"tariff\"", "\"age\"", "among id"],
        },
        Refused {
            what: "too many reasons",
            spec: with(&|batch| batch.reasons = 21),
            reason: "OUT_OF_RANGE",
            field: "spec.batch_score.reasons",
            words: &["0 to 20", "found 21"],
        },
        Refused {
            what: "actions that are not there",
            spec: with(&|batch| batch.actions = wire::dataset("nothing")),
            reason: "DATASET_NOT_FOUND",
            field: "spec.batch_score.actions",
            words: &["nothing"],
        },
        Refused {
            what: "actions without an action",
            spec: with(&|batch| batch.actions = wire::dataset("no_action")),
            reason: "COLUMN_NOT_FOUND",
            field: "spec.batch_score.actions",
            words: &["\"action\"", "feature, what"],
        },
        Refused {
            what: "a condition that means nothing",
            spec: with(&|batch| batch.actions = wire::dataset("bad_condition")),
            reason: "INVALID_ACTION",
            field: "spec.batch_score.actions",
            words: &[
                "row 2 of dataset bad_condition",
                "at least N",
                "\"more than 3\"",
            ],
        },
        Refused {
            what: "a number asked of words",
            spec: with(&|batch| batch.actions = wire::dataset("number_of_words")),
            reason: "INVALID_ACTION",
            field: "spec.batch_score.actions",
            words: &["tariff", "of type string", "\"above 3\""],
        },
        Refused {
            what: "a share above 1",
            spec: list(&|list| list.max_share = 1.5),
            reason: "OUT_OF_RANGE",
            field: "spec.batch_score.contacts.max_share",
            words: &["0 to 1", "found 1.5"],
        },
        Refused {
            what: "a budget below 0",
            spec: list(&|list| {
                list.max_cost = -1.0;
                list.cost_per_contact = 1.0;
            }),
            reason: "OUT_OF_RANGE",
            field: "spec.batch_score.contacts.max_cost",
            words: &["at least 0", "found -1"],
        },
        Refused {
            what: "a budget without a price",
            spec: list(&|list| list.max_cost = 100.0),
            reason: "OUT_OF_RANGE",
            field: "spec.batch_score.contacts.cost_per_contact",
            words: &["max_cost"],
        },
        Refused {
            what: "a rate that is no number",
            spec: list(&|list| list.success_rate = Some(f64::NAN)),
            reason: "OUT_OF_RANGE",
            field: "spec.batch_score.contacts.success_rate",
            words: &["found NaN"],
        },
        Refused {
            what: "a column of consent that is not there",
            spec: list(&|list| {
                list.do_not_contact = vec![format!("{}/columns/no", wire::dataset("telecom"))];
            }),
            reason: "COLUMN_NOT_FOUND",
            field: "spec.batch_score.contacts.do_not_contact[0]",
            words: &["\"no\"", "tariff"],
        },
        Refused {
            what: "a list without customers",
            spec: list(&|list| list.do_not_contact = vec![wire::dataset("no_action")]),
            reason: "MISSING_ROLE",
            field: "spec.batch_score.contacts.do_not_contact[0]",
            words: &["customer_id", "no_action"],
        },
    ];
    for case in cases {
        let error = work::create(client, "wrong", case.spec).await;
        let error = error.err().with_context(|| case.what)?;
        assert!(error.has_reason(case.reason), "{}: {error}", case.what);
        let words = format!("{error} {error:?}");
        assert!(words.contains(case.field), "{}: {words}", case.what);
        for wanted in case.words {
            assert!(
                words.contains(wanted) || words.contains(&wanted.replace('"', "\\\"")),
                "{}: no {wanted} in {words}",
                case.what
            );
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_category_that_was_never_seen_is_scored_like_none() -> Result<()> {
    let operator = Operator::new().await?;
    let client = &operator.client;
    let file = operator.dir.path().join("telecom_customers.csv");
    let text = std::fs::read_to_string(file)?;
    let header = text.lines().next().context("a header")?;
    let at = header.split(',').position(|name| name == "tariff");
    let at = at.context("a tariff")?;
    let lines: Vec<String> = text
        .lines()
        .take(4)
        .enumerate()
        .map(|(i, line)| {
            let mut fields: Vec<&str> = line.split(',').collect();
            if i > 0 {
                fields[at] = "never-seen";
            }
            fields.join(",")
        })
        .collect();
    let new = operator.dir.path().join("new.csv");
    std::fs::write(&new, lines.join("\n"))?;
    super::ingest(&operator.engine, "new", new.to_str().context("a path")?)?;
    let mut spec = operator.spec();
    spec.inputs = work::spec("", "customers", "new").inputs;
    let job = work::run(client, "new", spec).await?;
    let scores: Vec<RecordBatch> = work::output_of(client, &job, "scores").await?;
    let values = wire::numbers(&scores, "score")?;
    assert_eq!(values.len(), 3);
    assert!(
        values.iter().all(|score| (0.0..=1.0).contains(score)),
        "{values:?}"
    );
    let drift = work::output_of(client, &job, "drift").await?;
    assert!(
        wire::texts(&drift, "verdict")?
            .iter()
            .all(|v| v == "few rows")
    );
    Ok(())
}
