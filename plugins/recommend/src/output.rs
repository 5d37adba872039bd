//! Tables that a fit gives: offers for every customer, items, similar items.
//!
//! Offers are made batch by batch while they are written, so that they never sit in memory at
//! once.

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::Float64Array;
use arrow_array::Int64Array;
use arrow_array::RecordBatch;
use arrow_array::RecordBatchReader;
use arrow_array::StringArray;
use arrow_array::builder::Float64Builder;
use arrow_array::builder::Int64Builder;
use arrow_array::builder::StringBuilder;
use arrow_schema::ArrowError;
use arrow_schema::DataType;
use arrow_schema::Field;
use arrow_schema::Schema;
use arrow_schema::SchemaRef;
use lode_numeric::neighbors::Neighbor;
use lode_numeric::parallel;
use lode_plugin::Context;
use lode_plugin::Fitted;
use lode_plugin::Output;
use lode_plugin::Result;
use lode_plugin::Role;
use lode_plugin::role_field;

use crate::events::Counts;
use crate::offers::OfferModel;
use crate::offers::serve::Offer;
use crate::offers::serve::Scratch;
use crate::offers::serve::Server;

/// Customers of one batch of offers.
const BATCH_CUSTOMERS: usize = 4096;
/// Customers that one thread takes at a time.
const SHARE: usize = 256;
/// Similar items listed of each item.
const N_SIMILAR: usize = 20;

/// The output that both algorithms make.
pub(crate) fn recommendations_spec() -> Output {
    Output::new("recommendations", "Offers for each customer, best first")
}

/// Adds what both algorithms give: offers, model, metrics.
pub(crate) fn finish(
    fitted: Fitted,
    model: OfferModel,
    counts: &Counts,
    n: usize,
    cx: &Context<'_>,
) -> Result<Fitted> {
    cx.check_cancelled()?;
    cx.progress(0.85, "making offers");
    let mut fitted = fitted
        .model(model.to_bytes())
        .metric("customers", model.customers().len() as f64)
        .metric("items", model.items().len() as f64)
        .metric("pairs", model.n_pairs() as f64);
    for (name, count) in counts.named() {
        fitted = fitted.metric(name, count as f64);
    }
    let offers = OfferStream::new(Server::new(model, n), n, cx.threads());
    Ok(fitted.stream("recommendations", Box::new(offers)))
}

/// The output `recommendations`, made on demand, customers by id.
struct OfferStream {
    server: Server,
    n: usize,
    threads: usize,
    next_customer: usize,
    schema: SchemaRef,
}

impl OfferStream {
    fn new(server: Server, n: usize, threads: usize) -> Self {
        let schema = Schema::new(vec![
            role_field("customer_id", DataType::Utf8, false, Role::CustomerId),
            Field::new("rank", DataType::Int64, false),
            Field::new("item", DataType::Utf8, false),
            Field::new("score", DataType::Float64, false),
        ]);
        Self {
            server,
            n,
            threads,
            next_customer: 0,
            schema: Arc::new(schema),
        }
    }

    fn batch(&self, customers: std::ops::Range<usize>) -> Result<RecordBatch, ArrowError> {
        let first = customers.start;
        let lists = parallel::map_chunks(customers.len(), SHARE, self.threads, |share| {
            let mut scratch = Scratch::new(self.server.model().items().len());
            share
                .map(|offset| {
                    let history = self.server.model().history(first + offset);
                    self.server.offer(history, &[], self.n, &mut scratch);
                    scratch.offers().to_vec()
                })
                .collect::<Vec<Vec<Offer>>>()
        });
        let model = self.server.model();
        let mut ids = StringBuilder::new();
        let mut ranks = Int64Builder::new();
        let mut items = StringBuilder::new();
        let mut scores = Float64Builder::new();
        for (customer, offers) in customers.zip(lists.into_iter().flatten()) {
            for (rank, offer) in (1..).zip(offers) {
                ids.append_value(model.customers().get(customer));
                ranks.append_value(rank);
                items.append_value(model.items().get(offer.item as usize));
                scores.append_value(offer.score);
            }
        }
        let columns: Vec<ArrayRef> = vec![
            Arc::new(ids.finish()),
            Arc::new(ranks.finish()),
            Arc::new(items.finish()),
            Arc::new(scores.finish()),
        ];
        RecordBatch::try_new(Arc::clone(&self.schema), columns)
    }
}

impl Iterator for OfferStream {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        let start = self.next_customer;
        let end = (start + BATCH_CUSTOMERS).min(self.server.model().customers().len());
        self.next_customer = end;
        (start < end).then(|| self.batch(start..end))
    }
}

impl RecordBatchReader for OfferStream {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}

/// The output `items`, most popular first.
pub(crate) fn items(model: &OfferModel) -> Result<RecordBatch, ArrowError> {
    let schema = Schema::new(vec![
        Field::new("item", DataType::Utf8, false),
        Field::new("customers", DataType::Int64, false),
        Field::new("share", DataType::Float64, false),
    ]);
    let order = model.by_popularity();
    let codes = || order.iter().map(|item| *item as usize);
    let names = codes().map(|item| model.items().get(item));
    let holders = codes().map(|item| i64::from(model.n_holders(item)));
    let shares = codes().map(|item| model.share(item));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(names)),
        Arc::new(holders.collect::<Int64Array>()),
        Arc::new(shares.collect::<Float64Array>()),
    ];
    RecordBatch::try_new(Arc::new(schema), columns)
}

/// The output `similar_items`, by item, nearest first.
pub(crate) fn similar_items(
    model: &OfferModel,
    found: &[Vec<Neighbor>],
) -> Result<RecordBatch, ArrowError> {
    let schema = Schema::new(vec![
        Field::new("item", DataType::Utf8, false),
        Field::new("similar_item", DataType::Utf8, false),
        Field::new("score", DataType::Float64, false),
        Field::new("both_customers", DataType::Int64, false),
    ]);
    let mut items = StringBuilder::new();
    let mut similar = StringBuilder::new();
    let mut scores = Float64Builder::new();
    let mut both = Int64Builder::new();
    for (item, neighbors) in found.iter().enumerate() {
        for neighbor in neighbors.iter().take(N_SIMILAR) {
            items.append_value(model.items().get(item));
            similar.append_value(model.items().get(neighbor.item as usize));
            scores.append_value(neighbor.similarity);
            both.append_value(i64::from(neighbor.n_both));
        }
    }
    let columns: Vec<ArrayRef> = vec![
        Arc::new(items.finish()),
        Arc::new(similar.finish()),
        Arc::new(scores.finish()),
        Arc::new(both.finish()),
    ];
    RecordBatch::try_new(Arc::new(schema), columns)
}
