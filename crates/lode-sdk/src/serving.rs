//! Online answers: scores with reasons, and one customer as the engine knows them.

use std::collections::BTreeMap;

use arrow_array::RecordBatch;
use lode_client::v1;
use lode_proto::convert;
use lode_proto::names;
use lode_types::CustomerId;
use lode_types::Fault;
use lode_types::TagKind;
use lode_types::Timestamp;
use lode_types::Value;
use serde::Serialize;

use crate::CustomerFeatures;
use crate::Lode;
use crate::Result;
use crate::features::view_name;
use crate::lode::id_of;
use crate::models::model_name;
use crate::put::stream_of;
use crate::serial;

/// The score of one customer or row.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Score {
    /// Empty for a row without a customer id.
    pub customer: String,
    /// The item, of a model that scores candidates of a customer; else empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub item: String,
    /// The model that answered: of an alias, what it points at.
    pub model: String,
    /// e.g. the probability of leaving.
    pub score: f64,
    /// e.g. the segment; empty when the model gives none.
    pub label: String,
    /// Base plus the sum of all contributions.
    pub margin: f64,
    /// The margin of a customer about whom nothing is known.
    pub base: f64,
    /// What else the model says, e.g. the `stage` of a customer; what it does not know is left
    /// out.
    #[serde(
        serialize_with = "serial::values",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub details: BTreeMap<String, Value>,
    /// What moved the margin, the strongest first.
    pub reasons: Vec<Reason>,
    /// Columns of the model that a row leaves out; they count as null.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missing_columns: Vec<String>,
    /// Columns with a word that is none of those that the model was made from.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unseen_columns: Vec<String>,
    /// Set instead of a score.
    pub error: Option<Fault>,
}

/// One part of an explanation.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Reason {
    /// Column of the model's input.
    pub feature: String,
    /// What the customer has there.
    #[serde(serialize_with = "serial::value")]
    pub value: Value,
    /// What it adds to the margin.
    pub contribution: f64,
    /// The value in words.
    pub text: String,
}

/// A customer as the engine knows them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Customer {
    /// The id, in the company's own text.
    pub customer: String,
    /// Their row in each customers dataset that has one.
    pub records: Vec<CustomerRecord>,
    /// What jobs wrote.
    pub tags: Vec<Tag>,
    /// Their features of the views that were asked for, or are online.
    pub features: Vec<CustomerFeatures>,
}

/// A customer's row in one dataset.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CustomerRecord {
    /// The dataset.
    pub dataset: String,
    /// Its version.
    pub version: u64,
    /// By column; columns without a value are left out.
    #[serde(serialize_with = "serial::values")]
    pub attributes: BTreeMap<String, Value>,
}

/// One thing that a job wrote onto a customer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Tag {
    /// The algorithm and the column, e.g. `segment.rfm/tier`.
    pub key: String,
    /// What it is.
    pub kind: Option<TagKind>,
    /// A number for a score, text for a label or segment.
    #[serde(serialize_with = "serial::value")]
    pub value: Value,
    /// The job that wrote it.
    pub job: String,
    /// When.
    #[serde(serialize_with = "serial::time")]
    pub time: Option<Timestamp>,
}

impl Lode {
    /// Scores customers by their ids, in their order.
    ///
    /// # Errors
    /// `MODEL_NOT_FOUND`, or what the call met; an unknown customer is an error of its own
    /// score.
    pub async fn score(
        &self,
        model: &str,
        customers: &[String],
        explain: bool,
    ) -> Result<Vec<Score>> {
        self.score_any(v1::ScoreRequest {
            model: model_name(model)?,
            customers: customers.to_vec(),
            rows: Vec::new(),
            explain,
            table: None,
        })
        .await
    }

    /// Scores rows that have the columns the model was made from, in their order.
    ///
    /// # Errors
    /// `MODEL_NOT_FOUND`, or what the call met.
    pub async fn score_rows(
        &self,
        model: &str,
        rows: &[BTreeMap<String, Value>],
        explain: bool,
    ) -> Result<Vec<Score>> {
        self.score_any(v1::ScoreRequest {
            model: model_name(model)?,
            customers: Vec::new(),
            rows: rows
                .iter()
                .map(|row| v1::Row {
                    values: convert::values_to_wire(row),
                })
                .collect(),
            explain,
            table: None,
        })
        .await
    }

