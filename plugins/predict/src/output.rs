//! The tables of scores that a fit and a scoring call give, with reasons.
//!
//! Scores are made batch by batch while they are written, so that reasons of a million
//! customers never sit in memory at once.

use std::ops::Range;
use std::sync::Arc;

use lode_plugin::Result;
use lode_plugin::Role;
use lode_plugin::arrow_array::Array;
use lode_plugin::arrow_array::ArrayRef;
use lode_plugin::arrow_array::Float64Array;
use lode_plugin::arrow_array::RecordBatch;
use lode_plugin::arrow_array::RecordBatchReader;
use lode_plugin::arrow_array::StringArray;
use lode_plugin::arrow_array::builder::Float64Builder;
use lode_plugin::arrow_array::builder::ListBuilder;
use lode_plugin::arrow_array::builder::StringBuilder;
use lode_plugin::arrow_array::builder::StructBuilder;
use lode_plugin::arrow_schema::ArrowError;
use lode_plugin::arrow_schema::DataType;
use lode_plugin::arrow_schema::Field;
use lode_plugin::arrow_schema::Fields;
use lode_plugin::arrow_schema::Schema;
use lode_plugin::arrow_schema::SchemaRef;
use lode_plugin::role_field;

use crate::frame::Frame;
use crate::frame::Plan;
use crate::frame::Rows;
use crate::frame::Words;
use crate::learner::Rating;
use crate::learner::Scorer;

/// Rows of one batch of scores.
const BATCH_ROWS: usize = 2048;

/// Rows and the model that rates them.
pub(crate) struct Rated<'a, M> {
    pub(crate) plan: &'a Plan,
    pub(crate) model: &'a M,
    pub(crate) frame: &'a Frame,
    pub(crate) words: &'a Words,
    pub(crate) threads: usize,
}

/// What the output `scores` is made of.
pub(crate) struct Scores<M> {
    pub(crate) plan: Plan,
    pub(crate) model: M,
    pub(crate) frame: Frame,
    pub(crate) words: Words,
    pub(crate) customers: Vec<Option<String>>,
    pub(crate) items: Option<Vec<Option<String>>>,
    pub(crate) max_reasons: Option<usize>,
    pub(crate) threads: usize,
}

impl<M: Scorer> Scores<M> {
    /// The output, made on demand.
    pub(crate) fn stream(self) -> Result<ScoreStream<M>> {
        let mut fields = vec![role_field(
            "customer_id",
            DataType::Utf8,
            true,
            Role::CustomerId,
        )];
        if self.items.is_some() {
            fields.push(role_field("item", DataType::Utf8, true, Role::Item));
        }
        fields.extend(number_fields());
        fields.push(contributions_field());
        let none = self.frame.slice(0..0);
        let more = self.model.rate(&none, false, self.threads)?.more;
        fields.extend(more.into_iter().map(|(field, _)| field));
        Ok(ScoreStream {
            scores: self,
            next_row: 0,
            schema: Arc::new(Schema::new(fields)),
        })
    }

    fn batch(&self, schema: &SchemaRef, range: Range<usize>) -> Result<RecordBatch> {
        let texts = |texts: &[Option<String>]| -> ArrayRef {
            let texts: StringArray = texts[range.clone()].iter().cloned().collect();
            Arc::new(texts)
        };
        let rated = Rated {
            plan: &self.plan,
            model: &self.model,
            frame: &self.frame,
            words: &self.words,
            threads: self.threads,
        };
        let rows = self.frame.slice(range.clone());
        let mut rating = self.model.rate(&rows, true, self.threads)?;
        let parts = rating.contributions.take().unwrap_or_default();
        let mut columns = vec![texts(&self.customers)];
        columns.extend(self.items.as_deref().map(texts));
        let (numbers, more) = split(rating);
        columns.extend(numbers);
        let limit = self.max_reasons.unwrap_or(usize::MAX);
        columns.push(rated.reasons(range.start, &parts, &rows, limit));
        columns.extend(more.into_iter().map(|(_, column)| column));
        Ok(RecordBatch::try_new(Arc::clone(schema), columns)?)
    }
}

