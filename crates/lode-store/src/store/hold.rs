//! Small writes to a dataset wait while a load of it is committed.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::Mutex;

use super::Inner;
use crate::committer::lock;

impl Inner {
    /// Lets small writes to a dataset wait for its serial lock, which the caller holds, until
    /// what is given is dropped.
    pub(crate) fn hold(&self, dataset: u32) -> Hold {
        lock(&self.held).insert(dataset);
        Hold {
            held: Arc::clone(&self.held),
            dataset,
        }
    }

    /// The datasets to which small writes wait.
    pub(crate) fn held(&self) -> Arc<Mutex<HashSet<u32>>> {
        Arc::clone(&self.held)
    }
}

/// While it lives, small writes to a dataset wait.
pub(crate) struct Hold {
    held: Arc<Mutex<HashSet<u32>>>,
    dataset: u32,
}

impl Drop for Hold {
    fn drop(&mut self) {
        lock(&self.held).remove(&self.dataset);
    }
}
