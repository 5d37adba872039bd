//! What drives customers away: the list of causes, and the plan of a seed.
//!
//! Does not draw who leaves. Invariant: a cause is a function of the table's columns; what is
//! not in the plan has no effect at all.

use lode_numeric::Rng;

use super::line;
use super::person::PAYMENTS;
use super::record::Record;

/// Sets the plan's streams apart from the customers'.
const SALT: u64 = 0x7e1e_c0de_0000_0002;

/// Customers by whose means the plan is scaled.
const PANEL: u64 = 1_000;

/// Share of customers that leave within the horizon, about.
const RATE: f64 = 0.2;

/// Standard deviations of the planted causes' effects, where no cause's bound is lower.
const STRENGTHS: [f64; 5] = [1.3, 1.1, 0.9, 0.75, 0.6];

/// Causes in all.
pub(super) const N_CAUSES: usize = CAUSES.len();

/// Something that may drive customers away.
#[derive(Debug)]
pub(super) struct Cause {
    pub(super) name: &'static str,
    pub(super) words: &'static str,
    /// Whether it comes and goes within months.
    pub(super) is_timed: bool,
    /// Columns of `telecom_customers.csv` that show it.
    pub(super) columns: &'static [&'static str],
    /// Features of `telecom_features.json` that show it.
    pub(super) features: &'static [&'static str],
    /// Its value in words, by columns.
    pub(super) formula: &'static str,
    /// Most that it may add to the margin of a customer.
    most: f64,
    value: fn(&Record) -> f64,
}

/// All causes; a seed plants [`STRENGTHS`] of them, three that are timed and two that are not.
pub(super) const CAUSES: [Cause; 12] = [
    Cause {
        name: "hotline_rising",
        words: "calls to the hot line rose in the last two months",
        is_timed: true,
        columns: &["hotline_calls"],
        features: &["hotline_calls_2m", "days_since_hotline_call"],
        formula: "min(hotline_calls, 5)",
        most: 4.0,
        value: |record| record.hotline_calls.min(5) as f64,
    },
    Cause {
        name: "contract_ending",
        words: "the contract ends within 60 days",
        is_timed: true,
        columns: &["contract_status", "contract_months_left"],
        features: &["contract_status", "contract_months_left"],
        formula: "1 if contract_status = ending, else 0",
        most: 3.0,
        value: |record| f64::from(u8::from(record.contract_status() == "ending")),
    },
    Cause {
        name: "data_falling",
        words: "data use fell in the last two months",
        is_timed: true,
        columns: &["data_change_percent"],
        features: &["data_2m_by_6m", "data_mb_trend", "data_mb_2m"],
        formula: "max(0, -data_change_percent) / 100, 0 if it is not known",
        most: 4.0,
        value: |record| (-record.data_change.unwrap_or(0)).max(0) as f64 / 100.0,
    },
    Cause {
        name: "complaints",
        words: "complaints in the last three months",
        is_timed: true,
        columns: &["complaints"],
        features: &["complaints_3m"],
        formula: "min(complaints, 4)",
        most: 4.0,
        value: |record| record.complaints.min(4) as f64,
    },
    Cause {
        name: "calls_forwarded",
        words: "calls are forwarded to another number since two months",
        is_timed: true,
        columns: &["forwarded_calls"],
        features: &["forwarded_calls_2m"],
        formula: "min(forwarded_calls, 20) / 10",
        most: 3.5,
        value: |record| record.forwarded_calls.min(20) as f64 / 10.0,
    },
    Cause {
        name: "price_increase",
        words: "the price rose in the last three months",
        is_timed: true,
        columns: &["price_increase_percent"],
        features: &["price_increase_percent_3m"],
        formula: "price_increase_percent / 10",
        most: 3.5,
        value: |record| record.price_increase as f64 / 10.0,
    },
    Cause {
        name: "late_payments",
        words: "payments were late in the last six months",
        is_timed: true,
        columns: &["late_payments", "status"],
        features: &["late_payments_6m"],
        formula: "min(late_payments, 5)",
        most: 4.0,
        value: |record| record.late_payments.min(5) as f64,
    },
    Cause {
        name: "payment_method",
        words: "pays by hand instead of by direct debit",
        is_timed: false,
        columns: &["payment_method"],
        features: &["payment_method"],
        formula: "invoice 1, cash 0.7, card 0.3, direct_debit 0",
        most: 2.5,
        value: |record| PAYMENTS[record.person.payment].2,
    },
    Cause {
        name: "short_tenure",
        words: "a customer for less than two years",
        is_timed: false,
        columns: &["tenure_months"],
        features: &["tenure_months"],
        formula: "max(0, 24 - tenure_months) / 24",
        most: 2.0,
        value: |record| (24 - record.tenure()).max(0) as f64 / 24.0,
    },
    Cause {
        name: "slow_broadband",
        words: "broadband is slow",
        is_timed: false,
        columns: &["broadband", "broadband_mbps"],
        features: &["broadband"],
        formula: "1 if broadband = dsl, else 0",
        most: 2.5,
        value: |record| f64::from(u8::from(matches!(record.person.broadband, Some((0, _))))),
    },
    Cause {
        name: "off_net_friends",
        words: "most calls go to other networks",
        is_timed: false,
        columns: &["off_net_percent", "off_net_calls", "on_net_calls"],
        features: &["off_net_by_out", "off_net_calls_6m"],
        formula: "off_net_percent / 100",
        most: 4.0,
        value: |record| record.off_net_percent as f64 / 100.0,
    },
    Cause {
        name: "old_device",
        words: "the device is old",
        is_timed: false,
        columns: &["device_age_months"],
        features: &["device_age_months"],
        formula: "min(max(0, device_age_months - 12), 36) / 24",
        most: 3.0,
        value: |record| (record.device_age() - 12).clamp(0, 36) as f64 / 24.0,
    },
];

