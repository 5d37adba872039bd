//! One input table: its batches, and readers of its columns by role or by name.
//!
//! Batches are views of mapped memory; the readers copy into plain vectors, one entry a row
//! in table order. Invariant: what a reader gives does not depend on how the rows were cut
//! into batches.

mod column;
mod features;
mod ids;
mod interactions;
mod matrix;
mod sequences;
mod words;

use std::collections::HashMap;

use arrow_array::RecordBatch;
use arrow_schema::DataType;
use arrow_schema::Field;
use arrow_schema::SchemaRef;
use lode_types::Features;
use lode_types::ROLE_KEY;
use lode_types::Role;
use lode_types::role_of;

use crate::Error;
use crate::Result;

pub use column::Column;
pub use features::Feature;
pub use features::Values;
pub use ids::Ids;
pub use interactions::Csr;
pub use interactions::Interactions;
pub use interactions::Weight;
pub use matrix::Infinities;
pub use matrix::Matrix;
pub use matrix::MatrixOptions;
pub use matrix::MatrixPlan;
pub use matrix::Nulls;
pub use matrix::Reference;
pub use sequences::Sequence;
pub use sequences::Sequences;
pub use words::Vocabulary;
pub use words::WordOptions;
pub use words::Words;

/// A table: a schema and its rows.
#[derive(Clone, Debug)]
pub struct Table {
    name: String,
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
    n_rows: usize,
}

impl Table {
    /// A table of these batches.
    ///
    /// # Errors
    /// `INPUT_INVALID` when a batch has other columns than `schema`.
    pub fn new(schema: SchemaRef, batches: Vec<RecordBatch>) -> Result<Self> {
        for (index, batch) in batches.iter().enumerate() {
            let fits = batch.num_columns() == schema.fields().len()
                && batch
                    .schema_ref()
                    .fields()
                    .iter()
                    .zip(schema.fields())
                    .all(|(a, b)| a.name() == b.name() && a.data_type() == b.data_type());
            if !fits {
                return Err(Error::invalid(
                    "inputs",
                    format!(
                        "expected every batch to have the table's columns, found batch {index} with others"
                    ),
                ));
            }
        }
        let n_rows = batches.iter().map(RecordBatch::num_rows).sum();
        Ok(Self {
            name: String::new(),
            schema,
            batches,
            n_rows,
        })
    }

    pub(crate) fn named(mut self, name: String) -> Self {
        self.name = name;
        self
    }

    /// The name of the input; empty for a table that stands alone.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The columns; a field's role is in its metadata, see [`role_of`].
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The rows, in batches of any size.
    pub fn batches(&self) -> &[RecordBatch] {
        &self.batches
    }

    /// How many rows.
    pub fn n_rows(&self) -> usize {
        self.n_rows
    }

    /// The value of `lode.KEY` in the metadata of the schema: what the caller asks of this call.
    pub fn option(&self, key: &str) -> Option<&str> {
        let key = format!("lode.{key}");
        self.schema.metadata().get(&key).map(String::as_str)
    }

    /// The column of that role.
    pub fn column(&self, role: Role) -> Option<Column<'_>> {
        let index = self
            .schema
            .fields()
            .iter()
            .position(|field| role_of(field) == Some(role))?;
        Some(Column::new(self, index))
    }

    /// The column of that exact name.
    pub fn column_named(&self, name: &str) -> Option<Column<'_>> {
        let index = self.schema.index_of(name).ok()?;
        Some(Column::new(self, index))
    }

    /// All columns, in schema order.
    pub fn columns(&self) -> impl Iterator<Item = Column<'_>> {
        (0..self.schema.fields().len()).map(|index| Column::new(self, index))
    }

    /// The column of that role, for algorithms that cannot do without.
    ///
    /// # Errors
    /// `INPUT_INVALID` when there is none.
    pub fn require(&self, role: Role) -> Result<Column<'_>> {
        self.column(role).ok_or_else(|| {
            Error::invalid(
                self.path(),
                format!("expected a column with role {role}, found none"),
            )
        })
    }

    /// The column of that name, for algorithms that cannot do without.
    ///
    /// # Errors
    /// `INPUT_INVALID` when there is none.
    pub fn require_named(&self, name: &str) -> Result<Column<'_>> {
        self.column_named(name).ok_or_else(|| {
            let names: Vec<&str> = self
                .schema
                .fields()
                .iter()
                .map(|f| f.name().as_str())
                .collect();
            Error::invalid(
                self.path(),
                format!(
                    "expected a column named {name:?}, found {}",
                    names.join(", ")
                ),
            )
        })
    }

    /// The column of that role as codes; see [`Column::ids`].
    ///
    /// # Errors
    /// `INPUT_INVALID` when there is no such column or its type has no text form.
    pub fn ids(&self, role: Role) -> Result<Ids> {
        self.require(role)?.ids()
    }

    /// The column of that role as numbers; see [`Column::numbers`].
    ///
    /// # Errors
    /// `INPUT_INVALID` when there is no such column or it is not numeric.
    pub fn numbers(&self, role: Role) -> Result<Vec<f64>> {
        self.require(role)?.numbers()
    }

    /// The column of that role as microseconds since the Unix epoch; see [`Column::times`].
    ///
    /// # Errors
    /// `INPUT_INVALID` when there is no such column or it holds no times.
    pub fn times(&self, role: Role) -> Result<Vec<Option<i64>>> {
        self.require(role)?.times()
    }

    /// The columns that have no role and are not in `exclude`, as features, in schema order.
    ///
    /// Numbers and booleans become [`Values::Number`]; with [`Features::All`] text becomes
    /// [`Values::Category`]. Dates, times and other types are left out.
    ///
    /// # Errors
    /// `INPUT_INVALID` when `exclude` names a column that is not there.
    pub fn features(&self, which: Features, exclude: &[String]) -> Result<Vec<Feature>> {
        let mut features = Vec::new();
        for column in self.feature_columns(exclude)? {
            features.extend(column.feature(which)?);
        }
        Ok(features)
    }

    /// The columns that have no role and are not in `exclude`, in schema order: for algorithms
    /// that read them one by one, and ask between them whether they should stop.
    ///
    /// # Errors
    /// `INPUT_INVALID` when `exclude` names a column that is not there.
    pub fn feature_columns(&self, exclude: &[String]) -> Result<Vec<Column<'_>>> {
        for name in exclude {
            self.require_named(name)?;
        }
        let columns = self.columns();
        Ok(columns
            .filter(|column| role_of(column.field()).is_none())
            .filter(|column| !exclude.contains(column.field().name()))
            .collect())
    }

    /// The path of this table in error fields.
    pub(crate) fn path(&self) -> String {
        if self.name.is_empty() {
            "inputs".to_owned()
        } else {
            format!("inputs.{}", self.name)
        }
    }
}

impl From<RecordBatch> for Table {
    fn from(batch: RecordBatch) -> Self {
        Self {
            name: String::new(),
            schema: batch.schema(),
            n_rows: batch.num_rows(),
            batches: vec![batch],
        }
    }
}

/// A field that carries a role, for outputs: one with `customer_id` can be written back.
pub fn role_field(
    name: impl Into<String>,
    data_type: DataType,
    nullable: bool,
    role: Role,
) -> Field {
    Field::new(name, data_type, nullable).with_metadata(HashMap::from([(
        ROLE_KEY.to_owned(),
        role.as_str().to_owned(),
    )]))
}

#[cfg(test)]
mod tests;
