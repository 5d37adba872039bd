//! Runs: sorted parts that stand in for the parts of some versions.
//!
//! A run covers the versions from one to another. A reader of a version lays tiles from the
//! first version on: the widest run that fits, else the load's own parts; so contents of
//! versions never change and nothing is kept of how a version is laid out. Runs are nested or
//! apart, never crossed. Invariant: a version at or above the head's oldest can be tiled.

use std::collections::BTreeMap;

use lode_types::Role;
use lode_types::Schema;

use crate::Error;
use crate::Result;
use crate::codec::Reader;
use crate::codec::Writer;
use crate::ingest::Place;
use crate::key;
use crate::kv::Read;
use crate::kv::Span;
use crate::kv::Tree;
use crate::recent;
use crate::record::Chunk;
use crate::record::Version;

/// Version records read at once.
const STEP: usize = 1000;
const FORM: u8 = 1;

/// A run's record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) from: u64,
    pub(crate) to: u64,
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    /// The columns by which it is sorted, counted from 1; 0 for none.
    pub(crate) customer: u32,
    pub(crate) time: u32,
    /// When it was made, in microseconds.
    pub(crate) time_made: i64,
}

impl Run {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Writer::version(FORM);
        out.int(self.from);
        out.int(self.to);
        out.int(self.rows);
        out.int(self.bytes);
        out.int(u64::from(self.customer));
        out.int(u64::from(self.time));
        out.signed(self.time_made);
        out.0
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self> {
        let mut read = Reader::versioned(bytes, "run", FORM)?;
        let run = Self {
            from: read.int()?,
            to: read.int()?,
            rows: read.int()?,
            bytes: read.int()?,
            customer: read.u32()?,
            time: read.u32()?,
            time_made: read.signed()?,
        };
        read.end()?;
        if run.from == 0 || run.to < run.from {
            return Err(Error::damaged("run", "versions in another order"));
        }
        Ok(run)
    }

    /// Whether it is sorted by the columns that now say who and when.
    pub(crate) fn is_sorted_by(&self, schema: &Schema) -> bool {
        let (customer, time) = sort_columns(schema);
        customer > 0 && (self.customer, self.time) == (customer, time)
    }
}

/// The columns by which a run would be sorted, counted from 1; 0 for none.
pub(crate) fn sort_columns(schema: &Schema) -> (u32, u32) {
    let place = |role: Role| {
        schema
            .columns()
            .iter()
            .position(|column| column.role == Some(role))
            .and_then(|at| u32::try_from(at + 1).ok())
            .unwrap_or(0)
    };
    (place(Role::CustomerId), place(Role::EventTime))
}

/// Some versions' rows, as a reader finds them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Tile {
    Run(u32, Run),
    /// Versions of which each has its own parts: load by load, in order.
    Loads(Vec<Load>),
}

/// A version that brought parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Load {
    pub(crate) version: u64,
    pub(crate) ingest: u32,
}

/// All runs of a dataset.
pub(crate) fn all(read: &dyn Read, dataset: u32) -> Result<BTreeMap<u32, Run>> {
    let mut runs = BTreeMap::new();
    for (key, value) in read.scan(Tree::Meta, &Span::prefix(&key::runs(dataset)))? {
        let number = key::read_ingest(&key).ok_or_else(|| Error::damaged("run", "a key"))?;
        runs.insert(number, Run::decode(&value)?);
    }
    Ok(runs)
}

/// How the versions 1 to `version` are laid out for a reader of `version`.
pub(crate) fn tiles(read: &dyn Read, dataset: u32, version: u64) -> Result<Vec<Tile>> {
    tiles_from(read, dataset, 1, version)
}

/// How the versions `from` to `version` are laid out; a run that begins before `from` is not used.
pub(crate) fn tiles_from(
    read: &dyn Read,
    dataset: u32,
    from: u64,
    version: u64,
) -> Result<Vec<Tile>> {
    let runs = all(read, dataset)?;
    let mut tiles = Vec::new();
    let mut loads = Vec::new();
    let mut at = from;
    while at <= version {
        let widest = runs
            .iter()
            .filter(|(_, run)| run.from == at && run.to <= version)
            .max_by_key(|(_, run)| run.to);
        if let Some((number, run)) = widest {
            if !loads.is_empty() {
                tiles.push(Tile::Loads(std::mem::take(&mut loads)));
            }
            tiles.push(Tile::Run(*number, run.clone()));
            at = run.to + 1;
            continue;
        }
        // Up to the next run that could be laid, or the end.
        let next = runs
            .values()
            .filter(|run| run.from > at && run.to <= version)
            .map(|run| run.from)
            .min()
            .unwrap_or(version + 1);
        let span = Span::prefix(&key::versions(dataset))
            .from(&key::version(dataset, at))
            .before(&key::version(dataset, next))
            .limit(STEP);
        let pairs = read.scan(Tree::Meta, &span)?;
        for (key, value) in &pairs {
            let version =
                key::read_version(key).ok_or_else(|| Error::damaged("version", "a key"))?;
            let ingest = Version::decode(value)?.ingest;
            if ingest != recent::PUT {
                loads.push(Load { version, ingest });
            }
            at = version + 1;
        }
        if pairs.is_empty() {
            at = next;
        }
    }
    if !loads.is_empty() {
        tiles.push(Tile::Loads(loads));
    }
    Ok(tiles)
}

