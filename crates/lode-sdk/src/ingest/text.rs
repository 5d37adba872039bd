//! CSV files, plain or gzip, as a source of chunks of whole records.
//!
//! Detects the delimiter and skips a byte-order mark; takes LF and CR LF. Does not check or
//! convert fields: the engine does, against the dataset's schema. Memory is bounded by the
//! chunk size. Positions are byte offsets in the decompressed text.

use std::fs::File;
use std::io;
use std::io::BufReader;
use std::io::Read;
use std::io::Seek;
use std::io::SeekFrom;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use flate2::read::MultiGzDecoder;
use lode_client::v1;
use sha2::Digest;
use sha2::Sha256;

use crate::Error;
use crate::Result;
use crate::ingest::cut::Cutter;
use crate::ingest::source::Chunks;
use crate::ingest::source::Source;
use crate::ingest::source::SourceChunk;

/// Text aimed at for one chunk; a longer record makes a longer chunk.
pub(crate) const TARGET_BYTES: usize = 3 << 20;

/// Longest header record that is looked for.
const MAX_HEADER_BYTES: usize = 1 << 20;

const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// A CSV file whose header has been read.
#[derive(Debug)]
pub(crate) struct TextFile {
    path: PathBuf,
    is_gzip: bool,
    header: Vec<String>,
    delimiter: u8,
    /// Offset of the first record after the header.
    first_record: u64,
    bytes_total: u64,
    target_bytes: usize,
}

/// How to read a file when its own looks are not to be trusted.
#[derive(Clone, Debug, Default)]
pub(crate) struct TextOptions {
    /// Field separator; detected when none.
    pub(crate) delimiter: Option<u8>,
    /// Column names of a file without a header line.
    pub(crate) columns: Option<Vec<String>>,
}

impl TextFile {
    /// Opens a file, reads its header and detects its delimiter.
    pub(crate) fn open(path: &Path, options: &TextOptions) -> Result<Self> {
        let is_gzip = path
            .extension()
            .is_some_and(|extension| extension.eq_ignore_ascii_case("gz"));
        let bytes_total = File::open(path)
            .and_then(|file| file.metadata())
            .map_err(|source| unreadable(path, source))?
            .len();
        let mut head = vec![0; MAX_HEADER_BYTES];
        let (mut reader, _) = open_text(path, is_gzip)?;
        let n_read = read_full(&mut reader, &mut head).map_err(|e| unreadable(path, e))?;
        head.truncate(n_read);
        let bom = bom_len(path, &head)?;
        let text = &head[bom..];
        if text.is_empty() {
            return Err(content(
                path,
                "a CSV file with a header line",
                "an empty file",
            ));
        }
        if text.iter().take(4096).any(|&byte| byte == 0) {
            return Err(content(path, "CSV text", "binary data"));
        }
        let delimiter = options.delimiter.unwrap_or_else(|| detect_delimiter(text));
        let (header, header_len) = match &options.columns {
            Some(columns) => (columns.clone(), 0),
            None => read_header(path, text, delimiter)?,
        };
        Ok(Self {
            path: path.to_owned(),
            is_gzip,
            header,
            delimiter,
            first_record: (bom + header_len) as u64,
            bytes_total,
            target_bytes: TARGET_BYTES,
        })
    }

    /// The same file, cut into chunks of about `target_bytes`.
    #[cfg(test)]
    pub(crate) fn with_target(mut self, target_bytes: usize) -> Self {
        self.target_bytes = target_bytes;
        self
    }
}

impl Source for TextFile {
    fn default_id(&self) -> Result<String> {
        let mut file = File::open(&self.path).map_err(|e| unreadable(&self.path, e))?;
        file_id(&self.path, &mut file)
    }

    fn csv(&self) -> Option<v1::CsvOptions> {
        Some(v1::CsvOptions {
            header: self.header.clone(),
            delimiter: char::from(self.delimiter).to_string(),
        })
    }

    fn bytes_total(&self) -> u64 {
        self.bytes_total
    }

