//! The numbers of a group of held-out rows, with their intervals.
//!
//! The measures themselves are `lode_numeric::metrics`; here is which of them an outcome has, and
//! over what. Invariant: what is not defined for a group (one outcome, all amounts equal) is left
//! out of it, not zero.

use lode_numeric::metrics;
use lode_numeric::metrics::Amount;
use lode_numeric::metrics::AmountOrder;
use lode_numeric::metrics::Binary;
use lode_numeric::metrics::Binning;
use lode_numeric::metrics::Bootstrap;
use lode_numeric::metrics::Budget;
use lode_numeric::metrics::Economics;
use lode_numeric::metrics::Ranking;
use lode_types::Outcome;

use super::classes;
use super::groups::Group;
use super::plan::Plan;
use super::predict::Held;
use super::quantile;
use super::rows::Sample;
use super::rows::Truth;
use super::survival;
use crate::Error;
use crate::JobSpec;
use crate::Result;

/// Draws of a bootstrap.
const MAX_DRAWS: usize = 400;
/// Fewer say nothing.
const MIN_DRAWS: usize = 50;
/// Rows of all draws together.
const DRAWN_ROWS: usize = 20_000_000;
/// Bins of calibration.
pub(super) const BINS: usize = 10;

/// Measures of a yes or no that are means over parts.
pub(super) const BINARY: [&str; 11] = [
    "auc",
    "average_precision",
    "lift_top_decile",
    "ks",
    "precision_at_budget",
    "recall_at_budget",
    "contact_to_reach_80",
    "log_loss",
    "log_loss_raw",
    "brier",
    "brier_raw",
];
/// Measures of an amount that are means over parts.
pub(super) const AMOUNT: [&str; 11] = [
    "rmse",
    "mae",
    "r2",
    "wape",
    "total_ratio",
    "spearman",
    "normalized_gini",
    "value_top_decile",
    "value_at_budget",
    quantile::PINBALL,
    quantile::BELOW,
];
/// Measures whose spread over folds or dates is told.
const SPREAD: [&str; 12] = [
    "auc",
    "log_loss",
    "brier",
    "average_precision",
    "lift_top_decile",
    "rmse",
    "mae",
    "spearman",
    "concordance",
    "accuracy",
    "macro_f1",
    quantile::PINBALL,
];

/// One number.
#[derive(Clone, Debug)]
pub(super) struct Measure {
    pub(super) name: &'static str,
    pub(super) value: f64,
    /// Of 95%.
    pub(super) interval: Option<(f64, f64)>,
}

/// What was asked of the judging.
pub(super) struct Settings {
    pub(super) outcome: Outcome,
    pub(super) threshold: f64,
    budget: f64,
    pub(super) economics: Option<Economics>,
    /// Of a quantile: the share of the amounts that is to be below.
    pub(super) alpha: Option<f64>,
    /// Of a time: when the predicted chance is due, in the unit of durations.
    pub(super) horizon: Option<f64>,
    seed: u64,
    threads: usize,
}

impl Settings {
    pub(super) fn of(
        spec: &JobSpec,
        params_json: &str,
        outcome: Outcome,
        threads: u32,
    ) -> Result<Self> {
        let asked = &spec.evaluation;
        let params: serde_json::Value = serde_json::from_str(params_json)?;
        let has_economics = asked.cost_per_contact > 0.0 || asked.value_per_positive > 0.0;
        Ok(Self {
            outcome,
            threshold: asked.threshold.unwrap_or(0.5),
            budget: asked.budget.unwrap_or(0.1),
            economics: has_economics.then_some(Economics {
                cost_per_contact: asked.cost_per_contact,
                value_per_positive: asked.value_per_positive,
            }),
            alpha: quantile::alpha_of(&params).filter(|_| outcome == Outcome::Amount),
            horizon: params.get("horizon").and_then(serde_json::Value::as_f64),
            seed: spec.seed,
            threads: threads as usize,
        })
    }

    /// Whether this is the measure by which models of the outcome are compared first.
    pub(super) fn is_main(&self, name: &str) -> bool {
        let main = match self.outcome {
            Outcome::Binary => "auc",
            Outcome::Amount if self.alpha.is_some() => quantile::PINBALL,
            Outcome::Amount => "rmse",
            Outcome::Class => "log_loss",
            Outcome::Survival => "concordance",
        };
        name == main
    }

    /// The budget as a share of the rows that are judged at a time: of a date, or of the table.
    fn share(&self, held: &Held, n_dates: usize) -> f64 {
        if self.budget < 1.0 {
            return self.budget;
        }
        (self.budget * n_dates as f64 / held.rows.len().max(1) as f64).min(1.0)
    }

