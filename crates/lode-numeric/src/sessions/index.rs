//! Past sessions, and which of them each item was in.
//!
//! Invariant: sessions are numbered oldest first; the sessions of an item ascend, each once.

use crate::Error;
use crate::Result;

/// Past sessions and their index by item.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sessions {
    /// Where each session begins; one more than sessions.
    starts: Vec<usize>,
    /// Items of a session in their order.
    items: Vec<u32>,
    /// Where the sessions of each item begin; one more than items.
    item_starts: Vec<usize>,
    item_sessions: Vec<u32>,
    /// Different items of each session.
    n_different: Vec<u32>,
}

impl Sessions {
    /// Takes sessions, oldest first: where each begins (one more than sessions) and their items
    /// in order.
    ///
    /// # Errors
    /// [`Error::Length`] where the beginnings do not fit the items, [`Error::Entry`] for an item
    /// past `n_items`.
    pub fn new(starts: Vec<usize>, items: Vec<u32>, n_items: usize) -> Result<Self> {
        let end = starts.last().copied().unwrap_or(0);
        if starts.first() != Some(&0) || !starts.is_sorted() || end != items.len() {
            return Err(Error::Length {
                what: "items, where the sessions end,",
                expected: end,
                found: items.len(),
            });
        }
        if let Some(index) = items.iter().position(|item| *item as usize >= n_items) {
            return Err(Error::Entry {
                what: "items",
                expected: "of the catalogue",
                index,
                found: f64::from(items[index]),
            });
        }
        let mut last = vec![u32::MAX; n_items];
        let mut item_starts = vec![0; n_items + 1];
        let mut n_different = Vec::with_capacity(starts.len() - 1);
        for session in 0..starts.len() - 1 {
            let mut n = 0;
            for item in &items[starts[session]..starts[session + 1]] {
                let seen = &mut last[*item as usize];
                if *seen != session as u32 {
                    *seen = session as u32;
                    item_starts[*item as usize + 1] += 1;
                    n += 1;
                }
            }
            n_different.push(n);
        }
        for item in 0..n_items {
            item_starts[item + 1] += item_starts[item];
        }
        let mut next = item_starts.clone();
        let mut item_sessions = vec![0; item_starts[n_items]];
        last.fill(u32::MAX);
        for session in 0..starts.len() - 1 {
            for item in &items[starts[session]..starts[session + 1]] {
                let seen = &mut last[*item as usize];
                if *seen != session as u32 {
                    *seen = session as u32;
                    item_sessions[next[*item as usize]] = session as u32;
                    next[*item as usize] += 1;
                }
            }
        }
        Ok(Self {
            starts,
            items,
            item_starts,
            item_sessions,
            n_different,
        })
    }

    /// How many sessions.
    pub fn n_sessions(&self) -> usize {
        self.n_different.len()
    }

    /// How many items the catalogue has.
    pub fn n_items(&self) -> usize {
        self.item_starts.len().saturating_sub(1)
    }

    /// Where each session begins, and all items: what [`Self::new`] takes.
    pub fn parts(&self) -> (&[usize], &[u32]) {
        (&self.starts, &self.items)
    }

    /// The items of a session in their order.
    pub fn session(&self, session: usize) -> &[u32] {
        &self.items[self.starts[session]..self.starts[session + 1]]
    }

    /// Different items of a session.
    pub(super) fn n_different(&self, session: usize) -> u32 {
        self.n_different[session]
    }

    /// The sessions with an item, oldest first.
    pub fn with_item(&self, item: u32) -> &[u32] {
        let item = item as usize;
        &self.item_sessions[self.item_starts[item]..self.item_starts[item + 1]]
    }
}
