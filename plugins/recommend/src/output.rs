//! Tables that a fit gives: offers for every customer, similar items.
//!
//! Offers are made batch by batch while they are written, so that they never sit in memory at
//! once.

use std::ops::Range;
use std::sync::Arc;

use lode_numeric::parallel;
use lode_plugin::Output;
use lode_plugin::Role;
use lode_plugin::arrow_array::ArrayRef;
use lode_plugin::arrow_array::Float64Array;
use lode_plugin::arrow_array::Int64Array;
use lode_plugin::arrow_array::RecordBatch;
use lode_plugin::arrow_array::RecordBatchReader;
use lode_plugin::arrow_array::StringArray;
use lode_plugin::arrow_array::builder::Float64Builder;
use lode_plugin::arrow_array::builder::Int64Builder;
use lode_plugin::arrow_array::builder::StringBuilder;
use lode_plugin::arrow_schema::ArrowError;
use lode_plugin::arrow_schema::DataType;
use lode_plugin::arrow_schema::Field;
use lode_plugin::arrow_schema::Schema;
use lode_plugin::arrow_schema::SchemaRef;
use lode_plugin::role_field;

use crate::method::Offer;
use crate::serve::Server;

/// Customers of one batch of offers.
const BATCH_CUSTOMERS: usize = 4096;
/// Customers or items that one thread takes at a time.
const SHARE: usize = 256;

/// The output that all algorithms make.
pub(crate) fn recommendations_spec() -> Output {
    Output::new("recommendations", "Offers for each customer, best first")
}

/// The output of those that know which items are alike.
pub(crate) fn similar_items_spec() -> Output {
    Output::new(
        "similar_items",
        "The nearest items of each item: who has this also has that",
    )
}

/// The output `recommendations`, made on demand, customers by id.
pub(crate) struct OfferStream {
    server: Arc<Server>,
    n: usize,
    threads: usize,
    next_customer: usize,
    schema: SchemaRef,
}

impl OfferStream {
    pub(crate) fn new(server: Arc<Server>, n: usize, threads: usize) -> Self {
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

    fn offers(&self, customers: Range<usize>) -> Vec<Vec<Offer>> {
        let (first, n) = (customers.start, customers.len());
        let at_once = self.server.offer_many(customers, self.n, self.threads);
        let parts = parallel::map_chunks(n, SHARE, self.threads, |share| {
            let mut room = self.server.room();
            let each = share.map(|offset| {
                let customer = first + offset;
                if let Some(lists) = &at_once
                    && self.server.is_whole(customer, &lists[offset], self.n)
                {
                    return lists[offset].clone();
                }
                let wanted = self.server.customer(customer, self.n);
                self.server.offer(&wanted, &mut room);
                room.offers().to_vec()
            });
            each.collect::<Vec<Vec<Offer>>>()
        });
        parts.into_iter().flatten().collect()
    }

    fn batch(&self, customers: Range<usize>) -> Result<RecordBatch, ArrowError> {
        let lists = self.offers(customers.clone());
        let known = self.server.known();
        let mut ids = StringBuilder::new();
        let mut ranks = Int64Builder::new();
        let mut items = StringBuilder::new();
        let mut scores = Float64Builder::new();
        for (customer, offers) in customers.zip(lists) {
            for (rank, offer) in (1..).zip(offers) {
                ids.append_value(known.customers.get(customer));
                ranks.append_value(rank);
                items.append_value(known.items.get(offer.item as usize));
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
        let end = (start + BATCH_CUSTOMERS).min(self.server.known().customers.len());
        self.next_customer = end;
        (start < end).then(|| self.batch(start..end))
    }
}

impl RecordBatchReader for OfferStream {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}

/// The output `similar_items`, by item, nearest first.
pub(crate) fn similar_items(
    server: &Server,
    limit: usize,
    threads: usize,
) -> Result<RecordBatch, ArrowError> {
    let n_items = server.known().items.len();
    let parts = parallel::map_chunks(n_items, SHARE, threads, |items| {
        let mut room = server.room();
        let each = items.map(|item| server.similar(item as u32, &[], limit, &mut room));
        each.collect::<Vec<Vec<Offer>>>()
    });
    let names = &server.known().items;
    let mut items = StringBuilder::new();
    let mut similar = StringBuilder::new();
    let mut scores = Float64Builder::new();
    for (item, offers) in parts.into_iter().flatten().enumerate() {
        for offer in offers {
            items.append_value(names.get(item));
            similar.append_value(names.get(offer.item as usize));
            scores.append_value(offer.score);
        }
    }
    let schema = Schema::new(vec![
        Field::new("item", DataType::Utf8, false),
        Field::new("similar_item", DataType::Utf8, false),
        Field::new("score", DataType::Float64, false),
    ]);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(items.finish()),
        Arc::new(similar.finish()),
        Arc::new(scores.finish()),
    ];
    RecordBatch::try_new(Arc::new(schema), columns)
}

/// The output `items` of `recommend.popular`, most popular first.
pub(crate) fn items(server: &Server) -> Result<RecordBatch, ArrowError> {
    let schema = Schema::new(vec![
        Field::new("item", DataType::Utf8, false),
        Field::new("customers", DataType::Int64, false),
        Field::new("share", DataType::Float64, false),
    ]);
    let known = server.known();
    let order = || known.popularity.order().iter().copied();
    let names = order().map(|item| known.items.get(item as usize));
    let holders = order().map(|item| i64::from(known.popularity.n_holders(item)));
    let shares = order().map(|item| known.popularity.share(item));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(names)),
        Arc::new(holders.collect::<Int64Array>()),
        Arc::new(shares.collect::<Float64Array>()),
    ];
    RecordBatch::try_new(Arc::new(schema), columns)
}