/// The output `scores`, batch by batch.
pub(crate) struct ScoreStream<M> {
    scores: Scores<M>,
    next_row: usize,
    schema: SchemaRef,
}

impl<M: Scorer> Iterator for ScoreStream<M> {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        let start = self.next_row;
        let end = (start + BATCH_ROWS).min(self.scores.frame.n_rows());
        if start >= end {
            return None;
        }
        self.next_row = end;
        let batch = self.scores.batch(&self.schema, start..end);
        Some(batch.map_err(|error| ArrowError::ExternalError(Box::new(error))))
    }
}

impl<M: Scorer> RecordBatchReader for ScoreStream<M> {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}

/// The answer of a scoring call: score, margin, base, contributions when asked for, and what
/// the learner adds.
pub(crate) fn answers<M: Scorer>(rated: &Rated<'_, M>, explain: bool) -> Result<RecordBatch> {
    let rows = rated.frame.rows();
    let mut fields = number_fields();
    let mut rating = rated.model.rate(&rows, explain, rated.threads)?;
    let parts = rating.contributions.take();
    let (mut columns, more) = split(rating);
    if let Some(parts) = parts {
        fields.push(contributions_field());
        columns.push(rated.reasons(0, &parts, &rows, usize::MAX));
    }
    for (field, column) in more {
        fields.push(field);
        columns.push(column);
    }
    Ok(RecordBatch::try_new(
        Arc::new(Schema::new(fields)),
        columns,
    )?)
}

/// Score, margin and base, and what the model alone says.
fn split(rating: Rating) -> (Vec<ArrayRef>, Vec<(Field, ArrayRef)>) {
    let numbers = [rating.scores, rating.margins, rating.bases];
    let numbers = numbers.into_iter();
    let numbers = numbers.map(|numbers| -> ArrayRef { Arc::new(Float64Array::from(numbers)) });
    (numbers.collect(), rating.more)
}

impl<M: Scorer> Rated<'_, M> {
    /// The reasons of rows that begin at `first` of the frame: largest absolute value first,
    /// ties in the order of the features.
    fn reasons(&self, first: usize, parts: &[f64], rows: &Rows<'_>, limit: usize) -> ArrayRef {
        let entries = StructBuilder::new(
            reason_fields(),
            vec![
                Box::new(StringBuilder::new()),
                Box::new(StringBuilder::new()),
                Box::new(Float64Builder::new()),
            ],
        );
        let mut lists = ListBuilder::new(entries);
        let width = rows.n_features();
        let mut reasons: Vec<(usize, f64)> = Vec::with_capacity(width);
        for at in 0..rows.len() {
            reasons.clear();
            let parts = &parts[at * width..(at + 1) * width];
            reasons.extend(parts.iter().copied().enumerate());
            reasons.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()));
            for (feature, contribution) in reasons.iter().take(limit) {
                let value = self.words.value(self.frame, *feature, first + at);
                let entry = lists.values();
                let same = "the builders were made in this order";
                entry
                    .field_builder::<StringBuilder>(0)
                    .expect(same)
                    .append_value(&self.plan.features[*feature].name);
                entry
                    .field_builder::<StringBuilder>(1)
                    .expect(same)
                    .append_option(value);
                entry
                    .field_builder::<Float64Builder>(2)
                    .expect(same)
                    .append_value(*contribution);
                entry.append(true);
            }
            lists.append(true);
        }
        let lists = lists.finish();
        debug_assert_eq!(lists.null_count(), 0, "every row has a list");
        Arc::new(lists)
    }
}

fn number_fields() -> Vec<Field> {
    let names = ["score", "margin", "base"].into_iter();
    names
        .map(|name| Field::new(name, DataType::Float64, false))
        .collect()
}

fn reason_fields() -> Fields {
    Fields::from(vec![
        Field::new("feature", DataType::Utf8, false),
        Field::new("value", DataType::Utf8, true),
        Field::new("contribution", DataType::Float64, false),
    ])
}

fn contributions_field() -> Field {
    let item = Field::new("item", DataType::Struct(reason_fields()), true);
    Field::new("contributions", DataType::List(Arc::new(item)), false)
}
