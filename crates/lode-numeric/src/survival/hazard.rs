//! Fits a discrete-time hazard: the risk of leaving in each period, from columns, the period
//! and where it lies to the end of a contract.
//!
//! Does not scale columns, fill gaps or choose levels. Invariant: a subject's periods are
//! counted, never written out; the cost does not grow with how long it was watched.

mod likelihood;
mod link;
mod periods;

pub use link::Link;
pub use periods::NO_END;
pub use periods::PeriodGroup;
pub use periods::Phase;
pub use periods::Spells;
pub use periods::period_of;

use super::Estimate;
use super::cox;
use super::newton;
use super::newton::Search;
use super::rows::DesignRows;
use super::subjects::same_length;
use crate::Error;
use crate::Progress;
use crate::Result;
use crate::glm::Design;
use likelihood::Likelihood;
use periods::Periods;

/// What [`fit`] may be told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HazardParams {
    /// How a margin becomes a risk.
    pub link: Link,
    /// Strength of the penalty `l2 / 2 * sum(w^2)` on the columns' weights and the contract's,
    /// at least 0; the levels of the period groups are free of it.
    pub l2: f64,
    /// Strength of the penalty `smooth / 2 * sum((difference of neighbor groups)^2)`, at least
    /// 0: large values make the baseline flat, small ones follow the data.
    pub smooth: f64,
    /// Weight of those who leave that a group of periods needs, above 0.
    pub min_events: f64,
    /// Groups of periods, at most; at least 1.
    pub max_groups: usize,
    /// Newton steps allowed.
    pub max_steps: usize,
    /// The search ends when no entry of the gradient is larger than this times `1 + n_rows`.
    pub tolerance: f64,
    /// Threads that may be used; no effect on the result.
    pub threads: usize,
}

impl Default for HazardParams {
    fn default() -> Self {
        Self {
            link: Link::LogLog,
            l2: 1.0,
            smooth: 1.0,
            min_events: 10.0,
            max_groups: 24,
            max_steps: 100,
            tolerance: 1e-12,
            threads: 1,
        }
    }
}

/// What [`fit`] found.
#[derive(Clone, Debug, PartialEq)]
pub struct HazardFit {
    /// How a margin becomes a risk.
    pub link: Link,
    /// One weight for each number column and each level, in the order of the design.
    pub weights: Vec<f64>,
    /// What the phases of a contract weigh against the time before its end.
    pub phases: PhaseWeights,
    /// The baseline: groups of neighboring periods, from period 1 on without gaps; the last
    /// one goes on for ever.
    pub groups: Vec<PeriodGroup>,
    /// `sum(weights of the row)` of each row: what is the same in all its periods.
    pub margins: Vec<f64>,
    /// Log likelihood of all periods, penalties not included.
    pub log_likelihood: f64,
    /// The inverse of the second derivatives (penalties included), row by row, in the order:
    /// weights, the phases "ends", "after" and "none" where there are contracts, groups.
    pub covariance: Vec<f64>,
    /// Newton steps taken.
    pub steps: usize,
    /// All of the coefficients, in the order of `covariance`.
    point: Vec<f64>,
}

/// Weights of the phases of a contract; that of the periods before its end is 0. All are 0
/// where no subject has one.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PhaseWeights {
    /// In the period in which the contract ends.
    pub ends: f64,
    /// In later periods.
    pub after: f64,
    /// For subjects without a contract.
    pub none: f64,
}

impl PhaseWeights {
    /// The weight of one phase.
    pub fn of(&self, phase: Phase) -> f64 {
        match phase {
            Phase::Before => 0.0,
            Phase::Ends => self.ends,
            Phase::After => self.after,
            Phase::NoContract => self.none,
        }
    }
}

impl HazardFit {
    /// The group of a period, counted from 1.
    pub fn group_of(&self, period: u32) -> &PeriodGroup {
        let index = self.groups.partition_point(|group| group.first <= period);
        &self.groups[index.max(1) - 1]
    }

    /// The risk to leave in `period` of a row of `margin`, given that it is still there.
    pub fn hazard(&self, period: u32, phase: Phase, margin: f64) -> f64 {
        let effect = self.group_of(period).effect + self.phases.of(phase);
        self.link.risk(margin + effect)
    }

    /// One coefficient, by its place in `covariance`, with its standard error, test and
    /// interval of `confidence` (0 to 1).
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for one that is not there or a confidence outside 0 to 1.
    pub fn estimate(&self, coefficient: usize, confidence: f64) -> Result<Estimate> {
        let (point, covariance) = (&self.point, &self.covariance);
        cox::estimate(point, covariance, coefficient, None, confidence)
    }

    /// The difference of two coefficients, as of a level and the level it is compared with.
    ///
    /// # Errors
    /// As [`HazardFit::estimate`].
    pub fn contrast(
        &self,
        coefficient: usize,
        against: usize,
        confidence: f64,
    ) -> Result<Estimate> {
        let (point, covariance) = (&self.point, &self.covariance);
        cox::estimate(point, covariance, coefficient, Some(against), confidence)
    }
}

