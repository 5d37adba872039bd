//! Makes the one batch that a scoring call sends: the model's columns, in the model's order.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::BooleanArray;
use arrow_array::Date32Array;
use arrow_array::Float64Array;
use arrow_array::Int64Array;
use arrow_array::RecordBatch;
use arrow_array::RecordBatchOptions;
use arrow_array::StringArray;
use arrow_array::TimestampMicrosecondArray;
use arrow_array::UInt64Array;
use arrow_array::cast::AsArray;
use arrow_schema::DataType;
use arrow_schema::Field;
use arrow_schema::Schema;
use arrow_select::take::take_record_batch;
use lode_types::Class;
use lode_types::ColumnType;
use lode_types::CustomerId;
use lode_types::Fault;
use lode_types::ROLE_KEY;
use lode_types::Role;
use lode_types::Timestamp;
use lode_types::Value;
use lode_types::role_of;

use crate::Error;
use crate::Result;
use crate::Scored;
use crate::SignatureColumn;
use crate::training::scored_columns;

/// Places of the rows that are there, results to fill in, and the rows.
pub(crate) type Subjects = (Vec<usize>, Vec<Scored>, RecordBatch);

/// The rows of customers as the store or the feature view `of` them gave them.
pub(crate) fn from_customers(
    signature: &[SignatureColumn],
    of: &str,
    ids: &[CustomerId],
    found: Vec<Option<RecordBatch>>,
) -> Result<Subjects> {
    let mut results = Vec::with_capacity(ids.len());
    let mut present = Vec::new();
    let mut batches = Vec::new();
    for (i, (id, row)) in ids.iter().zip(found).enumerate() {
        let mut result = Scored {
            customer: id.to_string(),
            ..Scored::default()
        };
        match row {
            Some(row) => {
                present.push(i);
                batches.push(row);
            }
            None => {
                let message = format!("no customer {:?} in {of}", id.as_str());
                result.error = Some(Fault::new(Class::NotFound, "CUSTOMER_NOT_FOUND", message));
            }
        }
        results.push(result);
    }
    let Some(first) = batches.first() else {
        return Ok((
            present,
            results,
            RecordBatch::new_empty(Arc::new(Schema::empty())),
        ));
    };
    let all = arrow_select::concat::concat_batches(&first.schema(), &batches)?;
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
        // Exact decimals are what the model learned as floats.
        let array = match array.data_type() {
            DataType::Decimal128(_, _) => arrow_cast::cast(array, &DataType::Float64)?,
            _ => Arc::clone(array),
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

/// Rows as the client gave them; a column that a row leaves out is null.
pub(crate) fn from_values(
    signature: &[SignatureColumn],
    rows: &[BTreeMap<String, Value>],
) -> Result<Subjects> {
    for (i, row) in rows.iter().enumerate() {
        let unknown = row
            .keys()
            .find(|name| !signature.iter().any(|column| column.name == **name));
        if let Some(name) = unknown {
            let known: Vec<&str> = features(signature).map(|c| c.name.as_str()).collect();
            return Err(Error::invalid(
                "UNKNOWN_COLUMN",
                format!("rows[{i}].{name}"),
                format!(
                    "the model has no column {name:?}: expected {}",
                    known.join(", ")
                ),
            ));
        }
        // A column that a row leaves out is null; one that says nothing is a mistake.
        let is_told = |column: &&SignatureColumn| row.contains_key(&column.name);
        let mut told = signature.iter().filter(|column| column.role.is_none());
        if told.clone().next().is_some() && told.find(is_told).is_none() {
            let known: Vec<&str> = features(signature).map(|c| c.name.as_str()).collect();
            return Err(Error::invalid(
                "MISSING_COLUMN",
                format!("rows[{i}]"),
                format!(
                    "expected at least one of the columns of the model, found none: {}",
                    known.join(", ")
                ),
            ));
        }
    }
    let mut fields = Vec::new();
    let mut columns = Vec::new();
    for column in features(signature) {
        let column = widened(column, rows);
        fields.push(field(&column));
        columns.push(array(&column, rows)?);
    }
    let customer = signature
        .iter()
        .find(|column| column.role == Some(Role::CustomerId));
    let results = rows
        .iter()
        .map(|row| Scored {
            customer: match customer.and_then(|column| row.get(&column.name)) {
                Some(Value::Text(id)) => id.clone(),
                Some(Value::Int(id)) => id.to_string(),
                _ => String::new(),
            },
            missing_columns: left_out(signature, row),
            ..Scored::default()
        })
        .collect();
    let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
    let batch =
        RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)?;
    Ok(((0..rows.len()).collect(), results, batch))
}

/// The features that a row does not name. What it says is null is no slip, and dates and times
/// are no features.
fn left_out(signature: &[SignatureColumn], row: &BTreeMap<String, Value>) -> Vec<String> {
    let is_left_out = |column: &&SignatureColumn| {
        let is_moment = matches!(column.column_type, ColumnType::Date | ColumnType::Timestamp);
        matches!(column.role, None | Some(Role::Item))
            && !is_moment
            && !row.contains_key(&column.name)
    };
    let columns = signature.iter().filter(is_left_out);
    columns.map(|column| column.name.clone()).collect()
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
    let field = Field::new(
        &column.name,
        column.column_type.for_algorithms().to_arrow(),
        true,
    );
    match column.role {
        Some(role) => with_role(field, role),
        None => field,
    }
}

fn with_role(field: Field, role: Role) -> Field {
    field.with_metadata(HashMap::from([(
        ROLE_KEY.to_owned(),
        role.as_str().to_owned(),
    )]))
}

/// A column as the rows tell it: one of whole numbers is one of numbers where a row has a part of
/// one, as it is for a batch of rows.
fn widened<'a>(
    column: &'a SignatureColumn,
    rows: &[BTreeMap<String, Value>],
) -> Cow<'a, SignatureColumn> {
    let is_part =
        |row: &BTreeMap<String, Value>| matches!(row.get(&column.name), Some(Value::Float(_)));
    let is_whole = column.role.is_none() && column.column_type == ColumnType::Int64;
    if !is_whole || !rows.iter().any(is_part) {
        return Cow::Borrowed(column);
    }
    let mut column = column.clone();
    column.column_type = ColumnType::Float64;
    Cow::Owned(column)
}