    fn open(&self, position: u64, max_bytes: usize) -> Result<Box<dyn Chunks>> {
        let start = position.max(self.first_record);
        let (reader, bytes_read) = if self.is_gzip {
            let (mut reader, bytes_read) = open_text(&self.path, true)?;
            io::copy(&mut reader.by_ref().take(start), &mut io::sink())
                .map_err(|e| unreadable(&self.path, e))?;
            (reader, bytes_read)
        } else {
            let mut file = File::open(&self.path).map_err(|e| unreadable(&self.path, e))?;
            file.seek(SeekFrom::Start(start))
                .map_err(|e| unreadable(&self.path, e))?;
            counted(file, start, false)
        };
        Ok(Box::new(TextChunks {
            path: self.path.clone(),
            reader,
            bytes_read,
            delimiter: self.delimiter,
            buffer: Vec::new(),
            position: start,
            target_bytes: self.target_bytes.min(max_bytes),
            max_bytes,
            at_end: false,
        }))
    }
}

struct TextChunks {
    path: PathBuf,
    reader: Box<dyn Read + Send>,
    bytes_read: Arc<AtomicU64>,
    delimiter: u8,
    /// Text after the last chunk.
    buffer: Vec<u8>,
    /// Offset of the start of `buffer`.
    position: u64,
    target_bytes: usize,
    max_bytes: usize,
    at_end: bool,
}

impl Chunks for TextChunks {
    fn next_chunk(&mut self) -> Result<Option<SourceChunk>> {
        // Each chunk starts at a record, so its scan starts afresh over what is buffered.
        let mut scanned = 0;
        let mut end = None;
        let mut cutter = Cutter::new(self.delimiter);
        loop {
            if let Some(offset) = cutter.scan(&self.buffer[scanned..]) {
                end = Some(scanned + offset);
            }
            scanned = self.buffer.len();
            if self.at_end || (end.is_some() && scanned >= self.target_bytes) {
                break;
            }
            if scanned >= self.max_bytes {
                return Err(self.too_long(&cutter));
            }
            let step = self.target_bytes.clamp(1, 64 << 10);
            let room = self.target_bytes.max(scanned + step).min(self.max_bytes);
            self.buffer.resize(room, 0);
            let n_read = read_full(&mut self.reader, &mut self.buffer[scanned..])
                .map_err(|e| unreadable(&self.path, e))?;
            self.buffer.truncate(scanned + n_read);
            self.at_end = scanned + n_read < room;
        }
        if self.at_end {
            if cutter.is_inside_quotes() {
                return Err(self.too_long(&cutter));
            }
            end = Some(self.buffer.len());
        }
        let end = end.expect("the loop ends with a record end or with the end of the file");
        if end == 0 {
            return Ok(None);
        }
        let rest = self.buffer.split_off(end);
        let data = std::mem::replace(&mut self.buffer, rest);
        self.position += data.len() as u64;
        Ok(Some(SourceChunk {
            format: v1::Format::Csv,
            data,
            n_rows: 0,
            position: self.position,
            bytes_read: self.bytes_read.load(Ordering::Relaxed),
        }))
    }
}

impl TextChunks {
    fn too_long(&self, cutter: &Cutter) -> Error {
        let hint = match cutter.is_inside_quotes() {
            true => "; a quote is left open",
            false => "",
        };
        content(
            &self.path,
            "records that end within a chunk",
            &format!(
                "one without an end that starts near byte {}{hint}",
                self.position
            ),
        )
    }
}

/// A load's id: the file's name and the start of its SHA-256, so that the same file loads
/// once and an edited one is another load.
pub(crate) fn file_id(path: &Path, file: &mut impl Read) -> Result<String> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let n_read = file.read(&mut buffer).map_err(|e| unreadable(path, e))?;
        if n_read == 0 {
            break;
        }
        hasher.update(&buffer[..n_read]);
    }
    let name = path
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    Ok(id_of(&name, &hasher.finalize()))
}

/// `name`, made fit for an id, and 16 hexadecimal digits of `hash`.
pub(crate) fn id_of(name: &str, hash: &[u8]) -> String {
    let mut id: String = name
        .trim_start_matches('.')
        .chars()
        .map(
            |c| match c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') {
                true => c,
                false => '_',
            },
        )
        .take(100)
        .collect();
    id.push('-');
    for byte in hash.iter().take(8) {
        id.push_str(&format!("{byte:02x}"));
    }
    id
}

