//! Searches parameters, and algorithms, before a job is judged and fitted.
//!
//! `space` says where; `draw` picks the next point; each trial is judged on splits of the rows that
//! the final judging does not test on (`judge::Grounds`), and given up early when it is behind the
//! best by more than the splits differ; `board` keeps the order. Invariant: what is tried, in which
//! order, and what wins depends on the spec and the rows alone, unless time ends the search.

mod board;
mod draw;
mod space;

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use lode_host::Loaded;
use lode_numeric::Rng;
use lode_types::Class;
use lode_types::Failure;
use lode_types::Value;
use lode_types::chain;

use crate::Error;
use crate::EventKind;
use crate::Job;
use crate::Result;
use crate::check::Checked;
use crate::judge::Grounds;
use crate::judge::Report;
use crate::params;
use crate::run::Bench;
use crate::run::Bounds;

pub(crate) use space::Space;

use board::End;
use board::Trial;
use draw::Tried;

/// Share of the job's time after which no trial begins, and at which the last one ends.
const TIME_SHARES: (f64, f64) = (0.6, 0.8);
/// Draws of a point that was not tried yet, before the space is held to be exhausted.
const REDRAWS: usize = 60;
/// How many of these look where the good points lie.
const NEAR_REDRAWS: usize = 10;
/// Of three trials, how many go to the algorithm that leads; the others take turns.
const LEADER_SHARE: usize = 2;

/// What is searched, as it was checked.
pub(crate) struct Plan {
    /// The job's own algorithm first.
    pub(crate) candidates: Vec<Candidate>,
    pub(crate) measure: &'static str,
    /// None: the job's own time.
    pub(crate) time_budget: Option<Duration>,
    pub(crate) max_trials: usize,
}

/// An algorithm that is tried.
pub(crate) struct Candidate {
    pub(crate) algorithm: Arc<Loaded>,
    /// Parameters that are not searched.
    pub(crate) given: BTreeMap<String, Value>,
    pub(crate) space: Space,
}

/// What the search came to.
pub(crate) struct Found {
    /// The job with the algorithm and the parameters that won.
    pub(crate) checked: Checked,
    pub(crate) leaderboard: Report,
    pub(crate) metrics: BTreeMap<String, f64>,
}

/// Searches. At the end the progress bar is at 1.
pub(crate) fn search(
    bench: &Bench<'_>,
    job: &Job,
    checked: &Checked,
    plan: &Plan,
    bounds: Bounds,
) -> Result<Found> {
    let grounds = Grounds::open(bench, job, checked, bounds)?;
    let mut search = Search {
        bench,
        job,
        checked,
        plan,
        bounds,
        grounds,
        clock: Times::of(plan, bounds),
        trials: Vec::new(),
        tried: BTreeSet::new(),
        first_error: None,
    };
    while let Some(next) = search.next()? {
        search.run(next)?;
    }
    search.found()
}

/// The ends of a search.
struct Times {
    start: Instant,
    /// No trial begins after it.
    last_begin: Instant,
    /// A trial that is no algorithm's first ends at it.
    last_end: Instant,
}

impl Times {
    fn of(plan: &Plan, bounds: Bounds) -> Self {
        let start = Instant::now();
        let left = bounds.deadline.saturating_duration_since(start);
        let (begin, end) = (left.mul_f64(TIME_SHARES.0), left.mul_f64(TIME_SHARES.1));
        let budget = plan.time_budget.unwrap_or(begin);
        Self {
            start,
            last_begin: start + budget.min(begin),
            last_end: start + (2 * budget).min(end),
        }
    }
}

struct Search<'a> {
    bench: &'a Bench<'a>,
    job: &'a Job,
    checked: &'a Checked,
    plan: &'a Plan,
    bounds: Bounds,
    grounds: Grounds,
    clock: Times,
    trials: Vec<Trial>,
    /// Algorithm and parameters of each.
    tried: BTreeSet<(usize, String)>,
    first_error: Option<Error>,
}

/// A trial to be.
struct Next {
    candidate: usize,
    point: Vec<Option<f64>>,
    params_json: String,
    /// Its algorithm's first, with the defaults.
    is_first: bool,
}

