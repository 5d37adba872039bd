//! What methods by factors share: likeness of items, tables of histories, scored items as offers.
//!
//! Does not learn. Invariant: likeness is the cosine of two rows, and symmetric.

use lode_numeric::factors::Excluded;
use lode_numeric::factors::Factors;
use lode_numeric::factors::Pairs;
use lode_numeric::factors::Scored;
use lode_numeric::factors::Shelf;

use crate::events::pairs::History;
use crate::method::Barred;
use crate::method::Offer;

/// Above so many items the scores of all are found faster than theirs one by one.
pub(crate) const ONE_BY_ONE: usize = 16;

/// Items by the direction of their factors.
#[derive(Debug)]
pub(crate) struct Alike {
    /// At length 1.
    items: Factors,
    shelf: Shelf,
}

impl Alike {
    pub(crate) fn new(items: &Factors) -> lode_numeric::Result<Self> {
        let mut values = items.to_values();
        for row in values.chunks_mut(items.width()) {
            let square: f64 = row.iter().map(|x| f64::from(*x) * f64::from(*x)).sum();
            if square > 0.0 {
                let length = square.sqrt();
                row.iter_mut()
                    .for_each(|x| *x = (f64::from(*x) / length) as f32);
            }
        }
        let items = Factors::from_values(&values, items.width())?;
        Ok(Self {
            shelf: Shelf::new(&items),
            items,
        })
    }

    /// See [`crate::method::Rates::likeness`].
    pub(crate) fn likeness(&self, item: u32, others: &[u32]) -> Option<Vec<f64>> {
        if others.len() > ONE_BY_ONE {
            let own: Vec<f32> = self.items.row(item as usize).collect();
            let all = self.shelf.scores(&own).ok()?;
            let alike = |other: &u32| f64::from(all[*other as usize]);
            return Some(others.iter().map(alike).collect());
        }
        let alike = |other: &u32| {
            let (item, other) = (item as usize, *other as usize);
            f64::from(self.items.score(item, &self.items, other))
        };
        Some(others.iter().map(alike).collect())
    }

    /// See [`crate::method::Rates::similar`].
    pub(crate) fn similar(&self, item: u32, barred: &Barred, limit: usize) -> Vec<Offer> {
        let own: Vec<f32> = self.items.row(item as usize).collect();
        let excluded = Excluded::Flags(barred.flags());
        // The item itself may be among them.
        let found = self.shelf.best(&own, excluded, limit.saturating_add(1));
        let others = offers(found.unwrap_or_default()).filter(|offer| offer.item != item);
        others.take(limit).collect()
    }
}

/// Scored items as offers.
pub(crate) fn offers(scored: Vec<Scored>) -> impl Iterator<Item = Offer> {
    scored.into_iter().map(|scored| Offer {
        item: scored.item,
        score: f64::from(scored.score),
    })
}

/// Histories as rows of a table.
pub(crate) fn table<'a>(
    histories: impl Iterator<Item = History<'a>>,
    n_items: usize,
) -> lode_numeric::Result<Pairs> {
    let mut starts = vec![0];
    let (mut items, mut weights) = (Vec::new(), Vec::new());
    for history in histories {
        items.extend_from_slice(history.items);
        weights.extend_from_slice(history.weights);
        starts.push(items.len());
    }
    Pairs::from_rows(starts, items, weights, n_items)
}
