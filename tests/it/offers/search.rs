//! The search over recommenders: it sees what the judge does not test on, and the command says why.

use anyhow::Result;
use lode_proto::v1;
use lode_tests::Engine;
use lode_tests::wire;
use lode_tests::work;

use super::load;
use super::naive;
use super::visits;

#[tokio::test]
async fn the_better_recommender_is_found_on_earlier_windows() -> Result<()> {
    let engine = Engine::start()?;
    let client = engine.client()?;
    load(&client, "visits", &visits(), true).await?;
    let search = |measure: &str, trials: u32| {
        let mut spec = work::spec("recommend.popular", "events", "visits");
        spec.tuning = Some(v1::Tuning {
            max_trials: trials,
            algorithms: vec!["algorithms/recommend.item-knn".to_owned()],
            measure: measure.to_owned(),
            ..v1::Tuning::default()
        });
        spec
    };
    let job = work::run(&client, "search", search("", 4)).await?;
    let board = work::output_of(&client, &job, "leaderboard").await?;
    let tried = wire::texts(&board, "algorithm")?;
    assert_eq!(tried.len(), 4);
    assert_eq!(tried[0], "recommend.item-knn", "{tried:?}");
    assert!(
        wire::texts(&board, "measure")?
            .iter()
            .all(|m| m == "ndcg_10")
    );
    let values = wire::numbers(&board, "value")?;
    assert!(values[0] > values[3], "{values:?}");
    let provenance = job.provenance.clone().unwrap_or_default();
    assert_eq!(provenance.algorithm, "algorithms/recommend.item-knn");
    assert!(provenance.params_json.contains("neighbors"));
    // What won is judged as any other, and what made it repeats without a search.
    let asked = naive::asked(&client, &job).await?;
    naive::check(&job, &asked)?;
    let again = work::run(&client, "again", search("", 4)).await?;
    let again = work::output_of(&client, &again, "leaderboard").await?;
    assert_eq!(wire::numbers(&again, "value")?, values);
    // Another measure puts them in its own order.
    let by_mrr = work::run(&client, "mrr", search("mrr", 2)).await?;
    assert!(work::metric(&by_mrr, "tuning_best_mrr")? > 0.0);

    let wrong = work::create(&client, "wrong", search("auc", 2)).await;
    let error = wrong.expect_err("no measure of a recommender");
    let refusal = error.refusal().expect("the engine answers");
    assert_eq!(refusal.field, "spec.tuning.measure");
    assert!(refusal.message.contains("hit_rate_10"), "{refusal:?}");
    Ok(())
}

/// Changes what was in the last windows; the search, which must not see them, gives the same.
#[tokio::test]
async fn the_search_does_not_see_what_is_judged() -> Result<()> {
    let engine = Engine::start()?;
    let client = engine.client()?;
    let rows = visits();
    let last = rows.iter().map(|row| row.2).max().expect("there are rows");
    let mut turned = rows.clone();
    for row in turned
        .iter_mut()
        .filter(|row| row.2 > last - 21 * super::DAY)
    {
        row.1 = format!("g{}i{}", 3 - row.1.as_bytes()[1] % 4, &row.1[3..]);
    }
    load(&client, "plain", &rows, true).await?;
    load(&client, "turned", &turned, true).await?;
    let mut boards = Vec::new();
    for dataset in ["plain", "turned"] {
        let mut spec = work::spec("recommend.popular", "events", dataset);
        spec.tuning = Some(v1::Tuning {
            max_trials: 3,
            algorithms: vec!["algorithms/recommend.item-knn".to_owned()],
            ..v1::Tuning::default()
        });
        let job = work::run(&client, dataset, spec).await?;
        let board = work::output_of(&client, &job, "leaderboard").await?;
        boards.push((
            wire::texts(&board, "params")?,
            wire::numbers(&board, "value")?,
            work::metric(&job, "ndcg_10")?,
        ));
    }
    assert_eq!(boards[0].0, boards[1].0);
    assert_eq!(boards[0].1, boards[1].1);
    assert!((boards[0].2 - boards[1].2).abs() > 1e-6, "{boards:?}");
    Ok(())
}

#[tokio::test]
async fn the_command_searches_all_and_says_why() -> Result<()> {
    let engine = Engine::start()?;
    let client = engine.client()?;
    load(&client, "visits", &visits(), true).await?;
    let train = |more: &[&str]| {
        let words = ["train", "recommend", "--events", "visits", "--trials", "8"];
        engine.lode(words.iter().chain(more))
    };
    let done = train(&["--id", "best"])?;
    let text = done.text()?.to_owned();
    for words in [
        "recommend.popular",
        "recommend.item-knn",
        "seconds",
        "popularity",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    for words in [
        "chosen: recommend.item-knn",
        "better than popularity by more than chance",
        "alias recommend points at model best",
    ] {
        assert!(done.stderr.contains(words), "{words}: {}", done.stderr);
    }
    let offers = engine.lode(["recommend", "@recommend", "c001", "-o", "json"])?;
    assert!(!offers.text()?.is_empty());

    // A window of another length is another question to the same events: still the same alias.
    let done = train(&["--id", "next", "--window", "14d"])?;
    done.text()?;
    assert!(
        done.stderr
            .contains("alias recommend moved from model best"),
        "{}",
        done.stderr
    );
    let compared = engine.lode(["compare", "best", "next"]);
    // Asked at other times, about other customers: too few in common, or none.
    assert!(compared?.failure()?.contains("NOT_COMPARABLE"));
    let other = engine.lode(["run", "recommend.popular", "-i", "visits", "--id", "plain"])?;
    assert!(other.text()?.contains("ndcg_10"));
    let compared = engine.lode(["compare", "plain", "best"])?;
    assert!(compared.text()?.contains("bootstrap by customer"));
    assert!(compared.stderr.contains("best is better by ndcg_10"));

    let refused = train(&["--horizon", "30d"])?;
    assert!(refused.failure()?.contains("--horizon"));
    let no_horizon = engine.lode(["train", "churn", "--events", "visits"])?;
    assert!(no_horizon.failure()?.contains("expected --horizon"));
    Ok(())
}
