//! Counts what is scored into the bins of a profile, and says how far it is from it.

use arrow_array::RecordBatch;
use lode_numeric::metrics;

use super::Distribution;
use super::Profile;
use super::Values;
use super::number_at;
use super::unseen;
use super::word_at;
use crate::Result;

/// Fewer rows than this tell nothing of drift.
pub const LEAST_ROWS: u64 = 100;
/// From here on the index is called moving, and from there shifted.
const MOVING: f64 = 0.1;
const SHIFTED: f64 = 0.25;

/// How far one distribution is from that of the training rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Drift {
    /// `score`, or a feature.
    pub name: String,
    /// Population stability index; an empty bin counts as a share of 0.0001. None of fewer rows
    /// than [`LEAST_ROWS`].
    pub psi: Option<f64>,
    /// Share of rows without a value.
    pub missing_then: f64,
    /// Share of rows without a value.
    pub missing_now: f64,
    /// Of numbers.
    pub mean_then: Option<f64>,
    /// Of numbers.
    pub mean_now: Option<f64>,
    /// Rows with a word that is none of the training rows, where that is known.
    pub unseen_now: u64,
    /// `stable`, `moving`, `shifted` or `few rows`.
    pub verdict: &'static str,
}

/// What was scored, by the bins of a profile.
#[derive(Clone, Debug)]
pub(crate) struct Tally {
    rows: u64,
    score: Counts,
    features: Vec<Counts>,
}

#[derive(Clone, Debug, Default)]
struct Counts {
    bins: Vec<u64>,
    sum: f64,
    numbers: u64,
    unseen: u64,
}

impl Tally {
    /// Nothing counted yet.
    pub(crate) fn new(profile: &Profile) -> Self {
        let counts = |of: &Distribution| Counts {
            bins: vec![0; of.bins.len()],
            ..Counts::default()
        };
        Self {
            rows: 0,
            score: profile.score.as_ref().map(counts).unwrap_or_default(),
            features: profile.features.iter().map(|f| counts(&f.values)).collect(),
        }
    }

    /// Rows that were counted.
    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    /// Counts rows by the names of their columns, and their scores. A column that the rows
    /// lack counts as without values.
    pub(crate) fn add(
        &mut self,
        profile: &Profile,
        rows: &RecordBatch,
        scores: &[f64],
    ) -> Result<()> {
        for (counts, feature) in self.features.iter_mut().zip(&profile.features) {
            let column = rows.column_by_name(&feature.name);
            let values = column.map(Values::of).transpose()?.flatten();
            counts.add(&feature.values, values.as_ref(), rows.num_rows());
        }
        for (name, places) in unseen(profile, rows)? {
            let mut features = self.features.iter_mut().zip(&profile.features);
            if let Some((counts, _)) = features.find(|(_, feature)| feature.name == name) {
                counts.unseen += places.len() as u64;
            }
        }
        if let Some(of) = &profile.score {
            for &score in scores {
                self.score.number(of, Some(score));
            }
        }
        self.rows += rows.num_rows() as u64;
        Ok(())
    }

    /// How far all that was counted is from the profile: the score first, then the features,
    /// the farthest first.
    pub(crate) fn drifts(&self, profile: &Profile) -> Vec<Drift> {
        let score = profile.score.as_ref();
        let score = score.map(|then| self.drift("score", then, &self.score));
        let features = profile.features.iter().zip(&self.features);
        let mut drifts: Vec<Drift> = features
            .map(|(feature, counts)| self.drift(&feature.name, &feature.values, counts))
            .collect();
        let psi = |drift: &Drift| drift.psi.unwrap_or(0.0);
        drifts.sort_by(|a, b| psi(b).total_cmp(&psi(a)).then_with(|| a.name.cmp(&b.name)));
        score.into_iter().chain(drifts).collect()
    }

    fn drift(&self, name: &str, then: &Distribution, now: &Counts) -> Drift {
        let now_bins: Vec<f64> = now.bins.iter().map(|&n| n as f64).collect();
        let (before, after) = (shares(&then.weights), shares(&now_bins));
        // Both are shares of the same bins.
        let psi = (self.rows >= LEAST_ROWS)
            .then(|| metrics::psi(&before, &after).ok())
            .flatten();
        Drift {
            name: name.to_owned(),
            psi,
            missing_then: before.last().copied().unwrap_or(0.0),
            missing_now: after.last().copied().unwrap_or(0.0),
            mean_then: then.mean,
            mean_now: (now.numbers > 0).then(|| now.sum / now.numbers as f64),
            unseen_now: now.unseen,
            verdict: match psi {
                None => "few rows",
                Some(psi) if psi < MOVING => "stable",
                Some(psi) if psi <= SHIFTED => "moving",
                Some(_) => "shifted",
            },
        }
    }
}

impl Counts {
    fn add(&mut self, of: &Distribution, values: Option<&Values>, rows: usize) {
        match values {
            Some(Values::Numbers(numbers)) => {
                for row in 0..rows {
                    self.number(of, number_at(numbers, row));
                }
            }
            Some(Values::Words(words)) => {
                for row in 0..rows {
                    self.bins[of.bins.of_word(word_at(words, row))] += 1;
                }
            }
            None => {
                if let Some(missing) = self.bins.last_mut() {
                    *missing += rows as u64;
                }
            }
        }
    }

    fn number(&mut self, of: &Distribution, value: Option<f64>) {
        self.bins[of.bins.of_number(value)] += 1;
        if let Some(value) = value {
            self.sum += value;
            self.numbers += 1;
        }
    }
}

/// Parts of the whole; all 0 of nothing.
fn shares(weights: &[f64]) -> Vec<f64> {
    let total: f64 = weights.iter().sum();
    let share = |weight: &f64| if total > 0.0 { weight / total } else { 0.0 };
    weights.iter().map(share).collect()
}
