//! Who is about to leave and why: trains the churn model and reads its reasons.

use lode_sdk::Churn;
use lode_sdk::JobResult;
use lode_sdk::Lode;
use lode_sdk::Table;
use serde_json::Value as Json;

use crate::commands::demo::columns::arrays;
use crate::commands::demo::columns::numbers;
use crate::commands::demo::columns::percent;
use crate::commands::demo::columns::texts;
use crate::commands::demo::heading;
use crate::commands::demo::truth::Truth;
use crate::failure::Result;
use crate::output::cell_json;
use crate::output::number;

/// Customers shown and compared with the truth.
const N_SHOWN: usize = 5;
const N_CHECKED: usize = 100;

/// Runs `churn.logistic`; gives the part of the report and the riskiest customer.
pub(super) async fn run(lode: &Lode, truth: &Truth) -> Result<(String, String)> {
    let job = lode
        .run(Churn::logistic("telecom").seed(1).write_back())
        .await?;
    let risks = Risks::read(&job.output("scores").await?)?;
    let mut text = heading(
        "4. Who is about to leave the phone company?",
        "churn.logistic",
    );
    text.push_str(&quality(&job));
    for &row in risks.order.iter().take(N_SHOWN) {
        let reasons: Vec<String> = risks.reasons[row]
            .iter()
            .filter(|reason| reason.contribution > 0.0)
            .take(3)
            .map(Reason::words)
            .collect();
        text.push_str(&format!(
            "\n  {}  {:>5}   {}",
            risks.customers[row],
            percent(risks.scores[row], 1.0),
            reasons.join(", "),
        ));
    }
    text.push_str(&check(&risks, truth));
    let riskiest = risks.order.first().map(|&row| risks.customers[row].clone());
    Ok((text, riskiest.unwrap_or_default()))
}

/// What the engine measured on rows that the algorithm had not seen.
fn quality(job: &JobResult) -> String {
    let mut text = String::new();
    if let Some(auc) = job.metric("auc") {
        text.push_str(&format!(
            "\n  AUC {} on customers that the algorithm had not seen",
            number(auc)
        ));
    }
    if let Some(lift) = job.metric("lift_top_decile") {
        text.push_str(&format!(
            "; the riskiest tenth has {} times the usual leavers",
            number((lift * 10.0).round() / 10.0)
        ));
    }
    text
}

fn check(risks: &Risks, truth: &Truth) -> String {
    let subscribers = truth.subscribers();
    let (mut n_checked, mut n_met, mut n_left) = (0.0, 0.0, 0.0);
    for &row in risks.order.iter().take(N_CHECKED) {
        let Some(subscriber) = subscribers.get(risks.customers[row].as_str()) else {
            continue;
        };
        n_checked += 1.0;
        n_left += f64::from(u8::from(subscriber.churned));
        let mut first = risks.reasons[row].iter().take(2);
        n_met += f64::from(u8::from(
            first.any(|r| truth.is_main_cause(subscriber, &r.feature)),
        ));
    }
    format!(
        "\n  check: the planted main cause is the first or second reason for {} of the {n_checked} riskiest,\n         \
         {} of whom left; the planted causes themselves reach AUC {}",
        percent(n_met, n_checked),
        percent(n_left, n_checked),
        number(truth.best_auc()),
    )
}

/// Scores with reasons, and the rows by falling score.
struct Risks {
    customers: Vec<String>,
    scores: Vec<f64>,
    reasons: Vec<Vec<Reason>>,
    order: Vec<usize>,
}

/// One part of an explanation.
struct Reason {
    feature: String,
    value: Option<String>,
    contribution: f64,
}

impl Risks {
    fn read(table: &Table) -> Result<Self> {
        let customers = texts(table, "customer_id")?;
        let scores = numbers(table, "score")?;
        let mut reasons = Vec::with_capacity(customers.len());
        for array in arrays(table, "contributions")? {
            for row in 0..array.len() {
                reasons.push(Reason::list(&cell_json(array, row)?));
            }
        }
        let mut order: Vec<usize> = (0..customers.len()).collect();
        order.sort_by(|&a, &b| {
            let by_score = scores[b].total_cmp(&scores[a]);
            by_score.then_with(|| customers[a].cmp(&customers[b]))
        });
        Ok(Self {
            customers,
            scores,
            reasons,
            order,
        })
    }
}

impl Reason {
    fn list(json: &Json) -> Vec<Self> {
        let items = json.as_array().map(Vec::as_slice).unwrap_or_default();
        items
            .iter()
            .map(|item| Self {
                feature: item["feature"].as_str().unwrap_or_default().to_owned(),
                value: item["value"].as_str().map(str::to_owned),
                contribution: item["contribution"].as_f64().unwrap_or_default(),
            })
            .collect()
    }

    /// In words: `5 hotline calls`, `payment method invoice`, `monthly charge not known`.
    fn words(&self) -> String {
        let plain = self.feature.replace('_', " ");
        let Some(value) = &self.value else {
            return format!("{plain} not known");
        };
        let Ok(n) = value.parse::<f64>() else {
            return match self.feature.as_str() {
                "contract_status" => format!("contract {value}"),
                _ => format!("{plain} {value}"),
            };
        };
        let many = |one: &str, more: &str| match n {
            1.0 => format!("1 {one}"),
            0.0 => format!("no {more}"),
            n => format!("{} {more}", number(n)),
        };
        match self.feature.as_str() {
            "hotline_calls" => many("hot-line call", "hot-line calls"),
            "late_payments" => many("late payment", "late payments"),
            "complaints" => many("complaint", "complaints"),
            "forwarded_calls" => many("forwarded call", "forwarded calls"),
            "device_age_months" => many("month with the device", "months with the device"),
            "price_increase_percent" => format!("price up {} %", number(n)),
            "data_change_percent" => format!("data use {n:+} %"),
            "off_net_percent" => format!("{} % of calls to other networks", number(n)),
            "contract_months_left" => many("month of contract left", "months of contract left"),
            "tenure_months" => many("month a customer", "months a customer"),
            _ => format!("{plain} {}", number(n)),
        }
    }
}
