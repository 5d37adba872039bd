//! The operator: customers, what drives them away, and who left.
//!
//! Invariant: whether a customer left is drawn from the stated probability and nothing else;
//! values that are missing from the table still had their effect.

use std::io;
use std::io::Write;

use lode_numeric::Rng;
use lode_numeric::glm::sigmoid;
use serde_json::json;

use crate::SampleOptions;

/// Sets the operator's streams apart from the retailer's.
const SALT: u64 = 0x7e1e_c0de_0000_0001;

/// Margin of a customer for whom every cause is 0.
const INTERCEPT: f64 = -1.9;

/// Causes that are a number times a coefficient.
const PER_UNIT: [(&str, f64); 5] = [
    ("hotline_calls", 0.8),
    ("late_payments", 0.9),
    ("contract_months_left", -0.11),
    ("tenure_months", -0.035),
    ("monthly_charge", 0.03),
];

/// Payment methods: share of customers and effect.
const PAYMENTS: [(&str, f64, f64); 4] = [
    ("direct_debit", 0.45, -0.3),
    ("card", 0.25, 0.0),
    ("invoice", 0.2, 0.5),
    ("cash", 0.1, 0.3),
];

/// Tariffs: share of customers, effect, monthly charge before extras.
const TARIFFS: [(&str, f64, f64, f64); 4] = [
    ("basic", 0.35, 0.2, 15.0),
    ("comfort", 0.3, 0.0, 25.0),
    ("family", 0.2, -0.6, 35.0),
    ("premium", 0.15, -0.2, 50.0),
];

/// Share of values missing from each of three columns.
const MISSING: f64 = 0.03;

/// Writes the rows of `telecom_customers.csv` and the truth about them.
pub(crate) fn write_customers(
    options: &SampleOptions,
    customers: &mut dyn Write,
    truth: &mut dyn Write,
) -> io::Result<()> {
    writeln!(
        customers,
        "customer_id,tariff,contract_months_left,tenure_months,calls_per_month,hotline_calls,\
         payment_method,late_payments,monthly_charge,age,churn"
    )?;
    write_planted(truth)?;
    for number in 0..options.customers {
        let mut rng = Rng::stream(options.seed ^ SALT, number);
        let subscriber = Subscriber::new(number, &mut rng);
        subscriber.write_row(customers)?;
        let separator = if number == 0 { "" } else { "," };
        write!(truth, "{separator}\n{}", subscriber.truth())?;
    }
    truth.write_all(b"\n]}")
}

/// One customer.
struct Subscriber {
    number: u64,
    tariff: usize,
    payment: usize,
    /// In the order of [`PER_UNIT`].
    causes: [f64; 5],
    calls: u64,
    age: u64,
    /// Whether calls, payment method and charge are missing from the table.
    missing: [bool; 3],
    margin: f64,
    left: bool,
}

impl Subscriber {
    fn new(number: u64, rng: &mut Rng) -> Self {
        let tariff = rng.weighted(&TARIFFS.map(|t| t.1)).unwrap_or(0);
        let payment = rng.weighted(&PAYMENTS.map(|p| p.1)).unwrap_or(0);
        let tenure = (1 + rng.below(72)) as f64;
        // Half are free to go each month, half are bound for up to two years.
        let months_left = if rng.chance(0.5) {
            0.0
        } else {
            (1 + rng.below(24)) as f64
        };
        let extras = (rng.gamma(2.0) * 400.0).round() / 100.0;
        let causes = [
            rng.poisson(0.8) as f64,
            rng.poisson(0.4) as f64,
            months_left,
            tenure,
            TARIFFS[tariff].3 + extras,
        ];
        let weighted = causes
            .iter()
            .zip(PER_UNIT)
            .map(|(value, cause)| cause.1 * value);
        let margin = INTERCEPT + weighted.sum::<f64>() + PAYMENTS[payment].2 + TARIFFS[tariff].2;
        let mean_calls = 60.0 * rng.gamma(2.0) / 2.0;
        Self {
            number,
            tariff,
            payment,
            causes,
            calls: rng.poisson(mean_calls),
            age: 18 + rng.below(63),
            missing: [(); 3].map(|()| rng.chance(MISSING)),
            margin,
            left: rng.chance(sigmoid(margin)),
        }
    }

