//! sled behind a narrow door: four trees, ordered reads, transactions with an overlay.
//!
//! This module and the committer are the only ones that know sled. Invariant: no value is
//! larger than [`MAX_VALUE_BYTES`], since larger ones make sled write files it never syncs.

use std::collections::BTreeMap;
use std::ops::Bound;

use sled::Batch;
use sled::IVec;
use sled::transaction::TransactionError;
use sled::transaction::Transactional;

use crate::Error;
use crate::Result;
use crate::key::after_prefix;

/// Largest value that sled is given.
pub(crate) const MAX_VALUE_BYTES: usize = 4096;

/// A tree of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tree {
    /// Catalog, ledger of ingests, versions, files.
    Meta = 0,
    /// Customers' blocks.
    Blocks = 1,
    /// What jobs wrote onto customers.
    Tags = 2,
    /// Documents of the layer above.
    Docs = 3,
}

const TREES: [(Tree, &str); 4] = [
    (Tree::Meta, "meta"),
    (Tree::Blocks, "blocks"),
    (Tree::Tags, "tags"),
    (Tree::Docs, "docs"),
];

/// A key and its value.
pub(crate) type Pair = (IVec, IVec);

/// A range of keys to read, at most `limit` of them.
#[derive(Clone, Debug)]
pub(crate) struct Span {
    from: Bound<Vec<u8>>,
    to: Bound<Vec<u8>>,
    limit: usize,
    reverse: bool,
}

impl Span {
    /// All keys that begin with `prefix`.
    pub(crate) fn prefix(prefix: &[u8]) -> Self {
        Self {
            from: Bound::Included(prefix.to_vec()),
            to: after_prefix(prefix).map_or(Bound::Unbounded, Bound::Excluded),
            limit: usize::MAX,
            reverse: false,
        }
    }

    /// Only those after `key`.
    pub(crate) fn after(mut self, key: &[u8]) -> Self {
        if !matches!(&self.from, Bound::Included(from) if from.as_slice() > key) {
            self.from = Bound::Excluded(key.to_vec());
        }
        self
    }

    /// Only `key` and those after it.
    pub(crate) fn from(mut self, key: &[u8]) -> Self {
        self.from = Bound::Included(key.to_vec());
        self
    }

    /// Only those before `key`.
    pub(crate) fn before(mut self, key: &[u8]) -> Self {
        if !matches!(&self.to, Bound::Excluded(to) if to.as_slice() < key) {
            self.to = Bound::Excluded(key.to_vec());
        }
        self
    }

    pub(crate) fn limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    /// The largest key first.
    pub(crate) fn reverse(mut self, reverse: bool) -> Self {
        self.reverse = reverse;
        self
    }

    fn is_empty(&self) -> bool {
        match (&self.from, &self.to) {
            (Bound::Included(a), Bound::Included(b)) => a > b,
            (Bound::Included(a) | Bound::Excluded(a), Bound::Included(b) | Bound::Excluded(b)) => {
                a >= b
            }
            _ => false,
        }
    }
}

/// Something that keys can be read from: the trees, or a transaction over them.
pub(crate) trait Read {
    fn get(&self, tree: Tree, key: &[u8]) -> Result<Option<IVec>>;
    fn scan(&self, tree: Tree, span: &Span) -> Result<Vec<Pair>>;
}

/// The trees of one sled database.
#[derive(Default)]
pub(crate) struct Trees {
    trees: Vec<sled::Tree>,
}

impl Trees {
    pub(crate) fn open(db: &sled::Db) -> Result<Self> {
        let mut trees = Vec::with_capacity(TREES.len());
        for (_, name) in TREES {
            trees.push(db.open_tree(name).map_err(Error::sled("open a tree"))?);
        }
        Ok(Self { trees })
    }

    /// Applies an overlay as one transaction; not yet durable.
    pub(crate) fn apply(&self, overlay: Overlay) -> Result<()> {
        let mut touched = Vec::new();
        let mut batches = Vec::new();
        for (tree, writes) in self.trees.iter().zip(overlay.trees) {
            if writes.is_empty() {
                continue;
            }
            let mut batch = Batch::default();
            for (key, value) in writes {
                match value {
                    Some(value) => batch.insert(key, value),
                    None => batch.remove(key),
                }
            }
            touched.push(tree);
            batches.push(batch);
        }
        if touched.is_empty() {
            return Ok(());
        }
        if let [tree] = touched[..] {
            let batch = batches.remove(0);
            return tree.apply_batch(batch).map_err(Error::sled("write"));
        }
        touched
            .transaction(|views| {
                for (view, batch) in views.iter().zip(&batches) {
                    view.apply_batch(batch)?;
                }
                Ok(())
            })
            .map_err(|error: TransactionError<()>| match error {
                TransactionError::Storage(error) => Error::sled("write")(error),
                TransactionError::Abort(()) => Error::bug("a transaction aborted by itself"),
            })
    }
}

