//! Real customers: the counts, sums and qualities that independent programs found on public data.
//!
//! The files are no part of the repository; without them these tests are skipped and say so.
//! `LODE_DATA` names their folder. Everything goes through the `lode` command, but for online
//! scores, which are asked for in bulk.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use anyhow::Context as _;
use anyhow::Result;
use flate2::read::GzDecoder;
use lode_client::Client;
use lode_proto::v1;
use lode_tests::Engine;
use lode_tests::settings;
use lode_tests::wire;
use serde_json::Value;
use tempfile::TempDir;

/// One number of a query's first row.
fn number(engine: &Engine, sql: &str) -> Result<f64> {
    let rows = engine.lode(["query", "-o", "json", sql])?.json()?;
    let row = rows[0]
        .as_object()
        .with_context(|| format!("no row from {sql}: {rows}"))?;
    let value = row.values().next().context("a row has a value")?;
    value
        .as_f64()
        .with_context(|| format!("no number from {sql}: {rows}"))
}

fn metric(job: &Value, name: &str) -> Result<f64> {
    let value = job["metrics"][name].as_f64();
    value.with_context(|| format!("no metric {name} in {job}"))
}

fn path(file: &Path) -> &str {
    file.to_str().expect("the data's paths are UTF-8")
}

#[test]
fn online_retail_adds_up_and_is_segmented() -> Result<()> {
    let test = "online_retail_adds_up_and_is_segmented";
    let Some(file) = settings::real_data(test, "online_retail/online_retail.csv.gz") else {
        return Ok(());
    };
    let engine = Engine::start()?;
    engine.lode(["ingest", "retail", path(&file)])?.text()?;

    // Counted by pandas; 135,080 lines have no customer and are kept.
    let near = |sql: &str, expected: f64, tolerance: f64| -> Result<()> {
        let found = number(&engine, sql)?;
        assert!(
            (found - expected).abs() <= tolerance,
            "{sql}: expected {expected}, found {found}"
        );
        Ok(())
    };
    near("select count(*) from retail", 541_909.0, 0.0)?;
    near(
        r#"select count(*) from retail where "CustomerID" is null"#,
        135_080.0,
        0.0,
    )?;
    near(
        r#"select sum("Quantity"*"UnitPrice") from retail"#,
        9_747_747.934,
        0.000_5,
    )?;
    let bought =
        r#"from retail where "CustomerID" is not null and "Quantity" > 0 and "UnitPrice" > 0"#;
    near(&format!("select count(*) {bought}"), 397_884.0, 0.0)?;
    near(
        &format!(r#"select count(distinct "CustomerID") {bought}"#),
        4_338.0,
        0.0,
    )?;
    near(
        &format!(r#"select sum("Quantity"*"UnitPrice") {bought}"#),
        8_911_407.904,
        0.005,
    )?;
    let top = format!(
        r#"select "CustomerID" as id, sum("Quantity"*"UnitPrice") as spent {bought} group by "CustomerID" order by spent desc limit 1"#
    );
    let top = engine.lode(["query", "-o", "json", &top])?.json()?;
    assert_eq!(top[0]["id"], 14_646);
    let spent = top[0]["spent"].as_f64().context("a number")?;
    assert!((spent - 280_206.02).abs() < 0.005, "{spent}");

    tiers_add_up(&engine, bought)?;
    kmeans_is_as_good_as_the_best_of_ten(&engine, bought)
}

/// Every customer has one tier of RFM.
fn tiers_add_up(engine: &Engine, bought: &str) -> Result<()> {
    let sql = format!(
        r#"sql:select "CustomerID" as customer_id, "InvoiceDate" as event_time, "InvoiceNo" as "order", "Quantity"*"UnitPrice" as amount {bought}"#
    );
    let input = format!("events={sql}");
    let job = engine
        .lode(["run", "segment.rfm", "-i", &input, "-o", "json"])?
        .json()?;
    let id = job["job"].as_str().context("a job has an id")?;
    let outputs = job["outputs"].as_array().context("a list of outputs")?;
    let rows = outputs
        .iter()
        .find(|output| {
            output["name"]
                .as_str()
                .is_some_and(|name| name.ends_with("rfm"))
        })
        .with_context(|| format!("an output rfm in {job}"))?;
    let name = rows["name"]
        .as_str()
        .context("a name")?
        .rsplit('/')
        .next()
        .unwrap_or_default();
    let table = engine.lode(["output", id, name, "-o", "json"])?.json()?;
    let table = table.as_array().context("rows")?;
    assert_eq!(table.len(), 4_338);
    let mut tiers: BTreeMap<&str, usize> = BTreeMap::new();
    for row in table {
        *tiers
            .entry(row["tier"].as_str().context("a tier")?)
            .or_default() += 1;
    }
    assert_eq!(tiers.values().sum::<usize>(), 4_338);
    assert!(tiers.len() >= 4, "{tiers:?}");
    settings::say(&format!("real_data: RFM tiers of Online Retail {tiers:?}"));
    Ok(())
}

/// The inertia of scikit-learn 1.9.1, `KMeans(k, n_init=10)`, best of three seeds, over
/// ln(1 + days since the last purchase on 2011-12-10), ln(invoices) and ln(money spent) of the
/// 4,338 customers, each standardised with the population's standard deviation.
const BEST_INERTIA: [(u32, f64); 2] = [(4, 3_909.206_8), (8, 2_356.184_7)];

fn kmeans_is_as_good_as_the_best_of_ten(engine: &Engine, bought: &str) -> Result<()> {
    let sql = format!(
        r#"select "CustomerID" as customer_id,
            ln(1.0 + (1323475200.0 - extract(epoch from max("InvoiceDate"))) / 86400.0) as recency,
            ln(cast(count(distinct "InvoiceNo") as double)) as frequency,
            ln(sum("Quantity"*"UnitPrice")) as monetary
            {bought} group by "CustomerID""#
    );
    for (k, best) in BEST_INERTIA {
        let input = format!("customers=sql:{sql}");
        let k = format!("k={k}");
        let args = [
            "run",
            "segment.kmeans",
            "-i",
            &input,
            "-p",
            &k,
            "-o",
            "json",
        ];
        let job = engine.lode(args)?.json()?;
        let inertia = metric(&job, "inertia")?;
        settings::say(&format!(
            "real_data: k-means {k}: inertia {inertia:.4}, scikit-learn {best:.4}"
        ));
        assert!(
            inertia <= best * 1.005,
            "{k}: expected {best} within 0.5%, found {inertia}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn telco_churn_is_predicted_and_explained() -> Result<()> {
    let test = "telco_churn_is_predicted_and_explained";
    let Some(file) = settings::real_data(test, "telco_churn/Telco-Customer-Churn.csv.gz") else {
        return Ok(());
    };
    let engine = Engine::start()?;
    let roles = ["--role", "customer_id=customerID", "--role", "label=Churn"];
    let args = ["ingest", "telco", path(&file), "--kind", "customers"];
    engine.lode(args.into_iter().chain(roles))?.text()?;
    let rows = number(&engine, "select count(*) from telco")?;
    assert!(
        (rows - 7_043.0).abs() < 0.5,
        "the 11 rows without TotalCharges are kept: {rows}"
    );
    let job = engine
        .lode([
            "run",
            "churn.logistic",
            "-i",
            "customers=telco",
            "-o",
            "json",
        ])?
        .json()?;
    let auc = metric(&job, "auc")?;
    settings::say(&format!(
        "real_data: churn.logistic on Telco: 5-fold AUC {auc:.4}"
    ));
    assert!(auc >= 0.842, "expected at least 0.842, found {auc}");

    let client = engine.client()?;
    let ids = wire::query(&client, r#"select "customerID" from telco order by 1"#).await?;
    let ids = wire::texts(&ids, "customerID")?;
    let model = model(&job)?;
    for customers in ids.chunks(500) {
        let request = v1::ScoreRequest {
            model: model.clone(),
            customers: customers.to_vec(),
            explain: true,
            ..v1::ScoreRequest::default()
        };
        let results = client.score(request).await?.results;
        assert_eq!(results.len(), customers.len());
        for result in results {
            assert_eq!(result.error, None, "{}", result.customer);
            let total: f64 = result
                .reasons
                .iter()
                .map(|reason| reason.contribution)
                .sum();
            let gap = (result.base + total - result.margin).abs();
            assert!(gap < 1e-9, "{}: {gap}", result.customer);
            let score = 1.0 / (1.0 + (-result.margin).exp());
            assert!((score - result.score).abs() < 1e-9, "{}", result.customer);
        }
    }
    Ok(())
}

/// The full name of a job's only model.
fn model(job: &Value) -> Result<String> {
    let name = job["models"][0]
        .as_str()
        .with_context(|| format!("a model in {job}"))?;
    Ok(match name.strip_prefix(wire::TENANT) {
        Some(_) => name.to_owned(),
        None => format!("{}/models/{name}", wire::TENANT),
    })
}

#[tokio::test]
async fn msweb_visitors_are_offered_what_they_visit_next() -> Result<()> {
    let test = "msweb_visitors_are_offered_what_they_visit_next";
    let files = ["msweb/msweb_train.csv.gz", "msweb/msweb_test.csv.gz"];
    let [Some(train), Some(held)] = files.map(|file| settings::real_data(test, file)) else {
        return Ok(());
    };
    let folder = TempDir::new()?;
    let history = folder.path().join("visits.csv");
    let hidden = hide_last(&visits(&train)?, &visits(&held)?, &history)?;
    assert_eq!(hidden.len(), 3_453);

    let engine = Engine::start()?;
    let roles = [
        "--role",
        "customer_id=user",
        "--role",
        "item=area",
        "--kind",
        "events",
    ];
    engine
        .lode(
            ["ingest", "visits", path(&history)]
                .into_iter()
                .chain(roles),
        )?
        .text()?;
    let client = engine.client()?;
    let mut rates = BTreeMap::new();
    for algorithm in ["recommend.item-knn", "recommend.popular"] {
        let job = engine
            .lode(["run", algorithm, "-i", "events=visits", "-o", "json"])?
            .json()?;
        rates.insert(algorithm, hit_rate(&client, &model(&job)?, &hidden).await?);
    }
    settings::say(&format!("real_data: HR@10 on msweb {rates:.4?}"));
    assert!(rates["recommend.item-knn"] >= 0.77, "{rates:?}");
    assert!(
        (rates["recommend.popular"] - 0.699).abs() < 0.005,
        "{rates:?}"
    );
    Ok(())
}

/// User and area of each visit.
fn visits(file: &Path) -> Result<Vec<(String, String)>> {
    let mut text = String::new();
    GzDecoder::new(File::open(file)?).read_to_string(&mut text)?;
    let lines = text.lines().skip(1).filter_map(|line| line.split_once(','));
    Ok(lines
        .map(|(user, area)| (user.to_owned(), area.to_owned()))
        .collect())
}

/// Writes all visits but the last of each test user with two or more; gives those, by user.
///
/// Users of the two files are different people even where their numbers are the same.
fn hide_last(
    train: &[(String, String)],
    held: &[(String, String)],
    history: &Path,
) -> Result<BTreeMap<String, String>> {
    let mut text = "user,area\n".to_owned();
    for (user, area) in train {
        text.push_str(&format!("train-{user},area-{area}\n"));
    }
    let mut last: BTreeMap<&str, usize> = BTreeMap::new();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for (at, (user, _)) in held.iter().enumerate() {
        last.insert(user, at);
        *counts.entry(user).or_default() += 1;
    }
    let mut hidden = BTreeMap::new();
    for (at, (user, area)) in held.iter().enumerate() {
        if counts[&**user] >= 2 && last[&**user] == at {
            hidden.insert(format!("test-{user}"), format!("area-{area}"));
        } else {
            text.push_str(&format!("test-{user},area-{area}\n"));
        }
    }
    std::fs::write(history, text)?;
    Ok(hidden)
}

/// Share of users whose hidden visit is among the ten first of all areas they had not visited.
async fn hit_rate(client: &Client, model: &str, hidden: &BTreeMap<String, String>) -> Result<f64> {
    let mut hits = 0;
    for (user, area) in hidden {
        let request = v1::RecommendRequest {
            model: model.to_owned(),
            customer: user.clone(),
            limit: 10,
            ..v1::RecommendRequest::default()
        };
        let answer = client.recommend(request).await?;
        let items = answer
            .items
            .iter()
            .map(|item| &item.item)
            .collect::<BTreeSet<_>>();
        assert_eq!(items.len(), 10, "{user}");
        hits += usize::from(items.contains(area));
    }
    Ok(hits as f64 / hidden.len() as f64)
}

/// From raw lines to models that are judged on later dates: who leaves, who buys what, how much.
#[test]
fn online_retail_holds_next_month() -> Result<()> {
    let test = "online_retail_holds_next_month";
    let Some(file) = settings::real_data(test, "online_retail/online_retail.csv.gz") else {
        return Ok(());
    };
    let engine = Engine::start()?;
    engine.lode(["ingest", "sales", path(&file)])?.text()?;
    let train = |id: &str, args: &[&str]| -> Result<Value> {
        let rest = ["--events", "sales", "--no-alias", "--id", id, "-o", "json"];
        let args = ["train"].iter().chain(args).chain(&rest);
        engine.lode(args)?.json()
    };

    let churn = train("churn", &["churn.logistic", "--horizon", "90d"])?;
    // The dates that have 90 days before and after them.
    assert_eq!(metric(&churn, "training_dates")? as u32, 7);
    // Counted by pandas: 13,449 customers at these dates had bought in the 90 days before.
    assert_eq!(metric(&churn, "training_rows")? as u32, 13_449);
    let auc = metric(&churn, "auc")?;
    assert!((0.73..0.80).contains(&auc), "{auc}");
    // New customers are told apart less well than old ones.
    assert!(metric(&churn, "auc_new")? < metric(&churn, "auc_old")?);

    let items = [
        "demand.logistic",
        "--horizon",
        "30d",
        "--top",
        "5",
        "--negatives",
        "5",
    ];
    let demand = train(
        "demand",
        &[&items[..], &["--dates", "6", "--test-dates", "2"]].concat(),
    )?;
    let auc = metric(&demand, "auc")?;
    assert!((0.70..0.90).contains(&auc), "{auc}");
    let reach = metric(&demand, "contact_to_reach_80")?;
    assert!(reach < 0.65, "{reach}");
    Ok(())
}