    fn id(&self) -> String {
        format!("t{:06}", self.number + 1)
    }

    fn write_row(&self, customers: &mut dyn Write) -> io::Result<()> {
        let [hotline, late, months_left, tenure, charge] = self.causes;
        let [no_calls, no_payment, no_charge] = self.missing;
        let known = |missing: bool, text: String| if missing { String::new() } else { text };
        writeln!(
            customers,
            "{},{},{months_left},{tenure},{},{hotline},{},{late},{},{},{}",
            self.id(),
            TARIFFS[self.tariff].0,
            known(no_calls, self.calls.to_string()),
            known(no_payment, PAYMENTS[self.payment].0.to_owned()),
            known(no_charge, format!("{charge:.2}")),
            self.age,
            if self.left { "yes" } else { "no" },
        )
    }

    /// The cause that raises the margin most above its mean over all customers.
    fn main_cause(&self) -> &'static str {
        let means = cause_means();
        let mut best = ("payment_method", PAYMENTS[self.payment].2 - means.payment);
        let tariff = ("tariff", TARIFFS[self.tariff].2 - means.tariff);
        let per_unit = self
            .causes
            .iter()
            .zip(PER_UNIT)
            .zip(means.per_unit)
            .map(|((value, (name, coefficient)), mean)| (name, coefficient * (value - mean)));
        for cause in std::iter::once(tariff).chain(per_unit) {
            if cause.1 > best.1 {
                best = cause;
            }
        }
        best.0
    }

    fn truth(&self) -> serde_json::Value {
        json!({
            "customer_id": self.id(),
            "probability": sigmoid(self.margin),
            "margin": self.margin,
            "churned": self.left,
            "main_cause": self.main_cause(),
        })
    }
}

/// Means of the causes over all customers that could be, by the distributions above.
struct CauseMeans {
    per_unit: [f64; 5],
    payment: f64,
    tariff: f64,
}

fn cause_means() -> CauseMeans {
    let charge: f64 = TARIFFS.iter().map(|t| t.1 * t.3).sum();
    CauseMeans {
        per_unit: [0.8, 0.4, 0.5 * 12.5, 36.5, charge + 8.0],
        payment: PAYMENTS.iter().map(|p| p.1 * p.2).sum(),
        tariff: TARIFFS.iter().map(|t| t.1 * t.2).sum(),
    }
}

fn write_planted(truth: &mut dyn Write) -> io::Result<()> {
    let means = cause_means();
    let per_unit: serde_json::Map<_, _> = PER_UNIT
        .iter()
        .zip(means.per_unit)
        .map(|((name, coefficient), mean)| {
            let entry = json!({"coefficient": coefficient, "mean": mean});
            ((*name).to_owned(), entry)
        })
        .collect();
    let payments: serde_json::Map<_, _> = PAYMENTS
        .iter()
        .map(|(name, _, effect)| ((*name).to_owned(), json!(effect)))
        .collect();
    let tariffs: serde_json::Map<_, _> = TARIFFS
        .iter()
        .map(|(name, _, effect, _)| ((*name).to_owned(), json!(effect)))
        .collect();
    let planted = json!({
        "formula": "churn = yes with probability 1 / (1 + exp(-margin)); margin = intercept \
                    + sum(coefficient * value) + effect(payment_method) + effect(tariff)",
        "intercept": INTERCEPT,
        "per_unit": per_unit,
        "payment_method": payments,
        "tariff": tariffs,
        "without_effect": ["calls_per_month", "age"],
        "missing_share": {
            "calls_per_month": MISSING, "payment_method": MISSING, "monthly_charge": MISSING,
        },
    });
    let text = planted.to_string();
    let open = text.strip_suffix('}').unwrap_or(&text);
    write!(truth, "{open},\n\"customers\": [")
}

#[cfg(test)]
mod tests;
