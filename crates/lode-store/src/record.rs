//! The records of the `meta` tree and their bytes.
//!
//! Records that grow (a dataset's definition, an ingest's options) are JSON in long values;
//! the small ones that change with each chunk or commit are varints after a version byte.

use std::collections::BTreeMap;

use lode_types::DatasetKind;
use lode_types::Schema;
use lode_types::Timestamp;
use serde::Deserialize;
use serde::Serialize;

use crate::Error;
use crate::Result;
use crate::codec::Reader;
use crate::codec::Writer;

const FORM: u8 = 1;

/// What a dataset is; changes rarely.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Definition {
    pub(crate) form: u8,
    pub(crate) id: String,
    pub(crate) display_name: String,
    pub(crate) kind: DatasetKind,
    pub(crate) schema: Schema,
    pub(crate) labels: BTreeMap<String, String>,
    /// Whether parts may carry other roles than the schema.
    pub(crate) roles_changed: bool,
}

/// Where a dataset stands; changes with each commit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) version: u64,
    /// Oldest version that can be read.
    pub(crate) oldest: u64,
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    pub(crate) layout: Layout,
    pub(crate) next_ingest: u32,
    pub(crate) create_time: Timestamp,
    pub(crate) update_time: Timestamp,
}

/// How the customers of a version lie in buckets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) generation: u32,
    pub(crate) bits: u8,
}

/// What a commit made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Version {
    pub(crate) ingest: u32,
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    pub(crate) layout: Layout,
    pub(crate) time: Timestamp,
}

/// Where an ingest stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Progress {
    pub(crate) state: State,
    pub(crate) next_seq: u64,
    pub(crate) accepted: u64,
    pub(crate) rejected: u64,
    pub(crate) repeated: u64,
    pub(crate) replaced: u64,
    pub(crate) received_bytes: u64,
    pub(crate) part_bytes: u64,
    pub(crate) version: u64,
    pub(crate) create_time: Timestamp,
    pub(crate) end_time: Option<Timestamp>,
    pub(crate) source_position: Vec<u8>,
}

/// The life of an ingest on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Open = 1,
    Committed = 2,
    Aborted = 3,
    /// Its rows are being merged; open again if that does not end.
    Committing = 4,
}

/// One chunk of an ingest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Chunk {
    /// Empty when no row was good.
    pub(crate) part: String,
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    pub(crate) part_crc32c: u32,
    pub(crate) chunk_crc32c: u32,
    pub(crate) rejected: u64,
}

/// A commit of a customers dataset that is under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Intent {
    pub(crate) ingest: u32,
    pub(crate) version: u64,
    /// The layout before.
    pub(crate) before: Layout,
    /// The layout after; another generation when everything is laid out anew.
    pub(crate) after: Layout,
}

/// What is left to do for an ingest whose rows are not needed as parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doom {
    /// It was aborted: parts, chunks and rejected rows go.
    Aborted = 1,
    /// Its rows are in blocks: parts and chunks go. Written by format 1 only.
    Merged = 2,
}

/// A bucket that a commit wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Touched {
    pub(crate) bucket: u32,
    pub(crate) pages: u16,
    /// The commit that wrote it before; 0 when none did.
    pub(crate) before: u64,
    pub(crate) before_pages: u16,
}

impl Definition {
    pub(crate) fn encode(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(self).map_err(|error| Error::bug(error.to_string()))
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self> {
        let definition: Self = serde_json::from_slice(bytes)
            .map_err(|error| Error::damaged("dataset definition", error.to_string()))?;
        if definition.form != FORM {
            return Err(Error::damaged(
                "dataset definition",
                format!("expected form {FORM}, found {}", definition.form),
            ));
        }
        Ok(definition)
    }

    pub(crate) const FORM: u8 = FORM;
}

impl Head {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Writer::version(FORM);
        out.int(self.version);
        out.int(self.oldest);
        out.int(self.rows);
        out.int(self.bytes);
        self.layout.write(&mut out);
        out.int(u64::from(self.next_ingest));
        out.signed(self.create_time.0);
        out.signed(self.update_time.0);
        out.0
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self> {
        let mut read = Reader::versioned(bytes, "dataset head", FORM)?;
        let head = Self {
            version: read.int()?,
            oldest: read.int()?,
            rows: read.int()?,
            bytes: read.int()?,
            layout: Layout::read(&mut read)?,
            next_ingest: read.u32()?,
            create_time: Timestamp(read.signed()?),
            update_time: Timestamp(read.signed()?),
        };
        read.end()?;
        Ok(head)
    }
}

impl Layout {
    fn write(self, out: &mut Writer) {
        out.int(u64::from(self.generation));
        out.u8(self.bits);
    }

