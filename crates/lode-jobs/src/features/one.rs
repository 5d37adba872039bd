//! The rows of a few customers, found without reading those of the others where zones and the
//! order of sorted runs allow it.

use std::collections::BTreeMap;
use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use arrow_array::Array;
use arrow_array::ArrayRef;
use arrow_array::RecordBatch;
use arrow_array::UInt32Array;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_schema::DataType;
use arrow_schema::Schema;
use arrow_select::take::take_record_batch;
use lode_parts::Bound;
use lode_parts::Table;
use lode_parts::Zone;
use lode_query::Sql;
use lode_store::CustomerRows;
use lode_store::Snapshot;
use lode_store::Store;
use lode_types::CustomerId;
use lode_types::DatasetKind;
use lode_types::Role;
use lode_types::role_of;

use crate::Error;
use crate::PinnedView;
use crate::Result;

/// So many customers are looked up one by one; for more, the files are read.
const FEW: usize = 64;

/// All events of one customer in a dataset, with all columns, in no order.
///
/// # Errors
/// Those of reading.
pub fn customer_events(snapshot: &Snapshot, id: &CustomerId) -> Result<Vec<RecordBatch>> {
    rows_of(snapshot, std::slice::from_ref(id), None)
}

/// The features of some customers now, by a view's declaration: a table, and in which row of it
/// each is; none where one gets no row.
pub(crate) fn of_customers(
    store: &Store,
    sql: &Sql,
    declaration: &str,
    ids: &[CustomerId],
) -> Result<(RecordBatch, Vec<Option<usize>>)> {
    let json = serde_json::from_str(declaration)?;
    let view = PinnedView::pin(store, sql, &json, &mut |id| {
        Ok(Arc::new(store.pin(id, None)?))
    })?;
    let input = view.input(sql, &[store.now()], Some(ids), 1)?;
    let mut places = BTreeMap::new();
    let mut batches = Vec::new();
    view.compute(&input, &AtomicBool::new(false), &mut |batch| {
        for row in 0..batch.num_rows() {
            places.insert(id_at(batch.column(0), row), places.len());
        }
        batches.push(batch);
        Ok(())
    })?;
    let rows = match batches.first() {
        Some(first) => arrow_select::concat::concat_batches(&first.schema(), &batches)?,
        None => RecordBatch::new_empty(Arc::new(Schema::empty())),
    };
    let found = ids.iter().map(|id| places.get(id.as_str()).copied());
    Ok((rows, found.collect()))
}

fn id_at(ids: &ArrayRef, row: usize) -> String {
    match ids.as_string_opt::<i32>() {
        Some(texts) => texts.value(row).to_owned(),
        None => ids.as_primitive::<Int64Type>().value(row).to_string(),
    }
}

/// The rows of some customers, with all columns or some.
pub(super) fn rows_of(
    snapshot: &Snapshot,
    ids: &[CustomerId],
    columns: Option<&[&str]>,
) -> Result<Vec<RecordBatch>> {
    let Some(key) = snapshot.dataset().schema.with_role(Role::CustomerId) else {
        return Ok(Vec::new());
    };
    if snapshot.dataset().kind != DatasetKind::Customers && ids.len() <= FEW {
        return each(snapshot, ids, columns);
    }
    let mut runs: BTreeMap<Option<u32>, Vec<File>> = BTreeMap::new();
    for file in snapshot.files()? {
        runs.entry(file.run).or_default().push(file.file);
    }
    let mut found = Vec::new();
    for (run, files) in runs {
        let table = Table::open(files)?;
        let schema = table.schema();
        let at = schema.index_of(&key.name)?;
        let projection = columns
            .map(|names| names.iter().map(|name| schema.index_of(name)).collect())
            .transpose()?;
        let projection: Option<Vec<usize>> = projection;
        for i in 0..table.n_batches() {
            let zones = table.zones(i);
            let wanted: Vec<&CustomerId> = ids
                .iter()
                .filter(|id| may_hold(zones, &key.name, id))
                .collect();
            if wanted.is_empty() {
                continue;
            }
            let keys = table.batch(i, Some(&[at]))?;
            let rows = matches(keys.column(0), &wanted, run.is_some());
            if rows.is_empty() {
                continue;
            }
            let batch = table.batch(i, projection.as_deref())?;
            found.push(take_record_batch(&batch, &UInt32Array::from(rows))?);
        }
    }
    Ok(found)
}

