//! Reads tables: one or more Arrow IPC files of the same columns, mapped and read in place.
//!
//! A damaged file is an error, never a panic: the footer, every block and every buffer are
//! checked against the file's length before Arrow sees them, Arrow validates what it reads,
//! and a panic of its reader is caught. The first file's roles hold for all.

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::panic::AssertUnwindSafe;
use std::panic::catch_unwind;
use std::sync::Arc;

use arrow_array::RecordBatch;
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
use arrow_schema::Schema;
use arrow_schema::SchemaRef;

use crate::Error;
use crate::MANIFEST_KEY;
use crate::Result;
use crate::Zone;
use crate::map::map;
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
    rows: u64,
}

struct Mapped {
    bytes: Buffer,
    blocks: Vec<Block>,
    /// Its own schema with the roles of the first file.
    schema: SchemaRef,
    version: MetadataVersion,
    dictionaries: Vec<Block>,
    /// Of the whole file; none when it carries none.
    zones: Option<Vec<Zone>>,
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
        let mut rows = 0;
        for (i, file) in files.iter().enumerate() {
            let bytes = map(file)?;
            let footer = Footer::read(&bytes)?;
            let shared = match &schema {
                None => {
                    let first = Arc::new(without_manifest(&footer.schema));
                    schema = Some(Arc::clone(&first));
                    first
                }
                Some(first) => fit(first, &footer.schema)?,
            };
            for (j, block) in footer.blocks.iter().enumerate() {
                rows += check_block(&bytes, block, MessageHeader::RecordBatch)?;
                batches.push((i, j));
            }
            for block in &footer.dictionaries {
                check_block(&bytes, block, MessageHeader::DictionaryBatch)?;
            }
            let zones = footer.zones()?;
            mapped.push(Mapped {
                zones,
                bytes,
                blocks: footer.blocks,
                schema: shared,
                version: footer.version,
                dictionaries: footer.dictionaries,
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
        let columns = self.inner.schema.fields().len();
        if let Some(&found) = projection.and_then(|p| p.iter().find(|&&c| c >= columns)) {
            return Err(Error::NoSuchColumn { columns, found });
        }
        let file = &self.inner.files[file];
        guarded("a batch", || {
            as_strings(file.read(block, projection)?, strings)
        })
    }

    /// The columns as [`Table::batch_as`] gives them.
    pub fn schema_as(&self, strings: Strings) -> SchemaRef {
        schema_as(&self.inner.schema, strings)
    }

    /// The ranges of the ordered columns of one batch, or of its whole file; none when they
    /// are not known. A column that is not named may hold anything.
    pub fn zones(&self, i: usize) -> Option<&[Zone]> {
        let (file, _) = self.place(i).ok()?;
        self.inner.files[file].zones.as_deref()
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
}

impl Footer {
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
        let schema = fb_to_schema(schema);
        for field in schema.fields() {
            check_type(field.name(), field.data_type())?;
        }
        let notes = footer
            .custom_metadata()
            .iter()
            .flatten()
            .filter_map(|pair| Some((pair.key()?.to_owned(), pair.value()?.to_owned())))
            .collect();
        Ok(Self {
            schema,
            notes,
            version: footer.version(),
            blocks: footer.recordBatches().iter().flatten().copied().collect(),
            dictionaries: footer.dictionaries().iter().flatten().copied().collect(),
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