/// A value in the words of the person who sent it.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Bool(v) => format!("the boolean {v}"),
        Value::Int(v) => format!("the integer {v}"),
        Value::Float(v) => format!("the number {v}"),
        Value::Text(v) => format!("the text {v:?}"),
        Value::Time(v) => format!("the time {}", v.to_rfc3339()),
        Value::List(_) => "a list".to_owned(),
        Value::Map(_) => "a map".to_owned(),
    }
}

fn array(column: &SignatureColumn, rows: &[BTreeMap<String, Value>]) -> Result<ArrayRef> {
    let values = rows
        .iter()
        .map(|row| row.get(&column.name).unwrap_or(&Value::Null));
    let refused = |i: usize, found: &Value| {
        Error::invalid(
            "WRONG_TYPE",
            format!("rows[{i}].{}", column.name),
            format!(
                "column {:?}: expected type {}, found {}",
                column.name,
                column.column_type,
                shown(found)
            ),
        )
    };
    /// Values of one type; null where there is none, an error where it is another's.
    fn collect<'a, T, A: FromIterator<Option<T>>>(
        values: impl Iterator<Item = &'a Value>,
        read: impl Fn(&Value) -> Option<T>,
        refused: impl Fn(usize, &Value) -> Error,
    ) -> Result<A> {
        values
            .enumerate()
            .map(|(i, value)| match value {
                Value::Null => Ok(None),
                value => read(value).map(Some).ok_or_else(|| refused(i, value)),
            })
            .collect()
    }
    Ok(match column.column_type {
        ColumnType::Bool => Arc::new(collect::<bool, BooleanArray>(
            values,
            |value| match value {
                Value::Bool(v) => Some(*v),
                _ => None,
            },
            refused,
        )?),
        ColumnType::Int64 => Arc::new(collect::<i64, Int64Array>(
            values,
            |value| match value {
                Value::Int(v) => Some(*v),
                _ => None,
            },
            refused,
        )?),
        ColumnType::Float64 | ColumnType::Decimal { .. } => Arc::new(collect::<f64, Float64Array>(
            values,
            |value| match value {
                Value::Float(v) if v.is_finite() => Some(*v),
                #[expect(clippy::cast_precision_loss, reason = "as any reader of a CSV would")]
                Value::Int(v) => Some(*v as f64),
                _ => None,
            },
            refused,
        )?),
        ColumnType::String => Arc::new(collect::<String, StringArray>(
            values,
            |value| match value {
                Value::Text(v) => Some(v.clone()),
                _ => None,
            },
            refused,
        )?),
        ColumnType::Timestamp => {
            let times: TimestampMicrosecondArray = collect::<i64, _>(
                values,
                |value| match value {
                    Value::Time(v) => Some(v.0),
                    // JSON has no times: there they come as text.
                    Value::Text(v) => Timestamp::parse(v).map(|time| time.0),
                    _ => None,
                },
                refused,
            )?;
            Arc::new(times.with_timezone("UTC"))
        }
        ColumnType::Date => Arc::new(collect::<i32, Date32Array>(
            values,
            |value| match value {
                Value::Time(v) => i32::try_from(v.0.div_euclid(86_400_000_000)).ok(),
                Value::Text(v) => Timestamp::parse(v)
                    .and_then(|time| i32::try_from(time.0.div_euclid(86_400_000_000)).ok()),
                _ => None,
            },
            refused,
        )?),
    })
}
