//! Guesses a dataset's kind, columns and roles from the first rows of its source.
//!
//! A guess must also hold for the rows that the sample does not show, so it leans to what
//! takes more: ids of items and orders are text, money is a float, every column may be empty
//! but a customers dataset's key. Invariant: each row of the sample that has the right number
//! of fields decodes under the guessed schema.

mod names;
mod text;

#[cfg(test)]
mod tests;

use std::collections::HashSet;

use arrow_array::Array;
use arrow_array::RecordBatch;
use arrow_cast::display::ArrayFormatter;
use arrow_cast::display::FormatOptions;
use csv::ByteRecord;
use lode_types::Column;
use lode_types::ColumnType;
use lode_types::DatasetKind;
use lode_types::Role;
use lode_types::Schema;

use crate::CsvOptions;
use crate::Error;
use crate::Format;
use crate::Result;
use crate::decode;

use names::Names;
use text::Evidence;

/// Values of a column that are looked at to tell whether it repeats.
const MAX_DISTINCT: usize = 200_000;

/// A guess.
#[derive(Clone, Debug)]
pub struct Inferred {
    /// The kind that was given, or the guessed one.
    pub kind: DatasetKind,
    /// The columns in the order of the source.
    pub schema: Schema,
    /// Why a column got its type or role, where that is not plain.
    pub notes: Vec<String>,
}

/// What is known of a column before roles are given.
struct Draft {
    name: String,
    column_type: ColumnType,
    /// Whether a value came twice.
    repeats: bool,
}

/// Guesses from a sample: CSV records without header, or an Arrow IPC stream.
///
/// # Errors
/// `CSV_HEADER_MISSING`, `DELIMITER_INVALID`, `EMPTY_SAMPLE`, `CHUNK_INVALID`,
/// `TYPE_UNSUPPORTED` for an Arrow column that no dataset can hold, `INVALID_SCHEMA` when the
/// source's names make no schema.
pub fn infer(
    format: Format,
    data: &[u8],
    csv: Option<&CsvOptions>,
    kind: Option<DatasetKind>,
) -> Result<Inferred> {
    let mut notes = Vec::new();
    let drafts = match format {
        Format::Csv => {
            let options = csv.ok_or(Error::CsvHeaderMissing)?;
            from_csv(data, options, &mut notes)?
        }
        Format::ArrowStream => from_arrow(data)?,
    };
    let names = Names::new(drafts.iter().map(|draft| draft.name.as_str()));
    let mut roles = give_roles(&drafts, &names, kind, &mut notes);
    let kind = kind.unwrap_or_else(|| guess_kind(&drafts, &roles));
    for role in &mut roles {
        *role = role.filter(|role| belongs(*role, kind));
    }
    let holder = |wanted| roles.iter().position(|role| *role == Some(wanted));
    let wants_customer = matches!(kind, DatasetKind::Customers | DatasetKind::Events);
    if wants_customer && holder(Role::CustomerId).is_none() {
        notes.push(format!(
            "no column looks like the customer's id, which {kind} need for most algorithms: \
             give the role customer_id to the one that is"
        ));
    }
    let columns = drafts
        .into_iter()
        .zip(&roles)
        .map(|(draft, role)| {
            let mut column = Column::new(draft.name, draft.column_type);
            column.role = *role;
            let key = kind == DatasetKind::Customers && *role == Some(Role::CustomerId);
            column.nullable = !key;
            column
        })
        .collect();
    Ok(Inferred {
        kind,
        schema: Schema::new(columns)?,
        notes,
    })
}

fn from_csv(data: &[u8], options: &CsvOptions, notes: &mut Vec<String>) -> Result<Vec<Draft>> {
    if options.header.is_empty() {
        return Err(Error::CsvHeaderMissing);
    }
    decode::check_delimiter(options.delimiter)?;
    let header = decode::field_names(&options.header);
    let names = Names::new(header.iter().map(String::as_str));
    let mut columns: Vec<Evidence> = (0..header.len())
        .map(|i| Evidence::new(names.is_id(i).then(HashSet::new)))
        .collect();
    let mut reader = decode::csv::reader(data, options.delimiter);
    let mut record = ByteRecord::new();
    let (mut rows, mut odd) = (0_u64, 0_u64);
    while decode::csv::read(&mut reader, &mut record)? {
        if record.len() != columns.len() {
            odd += 1;
            continue;
        }
        rows += 1;
        for (column, field) in columns.iter_mut().zip(&record) {
            column.see(field);
        }
    }
    if odd > 0 {
        notes.push(format!(
            "{odd} of {} records do not have the {} fields of the header and were not looked at",
            rows + odd,
            header.len()
        ));
    }
    if rows == 0 {
        return Err(Error::EmptySample);
    }
    let drafts = header.into_iter().zip(columns).enumerate();
    Ok(drafts
        .map(|(i, (name, evidence))| {
            let (column_type, note) = evidence.column_type(&names, i);
            if let Some(note) = note {
                notes.push(format!("column {name:?}: {column_type}, {note}"));
            }
            Draft {
                name,
                column_type,
                repeats: evidence.repeats(),
            }
        })
        .collect())
}

