//! Arrow tables as a source: batches in memory, and IPC files or streams on disk.
//!
//! Each chunk is one self-contained IPC stream. Does not convert types: the engine does.
//! Positions are rows from the start, so that another batch size resumes as well.

use std::fs::File;
use std::io::BufReader;
use std::io::Read;
use std::io::Seek;
use std::path::Path;
use std::path::PathBuf;

use arrow_array::RecordBatch;
use arrow_ipc::reader::FileReader;
use arrow_ipc::reader::StreamReader;
use arrow_ipc::writer::StreamWriter;
use arrow_schema::ArrowError;
use arrow_schema::SchemaRef;
use lode_client::v1;
use sha2::Digest;
use sha2::Sha256;

use crate::Error;
use crate::Result;
use crate::ingest::source::Chunks;
use crate::ingest::source::Source;
use crate::ingest::source::SourceChunk;
use crate::ingest::text::TARGET_BYTES;
use crate::ingest::text::content;
use crate::ingest::text::file_id;
use crate::ingest::text::id_of;
use crate::ingest::text::unreadable;

type Batches = Box<dyn Iterator<Item = std::result::Result<RecordBatch, ArrowError>> + Send>;

/// Batches in memory.
#[derive(Debug)]
pub(crate) struct Memory {
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
}

impl Memory {
    /// Batches of one schema.
    pub(crate) fn new(batches: Vec<RecordBatch>) -> Result<Self> {
        let Some(first) = batches.first() else {
            return Err(Error::argument("batches", "at least one batch", "none"));
        };
        let schema = first.schema();
        if let Some(i) = batches.iter().position(|batch| batch.schema() != schema) {
            return Err(Error::argument(
                "batches",
                "batches of one schema",
                format!("another schema in batch {i}"),
            ));
        }
        Ok(Self { schema, batches })
    }
}

impl Source for Memory {
    fn default_id(&self) -> Result<String> {
        let mut writer = StreamWriter::try_new(HashWriter(Sha256::new()), &self.schema)?;
        for batch in &self.batches {
            writer.write(batch)?;
        }
        writer.finish()?;
        Ok(id_of("arrow", &writer.into_inner()?.0.finalize()))
    }

    fn csv(&self) -> Option<v1::CsvOptions> {
        None
    }

    fn bytes_total(&self) -> u64 {
        let bytes = self.batches.iter().map(|batch| batch_bytes(batch) as u64);
        bytes.sum()
    }

    fn open(&self, position: u64, max_bytes: usize) -> Result<Box<dyn Chunks>> {
        let batches = Box::new(self.batches.clone().into_iter().map(Ok));
        Ok(Box::new(ArrowChunks::new(batches, position, max_bytes)))
    }
}

/// An IPC file or stream on disk.
#[derive(Debug)]
pub(crate) struct IpcFile {
    path: PathBuf,
    is_stream: bool,
    bytes_total: u64,
}

impl IpcFile {
    /// Opens a file and finds out which of the two forms it has.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let mut file = File::open(path).map_err(|e| unreadable(path, e))?;
        let bytes_total = file.metadata().map_err(|e| unreadable(path, e))?.len();
        let mut magic = [0; 6];
        let n_read = file.read(&mut magic).map_err(|e| unreadable(path, e))?;
        file.rewind().map_err(|e| unreadable(path, e))?;
        let is_stream = magic.starts_with(&[0xFF; 4]);
        if !is_stream && (n_read < 6 || &magic != b"ARROW1") {
            return Err(content(
                path,
                "an Arrow IPC file or stream",
                "another beginning of the file",
            ));
        }
        let this = Self {
            path: path.to_owned(),
            is_stream,
            bytes_total,
        };
        drop(this.batches()?);
        Ok(this)
    }

    fn batches(&self) -> Result<Batches> {
        let file = File::open(&self.path).map_err(|e| unreadable(&self.path, e))?;
        let wrong = |error: ArrowError| {
            content(
                &self.path,
                "an Arrow IPC file or stream",
                &error.to_string(),
            )
        };
        Ok(match self.is_stream {
            true => Box::new(StreamReader::try_new(BufReader::new(file), None).map_err(wrong)?),
            false => Box::new(FileReader::try_new(BufReader::new(file), None).map_err(wrong)?),
        })
    }
}

