//! Turns one chunk from outside into one record batch of a dataset, bad rows set aside.
//!
//! A chunk is refused as a whole ([`crate::Error`]) when its bytes, its columns or its types
//! are wrong; a row is set aside ([`RejectedRow`]) when a value of it is. Good rows keep their
//! order. Invariants: what a chunk *says* it holds is bounded before memory is taken for it,
//! and the batch has exactly [`lode_types::Schema::to_arrow`] as its schema.

pub(crate) mod csv;

pub(crate) mod arrow;
pub(crate) mod cast;
mod guard;
mod lz4;

mod reject;
mod repeat;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::RecordBatch;
use arrow_array::RecordBatchOptions;
use arrow_array::new_null_array;
use arrow_schema::SchemaRef;
use lode_types::ColumnType;
use lode_types::DatasetKind;
use lode_types::Role;
use lode_types::Schema;

use crate::CsvOptions;
use crate::Error;
use crate::Result;

pub use reject::RejectedRow;

/// Most bytes that the rows of one chunk may take in memory.
pub(crate) const MAX_BYTES: u64 = 256 << 20;
/// Most rows of one chunk.
pub(crate) const MAX_ROWS: u64 = 4 << 20;

/// How a chunk's bytes are encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// One self-contained Arrow IPC stream, its buffers plain or LZ4.
    ArrowStream,
    /// CSV records without a header.
    Csv,
}

/// What became of a chunk.
#[derive(Clone, Debug)]
pub struct Decoded {
    /// The good rows, in order.
    pub batch: RecordBatch,
    /// The bad rows, in order.
    pub rejected: Vec<RejectedRow>,
    /// Of the good rows, how many equal an earlier one in every column.
    pub repeated_rows: u64,
    /// Columns of the dataset that the source lacks; they are null in every row.
    pub lacking: Vec<String>,
}

/// Reads the chunks of one load; may be used by many threads at once.
#[derive(Clone, Debug)]
pub struct Decoder {
    arrow: SchemaRef,
    targets: Vec<Target>,
    mapping: BTreeMap<String, String>,
    csv: Option<CsvPlan>,
}

/// What the dataset wants of a column.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) name: String,
    pub(crate) column_type: ColumnType,
    pub(crate) required: bool,
    /// Holds the customer's id as text, which may not be empty or too long.
    pub(crate) key: bool,
}

/// Where each field of a CSV record goes.
#[derive(Clone, Debug)]
struct CsvPlan {
    delimiter: u8,
    header: Vec<String>,
    /// For each field the index of its target.
    targets: Vec<usize>,
}

impl Decoder {
    /// A decoder for a dataset of this schema and kind. `mapping` gives the dataset's column
    /// for a source column; a source column that it does not name goes to the column of its
    /// own name. `csv` is needed when chunks will be CSV.
    ///
    /// # Errors
    /// `UNKNOWN_COLUMN`, `MISSING_COLUMN` or `DUPLICATE_COLUMN` when the CSV header does not
    /// fit the dataset, `DELIMITER_INVALID`.
    pub fn new(
        schema: &Schema,
        kind: DatasetKind,
        mapping: &BTreeMap<String, String>,
        csv: Option<&CsvOptions>,
    ) -> Result<Self> {
        let targets: Vec<Target> = schema
            .columns()
            .iter()
            .map(|column| {
                let customer = column.role == Some(Role::CustomerId);
                Target {
                    name: column.name.clone(),
                    column_type: column.column_type,
                    required: !column.nullable || (customer && kind == DatasetKind::Customers),
                    key: customer && column.column_type == ColumnType::String,
                }
            })
            .collect();
        let mut decoder = Self {
            arrow: Arc::new(schema.to_arrow()),
            targets,
            mapping: mapping.clone(),
            csv: None,
        };
        for column in decoder.mapping.values() {
            if schema.column(column).is_none() {
                return Err(decoder.unknown(column));
            }
        }
        if let Some(options) = csv {
            check_delimiter(options.delimiter)?;
            let header = field_names(&options.header);
            let targets = decoder.resolve(&header)?;
            decoder.csv = Some(CsvPlan {
                delimiter: options.delimiter,
                header,
                targets,
            });
        }
        Ok(decoder)
    }

