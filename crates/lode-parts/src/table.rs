//! Reads tables: one or more Arrow IPC files of the same columns, mapped and read in place.
//!
//! A damaged file is an error, never a panic: the footer, every block and every buffer are
//! checked against the file's length before Arrow sees them, Arrow validates what it reads,
//! and a panic of its reader is caught. The first file's roles hold for all.

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::ops::Range;
use std::panic::AssertUnwindSafe;
use std::panic::catch_unwind;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_array::RecordBatchOptions;
use arrow_buffer::Buffer;
use arrow_ipc::Block;
use arrow_ipc::MessageHeader;
use arrow_ipc::MetadataVersion;
use arrow_ipc::convert::fb_to_schema;
use arrow_ipc::reader::FileDecoder;
use arrow_ipc::reader::read_footer_length;
use arrow_ipc::root_as_footer;
use arrow_ipc::root_as_message;
use arrow_schema::DataType;
use arrow_schema::Field;
use arrow_schema::Schema;
use arrow_schema::SchemaRef;

use crate::Customer;
use crate::Error;
use crate::MANIFEST_KEY;
use crate::Result;
use crate::Zone;
use crate::map::map;
use crate::pack::PACKED_KEY;
use crate::pack::Packed;
use crate::strings::Strings;
use crate::strings::as_strings;
use crate::strings::schema_as;
use crate::write::describe;
use crate::write::same_columns;
use crate::zone::ZONES_KEY;