/// The rows of each customer by the store's own way to them.
fn each(
    snapshot: &Snapshot,
    ids: &[CustomerId],
    columns: Option<&[&str]>,
) -> Result<Vec<RecordBatch>> {
    let schema = snapshot.dataset().schema.to_arrow();
    let columns = columns
        .map(|names| names.iter().map(|name| schema.index_of(name)).collect())
        .transpose()?;
    let wanted = CustomerRows {
        columns,
        ..CustomerRows::default()
    };
    let rows = ids.iter().map(|id| snapshot.customer_rows(id, &wanted));
    let mut found = Vec::with_capacity(ids.len());
    for batch in rows {
        let batch = batch?;
        if batch.num_rows() > 0 {
            found.push(batch);
        }
    }
    Ok(found)
}

/// The rows of some customers among batches with a column of role customer_id, or of its name.
pub(super) fn narrowed(
    batches: Vec<RecordBatch>,
    customers: Option<&[CustomerId]>,
) -> Result<Vec<RecordBatch>> {
    let Some(ids) = customers else {
        return Ok(batches);
    };
    let ids: Vec<&CustomerId> = ids.iter().collect();
    let mut found = Vec::new();
    for batch in batches {
        let schema = batch.schema();
        let mut fields = schema.fields().iter();
        let by_role = fields.position(|field| role_of(field) == Some(Role::CustomerId));
        let Some(at) = by_role.or_else(|| schema.index_of("customer_id").ok()) else {
            return Err(Error::bug("rows of customers without a customer"));
        };
        let rows = matches(batch.column(at), &ids, false);
        if !rows.is_empty() {
            found.push(take_record_batch(&batch, &UInt32Array::from(rows))?);
        }
    }
    Ok(found)
}

/// Whether a batch can hold a customer.
fn may_hold(zones: Option<&[Zone]>, column: &str, id: &CustomerId) -> bool {
    let zone = zones.and_then(|zones| zones.iter().find(|zone| zone.column == column));
    let Some(zone) = zone else {
        return true;
    };
    match (&zone.min, &zone.max, id.as_str().parse::<i64>()) {
        (Some(Bound::Int(min)), Some(Bound::Int(max)), Ok(id)) => (*min..=*max).contains(&id),
        (Some(Bound::Int(_)), Some(Bound::Int(_)), Err(_)) => false,
        _ => true,
    }
}

/// The rows whose id is one of `ids`, ascending.
fn matches(keys: &ArrayRef, ids: &[&CustomerId], sorted: bool) -> Vec<u32> {
    let mut rows = Vec::new();
    let row = |row: usize| u32::try_from(row).unwrap_or(u32::MAX);
    match keys.data_type() {
        DataType::Int64 => {
            let keys = keys.as_primitive::<Int64Type>();
            let ids: Vec<i64> = ids.iter().filter_map(|id| number(id)).collect();
            if sorted && keys.null_count() == 0 {
                for id in ids {
                    let from = keys.values().partition_point(|key| *key < id);
                    let until = keys.values().partition_point(|key| *key <= id);
                    rows.extend((from..until).map(row));
                }
            } else {
                let of = |at: &usize| keys.is_valid(*at) && ids.contains(&keys.value(*at));
                rows.extend((0..keys.len()).filter(of).map(row));
            }
        }
        DataType::Utf8 => {
            let keys = keys.as_string::<i32>();
            let of = |at: &usize| {
                keys.is_valid(*at) && ids.iter().any(|id| id.as_str() == keys.value(*at))
            };
            rows.extend((0..keys.len()).filter(of).map(row));
        }
        _ => {}
    }
    rows.sort_unstable();
    rows
}

/// An id as it stands in an int64 column.
fn number(id: &CustomerId) -> Option<i64> {
    let number: i64 = id.as_str().parse().ok()?;
    (number.to_string() == id.as_str()).then_some(number)
}
