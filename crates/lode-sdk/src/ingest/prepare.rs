//! Makes sure that the dataset is there before its rows come.
//!
//! A dataset that is not there is made from what the engine infers of the first rows, with
//! the caller's types and roles on top. On one that is there, the caller's roles are set.

use std::sync::Arc;

use lode_client::v1;
use lode_proto::convert;
use lode_types::Column;
use lode_types::DatasetKind;
use lode_types::Role;
use lode_types::Schema;

use crate::Dataset;
use crate::Error;
use crate::Ingest;
use crate::IngestEvent;
use crate::Result;
use crate::ingest::Settings;
use crate::ingest::blocking;
use crate::ingest::source::Source;
use crate::lode::tenant;

/// Makes or adjusts the dataset; says whether it was made.
pub(crate) async fn dataset(ingest: &Ingest, source: &Arc<dyn Source>) -> Result<bool> {
    let settings = &ingest.settings;
    match ingest.lode.dataset(&settings.dataset).await {
        Ok(found) => {
            check_existing(&found, settings)?;
            warn_of_missing(ingest, &found, source.csv().as_ref());
            let schema = with_roles(&found.schema, &settings.roles)?;
            if schema != found.schema {
                ingest
                    .lode
                    .update_columns(&settings.dataset, &schema)
                    .await?;
            }
            Ok(false)
        }
        Err(error) if error.has_reason("DATASET_NOT_FOUND") => {
            let (kind, schema, notes) = infer(ingest, source).await?;
            (ingest.on_event)(IngestEvent::Inferred {
                kind,
                schema: schema.clone(),
                notes,
            });
            ingest
                .lode
                .create_dataset(&settings.dataset, kind, &schema)
                .await?;
            Ok(true)
        }
        Err(error) => Err(error),
    }
}

/// A row replaces the whole row of its customer, so a file with fewer columns empties the
/// others: that is said before it happens.
fn warn_of_missing(ingest: &Ingest, found: &Dataset, csv: Option<&v1::CsvOptions>) {
    let Some(csv) = csv else { return };
    let maps = &ingest.settings.column_mapping;
    let has = |name: &str| {
        csv.header.iter().any(|field| {
            let target = maps.get(field).map_or(field.as_str(), String::as_str);
            target == name
        })
    };
    let columns = found.schema.columns().iter().map(|column| &column.name);
    let missing: Vec<String> = columns.filter(|name| !has(name)).cloned().collect();
    if !missing.is_empty() {
        (ingest.on_event)(IngestEvent::MissingColumns {
            kind: found.kind,
            columns: missing,
        });
    }
}

/// What is fixed when a dataset is made cannot be said otherwise later.
fn check_existing(found: &Dataset, settings: &Settings) -> Result<()> {
    if let Some(kind) = settings.kind
        && kind != found.kind
    {
        return Err(Error::argument(
            "kind",
            format!("{}, which dataset {} has", found.kind, found.dataset),
            kind.as_str(),
        ));
    }
    for (name, column_type) in &settings.types {
        let has = found.schema.column(name).map(|column| column.column_type);
        if has != Some(*column_type) {
            return Err(Error::argument(
                "type",
                match has {
                    Some(has) => format!("{has}, which column {name} has"),
                    None => format!("a column of dataset {}", found.dataset),
                },
                format!("{name}={column_type}"),
            ));
        }
    }
    Ok(())
}

async fn infer(
    ingest: &Ingest,
    source: &Arc<dyn Source>,
) -> Result<(DatasetKind, Schema, Vec<String>)> {
    let settings = &ingest.settings;
    let max_bytes = ingest.lode.server_info().await?.max_chunk_bytes;
    let max_bytes = usize::try_from(max_bytes).unwrap_or(usize::MAX);
    let from = source.clone();
    let first = blocking(move || from.open(0, max_bytes)?.next_chunk()).await?;
    let Some(first) = first else {
        return Err(Error::argument(
            "file",
            "rows to learn the columns from",
            "none",
        ));
    };
    let request = v1::InferSchemaRequest {
        parent: tenant(),
        sample: Some(v1::Chunk {
            format: first.format.into(),
            crc32c: Some(crc32c::crc32c(&first.data)),
            data: first.data.into(),
            row_count: first.n_rows,
        }),
        csv: source.csv(),
        kind: settings
            .kind
            .map_or(0, |kind| convert::kind_to_wire(kind).into()),
    };
    let answer = ingest.lode.client().infer_schema(request).await?;
    let inferred =
        convert::schema_from_wire(&answer.schema.unwrap_or_default()).map_err(Error::Wire)?;
    let kind = settings
        .kind
        .or(convert::kind_from_wire(answer.kind))
        .unwrap_or(DatasetKind::Other);
    Ok((kind, with_settings(inferred, kind, settings)?, answer.notes))
}

/// The inferred schema under the names of the dataset, with the caller's types and roles.
fn with_settings(inferred: Schema, kind: DatasetKind, settings: &Settings) -> Result<Schema> {
    let mut columns: Vec<Column> = inferred.into();
    for column in &mut columns {
        if let Some(name) = settings.column_mapping.get(&column.name) {
            column.name.clone_from(name);
        }
    }
    for (name, column_type) in &settings.types {
        let column = find(&mut columns, name, "type")?;
        column.column_type = *column_type;
        // A role that was guessed may not fit the type that was said.
        if column
            .role
            .is_some_and(|role| !column_type.serves(role.types()))
        {
            column.role = None;
        }
    }
    set_roles(&mut columns, &settings.roles)?;
    if kind == DatasetKind::Customers {
        for column in &mut columns {
            if column.role == Some(Role::CustomerId) {
                column.nullable = false;
            }
        }
    }
    Ok(Schema::new(columns)?)
}

fn with_roles(schema: &Schema, roles: &[(Role, String)]) -> Result<Schema> {
    let mut columns: Vec<Column> = schema.columns().to_vec();
    set_roles(&mut columns, roles)?;
    Ok(Schema::new(columns)?)
}

/// Gives each role to its column alone.
fn set_roles(columns: &mut [Column], roles: &[(Role, String)]) -> Result<()> {
    for (role, name) in roles {
        find(columns, name, "role")?;
        for column in columns.iter_mut() {
            if column.name == *name {
                column.role = Some(*role);
            } else if column.role == Some(*role) {
                column.role = None;
            }
        }
    }
    Ok(())
}

fn find<'c>(columns: &'c mut [Column], name: &str, field: &'static str) -> Result<&'c mut Column> {
    let names: Vec<String> = columns.iter().map(|column| column.name.clone()).collect();
    columns
        .iter_mut()
        .find(|column| column.name == name)
        .ok_or_else(|| {
            Error::argument(
                field,
                format!("one of the columns {}", names.join(", ")),
                format!("{name:?}"),
            )
        })
}

#[cfg(test)]
mod tests;
