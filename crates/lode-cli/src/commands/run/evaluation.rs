//! The arguments of `lode run` and `lode train` that say how a job is judged.

use lode_sdk::Calibration;
use lode_sdk::Evaluation;
use lode_sdk::Input;
use lode_sdk::OfferEvaluation;
use lode_sdk::OfferProtocol;

use crate::parse;
use crate::parse::InputArg;

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
    /// How many of the last dates of a training set judge [default: a third]; of a recommender how
    /// many windows [default: up to 3]
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
            offers: OfferEvaluation::default(),
        }
    }
}

/// How a recommender is judged.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Judging of a recommender")]
#[group(skip)]
pub(crate) struct OfferArgs {
    /// What is held out: windows (the last ones), last (each customer's last visit), strangers (a
    /// tenth of the customers) or given (see --holdout) [default: windows, else strangers]
    #[arg(long, value_name = "PROTOCOL")]
    protocol: Option<OfferProtocol>,
    /// Length of a window, e.g. 7d or 24h [default: 7d]
    #[arg(long, value_parser = parse::window, allow_hyphen_values = true, value_name = "LENGTH")]
    window: Option<std::time::Duration>,
    /// What a customer has may be offered again, and counts when it is taken again
    #[arg(long)]
    repeats: bool,
    /// A table of items, best first, that the recommender should beat
    #[arg(long, value_parser = parse::input, value_name = "DATASET|output:JOB/NAME|sql:\"...\"")]
    order: Option<InputArg>,
    /// What is to be found: a table of customer_id, item and label, 1 to be found and 0 known
    #[arg(long, value_parser = parse::input, value_name = "DATASET|output:JOB/NAME|sql:\"...\"")]
    holdout: Option<InputArg>,
    /// Most customers that are asked about [default: 20000]
    #[arg(long, value_parser = parse::at_least_one::<u32>, value_name = "N")]
    max_customers: Option<u32>,
    /// Places that are ranked, 20 to 10000 [default: 100]
    #[arg(long, value_parser = parse::at_least_one::<u32>, value_name = "N")]
    depth: Option<u32>,
    /// Ratings at or above it are to be found [default: the mean]
    #[arg(long, allow_hyphen_values = true, value_name = "RATING")]
    liked_rating: Option<f64>,
}

impl OfferArgs {
    pub(crate) fn offers(&self) -> OfferEvaluation {
        let input =
            |arg: &Option<InputArg>| -> Option<Input> { arg.as_ref().map(|arg| arg.input.clone()) };
        OfferEvaluation {
            protocol: self.protocol.unwrap_or_default(),
            window: self.window,
            repeats: self.repeats,
            order: input(&self.order),
            holdout: input(&self.holdout),
            max_customers: self.max_customers.unwrap_or(0),
            depth: self.depth.unwrap_or(0),
            liked_rating: self.liked_rating,
        }
    }
}
