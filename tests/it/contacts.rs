//! Scores of everybody, contact lists and drift, on the made-up telecom operator's customers.

mod views;
mod wrong;

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::collections::HashSet;

use anyhow::Context as _;
use anyhow::Result;
use arrow_array::Array;
use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use lode_client::Client;
use lode_proto::v1;
use lode_proto::v1::value::Kind;
use lode_tests::Columns;
use lode_tests::Engine;
use lode_tests::wire;
use lode_tests::work;

const N_CUSTOMERS: usize = 1200;

/// An engine with the operator's customers and a model of who leaves.
struct Operator {
    engine: Engine,
    client: Client,
    model: String,
    fit: v1::Job,
    dir: tempfile::TempDir,
}

impl Operator {
    async fn new() -> Result<Self> {
        let engine = Engine::start()?;
        let dir = tempfile::tempdir()?;
        let folder = dir.path().to_str().context("a path of text")?.to_owned();
        let n = N_CUSTOMERS.to_string();
        engine
            .lode(["sample", &folder, "--customers", &n])?
            .text()?;
        let file = format!("{folder}/telecom_customers.csv");
        ingest(&engine, "telecom", &file)?;
        let client = engine.client()?;
        let mut spec = work::spec("churn.logistic", "customers", "telecom");
        spec.write_back = true;
        let fit = work::run(&client, "churn", spec).await?;
        Ok(Self {
            client,
            model: fit.models[0].clone(),
            fit,
            engine,
            dir,
        })
    }

    fn spec(&self) -> v1::JobSpec {
        v1::JobSpec {
            batch_score: Some(v1::BatchScore {
                model: self.model.clone(),
                ..v1::BatchScore::default()
            }),
            ..v1::JobSpec::default()
        }
    }

    fn spec_with(&self, change: impl FnOnce(&mut v1::BatchScore)) -> v1::JobSpec {
        let mut spec = self.spec();
        change(spec.batch_score.get_or_insert_default());
        spec
    }
}

fn ingest(engine: &Engine, dataset: &str, file: &str) -> Result<()> {
    let args = [
        "ingest",
        dataset,
        file,
        "--kind",
        "customers",
        "--role",
        "label=churn",
    ];
    engine.lode(args)?.text()?;
    Ok(())
}

/// Loads the rules of what to do about a reason.
async fn load_actions(client: &Client, id: &str, columns: &[(&str, &[&str])]) -> Result<()> {
    let table = columns.iter().fold(Columns::default(), |table, column| {
        table.text(column.0, column.1)
    });
    table.load(client, id, v1::DatasetKind::Other).await
}

/// Feature, value and contribution of each row, in the plugin's order.
fn contributions(batches: &[RecordBatch]) -> Result<Vec<Vec<(String, String, f64)>>> {
    let mut rows = Vec::new();
    for batch in batches {
        let lists = batch.column_by_name("contributions").context("a column")?;
        let lists = lists.as_list::<i32>();
        for row in 0..lists.len() {
            let parts = lists.value(row);
            let parts = parts.as_struct();
            let text = |name: &str| -> Result<Vec<String>> {
                let texts = parts.column_by_name(name).context("a part")?;
                let texts = texts.as_string::<i32>().iter();
                Ok(texts
                    .map(|text| text.unwrap_or_default().to_owned())
                    .collect())
            };
            let added = parts.column_by_name("contribution").context("parts")?;
            let added = added.as_primitive::<Float64Type>().values();
            let names = text("feature")?.into_iter().zip(text("value")?);
            let all = names.zip(added.iter().copied());
            rows.push(
                all.map(|((name, value), part)| (name, value, part))
                    .collect(),
            );
        }
    }
    Ok(rows)
}

