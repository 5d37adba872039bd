//! The columns of one made table. Rows are drawn once; every column tells of the same rows.

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::BooleanArray;
use arrow_array::Date32Array;
use arrow_array::Float64Array;
use arrow_array::Int64Array;
use arrow_array::StringArray;
use arrow_array::TimestampMicrosecondArray;
use lode_numeric::Rng;
use lode_types::ColumnType;
use lode_types::InputSpec;
use lode_types::Role;

/// 2026-01-01T00:00:00Z, in microseconds.
const START: i64 = 1_767_225_600_000_000;
/// One day, in microseconds.
const DAY: i64 = 86_400_000_000;
/// Days that events are spread over.
const DAYS: u64 = 180;
/// Share of the values of a feature that are missing.
const MISSING: f64 = 0.05;
/// Items that can be bought.
const ITEMS: u64 = 20;

const CHANNELS: [&str; 4] = ["email", "phone", "shop", "web"];
const EVENT_KINDS: [&str; 2] = ["view", "purchase"];
const TARIFFS: [&str; 3] = ["basic", "comfort", "premium"];
const REGIONS: [&str; 5] = ["north", "east", "south", "west", "abroad"];
const TEXTS: [&str; 4] = [
    "Delivery was late again, please call me back.",
    "Very happy with the new tariff.",
    "How do I cancel my contract?",
    "The invoice of last month is wrong.",
];

/// What one row says, before it is cut into columns.
struct Row {
    customer: u64,
    item: u64,
    order: u64,
    /// Microseconds since the Unix epoch.
    time: i64,
    delay: i64,
    quantity: i64,
    price: f64,
    visits: u64,
    spend: f64,
    tenure: f64,
    active: bool,
    tariff: usize,
    region: usize,
    channel: usize,
    text: usize,
    treated: bool,
    label: bool,
    target: u64,
    /// Which of the six features are missing.
    missing: [bool; 6],
}

/// The rows of a table.
pub(super) struct Made {
    rows: Vec<Row>,
}

impl Made {
    pub(super) fn new(input: &InputSpec, rows: usize, seed: u64) -> Self {
        // In a table of what happened customers come back, in one of customers they do not.
        let happenings = [Role::EventTime, Role::Item, Role::Order, Role::Quantity];
        let repeats = input
            .columns
            .iter()
            .any(|column| happenings.contains(&column.role));
        let n = rows as u64;
        let customers = if repeats { (n / 5).max(1) } else { n.max(1) };
        let mut made = Vec::with_capacity(rows);
        for number in 0..n {
            let mut rng = Rng::stream(seed, number);
            made.push(Row::new(number, customers, &mut rng));
        }
        // Both values of a label, whatever was drawn.
        if made.iter().all(|row| row.label) || !made.iter().any(|row| row.label) {
            for (number, row) in made.iter_mut().enumerate() {
                row.label = number % 2 == 0;
            }
        }
        Self { rows: made }
    }

    /// A column of a role, of a type that can carry it.
    pub(super) fn role(&self, role: Role, kind: ColumnType) -> ArrayRef {
        match role {
            Role::CustomerId | Role::Source => self.id(kind, "c", |row| row.customer),
            Role::Target => self.id(kind, "c", |row| row.target),
            Role::Item => self.id(kind, "item-", |row| row.item),
            Role::Order => self.id(kind, "o", |row| row.order),
            Role::EventTime => self.time(kind, |row| row.time),
            Role::ArrivalTime => self.time(kind, |row| row.time + row.delay),
            Role::Quantity => self.number(kind, |row| row.quantity as f64),
            Role::UnitPrice => self.number(kind, |row| row.price),
            Role::Amount => self.number(kind, |row| row.price * row.quantity as f64),
            Role::Weight => self.number(kind, |row| 1.0 + (row.quantity as f64).abs()),
            Role::Duration => self.number(kind, |row| 1.0 + row.visits as f64),
            Role::Label => self.two(kind, ["no", "yes"], |row| row.label),
            Role::Treatment => self.two(kind, ["control", "offer"], |row| row.treated),
            Role::Text => self.word(|row| TEXTS[row.text]),
            Role::Channel => self.word(|row| CHANNELS[row.channel]),
            Role::EventKind => self.word(|row| EVENT_KINDS[usize::from(row.active)]),
            Role::Rating => self.number(kind, |row| 1.0 + (row.visits % 5) as f64),
        }
    }

    pub(super) fn spend(&self) -> ArrayRef {
        let spend = self.rows.iter();
        let spend = spend.map(|row| (!row.missing[1]).then_some(row.spend));
        Arc::new(spend.collect::<Float64Array>())
    }