impl Read for Trees {
    fn get(&self, tree: Tree, key: &[u8]) -> Result<Option<IVec>> {
        self.trees[tree as usize]
            .get(key)
            .map_err(Error::sled("read"))
    }

    fn scan(&self, tree: Tree, span: &Span) -> Result<Vec<Pair>> {
        if span.is_empty() {
            return Ok(Vec::new());
        }
        let range = (as_slice(&span.from), as_slice(&span.to));
        let iter = self.trees[tree as usize].range::<&[u8], _>(range);
        let collect = |iter: &mut dyn Iterator<Item = sled::Result<Pair>>| {
            iter.take(span.limit)
                .collect::<sled::Result<Vec<_>>>()
                .map_err(Error::sled("read"))
        };
        if span.reverse {
            collect(&mut iter.rev())
        } else {
            collect(&mut iter.into_iter())
        }
    }
}

/// Writes that were not applied yet: a value, or none for a removal.
#[derive(Default)]
pub(crate) struct Overlay {
    trees: [BTreeMap<IVec, Option<IVec>>; 4],
    bytes: usize,
}

impl Overlay {
    pub(crate) fn is_empty(&self) -> bool {
        self.trees.iter().all(BTreeMap::is_empty)
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    fn absorb(&mut self, other: Self) {
        self.bytes += other.bytes;
        for (mine, theirs) in self.trees.iter_mut().zip(other.trees) {
            mine.extend(theirs);
        }
    }

    pub(crate) fn set(&mut self, tree: Tree, key: Vec<u8>, value: Option<IVec>) {
        self.bytes += key.len() + value.as_ref().map_or(0, |v| v.len()) + 32;
        self.trees[tree as usize].insert(IVec::from(key), value);
    }
}

/// One job's view of the trees: its own writes over the group's over what is stored.
pub(crate) struct Txn<'a> {
    trees: &'a Trees,
    group: &'a Overlay,
    own: Overlay,
}

impl<'a> Txn<'a> {
    pub(crate) fn new(trees: &'a Trees, group: &'a Overlay) -> Self {
        Self {
            trees,
            group,
            own: Overlay::default(),
        }
    }

    pub(crate) fn put(&mut self, tree: Tree, key: Vec<u8>, value: Vec<u8>) -> Result<()> {
        if value.len() > MAX_VALUE_BYTES {
            return Err(Error::ValueTooLarge {
                limit: MAX_VALUE_BYTES,
                found: value.len(),
            });
        }
        self.own.set(tree, key, Some(IVec::from(value)));
        Ok(())
    }

    pub(crate) fn remove(&mut self, tree: Tree, key: Vec<u8>) {
        self.own.set(tree, key, None);
    }

    /// Ends the job: its writes.
    pub(crate) fn into_writes(self) -> Overlay {
        self.own
    }
}

/// Adds a job's writes to its group's.
pub(crate) fn join(group: &mut Overlay, writes: Overlay) {
    group.absorb(writes);
}

impl Read for Txn<'_> {
    fn get(&self, tree: Tree, key: &[u8]) -> Result<Option<IVec>> {
        for overlay in [&self.own, self.group] {
            if let Some(value) = overlay.trees[tree as usize].get(key) {
                return Ok(value.clone());
            }
        }
        self.trees.get(tree, key)
    }

    fn scan(&self, tree: Tree, span: &Span) -> Result<Vec<Pair>> {
        if span.is_empty() {
            return Ok(Vec::new());
        }
        let range = (as_slice(&span.from), as_slice(&span.to));
        let mut changes: BTreeMap<&IVec, &Option<IVec>> = BTreeMap::new();
        for overlay in [self.group, &self.own] {
            changes.extend(overlay.trees[tree as usize].range::<[u8], _>(range));
        }
        // As many more as can fall away, so that the first `limit` of the result are right.
        let removed = changes.values().filter(|value| value.is_none()).count();
        let stored = span.clone().limit(span.limit.saturating_add(removed));
        let mut merged: BTreeMap<IVec, IVec> =
            self.trees.scan(tree, &stored)?.into_iter().collect();
        for (key, value) in changes {
            match value {
                Some(value) => merged.insert(key.clone(), value.clone()),
                None => merged.remove(key),
            };
        }
        Ok(if span.reverse {
            merged.into_iter().rev().take(span.limit).collect()
        } else {
            merged.into_iter().take(span.limit).collect()
        })
    }
}

fn as_slice(bound: &Bound<Vec<u8>>) -> Bound<&[u8]> {
    match bound {
        Bound::Included(key) => Bound::Included(key),
        Bound::Excluded(key) => Bound::Excluded(key),
        Bound::Unbounded => Bound::Unbounded,
    }
}
