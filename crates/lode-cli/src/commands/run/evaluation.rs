//! The arguments of `lode run` that say how a supervised job is judged.

use lode_sdk::Calibration;
use lode_sdk::Evaluation;

use crate::parse;

/// How a supervised job is judged.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Judging of a supervised job")]
#[group(skip)]
pub(crate) struct EvaluationArgs {
    /// How scores are made probabilities: auto, none, platt or isotonic
    #[arg(long, value_name = "METHOD", default_value = "auto")]
    calibration: Calibration,
    /// A score at or above it counts as yes [default: 0.5]
    #[arg(long, value_name = "SCORE")]
    threshold: Option<f64>,
    /// How many of the best can be contacted: a share below 1, or a number of rows [default: 0.1]
    #[arg(long, value_name = "SHARE|ROWS")]
    budget: Option<f64>,
    /// What a contact costs, for the profit curve
    #[arg(long, value_parser = parse::at_least_zero, value_name = "AMOUNT", default_value_t = 0.0)]
    cost_per_contact: f64,
    /// What a yes is worth, for the profit curve
    #[arg(long, value_parser = parse::at_least_zero, value_name = "AMOUNT", default_value_t = 0.0)]
    value_per_positive: f64,
    /// How many of the last dates of a training set judge [default: a third]
    #[arg(long, value_parser = parse::at_least_one::<u32>, value_name = "N")]
    test_dates: Option<u32>,
}

impl EvaluationArgs {
    pub(crate) fn evaluation(&self) -> Evaluation {
        Evaluation {
            calibration: self.calibration,
            threshold: self.threshold,
            budget: self.budget,
            cost_per_contact: self.cost_per_contact,
            value_per_positive: self.value_per_positive,
            test_dates: self.test_dates.unwrap_or(0),
        }
    }
}
