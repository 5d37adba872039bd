//! The runs of a dataset, found again by what their parts say of themselves.
//!
//! A run's parts know its versions and its rows, so a run is whole or it is not one, and by
//! which columns they are sorted. No record is left to compare its bytes with: a part is whole
//! when Arrow can read it.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use lode_parts::Order;
use lode_parts::RunPart;
use lode_parts::Table;

use crate::Error;
use crate::Result;
use crate::catalog;
use crate::home::list;
use crate::key;
use crate::kv::Tree;
use crate::kv::Txn;
use crate::long;
use crate::marker::Marker;
use crate::record::Chunk;
use crate::runs::Retired;
use crate::runs::Run;

/// A run that is whole.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) number: u32,
    pub(super) run: Run,
    pub(super) parts: Vec<Chunk>,
}

impl Found {
    pub(super) fn covers(&self, version: u64) -> bool {
        (self.run.from..=self.run.to).contains(&version)
    }

    fn contains(&self, other: &Found) -> bool {
        self.covers(other.run.from) && self.covers(other.run.to)
    }

    fn is_apart_from(&self, other: &Found) -> bool {
        self.run.to < other.run.from || other.run.to < self.run.from
    }
}

/// The whole runs among the parts of `dir` that cover none but the versions up to `newest`; of
/// two that cross, the one made later.
pub(super) fn find(dir: &Path, dataset: &str, newest: u64) -> Result<Vec<Found>> {
    let mut parts: BTreeMap<u32, (RunPart, Order, BTreeMap<u64, Chunk>)> = BTreeMap::new();
    for path in list(dir)? {
        if let Some(part) = part_of_run(&path, dataset)
            && part.run.to <= newest
        {
            let first = (part.run, part.order, BTreeMap::new());
            let (_, order, parts) = parts.entry(part.run.number).or_insert(first);
            if *order != part.order {
                *order = Order::default();
            }
            parts.insert(part.seq, part.chunk);
        }
    }
    let mut found: Vec<Found> = Vec::new();
    for (number, (run, order, parts)) in parts.into_iter().rev() {
        let whole = parts.values().map(|part| part.rows).sum::<u64>() == run.rows
            && parts.keys().copied().eq(0..parts.len() as u64);
        let candidate = Found {
            number,
            run: Run {
                from: run.from,
                to: run.to,
                rows: run.rows,
                bytes: parts.values().map(|part| part.bytes).sum(),
                customer: place(order.customer),
                time: place(order.time),
                time_made: 0,
            },
            parts: parts.into_values().collect(),
        };
        let fits = found.iter().all(|other| {
            other.is_apart_from(&candidate)
                || other.contains(&candidate)
                || candidate.contains(other)
        });
        if whole && fits {
            found.push(candidate);
        }
    }
    Ok(found)
}

/// How a record names a column: from 1, and 0 for none.
fn place(column: Option<usize>) -> u32 {
    column.map_or(0, |column| column as u32 + 1)
}

/// A part of a run, and what it says of itself.
struct Part {
    seq: u64,
    run: RunPart,
    order: Order,
    chunk: Chunk,
}

/// A part of a run that can be read to its end.
fn part_of_run(path: &Path, dataset: &str) -> Option<Part> {
    let name = path.file_name()?.to_str()?;
    if !name.ends_with(".arrow") {
        return None;
    }
    let file = File::open(path).ok()?;
    let (manifest, _) = lode_parts::manifest(&file).ok()?;
    let run = manifest
        .run
        .filter(|run| run.from > 0 && run.from <= run.to && manifest.dataset == dataset)?;
    let bytes = std::fs::read(path).ok()?;
    let table = Table::open(vec![file]).ok()?;
    if !table.batches().all(|batch| batch.is_ok()) {
        return None;
    }
    let chunk = Chunk {
        part: name.to_owned(),
        rows: table.rows(),
        bytes: bytes.len() as u64,
        part_crc32c: crc32c::crc32c(&bytes),
        chunk_crc32c: 0,
        rejected: 0,
    };
    Some(Part {
        seq: manifest.seq,
        run,
        order: table.order().ok()?.unwrap_or_default(),
        chunk,
    })
}

/// Writes the records of the runs: what they stand in for goes when the store frees it, and
/// versions of which parts are gone already cannot be read.
pub(super) fn enter(
    txn: &mut Txn<'_>,
    dataset: u32,
    found: &[Found],
    markers: &[Marker],
    is_there: &dyn Fn(&str) -> bool,
    now: i64,
) -> Result<()> {
    let mut head = catalog::head(txn, dataset)?;
    for one in found {
        let run = Run {
            time_made: now,
            ..one.run.clone()
        };
        txn.put(Tree::Meta, key::run(dataset, one.number), run.encode())?;
        for (at, part) in (0_u64..).zip(&one.parts) {
            let key = key::run_part(dataset, one.number, at);
            txn.put(Tree::Meta, key, part.encode())?;
        }
        head.next_ingest = head.next_ingest.max(
            one.number
                .checked_add(1)
                .ok_or_else(|| Error::bug("no number of a run is left"))?,
        );
        let is_inner = |other: &Found| other.number != one.number && other.contains(one);
        if found.iter().any(is_inner) {
            continue;
        }
        let within = || markers.iter().filter(|marker| one.covers(marker.version));
        let retired = Retired {
            time: now,
            runs: found
                .iter()
                .filter(|other| other.number != one.number && one.contains(other))
                .map(|other| other.number)
                .collect(),
            ingests: within().map(|marker| marker.ingest).collect(),
        };
        let key = key::retired(dataset, one.number);
        long::put(txn, Tree::Meta, &key, &retired.encode())?;
        let mut chunks = within().flat_map(|marker| &marker.chunks);
        if chunks.any(|chunk| chunk.rows > 0 && !is_there(&chunk.part)) {
            head.oldest = head.oldest.max(one.run.to);
        }
        let loaded: u64 = within()
            .flat_map(|marker| &marker.chunks)
            .map(|chunk| chunk.bytes)
            .sum();
        head.bytes = (head.bytes + one.run.bytes).saturating_sub(loaded);
    }
    catalog::put_head(txn, dataset, &head)
}
