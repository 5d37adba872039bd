//! Where a customer's row lies: the hash, the bucket, and the blocks of a version.
//!
//! A bucket is the first bits of the hash, so that buckets in order are hashes in order,
//! whatever the number of bits. Invariant: the hash never changes; it is part of the format.

use std::fmt::Write;

use arrow_array::Array;
use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_schema::DataType;
use sled::IVec;

use crate::Error;
use crate::Result;
use crate::key;
use crate::kv::Read;
use crate::kv::Span;
use crate::kv::Tree;
use crate::record::Layout;

const SCAN_PAGES: usize = 1024;

/// FNV-1a of the id's bytes, then the 64-bit finalizer of MurmurHash3 to spread the bits.
pub(crate) fn hash(id: &str) -> u64 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in id.bytes() {
        hash ^= u64::from(byte);
        hash = hash.wrapping_mul(0x0000_0100_0000_01b3);
    }
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

/// The first `bits` bits of a hash, at most 32.
pub(crate) fn bucket_of(hash: u64, bits: u8) -> u32 {
    if bits == 0 {
        return 0;
    }
    u32::try_from(hash >> (64 - u32::from(bits.min(32)))).unwrap_or(u32::MAX)
}

/// The ids of a batch as text: int64 in decimal.
pub(crate) struct Ids<'a> {
    batch: &'a RecordBatch,
    column: usize,
}

impl<'a> Ids<'a> {
    pub(crate) fn new(batch: &'a RecordBatch, column: usize) -> Self {
        Self { batch, column }
    }

    /// Calls `each` with the text of every row's id, in order.
    pub(crate) fn each(&self, mut each: impl FnMut(usize, &str)) -> Result<()> {
        let column = self.batch.column(self.column);
        match column.data_type() {
            DataType::Utf8 => {
                let ids = column.as_string::<i32>();
                for i in 0..ids.len() {
                    each(i, ids.value(i));
                }
            }
            DataType::Int64 => {
                let ids = column.as_primitive::<Int64Type>();
                let mut text = String::new();
                for (i, id) in ids.values().iter().enumerate() {
                    text.clear();
                    write!(text, "{id}").map_err(|_| Error::bug("a number without a text"))?;
                    each(i, &text);
                }
            }
            other => return Err(Error::bug(format!("ids of type {other}"))),
        }
        Ok(())
    }

    /// The text of one row's id.
    pub(crate) fn text(&self, row: usize) -> Result<String> {
        let column = self.batch.column(self.column);
        match column.data_type() {
            DataType::Utf8 => Ok(column.as_string::<i32>().value(row).to_owned()),
            DataType::Int64 => Ok(column.as_primitive::<Int64Type>().value(row).to_string()),
            other => Err(Error::bug(format!("ids of type {other}"))),
        }
    }

    pub(crate) fn hashes(&self) -> Result<Vec<u64>> {
        let mut hashes = Vec::with_capacity(self.batch.num_rows());
        self.each(|_, id| hashes.push(hash(id)))?;
        Ok(hashes)
    }
}

/// A bucket's block as a commit left it.
pub(crate) struct Stored {
    pub(crate) bucket: u32,
    pub(crate) commit: u64,
    pages: Vec<IVec>,
}

impl Stored {
    pub(crate) fn pages(&self) -> u16 {
        u16::try_from(self.pages.len()).unwrap_or(u16::MAX)
    }

    pub(crate) fn bytes(&self) -> std::borrow::Cow<'_, [u8]> {
        match &self.pages[..] {
            [page] => std::borrow::Cow::Borrowed(page),
            pages => std::borrow::Cow::Owned(pages.concat()),
        }
    }
}

/// The blocks of the buckets `first..=last` as of a version, in order.
pub(crate) struct Blocks<'a> {
    read: &'a dyn Read,
    version: u64,
    span: Option<Span>,
    page: std::vec::IntoIter<(IVec, IVec)>,
    current: Option<Stored>,
}

impl<'a> Blocks<'a> {
    pub(crate) fn new(
        read: &'a dyn Read,
        dataset: u32,
        layout: Layout,
        version: u64,
        first: u32,
        last: u32,
    ) -> Self {
        let mut span = Span::prefix(&key::generation(dataset, layout.generation))
            .from(&key::bucket(dataset, layout.generation, first))
            .limit(SCAN_PAGES);
        if let Some(end) = last.checked_add(1) {
            span = span.before(&key::bucket(dataset, layout.generation, end));
        }
        Self {
            read,
            version,
            span: Some(span),
            page: Vec::new().into_iter(),
            current: None,
        }
    }

    fn advance(&mut self) -> Result<Option<Stored>> {
        loop {
            let Some((key, value)) = self.page.next() else {
                let Some(span) = self.span.take() else {
                    return Ok(self.current.take());
                };
                // Read a stretch and let sled go before anything is decoded.
                let pairs = self.read.scan(Tree::Blocks, &span)?;
                if pairs.len() == SCAN_PAGES
                    && let Some((last, _)) = pairs.last()
                {
                    self.span = Some(span.after(last));
                }
                self.page = pairs.into_iter();
                continue;
            };
            let (bucket, commit, page) =
                key::read_page(&key).ok_or_else(|| Error::damaged("key", "no page of a block"))?;
            if commit > self.version {
                continue;
            }
            match &mut self.current {
                Some(current) if current.bucket == bucket && current.commit == commit => {
                    if usize::from(page) != current.pages.len() {
                        return Err(Error::damaged("customers block", "a page is missing"));
                    }
                    current.pages.push(value);
                    continue;
                }
                _ if page != 0 => {
                    return Err(Error::damaged(
                        "customers block",
                        "the first page is missing",
                    ));
                }
                _ => {}
            }
            let next = Stored {
                bucket,
                commit,
                pages: vec![value],
            };
            let done = self.current.replace(next);
            if let Some(done) = done
                && done.bucket != bucket
            {
                return Ok(Some(done));
            }
        }
    }
}

impl Iterator for Blocks<'_> {
    type Item = Result<Stored>;

    fn next(&mut self) -> Option<Result<Stored>> {
        self.advance().transpose()
    }
}

/// The block of one bucket as of a version.
pub(crate) fn block(
    read: &dyn Read,
    dataset: u32,
    layout: Layout,
    version: u64,
    bucket: u32,
) -> Result<Option<Stored>> {
    Blocks::new(read, dataset, layout, version, bucket, bucket)
        .next()
        .transpose()
}

#[cfg(test)]
mod tests;
