//! The catalog: datasets with their kind, schema, labels, size and version.

use std::collections::BTreeMap;

use lode_types::DatasetId;
use lode_types::DatasetKind;
use lode_types::Role;
use lode_types::Schema;
use lode_types::Timestamp;

use crate::Error;
use crate::Result;
use crate::key;
use crate::kv::Read;
use crate::kv::Span;
use crate::kv::Tree;
use crate::kv::Txn;
use crate::long;
use crate::record::Definition;
use crate::record::Head;

/// Longest display name and label, in bytes.
const MAX_NAME_BYTES: usize = 1024;
const MAX_LABELS: usize = 64;

/// A dataset as it stands at one version.
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset {
    /// Its id.
    pub id: DatasetId,
    /// For people.
    pub display_name: String,
    /// How rows are stored and keyed.
    pub kind: DatasetKind,
    /// Its columns.
    pub schema: Schema,
    /// Rows visible at the version.
    pub row_count: u64,
    /// Bytes on disk of what is visible at the version.
    pub size_bytes: u64,
    /// Grows by one with each commit; 0 before the first.
    pub version: u64,
    /// For people and programs.
    pub labels: BTreeMap<String, String>,
    /// When it was made.
    pub create_time: Timestamp,
    /// When it was last changed or committed to.
    pub update_time: Timestamp,
}

/// A dataset to be made.
#[derive(Clone, Debug, PartialEq)]
pub struct NewDataset {
    /// For people; the id when empty.
    pub display_name: String,
    /// How rows are stored and keyed.
    pub kind: DatasetKind,
    /// Its columns; a customers dataset needs one of role `customer_id`.
    pub schema: Schema,
    /// For people and programs.
    pub labels: BTreeMap<String, String>,
}

/// What changes of a dataset; the rest stays.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DatasetChange {
    /// A new display name.
    pub display_name: Option<String>,
    /// New labels, in place of all old ones.
    pub labels: Option<BTreeMap<String, String>>,
    /// The same columns with other roles, privacy classes or descriptions.
    pub columns: Option<Schema>,
}

/// A dataset's number, definition and head, read together.
pub(crate) struct Known {
    pub(crate) number: u32,
    pub(crate) definition: Definition,
    pub(crate) head: Head,
}

impl Known {
    pub(crate) fn dataset(&self) -> Result<Dataset> {
        let definition = &self.definition;
        Ok(Dataset {
            id: DatasetId::parse(definition.id.clone())
                .map_err(|error| Error::damaged("dataset definition", error.to_string()))?,
            display_name: definition.display_name.clone(),
            kind: definition.kind,
            schema: definition.schema.clone(),
            row_count: self.head.rows,
            size_bytes: self.head.bytes,
            version: self.head.version,
            labels: definition.labels.clone(),
            create_time: self.head.create_time,
            update_time: self.head.update_time,
        })
    }
}

pub(crate) fn number(read: &dyn Read, id: &DatasetId) -> Result<u32> {
    find(read, id)?.ok_or_else(|| Error::DatasetNotFound {
        id: id.as_str().to_owned(),
    })
}

pub(crate) fn find(read: &dyn Read, id: &DatasetId) -> Result<Option<u32>> {
    match read.get(Tree::Meta, &key::dataset_id(id))? {
        None => Ok(None),
        Some(value) => key::read_number(&value)
            .map(Some)
            .ok_or_else(|| Error::damaged("dataset id", "no number")),
    }
}

pub(crate) fn head(read: &dyn Read, number: u32) -> Result<Head> {
    match read.get(Tree::Meta, &key::head(number))? {
        Some(value) => Head::decode(&value),
        None => Err(Error::damaged("dataset head", "none")),
    }
}

pub(crate) fn definition(read: &dyn Read, number: u32) -> Result<Definition> {
    match long::get(read, Tree::Meta, &key::definition(number))? {
        Some(bytes) => Definition::decode(&bytes),
        None => Err(Error::damaged("dataset definition", "none")),
    }
}

pub(crate) fn known(read: &dyn Read, id: &DatasetId) -> Result<Known> {
    let number = number(read, id)?;
    Ok(Known {
        number,
        definition: definition(read, number)?,
        head: head(read, number)?,
    })
}

/// All datasets, in the order of their ids.
pub(crate) fn all(read: &dyn Read) -> Result<Vec<Dataset>> {
    let mut datasets = Vec::new();
    for (_, value) in read.scan(Tree::Meta, &Span::prefix(&key::dataset_ids()))? {
        let number =
            key::read_number(&value).ok_or_else(|| Error::damaged("dataset id", "no number"))?;
        let known = Known {
            number,
            definition: definition(read, number)?,
            head: head(read, number)?,
        };
        datasets.push(known.dataset()?);
    }
    Ok(datasets)
}

