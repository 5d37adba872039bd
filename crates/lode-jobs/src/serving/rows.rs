//! Makes the one batch that a scoring call sends: the model's columns, in the model's order.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_array::StringArray;
use arrow_array::UInt64Array;
use arrow_array::cast::AsArray;
use arrow_schema::DataType;
use arrow_schema::Field;
use arrow_schema::Schema;
use arrow_select::take::take;
use arrow_select::take::take_record_batch;
use lode_types::Class;
use lode_types::ColumnType;
use lode_types::CustomerId;
use lode_types::Fault;
use lode_types::ROLE_KEY;
use lode_types::Role;
use lode_types::role_of;

use crate::Error;
use crate::Result;
use crate::Scored;
use crate::SignatureColumn;
use crate::training::scored_columns;

mod table;
mod values;

pub(crate) use table::from_table;
pub(crate) use values::from_values;

/// Places of the rows that are there, results to fill in, and the rows.
pub(crate) type Subjects = (Vec<usize>, Vec<Scored>, RecordBatch);

/// The rows of customers as the store or the feature view `of` them gave them: a table, and in
/// which row of it each customer is.
pub(crate) fn from_customers(
    signature: &[SignatureColumn],
    of: &str,
    ids: &[CustomerId],
    (all, places): &(RecordBatch, Vec<Option<usize>>),
) -> Result<Subjects> {
    let mut results = Vec::with_capacity(ids.len());
    let mut present = Vec::new();
    let mut rows = Vec::new();
    for (i, (id, place)) in ids.iter().zip(places).enumerate() {
        let mut result = Scored {
            customer: id.to_string(),
            ..Scored::default()
        };
        match place {
            Some(place) => {
                present.push(i);
                rows.push(*place as u64);
            }
            None => {
                let message = format!("no customer {:?} in {of}", id.as_str());
                result.error = Some(Fault::new(Class::NotFound, "CUSTOMER_NOT_FOUND", message));
            }
        }
        results.push(result);
    }
    if present.is_empty() {
        let none = RecordBatch::new_empty(Arc::new(Schema::empty()));
        return Ok((present, results, none));
    }
    let rows = UInt64Array::from(rows);
    let mut fields = Vec::new();
    let mut columns = Vec::new();
    for column in features(signature) {
        let array = all.column_by_name(&column.name).ok_or_else(|| {
            Error::new(
                Class::State,
                "COLUMN_NOT_FOUND",
                format!("{of} has no column {:?} of the model", column.name),
            )
        })?;
        let array = take(array, &rows, None)?;
        // Exact decimals are what the model learned as floats.
        let array = match array.data_type() {
            DataType::Decimal128(_, _) => arrow_cast::cast(&array, &DataType::Float64)?,
            _ => array,
        };
        fields.push(field(column));
        columns.push(array);
    }
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?;
    Ok((present, results, batch))
}

/// The rows of customers as a model's training set gives them now: of one with candidates a few
/// for each, next to each other.
pub(crate) fn from_population(ids: &[CustomerId], found: &[RecordBatch]) -> Result<Subjects> {
    let mut results = Vec::new();
    let mut present = Vec::new();
    let Some(first) = found.first() else {
        results.extend(ids.iter().map(outside));
        let none = RecordBatch::new_empty(Arc::new(Schema::empty()));
        return Ok((present, results, none));
    };
    let all = arrow_select::concat::concat_batches(&first.schema(), found)?;
    let texts = |role: Role| -> Result<Option<StringArray>> {
        let schema = all.schema();
        let Some(at) = schema
            .fields()
            .iter()
            .position(|field| role_of(field) == Some(role))
        else {
            return Ok(None);
        };
        let texts = arrow_cast::cast(all.column(at), &DataType::Utf8)?;
        Ok(Some(texts.as_string::<i32>().clone()))
    };
    let items = texts(Role::Item)?;
    let customers = texts(Role::CustomerId)?
        .ok_or_else(|| Error::bug("rows of customers without a customer"))?;
    let mut rows: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for row in 0..all.num_rows() {
        rows.entry(customers.value(row))
            .or_default()
            .push(row as u64);
    }
    let mut order = Vec::new();
    for id in ids {
        let Some(rows) = rows.get(id.as_str()) else {
            results.push(outside(id));
            continue;
        };
        for &row in rows {
            present.push(results.len());
            order.push(row);
            let at = usize::try_from(row).unwrap_or(usize::MAX);
            results.push(Scored {
                customer: id.to_string(),
                item: items
                    .as_ref()
                    .map_or_else(String::new, |items| items.value(at).to_owned()),
                ..Scored::default()
            });
        }
    }
    let batch = take_record_batch(&all, &UInt64Array::from(order))?;
    Ok((present, results, batch))
}

fn outside(id: &CustomerId) -> Scored {
    let message = format!(
        "customer {:?} is not among those whom the model is for: nothing is known of them yet, or the training set's conditions or exclusions leave them out",
        id.as_str()
    );
    Scored {
        customer: id.to_string(),
        error: Some(Fault::new(
            Class::NotFound,
            "CUSTOMER_NOT_IN_POPULATION",
            message,
        )),
        ..Scored::default()
    }
}

/// Best first within each customer, where each has a few rows.
pub(crate) fn best_first(results: &mut [Scored]) {
    let mut start = 0;
    while start < results.len() {
        let customer = results[start].customer.clone();
        let same = results[start..]
            .iter()
            .take_while(|result| result.customer == customer);
        let end = start + same.count();
        // Calibration makes ties of scores, which the margins break.
        results[start..end].sort_by(|a, b| {
            let scores = b.score.total_cmp(&a.score);
            scores.then_with(|| b.margin.total_cmp(&a.margin))
        });
        start = end;
    }
}

/// The same rows, telling the plugin an option by the schema's metadata.
pub(crate) fn with_option(batch: RecordBatch, name: &str, value: bool) -> Result<RecordBatch> {
    let schema = batch.schema();
    let metadata = HashMap::from([(format!("lode.{name}"), value.to_string())]);
    let schema = Schema::new_with_metadata(schema.fields().clone(), metadata);
    Ok(batch.with_schema(Arc::new(schema))?)
}

/// The columns that scoring needs: all but the label and the weight.
fn features(signature: &[SignatureColumn]) -> impl Iterator<Item = &SignatureColumn> {
    scored_columns(signature)
}

/// A column of the model, with its role.
pub(crate) fn field(column: &SignatureColumn) -> Field {
    field_of(column, column.column_type)
}

/// The same, holding another type.
fn field_of(column: &SignatureColumn, held: ColumnType) -> Field {
    let field = Field::new(&column.name, held.for_algorithms().to_arrow(), true);
    match column.role {
        Some(role) => with_role(field, role),
        None => field,
    }
}

/// Whether a row that leaves the column out is told so: what it says is null is no slip, and dates
/// and times are no features.
fn is_feature(column: &SignatureColumn) -> bool {
    let is_moment = matches!(column.column_type, ColumnType::Date | ColumnType::Timestamp);
    matches!(column.role, None | Some(Role::Item)) && !is_moment
}

fn with_role(field: Field, role: Role) -> Field {
    field.with_metadata(HashMap::from([(
        ROLE_KEY.to_owned(),
        role.as_str().to_owned(),
    )]))
}
