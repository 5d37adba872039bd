//! Datasets as a statement reads them: which version, as of when, in which files.
//!
//! Shared by queries and by jobs whose inputs are queries. The bound of an as-of read over
//! events goes to the query's worker, which filters while it scans; customers come as the
//! rows that were valid.

use std::fmt;

use lode_query::Bound;
use lode_query::NamedTable;
use lode_query::SqlTable;
use lode_store::Snapshot;
use lode_store::Store;
use lode_types::Class;
use lode_types::DatasetKind;
use lode_types::Role;
use lode_types::Schema;
use lode_types::Timestamp;

use crate::Error;
use crate::Result;
use crate::check::resolve_dataset;

/// A dataset of a statement, held at its version.
#[derive(Clone, Debug)]
pub struct ReadTable {
    /// As the statement calls it.
    pub name: String,
    /// The dataset at its version.
    pub snapshot: Snapshot,
    /// The time that it is read as of.
    pub as_of: Option<Timestamp>,
    /// Whether the statement itself names the version.
    pub has_own_version: bool,
}

/// The files of a read table, with what the parts are called.
pub struct OpenTable {
    /// What a query's worker is given.
    pub table: SqlTable,
    /// Name, rows and bytes of each file.
    pub parts: Vec<(String, u64, u64)>,
}

impl fmt::Debug for OpenTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenTable")
            .field("table", &self.table)
            .finish_non_exhaustive()
    }
}

impl ReadTable {
    /// Finds the dataset and holds it. `as_of` counts where the statement names no time of its
    /// own, `version` where it names no version.
    ///
    /// # Errors
    /// `DATASET_NOT_FOUND`, `VERSION_NOT_FOUND`, `AS_OF_NO_TIME`.
    pub fn resolve(
        store: &Store,
        named: &NamedTable,
        as_of: Option<Timestamp>,
        version: &dyn Fn(&str) -> Option<u64>,
    ) -> Result<Self> {
        let id = resolve_dataset(store, &named.dataset)?;
        let mut as_of = named.as_of_micros.map(Timestamp).or(as_of);
        let version = named.version.or_else(|| version(id.as_str()));
        let mut snapshot = store.pin(&id, version)?;
        if let Some(time) = as_of {
            snapshot.check_as_of()?;
            let dataset = snapshot.dataset();
            let is_log = dataset.kind != DatasetKind::Customers;
            if is_log && times(&dataset.schema).next().is_none() {
                snapshot = snapshot.at_version_of(time)?;
                as_of = None;
            }
        }
        Ok(Self {
            name: named.name.clone(),
            snapshot,
            as_of,
            has_own_version: named.version.is_some(),
        })
    }

    /// Opens its files.
    ///
    /// # Errors
    /// What reading the snapshot met.
    pub fn open(&self) -> Result<OpenTable> {
        let dataset = self.snapshot.dataset();
        let mut bound = None;
        let files = match (self.as_of, dataset.kind) {
            (Some(time), DatasetKind::Customers) => self.snapshot.files_as_of(time)?,
            (Some(time), _) => {
                bound = Some(Bound {
                    columns: times(&dataset.schema).map(str::to_owned).collect(),
                    at_micros: time.0,
                });
                self.snapshot.files()?
            }
            (None, _) => self.snapshot.files()?,
        };
        let parts = files
            .iter()
            .map(|file| (file.name.clone(), file.rows, file.bytes))
            .collect();
        let table = SqlTable {
            name: self.name.clone(),
            files: files.into_iter().map(|file| file.file).collect(),
            bound,
        };
        Ok(OpenTable { table, parts })
    }
}

/// Refuses a table that is read as of a later time than the job that reads it.
pub(crate) fn not_after(named: &NamedTable, as_of: Option<Timestamp>) -> Result<()> {
    match (as_of, named.as_of_micros.map(Timestamp)) {
        (Some(limit), Some(own)) if own > limit => Err(Error::new(
            Class::Invalid,
            "AS_OF_LATER",
            format!(
                "{}: expected a time at or before that of the job, {}, found {}",
                named.name,
                limit.to_rfc3339(),
                own.to_rfc3339()
            ),
        )),
        _ => Ok(()),
    }
}

/// Columns that say when a row became known.
fn times(schema: &Schema) -> impl Iterator<Item = &str> {
    [Role::EventTime, Role::ArrivalTime]
        .into_iter()
        .filter_map(|role| schema.with_role(role))
        .map(|column| column.name.as_str())
}
