//! A few rows into a customers dataset, within one transaction.
//!
//! Each touched bucket is read, merged and written under the next version, as a commit of a
//! load does in many steps. What would need another layout is left to such a commit.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::Array;
use arrow_array::ArrayRef;
use arrow_array::RecordBatch;
use arrow_select::interleave::interleave;

use crate::Error;
use crate::Result;
use crate::block;
use crate::block::Decoder;
use crate::bucket;
use crate::bucket::Ids;
use crate::bucket::bucket_of;
use crate::key;
use crate::kv::MAX_VALUE_BYTES;
use crate::kv::Tree;
use crate::kv::Txn;
use crate::merge::key_column;
use crate::merge::plan;
use crate::record::Definition;
use crate::record::Head;
use crate::record::Touched;

/// More rows than these are merged as a load.
const MAX_ROWS: usize = 256;

/// Merges `rows` into the buckets under the version after `head`'s, and counts rows, bytes and
/// layout in `head`; its version stays. How many rows were replaced; none, with nothing
/// written, when the rows are too many or the buckets have to be laid out anew.
pub(crate) fn apply(
    txn: &mut Txn<'_>,
    dataset: u32,
    definition: &Definition,
    head: &mut Head,
    rows: &RecordBatch,
) -> Result<Option<u64>> {
    let n = rows.num_rows();
    if n > MAX_ROWS {
        return Ok(None);
    }
    let new_bytes = block::encode(rows, 0..n)?.len() as u64;
    let layout = plan(head, n as u64, new_bytes);
    let is_first = head.bytes == 0;
    if layout != head.layout && !is_first {
        return Ok(None);
    }
    let version = head.version + 1;
    let schema = Arc::new(definition.schema.to_arrow());
    let key_column = key_column(definition)?;
    let new_ids = Ids::new(rows, key_column);
    let mut order: Vec<(u64, usize)> = new_ids.hashes()?.into_iter().zip(0..).collect();
    order.sort_unstable();
    let mut replaced = 0;
    let mut touched = Vec::new();
    let mut at = 0;
    while at < order.len() {
        let bucket = bucket_of(order[at].0, layout.bits);
        let same = order[at..]
            .iter()
            .take_while(|(hash, _)| bucket_of(*hash, layout.bits) == bucket)
            .count();
        let stored = if is_first {
            None
        } else {
            bucket::block(txn, dataset, layout, head.version, bucket)?
        };
        let mut decoder = Decoder::new(Arc::clone(&schema))?;
        if let Some(stored) = &stored {
            let bytes = stored.bytes();
            decoder.push(&bytes)?;
            head.bytes -= bytes.len() as u64;
        }
        let old = decoder.finish()?;
        // In the order of (hash, id), each with its batch and row; a later row wins.
        let mut kept: BTreeMap<(u64, String), (usize, usize)> = BTreeMap::new();
        Ids::new(&old, key_column).each(|row, id| {
            kept.insert((bucket::hash(id), id.to_owned()), (0, row));
        })?;
        for &(hash, row) in &order[at..at + same] {
            match kept.insert((hash, new_ids.text(row)?), (1, row)) {
                Some(_) => replaced += 1,
                None => head.rows += 1,
            }
        }
        at += same;
        let chosen: Vec<(usize, usize)> = kept.into_values().collect();
        let merged = gather(&old, rows, &chosen)?;
        let bytes = block::encode(&merged, 0..chosen.len())?;
        head.bytes += bytes.len() as u64;
        let pages = u16::try_from(bytes.len().div_ceil(MAX_VALUE_BYTES))
            .map_err(|_| Error::bug("a bucket of a small write is too large"))?;
        for (page, value) in (0..pages).zip(bytes.chunks(MAX_VALUE_BYTES)) {
            let key = key::page(dataset, layout.generation, bucket, version, page);
            txn.put(Tree::Blocks, key, value.to_vec())?;
        }
        touched.push(Touched {
            bucket,
            pages,
            before: stored.as_ref().map_or(0, |stored| stored.commit),
            before_pages: stored.as_ref().map_or(0, bucket::Stored::pages),
        });
    }
    for (batch, touched) in (0..).zip(touched.chunks(Touched::MAX_IN_VALUE)) {
        let key = key::touched(dataset, version, batch);
        let value = Touched::encode(layout.generation, touched);
        txn.put(Tree::Meta, key, value)?;
    }
    head.layout = layout;
    Ok(Some(replaced))
}

/// The chosen rows of the two batches as one.
fn gather(old: &RecordBatch, new: &RecordBatch, chosen: &[(usize, usize)]) -> Result<RecordBatch> {
    let wrong = |error: arrow_schema::ArrowError| Error::bug(error.to_string());
    let columns = (0..old.num_columns())
        .map(|i| {
            let sources: [&dyn Array; 2] = [old.column(i).as_ref(), new.column(i).as_ref()];
            interleave(&sources, chosen)
        })
        .collect::<std::result::Result<Vec<ArrayRef>, _>>()
        .map_err(wrong)?;
    RecordBatch::try_new(old.schema(), columns).map_err(wrong)
}
