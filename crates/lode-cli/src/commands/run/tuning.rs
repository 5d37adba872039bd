//! The arguments of a search for parameters, as `lode run` and `lode train` take them.

use std::time::Duration;

use lode_sdk::Tuning;

use crate::parse;

/// A search for parameters before the fit.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Search for parameters")]
pub(crate) struct TuningArgs {
    /// Search for parameters for so long; parameters that are given are not searched
    #[arg(long, value_name = "SECS", value_parser = parse::at_least_one::<u64>)]
    tune: Option<u64>,
    /// Search with at most so many trials; the same number and seed give the same result
    #[arg(long, value_name = "N", value_parser = parse::at_least_one::<u32>)]
    trials: Option<u32>,
    /// Another algorithm of the same task to try
    #[arg(long = "with", value_name = "ALGORITHM")]
    algorithms: Vec<String>,
    /// What the search makes best: log_loss, auc, average_precision or brier of a yes or no; rmse,
    /// mae or spearman of an amount; ndcg_10, hit_rate_10, recall_10, map or mrr of a recommender
    /// [default: the first]
    #[arg(long = "tune-by", value_name = "MEASURE")]
    measure: Option<String>,
}

impl TuningArgs {
    /// The search that they describe; none without any of them.
    pub(crate) fn tuning(&self) -> Option<Tuning> {
        let asked = self.tune.is_some()
            || self.trials.is_some()
            || self.measure.is_some()
            || !self.algorithms.is_empty();
        asked.then(|| Tuning {
            time: self.tune.map(Duration::from_secs),
            max_trials: self.trials.unwrap_or(0),
            algorithms: self.algorithms.clone(),
            measure: self.measure.clone().unwrap_or_default(),
        })
    }
}
