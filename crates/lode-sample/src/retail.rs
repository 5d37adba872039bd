//! The retailer: who buys what and when, and what was planted.
//!
//! Invariant: customer number i draws from stream i of the seed and from nothing else.

mod shopper;

use std::io;
use std::io::Write;

use lode_numeric::Rng;
use serde_json::json;

use crate::SampleOptions;
use crate::catalog;
use crate::catalog::CATEGORIES;
use crate::catalog::N_ITEMS;
use crate::catalog::PER_CATEGORY;
use shopper::CLASSES;
use shopper::Line;
use shopper::Shopper;
use shopper::Tables;

/// Customers whose rows are sorted together.
const BLOCK: u64 = 10_000;

/// 2025-01-01, in days since 1970.
const FIRST_DAY: i64 = 20_089;

/// Writes the rows of `retail_events.csv` and the truth about them; the number of rows.
pub(crate) fn write_events(
    options: &SampleOptions,
    events: &mut dyn Write,
    truth: &mut dyn Write,
) -> io::Result<u64> {
    let tables = Tables::new();
    writeln!(
        events,
        "order_id,customer_id,item,quantity,unit_price,event_time"
    )?;
    write_planted(truth)?;
    let mut n_rows = 0;
    let mut n_orders = 0;
    let mut first = 0;
    while first < options.customers {
        let end = (first + BLOCK).min(options.customers);
        let mut lines = Vec::new();
        for customer in first..end {
            let mut rng = Rng::stream(options.seed, customer);
            let shopper = Shopper::new(customer, &tables, &mut rng);
            let owned = shopper.buy(&tables, &mut rng, &mut lines);
            let next = shopper.next_items(&tables, &owned, &mut rng);
            write_shopper(truth, &shopper, &next, customer == 0)?;
        }
        lines.sort_by_key(|line: &Line| (line.minute, line.customer, line.order, line.item));
        n_rows += write_lines(events, &lines, &mut n_orders)?;
        first = end;
    }
    truth.write_all(b"\n]}")?;
    Ok(n_rows)
}

/// Writes the rows of `retail_items.csv`; their number.
pub(crate) fn write_items(items: &mut dyn Write) -> io::Result<u64> {
    writeln!(items, "item,category,unit_price")?;
    for index in 0..N_ITEMS {
        let (name, cents) = catalog::item(index);
        let category = CATEGORIES[index / PER_CATEGORY].name;
        writeln!(items, "{name},{category},{}", Money(i64::from(cents)))?;
    }
    Ok(N_ITEMS as u64)
}

/// The id of customer number `customer`.
fn customer_id(customer: u64) -> String {
    format!("r{:06}", customer + 1)
}

/// Cents as a decimal number.
struct Money(i64);

impl std::fmt::Display for Money {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{:02}", self.0 / 100, self.0 % 100)
    }
}

fn write_lines(events: &mut dyn Write, lines: &[Line], n_orders: &mut u64) -> io::Result<u64> {
    let mut last = None;
    for line in lines {
        let order = (line.minute, line.customer, line.order);
        if last != Some(order) {
            *n_orders += 1;
            last = Some(order);
        }
        let (item, cents) = catalog::item(line.item);
        let who = line.is_known.then(|| customer_id(line.customer));
        writeln!(
            events,
            "{}{:07},{},{item},{},{},{}",
            if line.quantity < 0 { 'R' } else { 'O' },
            *n_orders,
            who.unwrap_or_default(),
            line.quantity,
            Money(i64::from(cents)),
            rfc3339(line.minute),
        )?;
    }
    Ok(lines.len() as u64)
}

/// The instant `minute` minutes into 2025.
fn rfc3339(minute: u32) -> String {
    let (day, minute) = (minute / 1440, minute % 1440);
    let mut rest = day;
    let lengths = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 1;
    for length in lengths {
        if rest < length || month == 12 {
            break;
        }
        rest -= length;
        month += 1;
    }
    format!(
        "2025-{month:02}-{:02}T{:02}:{:02}:00Z",
        rest + 1,
        minute / 60,
        minute % 60
    )
}

fn write_planted(truth: &mut dyn Write) -> io::Result<()> {
    let groups: Vec<_> = CATEGORIES
        .iter()
        .map(|category| {
            let items: Vec<&str> = category.items.iter().map(|item| item.0).collect();
            json!({
                "name": category.name,
                "share": f64::from(category.percent) / 100.0,
                "items": items,
            })
        })
        .collect();
    let classes: Vec<_> = CLASSES
        .iter()
        .map(|class| {
            json!({
                "name": class.name,
                "share": class.share,
                "orders_per_year": class.orders_per_year,
                "stops": class.stops,
            })
        })
        .collect();
    let planted = json!({
        "first_day": "2025-01-01",
        "last_day": "2025-12-31",
        "days_since_1970_of_first_day": FIRST_DAY,
        "own_group_probability": shopper::OWN_GROUP,
        "groups": groups,
        "pairs": catalog::PAIRS,
        "pair_probability": shopper::PAIR,
        "classes": classes,
    });
    let text = planted.to_string();
    let open = text.strip_suffix('}').unwrap_or(&text);
    write!(truth, "{open},\n\"customers\": [")
}

fn write_shopper(
    truth: &mut dyn Write,
    shopper: &Shopper,
    next: &[usize],
    is_first: bool,
) -> io::Result<()> {
    let next: Vec<&str> = next.iter().map(|item| catalog::item(*item).0).collect();
    let entry = json!({
        "customer_id": customer_id(shopper.customer),
        "group": CATEGORIES[shopper.group].name,
        "class": shopper.class.name,
        "first_day": shopper.first_day,
        "stop_day": shopper.stop_day,
        "next_items": next,
    });
    write!(truth, "{}\n{entry}", if is_first { "" } else { "," })
}

#[cfg(test)]
mod tests;
