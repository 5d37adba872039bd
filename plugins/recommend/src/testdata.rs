//! Tables that tests of all algorithms use.
//!
//! Test code alone.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow_array::Array;
use arrow_array::ArrayRef;
use arrow_array::BooleanArray;
use arrow_array::Float64Array;
use arrow_array::Int64Array;
use arrow_array::RecordBatch;
use arrow_array::StringArray;
use arrow_array::TimestampMicrosecondArray;
use arrow_array::builder::ListBuilder;
use arrow_array::builder::StringBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::types::Int64Type;
use lode_numeric::Rng;
use lode_plugin::Error;
use lode_plugin::Inputs;
use lode_plugin::Role;
use lode_plugin::testing;

/// Rows of customer and item.
pub(crate) fn events(pairs: &[(&str, &str)]) -> RecordBatch {
    let who: StringArray = pairs.iter().map(|pair| Some(pair.0)).collect();
    let what: StringArray = pairs.iter().map(|pair| Some(pair.1)).collect();
    testing::batch(&[
        ("who", Some(Role::CustomerId), Arc::new(who)),
        ("what", Some(Role::Item), Arc::new(what)),
    ])
}

/// Customers of two tastes: even ones take mostly items below 20, odd ones the others; all
/// take item 0 often.
pub(crate) fn tastes(n_customers: u64, seed: u64) -> RecordBatch {
    let mut rng = Rng::new(seed);
    let mut who = Vec::new();
    let mut what = Vec::new();
    for customer in 0..n_customers {
        for _ in 0..3 + rng.below(5) {
            let own = rng.below(20) + 20 * (customer % 2);
            let item = if rng.chance(0.1) { rng.below(40) } else { own };
            who.push(format!("c{customer}"));
            what.push(if rng.chance(0.2) { 0 } else { item as i64 });
        }
    }
    testing::batch(&[
        (
            "who",
            Some(Role::CustomerId),
            Arc::new(StringArray::from(who)),
        ),
        ("what", Some(Role::Item), Arc::new(Int64Array::from(what))),
    ])
}

/// The same rows with a column of pieces.
pub(crate) fn with_pieces(batch: &RecordBatch, pieces: Vec<Option<f64>>) -> RecordBatch {
    testing::batch(&[
        ("who", Some(Role::CustomerId), Arc::clone(batch.column(0))),
        ("what", Some(Role::Item), Arc::clone(batch.column(1))),
        (
            "pieces",
            Some(Role::Quantity),
            Arc::new(Float64Array::from(pieces)),
        ),
    ])
}

/// One request: customer, session, exclusions, limit.
pub(crate) type Request<'a> = (Option<&'a str>, &'a [&'a str], &'a [&'a str], i64);

/// The table of requests that a server answers.
pub(crate) fn requests(list: &[Request<'_>]) -> Inputs {
    let customers: StringArray = list.iter().map(|request| request.0).collect();
    let limits: Int64Array = list.iter().map(|request| request.3).collect();
    let batch = testing::batch(&[
        ("customer_id", Some(Role::CustomerId), Arc::new(customers)),
        (
            "session_items",
            None,
            lists(list.iter().map(|request| request.1)),
        ),
        (
            "exclude_items",
            None,
            lists(list.iter().map(|request| request.2)),
        ),
        ("limit", None, Arc::new(limits)),
    ]);
    Inputs::new().with("requests", batch.into())
}

fn lists<'a>(lists: impl Iterator<Item = &'a [&'a str]>) -> ArrayRef {
    let mut builder = ListBuilder::new(StringBuilder::new());
    for list in lists {
        for item in list {
            builder.values().append_value(item);
        }
        builder.append(true);
    }
    Arc::new(builder.finish())
}

/// Answers of one request: item and score, and whether they are personal.
pub(crate) fn answers(batch: &RecordBatch, request: i64) -> (Vec<(String, f64)>, bool) {
    let requests = batch["request"].as_primitive::<Int64Type>();
    let items = batch["item"].as_string::<i32>();
    let scores = batch["score"].as_primitive::<Float64Type>();
    let rows: Vec<usize> = (0..batch.num_rows())
        .filter(|row| requests.value(*row) == request)
        .collect();
    let offers = rows
        .iter()
        .map(|row| (items.value(*row).to_owned(), scores.value(*row)));
    let personal = rows
        .iter()
        .any(|row| batch["personal"].as_boolean().value(*row));
    (offers.collect(), personal)
}

/// The offers of one customer in a fit's output, in the order of their ranks.
pub(crate) fn offers_of(batch: &RecordBatch, customer: &str) -> Vec<(String, f64)> {
    let ids = batch["customer_id"].as_string::<i32>();
    let ranks = batch["rank"].as_primitive::<Int64Type>();
    let items = batch["item"].as_string::<i32>();
    let scores = batch["score"].as_primitive::<Float64Type>();
    let rows: Vec<usize> = (0..batch.num_rows())
        .filter(|row| ids.value(*row) == customer)
        .collect();
    for (rank, row) in (1..).zip(&rows) {
        assert_eq!(ranks.value(*row), rank);
    }
    rows.iter()
        .map(|row| (items.value(*row).to_owned(), scores.value(*row)))
        .collect()
}

/// What an error says of which field.
pub(crate) fn message<T: std::fmt::Debug>(result: lode_plugin::Result<T>) -> String {
    match result.unwrap_err() {
        Error::Invalid { field, message } => format!("{field}: {message}"),
        other => panic!("expected an invalid input, found {other:?}"),
    }
}

/// One request with everything that can be asked.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Asked<'a> {
    pub(crate) customer: Option<&'a str>,
    pub(crate) session: &'a [&'a str],
    pub(crate) excluded: &'a [&'a str],
    pub(crate) limit: i64,
    pub(crate) explain: bool,
    pub(crate) allow_owned: bool,
    pub(crate) diversity: Option<f64>,
    pub(crate) country: Option<&'a str>,
}

