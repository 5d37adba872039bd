//! Offers for everybody are those that each customer gets when asked for.

use std::collections::BTreeMap;

use anyhow::Context as _;
use anyhow::Result;
use lode_proto::v1;
use lode_tests::Engine;
use lode_tests::wire;
use lode_tests::work;

use super::shop;
use super::shop::request;

fn spec(model: &str, offers: v1::OfferList) -> v1::JobSpec {
    v1::JobSpec {
        batch_score: Some(v1::BatchScore {
            model: model.to_owned(),
            offers: Some(offers),
            ..v1::BatchScore::default()
        }),
        ..v1::JobSpec::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_gets_what_each_would() -> Result<()> {
    let engine = Engine::start()?;
    let client = engine.client()?;
    shop::load(&client).await?;
    let model = shop::model(&client, "ruled", shop::RULES, 0.3).await?;
    shop::buy(&client, "since", "p7", &["a2"]).await?;
    let list = v1::OfferList {
        limit: 3,
        filter: "price > 2".to_owned(),
        explain: true,
        ..v1::OfferList::default()
    };
    let job = work::run(&client, "all", spec(&model, list.clone())).await?;
    let rows = work::output_of(&client, &job, "offers").await?;
    let (customers, items) = (
        wire::texts(&rows, "customer_id")?,
        wire::texts(&rows, "item")?,
    );
    let (scores, ranks) = (
        wire::numbers(&rows, "score")?,
        wire::numbers(&rows, "rank")?,
    );
    let (arms, first) = (wire::texts(&rows, "arm")?, wire::texts(&rows, "reason_1")?);
    assert!(customers.is_sorted());
    let mut by_customer: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (row, customer) in customers.iter().enumerate() {
        by_customer.entry(customer).or_default().push(row);
    }
    assert_eq!(
        work::metric(&job, "customers")? as usize,
        shop::N_CUSTOMERS - 1
    );
    // p5 is not to be contacted; p8 is not among the customers.
    assert_eq!(
        work::metric(&job, "customers_without")?.to_bits(),
        1_f64.to_bits()
    );
    assert_eq!(by_customer.len(), shop::N_CUSTOMERS - 2);
    for (customer, rows) in by_customer {
        let asked = v1::RecommendRequest {
            limit: 3,
            filter: "price > 2".to_owned(),
            explain: true,
            ..request(&model, customer)
        };
        let answer = client.recommend(asked).await?;
        let arm = match answer.arm() {
            v1::Arm::Control => "control",
            _ => "model",
        };
        assert_eq!(rows.len(), answer.items.len(), "{customer}");
        for (rank, (&row, item)) in rows.iter().zip(&answer.items).enumerate() {
            assert_eq!(items[row], item.item, "{customer}");
            assert_eq!(scores[row].to_bits(), item.score.to_bits(), "{customer}");
            assert_eq!(ranks[row].to_bits(), ((rank + 1) as f64).to_bits());
            assert_eq!(arms[row], arm);
            let reason = item.reasons.first().map_or("", |reason| &*reason.text);
            assert_eq!(first[row], reason, "{customer}");
            assert!(!(customer == "p7" && item.item == "a2"), "just bought");
        }
    }
    let second = work::run(&client, "all-again", spec(&model, list)).await?;
    let sha = |job: &v1::Job| job.outputs.first().map(|output| output.sha256.clone());
    assert_eq!(
        sha(&job).context("an output")?,
        sha(&second).context("an output")?
    );

    let folder = tempfile::tempdir()?;
    let file = folder.path().join("offers.csv");
    let out = file.to_string_lossy();
    let args = [
        "recommend-all",
        "ruled",
        "--limit",
        "2",
        "--filter",
        "price < 5",
        "--out",
        &out,
    ];
    engine.lode(args)?.text()?;
    let text = std::fs::read_to_string(&file)?;
    assert!(text.starts_with("customer_id,rank,item,score"), "{text}");
    assert!(!text.contains("\np7,1,a2"), "{text}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_makes_no_sense_for_everybody_is_refused() -> Result<()> {
    let engine = Engine::start()?;
    let client = engine.client()?;
    shop::load(&client).await?;
    let model = shop::model(&client, "plain", &[], 0.0).await?;
    let none = v1::OfferList::default();
    let mut wrong = Vec::new();
    let mut bare = spec(&model, none.clone());
    bare.batch_score.as_mut().context("it is one")?.offers = None;
    wrong.push((bare, "WRONG_TASK"));
    let mut listed = spec(&model, none.clone());
    listed.batch_score.as_mut().context("it is one")?.contacts = Some(v1::ContactList::default());
    wrong.push((listed, "NOT_WITH_OFFERS"));
    let mut written = spec(&model, none.clone());
    written.write_back = true;
    wrong.push((written, "NOT_WITH_OFFERS"));
    let broken = v1::OfferList {
        filter: "price >".to_owned(),
        ..none.clone()
    };
    wrong.push((spec(&model, broken), "INVALID_FILTER"));
    let many = v1::OfferList {
        limit: 1001,
        ..none
    };
    wrong.push((spec(&model, many), "OUT_OF_RANGE"));
    for (spec, reason) in wrong {
        let error = work::create(&client, "wrong", spec).await.unwrap_err();
        assert!(error.has_reason(reason), "{reason}: {error}");
    }
    // Whoever the model does not know gets the most popular things.
    let mut given = spec(&model, v1::OfferList::default());
    let people = work::spec("recommend.item-knn", "customers", "people").inputs;
    given.inputs = people;
    let job = work::run(&client, "given", given).await?;
    assert_eq!(
        work::metric(&job, "customers")? as usize,
        shop::N_CUSTOMERS - 1
    );
    Ok(())
}
