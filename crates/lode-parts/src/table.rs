//! Reads tables: one or more Arrow IPC files of the same columns, mapped; plain ones in place.
//!
//! A damaged file is an error, never a panic: the footer, every block and every buffer are
//! checked against the file's length before Arrow sees them, Arrow validates what it reads,
//! and a panic of its reader is caught. The first file's roles hold for all.

mod footer;
mod order;

use std::fmt;
use std::fs::File;
use std::ops::Range;
use std::ops::RangeInclusive;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_array::RecordBatchOptions;
use arrow_array::UInt32Array;
use arrow_buffer::Buffer;
use arrow_ipc::Block;
use arrow_ipc::MessageHeader;
use arrow_ipc::MetadataVersion;
use arrow_ipc::reader::FileDecoder;
use arrow_schema::DataType;
use arrow_schema::Field;
use arrow_schema::SchemaRef;
use arrow_select::take::take_record_batch;

use crate::Customer;
use crate::Error;
use crate::Result;
use crate::Zone;
use crate::map::map;
use crate::pack::Packed;
use crate::pack::Rows;
use crate::strings::Strings;
use crate::strings::as_strings;
use crate::strings::schema_as;
use footer::check_block;
use footer::fit;
use footer::guarded;
use footer::slice;
use footer::without_manifest;

pub(crate) use footer::Footer;

/// One or more mapped table files; cheap to clone.
#[derive(Clone)]
pub struct Table {
    inner: Arc<Inner>,
}

struct Inner {
    schema: SchemaRef,
    files: Vec<Mapped>,
    /// (file, block) of each batch.
    batches: Vec<(usize, usize)>,
    batch_rows: Vec<usize>,
    rows: u64,
}

struct Mapped {
    /// Its own schema with the roles of the first file.
    schema: SchemaRef,
    /// Of the whole file; none when it carries none.
    zones: Option<Vec<Zone>>,
    form: Form,
}

enum Form {
    Plain(Plain),
    Packed(Box<Packed>),
}

/// A file that Arrow reads.
struct Plain {
    bytes: Buffer,
    blocks: Vec<Block>,
    schema: SchemaRef,
    version: MetadataVersion,
    dictionaries: Vec<Block>,
}

impl Table {
    /// Maps the files and reads their footers and batch headers.
    ///
    /// # Errors
    /// `TABLE_DAMAGED` when a file is no whole Arrow IPC file; `TABLE_SCHEMA_DIFFERS` when two
    /// files have other columns or there is no file.
    pub fn open(files: Vec<File>) -> Result<Self> {
        let mut schema: Option<SchemaRef> = None;
        let mut mapped = Vec::with_capacity(files.len());
        let mut batches = Vec::new();
        let mut batch_rows = Vec::new();
        let mut rows = 0;
        for (i, file) in files.iter().enumerate() {
            let bytes = map(file)?;
            let footer = Footer::read(&bytes)?;
            for block in &footer.dictionaries {
                check_block(&bytes, block, MessageHeader::DictionaryBatch)?;
            }
            for (j, block) in footer.blocks.iter().enumerate() {
                let n = check_block(&bytes, block, MessageHeader::RecordBatch)?;
                rows += n;
                batch_rows.push(n as usize);
                batches.push((i, j));
            }
            let zones = footer.zones()?;
            let packed = footer.packed(&bytes)?;
            let own = packed.as_ref().map_or(&footer.schema, |packed| &packed.1);
            let shared = match &schema {
                None => {
                    let first = Arc::new(without_manifest(own));
                    schema = Some(Arc::clone(&first));
                    first
                }
                Some(first) => fit(first, own)?,
            };
            mapped.push(Mapped {
                schema: Arc::clone(&shared),
                zones,
                form: match packed {
                    Some((packed, _)) => Form::Packed(Box::new(packed)),
                    None => Form::Plain(Plain {
                        bytes,
                        blocks: footer.blocks,
                        schema: shared,
                        version: footer.version,
                        dictionaries: footer.dictionaries,
                    }),
                },
            });
        }
        let Some(schema) = schema else {
            return Err(Error::SchemaDiffers {
                expected: "one table file or more".to_owned(),
                found: "none".to_owned(),
            });
        };
        Ok(Self {
            inner: Arc::new(Inner {
                schema,
                files: mapped,
                batches,
                batch_rows,
                rows,
            }),
        })
    }