#[tokio::test]
async fn everybody_is_scored_with_reasons_that_add_up() -> Result<()> {
    let operator = Operator::new().await?;
    let client = &operator.client;
    let mut spec = operator.spec_with(|batch| batch.reasons = 2);
    spec.write_back = true;
    let job = work::run(client, "scores", spec).await?;
    let scores = work::output_of(client, &job, "scores").await?;
    let ids = wire::texts(&scores, "customer_id")?;
    let values = wire::numbers(&scores, "score")?;
    let margins = wire::numbers(&scores, "margin")?;
    let bases = wire::numbers(&scores, "base")?;
    let deciles = wire::numbers(&scores, "decile")?;
    let first = wire::texts(&scores, "reason_1")?;
    assert_eq!(ids.len(), N_CUSTOMERS);
    assert!(wire::texts(&scores, "reason_3").is_err());

    // base + parts = margin, to rounding in another order of adding.
    for (row, parts) in contributions(&scores)?.iter().enumerate() {
        let sum: f64 = parts.iter().map(|(_, _, part)| part).sum();
        assert!((bases[row] + sum - margins[row]).abs() < 1e-9, "{parts:?}");
        let raises = parts.iter().any(|(_, _, part)| *part > 0.0);
        assert_eq!(!first[row].is_empty(), raises, "{parts:?}");
    }

    // Ten equal tenths, each above the next.
    for decile in 1..=10_u8 {
        let of = |wanted: u8| {
            let rows = values.iter().zip(&deciles);
            let rows = rows.filter(|(_, decile)| **decile == f64::from(wanted));
            rows.map(|(score, _)| *score).collect::<Vec<_>>()
        };
        assert_eq!(of(decile).len(), N_CUSTOMERS / 10);
        if decile > 1 {
            let least = of(decile - 1).into_iter().fold(f64::INFINITY, f64::min);
            let most = of(decile).into_iter().fold(0.0, f64::max);
            assert!(most <= least, "{decile}: {most} above {least}");
        }
    }

    // Online the same model says the same, in the same words.
    let some = [0, 7, 500, N_CUSTOMERS - 1];
    let request = v1::ScoreRequest {
        model: operator.model.clone(),
        customers: some.iter().map(|row| ids[*row].clone()).collect(),
        explain: true,
        ..v1::ScoreRequest::default()
    };
    for (result, row) in client.score(request).await?.results.iter().zip(some) {
        assert_eq!(result.score, values[row], "{}", ids[row]);
        let raises = result.reasons.iter().find(|part| part.contribution > 0.0);
        assert_eq!(raises.map_or("", |part| &part.text), first[row]);
    }

    // The scores lie on the customers, with the job that wrote them.
    assert_eq!(job.written_back, N_CUSTOMERS as u64);
    assert_eq!(operator.fit.written_back, N_CUSTOMERS as u64);
    let request = v1::GetCustomerRequest {
        name: format!("{}/customers/{}", wire::TENANT, ids[7]),
        ..v1::GetCustomerRequest::default()
    };
    let tags = client
        .get_customer(request)
        .await?
        .customer
        .context("one")?
        .tags;
    assert_eq!(tags.len(), 1, "one tag, of the last job: {tags:?}");
    assert_eq!(
        (&*tags[0].key, &tags[0].job),
        ("churn.logistic/score", &job.name)
    );
    let written = tags[0].value.clone().unwrap_or_default().kind;
    assert_eq!(written, Some(Kind::DoubleValue(values[7])));

    // Every customer has a first reason or none, and nothing has drifted since the fit.
    let reasons = work::output_of(client, &job, "reasons").await?;
    let counted: f64 = wire::numbers(&reasons, "customers")?.iter().sum();
    assert_eq!(counted, N_CUSTOMERS as f64);
    let drift = work::output_of(client, &job, "drift").await?;
    let names = wire::texts(&drift, "name")?;
    assert_eq!(names[0], "score");
    assert!(names.len() > 30, "{names:?}");
    for (name, psi) in names.iter().zip(wire::numbers(&drift, "psi")?) {
        assert!(psi.abs() < 1e-12, "{name}: {psi}");
    }
    assert!(
        wire::texts(&drift, "verdict")?
            .iter()
            .all(|v| v == "stable")
    );
    assert_eq!(work::metric(&job, "rows")?, N_CUSTOMERS as f64);

    // The record says which model it was.
    let provenance = job.provenance.context("a provenance")?;
    assert_eq!(provenance.model, operator.model);
    assert!(!provenance.base_model_sha256.is_empty());
    Ok(())
}