impl Source for IpcFile {
    fn default_id(&self) -> Result<String> {
        let mut file = File::open(&self.path).map_err(|e| unreadable(&self.path, e))?;
        file_id(&self.path, &mut file)
    }

    fn csv(&self) -> Option<v1::CsvOptions> {
        None
    }

    fn bytes_total(&self) -> u64 {
        self.bytes_total
    }

    fn open(&self, position: u64, max_bytes: usize) -> Result<Box<dyn Chunks>> {
        let chunks = ArrowChunks::new(self.batches()?, position, max_bytes);
        Ok(Box::new(chunks))
    }
}

struct ArrowChunks {
    batches: Batches,
    /// Rows of the current batch that are not sent yet.
    rest: Option<RecordBatch>,
    position: u64,
    /// Rows to pass over before the first chunk.
    to_skip: u64,
    bytes_read: u64,
    max_bytes: usize,
}

impl ArrowChunks {
    fn new(batches: Batches, position: u64, max_bytes: usize) -> Self {
        Self {
            batches,
            rest: None,
            position,
            to_skip: position,
            bytes_read: 0,
            max_bytes,
        }
    }

    /// The rows that are next, none at the end.
    fn next_rows(&mut self) -> Result<Option<RecordBatch>> {
        if let Some(rest) = self.rest.take() {
            return Ok(Some(rest));
        }
        for batch in self.batches.by_ref() {
            let batch = batch?;
            let n_rows = batch.num_rows() as u64;
            if n_rows <= self.to_skip {
                self.to_skip -= n_rows;
                self.bytes_read += batch_bytes(&batch) as u64;
                continue;
            }
            let skipped = usize::try_from(std::mem::take(&mut self.to_skip))
                .expect("fewer rows than the batch has");
            return Ok(Some(batch.slice(skipped, batch.num_rows() - skipped)));
        }
        Ok(None)
    }
}

impl Chunks for ArrowChunks {
    fn next_chunk(&mut self) -> Result<Option<SourceChunk>> {
        let Some(rows) = self.next_rows()? else {
            return Ok(None);
        };
        let target = TARGET_BYTES.min(self.max_bytes);
        let mut n_rows = (rows.num_rows() as u64 * target as u64)
            .checked_div(batch_bytes(&rows) as u64)
            .map_or(rows.num_rows(), |n| {
                usize::try_from(n).unwrap_or(usize::MAX)
            })
            .clamp(1, rows.num_rows());
        loop {
            let part = rows.slice(0, n_rows);
            let data = encode(&part)?;
            if data.len() > self.max_bytes && n_rows > 1 {
                n_rows = n_rows.div_ceil(2);
                continue;
            }
            if data.len() > self.max_bytes {
                return Err(Error::argument(
                    "batches",
                    format!("rows of at most {} bytes", self.max_bytes),
                    format!("row {} of {} bytes", self.position, data.len()),
                ));
            }
            if n_rows < rows.num_rows() {
                self.rest = Some(rows.slice(n_rows, rows.num_rows() - n_rows));
            }
            self.position += n_rows as u64;
            self.bytes_read += batch_bytes(&part) as u64;
            return Ok(Some(SourceChunk {
                format: v1::Format::ArrowStream,
                data,
                n_rows: u32::try_from(n_rows).unwrap_or(0),
                position: self.position,
                bytes_read: self.bytes_read,
            }));
        }
    }
}

/// Bytes of the rows alone, whatever else their buffers hold.
fn batch_bytes(batch: &RecordBatch) -> usize {
    let bytes = batch.columns().iter().map(|column| {
        column
            .to_data()
            .get_slice_memory_size()
            .unwrap_or_else(|_| column.get_array_memory_size())
    });
    bytes.sum()
}

fn encode(batch: &RecordBatch) -> Result<Vec<u8>> {
    let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema())?;
    writer.write(batch)?;
    writer.finish()?;
    Ok(writer.into_inner()?)
}

struct HashWriter(Sha256);

impl std::io::Write for HashWriter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