    /// The columns, with the roles of the first file.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.inner.schema)
    }

    /// Rows of all files.
    pub fn rows(&self) -> u64 {
        self.inner.rows
    }

    /// Batches of all files.
    pub fn n_batches(&self) -> usize {
        self.inner.batches.len()
    }

    /// One batch, all columns or those of `projection`; its buffers are those of the map.
    ///
    /// # Errors
    /// `TABLE_DAMAGED` when its bytes make no batch.
    pub fn batch(&self, i: usize, projection: Option<&[usize]>) -> Result<RecordBatch> {
        self.batch_as(i, projection, Strings::Plain)
    }

    /// One batch with its string columns in the form asked for; see [`Table::schema_as`].
    ///
    /// # Errors
    /// As [`Table::batch`].
    pub fn batch_as(
        &self,
        i: usize,
        projection: Option<&[usize]>,
        strings: Strings,
    ) -> Result<RecordBatch> {
        let (file, block) = self.place(i)?;
        self.check_projection(projection)?;
        let file = &self.inner.files[file];
        guarded("a batch", || match &file.form {
            Form::Plain(plain) => as_strings(plain.read(block, projection)?, strings),
            Form::Packed(packed) => {
                let rows = Rows::Range(0..packed.rows(block));
                file.decode(packed, block, projection, &rows, strings)
            }
        })
    }

    /// Some rows of a batch; of a packed part no others are decoded.
    ///
    /// # Errors
    /// As [`Table::batch`]; `TABLE_NO_SUCH_ROWS` when the batch has fewer.
    pub fn rows_as(
        &self,
        i: usize,
        rows: Range<usize>,
        projection: Option<&[usize]>,
        strings: Strings,
    ) -> Result<RecordBatch> {
        self.read(i, &Rows::Range(rows), projection, strings)
    }

    /// Some rows of a batch by their numbers, which must ascend; of a packed part no others
    /// are decoded.
    ///
    /// # Errors
    /// As [`Table::rows_as`]; `TABLE_NO_SUCH_ROWS` too when the numbers do not ascend.
    pub fn pick_as(
        &self,
        i: usize,
        rows: &[u32],
        projection: Option<&[usize]>,
        strings: Strings,
    ) -> Result<RecordBatch> {
        self.read(i, &Rows::Picked(rows), projection, strings)
    }

    /// The numbers of those rows of a batch, or of those among `picked` ones, whose value of
    /// an int64, timestamp or date column lies in the range (nulls do not), ascending; none
    /// when it cannot be said without decoding the column, as in a part as loaded.
    ///
    /// # Errors
    /// As [`Table::pick_as`].
    pub fn within(
        &self,
        i: usize,
        rows: Range<usize>,
        picked: Option<&[u32]>,
        column: usize,
        range: &RangeInclusive<i64>,
    ) -> Result<Option<Vec<u32>>> {
        let (file, block) = self.place(i)?;
        self.check_projection(Some(&[column]))?;
        let among = picked.map_or(Rows::Range(rows), Rows::Picked);
        self.check_rows(i, &among)?;
        match &self.inner.files[file].form {
            Form::Packed(packed) => {
                guarded("a batch", || packed.within(block, column, &among, range))
            }
            Form::Plain(_) => Ok(None),
        }
    }

    fn read(
        &self,
        i: usize,
        rows: &Rows<'_>,
        projection: Option<&[usize]>,
        strings: Strings,
    ) -> Result<RecordBatch> {
        let (file, block) = self.place(i)?;
        self.check_projection(projection)?;
        self.check_rows(i, rows)?;
        let file = &self.inner.files[file];
        guarded("a batch", || match &file.form {
            Form::Packed(packed) => file.decode(packed, block, projection, rows, strings),
            Form::Plain(plain) => {
                let batch = plain.read(block, projection)?;
                let batch = match rows {
                    Rows::Range(rows) => batch.slice(rows.start, rows.len()),
                    Rows::Picked(rows) => {
                        let rows = UInt32Array::from_iter_values(rows.iter().copied());
                        take_record_batch(&batch, &rows)?
                    }
                };
                as_strings(batch, strings)
            }
        })
    }

    fn check_rows(&self, i: usize, rows: &Rows<'_>) -> Result<()> {
        let batch_rows = self.inner.batch_rows[i];
        if !rows.fit(batch_rows) {
            return Err(Error::NoSuchRows {
                rows: batch_rows,
                found: rows.shown(),
            });
        }
        Ok(())
    }

    /// Whether rows of the customer may be in a file: false only when none are.
    pub fn may_hold(&self, file: usize, customer: Customer<'_>) -> bool {
        match self.inner.files.get(file).map(|file| &file.form) {
            Some(Form::Packed(packed)) => packed.may_hold(customer),
            _ => true,
        }
    }

    /// How many different customers a sorted file has; none of a file as loaded.
    pub fn customers(&self, file: usize) -> Option<u64> {
        match &self.inner.files.get(file)?.form {
            Form::Packed(packed) => packed.customers().map(|note| note.distinct),
            Form::Plain(_) => None,
        }
    }

    /// Where the rows of a customer lie in a batch of a sorted file, found by halving; none
    /// when the file is not sorted by customer.
    ///
    /// # Errors
    /// `TABLE_DAMAGED`, `TABLE_NO_SUCH_BATCH`.
    pub fn find(&self, i: usize, customer: Customer<'_>) -> Result<Option<Range<usize>>> {
        let (file, block) = self.place(i)?;
        match &self.inner.files[file].form {
            Form::Packed(packed) if packed.customers().is_some() => {
                guarded("a batch", || packed.find(block, customer)).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// Rows of a batch.
    ///
    /// # Errors
    /// `TABLE_NO_SUCH_BATCH`.
    pub fn batch_rows(&self, i: usize) -> Result<usize> {
        self.place(i)?;
        Ok(self.inner.batch_rows[i])
    }

    /// About the bytes of all rows as plain columns.
    pub(crate) fn plain_bytes(&self) -> u64 {
        let width = |field: &Arc<Field>| match field.data_type() {
            DataType::Boolean => 1,
            DataType::Decimal128(_, _) => 16,
            DataType::Utf8 => 24,
            _ => 8,
        };
        let row: u64 = self.inner.schema.fields().iter().map(width).sum();
        self.inner.rows * row
    }

    /// Whether a batch lies in a packed file, of which rows can be read without the others.
    pub fn is_packed(&self, i: usize) -> bool {
        self.place(i)
            .is_ok_and(|(file, _)| matches!(self.inner.files[file].form, Form::Packed(_)))
    }

    /// Whether a string column of a batch is stored as keys and the texts that they name.
    pub(crate) fn has_dictionary(&self, i: usize) -> bool {
        self.place(i)
            .is_ok_and(|(file, _)| match &self.inner.files[file].form {
                Form::Packed(packed) => packed.has_dictionary(),
                Form::Plain(_) => false,
            })
    }

    fn check_projection(&self, projection: Option<&[usize]>) -> Result<()> {
        let columns = self.inner.schema.fields().len();
        match projection.and_then(|p| p.iter().find(|&&c| c >= columns)) {
            Some(&found) => Err(Error::NoSuchColumn { columns, found }),
            None => Ok(()),
        }
    }

    /// The columns as [`Table::batch_as`] gives them.
    pub fn schema_as(&self, strings: Strings) -> SchemaRef {
        schema_as(&self.inner.schema, strings)
    }

    /// The ranges of the ordered columns of one batch, or of its whole file; none when they
    /// are not known. A column that is not named may hold anything.
    pub fn zones(&self, i: usize) -> Option<&[Zone]> {
        let (file, block) = self.place(i).ok()?;
        let file = &self.inner.files[file];
        match &file.form {
            Form::Packed(packed) => Some(packed.zones(block)),
            Form::Plain(_) => file.zones.as_deref(),
        }
    }

    /// Which of the files given to [`Table::open`] a batch lies in.
    ///
    /// # Errors
    /// `TABLE_NO_SUCH_BATCH`.
    pub fn file_of(&self, i: usize) -> Result<usize> {
        self.place(i).map(|(file, _)| file)
    }

    fn place(&self, i: usize) -> Result<(usize, usize)> {
        self.inner
            .batches
            .get(i)
            .copied()
            .ok_or(Error::NoSuchBatch {
                batches: self.inner.batches.len(),
                found: i,
            })
    }

    /// All batches in order, all columns.
    pub fn batches(&self) -> impl Iterator<Item = Result<RecordBatch>> + '_ {
        (0..self.n_batches()).map(|i| self.batch(i, None))
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table")
            .field("files", &self.inner.files.len())
            .field("batches", &self.inner.batches.len())
            .field("rows", &self.inner.rows)
            .finish()
    }
}

impl Mapped {
    fn decode(
        &self,
        packed: &Packed,
        block: usize,
        projection: Option<&[usize]>,
        rows: &Rows<'_>,
        strings: Strings,
    ) -> Result<RecordBatch> {
        let n = rows.len();
        let all: Vec<usize>;
        let columns = match projection {
            Some(columns) => columns,
            None => {
                all = (0..self.schema.fields().len()).collect();
                &all
            }
        };
        let arrays = columns
            .iter()
            .map(|&column| packed.column(block, column, rows, strings))
            .collect::<Result<Vec<_>>>()?;
        let schema = schema_as(&Arc::new(self.schema.project(columns)?), strings);
        let options = RecordBatchOptions::new().with_row_count(Some(n));
        RecordBatch::try_new_with_options(schema, arrays, &options)
            .map_err(|error| Error::damaged("a batch", error.to_string()))
    }
}

impl Plain {
    fn read(&self, block: usize, projection: Option<&[usize]>) -> Result<RecordBatch> {
        let mut decoder = FileDecoder::new(Arc::clone(&self.schema), self.version);
        if let Some(projection) = projection {
            decoder = decoder.with_projection(projection.to_vec());
        }
        for block in &self.dictionaries {
            decoder
                .read_dictionary(block, &slice(&self.bytes, block)?)
                .map_err(|error| Error::damaged("a dictionary", error.to_string()))?;
        }
        let block = &self.blocks[block];
        decoder
            .read_record_batch(block, &slice(&self.bytes, block)?)
            .map_err(|error| Error::damaged("a batch", error.to_string()))?
            .ok_or_else(|| Error::damaged("a batch", "an empty message"))
    }
}

#[cfg(test)]
mod tests;
