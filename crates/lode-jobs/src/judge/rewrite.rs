//! Puts into a model's output `scores` what the engine knows and its plugin does not: calibrated
//! scores in place of the plugin's, and of a training set the date of each row.
//!
//! Margin, base and contributions stay as they are. Invariant: rows and their order stay; a date
//! stands only where the output has the rows of the training set, one by one.

use std::fs::File;
use std::sync::Arc;

use arrow_array::Array;
use arrow_array::ArrayRef;
use arrow_array::Float64Array;
use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_schema::ArrowError;
use arrow_schema::DataType;
use arrow_schema::Field;
use arrow_schema::Schema;
use lode_parts::Table;
use lode_types::OutputSpec;
use lode_types::Role;

use super::Calibration;
use crate::Result;
use crate::check::BoundInput;
use crate::input;

/// The output whose scores are those of the model.
const SCORES: &str = "scores";
/// Whose row it is, in an output.
const CUSTOMER: &str = "customer_id";

/// Whether an output has the model's scores of the rows that it learned from.
pub(crate) fn is_of_rows(output: &OutputSpec) -> bool {
    output.name == SCORES
}

/// The date and the customer of each row of a training set.
pub(crate) struct Dates {
    name: String,
    customers: ArrayRef,
    as_of: ArrayRef,
}

impl Dates {
    /// Those of a job's first input; none when its rows have no dates.
    pub(crate) fn of(bound: &BoundInput, files: Vec<File>) -> Result<Option<Self>> {
        let mut columns = bound.columns.iter();
        let customer = columns.find(|column| column.role == Some(Role::CustomerId));
        let (Some(name), Some(customer)) = (&bound.kept.as_of, customer) else {
            return Ok(None);
        };
        let table = Table::open(files)?;
        Ok(Some(Self {
            name: name.clone(),
            customers: input::load_column(&table, &customer.name)?,
            as_of: input::load_column(&table, name)?,
        }))
    }

    /// The field and the column for an output's rows, where they are the training set's.
    fn column_for(&self, table: &Table) -> Result<Option<(Field, &ArrayRef)>> {
        let schema = table.schema();
        if schema.index_of(CUSTOMER).is_err()
            || schema.index_of(&self.name).is_ok()
            || table.rows() != self.as_of.len() as u64
        {
            return Ok(None);
        }
        let customers = input::load_column(table, CUSTOMER)?;
        let own = arrow_cast::cast(&self.customers, customers.data_type())?;
        let field = Field::new(&self.name, self.as_of.data_type().clone(), true);
        Ok((own.to_data() == customers.to_data()).then_some((field, &self.as_of)))
    }
}

/// Writes a table with the column `score` calibrated and the dates of its rows behind their
/// customers; what has neither as it is.
pub(crate) fn rewrite(
    table: &Table,
    calibration: Option<&Calibration>,
    dates: Option<&Dates>,
    file: &File,
) -> Result<()> {
    let dated = match dates {
        Some(dates) => dates.column_for(table)?,
        None => None,
    };
    let mut schema = table.schema();
    let mut behind = 0;
    if let Some((field, _)) = &dated {
        behind = schema.index_of(CUSTOMER)? + 1;
        let mut fields = schema.fields().to_vec();
        fields.insert(behind, Arc::new(field.clone()));
        schema = Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()));
    }
    let mut from = 0;
    let batches = table.batches().map(|batch| {
        let mut batch = batch?;
        if let Some(calibration) = calibration {
            batch = calibrated(&batch, calibration)?;
        }
        if let Some((_, as_of)) = &dated {
            let mut columns = batch.columns().to_vec();
            columns.insert(behind, as_of.slice(from, batch.num_rows()));
            from += batch.num_rows();
            batch = RecordBatch::try_new(Arc::clone(&schema), columns)?;
        }
        Ok(batch)
    });
    lode_parts::write_ipc(file, &schema, batches)?;
    Ok(())
}

fn calibrated(
    batch: &RecordBatch,
    calibration: &Calibration,
) -> std::result::Result<RecordBatch, ArrowError> {
    let schema = batch.schema();
    let Ok(at) = schema.index_of("score") else {
        return Ok(batch.clone());
    };
    let numbers = |column: &ArrayRef| -> std::result::Result<Float64Array, ArrowError> {
        let column = arrow_cast::cast(column, &DataType::Float64)?;
        Ok(column.as_primitive::<Float64Type>().clone())
    };
    let scores = numbers(batch.column(at))?;
    let margins = batch.column_by_name("margin").map(numbers).transpose()?;
    let margin = |row: usize| {
        let margins = margins.as_ref().filter(|margins| margins.is_valid(row))?;
        Some(margins.value(row))
    };
    let rows = (0..scores.len()).map(|row| {
        let valid = scores.is_valid(row);
        valid.then(|| calibration.apply(scores.value(row), margin(row)))
    });
    let made: Float64Array = rows.collect();
    let mut columns = batch.columns().to_vec();
    columns[at] = arrow_cast::cast(&made, schema.field(at).data_type())?;
    RecordBatch::try_new(Arc::clone(&schema), columns)
}