/// The smallest pieces of the newest versions that can be compacted: runs, and loads up to a
/// version at which no small write is half rolled. What comes after the last of those stays.
pub(crate) fn pieces(read: &dyn Read, dataset: u32, newest: u64) -> Result<Vec<Piece>> {
    let mut pieces = Vec::new();
    let runs = all(read, dataset)?;
    let mut at = 1;
    while at <= newest {
        let widest = runs
            .iter()
            .filter(|(_, run)| run.from == at)
            .max_by_key(|(_, run)| run.to);
        if let Some((number, run)) = widest {
            at = run.to + 1;
            pieces.push(Piece {
                from: run.from,
                to: run.to,
                rows: run.rows,
                run: Some(*number),
                loads: Vec::new(),
            });
            continue;
        }
        let Some(piece) = piece_of_loads(read, dataset, at, newest)? else {
            break;
        };
        at = piece.to + 1;
        pieces.push(piece);
    }
    Ok(pieces)
}

/// Versions that can be compacted together or with their neighbours.
#[derive(Clone, Debug)]
pub(crate) struct Piece {
    pub(crate) from: u64,
    pub(crate) to: u64,
    pub(crate) rows: u64,
    /// The run it is, when it is one.
    pub(crate) run: Option<u32>,
    pub(crate) loads: Vec<Load>,
}

fn piece_of_loads(read: &dyn Read, dataset: u32, from: u64, newest: u64) -> Result<Option<Piece>> {
    let mut loads = Vec::new();
    // Small writes whose part has not come yet.
    let mut open = 0;
    let mut at = from;
    loop {
        let span = Span::prefix(&key::versions(dataset))
            .from(&key::version(dataset, at))
            .before(&key::version(dataset, newest + 1))
            .limit(STEP);
        let pairs = read.scan(Tree::Meta, &span)?;
        if pairs.is_empty() {
            return Ok(None);
        }
        for (key, value) in &pairs {
            let version =
                key::read_version(key).ok_or_else(|| Error::damaged("version", "a key"))?;
            at = version + 1;
            let ingest = Version::decode(value)?.ingest;
            if ingest == recent::PUT {
                open += 1;
                continue;
            }
            loads.push(Load { version, ingest });
            if let Some(rolled) = recent::rolled(read, dataset, version)? {
                open -= rolled.len() as i64 - 1;
            }
            if open == 0 {
                return Ok(Some(Piece {
                    from,
                    to: version,
                    rows: rows_of(read, dataset, version)?
                        - match from {
                            1 => 0,
                            from => rows_of(read, dataset, from - 1)?,
                        },
                    run: None,
                    loads,
                }));
            }
        }
    }
}

fn rows_of(read: &dyn Read, dataset: u32, version: u64) -> Result<u64> {
    match read.get(Tree::Meta, &key::version(dataset, version))? {
        Some(value) => Ok(Version::decode(&value)?.rows),
        None => Err(Error::damaged("version", "none")),
    }
}

/// The parts of a run, in order.
pub(crate) fn parts(read: &dyn Read, dataset: u32, run: u32) -> Result<Vec<Chunk>> {
    read.scan(Tree::Meta, &Span::prefix(&key::run_parts(dataset, run)))?
        .iter()
        .map(|(_, value)| Chunk::decode(value))
        .collect()
}

/// What a run stands in for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Retired {
    /// When, in microseconds.
    pub(crate) time: i64,
    pub(crate) runs: Vec<u32>,
    pub(crate) ingests: Vec<u32>,
}

impl Retired {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Writer::version(FORM);
        out.signed(self.time);
        for list in [&self.runs, &self.ingests] {
            out.int(list.len() as u64);
            for number in list {
                out.int(u64::from(*number));
            }
        }
        out.0
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self> {
        let mut read = Reader::versioned(bytes, "retired parts", FORM)?;
        let time = read.signed()?;
        let mut lists = [Vec::new(), Vec::new()];
        for list in &mut lists {
            for _ in 0..read.len()? {
                list.push(read.u32()?);
            }
        }
        read.end()?;
        let [runs, ingests] = lists;
        Ok(Self {
            time,
            runs,
            ingests,
        })
    }

    pub(crate) fn places(&self, dataset: u32) -> impl Iterator<Item = Place> + '_ {
        self.ingests.iter().map(move |ingest| Place {
            dataset,
            ingest: *ingest,
        })
    }
}