    fn names(&self) -> &'static [&'static str] {
        match self.outcome {
            Outcome::Binary => &BINARY,
            Outcome::Amount => &AMOUNT,
            Outcome::Class => &classes::NAMES,
            Outcome::Survival => &survival::NAMES,
        }
    }
}

/// Measures one group.
pub(super) fn of_group(
    sample: &Sample,
    held: &Held,
    plan: &Plan,
    group: &Group,
    settings: &Settings,
) -> Result<Vec<Measure>> {
    let n_dates = if plan.out_of_time {
        plan.splits.len()
    } else {
        1
    };
    let share = settings.share(held, n_dates);
    let parts = parts(sample, held, group, share, settings)?;
    let rows: Vec<usize> = group.positions().map(|at| held.rows[at]).collect();
    let weights = sample.weights.as_ref();
    let weights: Option<Vec<f64>> = weights.map(|w| rows.iter().map(|row| w[*row]).collect());
    let weights = weights.as_deref();
    let values = mean_of_parts(&parts, weights);

    let clusters = sample.clusters(&rows);
    let draws = (DRAWN_ROWS / rows.len().max(1)).min(MAX_DRAWS);
    let drawn = if draws < MIN_DRAWS {
        vec![None; values.len()]
    } else {
        let bootstrap = Bootstrap {
            replicates: draws,
            seed: settings.seed,
            threads: settings.threads,
            clusters: clusters.as_deref(),
        };
        bootstrap.intervals(rows.len(), weights, &|drawn| {
            mean_of_parts(&parts, Some(drawn))
        })
    };
    let mut measures = Vec::new();
    for (at, (name, value)) in settings.names().iter().zip(values).enumerate() {
        let Some(value) = value else { continue };
        let mut interval = drawn[at].map(|drawn| (drawn.low, drawn.high));
        // Rows of one customer hang together: there the bootstrap by customer is wider, and right.
        if *name == "auc" && (clusters.is_none() || interval.is_none()) {
            interval = delong(&parts, weights).or(interval);
        }
        // A maximum is larger in every draw than over the rows: its interval would be too high.
        if *name == "ks" {
            interval = None;
        }
        measures.push(Measure {
            name,
            value,
            interval,
        });
    }
    let whole = Whole {
        rows: &rows,
        positions: &group.positions().collect::<Vec<_>>(),
        weights,
    };
    let more = match settings.outcome {
        Outcome::Binary => whole.binary(sample, held, settings)?,
        Outcome::Amount => whole.amount(sample, held),
        Outcome::Class => whole.class(sample),
        Outcome::Survival => survival::of_whole(sample, held, whole.positions, weights, settings)?,
    };
    measures.extend(more.into_iter().map(|(name, value)| Measure {
        name,
        value,
        interval: None,
    }));
    Ok(measures)
}

/// Population standard deviation of a measure over the folds or dates.
pub(super) fn spread(groups: &[(Group, Vec<Measure>)], plan: &Plan) -> Vec<(&'static str, f64)> {
    let splits = 1..=plan.splits.len();
    let mut spreads = Vec::new();
    for name in SPREAD {
        let of = |at: usize| {
            groups
                .get(at)?
                .1
                .iter()
                .find(|measure| measure.name == name)
        };
        let values: Vec<f64> = splits
            .clone()
            .filter_map(|at| Some(of(at)?.value))
            .collect();
        if values.len() < 2 || values.len() < plan.splits.len() {
            continue;
        }
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let square = values
            .iter()
            .map(|value| (value - mean).powi(2))
            .sum::<f64>();
        spreads.push((name, (square / n).sqrt()));
    }
    spreads
}

/// Rows whose scores may be put in one order, ready to be measured again and again.
pub(super) enum Part {
    Binary {
        ranking: Ranking,
        margin: Vec<f64>,
        labels: Vec<bool>,
        /// Log loss, that of the raw score, and the same of the squared distance, of each row.
        losses: [Vec<f64>; 4],
        share: f64,
    },
    Amount {
        predicted: Vec<f64>,
        actual: Vec<f64>,
        order: AmountOrder,
        share: f64,
        alpha: Option<f64>,
    },
    Class(classes::Part),
    Survival(survival::Part),
}