fn from_arrow(data: &[u8]) -> Result<Vec<Draft>> {
    let batches = decode::arrow::sample(data)?;
    let Some(first) = batches.first() else {
        return Err(Error::EmptySample);
    };
    let schema = first.schema();
    let names = Names::new(schema.fields().iter().map(|field| field.name().as_str()));
    schema
        .fields()
        .iter()
        .enumerate()
        .map(|(i, field)| {
            let column_type = decode::cast::column_type(field.data_type());
            Ok(Draft {
                name: field.name().clone(),
                column_type: column_type.ok_or_else(|| Error::TypeUnsupported {
                    column: field.name().clone(),
                    found: field.data_type().to_string().into(),
                })?,
                repeats: names.is_id(i) && repeats(&batches, i),
            })
        })
        .collect()
}

/// Whether a value of an Arrow column comes twice.
fn repeats(batches: &[RecordBatch], column: usize) -> bool {
    let options = FormatOptions::default().with_display_error(true);
    let mut seen = HashSet::new();
    let mut bytes = 0;
    for batch in batches {
        let values = batch.column(column);
        let Ok(formatter) = ArrayFormatter::try_new(values, &options) else {
            return false;
        };
        for row in (0..values.len()).filter(|&row| values.is_valid(row)) {
            let value = formatter.value(row).to_string();
            bytes += value.len();
            if seen.len() >= MAX_DISTINCT || bytes > decode::MAX_BYTES as usize / 4 {
                return false;
            }
            if !seen.insert(value) {
                return true;
            }
        }
    }
    false
}

/// At most one column a role, by name, where the type fits.
fn give_roles(
    drafts: &[Draft],
    names: &Names,
    kind: Option<DatasetKind>,
    notes: &mut Vec<String>,
) -> Vec<Option<Role>> {
    let mut roles: Vec<Option<Role>> = vec![None; drafts.len()];
    for role in names::ROLES {
        let mut misfit = None;
        let found = names.candidates(role).find(|&i| {
            let fits = drafts[i].column_type.serves(role.types())
                && names.allows(role, i, drafts[i].column_type);
            if !fits && misfit.is_none() {
                misfit = Some(i);
            }
            fits && roles[i].is_none()
        });
        match (found, misfit) {
            (Some(i), _) => {
                roles[i] = Some(role);
                let name = &drafts[i].name;
                notes.push(format!("column {name:?}: role {role}, by its name"));
            }
            (None, Some(i)) if names.is_telling(role) => {
                let Draft {
                    name, column_type, ..
                } = &drafts[i];
                notes.push(format!(
                    "column {name:?}: no role {role} in spite of its name, since it is {column_type}"
                ));
            }
            _ => {}
        }
    }
    let customer = roles.contains(&Some(Role::CustomerId));
    if kind == Some(DatasetKind::Customers) && !customer {
        let types = Role::CustomerId.types();
        let id = names
            .called("id")
            .find(|&i| types.contains(&drafts[i].column_type) && !drafts[i].repeats);
        if let Some(i) = id {
            roles[i] = Some(Role::CustomerId);
            let name = &drafts[i].name;
            notes.push(format!(
                "column {name:?}: role customer_id, the only id of a customers dataset"
            ));
        }
    }
    roles
}

fn guess_kind(drafts: &[Draft], roles: &[Option<Role>]) -> DatasetKind {
    let holder = |wanted| roles.iter().position(|role| *role == Some(wanted));
    if holder(Role::Source).is_some() && holder(Role::Target).is_some() {
        return DatasetKind::Links;
    }
    if holder(Role::EventTime).is_some() {
        return DatasetKind::Events;
    }
    if let Some(i) = holder(Role::CustomerId) {
        return match drafts[i].repeats {
            true => DatasetKind::Events,
            false => DatasetKind::Customers,
        };
    }
    match (holder(Role::Item), holder(Role::Order)) {
        (Some(_), Some(_)) => DatasetKind::Events,
        (Some(i), None) if !drafts[i].repeats => DatasetKind::Items,
        _ => DatasetKind::Other,
    }
}

/// Whether a role means something in a dataset of the kind; a column without role is a feature.
fn belongs(role: Role, kind: DatasetKind) -> bool {
    match kind {
        DatasetKind::Customers => {
            matches!(
                role,
                Role::CustomerId | Role::Label | Role::Treatment | Role::Weight | Role::Duration
            )
        }
        DatasetKind::Events => !matches!(role, Role::Source | Role::Target),
        DatasetKind::Items => matches!(role, Role::Item | Role::UnitPrice),
        DatasetKind::Links => matches!(
            role,
            Role::Source | Role::Target | Role::EventTime | Role::ArrivalTime
        ),
        DatasetKind::Other => !matches!(
            role,
            Role::Amount | Role::Quantity | Role::UnitPrice | Role::Source | Role::Target
        ),
    }
}
