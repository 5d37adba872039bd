//! A search for parameters before a job is judged and fitted.

use std::time::Duration;

use lode_client::v1;
use lode_proto::names;

/// A search; the output `leaderboard` of the job has all its trials.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tuning {
    /// No trial begins after it. None means a minute, or with `max_trials` the job's own time.
    pub time: Option<Duration>,
    /// Most trials; 0 means as many as the time allows. The same number and seed give the same
    /// leaderboard.
    pub max_trials: u32,
    /// Other algorithms of the same task to try.
    pub algorithms: Vec<String>,
    /// What to make best; empty means the log loss of a yes or no, the rmse of an amount, the
    /// concordance of a time, the ndcg_10 of a recommender.
    pub measure: String,
}

impl Tuning {
    /// A search of so many trials.
    pub fn trials(max_trials: u32) -> Self {
        Self {
            max_trials,
            ..Self::default()
        }
    }

    /// A search of some time.
    pub fn time(time: Duration) -> Self {
        Self {
            time: Some(time),
            ..Self::default()
        }
    }

    /// The same search over another algorithm too.
    #[must_use]
    pub fn with(mut self, algorithm: impl Into<String>) -> Self {
        self.algorithms.push(algorithm.into());
        self
    }

    pub(super) fn to_wire(&self) -> v1::Tuning {
        let algorithms = self.algorithms.iter();
        v1::Tuning {
            time_budget: self.time.map(|time| prost_types::Duration {
                seconds: i64::try_from(time.as_secs()).unwrap_or(i64::MAX),
                nanos: i32::try_from(time.subsec_nanos()).unwrap_or(0),
            }),
            max_trials: self.max_trials,
            algorithms: algorithms.map(|id| names::algorithm(id)).collect(),
            measure: self.measure.clone(),
        }
    }
}
