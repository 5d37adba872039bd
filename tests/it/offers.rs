//! Recommenders judged by what people took next: each protocol, its numbers made again here from
//! what was offered, leaks, searches, comparisons.

mod naive;
mod search;
mod wrong;

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use anyhow::Result;
use lode_client::Client;
use lode_proto::v1;
use lode_proto::v1::watch_job_response::Kind as Event;
use lode_tests::Columns;
use lode_tests::Engine;
use lode_tests::Setup;
use lode_tests::settings;
use lode_tests::work;

use naive::Asked;

const DAY: i64 = 24 * 60 * 60 * 1_000_000;
/// 2024-01-01.
const START: i64 = 1_704_067_200_000_000;
pub(crate) const N_CUSTOMERS: usize = 240;

/// One row of events: customer, item, time.
pub(crate) type Row = (String, String, i64);

/// Customers of four tastes who come every sixth day for 60 days and take an item that they do not
/// have, of twelve that their taste knows, mostly; every twentieth customer is new in the end.
pub(crate) fn visits() -> Vec<Row> {
    let mut rows = Vec::new();
    for n in 0..N_CUSTOMERS {
        let first = if n % 20 == 0 { 9 } else { 0 };
        for visit in first..10 {
            let taste = if (n + visit) % 9 == 8 { n / 4 } else { n } % 4;
            let item = (n / 4 * 7 + visit * 5) % 12;
            let day = (visit * 6 + n % 6) as i64;
            rows.push((
                format!("c{n:03}"),
                format!("g{taste}i{item:02}"),
                START + day * DAY,
            ));
        }
    }
    rows
}

pub(crate) async fn load(client: &Client, id: &str, rows: &[Row], timed: bool) -> Result<()> {
    let who = rows.iter().map(|row| &row.0);
    let what = rows.iter().map(|row| &row.1);
    let columns = match timed {
        true => Columns::of_events(
            ("customer_id", who),
            ("event_time", rows.iter().map(|r| r.2)),
        ),
        false => Columns::default()
            .text("customer_id", who)
            .role(v1::Role::CustomerId),
    };
    let columns = columns.text("item", what).role(v1::Role::Item);
    columns.load(client, id, v1::DatasetKind::Events).await
}

pub(crate) fn judged(algorithm: &str, dataset: &str, evaluation: v1::Evaluation) -> v1::JobSpec {
    v1::JobSpec {
        evaluation: Some(evaluation),
        ..work::spec(algorithm, "events", dataset)
    }
}

pub(crate) fn by(protocol: v1::OfferProtocol) -> v1::Evaluation {
    v1::Evaluation {
        protocol: protocol.into(),
        ..v1::Evaluation::default()
    }
}

pub(crate) fn days(n: i64) -> Option<prost_types::Duration> {
    Some(prost_types::Duration {
        seconds: n * 24 * 60 * 60,
        nanos: 0,
    })
}

/// What a job said, by level.
pub(crate) async fn said(client: &Client, id: &str, level: &str) -> Result<Vec<String>> {
    let (_, events) = work::watch(client, id).await?;
    let lines = events.into_iter().filter_map(|event| match event.kind {
        Some(Event::Log(line)) if line.level == level => Some(line.message),
        _ => None,
    });
    Ok(lines.collect())
}

fn near(what: &str, found: f64, expected: f64) {
    assert!(
        (found - expected).abs() < 1e-9,
        "{what}: found {found}, expected {expected}"
    );
}

