//! Who a customer of the operator is: what they have, pay, and are used to.
//!
//! Does not live through months; `month` does. Invariant: a contract that runs ends after it
//! began.

use lode_numeric::Rng;

use super::calendar;

/// Tariffs: name, share of consumers, monthly charge in cents before anything else.
pub(super) const TARIFFS: [(&str, f64, i64); 4] = [
    ("basic", 0.35, 1500),
    ("comfort", 0.3, 2500),
    ("family", 0.2, 3500),
    ("premium", 0.15, 5000),
];

/// Payment methods: name, share of customers, weight as a cause.
pub(super) const PAYMENTS: [(&str, f64, f64); 4] = [
    ("direct_debit", 0.45, 0.0),
    ("card", 0.25, 0.3),
    ("invoice", 0.2, 1.0),
    ("cash", 0.1, 0.7),
];

/// Kinds of broadband: name, share of those who have it, slowest and fastest line, charge in
/// cents.
pub(super) const BROADBAND: [(&str, f64, u64, u64, i64); 3] = [
    ("dsl", 0.3, 6, 25, 1500),
    ("cable", 0.4, 50, 500, 2500),
    ("fiber", 0.3, 150, 1000, 3000),
];

/// Device models; the later half can use 5G.
pub(super) const DEVICES: [&str; 10] = [
    "alba-1",
    "corvo-s",
    "dune-2",
    "ember-3",
    "fjord-4",
    "alba-5g",
    "corvo-x",
    "dune-5",
    "halo-mini",
    "halo-max",
];

/// One customer.
#[derive(Clone, Debug)]
pub(super) struct Person {
    pub(super) is_business: bool,
    /// None for a business.
    pub(super) sex: Option<&'static str>,
    pub(super) age: u64,
    /// Month and day of the first contract.
    pub(super) open: (i64, i64),
    /// Month and day at which the present contract began.
    pub(super) contract_start: (i64, i64),
    /// The month at whose end a running contract ends.
    pub(super) contract_end: Option<i64>,
    pub(super) tariff: usize,
    pub(super) payment: usize,
    /// Kind and speed in Mbit/s.
    pub(super) broadband: Option<(usize, u64)>,
    pub(super) has_tv: bool,
    pub(super) add_ons: u64,
    /// What price increases have added to the monthly charge, in cents.
    pub(super) surcharge: i64,
    pub(super) device: usize,
    /// The month in which the device was bought.
    pub(super) device_month: i64,
    pub(super) habits: Habits,
}

/// What a customer is used to, by month.
#[derive(Clone, Debug)]
pub(super) struct Habits {
    /// Calls a month, in and out.
    pub(super) calls: f64,
    /// Part of the calls that come in.
    pub(super) incoming: f64,
    /// Parts of the calls in the evening and at the weekend.
    pub(super) evening: f64,
    pub(super) weekend: f64,
    /// Parts of the outgoing calls.
    pub(super) off_net: f64,
    pub(super) long_distance: f64,
    pub(super) international: f64,
    /// Part of the calls between 18 and 20 o'clock or, of a business, 10 and 12.
    pub(super) busy_hour: f64,
    pub(super) minutes_per_call: f64,
    pub(super) data_mb: f64,
    pub(super) wifi: f64,
    pub(super) cells: f64,
    /// Chance to pay late in a month.
    pub(super) late: f64,
    pub(super) top_ups: f64,
}

impl Person {
    /// Someone who joins at the minute, or was there before the first month.
    pub(super) fn new(joins: Option<i64>, rng: &mut Rng) -> Self {
        let is_business = rng.chance(0.15);
        let sex = if rng.chance(0.5) { "female" } else { "male" };
        let open = match joins {
            Some(minute) => {
                let month = calendar::month_at(minute);
                (month, (minute - calendar::start(month)) / calendar::DAY + 1)
            }
            None => {
                let months = 1 + (rng.gamma(1.3) * 26.0).min(190.0) as i64;
                (-months, 1 + rng.below(28) as i64)
            }
        };
        let tariff = match is_business {
            true => rng.weighted(&[0.1, 0.3, 0.1, 0.5]).unwrap_or(0),
            false => rng.weighted(&TARIFFS.map(|t| t.1)).unwrap_or(0),
        };
        let has_broadband = rng.chance(0.6);
        let broadband = has_broadband.then(|| {
            let kind = rng.weighted(&BROADBAND.map(|b| b.1)).unwrap_or(0);
            let (_, _, low, high, _) = BROADBAND[kind];
            (kind, low + rng.below(high - low + 1))
        });
        let mut person = Self {
            is_business,
            sex: (!is_business).then_some(sex),
            age: 18 + rng.below(63),
            open,
            contract_start: open,
            contract_end: None,
            tariff,
            payment: rng.weighted(&PAYMENTS.map(|p| p.1)).unwrap_or(0),
            broadband,
            has_tv: has_broadband && rng.chance(0.4),
            add_ons: rng.poisson(1.0).min(6),
            surcharge: 0,
            device: rng.index(DEVICES.len()),
            device_month: open.0.max(0) - rng.below(40) as i64,
            habits: Habits::new(is_business, rng),
        };
        person.first_contract(joins.is_some(), rng);
        person
    }