impl Search<'_> {
    /// The next trial: the defaults of each algorithm, then drawn ones; none at the end.
    fn next(&self) -> Result<Option<Next>> {
        self.bench.check_cancelled()?;
        let n = self.trials.len();
        if let Some(candidate) = self.plan.candidates.get(n) {
            return Ok(Some(Next {
                candidate: n,
                point: candidate.space.defaults(),
                params_json: resolved(candidate, BTreeMap::new())?,
                is_first: true,
            }));
        }
        if n >= self.plan.max_trials || Instant::now() >= self.clock.last_begin {
            return Ok(None);
        }
        let mut rng = Rng::stream(self.job.spec.seed, n as u64);
        let wanted = self.wanted();
        // Whose space is exhausted leaves its turn to the others.
        let n_candidates = self.plan.candidates.len();
        for step in 0..n_candidates {
            let at = (wanted + step) % n_candidates;
            if let Some(next) = self.drawn(at, &mut rng)? {
                return Ok(Some(next));
            }
        }
        Ok(None)
    }

    /// Whose turn it is.
    fn wanted(&self) -> usize {
        let n_candidates = self.plan.candidates.len();
        let drawn = self.trials.len() - n_candidates;
        let leader = board::order(&self.trials, self.plan.measure)
            .first()
            .copied();
        match leader {
            Some(leader) if drawn % (LEADER_SHARE + 1) < LEADER_SHARE => {
                self.trials[leader].candidate
            }
            _ => drawn / (LEADER_SHARE + 1) % n_candidates,
        }
    }

    /// A point of an algorithm that was not tried; none when there seems to be none.
    fn drawn(&self, at: usize, rng: &mut Rng) -> Result<Option<Next>> {
        let candidate = &self.plan.candidates[at];
        if candidate.space.is_empty() {
            return Ok(None);
        }
        let own = self.trials.iter().filter(|trial| trial.candidate == at);
        let tried: Vec<Tried> = own
            .filter_map(|trial| {
                Some(Tried {
                    point: trial.point.clone(),
                    loss: trial.loss(self.plan.measure)?,
                })
            })
            .collect();
        for attempt in 0..REDRAWS {
            // Where the good points lie nothing may be left; elsewhere there may.
            let known = if attempt < NEAR_REDRAWS {
                &tried[..]
            } else {
                &[]
            };
            let point = draw::draw(&candidate.space, rng, known);
            let params = candidate.space.params(&point);
            // What no schema allows together with the rest is drawn again.
            let Ok(params_json) = resolved(candidate, params) else {
                continue;
            };
            if !self.tried.contains(&(at, params_json.clone())) {
                return Ok(Some(Next {
                    candidate: at,
                    point: point.into_iter().map(Some).collect(),
                    params_json,
                    is_first: false,
                }));
            }
        }
        Ok(None)
    }

    /// Runs a trial and puts it on the board, however it ends.
    fn run(&mut self, next: Next) -> Result<()> {
        let start = Instant::now();
        let candidate = &self.plan.candidates[next.candidate];
        let algorithm = Arc::clone(&candidate.algorithm);
        let checked = self.checked.with(algorithm, next.params_json.clone());
        let bounds = Bounds {
            deadline: match next.is_first {
                true => self.bounds.deadline,
                false => self.bounds.deadline.min(self.clock.last_end),
            },
            ..self.bounds
        };
        let mut trial = Trial {
            candidate: next.candidate,
            algorithm: candidate.algorithm.spec.id.clone(),
            point: next.point,
            params_json: next.params_json,
            values: Vec::new(),
            end: End::Whole,
            seconds: 0.0,
        };
        for split in 0..self.grounds.n_splits() {
            match self.judged(&checked, bounds, split) {
                Ok(value) => trial.values.push(value),
                Err(error) => {
                    let error = self.of_trial(error, bounds)?;
                    trial.end = End::Failed(chain(&error));
                    self.first_error.get_or_insert(error);
                    break;
                }
            }
            if let Some(estimate) = self.behind(&trial.values) {
                trial.end = End::GivenUp(estimate);
                break;
            }
        }
        trial.seconds = start.elapsed().as_secs_f64();
        self.tell(&trial);
        self.tried
            .insert((trial.candidate, trial.params_json.clone()));
        self.trials.push(trial);
        Ok(())
    }

    fn judged(&self, checked: &Checked, bounds: Bounds, split: usize) -> Result<f64> {
        self.bench.check_cancelled()?;
        let n = self.trials.len() + 1;
        let stage = format!("trial {n}, {}", self.grounds.split_name(split));
        let progress = self.progress(split)..self.progress(split + 1);
        self.bench.progress(&stage, progress.start);
        self.grounds.value(
            self.bench,
            self.job,
            checked,
            bounds,
            (split, self.plan.measure),
            (stage, progress),
        )
    }

    /// How far the search is: by trials or by time, whichever is more.
    fn progress(&self, splits: usize) -> f64 {
        let n_splits = self.grounds.n_splits() as f64;
        let trials = self.trials.len() as f64 + splits as f64 / n_splits;
        let by_trials = trials / self.plan.max_trials as f64;
        let whole = self.clock.last_begin.duration_since(self.clock.start);
        let by_time = self.clock.start.elapsed().as_secs_f64() / whole.as_secs_f64().max(1e-3);
        by_trials.max(by_time).min(1.0)
    }

    /// What a trial that is behind the best of the earlier ones would come to, if it is so by more
    /// than the splits of the best differ, the less the more splits have been seen.
    fn behind(&self, values: &[f64]) -> Option<f64> {
        let measure = self.plan.measure;
        if values.len() >= self.grounds.n_splits() {
            return None;
        }
        let best = board::order(&self.trials, measure).first().copied()?;
        let best = &self.trials[best];
        if best.end != End::Whole {
            return None;
        }
        let seen = &best.values[..values.len()];
        let differences = values.iter().zip(seen).map(|(value, best)| value - best);
        let difference = board::mean(&differences.collect::<Vec<f64>>())?;
        let allowed = best.spread()? / (values.len() as f64).sqrt();
        let is_behind = board::loss(measure, difference) > allowed;
        is_behind.then_some(best.value()? + difference)
    }

    /// The error of one trial, which the search survives; what is the job's own is passed on.
    fn of_trial(&self, error: Error, bounds: Bounds) -> Result<Error> {
        let class = error.class();
        let now = Instant::now();
        let is_own = match class {
            Class::Deadline => now < self.bounds.deadline,
            Class::Invalid | Class::Bug | Class::Limit | Class::State => true,
            _ => false,
        };
        if self.bench.cancel.is_cancelled() || !is_own {
            return Err(error);
        }
        if class == Class::Deadline && now >= bounds.deadline {
            return Ok(Error::new(
                Class::Deadline,
                "TRIAL_DEADLINE_EXCEEDED",
                "the time of the search ended before this trial did",
            ));
        }
        Ok(error)
    }

    /// A line of the job's log.
    fn tell(&self, trial: &Trial) {
        let measure = self.plan.measure;
        let n = self.trials.len() + 1;
        let ended = match (&trial.end, trial.value()) {
            (End::Failed(why), _) => format!("failed: {why}"),
            (End::GivenUp(_), Some(value)) => format!(
                "{measure} {value:.5} on {} of {} splits, given up",
                trial.values.len(),
                self.grounds.n_splits()
            ),
            (_, Some(value)) => format!("{measure} {value:.5}"),
            (_, None) => "nothing measured".to_owned(),
        };
        (self.bench.report)(EventKind::Log {
            level: "info".to_owned(),
            message: format!(
                "trial {n}: {} {}: {ended}",
                trial.algorithm, trial.params_json
            ),
        });
    }

    fn found(self) -> Result<Found> {
        let measure = self.plan.measure;
        let best = board::order(&self.trials, measure).first().copied();
        let best = best.map(|best| &self.trials[best]);
        let Some(best) = best.filter(|best| best.end == End::Whole) else {
            let none = || Error::bug("a search without a trial");
            return Err(self.first_error.unwrap_or_else(none));
        };
        let mut metrics = BTreeMap::new();
        metrics.insert("tuning_trials".to_owned(), self.trials.len() as f64);
        for (name, trial) in [("best", best), ("default", &self.trials[0])] {
            if let (End::Whole, Some(value)) = (&trial.end, trial.value()) {
                metrics.insert(format!("tuning_{name}_{measure}"), value);
            }
        }
        let candidate = &self.plan.candidates[best.candidate];
        Ok(Found {
            checked: self
                .checked
                .with(Arc::clone(&candidate.algorithm), best.params_json.clone()),
            leaderboard: board::table(&self.trials, measure, self.grounds.n_splits())?,
            metrics,
        })
    }
}

/// The parameters of a trial with everything filled in.
fn resolved(candidate: &Candidate, drawn: BTreeMap<String, Value>) -> Result<String> {
    let mut all = candidate.given.clone();
    all.extend(drawn);
    let spec = &candidate.algorithm.spec;
    params::resolve(&spec.id, &spec.params_schema, &all)
}