#[tokio::test]
async fn windows_are_judged_by_what_was_taken_in_them() -> Result<()> {
    let engine = Engine::start()?;
    let client = engine.client()?;
    let rows = visits();
    load(&client, "visits", &rows, true).await?;
    let job = work::run(
        &client,
        "knn",
        work::spec("recommend.item-knn", "events", "visits"),
    );
    let job = job.await?;
    let asked = naive::asked(&client, &job).await?;

    // Three windows of a week, the last one to the last day; whoever came in one is asked.
    let last = rows.iter().map(|row| row.2).max().expect("there are rows");
    let starts: Vec<i64> = (1..=3).rev().map(|n| last + DAY - n * 7 * DAY).collect();
    let mut expected: BTreeMap<(String, i64), BTreeSet<String>> = BTreeMap::new();
    for start in &starts {
        let of = |from: i64, to: i64| {
            let mut by_customer: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
            for (who, what, _) in rows.iter().filter(|row| (from..to).contains(&row.2)) {
                by_customer.entry(who).or_default().insert(what);
            }
            by_customer
        };
        let before = of(0, *start);
        for (who, what) in of(*start, start + 7 * DAY) {
            let owned = before.get(who).cloned().unwrap_or_default();
            let new: BTreeSet<String> = what
                .difference(&owned)
                .map(|item| (*item).to_owned())
                .collect();
            if !new.is_empty() {
                expected.insert((who.to_owned(), *start), new);
            }
        }
    }
    let found: BTreeMap<(String, i64), BTreeSet<String>> = asked
        .iter()
        .map(|asked| {
            let key = (asked.customer.clone(), asked.as_of.expect("a window"));
            (key, asked.relevant.iter().cloned().collect())
        })
        .collect();
    assert_eq!(found, expected);

    // Nobody is offered what they have, and every number is that of the lists.
    for asked in &asked {
        let start = asked.as_of.expect("a window");
        let history = rows
            .iter()
            .filter(|row| row.0 == asked.customer && row.2 < start);
        let owned: BTreeSet<&String> = history.map(|row| &row.1).collect();
        assert_eq!(asked.is_new, owned.is_empty(), "{asked:?}");
        assert!(
            !asked.offered.iter().any(|item| owned.contains(item)),
            "{asked:?}"
        );
    }
    naive::check(&job, &asked)?;
    let popularity = naive::popularity(&rows, &asked);
    near(
        "popularity",
        work::metric(&job, "popularity_ndcg_10")?,
        popularity,
    );
    near(
        "above popularity",
        work::metric(&job, "over_popularity_ndcg_10")?,
        work::metric(&job, "ndcg_10")? - popularity,
    );
    // The tastes are there to be found.
    assert!(work::metric(&job, "over_popularity_ndcg_10_low")? > 0.0);
    let new = asked.iter().filter(|asked| asked.is_new).count();
    assert!(new > 0);
    near(
        "new",
        work::metric(&job, "new_share")?,
        new as f64 / asked.len() as f64,
    );
    let of_new: Vec<&Asked> = asked.iter().filter(|asked| asked.is_new).collect();
    let of_new = of_new.iter().map(|asked| asked.ndcg(10)).sum::<f64>() / of_new.len() as f64;
    near("of new", work::metric(&job, "ndcg_10_new")?, of_new);
    let info = said(&client, "knn", "info").await?;
    assert!(
        info.iter().any(|line| line.contains("3 windows of 7 days")),
        "{info:?}"
    );
    Ok(())
}

#[tokio::test]
async fn strangers_are_told_all_but_one_item() -> Result<()> {
    let engine = Engine::start()?;
    let client = engine.client()?;
    let rows = visits();
    load(&client, "pairs", &rows, false).await?;
    let spec = || work::spec("recommend.item-knn", "events", "pairs");
    let job = work::run(&client, "first", spec()).await?;
    let asked = naive::asked(&client, &job).await?;
    // A tenth of those who have two items or more.
    assert_eq!(asked.len(), (N_CUSTOMERS - N_CUSTOMERS / 20) / 10);
    for asked in &asked {
        let own = rows.iter().filter(|row| row.0 == asked.customer);
        let own: BTreeSet<&String> = own.map(|row| &row.1).collect();
        assert_eq!(asked.relevant.len(), 1);
        assert!(own.contains(&asked.relevant[0]));
        assert_eq!(asked.history as usize, own.len() - 1);
        let told = |item: &&String| own.contains(item) && **item != asked.relevant[0];
        assert_eq!(asked.offered.iter().filter(told).count(), 0, "{asked:?}");
    }
    naive::check(&job, &asked)?;
    assert!(work::metric(&job, "over_popularity_ndcg_10")? > 0.0);

    // The same for any threads, others by another seed.
    for threads in [1, 8] {
        let mut again = spec();
        again.limits = Some(v1::JobLimits {
            threads,
            ..v1::JobLimits::default()
        });
        let again = work::run(&client, &format!("threads{threads}"), again).await?;
        assert_eq!(again.metrics, job.metrics, "{threads} threads");
    }
    let mut other = spec();
    other.seed = 5;
    let other = work::run(&client, "other", other).await?;
    let others = naive::asked(&client, &other).await?;
    let names = |asked: &[Asked]| -> Vec<String> {
        asked.iter().map(|asked| asked.customer.clone()).collect()
    };
    assert_ne!(names(&others), names(&asked));
    Ok(())
}

