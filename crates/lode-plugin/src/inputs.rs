//! The tables that a call was given, by the names that the spec declares.
//!
//! A table is read when it is first asked for; one that is asked for as a stream is never
//! held as a whole, so that it may be larger than memory.

use std::fmt;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::OnceLock;
use std::sync::PoisonError;

use arrow_array::RecordBatch;
use arrow_array::RecordBatchReader;
use arrow_schema::ArrowError;
use arrow_schema::SchemaRef;
use lode_types::role_of;

use crate::Error;
use crate::Result;
use crate::Table;

/// The input tables of a call. Clones share what has been read.
#[derive(Clone, Debug, Default)]
pub struct Inputs {
    tables: Vec<Arc<Input>>,
}

type Reader = Box<dyn RecordBatchReader + Send>;

struct Input {
    name: String,
    schema: SchemaRef,
    rows: OnceLock<Table>,
    /// The rows, until they are read as a table or given away as a stream.
    unread: Mutex<Option<Reader>>,
}

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Input")
            .field("name", &self.name)
            .field("schema", &self.schema)
            .finish_non_exhaustive()
    }
}

impl Inputs {
    /// No tables.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same tables and one more.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, table: Table) -> Self {
        let name = name.into();
        let table = table.named(name.clone());
        self.tables.push(Arc::new(Input {
            name,
            schema: Arc::clone(table.schema()),
            rows: OnceLock::from(table),
            unread: Mutex::new(None),
        }));
        self
    }

    /// The same tables and one more, whose rows come from a reader.
    #[must_use]
    pub fn with_stream(mut self, name: impl Into<String>, reader: Reader) -> Self {
        self.tables.push(Arc::new(Input {
            name: name.into(),
            schema: reader.schema(),
            rows: OnceLock::new(),
            unread: Mutex::new(Some(reader)),
        }));
        self
    }

    /// The table of that name, all its rows.
    ///
    /// # Errors
    /// `INPUT_INVALID` when the call was not given it, or it cannot be read.
    pub fn table(&self, name: &str) -> Result<&Table> {
        self.find(name)?.table()
    }

    /// The table of that name, if the call was given it.
    ///
    /// # Errors
    /// `INPUT_INVALID` when it cannot be read.
    pub fn optional(&self, name: &str) -> Result<Option<&Table>> {
        let found = self.tables.iter().find(|input| input.name == name);
        found.map(|input| input.table()).transpose()
    }

    /// The rows of the table of that name, batch by batch, none of them kept.
    ///
    /// A stream is given once: its memory is that of one batch. Batches differ in length, and
    /// how the rows are cut must not change a result.
    ///
    /// # Errors
    /// `INPUT_INVALID` when the call was not given the table, or gave it away before.
    pub fn stream(&self, name: &str) -> Result<Batches> {
        let input = self.find(name)?;
        let rows = match input.rows.get() {
            Some(table) => Rows::Read(table.batches().to_vec().into_iter()),
            None => Rows::Unread(input.take()?),
        };
        Ok(Batches {
            name: name.to_owned(),
            schema: Arc::clone(&input.schema),
            rows,
        })
    }

    /// A number for the columns of all tables: names, types and roles, in any order. Equal for
    /// equal columns, on any machine; models keep it, so that one that was made from other
    /// columns is noticed.
    pub fn fingerprint(&self) -> u64 {
        let mut lines: Vec<String> = Vec::new();
        for input in &self.tables {
            for field in input.schema.fields() {
                let role = role_of(field).map_or("", |role| role.as_str());
                let (name, of_type) = (field.name(), field.data_type());
                lines.push(format!("{}\0{name}\0{of_type}\0{role}\n", input.name));
            }
        }
        lines.sort_unstable();
        // FNV-1a, 64 bits.
        let bytes = lines.iter().flat_map(|line| line.as_bytes());
        bytes.fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        })
    }

    fn find(&self, name: &str) -> Result<&Input> {
        let found = self.tables.iter().find(|input| input.name == name);
        found.map(Arc::as_ref).ok_or_else(|| {
            Error::invalid(
                format!("inputs.{name}"),
                format!("expected an input named {name:?}, found none"),
            )
        })
    }
}

impl Input {
    fn table(&self) -> Result<&Table> {
        if let Some(table) = self.rows.get() {
            return Ok(table);
        }
        let reader = self.take()?;
        let batches = reader
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| unreadable(&self.name, &error))?;
        let table = Table::new(Arc::clone(&self.schema), batches)?.named(self.name.clone());
        Ok(self.rows.get_or_init(|| table))
    }

    fn take(&self) -> Result<Reader> {
        let mut unread = self.unread.lock().unwrap_or_else(PoisonError::into_inner);
        unread.take().ok_or_else(|| {
            Error::invalid(
                format!("inputs.{}", self.name),
                "expected rows that were not read yet, found a stream that was given away",
            )
        })
    }
}

/// The rows of a table, each batch a [`Table`] of its own.
#[derive(Debug)]
pub struct Batches {
    name: String,
    schema: SchemaRef,
    rows: Rows,
}

enum Rows {
    Read(std::vec::IntoIter<RecordBatch>),
    Unread(Reader),
}

impl fmt::Debug for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read(_) => "rows in memory",
            Self::Unread(_) => "a stream",
        })
    }
}

impl Batches {
    /// The columns of every batch.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }
}

impl Iterator for Batches {
    type Item = Result<Table>;

    fn next(&mut self) -> Option<Self::Item> {
        let batch = match &mut self.rows {
            Rows::Read(batches) => batches.next()?,
            Rows::Unread(reader) => match reader.next()? {
                Ok(batch) => batch,
                Err(error) => return Some(Err(unreadable(&self.name, &error))),
            },
        };
        let table = Table::new(Arc::clone(&self.schema), vec![batch]);
        Some(table.map(|table| table.named(self.name.clone())))
    }
}

fn unreadable(name: &str, error: &ArrowError) -> Error {
    Error::invalid(
        format!("inputs.{name}"),
        format!("could not be read: {error}"),
    )
}