#[tokio::test]
async fn a_list_keeps_its_bounds_and_adds_up() -> Result<()> {
    let operator = Operator::new().await?;
    let client = &operator.client;
    let all = work::run(client, "all", operator.spec()).await?;
    let scores = work::output_of(client, &all, "scores").await?;
    let ids = wire::texts(&scores, "customer_id")?;
    let values = wire::numbers(&scores, "score")?;
    let score_of: HashMap<&str, f64> = ids
        .iter()
        .map(String::as_str)
        .zip(values.iter().copied())
        .collect();
    let mut order: Vec<&str> = ids.iter().map(String::as_str).collect();
    order.sort_by(|a, b| score_of[b].total_cmp(&score_of[a]).then(a.cmp(b)));

    // Rules for the two numbers that are most often the first reason.
    let parts = contributions(&scores)?;
    let raising = |row: usize| {
        let raising = parts[row].iter().filter(|(_, _, part)| *part > 0.0);
        raising.take(3).collect::<Vec<_>>()
    };
    let reasons = work::output_of(client, &all, "reasons").await?;
    let is_number = |feature: &String| {
        let mut all = parts
            .iter()
            .flatten()
            .filter(|(name, _, _)| name == feature);
        all.all(|(_, value, _)| value.is_empty() || value.parse::<f64>().is_ok())
    };
    let firsts = wire::texts(&reasons, "feature")?;
    let mut numbers = firsts.iter().filter(|feature| is_number(feature));
    let (one, two) = (
        numbers.next().context("a number")?.as_str(),
        numbers.next().context("another number")?.as_str(),
    );
    let mut values_of_one: Vec<f64> = (0..ids.len())
        .flat_map(&raising)
        .filter(|(name, _, _)| name == one)
        .filter_map(|(_, value, _)| value.parse().ok())
        .collect();
    values_of_one.sort_by(f64::total_cmp);
    let middle = values_of_one[values_of_one.len() / 2];
    let condition = format!("above {middle}");
    load_actions(
        client,
        "actions",
        &[
            ("feature", &[one, one, two, "*", "nothing_like_it"]),
            ("condition", &["", &condition, "known", "", ""]),
            (
                "action",
                &["survey", "call_back", "payment_plan", "voucher", "never"],
            ),
            (
                "description",
                &["", "Call and ask", "Offer to pay later", "", ""],
            ),
            ("priority", &["2", "1", "", "", ""]),
        ],
    )
    .await?;

    // Of the best, every fourth said no, some of them in a column of a customers dataset.
    let never: Vec<&str> = order.iter().take(80).step_by(4).copied().collect();
    let (listed, flagged) = never.split_at(10);
    let kind = v1::DatasetKind::Customers;
    let robinson = Columns::of_customers("id", listed);
    robinson.load(client, "robinson", kind).await?;
    let flags = order
        .iter()
        .map(|id| if flagged.contains(id) { "Yes" } else { "no" });
    let consent = Columns::of_customers("id", &order).text("no_mail", flags);
    consent.load(client, "consent", kind).await?;

    let spec = operator.spec_with(|batch| {
        batch.actions = wire::dataset("actions");
        batch.contacts = Some(v1::ContactList {
            max_customers: 100,
            max_cost: 130.5,
            cost_per_contact: 2.0,
            value_per_positive: 100.0,
            success_rate: Some(0.25),
            do_not_contact: vec![
                wire::dataset("robinson"),
                format!("{}/columns/no_mail", wire::dataset("consent")),
            ],
            ..v1::ContactList::default()
        });
    });
    let job = work::run(client, "list", spec).await?;
    let contacts = work::output_of(client, &job, "contacts").await?;
    let who = wire::texts(&contacts, "customer_id")?;
    // 130.50 pays for 65 contacts.
    assert_eq!(who.len(), 65);
    let wanted: Vec<&str> = order
        .iter()
        .filter(|id| !never.contains(id))
        .take(65)
        .copied()
        .collect();
    let listed_scores: Vec<f64> = who.iter().map(|id| score_of[id.as_str()]).collect();
    let wanted_scores: Vec<f64> = wanted.iter().map(|id| score_of[id]).collect();
    assert_eq!(listed_scores, wanted_scores);
    assert!(who.iter().all(|id| !never.contains(&id.as_str())));
    assert_eq!(who.iter().collect::<HashSet<_>>().len(), 65);
    assert_eq!(work::metric(&job, "do_not_contact")?, never.len() as f64);
    assert_eq!(work::metric(&job, "contacts")?, 65.0);

    // The last row of what is expected is the sum of the list, each row of its beginning.
    let gains = wire::numbers(&contacts, "expected_gain")?;
    let sums = wire::numbers(&contacts, "cumulative_gain")?;
    let costs = wire::numbers(&contacts, "cumulative_cost")?;
    let expected = work::output_of(client, &job, "expected").await?;
    let contacted = wire::numbers(&expected, "contacted")?;
    assert_eq!(contacted.len(), 10);
    assert_eq!(contacted[9], 65.0);
    let total: f64 = values.iter().sum();
    for (row, n) in contacted.iter().enumerate() {
        let n = *n as usize;
        let close = |name: &str, wanted: f64| -> Result<()> {
            let found = wire::numbers(&expected, name)?[row];
            assert!(
                (found - wanted).abs() < 1e-9,
                "{name}: {found}, not {wanted}"
            );
            Ok(())
        };
        let score: f64 = listed_scores[..n].iter().sum();
        close("share", n as f64 / N_CUSTOMERS as f64)?;
        close("expected_positives", score)?;
        close("reached", score / total)?;
        close("cost", 2.0 * n as f64)?;
        close("gain", score * 25.0)?;
        close("profit", score * 25.0 - 2.0 * n as f64)?;
        assert!((sums[n - 1] - score * 25.0).abs() < 1e-9);
        assert_eq!(costs[n - 1], 2.0 * n as f64);
    }
    assert!((gains.iter().sum::<f64>() - work::metric(&job, "expected_gain")?).abs() < 1e-9);

    // Each has an action, by the first of its reasons that a rule speaks of.
    let actions = wire::texts(&contacts, "action")?;
    let words = wire::texts(&contacts, "action_description")?;
    let mut seen = BTreeMap::new();
    for (row, id) in who.iter().enumerate() {
        let at = ids
            .iter()
            .position(|other| other == id)
            .context("a score")?;
        let why = raising(at);
        let ruled = why.iter().find_map(|(name, value, _)| match name.as_str() {
            name if name == one && value.parse::<f64>().is_ok_and(|v| v > middle) => {
                Some("call_back")
            }
            name if name == one => Some("survey"),
            name if name == two && !value.is_empty() => Some("payment_plan"),
            _ => None,
        });
        let wanted = ruled.unwrap_or("voucher");
        assert_eq!(actions[row], wanted, "{why:?}");
        assert_eq!(words[row] == "Call and ask", wanted == "call_back");
        *seen.entry(wanted).or_insert(0) += 1;
    }
    // A rule for what is no feature of the model is told.
    let log = work::watch(client, "list").await?.1;
    let told = log
        .iter()
        .any(|event| format!("{event:?}").contains("nothing_like_it"));
    assert!(told, "{log:?}");
    assert!(seen.len() >= 2, "{seen:?}");
    Ok(())
}

