//! What a load reads from: chunks of rows with the position after each.
//!
//! A source is blocking and runs on its own thread; a bounded queue keeps it at most a few
//! chunks ahead. Invariant: a source opened at the position of a chunk gives the rows after
//! that chunk, none twice and none left out.

use std::sync::Arc;

use lode_client::v1;
use tokio::sync::mpsc;

use crate::Result;

/// One piece of a table, ready to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SourceChunk {
    pub(crate) format: v1::Format,
    pub(crate) data: Vec<u8>,
    /// Rows in it; 0 when not known.
    pub(crate) n_rows: u32,
    /// Where the next chunk starts: bytes of decompressed text, or rows.
    pub(crate) position: u64,
    /// Bytes of the file read so far, for progress.
    pub(crate) bytes_read: u64,
}

/// Rows that can be read from a position on.
pub(crate) trait Source: Send + Sync {
    /// What to call the load when the caller gives no id.
    fn default_id(&self) -> Result<String>;
    /// How CSV chunks are to be read; none for Arrow.
    fn csv(&self) -> Option<v1::CsvOptions>;
    /// Bytes in all, in the measure of `SourceChunk::bytes_read`.
    fn bytes_total(&self) -> u64;
    /// Starts to read at `position`; chunks are at most `max_bytes` long.
    fn open(&self, position: u64, max_bytes: usize) -> Result<Box<dyn Chunks>>;
}

/// Chunks in order.
pub(crate) trait Chunks: Send {
    /// The next chunk; none at the end.
    fn next_chunk(&mut self) -> Result<Option<SourceChunk>>;
}

/// Reads a source on a thread of its own; dropping the receiver stops it.
pub(crate) fn read_ahead(
    source: Arc<dyn Source>,
    position: u64,
    max_bytes: usize,
) -> mpsc::Receiver<Result<SourceChunk>> {
    let (send, receive) = mpsc::channel(2);
    tokio::task::spawn_blocking(move || {
        let mut chunks = match source.open(position, max_bytes) {
            Ok(chunks) => chunks,
            Err(error) => {
                // Nobody listens any more: the load was given up.
                drop(send.blocking_send(Err(error)));
                return;
            }
        };
        loop {
            let item = match chunks.next_chunk() {
                Ok(None) => return,
                Ok(Some(chunk)) => Ok(chunk),
                Err(error) => Err(error),
            };
            let failed = item.is_err();
            if send.blocking_send(item).is_err() || failed {
                return;
            }
        }
    });
    receive
}