    fn first_contract(&mut self, is_new: bool, rng: &mut Rng) {
        let length = contract_length(rng);
        if !rng.chance(if is_new { 0.9 } else { 0.8 }) {
            return;
        }
        if is_new {
            self.contract_end = Some(self.open.0 + length);
            return;
        }
        let begun = (-(rng.below(length as u64) as i64)).max(self.open.0);
        if begun > self.open.0 {
            self.contract_start = (begun, 1);
        }
        self.contract_end = Some(begun + length);
    }

    /// Binds the customer from the month after this one on.
    pub(super) fn renew(&mut self, month: i64, rng: &mut Rng) -> i64 {
        let length = contract_length(rng);
        self.contract_start = (month + 1, 1);
        self.contract_end = Some(month + length);
        length
    }

    /// Months of contract left at the end of a month; 0 for those who may go at any time.
    pub(super) fn months_left(&self, month: i64) -> i64 {
        self.contract_end.map_or(0, |end| (end - month).max(0))
    }

    /// How the customer is bound at the end of a month.
    pub(super) fn contract_status(&self, month: i64) -> &'static str {
        match self.months_left(month) {
            0 => "open",
            1 | 2 => "ending",
            _ => "bound",
        }
    }

    /// What is charged for a month before top-ups, in cents.
    pub(super) fn charge(&self) -> i64 {
        let broadband = self.broadband.map_or(0, |(kind, _)| BROADBAND[kind].4);
        let tv = if self.has_tv { 900 } else { 0 };
        let add_ons = 300 * self.add_ons as i64;
        TARIFFS[self.tariff].2 + broadband + tv + add_ons + self.surcharge
    }

    /// What the customer has of the operator.
    pub(super) fn products(&self) -> &'static str {
        match (self.broadband, self.has_tv) {
            (None, _) => "mobile",
            (Some(_), false) => "mobile+broadband",
            (Some(_), true) => "mobile+broadband+tv",
        }
    }

    /// Whether the device can use 5G.
    pub(super) fn has_5g(&self) -> bool {
        self.device >= DEVICES.len() / 2
    }
}

impl Habits {
    fn new(is_business: bool, rng: &mut Rng) -> Self {
        let share = |rng: &mut Rng, low: f64, high: f64| low + (high - low) * rng.uniform();
        Self {
            calls: 10.0 + rng.gamma(2.0) * if is_business { 40.0 } else { 22.0 },
            incoming: share(rng, 0.3, 0.65),
            evening: share(rng, 0.1, if is_business { 0.25 } else { 0.5 }),
            weekend: share(rng, 0.05, if is_business { 0.15 } else { 0.35 }),
            off_net: share(rng, 0.1, 0.9),
            long_distance: share(rng, 0.0, 0.4),
            international: if rng.chance(0.2) {
                share(rng, 0.02, 0.25)
            } else {
                0.0
            },
            busy_hour: share(rng, 0.05, 0.3),
            minutes_per_call: 0.7 + rng.gamma(2.0) * 1.1,
            data_mb: 800.0 + rng.gamma(1.6) * 5000.0,
            wifi: share(rng, 0.2, 0.8),
            cells: 2.0 + rng.gamma(2.0) * 6.0,
            late: if rng.chance(0.18) { 0.4 } else { 0.02 },
            top_ups: if rng.chance(0.25) { 0.6 } else { 0.05 },
        }
    }
}

fn contract_length(rng: &mut Rng) -> i64 {
    if rng.chance(0.85) { 12 } else { 24 }
}