#[tokio::test]
async fn what_has_moved_is_seen_in_a_batch_and_online() -> Result<()> {
    let operator = Operator::new().await?;
    let client = &operator.client;
    // The same customers pay three times as much, and nobody says how.
    let file = operator.dir.path().join("telecom_customers.csv");
    let text = std::fs::read_to_string(file)?;
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().context("a header")?.split(',').collect();
    let at = |name: &str| header.iter().position(|column| *column == name);
    let (charge, payment) = (
        at("monthly_charge").context("a charge")?,
        at("payment_method").context("a payment method")?,
    );
    let mut moved = vec![header.join(",")];
    for line in lines {
        let mut fields: Vec<String> = line.split(',').map(str::to_owned).collect();
        if let Ok(paid) = fields[charge].parse::<f64>() {
            fields[charge] = format!("{:.2}", paid * 3.0);
        }
        fields[payment].clear();
        moved.push(fields.join(","));
    }
    let file = operator.dir.path().join("moved.csv");
    std::fs::write(&file, moved.join("\n"))?;
    ingest(&operator.engine, "moved", file.to_str().context("a path")?)?;

    let mut spec = operator.spec();
    spec.inputs = work::spec("", "customers", "moved").inputs;
    let job = work::run(client, "moved", spec).await?;
    let drift = work::output_of(client, &job, "drift").await?;
    let names = wire::texts(&drift, "name")?;
    let verdicts = wire::texts(&drift, "verdict")?;
    let verdict = |name: &str| {
        names
            .iter()
            .position(|n| n == name)
            .map(|at| &*verdicts[at])
    };
    assert_eq!(verdict("monthly_charge"), Some("shifted"));
    assert_eq!(verdict("payment_method"), Some("shifted"));
    assert_eq!(verdict("age"), Some("stable"));
    let at = names
        .iter()
        .position(|n| n == "payment_method")
        .context("it")?;
    assert_eq!(wire::numbers(&drift, "missing_now")?[at], 1.0);
    // The farthest feature stands behind the score.
    assert!(
        ["monthly_charge", "payment_method"].contains(&&*names[1]),
        "{names:?}"
    );

    let request = || v1::GetDriftRequest {
        model: operator.model.clone(),
    };
    let online = client.get_drift(request()).await?;
    assert_eq!(online.rows, 0);
    assert!(
        online
            .drifts
            .iter()
            .all(|drift| drift.verdict == "few rows")
    );
    let ids = work::output_of(client, &job, "scores").await?;
    let ids = wire::texts(&ids, "customer_id")?;
    for some in ids[..600].chunks(100) {
        let request = v1::ScoreRequest {
            model: operator.model.clone(),
            customers: some.to_vec(),
            ..v1::ScoreRequest::default()
        };
        client.score(request).await?;
    }
    let online = client.get_drift(request()).await?;
    assert_eq!(online.rows, 600);
    assert_eq!(online.drifts[0].name, "score");
    // Half of those that it learned from.
    assert!(
        online.drifts.iter().all(|drift| drift.verdict == "stable"),
        "{online:?}"
    );
    let shown = operator
        .engine
        .lode(["drift", "churn", "-o", "json"])?
        .json()?;
    assert_eq!(shown["rows"], 600);
    Ok(())
}

