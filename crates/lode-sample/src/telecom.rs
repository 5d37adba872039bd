//! The operator: customers, what they did month by month, what drives them away, who left.
//!
//! Invariant: whether a customer leaves is drawn from the stated probability and nothing else;
//! values that are missing from the table still had their effect.

mod calendar;
mod cause;
mod event;
mod line;
mod month;
mod person;
mod record;

use std::io;
use std::io::Write;

use lode_numeric::Rng;
use serde_json::Value;
use serde_json::json;

use crate::SampleOptions;
use cause::CAUSES;
use cause::Plan;
use event::Event;
use line::Line;
use record::MISSING;

/// A view over the events with what shows each of the causes; `lode feature create` takes it.
pub(crate) const FEATURES: &str = include_str!("telecom/features.json");

/// Sets the operator's streams apart from the retailer's.
const SALT: u64 = 0x7e1e_c0de_0000_0001;

/// Customers whose events are sorted together.
const BLOCK: u64 = 10_000;

/// Writes the rows of `telecom_customers.csv` and `telecom_events.csv` and the truth about them;
/// the number of events.
pub(crate) fn write_customers(
    options: &SampleOptions,
    customers: &mut dyn Write,
    events: &mut dyn Write,
    truth: &mut dyn Write,
) -> io::Result<u64> {
    let plan = Plan::draw(options.seed);
    writeln!(customers, "{},churn", record::HEADER)?;
    writeln!(events, "{}", event::HEADER)?;
    write_planted(&plan, truth)?;
    let mut n_events = 0;
    let mut first = 0;
    while first < options.customers {
        let end = (first + BLOCK).min(options.customers);
        let mut block: Vec<(u64, Event)> = Vec::new();
        let mut present = Vec::new();
        for number in first..end {
            let mut rng = Rng::stream(options.seed ^ SALT, number);
            let line = line::live(&plan, &mut rng);
            let id = id(number);
            line.record.write(&id, customers)?;
            writeln!(customers, ",{}", if line.has_left { "yes" } else { "no" })?;
            let separator = if number == 0 { "" } else { "," };
            write!(truth, "{separator}\n{}", planted_for(&plan, &id, &line))?;
            present.push(line.occupant);
            block.extend(line.events.into_iter().map(|event| (number, event)));
        }
        // Stable, so that what a customer does in one minute stays in order.
        block.sort_by_key(|(number, event)| (event.minute, *number));
        for (number, event) in &block {
            let named = present[(number - first) as usize] == event.occupant;
            let id = match named {
                true => id(*number),
                false => format!("{}-{}", id(*number), event.occupant + 1),
            };
            event.write(&id, events)?;
        }
        n_events += block.len() as u64;
        first = end;
    }
    truth.write_all(b"\n]}")?;
    Ok(n_events)
}

/// The id of whoever has line `number` when the table is drawn; others of the line have one
/// with their own number behind.
fn id(number: u64) -> String {
    format!("t{:06}", number + 1)
}

/// What was planted for the customer that the table has.
fn planted_for(plan: &Plan, id: &str, line: &Line) -> Value {
    let values = cause::values(&line.record);
    let margin = plan.margin(&values);
    let mut causes: Vec<(&str, f64)> = plan
        .planted
        .iter()
        .map(|planted| (CAUSES[planted.cause].name, planted.contribution(&values)))
        .collect();
    causes.sort_by(|a, b| b.1.total_cmp(&a.1));
    let named =
        |(name, contribution): &(&str, f64)| json!({"cause": name, "contribution": contribution});
    json!({
        "customer_id": id,
        "probability": cause::sigmoid(margin),
        "margin": margin,
        "churned": line.has_left,
        "main_cause": causes.first().map(|cause| cause.0),
        "causes": causes.iter().map(named).collect::<Vec<_>>(),
    })
}

fn write_planted(plan: &Plan, truth: &mut dyn Write) -> io::Result<()> {
    let causes: serde_json::Map<_, _> = plan
        .planted
        .iter()
        .map(|planted| {
            let cause = &CAUSES[planted.cause];
            let entry = json!({
                "words": cause.words,
                "comes_and_goes": cause.is_timed,
                "value": cause.formula,
                "coefficient": planted.coefficient,
                "mean": planted.mean,
                "columns": cause.columns,
                "features": cause.features,
            });
            (cause.name.to_owned(), entry)
        })
        .collect();
    let others: Vec<&str> = CAUSES
        .iter()
        .map(|cause| cause.name)
        .filter(|name| !causes.contains_key(*name))
        .collect();
    let planted = json!({
        "formula": "a customer leaves within the horizon with probability 1 / (1 + exp(-margin)); \
                    margin = intercept + sum(coefficient * value) = base + sum(contribution), \
                    contribution = coefficient * (value - mean)",
        "as_of": calendar::AS_OF,
        "horizon_days": calendar::HORIZON_DAYS,
        "decided_at": calendar::DECISIONS.map(|month| {
            let start = calendar::start(month + 1);
            calendar::time(start)
        }),
        "intercept": plan.intercept,
        "base": plan.base(),
        "causes": causes,
        "without_effect": others,
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
