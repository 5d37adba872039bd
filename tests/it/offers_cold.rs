//! Offers of what nobody has to customers that nobody knows, and events that count by kind,
//! through the engine.

use std::sync::Arc;

use anyhow::Result;
use arrow_array::ArrayRef;
use arrow_array::RecordBatch;
use arrow_array::StringArray;
use lode_client::Client;
use lode_proto::v1;
use lode_proto::v1::input_ref::Source;
use lode_tests::Engine;
use lode_tests::wire;
use lode_tests::work;

/// Loads columns of text.
async fn load(
    client: &Client,
    id: &str,
    kind: v1::DatasetKind,
    columns: &[(&str, v1::Role, Vec<String>)],
) -> Result<()> {
    let declared = columns.iter().map(|(name, role, _)| match kind {
        v1::DatasetKind::Customers if *role == v1::Role::CustomerId => wire::key(name),
        _ => wire::column(name, v1::Type::String, *role),
    });
    let arrays = columns.iter().map(|(name, _, values)| {
        let array: ArrayRef = Arc::new(StringArray::from(values.clone()));
        (*name, array)
    });
    let batch = RecordBatch::try_from_iter(arrays)?;
    wire::load(client, id, kind, declared.collect(), &[batch]).await
}

/// Customers of two countries: French ones drink wine or coffee, others tea or cocoa; some
/// complain of tea. A wine and a tea are new, and so are two customers.
async fn load_shop(client: &Client) -> Result<()> {
    let (mut who, mut what, mut kinds) = (Vec::new(), Vec::new(), Vec::new());
    let (mut ids, mut countries) = (Vec::new(), Vec::new());
    for n in 0..120 {
        let (country, drinks) = match n % 3 {
            0 => ("fr", ["wine-red", "wine-white", "coffee"]),
            _ => ("uk", ["tea-black", "tea-green", "cocoa"]),
        };
        ids.push(format!("c{n}"));
        countries.push(country.to_owned());
        for drink in drinks.iter().enumerate().filter(|(at, _)| n % 5 != *at) {
            who.push(format!("c{n}"));
            what.push((*drink.1).to_owned());
            let complains = n % 4 == 0 && *drink.1 == "tea-black";
            kinds.push(if complains { "complaint" } else { "purchase" }.to_owned());
        }
    }
    for (id, country) in [("new-fr", "fr"), ("new-uk", "uk")] {
        ids.push(id.to_owned());
        countries.push(country.to_owned());
    }
    load(
        client,
        "drunk",
        v1::DatasetKind::Events,
        &[
            ("customer", v1::Role::CustomerId, who),
            ("item", v1::Role::Item, what),
            ("kind", v1::Role::EventKind, kinds),
        ],
    )
    .await?;
    let skus = [
        ("wine-red", "dry wine of grapes"),
        ("wine-white", "sweet wine of grapes"),
        ("wine-new", "sparkling wine of grapes"),
        ("coffee", "roasted beans"),
        ("tea-black", "dried leaves black"),
        ("tea-green", "dried leaves green"),
        ("tea-new", "dried leaves white"),
        ("cocoa", "powder"),
    ];
    let column = |of: fn(&(&str, &str)) -> String| skus.iter().map(of).collect::<Vec<_>>();
    load(
        client,
        "drinks",
        v1::DatasetKind::Items,
        &[
            ("sku", v1::Role::Item, column(|sku| sku.0.to_owned())),
            (
                "about",
                v1::Role::Unspecified,
                column(|sku| sku.1.to_owned()),
            ),
        ],
    )
    .await?;
    load(
        client,
        "people",
        v1::DatasetKind::Customers,
        &[
            ("id", v1::Role::CustomerId, ids),
            ("country", v1::Role::Unspecified, countries),
        ],
    )
    .await
}

fn spec(algorithm: &str) -> v1::JobSpec {
    let mut spec = work::spec(algorithm, "events", "drunk");
    for (input, dataset) in [("items", "drinks"), ("customers", "people")] {
        let input_ref = v1::InputRef {
            source: Some(Source::Dataset(wire::dataset(dataset))),
            ..v1::InputRef::default()
        };
        spec.inputs.insert(input.to_owned(), input_ref);
    }
    let weights = v1::Value {
        kind: Some(v1::value::Kind::MapValue(v1::MapValue {
            fields: [("complaint".to_owned(), work::int(-1))].into(),
        })),
    };
    spec.params.insert("kind_weights".to_owned(), weights);
    spec
}

#[tokio::test]
async fn newcomers_and_new_items_meet() -> Result<()> {
    let engine = Engine::start()?;
    let client = engine.client()?;
    load_shop(&client).await?;
    for algorithm in ["recommend.popular", "recommend.item-knn"] {
        let id = algorithm.replace('.', "-");
        let job = work::run(&client, &id, spec(algorithm)).await?;
        assert_eq!(work::metric(&job, "items_without_events")? as i64, 2);
        let offers = async |customer: &str| -> Result<(Vec<String>, bool)> {
            let request = v1::RecommendRequest {
                model: job.models[0].clone(),
                customer: customer.to_owned(),
                limit: 8,
                ..v1::RecommendRequest::default()
            };
            let answer = client.recommend(request).await?;
            let items = answer.items.into_iter().map(|item| item.item).collect();
            Ok((items, answer.personal))
        };
        let place = |items: &[String], wanted: &str| {
            items
                .iter()
                .position(|item| item == wanted)
                .unwrap_or(items.len())
        };
        let (french, personal) = offers("new-fr").await?;
        let (british, _) = offers("new-uk").await?;
        assert!(!personal && french.len() == 8 && british.len() == 8);
        assert!(
            french[0].starts_with("wine") || french[0] == "coffee",
            "{french:?}"
        );
        assert!(
            british[0] == "cocoa" || british[0] == "tea-green",
            "{british:?}"
        );
        // What was complained of is owned and not offered again, nor is it liked.
        let (complains, personal) = offers("c4").await?;
        assert!(
            !complains.contains(&"tea-black".to_owned()),
            "{complains:?}"
        );
        assert_eq!(personal, algorithm == "recommend.item-knn");
        if personal {
            let (of_wine, _) = offers("c3").await?;
            let (new, tea) = (place(&of_wine, "wine-new"), place(&of_wine, "tea-new"));
            assert!(new < 2 && new < tea, "{of_wine:?}");
        }
    }
    Ok(())
}
