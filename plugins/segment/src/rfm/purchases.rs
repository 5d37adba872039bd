//! Adds up each customer's purchases from the rows of a table, some or all of them.
//!
//! Does not score. Invariant: every row is counted exactly once: used, or left out for one
//! reason; what the rows of parts give merges to what all rows give, to the last bit.

use lode_numeric::sum;
use lode_plugin::Context;
use lode_plugin::Error;
use lode_plugin::Ids;
use lode_plugin::Result;
use lode_plugin::Role;
use lode_plugin::Table;

use super::params::Checked;
use super::params::Returns;
use super::state::State;
use super::state::Total;
use super::time::DAY_MICROS;

/// Rows between two looks at whether to stop.
const STRIDE: usize = 1 << 12;

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
#[derive(Clone, Copy, Debug, Default, PartialEq)]
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

    /// In the order of [`Self::named`].
    pub(super) fn of(numbers: [u64; 6]) -> Self {
        let [
            used,
            without_customer,
            without_time,
            without_amount,
            not_positive,
            after_reference,
        ] = numbers;
        Self {
            used,
            without_customer,
            without_time,
            without_amount,
            not_positive,
            after_reference,
        }
    }

    /// How many rows there were.
    pub(super) fn rows(&self) -> u64 {
        let each = self.named().into_iter().map(|(_, count)| count);
        each.fold(0, u64::saturating_add)
    }

    pub(super) fn add(&mut self, other: &Self) {
        let (left, right) = (self.named(), other.named());
        *self = Self::of(std::array::from_fn(|at| {
            left[at].1.saturating_add(right[at].1)
        }));
    }
}

/// Reads the table.
pub(super) fn read(table: &Table, params: &Checked, cx: &Context<'_>) -> Result<State> {
    cx.check_cancelled()?;
    cx.progress(0.0, "reading rows");
    let ids = table.ids(Role::CustomerId)?;
    cx.check_cancelled()?;
    let times = table.times(Role::EventTime)?;
    cx.check_cancelled()?;
    let amounts = amounts(table)?;
    cx.check_cancelled()?;
    cx.progress(0.4, "adding up purchases");
    let orders = table.column(Role::Order).map(|column| column.ids());
    let orders = orders.transpose()?;
    cx.check_cancelled()?;

    let known = ids.codes.iter().zip(&times);
    let latest = known
        .filter(|(code, _)| **code != Ids::NONE)
        .filter_map(|(_, time)| *time)
        .max();
    // Without a reference time it lies behind all rows, also those of other parts.
    let reference = params.reference_micros.unwrap_or(i64::MAX);
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
                total.monetary.add(money);
            }
            continue;
        }
        counts.used += 1;
        total.monetary.add(money);
        total.last = total.last.max(Some(time));
        match orders.as_ref().map(|orders| orders.codes[row]) {
            Some(order) if order != Ids::NONE => pairs.push((ids.codes[row], order)),
            _ => total.rows += 1,
        }
    }
    cx.check_cancelled()?;
    pairs.sort_unstable();
    pairs.dedup();
    cx.check_cancelled()?;
    let orders = orders.map(|orders| orders.names).unwrap_or_default();
    Ok(State::new(
        counts,
        latest,
        (ids.names, totals),
        (orders, pairs),
    ))
}

/// Ends the counting: customers with a purchase, seen from the reference time.
pub(super) fn finish(state: State, params: &Checked) -> Result<Purchases> {
    let rows = state.counts().rows();
    if rows == 0 {
        return Err(Error::invalid(
            "inputs.events",
            "expected at least one row, found none",
        ));
    }
    let reference = params.reference_micros.unwrap_or_else(|| {
        let latest = state.latest().unwrap_or(0);
        latest.saturating_add(DAY_MICROS)
    });
    let counts = *state.counts();
    let customers: Vec<Customer> = state
        .into_customers()
        .filter_map(|(id, total, n_orders)| {
            let last = total.last?;
            Some(Customer {
                id,
                recency_days: reference.saturating_sub(last) as f64 / DAY_MICROS as f64,
                frequency: total.rows + n_orders,
                monetary: total.monetary.value(),
            })
        })
        .collect();
    if customers.is_empty() {
        return Err(Error::invalid(
            "inputs.events",
            format!(
                "expected at least one purchase (a row with a customer, a time and an amount \
                 above 0), found none in {rows} rows"
            ),
        ));
    }
    Ok(Purchases { customers, counts })
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
    let beyond = |amount: &Amount| amount.money.abs() > sum::LIMIT;
    let Some(row) = amounts.iter().position(beyond) else {
        return Ok(amounts);
    };
    let money = amounts[row].money;
    Err(Error::invalid(
        "inputs.events",
        match money.is_infinite() {
            true => format!("expected finite amounts, found an infinite one in row {row}"),
            false => format!(
                "expected amounts of at most {:e}, found {money:e} in row {row}",
                sum::LIMIT
            ),
        },
    ))
}