    /// Features that are numbers or flags.
    pub(super) fn numbers(&self) -> Vec<(&'static str, ArrayRef)> {
        let rows = || self.rows.iter();
        let visits = rows().map(|row| (!row.missing[0]).then_some(row.visits.cast_signed()));
        let tenure = rows().map(|row| (!row.missing[2]).then_some(row.tenure));
        let active = rows().map(|row| (!row.missing[3]).then_some(row.active));
        vec![
            ("visits", Arc::new(visits.collect::<Int64Array>())),
            ("spend", self.spend()),
            ("tenure", Arc::new(tenure.collect::<Float64Array>())),
            ("active", Arc::new(active.collect::<BooleanArray>())),
        ]
    }

    /// Features that are words.
    pub(super) fn categories(&self) -> Vec<(&'static str, ArrayRef)> {
        let rows = || self.rows.iter();
        let tariff = rows().map(|row| (!row.missing[4]).then_some(TARIFFS[row.tariff]));
        let region = rows().map(|row| (!row.missing[5]).then_some(REGIONS[row.region]));
        vec![
            ("tariff", Arc::new(tariff.collect::<StringArray>())),
            ("region", Arc::new(region.collect::<StringArray>())),
        ]
    }

    fn id(&self, kind: ColumnType, prefix: &str, of: impl Fn(&Row) -> u64) -> ArrayRef {
        let ids = self.rows.iter().map(of);
        match kind {
            ColumnType::Int64 => Arc::new(Int64Array::from_iter_values(ids.map(u64::cast_signed))),
            _ => Arc::new(StringArray::from_iter_values(
                ids.map(|id| format!("{prefix}{id}")),
            )),
        }
    }

    fn time(&self, kind: ColumnType, of: impl Fn(&Row) -> i64) -> ArrayRef {
        let times = self.rows.iter().map(of);
        match kind {
            ColumnType::Date => {
                let days = times.map(|time| i32::try_from(time.div_euclid(DAY)).unwrap_or(0));
                Arc::new(Date32Array::from_iter_values(days))
            }
            _ => {
                let times = TimestampMicrosecondArray::from_iter_values(times);
                Arc::new(times.with_timezone("UTC"))
            }
        }
    }

    fn number(&self, kind: ColumnType, of: impl Fn(&Row) -> f64) -> ArrayRef {
        let numbers = self.rows.iter().map(of);
        match kind {
            ColumnType::Int64 => Arc::new(Int64Array::from_iter_values(numbers.map(whole))),
            _ => Arc::new(Float64Array::from_iter_values(numbers)),
        }
    }

    fn two(&self, kind: ColumnType, words: [&str; 2], of: impl Fn(&Row) -> bool) -> ArrayRef {
        let sides = self.rows.iter().map(of);
        match kind {
            ColumnType::Bool => Arc::new(sides.map(Some).collect::<BooleanArray>()),
            ColumnType::Int64 => Arc::new(Int64Array::from_iter_values(sides.map(i64::from))),
            ColumnType::Float64 => Arc::new(Float64Array::from_iter_values(
                sides.map(|side| f64::from(u8::from(side))),
            )),
            _ => Arc::new(StringArray::from_iter_values(
                sides.map(|side| words[usize::from(side)]),
            )),
        }
    }

    fn word(&self, of: impl Fn(&Row) -> &'static str) -> ArrayRef {
        Arc::new(StringArray::from_iter_values(self.rows.iter().map(of)))
    }
}

impl Row {
    fn new(number: u64, customers: u64, rng: &mut Rng) -> Self {
        let customer = number % customers;
        let day = rng.below(DAYS).cast_signed();
        // A customer's taste is one of four groups of items.
        let taste = customer % 4;
        let item = if rng.chance(0.8) {
            taste * (ITEMS / 4) + rng.below(ITEMS / 4)
        } else {
            rng.below(ITEMS)
        };
        let tenure = (1 + rng.below(72)) as f64;
        let returned = rng.chance(0.03);
        let pieces = 1 + rng.below(4).cast_signed();
        let leaves = if tenure < 24.0 { 0.7 } else { 0.2 };
        Self {
            customer,
            item,
            order: number / 2,
            time: START + day * DAY + rng.below(86_400).cast_signed() * 1_000_000,
            delay: rng.below(3).cast_signed() * DAY,
            quantity: if returned { -pieces } else { pieces },
            price: cents(rng.gamma(2.0) * 10.0 + 0.5),
            visits: rng.poisson(6.0),
            spend: cents(rng.gamma(1.5) * 40.0),
            tenure,
            active: rng.chance(0.7),
            tariff: rng.index(TARIFFS.len()),
            region: rng.index(REGIONS.len()),
            channel: rng.index(CHANNELS.len()),
            text: rng.index(TEXTS.len()),
            treated: rng.chance(0.5),
            label: rng.chance(leaves),
            target: (customer + 1 + rng.below(customers.max(2) - 1)) % customers.max(2),
            missing: [(); 6].map(|()| rng.chance(MISSING)),
        }
    }
}

fn cents(amount: f64) -> f64 {
    (amount * 100.0).round() / 100.0
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "amounts of made rows are some hundred"
)]
fn whole(number: f64) -> i64 {
    number.round() as i64
}
