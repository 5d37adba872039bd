//! Adds up each customer's purchases from the rows of a table.
//!
//! Does not score. Invariant: every row is counted exactly once: used, or left out for one
//! reason.

use lode_plugin::Context;
use lode_plugin::Error;
use lode_plugin::Ids;
use lode_plugin::Result;
use lode_plugin::Role;
use lode_plugin::Table;

use super::params::Checked;
use super::params::Returns;
use super::time::DAY_MICROS;

/// Rows between two looks at whether to stop.
const STRIDE: usize = 1 << 16;

/// Customers with a purchase, by id.
#[derive(Debug)]
pub(super) struct Purchases {
    pub(super) customers: Vec<Customer>,
    pub(super) counts: Counts,
}

/// One customer's purchases.
#[derive(Clone, Debug)]
pub(super) struct Customer {
    pub(super) id: String,
    pub(super) recency_days: f64,
    pub(super) frequency: i64,
    pub(super) monetary: f64,
}

/// What became of the rows.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    used: u64,
    without_customer: u64,
    without_time: u64,
    without_amount: u64,
    not_positive: u64,
    after_reference: u64,
}

impl Counts {
    pub(super) fn named(&self) -> [(&'static str, u64); 6] {
        [
            ("rows_used", self.used),
            ("rows_without_customer", self.without_customer),
            ("rows_without_time", self.without_time),
            ("rows_without_amount", self.without_amount),
            ("rows_not_positive", self.not_positive),
            ("rows_after_reference", self.after_reference),
        ]
    }
}

/// Running totals of one customer.
#[derive(Clone, Copy, Debug, Default)]
struct Total {
    last: Option<i64>,
    rows: i64,
    monetary: f64,
}

/// Reads the table.
pub(super) fn read(table: &Table, params: &Checked, cx: &Context<'_>) -> Result<Purchases> {
    cx.check_cancelled()?;
    cx.progress(0.0, "reading rows");
    if table.n_rows() == 0 {
        return Err(Error::invalid(
            "inputs.events",
            "expected at least one row, found none",
        ));
    }
    let ids = table.ids(Role::CustomerId)?;
    cx.check_cancelled()?;
    let times = table.times(Role::EventTime)?;
    let amounts = amounts(table)?;
    cx.check_cancelled()?;
    cx.progress(0.4, "adding up purchases");
    let orders = table.column(Role::Order).map(|column| column.ids());
    let orders = orders.transpose()?;

    let reference = params.reference_micros.unwrap_or_else(|| {
        let known = ids.codes.iter().zip(&times);
        let latest = known
            .filter(|(code, _)| **code != Ids::NONE)
            .filter_map(|(_, time)| *time)
            .max();
        latest.unwrap_or(0).saturating_add(DAY_MICROS)
    });
    let mut totals = vec![Total::default(); ids.n()];
    let mut counts = Counts::default();
    let mut pairs = Vec::new();
    for row in 0..table.n_rows() {
        if row % STRIDE == 0 {
            cx.check_cancelled()?;
        }
        let Some(total) = totals.get_mut(ids.codes[row] as usize) else {
            counts.without_customer += 1;
            continue;
        };
        let Some(time) = times[row] else {
            counts.without_time += 1;
            continue;
        };
        if time > reference {
            counts.after_reference += 1;
            continue;
        }
        let Amount { money, is_purchase } = amounts[row];
        if money.is_nan() {
            counts.without_amount += 1;
            continue;
        }
        if !is_purchase {
            counts.not_positive += 1;
            if params.returns == Returns::Net {
                total.monetary += money;
            }
            continue;
        }
        counts.used += 1;
        total.monetary += money;
        total.last = total.last.max(Some(time));
        match orders.as_ref().map(|orders| orders.codes[row]) {
            Some(order) if order != Ids::NONE => pairs.push((ids.codes[row], order)),
            _ => total.rows += 1,
        }
    }
    pairs.sort_unstable();
    pairs.dedup();
    for (customer, _) in pairs {
        totals[customer as usize].rows += 1;
    }
    let bought = ids.names.into_iter().zip(totals);
    let customers = bought.filter_map(|(id, total)| {
        Some(Customer {
            id,
            recency_days: (reference - total.last?) as f64 / DAY_MICROS as f64,
            frequency: total.rows,
            monetary: total.monetary,
        })
    });
    Ok(Purchases {
        customers: customers.collect(),
        counts,
    })
}

/// Money of a row, and whether it is a purchase rather than a return or a free line.
#[derive(Clone, Copy, Debug)]
struct Amount {
    money: f64,
    is_purchase: bool,
}

fn amounts(table: &Table) -> Result<Vec<Amount>> {
    let amounts: Vec<Amount> = if let Some(column) = table.column(Role::Amount) {
        let numbers = column.numbers()?.into_iter();
        let amount = |money| Amount {
            money,
            is_purchase: money > 0.0,
        };
        numbers.map(amount).collect()
    } else if let (Some(quantity), Some(price)) =
        (table.column(Role::Quantity), table.column(Role::UnitPrice))
    {
        let numbers = quantity.numbers()?.into_iter().zip(price.numbers()?);
        let amount = |(quantity, price): (f64, f64)| {
            let is_purchase = quantity > 0.0 && price > 0.0;
            let product = quantity * price;
            Amount {
                // Two negatives are a correction, not a sale.
                money: if is_purchase { product } else { -product.abs() },
                is_purchase,
            }
        };
        numbers.map(amount).collect()
    } else {
        return Err(Error::invalid(
            "inputs.events",
            "expected a column with role amount, or columns with roles quantity and unit_price, \
             found neither",
        ));
    };
    match amounts.iter().position(|amount| amount.money.is_infinite()) {
        Some(row) => Err(Error::invalid(
            "inputs.events",
            format!("expected finite amounts, found an infinite one in row {row}"),
        )),
        None => Ok(amounts),
    }
}
