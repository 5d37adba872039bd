//! What a fit leaves for serving: names, who has what, what is popular, and the method.
//!
//! Invariant: every code is inside its list, also in a model read from bytes; customers and
//! items are in the order of their ids.

pub(crate) mod codec;
pub(crate) mod crowd;
mod format_1;
pub(crate) mod kin;
pub(crate) mod names;
pub(crate) mod popularity;

use lode_plugin::Error;
use lode_plugin::Result;

use crate::events::pairs::Pairs;
use crate::method::Method;
use codec::Reader;
use codec::Writer;
use kin::Kin;
use names::Names;
use popularity::Popularity;

pub(crate) use format_1::Format1;

/// Format of the bytes that are written.
pub(crate) const FORMAT: u32 = 2;

/// What is known of customers and items, whatever the method.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Known {
    pub(crate) customers: Names,
    pub(crate) items: Names,
    pub(crate) pairs: Pairs,
    pub(crate) popularity: Popularity,
    /// Items that no event tells of.
    pub(crate) kin: Kin,
}

impl Known {
    fn write(&self, to: &mut Writer) {
        self.customers.write(to);
        self.items.write(to);
        self.pairs.write(to);
        self.popularity.write(to);
        self.kin.write(to);
    }

    /// None when anything is out of bounds or out of order.
    fn read(from: &mut Reader<'_>) -> Option<Self> {
        let customers = Some(Names::read(from)?).filter(Names::rise)?;
        let items = Some(Names::read(from)?).filter(Names::rise)?;
        let (n_customers, n_items) = (customers.len(), items.len());
        Some(Self {
            pairs: Pairs::read(from, n_customers, n_items)?,
            popularity: Popularity::read(from, n_customers, n_items)?,
            kin: Kin::read(from, n_items)?,
            customers,
            items,
        })
    }
}

/// Format 2: the parts in order, little-endian, each list led by its length.
pub(crate) fn to_bytes<M: Method>(known: &Known, method: &M) -> Vec<u8> {
    let mut writer = Writer::default();
    known.write(&mut writer);
    method.write(&mut writer);
    writer.finish()
}

/// Reads what [`to_bytes`] wrote.
pub(crate) fn from_bytes<M: Method>(bytes: &[u8]) -> Result<(Known, M)> {
    let read = || {
        let mut reader = Reader::new(bytes);
        let known = Known::read(&mut reader)?;
        let method = M::read(&mut reader, known.items.len())?;
        reader.is_done().then_some((known, method))
    };
    read().ok_or_else(damaged)
}

pub(crate) fn damaged() -> Error {
    Error::model("expected a recommendation model, found damaged bytes")
}

#[cfg(test)]
mod tests;