#[tokio::test]
async fn the_last_visit_and_a_given_holdout_are_to_be_found() -> Result<()> {
    let engine = Engine::start()?;
    let client = engine.client()?;
    let rows = visits();
    load(&client, "visits", &rows, true).await?;
    let spec = judged("recommend.item-knn", "visits", by(v1::OfferProtocol::Last));
    let last = work::run(&client, "last", spec).await?;
    let of_last = naive::asked(&client, &last).await?;
    let newest = |customer: &str| {
        let own = rows.iter().filter(|row| row.0 == customer);
        own.max_by_key(|row| row.2).map(|row| row.1.clone())
    };
    assert_eq!(of_last.len(), N_CUSTOMERS - N_CUSTOMERS / 20);
    for asked in &of_last {
        assert_eq!(Some(&asked.relevant[0]), newest(&asked.customer).as_ref());
        assert_eq!(asked.relevant.len(), 1);
    }
    naive::check(&last, &of_last)?;

    // The same question as a holdout, of the same events without these visits.
    let held: BTreeSet<(String, String)> = of_last
        .iter()
        .map(|asked| (asked.customer.clone(), asked.relevant[0].clone()))
        .collect();
    let before: Vec<Row> = rows
        .iter()
        .filter(|row| !held.contains(&(row.0.clone(), row.1.clone())))
        .cloned()
        .collect();
    load(&client, "before", &before, true).await?;
    holdout(
        &client,
        "held",
        held.iter()
            .map(|(who, what)| (who.as_str(), what.as_str(), 1.0)),
    )
    .await?;
    let spec = judged("recommend.item-knn", "before", given("held"));
    let given_job = work::run(&client, "given", spec).await?;
    let of_given = naive::asked(&client, &given_job).await?;
    assert_eq!(of_given.len(), of_last.len());
    for name in ["ndcg_10", "map", "popularity_ndcg_10", "coverage_10"] {
        near(
            name,
            work::metric(&given_job, name)?,
            work::metric(&last, name)?,
        );
    }
    // Both were asked the same, and can be compared.
    let model = |job: &v1::Job| job.models[0].clone();
    let request = v1::CompareModelsRequest {
        champion: model(&last),
        challenger: model(&given_job),
    };
    let compared = client.compare_models(request).await?;
    assert_eq!(compared.rows, of_last.len() as u64);
    assert!(compared.comparisons[0].difference.abs() < 1e-12);

    // History that the fit does not see comes with the question.
    let stranger = [
        ("stranger", "g1i00", 0.0),
        ("stranger", "g1i05", 0.0),
        ("stranger", "g1i03", 1.0),
        ("nobody", "g2i00", 1.0),
    ];
    holdout(&client, "strange", stranger.into_iter()).await?;
    let spec = judged("recommend.item-knn", "visits", given("strange"));
    let strange = work::run(&client, "strange", spec).await?;
    let asked = naive::asked(&client, &strange).await?;
    let names: Vec<&str> = asked.iter().map(|asked| asked.customer.as_str()).collect();
    assert_eq!(names, ["nobody", "stranger"]);
    assert_eq!((asked[0].is_new, asked[1].is_new), (true, false));
    assert!(asked[1].offered[0].starts_with("g1"), "{asked:?}");
    assert!(!asked[1].offered.contains(&"g1i00".to_owned()));
    Ok(())
}

fn given(dataset: &str) -> v1::Evaluation {
    v1::Evaluation {
        holdout: Some(dataset_input(dataset)),
        ..by(v1::OfferProtocol::Given)
    }
}

pub(crate) fn dataset_input(dataset: &str) -> v1::InputRef {
    v1::InputRef {
        source: Some(v1::input_ref::Source::Dataset(lode_tests::wire::dataset(
            dataset,
        ))),
        ..v1::InputRef::default()
    }
}

pub(crate) async fn holdout<'a>(
    client: &Client,
    id: &str,
    rows: impl Iterator<Item = (&'a str, &'a str, f64)>,
) -> Result<()> {
    let rows: Vec<(&str, &str, f64)> = rows.collect();
    Columns::default()
        .text("customer_id", rows.iter().map(|row| row.0))
        .role(v1::Role::CustomerId)
        .text("item", rows.iter().map(|row| row.1))
        .role(v1::Role::Item)
        .number("label", rows.iter().map(|row| row.2))
        .role(v1::Role::Label)
        .load(client, id, v1::DatasetKind::Other)
        .await
}

