//! Reads who has what from rows of events.
//!
//! Does not count how often. Invariant: every row is counted once: used, or left out for one
//! reason; customers and items without a used row do not exist; what the rows of parts give
//! merges to what all rows give.

use lode_plugin::Context;
use lode_plugin::Error;
use lode_plugin::Ids;
use lode_plugin::Input;
use lode_plugin::Result;
use lode_plugin::Role;
use lode_plugin::Table;

use crate::offers::OfferModel;
use crate::offers::names::Names;

/// Rows between two looks at whether to stop.
const STRIDE: usize = 1 << 12;

/// What the rows say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Events {
    /// Names and histories; no neighbors yet.
    pub(crate) model: OfferModel,
    pub(crate) counts: Counts,
}

/// What became of the rows.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Counts {
    used: u64,
    without_customer: u64,
    without_item: u64,
    not_positive: u64,
}

impl Counts {
    pub(crate) fn named(&self) -> [(&'static str, u64); 4] {
        [
            ("rows_used", self.used),
            ("rows_without_customer", self.without_customer),
            ("rows_without_item", self.without_item),
            ("rows_not_positive", self.not_positive),
        ]
    }

    /// In the order of [`Self::named`].
    fn of([used, without_customer, without_item, not_positive]: [u64; 4]) -> Self {
        Self {
            used,
            without_customer,
            without_item,
            not_positive,
        }
    }

    fn rows(&self) -> u64 {
        let each = self.named().into_iter().map(|(_, count)| count);
        each.fold(0, u64::saturating_add)
    }
}

impl Events {
    /// Refuses what nothing can be learned from.
    pub(crate) fn check(&self) -> Result<()> {
        let rows = self.counts.rows();
        if rows == 0 {
            return Err(Error::invalid(
                "inputs.events",
                "expected at least one row, found none",
            ));
        }
        if self.model.n_pairs() == 0 {
            return Err(Error::invalid(
                "inputs.events",
                format!(
                    "expected at least one row with a customer and an item, found none in {rows} \
                     rows"
                ),
            ));
        }
        Ok(())
    }

    /// What the rows of both say.
    pub(crate) fn merge(&self, other: &Self) -> Self {
        let (left, right) = (self.counts.named(), other.counts.named());
        let added = std::array::from_fn(|at| left[at].1.saturating_add(right[at].1));
        Self {
            model: self.model.merge(&other.model),
            counts: Counts::of(added),
        }
    }

    /// Format 1: the four counts of rows as u64, little-endian, then names and histories as in
    /// a model.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let counts = self.counts.named().into_iter();
        let mut bytes: Vec<u8> = counts.flat_map(|(_, count)| count.to_le_bytes()).collect();
        bytes.extend(self.model.to_bytes());
        bytes
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let damaged = || Error::model("expected a state of recommend.popular, found damaged bytes");
        let (counts, rest) = bytes.split_first_chunk::<32>().ok_or_else(damaged)?;
        let (words, _) = counts.as_chunks::<8>();
        let model = OfferModel::from_bytes(rest).map_err(|_| damaged())?;
        if !model.can_merge() {
            return Err(damaged());
        }
        Ok(Self {
            model,
            counts: Counts::of(std::array::from_fn(|at| u64::from_le_bytes(words[at]))),
        })
    }
}

/// The input that both algorithms take.
pub(crate) fn spec() -> Input {
    Input::new("events", "One row a purchase, visit or click")
        .column(Role::CustomerId, "Who")
        .column(Role::Item, "What")
        .optional_column(
            Role::Quantity,
            "Pieces; rows with 0 or less (returns) are left out",
        )
}

pub(crate) fn check_n(n: usize) -> Result<()> {
    if (1..=1000).contains(&n) {
        return Ok(());
    }
    Err(Error::invalid(
        "params.n",
        format!("expected 1 to 1000, found {n}"),
    ))
}

/// Reads the table.
pub(crate) fn read(table: &Table, cx: &Context<'_>) -> Result<Events> {
    cx.check_cancelled()?;
    cx.progress(0.0, "reading rows");
    let customers = table.ids(Role::CustomerId)?;
    cx.check_cancelled()?;
    let items = table.ids(Role::Item)?;
    cx.check_cancelled()?;
    let quantities = match table.column(Role::Quantity) {
        Some(column) => Some(column.numbers()?),
        None => None,
    };
    let mut counts = Counts::default();
    let mut pairs = Vec::with_capacity(table.n_rows());
    for row in 0..table.n_rows() {
        if row % STRIDE == 0 {
            cx.check_cancelled()?;
        }
        let is_return = quantities.as_ref().is_some_and(|q| q[row] <= 0.0);
        if customers.codes[row] == Ids::NONE {
            counts.without_customer += 1;
        } else if items.codes[row] == Ids::NONE {
            counts.without_item += 1;
        } else if is_return {
            counts.not_positive += 1;
        } else {
            counts.used += 1;
            pairs.push((customers.codes[row], items.codes[row]));
        }
    }
    cx.check_cancelled()?;
    cx.progress(0.1, "sorting histories");
    pairs.sort_unstable();
    pairs.dedup();
    cx.check_cancelled()?;
    let (customers, customer_codes) = used(&customers, pairs.iter().map(|pair| pair.0));
    let (items, item_codes) = used(&items, pairs.iter().map(|pair| pair.1));
    for (customer, item) in &mut pairs {
        *customer = customer_codes[*customer as usize];
        *item = item_codes[*item as usize];
    }
    Ok(Events {
        model: OfferModel::new(customers, items, &pairs),
        counts,
    })
}

/// The names whose codes occur, in order, and the new code of each old one.
fn used(ids: &Ids, codes: impl Iterator<Item = u32>) -> (Names, Vec<u32>) {
    let mut new_codes = vec![Ids::NONE; ids.n()];
    for code in codes {
        new_codes[code as usize] = 0;
    }
    let mut names = Names::default();
    for (name, code) in ids.names.iter().zip(&mut new_codes) {
        if *code != Ids::NONE {
            *code = names.len() as u32;
            names.push(name);
        }
    }
    (names, new_codes)
}

/// What a numeric call found wrong, in the words of this plugin's caller.
pub(crate) fn numeric(error: lode_numeric::Error) -> Error {
    match error {
        lode_numeric::Error::Cancelled => Error::cancelled(),
        other => Error::numeric(format!("the items cannot be compared: {other}")),
    }
}
