//! What the end of a table file says of it, checked against the bytes that are there.

use crate::Error;
use crate::MANIFEST_KEY;
use crate::Result;
use crate::Zone;
use crate::pack::PACKED_KEY;
use crate::pack::Packed;
use crate::write::describe;
use crate::write::same_columns;
use crate::zone::ZONES_KEY;
use arrow_buffer::Buffer;
use arrow_ipc::Block;
use arrow_ipc::MessageHeader;
use arrow_ipc::MetadataVersion;
use arrow_ipc::convert::fb_to_schema;
use arrow_ipc::reader::read_footer_length;
use arrow_ipc::root_as_footer;
use arrow_ipc::root_as_message;
use arrow_schema::DataType;
use arrow_schema::Schema;
use arrow_schema::SchemaRef;
use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::panic::catch_unwind;
use std::sync::Arc;

/// Magic, padding, and the trailer of footer length and magic.
const TRAILER: usize = 10;
const MAGIC: &[u8; 6] = b"ARROW1";

/// What a file's footer says.
pub(crate) struct Footer {
    pub(crate) schema: Schema,
    pub(crate) notes: HashMap<String, String>,
    pub(super) version: MetadataVersion,
    pub(super) blocks: Vec<Block>,
    pub(super) dictionaries: Vec<Block>,
    /// The number of each column's dictionary.
    pub(super) dictionary_ids: Vec<Option<i64>>,
}

impl Footer {
    /// The file as a packed one and the schema that its readers see; none when it is plain.
    pub(super) fn packed(&self, bytes: &Buffer) -> Result<Option<(Packed, Schema)>> {
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
pub(super) fn check_block(bytes: &Buffer, block: &Block, header: MessageHeader) -> Result<u64> {
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

pub(super) fn slice(bytes: &Buffer, block: &Block) -> Result<Buffer> {
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

pub(super) fn without_manifest(schema: &Schema) -> Schema {
    let mut metadata = schema.metadata().clone();
    metadata.remove(MANIFEST_KEY);
    schema.clone().with_metadata(metadata)
}

/// The columns of a further file under the roles of the first.
pub(super) fn fit(first: &SchemaRef, other: &Schema) -> Result<SchemaRef> {
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
pub(super) fn guarded<T>(what: &str, read: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(read))
        .unwrap_or_else(|_| Err(Error::damaged(what, "bytes that Arrow cannot read")))
}
