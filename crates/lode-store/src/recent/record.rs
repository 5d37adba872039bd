//! What is kept beside the rows: how many wait, and the answers to requests.

use super::FORM;
use super::Put;
use crate::Result;
use crate::codec::Reader;
use crate::codec::Writer;

/// So many rows, bytes or calls are rolled into a part.
const ROLL_ROWS: u64 = 64 << 10;
const ROLL_BYTES: u64 = 4 << 20;
const ROLL_PUTS: u64 = 8192;

/// What waits, and which requests are remembered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Waiting {
    /// The version of the oldest rows that wait; 0 when none do.
    pub(super) first: u64,
    pub(super) puts: u64,
    pub(super) rows: u64,
    pub(super) bytes: u64,
    pub(super) oldest_request: u64,
    pub(super) next_request: u64,
}

/// The answer to a request, as it is remembered.
pub(super) struct Answer {
    pub(super) rows_crc32c: u32,
    pub(super) put: Put,
}

impl Waiting {
    pub(super) fn is_due(&self) -> bool {
        self.rows >= ROLL_ROWS || self.bytes >= ROLL_BYTES || self.puts >= ROLL_PUTS
    }

    pub(super) fn encode(self) -> Vec<u8> {
        let mut out = Writer::version(FORM);
        for value in [
            self.first,
            self.puts,
            self.rows,
            self.bytes,
            self.oldest_request,
            self.next_request,
        ] {
            out.int(value);
        }
        out.0
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self> {
        let mut read = Reader::versioned(bytes, "waiting rows", FORM)?;
        let waiting = Self {
            first: read.int()?,
            puts: read.int()?,
            rows: read.int()?,
            bytes: read.int()?,
            oldest_request: read.int()?,
            next_request: read.int()?,
        };
        read.end()?;
        Ok(waiting)
    }
}

impl Answer {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Writer::version(FORM);
        for value in [
            u64::from(self.rows_crc32c),
            self.put.version,
            self.put.accepted_rows,
            self.put.rejected_rows,
            self.put.replaced_rows,
        ] {
            out.int(value);
        }
        out.0
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self> {
        let mut read = Reader::versioned(bytes, "answer", FORM)?;
        let answer = Self {
            rows_crc32c: read.u32()?,
            put: Put {
                duplicate: false,
                version: read.int()?,
                accepted_rows: read.int()?,
                rejected_rows: read.int()?,
                replaced_rows: read.int()?,
            },
        };
        read.end()?;
        Ok(answer)
    }
}