/// Fits a discrete-time hazard model by regression over subjects and periods.
///
/// For time counted in months or weeks, when the risk follows a contract's end or changes
/// with tenure in a way that matters, not only by columns; also for very large tables, since
/// it takes fewer steps through them than a Cox regression with many different times.
///
/// # Input
/// `design`: number columns, finite, best standardized, and category columns as level codes;
/// a code at or past the number of levels means "none of them" and contributes 0. `spells`:
/// how many periods each row was watched, whether it left in the last of them, and, if
/// contracts count, the period in which its contract ends.
///
/// # Output
/// [`HazardFit`]; the chance to be there after period t is the product of `1 - hazard` over
/// the periods up to it.
///
/// # Parameters
/// [`HazardParams`]. A column that foretells who leaves without a mistake (separation) has an
/// infinite weight without a penalty, which is answered by an error; any `l2` above 0 keeps
/// it finite.
///
/// # Method
/// Each subject stands for one yes/no row in every period it was watched in: no in all, yes
/// in the last one if it left. The margin of a row in a period is the sum of the row's
/// weights, the level of the period's group, and the weight of the contract's phase: before
/// its end 0, in the period of its end, after it, or without a contract. Maximized is the
/// likelihood of those rows less `l2/2 |w|^2` and `smooth/2` times the squared differences of
/// neighbor groups' levels (a P-spline of degree 0), by Newton's method. Rows of one subject
/// in one group and phase are alike and are taken as one with a count, so nothing is
/// expanded. Groups: from the first period on, periods join a group until it holds
/// `min_events`, a `1/max_groups` of all events, and a period that nobody left in; what
/// remains joins the last group. So every level is finite.
///
/// # Determinism and cost
/// No randomness; the bits do not depend on threads. With n rows of c columns, p weights and
/// g groups: O(n (g + c^2) + p^3) a step and at most O(n g c) more, usually 5 to 9 steps;
/// memory O(n c + (p + g)^2).
///
/// # Errors
/// [`Error::TooFewRows`] without rows; [`Error::Length`]; [`Error::Entry`] for a number of
/// periods, entry or weight outside its range; [`Error::NoEvents`] when nobody left;
/// [`Error::OneClass`] when nobody ever stayed for a period; [`Error::OutOfRange`] for the
/// parameters; with `l2 = 0` [`Error::Singular`] and [`Error::NotConverged`] for constant
/// columns and separation; [`Error::Cancelled`].
///
/// # Source
/// J. Singer, J. Willett, "It's about time: using discrete-time survival analysis", Journal
/// of Educational Statistics 18, 1993, pages 155-195 (equations 4 to 7, logit);
/// R. Prentice, L. Gloeckler, "Regression analysis of grouped survival data", Biometrics 34,
/// 1978, pages 57-67 (complementary log-log); P. Eilers, B. Marx, "Flexible smoothing with
/// B-splines and penalties", Statistical Science 11, 1996, pages 89-121.
///
/// # Example
/// ```
/// use lode_numeric::glm::{Design, DesignColumn};
/// use lode_numeric::survival::hazard::{self, HazardParams, Phase, Spells};
/// let calls = [2.0, 3.0, 0.0, 1.0, 0.0, 2.0];
/// let columns = [DesignColumn::Number(&calls)];
/// let design = Design::new(6, &columns)?;
/// let spells = Spells::new(&[3, 1, 9, 4, 12, 12], &[true, true, true, true, false, false]);
/// let fit = hazard::fit(&design, &spells, &HazardParams::default(), &lode_numeric::go_on)?;
/// assert!(fit.hazard(2, Phase::Before, 1.0) > fit.hazard(2, Phase::Before, 0.0));
/// # Ok::<(), lode_numeric::Error>(())
/// ```
pub fn fit(
    design: &Design<'_>,
    spells: &Spells<'_>,
    params: &HazardParams,
    progress: Progress<'_>,
) -> Result<HazardFit> {
    spells.check()?;
    same_length("rows in the design", spells.len(), design.n_rows())?;
    cox::check_search(params.l2, params.tolerance, design.n_weights())?;
    check(params)?;
    let mut periods = Periods::new(spells, params.min_events, params.max_groups)?;
    let order: Vec<u32> = (0..spells.len() as u32).collect();
    let rows = DesignRows::new(design, &order);
    let problem = Likelihood::new(&rows, spells, &periods, params);
    let search = Search {
        max_steps: params.max_steps,
        enough: params.tolerance * (1.0 + spells.len() as f64),
    };
    let found = newton::minimize(&problem, problem.start(), search, progress)?;
    let n_weights = rows.n_weights();
    let phases = match found.point[n_weights..n_weights + problem.n_phases()] {
        [ends, after, none] => PhaseWeights { ends, after, none },
        _ => PhaseWeights::default(),
    };
    let levels = &found.point[n_weights + problem.n_phases()..];
    for (group, level) in periods.groups.iter_mut().zip(levels) {
        group.effect = *level;
    }
    Ok(HazardFit {
        link: params.link,
        weights: found.point[..n_weights].to_vec(),
        phases,
        groups: periods.groups,
        margins: found.state.margins,
        log_likelihood: found.state.log_likelihood,
        covariance: found.covariance,
        steps: found.steps,
        point: found.point,
    })
}

fn check(params: &HazardParams) -> Result<()> {
    let out_of_range = |what, expected, found| {
        Err(Error::OutOfRange {
            what,
            expected,
            found,
        })
    };
    if !(params.smooth >= 0.0 && params.smooth.is_finite()) {
        return out_of_range("smooth", "at least 0", params.smooth);
    }
    if !(params.min_events > 0.0 && params.min_events.is_finite()) {
        return out_of_range("min_events", "above 0", params.min_events);
    }
    if !(1..=1_000).contains(&params.max_groups) {
        return out_of_range("max_groups", "1 to 1000", params.max_groups as f64);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
