//! What became of the rows of the events.

use crate::model::codec::Reader;
use crate::model::codec::Writer;

/// What became of the rows: each is counted once in all but `returned`, which are used rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) used: u64,
    pub(crate) without_customer: u64,
    pub(crate) without_item: u64,
    pub(crate) without_time: u64,
    pub(crate) returned: u64,
}

impl Counts {
    pub(crate) fn named(&self) -> [(&'static str, u64); 5] {
        [
            ("rows_used", self.used),
            ("rows_without_customer", self.without_customer),
            ("rows_without_item", self.without_item),
            ("rows_without_time", self.without_time),
            ("rows_not_positive", self.returned),
        ]
    }

    pub(crate) fn rows(&self) -> u64 {
        [
            self.used,
            self.without_customer,
            self.without_item,
            self.without_time,
        ]
        .into_iter()
        .fold(0, u64::saturating_add)
    }

    pub(crate) fn merge(&self, other: &Self) -> Self {
        let (left, right) = (self.named(), other.named());
        Self::of(std::array::from_fn(|at| {
            left[at].1.saturating_add(right[at].1)
        }))
    }

    pub(crate) fn write(&self, to: &mut Writer) {
        to.u64s(&self.named().map(|(_, count)| count));
    }

    pub(crate) fn read(from: &mut Reader<'_>) -> Option<Self> {
        from.u64s()?.try_into().ok().map(Self::of)
    }

    /// In the order of [`Self::named`].
    fn of([used, without_customer, without_item, without_time, returned]: [u64; 5]) -> Self {
        Self {
            used,
            without_customer,
            without_item,
            without_time,
            returned,
        }
    }
}
