//! Writes batches as one Arrow IPC file, counting rows and bytes and summing a checksum.

use std::fs::File;
use std::io;
use std::io::BufWriter;
use std::io::Write;

use arrow_array::RecordBatch;
use arrow_ipc::MetadataVersion;
use arrow_ipc::writer::FileWriter;
use arrow_ipc::writer::IpcWriteOptions;
use arrow_schema::Schema;
use arrow_schema::SchemaRef;
use serde::Serialize;

use crate::Error;
use crate::Result;

const ALIGNMENT: usize = 64;
const BUFFER_BYTES: usize = 1 << 18;

/// What was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// Rows in all batches.
    pub rows: u64,
    /// Length of the file.
    pub bytes: u64,
}

/// Writes an Arrow IPC file from the file's current position on; does not sync it.
///
/// # Errors
/// The first error of `batches`, or that of writing; the file is then unusable.
pub fn write_ipc(
    file: &File,
    schema: &SchemaRef,
    batches: impl Iterator<Item = Result<RecordBatch>>,
) -> Result<Written> {
    let mut ipc = IpcFile::start(file, schema)?;
    for batch in batches {
        ipc.push(&batch?)?;
    }
    let (written, _) = ipc.finish()?;
    Ok(written)
}

/// An Arrow IPC file that is being written.
pub(crate) struct IpcFile<'a> {
    writer: FileWriter<Summing<BufWriter<&'a File>>>,
    rows: u64,
}

impl<'a> IpcFile<'a> {
    pub(crate) fn start(file: &'a File, schema: &Schema) -> Result<Self> {
        let options = IpcWriteOptions::try_new(ALIGNMENT, false, MetadataVersion::V5)?;
        let out = Summing {
            out: BufWriter::with_capacity(BUFFER_BYTES, file),
            bytes: 0,
            crc32c: 0,
        };
        Ok(Self {
            writer: FileWriter::try_new_with_options(out, schema, options)?,
            rows: 0,
        })
    }

    /// Adds a batch whose columns have the names and types of the file's schema.
    pub(crate) fn push(&mut self, batch: &RecordBatch) -> Result<()> {
        let (expected, found) = (self.writer.schema(), batch.schema());
        if !same_columns(expected, &found) {
            return Err(Error::SchemaDiffers {
                expected: describe(expected),
                found: describe(&found),
            });
        }
        self.writer.write(batch)?;
        self.rows += batch.num_rows() as u64;
        Ok(())
    }

    /// Adds bytes that are no batch, after the last one; gives where they lie.
    pub(crate) fn raw(&mut self, bytes: &[u8]) -> Result<u64> {
        let out = self.writer.get_mut();
        let offset = out.bytes;
        out.write_all(bytes)
            .map_err(Error::io("write a table file"))?;
        Ok(offset)
    }

    /// Keeps a text in the file's footer.
    pub(crate) fn note(&mut self, key: &str, text: String) {
        self.writer.write_metadata(key, text);
    }

    /// Ends the file; gives the checksum of all its bytes too.
    pub(crate) fn finish(self) -> Result<(Written, u32)> {
        let mut writer = self.writer;
        writer.finish()?;
        let mut out = writer.into_inner()?;
        out.flush().map_err(Error::io("write a table file"))?;
        let written = Written {
            rows: self.rows,
            bytes: out.bytes,
        };
        Ok((written, out.crc32c))
    }
}

/// What a file notes of itself.
pub(crate) fn to_json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value)
        .map_err(|error| Error::io("write a table's metadata")(error.into()))
}

/// Whether two schemas have the same columns: names and types, in order.
pub(crate) fn same_columns(one: &Schema, other: &Schema) -> bool {
    let (one, other) = (one.fields(), other.fields());
    one.len() == other.len()
        && one
            .iter()
            .zip(other)
            .all(|(a, b)| a.name() == b.name() && a.data_type() == b.data_type())
}

/// The columns as text for an error, cut after a few.
pub(crate) fn describe(schema: &Schema) -> String {
    let mut text = String::from("(");
    for (i, field) in schema.fields().iter().enumerate() {
        if i == 8 {
            text.push_str(&format!(", ... {} columns", schema.fields().len()));
            break;
        }
        let comma = if i == 0 { "" } else { ", " };
        text.push_str(&format!("{comma}{} {}", field.name(), field.data_type()));
    }
    text.push(')');
    text
}

struct Summing<W> {
    out: W,
    bytes: u64,
    crc32c: u32,
}

impl<W: Write> Write for Summing<W> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let n = self.out.write(data)?;
        self.crc32c = crc32c::crc32c_append(self.crc32c, &data[..n]);
        self.bytes += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
