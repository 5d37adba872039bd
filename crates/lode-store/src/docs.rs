//! Documents of the layer above: opaque bytes under its own keys, written all or nothing.

use crate::Error;
use crate::Result;
use crate::key;
use crate::kv::Read;
use crate::kv::Span;
use crate::kv::Tree;
use crate::kv::Txn;
use crate::long;

/// Longest key of a document.
const MAX_KEY_BYTES: usize = 512;

/// A space of keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Space {
    /// Jobs.
    Jobs,
    /// What happened to jobs.
    JobEvents,
    /// Models.
    Models,
    /// Feature views.
    Views,
}

/// One change of one document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DocWrite {
    /// Puts a document in place of what was there.
    Put {
        /// Where.
        space: Space,
        /// Its key; at most 512 bytes.
        key: Vec<u8>,
        /// The document.
        bytes: Vec<u8>,
    },
    /// Removes a document, if it is there.
    Delete {
        /// Where.
        space: Space,
        /// Its key.
        key: Vec<u8>,
    },
}

impl Space {
    fn tag(self) -> u8 {
        match self {
            Self::Jobs => 1,
            Self::JobEvents => 2,
            Self::Models => 3,
            Self::Views => 4,
        }
    }
}

pub(crate) fn get(read: &dyn Read, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>> {
    long::get(read, Tree::Docs, &key::doc(space.tag(), key))
}

pub(crate) fn list(
    read: &dyn Read,
    space: Space,
    prefix: &[u8],
    after: Option<&[u8]>,
    limit: usize,
    newest_first: bool,
) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let mut span = Span::prefix(&key::doc_prefix(space.tag(), prefix));
    if let Some(after) = after {
        let after = key::doc(space.tag(), after);
        span = if newest_first {
            span.before(&key::piece(&after, 0))
        } else {
            span.after(&key::piece(&after, u16::MAX))
        };
    }
    long::scan(read, Tree::Docs, span, limit, newest_first)?
        .into_iter()
        .map(|(key, bytes)| {
            let key =
                key::read_doc(&key).ok_or_else(|| Error::damaged("document", "a wrong key"))?;
            Ok((key, bytes))
        })
        .collect()
}

pub(crate) fn write(txn: &mut Txn<'_>, writes: Vec<DocWrite>) -> Result<()> {
    for write in writes {
        match write {
            DocWrite::Put { space, key, bytes } => {
                if key.len() > MAX_KEY_BYTES {
                    return Err(Error::TooLong {
                        what: "document key",
                        limit: MAX_KEY_BYTES,
                        found: key.len(),
                    });
                }
                long::put(txn, Tree::Docs, &key::doc(space.tag(), &key), &bytes)?;
            }
            DocWrite::Delete { space, key } => {
                long::remove(txn, Tree::Docs, &key::doc(space.tag(), &key))?;
            }
        }
    }
    Ok(())
}