    fn read(read: &mut Reader<'_>) -> Result<Self> {
        let layout = Self {
            generation: read.u32()?,
            bits: read.u8()?,
        };
        if layout.bits > 32 {
            return Err(Error::damaged("layout", format!("{} bits", layout.bits)));
        }
        Ok(layout)
    }
}

impl Version {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Writer::version(FORM);
        out.int(u64::from(self.ingest));
        out.int(self.rows);
        out.int(self.bytes);
        self.layout.write(&mut out);
        out.signed(self.time.0);
        out.0
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self> {
        let mut read = Reader::versioned(bytes, "version", FORM)?;
        let version = Self {
            ingest: read.u32()?,
            rows: read.int()?,
            bytes: read.int()?,
            layout: Layout::read(&mut read)?,
            time: Timestamp(read.signed()?),
        };
        read.end()?;
        Ok(version)
    }
}

impl Progress {
    pub(crate) fn new(now: Timestamp) -> Self {
        Self {
            state: State::Open,
            next_seq: 0,
            accepted: 0,
            rejected: 0,
            repeated: 0,
            replaced: 0,
            received_bytes: 0,
            part_bytes: 0,
            version: 0,
            create_time: now,
            end_time: None,
            source_position: Vec::new(),
        }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Writer::version(FORM);
        out.u8(self.state as u8);
        for value in [
            self.next_seq,
            self.accepted,
            self.rejected,
            self.repeated,
            self.replaced,
            self.received_bytes,
            self.part_bytes,
            self.version,
        ] {
            out.int(value);
        }
        out.signed(self.create_time.0);
        match self.end_time {
            None => out.u8(0),
            Some(time) => {
                out.u8(1);
                out.signed(time.0);
            }
        }
        out.bytes(&self.source_position);
        out.0
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self> {
        let mut read = Reader::versioned(bytes, "ingest", FORM)?;
        let progress = Self {
            state: match read.u8()? {
                1 => State::Open,
                2 => State::Committed,
                3 => State::Aborted,
                4 => State::Committing,
                other => return Err(Error::damaged("ingest", format!("state {other}"))),
            },
            next_seq: read.int()?,
            accepted: read.int()?,
            rejected: read.int()?,
            repeated: read.int()?,
            replaced: read.int()?,
            received_bytes: read.int()?,
            part_bytes: read.int()?,
            version: read.int()?,
            create_time: Timestamp(read.signed()?),
            end_time: match read.u8()? {
                0 => None,
                _ => Some(Timestamp(read.signed()?)),
            },
            source_position: read.bytes()?.to_vec(),
        };
        read.end()?;
        Ok(progress)
    }
}

impl Chunk {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Writer::version(FORM);
        out.text(&self.part);
        out.int(self.rows);
        out.int(self.bytes);
        out.int(u64::from(self.part_crc32c));
        out.int(u64::from(self.chunk_crc32c));
        out.int(self.rejected);
        out.0
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self> {
        let mut read = Reader::versioned(bytes, "chunk", FORM)?;
        let chunk = Self {
            part: read.text()?.to_owned(),
            rows: read.int()?,
            bytes: read.int()?,
            part_crc32c: read.u32()?,
            chunk_crc32c: read.u32()?,
            rejected: read.int()?,
        };
        read.end()?;
        Ok(chunk)
    }
}

impl Intent {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Writer::version(FORM);
        out.int(u64::from(self.ingest));
        out.int(self.version);
        self.before.write(&mut out);
        self.after.write(&mut out);
        out.0
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self> {
        let mut read = Reader::versioned(bytes, "intent", FORM)?;
        let intent = Self {
            ingest: read.u32()?,
            version: read.int()?,
            before: Layout::read(&mut read)?,
            after: Layout::read(&mut read)?,
        };
        read.end()?;
        Ok(intent)
    }
}

impl Doom {
    pub(crate) fn encode(self) -> Vec<u8> {
        vec![FORM, self as u8]
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self> {
        let mut read = Reader::versioned(bytes, "doom", FORM)?;
        match read.u8()? {
            1 => Ok(Self::Aborted),
            2 => Ok(Self::Merged),
            other => Err(Error::damaged("doom", format!("kind {other}"))),
        }
    }
}

impl Touched {
    /// As many as one value holds.
    pub(crate) const MAX_IN_VALUE: usize = 200;

    /// The buckets that one batch of a commit wrote, and their generation.
    pub(crate) fn encode(generation: u32, touched: &[Self]) -> Vec<u8> {
        let mut out = Writer::version(FORM);
        out.int(u64::from(generation));
        out.int(touched.len() as u64);
        for entry in touched {
            out.int(u64::from(entry.bucket));
            out.int(u64::from(entry.pages));
            out.int(entry.before);
            out.int(u64::from(entry.before_pages));
        }
        out.0
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<(u32, Vec<Self>)> {
        let mut read = Reader::versioned(bytes, "touched buckets", FORM)?;
        let generation = read.u32()?;
        let n = read.len()?;
        let mut touched = Vec::new();
        for _ in 0..n {
            touched.push(Self {
                bucket: read.u32()?,
                pages: pages(&mut read)?,
                before: read.int()?,
                before_pages: pages(&mut read)?,
            });
        }
        read.end()?;
        Ok((generation, touched))
    }
}

fn pages(read: &mut Reader<'_>) -> Result<u16> {
    u16::try_from(read.int()?).map_err(|_| Error::damaged("touched buckets", "too many pages"))
}