/// Magic, padding, and the trailer of footer length and magic.
const TRAILER: usize = 10;
const MAGIC: &[u8; 6] = b"ARROW1";

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
                file.decode(packed, block, projection, 0..packed.rows(block), strings)
            }
        })
    }

    /// Some rows of a batch; of a packed part no others are decoded.
    ///
    /// # Errors
    /// As [`Table::batch`]; `TABLE_NO_SUCH_BATCH` too when the batch has fewer rows.
    pub fn rows_as(
        &self,
        i: usize,
        rows: Range<usize>,
        projection: Option<&[usize]>,
        strings: Strings,
    ) -> Result<RecordBatch> {
        let (file, block) = self.place(i)?;
        self.check_projection(projection)?;
        let file = &self.inner.files[file];
        guarded("a batch", || match &file.form {
            Form::Packed(packed) if rows.start <= rows.end && rows.end <= packed.rows(block) => {
                file.decode(packed, block, projection, rows.clone(), strings)
            }
            Form::Plain(plain) => {
                let batch = plain.read(block, projection)?;
                if rows.start > rows.end || rows.end > batch.num_rows() {
                    return Err(Error::NoSuchBatch {
                        batches: batch.num_rows(),
                        found: rows.end,
                    });
                }
                as_strings(batch.slice(rows.start, rows.len()), strings)
            }
            Form::Packed(packed) => Err(Error::NoSuchBatch {
                batches: packed.rows(block),
                found: rows.end,
            }),
        })
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
            Form::Packed(packed) => packed.customers().map(|(_, distinct)| distinct),
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

    /// Whether a batch lies in a packed file.
    pub(crate) fn is_packed(&self, i: usize) -> bool {
        self.place(i)
            .is_ok_and(|(file, _)| matches!(self.inner.files[file].form, Form::Packed(_)))
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
        rows: Range<usize>,
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
            .map(|&column| packed.column(block, column, rows.clone(), strings))
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

/// What a file's footer says.
pub(crate) struct Footer {
    pub(crate) schema: Schema,
    pub(crate) notes: HashMap<String, String>,
    version: MetadataVersion,
    blocks: Vec<Block>,
    dictionaries: Vec<Block>,
    /// The number of each column's dictionary.
    dictionary_ids: Vec<Option<i64>>,
}

impl Footer {
    /// The file as a packed one and the schema that its readers see; none when it is plain.
    fn packed(&self, bytes: &Buffer) -> Result<Option<(Packed, Schema)>> {
        let Some(note) = self.notes.get(PACKED_KEY) else {
            return Ok(None);
        };
        guarded("a packed part", || {
            Packed::open(
                bytes,
                note,
                &self.schema,
                &self.dictionary_ids,
                &self.blocks,
                &self.dictionaries,
            )
        })
        .map(Some)
    }

    /// The zones of the whole file.
    pub(crate) fn zones(&self) -> Result<Option<Vec<Zone>>> {
        let zones = self.notes.get(ZONES_KEY).map(|text| {
            serde_json::from_str(text)
                .map_err(|error| Error::damaged("a part's zones", error.to_string()))
        });
        zones.transpose()
    }

    pub(crate) fn read(bytes: &Buffer) -> Result<Self> {
        guarded("a footer", || Self::read_unguarded(bytes))
    }

    fn read_unguarded(bytes: &Buffer) -> Result<Self> {
        let len = bytes.len();
        if len < MAGIC.len() + 2 + TRAILER || &bytes[..MAGIC.len()] != MAGIC {
            return Err(Error::damaged(
                "an Arrow IPC file",
                format!("{len} other bytes"),
            ));
        }
        let mut trailer = [0; TRAILER];
        trailer.copy_from_slice(&bytes[len - TRAILER..]);
        let footer_len = read_footer_length(trailer)
            .map_err(|_| Error::damaged("the end of an Arrow IPC file", "other bytes"))?;
        let end = len - TRAILER;
        let start = end
            .checked_sub(footer_len)
            .filter(|start| *start >= MAGIC.len() + 2)
            .ok_or_else(|| {
                Error::damaged(
                    format!("a footer within {len} bytes"),
                    format!("one of {footer_len} bytes"),
                )
            })?;
        let footer = root_as_footer(&bytes[start..end])
            .map_err(|error| Error::damaged("a footer", error.to_string()))?;
        let schema = footer
            .schema()
            .ok_or_else(|| Error::damaged("a schema in the footer", "none"))?;
        if !schema.endianness().equals_to_target_endianness() {
            return Err(Error::damaged("little-endian data", "big-endian data"));
        }
        let dictionary_ids = schema
            .fields()
            .iter()
            .flatten()
            .map(|field| {
                // Of a column of runs it is the values' child that has it.
                let child = field.children().filter(|children| children.len() == 2);
                let field = child.map_or(field, |children| children.get(1));
                field.dictionary().map(|dictionary| dictionary.id())
            })
            .collect();
        let schema = fb_to_schema(schema);
        let notes: HashMap<String, String> = footer
            .custom_metadata()
            .iter()
            .flatten()
            .filter_map(|pair| Some((pair.key()?.to_owned(), pair.value()?.to_owned())))
            .collect();
        // The reader of packed parts knows what it can read.
        if !notes.contains_key(PACKED_KEY) {
            for field in schema.fields() {
                check_type(field.name(), field.data_type())?;
            }
        }
        Ok(Self {
            schema,
            notes,
            version: footer.version(),
            blocks: footer.recordBatches().iter().flatten().copied().collect(),
            dictionaries: footer.dictionaries().iter().flatten().copied().collect(),
            dictionary_ids,
        })
    }
}

/// Only types whose buffers `check_block` bounds; no unions, run ends or views of lists.
fn check_type(name: &str, data_type: &DataType) -> Result<()> {
    match data_type {
        DataType::Union(_, _)
        | DataType::RunEndEncoded(_, _)
        | DataType::ListView(_)
        | DataType::LargeListView(_) => Err(Error::damaged(
            "a plain column type",
            format!("{data_type} in column {name:?}"),
        )),
        DataType::Struct(fields) => fields
            .iter()
            .try_for_each(|field| check_type(name, field.data_type())),
        DataType::List(field)
        | DataType::LargeList(field)
        | DataType::FixedSizeList(field, _)
        | DataType::Map(field, _) => check_type(name, field.data_type()),
        DataType::Dictionary(_, values) => check_type(name, values),
        _ => Ok(()),
    }
}

/// Bounds a block, its message and every buffer in it; gives its rows.
fn check_block(bytes: &Buffer, block: &Block, header: MessageHeader) -> Result<u64> {
    guarded("a batch header", || {
        let data = slice(bytes, block)?;
        let meta_len = usize::try_from(block.metaDataLength()).unwrap_or(0);
        let start = if data.starts_with(&[0xff; 4]) { 8 } else { 4 };
        if meta_len < start {
            return Err(Error::damaged(
                "a batch header",
                format!("{meta_len} bytes"),
            ));
        }
        let message = root_as_message(&data[start..meta_len])
            .map_err(|error| Error::damaged("a batch header", error.to_string()))?;
        if message.header_type() != header {
            return Err(Error::damaged(
                format!("{header:?}"),
                format!("{:?}", message.header_type()),
            ));
        }
        let batch = match header {
            MessageHeader::RecordBatch => message.header_as_record_batch(),
            _ => message
                .header_as_dictionary_batch()
                .and_then(|dictionary| dictionary.data()),
        };
        let batch = batch.ok_or_else(|| Error::damaged("a batch", "none"))?;
        let body_len = (data.len() - meta_len) as u64;
        for buffer in batch.buffers().iter().flatten() {
            let end = u64::try_from(buffer.offset())
                .ok()
                .zip(u64::try_from(buffer.length()).ok())
                .and_then(|(offset, length)| offset.checked_add(length));
            if end.is_none_or(|end| end > body_len) {
                return Err(Error::damaged(
                    format!("a buffer within {body_len} bytes"),
                    format!("{} bytes at {}", buffer.length(), buffer.offset()),
                ));
            }
        }
        for node in batch.nodes().iter().flatten() {
            if node.null_count() < 0
                || node.null_count() > node.length()
                || node.length() > i64::from(i32::MAX)
            {
                return Err(Error::damaged(
                    "a column's count of rows and nulls",
                    format!("{} rows, {} nulls", node.length(), node.null_count()),
                ));
            }
        }
        u64::try_from(batch.length())
            .ok()
            .filter(|rows| *rows <= i32::MAX as u64)
            .ok_or_else(|| Error::damaged("a count of rows", format!("{}", batch.length())))
    })
}

fn slice(bytes: &Buffer, block: &Block) -> Result<Buffer> {
    let range = (|| {
        let offset = usize::try_from(block.offset()).ok()?;
        let meta = usize::try_from(block.metaDataLength()).ok()?;
        let body = usize::try_from(block.bodyLength()).ok()?;
        let len = meta.checked_add(body)?;
        (meta >= 8 && offset.checked_add(len)? <= bytes.len()).then_some((offset, len))
    })();
    let (offset, len) = range.ok_or_else(|| {
        Error::damaged(
            format!("a block within {} bytes", bytes.len()),
            format!(
                "{} and {} bytes at {}",
                block.metaDataLength(),
                block.bodyLength(),
                block.offset()
            ),
        )
    })?;
    Ok(bytes.slice_with_length(offset, len))
}

fn without_manifest(schema: &Schema) -> Schema {
    let mut metadata = schema.metadata().clone();
    metadata.remove(MANIFEST_KEY);
    schema.clone().with_metadata(metadata)
}

/// The columns of a further file under the roles of the first.
fn fit(first: &SchemaRef, other: &Schema) -> Result<SchemaRef> {
    if !same_columns(first, other) {
        return Err(Error::SchemaDiffers {
            expected: describe(first),
            found: describe(other),
        });
    }
    let has_dictionary = other
        .fields()
        .iter()
        .any(|field| matches!(field.data_type(), DataType::Dictionary(_, _)));
    if !has_dictionary {
        return Ok(Arc::clone(first));
    }
    // A dictionary's number belongs to its file, so the field stays the file's own.
    let fields: Vec<_> = first
        .fields()
        .iter()
        .zip(other.fields())
        .map(|(first, own)| own.as_ref().clone().with_metadata(first.metadata().clone()))
        .collect();
    Ok(Arc::new(
        Schema::new(fields).with_metadata(first.metadata().clone()),
    ))
}

/// Runs a read of bytes that may be damaged; a panic inside Arrow becomes an error.
fn guarded<T>(what: &str, read: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(read))
        .unwrap_or_else(|_| Err(Error::damaged(what, "bytes that Arrow cannot read")))
}

#[cfg(test)]
mod tests;