/// The values of all causes for a customer.
pub(super) fn values(record: &Record) -> [f64; N_CAUSES] {
    CAUSES.each_ref().map(|cause| (cause.value)(record))
}

/// A cause with its effect.
#[derive(Clone, Copy, Debug)]
pub(super) struct Planted {
    /// Its place in [`CAUSES`].
    pub(super) cause: usize,
    pub(super) coefficient: f64,
    /// Mean of its value over the panel.
    pub(super) mean: f64,
}

impl Planted {
    /// What the cause adds to a customer's margin beside what it adds on average.
    pub(super) fn contribution(&self, values: &[f64; N_CAUSES]) -> f64 {
        self.coefficient * (values[self.cause] - self.mean)
    }
}

/// What is planted, strongest first.
#[derive(Clone, Debug, Default)]
pub(super) struct Plan {
    /// Margin of a customer for whom every cause is 0.
    pub(super) intercept: f64,
    pub(super) planted: Vec<Planted>,
}

impl Plan {
    /// The plan of a seed.
    pub(super) fn draw(seed: u64) -> Self {
        let seed = seed ^ SALT;
        let chosen = choose(&mut Rng::stream(seed, u64::MAX));
        // First the effects, by a panel that is left without any cause; then, by panels that are
        // left as the plan says, the share that leaves and the means.
        let mut plan = Self::default();
        plan.intercept = plan.intercept_for(&[[0.0; N_CAUSES]]);
        let mut panel = panel(seed, &plan);
        let planted = chosen.iter().zip(STRENGTHS).map(|(&cause, strength)| {
            let values = panel.iter().map(|values| values[cause]);
            let highest = values.clone().fold(0.0, f64::max);
            let coefficient = (strength / moments(values).1).min(CAUSES[cause].most / highest);
            Planted {
                cause,
                coefficient: rounded(coefficient),
                mean: 0.0,
            }
        });
        plan.planted = planted.collect();
        for _ in 0..2 {
            plan.intercept = plan.intercept_for(&panel);
            panel = self::panel(seed, &plan);
        }
        plan.intercept = plan.intercept_for(&panel);
        for planted in &mut plan.planted {
            let values = panel.iter().map(|values| values[planted.cause]);
            planted.mean = rounded(moments(values).0);
        }
        plan
    }

    /// The margin of a customer who is at the mean of every cause.
    pub(super) fn base(&self) -> f64 {
        let means = self.planted.iter().map(|p| p.coefficient * p.mean);
        self.intercept + means.sum::<f64>()
    }

    /// A customer's margin: base and contributions.
    pub(super) fn margin(&self, values: &[f64; N_CAUSES]) -> f64 {
        let parts = self.planted.iter().map(|p| p.contribution(values));
        self.base() + parts.sum::<f64>()
    }

    /// The intercept with which the wanted share of a panel leaves.
    fn intercept_for(&self, panel: &[[f64; N_CAUSES]]) -> f64 {
        let effect = |values: &[f64; N_CAUSES]| {
            let parts = self.planted.iter();
            parts.map(|p| p.coefficient * values[p.cause]).sum::<f64>()
        };
        let effects: Vec<f64> = panel.iter().map(effect).collect();
        let (mut low, mut high) = (-30.0, 30.0);
        for _ in 0..60 {
            let middle = (low + high) / 2.0;
            let leaving = effects.iter().map(|effect| sigmoid(middle + effect));
            if leaving.sum::<f64>() / effects.len() as f64 > RATE {
                high = middle;
            } else {
                low = middle;
            }
        }
        rounded((low + high) / 2.0)
    }
}

/// Three causes that are timed and two that are not, strongest first.
fn choose(rng: &mut Rng) -> Vec<usize> {
    let mut chosen = Vec::new();
    for (is_timed, n) in [(true, 3), (false, 2)] {
        let of_kind = |cause: &usize| CAUSES[*cause].is_timed == is_timed;
        let mut kind: Vec<usize> = (0..N_CAUSES).filter(of_kind).collect();
        rng.shuffle(&mut kind);
        chosen.extend(kind.into_iter().take(n));
    }
    rng.shuffle(&mut chosen);
    chosen
}

/// Causes of some customers that are none of the sample's.
fn panel(seed: u64, plan: &Plan) -> Vec<[f64; N_CAUSES]> {
    (0..PANEL)
        .map(|number| {
            let mut rng = Rng::stream(seed, number);
            let line = line::live(plan, &mut rng);
            values(&line.record)
        })
        .collect()
}

fn moments(values: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    let n = values.clone().count() as f64;
    let mean = values.clone().sum::<f64>() / n;
    let squares = values.map(|value| (value - mean) * (value - mean));
    (mean, (squares.sum::<f64>() / n).sqrt())
}

/// To three decimals, so that what is stated is what is used.
fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

/// The probability of a margin.
pub(super) fn sigmoid(margin: f64) -> f64 {
    1.0 / (1.0 + (-margin).exp())
}

#[cfg(test)]
mod tests;
