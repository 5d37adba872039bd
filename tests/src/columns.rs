//! A table of a test by its columns: name, values, role, one line each.
//!
//! A value that is not there is an empty text. Invariant: the schema and the rows that are loaded
//! are of the same columns, in the order in which they were named.

use std::sync::Arc;

use anyhow::Context as _;
use anyhow::Result;
use arrow_array::ArrayRef;
use arrow_array::Float64Array;
use arrow_array::RecordBatch;
use arrow_array::StringArray;
use arrow_array::TimestampMicrosecondArray;
use lode_client::Client;
use lode_proto::v1;

use crate::wire;

/// Columns, filled one after the other.
#[derive(Debug, Default)]
pub struct Columns {
    schema: Vec<v1::Column>,
    arrays: Vec<(String, ArrayRef)>,
}

impl Columns {
    /// A table of customers by their ids.
    pub fn of_customers(name: &str, ids: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        let mut columns = Self::default().text(name, ids);
        columns.schema = vec![wire::key(name)];
        columns
    }

    /// A table of what customers did: who, and when in microseconds.
    pub fn of_events(
        who: (&str, impl IntoIterator<Item = impl AsRef<str>>),
        when: (&str, impl IntoIterator<Item = i64>),
    ) -> Self {
        let columns = Self::default().text(who.0, who.1);
        let columns = columns.role(v1::Role::CustomerId);
        columns.time(when.0, when.1).role(v1::Role::EventTime)
    }

    /// A column of text.
    #[must_use]
    pub fn text(self, name: &str, values: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        let values = values.into_iter().map(|value| {
            let value = value.as_ref();
            (!value.is_empty()).then(|| value.to_owned())
        });
        let values: StringArray = values.collect();
        self.with(name, v1::Type::String, Arc::new(values))
    }

    /// A column of numbers.
    #[must_use]
    pub fn number(self, name: &str, values: impl IntoIterator<Item = f64>) -> Self {
        let values = Float64Array::from_iter_values(values);
        self.with(name, v1::Type::Float64, Arc::new(values))
    }

    /// A column of times, in microseconds.
    #[must_use]
    pub fn time(self, name: &str, values: impl IntoIterator<Item = i64>) -> Self {
        let values = TimestampMicrosecondArray::from_iter_values(values).with_timezone("UTC");
        self.with(name, v1::Type::Timestamp, Arc::new(values))
    }

    /// Gives the last column a role.
    ///
    /// # Panics
    /// When there is no column.
    #[must_use]
    pub fn role(mut self, role: v1::Role) -> Self {
        let last = self.schema.last_mut().expect("a column before its role");
        last.role = role.into();
        self
    }

    /// Makes a dataset of them, in one load.
    ///
    /// # Errors
    /// What the engine says.
    pub async fn load(self, client: &Client, id: &str, kind: v1::DatasetKind) -> Result<()> {
        let arrays = self.arrays.into_iter();
        let columns = arrays.map(|(name, array)| (name, array, true));
        let batch = RecordBatch::try_from_iter_with_nullable(columns)?;
        let loaded = wire::load(client, id, kind, self.schema, &[batch]).await;
        loaded.with_context(|| format!("a load of {id}"))
    }

    fn with(mut self, name: &str, kind: v1::Type, values: ArrayRef) -> Self {
        let column = wire::column(name, kind, v1::Role::Unspecified);
        self.schema.push(column);
        self.arrays.push((name.to_owned(), values));
        self
    }
}