/// The delimiter that splits most of the first records into the same number of fields.
fn detect_delimiter(text: &[u8]) -> u8 {
    let sample = &text[..text.len().min(64 << 10)];
    let whole = sample.len() == text.len();
    let mut best = (0, b',');
    for delimiter in DELIMITERS {
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(delimiter)
            .has_headers(false)
            .flexible(true)
            .from_reader(sample);
        let mut widths: Vec<usize> = reader
            .byte_records()
            .take(50)
            .map_while(std::result::Result::ok)
            .map(|record| record.len())
            .collect();
        if widths.len() > 1 && widths.len() < 50 && !whole {
            widths.pop();
        }
        let header = widths.first().copied().unwrap_or(1);
        if header < 2 {
            continue;
        }
        let n_alike = widths.iter().filter(|&&width| width == header).count();
        let score = n_alike * 1000 / widths.len().max(1) * 1000 + header.min(999);
        if score > best.0 {
            best = (score, delimiter);
        }
    }
    best.1
}

fn read_header(path: &Path, text: &[u8], delimiter: u8) -> Result<(Vec<String>, usize)> {
    let len = match Cutter::new(delimiter).scan_one(text) {
        Some(len) => len,
        None if text.len() < MAX_HEADER_BYTES - 8 => text.len(),
        None => {
            return Err(content(
                path,
                "a header line of at most 1 MiB",
                "no end of the first record",
            ));
        }
    };
    let mut record = csv::ByteRecord::new();
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .has_headers(false)
        .from_reader(&text[..len]);
    reader
        .read_byte_record(&mut record)
        .map_err(|error| content(path, "a header line", &error.to_string()))?;
    let mut header = Vec::with_capacity(record.len());
    for (i, field) in record.iter().enumerate() {
        let name = std::str::from_utf8(field).map_err(|_| {
            content(
                path,
                "UTF-8 text",
                &format!("other bytes in header field {}", i + 1),
            )
        })?;
        header.push(match name.trim().is_empty() {
            true => format!("column_{}", i + 1),
            false => name.to_owned(),
        });
    }
    Ok((header, len))
}

fn bom_len(path: &Path, head: &[u8]) -> Result<usize> {
    if head.starts_with(&[0xEF, 0xBB, 0xBF]) {
        return Ok(3);
    }
    if head.starts_with(&[0xFF, 0xFE]) || head.starts_with(&[0xFE, 0xFF]) {
        return Err(content(path, "UTF-8 text", "UTF-16; save it as UTF-8"));
    }
    Ok(0)
}

type Counted = (Box<dyn Read + Send>, Arc<AtomicU64>);

fn open_text(path: &Path, is_gzip: bool) -> Result<Counted> {
    let file = File::open(path).map_err(|e| unreadable(path, e))?;
    Ok(counted(file, 0, is_gzip))
}

/// A reader of the text in `file`, with the count of bytes read from the file itself.
fn counted(file: File, start: u64, is_gzip: bool) -> Counted {
    let count = Arc::new(AtomicU64::new(start));
    let reader = CountingReader {
        inner: file,
        count: count.clone(),
    };
    let reader: Box<dyn Read + Send> = match is_gzip {
        true => Box::new(MultiGzDecoder::new(BufReader::with_capacity(
            1 << 16,
            reader,
        ))),
        false => Box::new(BufReader::with_capacity(1 << 16, reader)),
    };
    (reader, count)
}

struct CountingReader {
    inner: File,
    count: Arc<AtomicU64>,
}

impl Read for CountingReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n_read = self.inner.read(buffer)?;
        self.count.fetch_add(n_read as u64, Ordering::Relaxed);
        Ok(n_read)
    }
}

/// Fills `buffer` unless the end comes first.
fn read_full(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut n_read = 0;
    while n_read < buffer.len() {
        match reader.read(&mut buffer[n_read..]) {
            Ok(0) => break,
            Ok(n) => n_read += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(n_read)
}

pub(crate) fn unreadable(path: &Path, source: io::Error) -> Error {
    Error::File {
        path: path.to_owned(),
        source,
    }
}

pub(crate) fn content(path: &Path, expected: &'static str, found: &str) -> Error {
    Error::Content {
        path: path.to_owned(),
        expected,
        found: found.to_owned(),
    }
}

#[cfg(test)]
mod tests;