/// The table of such requests.
pub(crate) fn asked(list: &[Asked<'_>]) -> Inputs {
    let flags = |of: fn(&Asked<'_>) -> bool| -> ArrayRef {
        Arc::new(list.iter().map(of).map(Some).collect::<BooleanArray>())
    };
    let customers: StringArray = list.iter().map(|asked| asked.customer).collect();
    let countries: StringArray = list.iter().map(|asked| asked.country).collect();
    let limits: Int64Array = list.iter().map(|asked| Some(asked.limit)).collect();
    let diversity: Float64Array = list.iter().map(|asked| asked.diversity).collect();
    let batch = testing::batch(&[
        ("customer_id", Some(Role::CustomerId), Arc::new(customers)),
        ("session_items", None, lists(list.iter().map(|a| a.session))),
        (
            "exclude_items",
            None,
            lists(list.iter().map(|a| a.excluded)),
        ),
        ("limit", None, Arc::new(limits)),
        ("explain", None, flags(|asked| asked.explain)),
        ("allow_owned", None, flags(|asked| asked.allow_owned)),
        ("diversity", None, Arc::new(diversity)),
        ("customer.country", None, Arc::new(countries)),
        ("something_else", None, flags(|_| true)),
    ]);
    Inputs::new().with("requests", batch.into())
}

/// The table of questions for similar items.
pub(crate) fn similar(items: &[&str], excluded: &[&str], limit: i64) -> Inputs {
    let n = items.len();
    let batch = testing::batch(&[
        (
            "item",
            Some(Role::Item),
            Arc::new(StringArray::from(items.to_vec())),
        ),
        ("exclude_items", None, lists((0..n).map(|_| excluded))),
        ("limit", None, Arc::new(Int64Array::from(vec![limit; n]))),
    ]);
    Inputs::new().with("similar", batch.into())
}

/// Base, contributions (feature, value, part) of the rows of an answer.
pub(crate) type Explained = Vec<(f64, Vec<(String, Option<String>, f64)>)>;

/// The reasons of every row.
pub(crate) fn reasons(batch: &RecordBatch) -> Explained {
    let bases = batch["base"].as_primitive::<Float64Type>();
    let lists = batch["contributions"].as_list::<i32>();
    let row = |row: usize| {
        let parts = lists.value(row);
        let parts = parts.as_struct();
        let features = parts["feature"].as_string::<i32>();
        let values = parts["value"].as_string::<i32>();
        let sizes = parts["contribution"].as_primitive::<Float64Type>();
        let parts = (0..parts.len()).map(|at| {
            let value = values.is_valid(at).then(|| values.value(at).to_owned());
            (features.value(at).to_owned(), value, sizes.value(at))
        });
        (bases.value(row), parts.collect())
    };
    (0..batch.num_rows()).map(row).collect()
}

/// A small shop: events of kinds, with times, pieces and returns; items and customers with
/// attributes, some of them without any event (`new-…`, `fresh-…`).
#[derive(Clone, Debug)]
pub(crate) struct Shop {
    pub(crate) events: RecordBatch,
    pub(crate) items: RecordBatch,
    pub(crate) customers: RecordBatch,
}

impl Shop {
    pub(crate) fn drawn(n_customers: u64, n_items: u64, seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let (mut who, mut what, mut kinds) = (Vec::new(), Vec::new(), Vec::new());
        let (mut pieces, mut times) = (Vec::new(), Vec::new());
        for customer in 0..n_customers {
            for _ in 0..1 + rng.below(9) {
                let taste = customer % 3;
                let item = match rng.chance(0.7) {
                    true => taste + 3 * rng.below(n_items.div_ceil(3)),
                    false => rng.below(n_items),
                };
                who.push(format!("c{customer:03}"));
                what.push(format!("i{:03}", item.min(n_items - 1)));
                kinds.push(["view", "buy", "hate"][rng.index(10).min(2 - rng.index(2))]);
                pieces.push(if rng.chance(0.1) { -1.0 } else { 1.0 });
                times.push(rng.below(100) as i64 * 86_400_000_000);
            }
        }
        let events = testing::batch(&[
            (
                "who",
                Some(Role::CustomerId),
                Arc::new(StringArray::from(who)),
            ),
            ("what", Some(Role::Item), Arc::new(StringArray::from(what))),
            (
                "kind",
                Some(Role::EventKind),
                Arc::new(StringArray::from(kinds)),
            ),
            (
                "pieces",
                Some(Role::Quantity),
                Arc::new(Float64Array::from(pieces)),
            ),
            (
                "at",
                Some(Role::EventTime),
                Arc::new(TimestampMicrosecondArray::from(times)),
            ),
        ]);
        let ids = |prefix: &str, n: u64, more: &str, n_more: u64| -> ArrayRef {
            let known = (0..n).map(|at| format!("{prefix}{at:03}"));
            let more = (0..n_more).map(|at| format!("{more}-{at}"));
            Arc::new(known.chain(more).map(Some).collect::<StringArray>())
        };
        let n_all = n_items + 4;
        let titles = (0..n_all).map(|at| {
            let color = ["red", "green", "blue"][at as usize % 3];
            Some(format!("{color} thing {}", at % 7))
        });
        let prices = (0..n_all).map(|at| (at % 5 != 4).then_some((at % 11) as f64));
        let items = testing::batch(&[
            ("sku", Some(Role::Item), ids("i", n_items, "new", 4)),
            ("title", None, Arc::new(titles.collect::<StringArray>())),
            ("price", None, Arc::new(prices.collect::<Float64Array>())),
        ]);
        let countries = (0..n_customers + 3).map(|at| Some(["at", "ch", "de"][at as usize % 3]));
        let ages = (0..n_customers + 3).map(|at| (at % 4 != 3).then_some(20 + at as i64));
        let customers = testing::batch(&[
            (
                "id",
                Some(Role::CustomerId),
                ids("c", n_customers, "fresh", 3),
            ),
            (
                "country",
                None,
                Arc::new(countries.collect::<StringArray>()),
            ),
            ("age", None, Arc::new(ages.collect::<Int64Array>())),
        ]);
        Self {
            events,
            items,
            customers,
        }
    }

    pub(crate) fn inputs(&self) -> Inputs {
        Inputs::new()
            .with("events", self.events.clone().into())
            .with("items", self.items.clone().into())
            .with("customers", self.customers.clone().into())
    }

    /// What each customer has, liked or not.
    pub(crate) fn owned(&self, customer: &str) -> BTreeSet<String> {
        let who = self.events["who"].as_string::<i32>();
        let what = self.events["what"].as_string::<i32>();
        let rows = who.iter().zip(what).filter(|row| row.0 == Some(customer));
        rows.filter_map(|row| row.1.map(str::to_owned)).collect()
    }

    /// The ids of all items.
    pub(crate) fn catalogue(&self) -> BTreeSet<String> {
        let of_events = self.events["what"].as_string::<i32>().iter().flatten();
        let of_items = self.items["sku"].as_string::<i32>().iter().flatten();
        of_events.chain(of_items).map(str::to_owned).collect()
    }
}