fn parts(
    sample: &Sample,
    held: &Held,
    group: &Group,
    share: f64,
    settings: &Settings,
) -> Result<Vec<Part>> {
    let mut parts = Vec::new();
    for positions in &group.parts {
        let of = |values: &[f64]| positions.iter().map(|at| values[*at]).collect::<Vec<f64>>();
        parts.push(match &sample.truth {
            Truth::Binary(truth) => {
                let labels: Vec<bool> = positions.iter().map(|at| truth[held.rows[*at]]).collect();
                let (score, raw) = (of(&held.score), of(&held.raw));
                Part::binary(of(&held.margin), &score, &raw, labels, share)?
            }
            Truth::Amount(truth) => {
                let actual = positions.iter().map(|at| truth[held.rows[*at]]);
                Part::amount(of(&held.raw), actual.collect(), share, settings.alpha)?
            }
            Truth::Class { of, names } => {
                let n = names.len();
                let shares = positions
                    .iter()
                    .flat_map(|at| &held.shares[at * n..(at + 1) * n]);
                let shares: Vec<f64> = shares.copied().collect();
                let actual = positions.iter().map(|at| of[held.rows[*at]]).collect();
                Part::Class(classes::Part::new(&shares, actual, n)?)
            }
            Truth::Survival { events, durations } => Part::Survival(survival::Part {
                times: positions
                    .iter()
                    .map(|at| durations[held.rows[*at]])
                    .collect(),
                events: positions.iter().map(|at| events[held.rows[*at]]).collect(),
                chances: of(&held.raw),
                horizon: settings.horizon,
            }),
        });
    }
    Ok(parts)
}

impl Part {
    /// Rows with a yes or no.
    pub(super) fn binary(
        margin: Vec<f64>,
        score: &[f64],
        raw: &[f64],
        labels: Vec<bool>,
        share: f64,
    ) -> Result<Self> {
        let each = |scores: &[f64], loss: fn(f64, bool) -> f64| {
            let both = scores.iter().zip(&labels);
            both.map(|(p, y)| loss(*p, *y)).collect()
        };
        Ok(Self::Binary {
            ranking: Ranking::new(&margin).map_err(bug)?,
            losses: [
                each(score, log_loss),
                each(raw, log_loss),
                each(score, square),
                each(raw, square),
            ],
            margin,
            labels,
            share,
        })
    }

    /// Rows with an amount.
    pub(super) fn amount(
        predicted: Vec<f64>,
        actual: Vec<f64>,
        share: f64,
        alpha: Option<f64>,
    ) -> Result<Self> {
        Ok(Self::Amount {
            order: AmountOrder::new(&predicted, &actual).map_err(bug)?,
            predicted,
            actual,
            share,
            alpha,
        })
    }

    pub(super) fn n_rows(&self) -> usize {
        match self {
            Self::Binary { labels, .. } => labels.len(),
            Self::Amount { actual, .. } => actual.len(),
            Self::Class(part) => part.actual.len(),
            Self::Survival(part) => part.times.len(),
        }
    }

    /// The numbers of this part, in the order of the outcome's names.
    fn numbers(&self, weights: Option<&[f64]>) -> Vec<Option<f64>> {
        match self {
            Self::Binary {
                ranking,
                margin,
                labels,
                losses,
                share,
            } => {
                let binary = Binary::ranked(ranking, margin, labels, weights, None);
                let Ok(binary) = binary else {
                    return vec![None; BINARY.len()];
                };
                let chosen = binary.at_budget(Budget::Share(*share)).ok();
                let mut numbers = vec![
                    Some(binary.auc()),
                    Some(binary.average_precision()),
                    binary.lift(0.1).ok(),
                    Some(binary.ks()),
                    chosen.map(|chosen| chosen.precision()),
                    chosen.map(|chosen| chosen.recall()),
                    Some(binary.contact_to_reach(0.8)),
                ];
                numbers.extend(
                    losses
                        .iter()
                        .map(|loss| metrics::weighted_mean(loss, weights)),
                );
                numbers
            }
            Self::Amount {
                predicted,
                actual,
                order,
                share,
                alpha,
            } => {
                let amount = Amount::ordered(predicted, actual, weights, order);
                let Ok(amount) = amount else {
                    return vec![None; AMOUNT.len()];
                };
                vec![
                    Some(amount.rmse()),
                    Some(amount.mae()),
                    amount.r2(),
                    amount.wape(),
                    amount.total_ratio(),
                    amount.spearman(),
                    amount.normalized_gini(),
                    amount.value_reached(0.1),
                    amount.value_reached(*share),
                    alpha.and_then(|a| metrics::pinball_loss(predicted, actual, weights, a).ok()),
                    alpha.and_then(|_| metrics::share_below(predicted, actual, weights).ok()),
                ]
            }
            Self::Class(part) => part.numbers(weights),
            Self::Survival(part) => part.numbers(weights),
        }
    }
}

/// The mean of each number over the parts that have it. Weights are those of all parts in turn.
pub(super) fn mean_of_parts(parts: &[Part], weights: Option<&[f64]>) -> Vec<Option<f64>> {
    let mut sums: Vec<(f64, f64)> = Vec::new();
    let mut start = 0;
    for part in parts {
        let end = start + part.n_rows();
        let numbers = part.numbers(weights.map(|weights| &weights[start..end]));
        start = end;
        sums.resize(numbers.len(), (0.0, 0.0));
        for (sum, number) in sums.iter_mut().zip(numbers) {
            if let Some(number) = number {
                *sum = (sum.0 + number, sum.1 + 1.0);
            }
        }
    }
    let means = sums.into_iter();
    means.map(|(sum, n)| (n > 0.0).then(|| sum / n)).collect()
}

