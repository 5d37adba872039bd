//! The table of an answer, and the answer to "what is like this?".

use std::sync::Arc;

use lode_plugin::Context;
use lode_plugin::Result;
use lode_plugin::Table;
use lode_plugin::arrow_array::ArrayRef;
use lode_plugin::arrow_array::BooleanArray;
use lode_plugin::arrow_array::Float64Array;
use lode_plugin::arrow_array::Int64Array;
use lode_plugin::arrow_array::RecordBatch;
use lode_plugin::arrow_array::StringArray;
use lode_plugin::arrow_array::builder::Float64Builder;
use lode_plugin::arrow_array::builder::ListBuilder;
use lode_plugin::arrow_array::builder::StringBuilder;
use lode_plugin::arrow_array::builder::StructBuilder;
use lode_plugin::arrow_schema::DataType;
use lode_plugin::arrow_schema::Field;
use lode_plugin::arrow_schema::Fields;
use lode_plugin::arrow_schema::Schema;

use super::Room;
use super::Server;
use super::ask;
use super::ask::Ask;
use crate::method::Cause;
use crate::method::Offer;
use crate::method::Reason;

/// Columns of the answer.
pub(super) struct Answer<'s> {
    server: &'s Server,
    requests: Vec<i64>,
    items: Vec<u32>,
    scores: Vec<f64>,
    personal: Vec<bool>,
    bases: Vec<Option<f64>>,
    reasons: ListBuilder<StructBuilder>,
}

impl<'s> Answer<'s> {
    pub(super) fn new(server: &'s Server) -> Self {
        let entries = StructBuilder::new(
            reason_fields(),
            vec![
                Box::new(StringBuilder::new()),
                Box::new(StringBuilder::new()),
                Box::new(Float64Builder::new()),
            ],
        );
        Self {
            server,
            requests: Vec::new(),
            items: Vec::new(),
            scores: Vec::new(),
            personal: Vec::new(),
            bases: Vec::new(),
            reasons: ListBuilder::new(entries),
        }
    }

    /// Takes the offers of the last list, with reasons when they are asked for.
    pub(super) fn push(&mut self, request: usize, ask: &Ask<'_>, personal: bool, room: &mut Room) {
        let wanted = ask.wanted();
        for Offer { item, score } in room.offers.iter().copied() {
            self.requests.push(request as i64);
            self.items.push(item);
            self.scores.push(score);
            self.personal.push(personal);
            if ask.explain {
                let (base, reasons) = self.server.explain(&wanted, item, &mut room.sums);
                self.bases.push(Some(base));
                for reason in &reasons {
                    self.add_reason(reason);
                }
                self.reasons.append(true);
            } else {
                self.bases.push(None);
                self.reasons.append(false);
            }
        }
    }

    fn add_reason(&mut self, reason: &Reason) {
        let (feature, value) = match &reason.of {
            Cause::Bought(item) => {
                let name = self.server.known.items.get(*item as usize);
                ("bought", Some(name))
            }
            Cause::Of(feature, value) => (feature.as_str(), value.as_deref()),
        };
        let entry = self.reasons.values();
        let same = "the builders were made in this order";
        entry
            .field_builder::<StringBuilder>(0)
            .expect(same)
            .append_value(feature);
        entry
            .field_builder::<StringBuilder>(1)
            .expect(same)
            .append_option(value);
        entry
            .field_builder::<Float64Builder>(2)
            .expect(same)
            .append_value(reason.contribution);
        entry.append(true);
    }

    pub(super) fn finish(mut self, explained: bool) -> Result<RecordBatch> {
        let names = self.items.iter();
        let names = names.map(|item| self.server.known.items.get(*item as usize));
        let mut columns: Vec<(Field, ArrayRef)> = vec![
            (
                Field::new("request", DataType::Int64, false),
                Arc::new(Int64Array::from(self.requests)),
            ),
            (
                Field::new("item", DataType::Utf8, false),
                Arc::new(StringArray::from_iter_values(names)),
            ),
            (
                Field::new("score", DataType::Float64, false),
                Arc::new(Float64Array::from(self.scores.clone())),
            ),
            (
                Field::new("personal", DataType::Boolean, false),
                Arc::new(BooleanArray::from(self.personal)),
            ),
        ];
        let method = &self.server.method;
        if method.probability(0.0).is_some() {
            let each = self.scores.iter().map(|score| method.probability(*score));
            columns.push((
                Field::new("probability", DataType::Float64, true),
                Arc::new(each.collect::<Float64Array>()),
            ));
        }
        if explained {
            columns.push((
                Field::new("base", DataType::Float64, true),
                Arc::new(Float64Array::from(self.bases)),
            ));
            let item = Field::new("item", DataType::Struct(reason_fields()), true);
            columns.push((
                Field::new("contributions", DataType::List(Arc::new(item)), true),
                Arc::new(self.reasons.finish()),
            ));
        }
        let (fields, columns): (Vec<Field>, Vec<ArrayRef>) = columns.into_iter().unzip();
        Ok(RecordBatch::try_new(
            Arc::new(Schema::new(fields)),
            columns,
        )?)
    }
}

impl Server {
    /// Answers a table of items.
    pub(super) fn answer_similar(
        &self,
        table: &Table,
        room: &mut Room,
        cx: &Context<'_>,
    ) -> Result<RecordBatch> {
        let items = table.require_named("item")?.texts()?;
        let excluded = ask::lists(table, "exclude_items")?;
        let limits = ask::limits(table, self.n)?;
        let mut requests = Vec::new();
        let mut found = StringBuilder::new();
        let mut scores = Vec::new();
        for (request, item) in items.iter().enumerate() {
            cx.check_cancelled()?;
            let known = item
                .as_deref()
                .and_then(|name| self.item_index.find(&self.known.items, name));
            let Some(item) = known else {
                continue;
            };
            let excluded = self.codes(excluded.get(request));
            for offer in self.similar(item, &excluded, limits[request], room) {
                requests.push(request as i64);
                found.append_value(self.known.items.get(offer.item as usize));
                scores.push(offer.score);
            }
        }
        let schema = Schema::new(vec![
            Field::new("request", DataType::Int64, false),
            Field::new("item", DataType::Utf8, false),
            Field::new("score", DataType::Float64, false),
        ]);
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from(requests)),
            Arc::new(found.finish()),
            Arc::new(Float64Array::from(scores)),
        ];
        Ok(RecordBatch::try_new(Arc::new(schema), columns)?)
    }

    /// Items like one, of those that events tell of; like one that they do not tell of, by
    /// attributes.
    pub(crate) fn similar(
        &self,
        item: u32,
        excluded: &[u32],
        limit: usize,
        room: &mut Room,
    ) -> Vec<Offer> {
        if let Some(at) = self.known.kin.place(item) {
            let near = self.known.kin.relatives(at);
            let open = near.filter(|near| !excluded.contains(&near.item));
            let offers = open.map(|near| Offer {
                item: near.item,
                score: near.likeness,
            });
            return offers.take(limit).collect();
        }
        for item in excluded {
            room.masked.set(*item, true);
        }
        let offers = self.method.similar(item, &room.masked, limit);
        for item in excluded {
            room.masked.set(*item, self.is_cold[*item as usize]);
        }
        offers
    }
}

fn reason_fields() -> Fields {
    Fields::from(vec![
        Field::new("feature", DataType::Utf8, false),
        Field::new("value", DataType::Utf8, true),
        Field::new("contribution", DataType::Float64, false),
    ])
}