#[tokio::test]
async fn the_command_lists_whom_to_contact_and_says_why() -> Result<()> {
    let operator = Operator::new().await?;
    let engine = &operator.engine;
    load_actions(
        &operator.client,
        "actions",
        &[("feature", &["*"]), ("action", &["voucher"])],
    )
    .await?;
    engine.lode(["alias", "champion", "churn"])?.text()?;
    let file = operator.dir.path().join("list.csv");
    let file = file.to_str().context("a path")?;
    let args = [
        "contacts",
        "champion",
        "--share",
        "0.05",
        "--value",
        "200",
        "--cost-per-contact",
        "3",
        "--actions",
        "actions",
        "--show",
        "3",
        "--out",
        file,
    ];
    let shown = engine.lode(args)?;
    let text = shown.text()?;
    for wanted in [
        "rank",
        "why",
        "voucher",
        "(typical: ",
        "what is to be expected",
        "profit",
    ] {
        assert!(text.contains(wanted), "no {wanted:?} in {text}");
    }
    assert!(
        shown
            .stderr
            .contains("contact 5% of 1,200 customers to reach"),
        "{}",
        shown.stderr
    );
    let saved = std::fs::read_to_string(file)?;
    assert_eq!(saved.lines().count(), 61, "a header and 60 contacts");
    let all = operator.dir.path().join("scores.csv");
    let out = format!("scores={}", all.to_str().context("a path")?);
    let args = [
        "score-all",
        "@champion",
        "--out",
        &out,
        "--write-back",
        "-o",
        "json",
    ];
    let job = engine.lode(args)?.json()?;
    assert_eq!(job["written_back"], 1200);
    assert_eq!(job["scored_model"], "churn");
    assert_eq!(job["algorithm"], "churn.logistic");
    assert_eq!(std::fs::read_to_string(all)?.lines().count(), 1201);
    let refused = engine.lode(["contacts", "champion", "--budget", "-1"])?;
    assert!(refused.failure()?.contains("-1"), "{}", refused.stderr);
    let refused = engine.lode(["contacts", "champion", "--share", "1.5"])?;
    assert!(refused.failure()?.contains("0 to 1"), "{}", refused.stderr);
    Ok(())
}