#[tokio::test]
async fn an_order_stands_beside_and_repeats_count_where_they_are_wanted() -> Result<()> {
    let engine = Engine::start()?;
    let client = engine.client()?;
    let mut rows = visits();
    load(&client, "visits", &rows, true).await?;
    // Everybody takes the same item each time they come, and another one.
    let again: Vec<Row> = rows
        .iter()
        .map(|row| (row.0.clone(), "daily".to_owned(), row.2))
        .collect();
    rows.extend(again);
    load(&client, "repeats", &rows, true).await?;
    Columns::default()
        .text("item", ["g3i00", "nothing", "g3i01", "g3i00", "g2i00"])
        .role(v1::Role::Item)
        .load(&client, "experts", v1::DatasetKind::Other)
        .await?;
    let evaluation = v1::Evaluation {
        order: Some(dataset_input("experts")),
        ..v1::Evaluation::default()
    };
    let spec = judged("recommend.popular", "visits", evaluation);
    let job = work::run(&client, "order", spec).await?;
    let asked = naive::asked(&client, &job).await?;
    let order = naive::of_order(&visits(), &asked, &["g3i00", "g3i01", "g2i00"]);
    near("order", work::metric(&job, "order_ndcg_10")?, order);
    near(
        "above the order",
        work::metric(&job, "over_order_ndcg_10")?,
        work::metric(&job, "ndcg_10")? - order,
    );
    let warned = said(&client, "order", "warn").await?;
    assert!(
        warned
            .iter()
            .any(|line| line.contains("1 rows of the order")),
        "{warned:?}"
    );

    // What everybody has is not to be found, unless repeats are asked for.
    let plain = work::spec("recommend.popular", "events", "repeats");
    let plain = work::run(&client, "plain", plain).await?;
    let asked = naive::asked(&client, &plain).await?;
    let daily = "daily".to_owned();
    let known = asked.iter().filter(|asked| !asked.is_new);
    assert!(known.clone().count() > 0);
    for asked in known {
        assert!(!asked.relevant.contains(&daily) && !asked.offered.contains(&daily));
    }
    let evaluation = v1::Evaluation {
        repeats: true,
        ..v1::Evaluation::default()
    };
    let spec = judged("recommend.popular", "repeats", evaluation);
    let repeats = work::run(&client, "repeats", spec).await?;
    let asked = naive::asked(&client, &repeats).await?;
    for asked in &asked {
        assert!(asked.relevant.contains(&daily), "{asked:?}");
        assert_eq!(asked.offered[0], daily, "{asked:?}");
    }
    near("hits", work::metric(&repeats, "hit_rate_5")?, 1.0);
    assert!(work::metric(&plain, "hit_rate_5")? < 0.9);
    Ok(())
}

/// Customers each of whose items is their own: who finds one must have seen it.
fn secrets() -> Vec<Row> {
    let mut rows = Vec::new();
    for n in 0..100 {
        for visit in 0..8_i64 {
            rows.push((
                format!("c{n:03}"),
                format!("secret-{n:03}-{visit}"),
                START + (visit * 7 + n % 7) * DAY,
            ));
        }
    }
    rows
}

#[tokio::test]
async fn what_is_held_out_reaches_no_plugin() -> Result<()> {
    let engine = Engine::with(Setup {
        plugins: Some(settings::faulty_plugins()),
        ..Setup::default()
    })?;
    let client = engine.client()?;
    let rows = secrets();
    load(&client, "secrets", &rows, true).await?;
    for protocol in [
        v1::OfferProtocol::Windows,
        v1::OfferProtocol::Last,
        v1::OfferProtocol::Strangers,
    ] {
        let id = format!("{protocol:?}");
        let spec = judged("recommend.spy", "secrets", by(protocol));
        let job = work::run(&client, &id, spec).await?;
        let asked = naive::asked(&client, &job).await?;
        assert!(asked.len() >= 10, "{id}");
        for name in ["hit_rate_20", "mrr", "map"] {
            near(name, work::metric(&job, name)?, 0.0);
        }
        // The model itself has seen everything, and offers it to whoever has it.
        near("seen", work::metric(&job, "pairs_seen")?, rows.len() as f64);
        let request = v1::RecommendRequest {
            model: job.models[0].clone(),
            customer: "c007".to_owned(),
            limit: 8,
            ..v1::RecommendRequest::default()
        };
        let items = client.recommend(request).await?.items;
        assert!(
            items
                .iter()
                .all(|item| item.item.starts_with("secret-007-"))
        );
        // It offered what the customers have, which the judge left out and told.
        let warned = said(&client, &id, "warn").await?;
        assert!(
            warned.iter().any(|line| line.contains("has already")),
            "{warned:?}"
        );
    }
    // A list with an item twice could find it twice.
    let mut spec = judged("recommend.spy", "secrets", by(v1::OfferProtocol::Last));
    spec.params.insert(
        "twice".to_owned(),
        v1::Value {
            kind: Some(v1::value::Kind::BoolValue(true)),
        },
    );
    let job = work::run_to_end(&client, "twice", spec).await?;
    let error = job.error.unwrap_or_default();
    assert_eq!(error.reason, "PLUGIN_FAILED");
    assert!(
        error.message.contains("each item once"),
        "{}",
        error.message
    );
    Ok(())
}
