//! Tables that a fit and a scoring call give: scores with reasons, and coefficients.
//!
//! Scores are made batch by batch while they are written, so that reasons of a million
//! customers never sit in memory at once.

use std::sync::Arc;

use arrow_array::Array;
use arrow_array::ArrayRef;
use arrow_array::Float64Array;
use arrow_array::RecordBatch;
use arrow_array::RecordBatchReader;
use arrow_array::StringArray;
use arrow_array::builder::Float64Builder;
use arrow_array::builder::ListBuilder;
use arrow_array::builder::StringBuilder;
use arrow_array::builder::StructBuilder;
use arrow_schema::ArrowError;
use arrow_schema::DataType;
use arrow_schema::Field;
use arrow_schema::Fields;
use arrow_schema::Schema;
use arrow_schema::SchemaRef;
use lode_numeric::logistic::sigmoid;
use lode_plugin::Role;
use lode_plugin::role_field;

use super::encode::Encoded;
use super::model::Kind;
use super::model::LogisticModel;

/// Rows of one batch of scores.
const BATCH_ROWS: usize = 8192;

/// The output `scores`, made on demand.
pub(super) struct ScoreStream {
    model: LogisticModel,
    encoded: Encoded,
    customer_ids: Vec<Option<String>>,
    max_reasons: usize,
    next_row: usize,
    schema: SchemaRef,
}

impl ScoreStream {
    pub(super) fn new(
        model: LogisticModel,
        encoded: Encoded,
        customer_ids: Vec<Option<String>>,
        max_reasons: Option<usize>,
    ) -> Self {
        let schema = Schema::new(vec![
            role_field("customer_id", DataType::Utf8, true, Role::CustomerId),
            Field::new("score", DataType::Float64, false),
            Field::new("margin", DataType::Float64, false),
            Field::new("base", DataType::Float64, false),
            contributions_field(),
        ]);
        Self {
            model,
            encoded,
            customer_ids,
            max_reasons: max_reasons.unwrap_or(usize::MAX),
            next_row: 0,
            schema: Arc::new(schema),
        }
    }
}

impl Iterator for ScoreStream {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        let start = self.next_row;
        let end = (start + BATCH_ROWS).min(self.encoded.n_rows());
        if start >= end {
            return None;
        }
        self.next_row = end;
        let ids: StringArray = self.customer_ids[start..end].iter().cloned().collect();
        let mut columns: Vec<ArrayRef> = vec![Arc::new(ids)];
        columns.extend(numbers(&self.model, &self.encoded, start..end));
        columns.push(contributions(
            &self.model,
            &self.encoded,
            start..end,
            self.max_reasons,
        ));
        Some(RecordBatch::try_new(Arc::clone(&self.schema), columns))
    }
}

impl RecordBatchReader for ScoreStream {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}

/// The answer of a scoring call: score, margin, base, and contributions when asked for.
pub(super) fn answers(
    model: &LogisticModel,
    encoded: &Encoded,
    explain: bool,
) -> Result<RecordBatch, ArrowError> {
    let rows = 0..encoded.n_rows();
    let mut fields = vec![
        Field::new("score", DataType::Float64, false),
        Field::new("margin", DataType::Float64, false),
        Field::new("base", DataType::Float64, false),
    ];
    let mut columns = numbers(model, encoded, rows.clone());
    if explain {
        fields.push(contributions_field());
        columns.push(contributions(model, encoded, rows, usize::MAX));
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
}

/// The output `coefficients`.
pub(super) fn coefficients(model: &LogisticModel) -> Result<RecordBatch, ArrowError> {
    let mut rows = Coefficients::default();
    rows.push("(intercept)", None, model.intercept, None);
    for feature in &model.features {
        match &feature.kind {
            Kind::Number {
                mean,
                std,
                weight,
                missing,
            } => {
                rows.push(&feature.name, None, *weight, Some((*mean, *std)));
                if let Some(weight) = missing {
                    rows.push(&feature.name, Some("(missing)"), *weight, None);
                }
            }
            Kind::Category {
                levels,
                weights,
                missing,
            } => {
                for (level, weight) in levels.iter().zip(weights) {
                    rows.push(&feature.name, Some(level), *weight, None);
                }
                if let Some(weight) = missing {
                    rows.push(&feature.name, Some("(missing)"), *weight, None);
                }
            }
        }
    }
    rows.finish()
}

#[derive(Default)]
struct Coefficients {
    features: StringBuilder,
    levels: StringBuilder,
    weights: Float64Builder,
    means: Float64Builder,
    stds: Float64Builder,
    odds: Float64Builder,
}

impl Coefficients {
    fn push(&mut self, feature: &str, level: Option<&str>, weight: f64, scale: Option<(f64, f64)>) {
        self.features.append_value(feature);
        self.levels.append_option(level);
        self.weights.append_value(weight);
        self.means.append_option(scale.map(|(mean, _)| mean));
        self.stds.append_option(scale.map(|(_, std)| std));
        self.odds.append_value(weight.exp());
    }

    fn finish(mut self) -> Result<RecordBatch, ArrowError> {
        let schema = Schema::new(vec![
            Field::new("feature", DataType::Utf8, false),
            Field::new("level", DataType::Utf8, true),
            Field::new("coefficient", DataType::Float64, false),
            Field::new("mean", DataType::Float64, true),
            Field::new("std", DataType::Float64, true),
            Field::new("odds_ratio", DataType::Float64, false),
        ]);
        let columns: Vec<ArrayRef> = vec![
            Arc::new(self.features.finish()),
            Arc::new(self.levels.finish()),
            Arc::new(self.weights.finish()),
            Arc::new(self.means.finish()),
            Arc::new(self.stds.finish()),
            Arc::new(self.odds.finish()),
        ];
        RecordBatch::try_new(Arc::new(schema), columns)
    }
}

/// Score, margin and base of some rows.
fn numbers(
    model: &LogisticModel,
    encoded: &Encoded,
    rows: std::ops::Range<usize>,
) -> Vec<ArrayRef> {
    let n_rows = rows.len();
    let margins: Vec<f64> = rows.map(|row| encoded.margin(model.base, row)).collect();
    let scores: Vec<f64> = margins.iter().map(|margin| sigmoid(*margin)).collect();
    vec![
        Arc::new(Float64Array::from(scores)),
        Arc::new(Float64Array::from(margins)),
        Arc::new(Float64Array::from(vec![model.base; n_rows])),
    ]
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

/// The reasons of some rows, the largest first.
fn contributions(
    model: &LogisticModel,
    encoded: &Encoded,
    rows: std::ops::Range<usize>,
    limit: usize,
) -> ArrayRef {
    let entries = StructBuilder::new(
        reason_fields(),
        vec![
            Box::new(StringBuilder::new()),
            Box::new(StringBuilder::new()),
            Box::new(Float64Builder::new()),
        ],
    );
    let mut lists = ListBuilder::new(entries);
    let mut reasons = Vec::new();
    for row in rows {
        encoded.reasons(row, &mut reasons);
        for (feature, contribution) in reasons.iter().take(limit) {
            let entry = lists.values();
            let same = "the builders were made in this order";
            entry
                .field_builder::<StringBuilder>(0)
                .expect(same)
                .append_value(&model.features[*feature].name);
            entry
                .field_builder::<StringBuilder>(1)
                .expect(same)
                .append_option(encoded.value(*feature, row));
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