    /// Scores the rows of a batch, whose columns are found by name: for many rows the cheapest way.
    ///
    /// # Errors
    /// `MODEL_NOT_FOUND`, `UNKNOWN_COLUMN`, `WRONG_TYPE`, or what the call met.
    pub async fn score_batch(
        &self,
        model: &str,
        rows: &RecordBatch,
        explain: bool,
    ) -> Result<Vec<Score>> {
        self.score_any(v1::ScoreRequest {
            model: model_name(model)?,
            customers: Vec::new(),
            rows: Vec::new(),
            explain,
            table: Some(v1::Chunk {
                format: v1::Format::ArrowStream.into(),
                data: stream_of(rows)?.into(),
                row_count: 0,
                crc32c: None,
            }),
        })
        .await
    }

    async fn score_any(&self, request: v1::ScoreRequest) -> Result<Vec<Score>> {
        let answer = self.client().score(request).await?;
        let model = id_of(&answer.model);
        let scores = answer.results.into_iter();
        Ok(scores.map(|result| Score::of(result, &model)).collect())
    }

    /// A customer, with what jobs wrote onto them and the features of the online views as of
    /// now.
    ///
    /// # Errors
    /// `CUSTOMER_NOT_FOUND`, or what the call met.
    pub async fn customer(&self, id: &str) -> Result<Customer> {
        self.customer_as_of(id, &[], None).await
    }

    /// A customer, with the features of some views as of a time.
    ///
    /// # Errors
    /// As [`Lode::customer`], and `FEATURE_VIEW_NOT_FOUND`.
    pub async fn customer_as_of(
        &self,
        id: &str,
        feature_views: &[String],
        as_of: Option<Timestamp>,
    ) -> Result<Customer> {
        let views = feature_views.iter().map(|name| view_name(name));
        let request = v1::GetCustomerRequest {
            name: names::customer(&CustomerId::parse(id)?),
            feature_views: views.collect::<Result<_>>()?,
            as_of: as_of.map(convert::time_to_wire),
        };
        let answer = self.client().get_customer(request).await?;
        let customer = answer.customer.unwrap_or_default();
        Ok(Customer {
            customer: id.to_owned(),
            records: customer
                .records
                .into_iter()
                .map(|record| CustomerRecord {
                    dataset: id_of(&record.dataset),
                    version: record.version,
                    attributes: convert::values_from_wire(&record.attributes),
                })
                .collect(),
            tags: customer.tags.into_iter().map(Tag::from).collect(),
            features: customer.features.into_iter().map(Into::into).collect(),
        })
    }
}

impl Score {
    fn of(result: v1::ScoreResult, model: &str) -> Self {
        Self {
            customer: result.customer,
            item: result.item,
            model: model.to_owned(),
            score: result.score,
            label: result.label,
            margin: result.margin,
            base: result.base,
            details: convert::values_from_wire(&result.details),
            missing_columns: result.missing_columns,
            unseen_columns: result.unseen_columns,
            reasons: result.reasons.into_iter().map(Reason::from).collect(),
            error: result.error.as_ref().map(convert::fault_from_wire),
        }
    }
}

impl From<v1::Reason> for Reason {
    fn from(reason: v1::Reason) -> Self {
        Self {
            feature: reason.feature,
            value: reason
                .value
                .as_ref()
                .map(convert::value_from_wire)
                .unwrap_or_default(),
            contribution: reason.contribution,
            text: reason.text,
        }
    }
}

impl From<v1::Tag> for Tag {
    fn from(tag: v1::Tag) -> Self {
        Self {
            key: tag.key,
            kind: convert::tag_kind_from_wire(tag.kind),
            value: tag
                .value
                .as_ref()
                .map(convert::value_from_wire)
                .unwrap_or_default(),
            job: id_of(&tag.job),
            time: tag.time.as_ref().map(convert::time_from_wire),
        }
    }
}