/// Makes a dataset; true when it was there already.
pub(crate) fn create(
    txn: &mut Txn<'_>,
    id: &DatasetId,
    new: NewDataset,
    now: Timestamp,
) -> Result<(Dataset, bool)> {
    if find(txn, id)?.is_some() {
        let known = known(txn, id)?;
        let differs = if known.definition.kind != new.kind {
            "kind"
        } else if known.definition.schema != new.schema {
            "schema"
        } else {
            return Ok((known.dataset()?, true));
        };
        return Err(Error::DatasetExists {
            id: id.as_str().to_owned(),
            differs,
        });
    }
    if new.kind == DatasetKind::Customers && new.schema.with_role(Role::CustomerId).is_none() {
        return Err(Error::NoKeyColumn);
    }
    check_labels(&new.labels)?;
    let display_name = if new.display_name.is_empty() {
        id.as_str().to_owned()
    } else {
        new.display_name
    };
    check_length("display_name", &display_name)?;
    let number = take_number(txn)?;
    let known = Known {
        number,
        definition: Definition {
            form: Definition::FORM,
            id: id.as_str().to_owned(),
            display_name,
            kind: new.kind,
            schema: new.schema,
            labels: new.labels,
            roles_changed: false,
        },
        head: Head {
            create_time: now,
            update_time: now,
            ..Head::default()
        },
    };
    txn.put(Tree::Meta, key::dataset_id(id), key::number(number))?;
    put_head(txn, number, &known.head)?;
    put_definition(txn, number, &known.definition)?;
    Ok((known.dataset()?, false))
}

pub(crate) fn update(
    txn: &mut Txn<'_>,
    id: &DatasetId,
    change: DatasetChange,
    now: Timestamp,
) -> Result<Dataset> {
    let mut known = known(txn, id)?;
    let definition = &mut known.definition;
    if let Some(name) = change.display_name {
        check_length("display_name", &name)?;
        definition.display_name = if name.is_empty() {
            id.as_str().to_owned()
        } else {
            name
        };
    }
    if let Some(labels) = change.labels {
        check_labels(&labels)?;
        definition.labels = labels;
    }
    if let Some(schema) = change.columns {
        check_same_columns(definition, &schema)?;
        let roles =
            |schema: &Schema| -> Vec<_> { schema.columns().iter().map(|c| c.role).collect() };
        definition.roles_changed |= roles(&definition.schema) != roles(&schema);
        definition.schema = schema;
    }
    known.head.update_time = now;
    put_head(txn, known.number, &known.head)?;
    put_definition(txn, known.number, &known.definition)?;
    known.dataset()
}

pub(crate) fn put_head(txn: &mut Txn<'_>, number: u32, head: &Head) -> Result<()> {
    txn.put(Tree::Meta, key::head(number), head.encode())
}

pub(crate) fn put_definition(
    txn: &mut Txn<'_>,
    number: u32,
    definition: &Definition,
) -> Result<()> {
    long::put(
        txn,
        Tree::Meta,
        &key::definition(number),
        &definition.encode()?,
    )
}

/// The number that the next dataset gets.
pub(crate) fn next_number(read: &dyn Read) -> Result<u32> {
    match read.get(Tree::Meta, &key::dataset_counter())? {
        None => Ok(1),
        Some(value) => {
            key::read_number(&value).ok_or_else(|| Error::damaged("dataset counter", "no number"))
        }
    }
}

fn take_number(txn: &mut Txn<'_>) -> Result<u32> {
    let key = key::dataset_counter();
    let number = next_number(txn)?;
    let next = number
        .checked_add(1)
        .ok_or_else(|| Error::bug("no dataset number is left"))?;
    txn.put(Tree::Meta, key, key::number(next))?;
    Ok(number)
}

fn check_same_columns(definition: &Definition, schema: &Schema) -> Result<()> {
    let (before, after) = (definition.schema.columns(), schema.columns());
    let fixed = |found: String| Err(Error::SchemaFixed { found });
    if before.len() != after.len() {
        return fixed(format!("{} columns for {}", after.len(), before.len()));
    }
    for (before, after) in before.iter().zip(after) {
        if before.name != after.name {
            return fixed(format!("column {:?} for {:?}", after.name, before.name));
        }
        if before.column_type != after.column_type {
            return fixed(format!(
                "column {:?} of type {} for {}",
                after.name, after.column_type, before.column_type
            ));
        }
        if before.nullable != after.nullable {
            return fixed(format!("column {:?} of other nullability", after.name));
        }
    }
    let key = |schema: &Schema| schema.with_role(Role::CustomerId).map(|c| c.name.clone());
    if definition.kind == DatasetKind::Customers && key(&definition.schema) != key(schema) {
        return fixed("role customer_id on another column or on none".to_owned());
    }
    Ok(())
}

fn check_labels(labels: &BTreeMap<String, String>) -> Result<()> {
    if labels.len() > MAX_LABELS {
        return Err(Error::TooLong {
            what: "labels",
            limit: MAX_LABELS,
            found: labels.len(),
        });
    }
    for (key, value) in labels {
        check_length("labels", key)?;
        check_length("labels", value)?;
    }
    Ok(())
}

fn check_length(what: &'static str, text: &str) -> Result<()> {
    if text.len() > MAX_NAME_BYTES {
        return Err(Error::TooLong {
            what,
            limit: MAX_NAME_BYTES,
            found: text.len(),
        });
    }
    Ok(())
}