    /// Decodes one chunk.
    ///
    /// # Errors
    /// The chunk is refused as a whole: `CHUNK_INVALID`, `CHUNK_TOO_LARGE`, `WRONG_TYPE`,
    /// `MISSING_COLUMN`, `UNKNOWN_COLUMN`, `DUPLICATE_COLUMN`, `CSV_HEADER_MISSING`,
    /// `TOO_MANY_REJECTED_ROWS`.
    pub fn decode(&self, format: Format, data: &[u8]) -> Result<Decoded> {
        let limit = MAX_BYTES;
        let found = data.len() as u64;
        if found > limit {
            let unit = "bytes";
            return Err(Error::ChunkTooLarge { unit, limit, found });
        }
        match format {
            Format::ArrowStream => arrow::decode(self, data),
            Format::Csv => {
                let plan = self.csv.as_ref().ok_or(Error::CsvHeaderMissing)?;
                csv::decode(self, plan, data)
            }
        }
    }

    /// The target of each source column.
    fn resolve(&self, sources: &[String]) -> Result<Vec<usize>> {
        for source in self.mapping.keys() {
            if !sources.contains(source) {
                return Err(Error::UnknownSource {
                    column: source.clone(),
                    expected: sources.to_vec(),
                });
            }
        }
        let mut taken = vec![false; self.targets.len()];
        let mut resolved = Vec::with_capacity(sources.len());
        for source in sources {
            let name = self.mapping.get(source).unwrap_or(source);
            let target = self
                .targets
                .iter()
                .position(|target| target.name == *name)
                .ok_or_else(|| self.unknown(source))?;
            if std::mem::replace(&mut taken[target], true) {
                let column = name.clone();
                return Err(Error::DuplicateColumn { column });
            }
            resolved.push(target);
        }
        let missing = self
            .targets
            .iter()
            .zip(taken)
            .find(|(target, taken)| target.required && !taken);
        match missing {
            Some((target, _)) => Err(Error::MissingColumn {
                column: target.name.clone(),
                found: sources.to_vec(),
            }),
            None => Ok(resolved),
        }
    }

    fn unknown(&self, column: &str) -> Error {
        Error::UnknownColumn {
            column: column.to_owned(),
            expected: self.targets.iter().map(|t| t.name.clone()).collect(),
        }
    }

    /// Refuses more rows than a chunk may hold once every column of the dataset is there.
    fn check_rows(&self, rows: u64) -> Result<()> {
        if rows > MAX_ROWS {
            return Err(Error::ChunkTooLarge {
                unit: "rows",
                limit: MAX_ROWS,
                found: rows,
            });
        }
        let found = rows * 8 * self.targets.len() as u64;
        if found > MAX_BYTES {
            return Err(Error::ChunkTooLarge {
                unit: "bytes",
                limit: MAX_BYTES,
                found,
            });
        }
        Ok(())
    }

    /// Names of the columns that were not in the source.
    fn lacking(&self, columns: &[Option<ArrayRef>]) -> Vec<String> {
        let all = self.targets.iter().zip(columns);
        let lacking = all.filter(|(_, column)| column.is_none());
        lacking.map(|(target, _)| target.name.clone()).collect()
    }

    /// A batch from the columns that were in the source; the others are null.
    fn assemble(&self, columns: Vec<Option<ArrayRef>>, rows: usize) -> Result<RecordBatch> {
        let columns = columns
            .into_iter()
            .zip(self.arrow.fields())
            .map(|(column, field)| {
                column.unwrap_or_else(|| new_null_array(field.data_type(), rows))
            })
            .collect();
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(Arc::clone(&self.arrow), columns, &options).map_err(
            |error| Error::ChunkInvalid {
                expected: "expected columns of one length",
                found: error.to_string(),
            },
        )
    }
}

/// The header's names as they are used: no byte-order mark, and a name for every field.
pub(crate) fn field_names(header: &[String]) -> Vec<String> {
    header
        .iter()
        .enumerate()
        .map(|(i, name)| {
            let name = match i {
                0 => name.strip_prefix('\u{feff}').unwrap_or(name),
                _ => name,
            };
            match name.trim() {
                "" => format!("column_{}", i + 1),
                _ => name.to_owned(),
            }
        })
        .collect()
}

/// Refuses a delimiter that cannot be told from data.
pub(crate) fn check_delimiter(delimiter: u8) -> Result<()> {
    match delimiter {
        b'"' | b'\r' | b'\n' | 0 | 128.. => Err(Error::DelimiterInvalid {
            found: char::from(delimiter),
        }),
        _ => Ok(()),
    }
}
