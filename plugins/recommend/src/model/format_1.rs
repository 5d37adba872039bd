//! Models of format 1: names, histories without weights, neighbors.
//!
//! Read, never written. Invariant: as in the format of today.

use lode_plugin::Result;

use super::Known;
use super::codec::Reader;
use super::crowd::Crowd;
use super::damaged;
use super::kin::Kin;
use super::names::Names;
use super::popularity::Popularity;
use crate::events::pairs::Pairs;

/// What a model of format 1 holds.
#[derive(Debug)]
pub(crate) struct Format1 {
    pub(crate) known: Known,
    /// Where the neighbors of each item end; empty for `recommend.popular`.
    pub(crate) ends: Vec<u64>,
    pub(crate) neighbors: Vec<u32>,
    pub(crate) similarities: Vec<f64>,
}

impl Format1 {
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self> {
        Self::read(bytes).ok_or_else(damaged)
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let customers = Some(Names::read(&mut reader)?).filter(Names::rise)?;
        let items = Some(Names::read(&mut reader)?).filter(Names::rise)?;
        let lists = |reader: &mut Reader<'_>| {
            let (ends, codes) = (reader.u64s()?, reader.u32s()?);
            let whole = ends.is_sorted()
                && ends.last().copied().unwrap_or(0) == codes.len() as u64
                && codes.iter().all(|code| (*code as usize) < items.len());
            whole.then_some((ends, codes))
        };
        let (history_ends, owned) = lists(&mut reader)?;
        let (ends, neighbors) = lists(&mut reader)?;
        let similarities = reader.f64s()?;
        let fits = ends.is_empty() || ends.len() == items.len();
        let whole = fits
            && history_ends.len() == customers.len()
            && similarities.len() == neighbors.len()
            && reader.is_done();
        if !whole {
            return None;
        }
        let pairs = Pairs::plain(customers.len(), history_ends, owned);
        let rise = |customer| {
            let history = pairs.history(customer);
            history.items.is_sorted_by(|a, b| a < b)
        };
        if !(0..customers.len()).all(rise) {
            return None;
        }
        let popularity = Popularity::of(&pairs, items.len(), Crowd::default());
        Some(Self {
            known: Known {
                customers,
                items,
                pairs,
                popularity,
                kin: Kin::default(),
            },
            ends,
            neighbors,
            similarities,
        })
    }
}