/// DeLong's interval of the mean AUC of parts that share no row.
fn delong(parts: &[Part], weights: Option<&[f64]>) -> Option<(f64, f64)> {
    let mut auc = 0.0;
    let mut variance = 0.0;
    let mut start = 0;
    for part in parts {
        let end = start + part.n_rows();
        let weights = weights.map(|weights| &weights[start..end]);
        start = end;
        let Part::Binary { margin, labels, .. } = part else {
            return None;
        };
        let estimate = metrics::delong(margin, labels, weights).ok()?;
        auc += estimate.auc;
        variance += estimate.variance;
    }
    let n = parts.len() as f64;
    let mean = metrics::AucEstimate {
        auc: auc / n,
        variance: variance / (n * n),
    };
    Some(mean.interval())
}

/// All rows of a group together.
struct Whole<'a> {
    rows: &'a [usize],
    positions: &'a [usize],
    weights: Option<&'a [f64]>,
}

impl Whole<'_> {
    fn of(&self, values: &[f64]) -> Vec<f64> {
        self.positions.iter().map(|at| values[*at]).collect()
    }

    fn binary(
        &self,
        sample: &Sample,
        held: &Held,
        settings: &Settings,
    ) -> Result<Vec<(&'static str, f64)>> {
        let Truth::Binary(truth) = &sample.truth else {
            return Ok(Vec::new());
        };
        let labels: Vec<bool> = self.rows.iter().map(|row| truth[*row]).collect();
        let (score, margin) = (self.of(&held.score), self.of(&held.margin));
        let Ok(by_score) = Binary::new(&score, &labels, self.weights) else {
            return Ok(Vec::new());
        };
        let chosen = by_score.at_threshold(settings.threshold);
        let mut found = vec![
            ("base_rate", by_score.positives() / by_score.rows()),
            ("precision", chosen.precision()),
            ("recall", chosen.recall()),
            ("f1", chosen.f1()),
            ("accuracy", chosen.accuracy()),
        ];
        for (scores, names) in [
            (score, ["calibration_error", "calibration_error_max"]),
            (
                self.of(&held.raw),
                ["calibration_error_raw", "calibration_error_max_raw"],
            ),
        ] {
            let binning = Binning::EqualCount;
            let bins = metrics::calibration_bins(&scores, &labels, self.weights, BINS, binning);
            let error = metrics::calibration_error(&bins.map_err(bug)?);
            found.push((names[0], error.expected));
            found.push((names[1], error.maximum));
        }
        if let Some(economics) = settings.economics {
            let by_margin = Binary::new(&margin, &labels, self.weights).map_err(bug)?;
            let best = by_margin.best_profit(economics);
            found.push(("best_share", best.share));
            found.push(("best_profit", best.profit));
        }
        Ok(found)
    }

    fn class(&self, sample: &Sample) -> Vec<(&'static str, f64)> {
        let Truth::Class { of, names } = &sample.truth else {
            return Vec::new();
        };
        let actual: Vec<u32> = self.rows.iter().map(|row| of[*row]).collect();
        classes::of_whole(&actual, names.len(), self.weights)
    }

    /// Deviances, of the families that have such amounts.
    fn amount(&self, sample: &Sample, held: &Held) -> Vec<(&'static str, f64)> {
        let Truth::Amount(truth) = &sample.truth else {
            return Vec::new();
        };
        let actual: Vec<f64> = self.rows.iter().map(|row| truth[*row]).collect();
        let predicted = self.of(&held.raw);
        let w = self.weights;
        let deviances = [
            (
                "poisson_deviance",
                metrics::poisson_deviance(&predicted, &actual, w),
            ),
            (
                "tweedie_deviance",
                metrics::tweedie_deviance(&predicted, &actual, w, 1.5),
            ),
            (
                "gamma_deviance",
                metrics::gamma_deviance(&predicted, &actual, w),
            ),
        ];
        let known = deviances.into_iter();
        known
            .filter_map(|(name, value)| Some((name, value.ok()?)))
            .collect()
    }
}

fn log_loss(p: f64, label: bool) -> f64 {
    let p = p.clamp(1e-15, 1.0 - 1e-15);
    if label { -p.ln() } else { -(1.0 - p).ln() }
}

fn square(p: f64, label: bool) -> f64 {
    (p - f64::from(u8::from(label))).powi(2)
}

pub(super) fn bug(error: lode_numeric::Error) -> Error {
    Error::bug(error.to_string())
}
