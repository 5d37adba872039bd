//! Reads who has what from rows of events.
//!
//! Does not count how often. Invariant: every row is counted once: used, or left out for one
//! reason; customers and items without a used row do not exist.

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
const STRIDE: usize = 1 << 16;

/// What the rows say.
pub(crate) struct Events {
    /// Names and histories; no neighbors yet.
    pub(crate) model: OfferModel,
    pub(crate) counts: Counts,
}

/// What became of the rows.
#[derive(Clone, Copy, Debug, Default)]
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
    if table.n_rows() == 0 {
        return Err(Error::invalid(
            "inputs.events",
            "expected at least one row, found none",
        ));
    }
    let customers = table.ids(Role::CustomerId)?;
    cx.check_cancelled()?;
    let items = table.ids(Role::Item)?;
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
    if pairs.is_empty() {
        return Err(Error::invalid(
            "inputs.events",
            format!(
                "expected at least one row with a customer and an item, found none in {} rows",
                table.n_rows()
            ),
        ));
    }
    cx.progress(0.1, "sorting histories");
    pairs.sort_unstable();
    pairs.dedup();
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
