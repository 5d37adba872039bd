//! Refuses a search that cannot be made, and finds the algorithms and parameters that it tries.
//!
//! Invariant: all algorithms of a search learn from the same columns with the same roles, so that
//! what was bound for the job is bound for each.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use lode_host::Loaded;
use lode_host::split_algorithm;
use lode_types::AlgorithmSpec;
use lode_types::Role;
use lode_types::Task;
use lode_types::Value;

use super::BoundInput;
use super::Checker;
use super::bind::bind;
use crate::Error;
use crate::InputRef;
use crate::JobSpec;
use crate::Result;
use crate::Tuning;
use crate::judge;
use crate::params;
use crate::tune::Candidate;
use crate::tune::Plan;
use crate::tune::Space;

/// Most trials of one search.
const MAX_TRIALS: u32 = 200;
/// Most time of one search.
const MAX_TIME: Duration = Duration::from_secs(24 * 60 * 60);
/// Time of a search that names neither a time nor trials.
const DEFAULT_TIME: Duration = Duration::from_secs(60);
/// Most algorithms beside the job's own.
const MAX_ALGORITHMS: usize = 20;
const ALGORITHMS: &str = "spec.tuning.algorithms";

impl Checker<'_> {
    /// What is searched. A library that brings the job's algorithm and another is preferred for
    /// that one too, so that a search after a restart tries the same code.
    pub(super) fn tuning(
        &self,
        own: &Arc<Loaded>,
        spec: &JobSpec,
        tuning: &Tuning,
        inputs: &[BoundInput],
    ) -> Result<Plan> {
        let outcome = own.spec.outcome();
        if outcome.is_none() && own.spec.task != Task::Recommendation {
            return Err(Error::invalid(
                "NOT_TUNABLE",
                "spec.tuning",
                format!(
                    "{} has no label that trials could be judged by: leave the tuning out",
                    own.spec.id
                ),
            ));
        }
        if spec.base_model.is_some() {
            return Err(Error::invalid(
                "NOT_TUNABLE",
                "spec.base_model",
                "a search fits with other parameters than the model was made with: \
                 leave the model or the tuning out",
            ));
        }
        let params = params::resolve(&own.spec.id, &own.spec.params_schema, &spec.params)?;
        let alpha = judge::alpha_of(&serde_json::from_str(&params)?);
        let measure = judge::measure_of(outcome, alpha, &tuning.measure)?;
        let unused = unused(&own.spec, inputs);
        let mut candidates = vec![candidate(own, &spec.params, unused)?];
        if tuning.algorithms.len() > MAX_ALGORITHMS {
            return Err(Error::invalid(
                "OUT_OF_RANGE",
                ALGORITHMS,
                format!(
                    "expected at most {MAX_ALGORITHMS} algorithms, found {}",
                    tuning.algorithms.len()
                ),
            ));
        }
        for name in &tuning.algorithms {
            let other = self.other(own, name)?;
            let mut known = candidates
                .iter()
                .map(|known: &Candidate| &known.algorithm.spec.id);
            if known.any(|known| *known == other.spec.id) {
                return Err(Error::invalid(
                    "ALGORITHM_REPEATED",
                    ALGORITHMS,
                    format!(
                        "expected each algorithm once, found {} again",
                        other.spec.id
                    ),
                ));
            }
            alike(own, &other, spec, inputs)?;
            candidates.push(candidate(&other, &spec.params, unused)?);
        }
        if candidates.len() == 1 && candidates[0].space.is_empty() {
            return Err(Error::invalid(
                "NOTHING_TO_TUNE",
                "spec.tuning",
                format!(
                    "{} has no parameter with a range to search that is not given, and no other \
                     algorithm is named",
                    own.spec.id
                ),
            ));
        }
        Ok(Plan {
            max_trials: trials(tuning, candidates.len())?,
            time_budget: time(tuning)?,
            candidates,
            measure,
        })
    }

    fn other(&self, own: &Loaded, name: &str) -> Result<Arc<Loaded>> {
        let (id, version) = split_algorithm(name);
        if version.is_none()
            && let Some(same_library) = self.host.picture().of_library(id, &own.sha256)
        {
            return Ok(same_library);
        }
        let other = self.host.algorithm(name);
        other.ok_or_else(|| self.not_found(name).at(ALGORITHMS))
    }
}

/// Parameters of recommenders that go by the time of events, where these have none.
fn unused(own: &AlgorithmSpec, inputs: &[BoundInput]) -> &'static [&'static str] {
    let mut columns = inputs.iter().flat_map(|input| &input.columns);
    let has_times = columns.any(|column| column.role == Some(Role::EventTime));
    match own.task {
        Task::Recommendation if !has_times => &["half_life", "window"],
        _ => &[],
    }
}

fn candidate(
    algorithm: &Arc<Loaded>,
    given: &BTreeMap<String, Value>,
    unused: &[&str],
) -> Result<Candidate> {
    let spec = &algorithm.spec;
    let names = params::names(&spec.params_schema)?;
    let mut own = given.clone();
    // What the job's algorithm takes alone is not said of another.
    own.retain(|name, _| names.contains(name));
    params::resolve(&spec.id, &spec.params_schema, &own)?;
    Ok(Candidate {
        space: Space::of(spec, &own)?.without(unused),
        algorithm: Arc::clone(algorithm),
        given: own,
    })
}

/// Refuses an algorithm of another task, or that reads something else than the job's own.
fn alike(own: &Loaded, other: &Loaded, spec: &JobSpec, inputs: &[BoundInput]) -> Result<()> {
    let refused = |what: String| {
        Err(Error::invalid(
            "WRONG_ALGORITHM",
            ALGORITHMS,
            format!(
                "expected an algorithm of the task, the inputs and the models of {}, found {}, {what}",
                own.spec.id, other.spec.id
            ),
        ))
    };
    let (own, other) = (&own.spec, &other.spec);
    if own.task != other.task || own.outcome() != other.outcome() {
        return refused("which is of another task or outcome".to_owned());
    }
    let models = |spec: &AlgorithmSpec| -> Vec<String> {
        spec.models.iter().map(|model| model.name.clone()).collect()
    };
    if models(own) != models(other) || other.model_format.is_none() {
        return refused("which gives other models".to_owned());
    }
    if own.task == Task::Recommendation {
        return recommender(other, inputs).or_else(refused);
    }
    if let Some(more) = spec.inputs.keys().find(|name| {
        let mut wanted = other.inputs.iter();
        !wanted.any(|input| input.name == **name)
    }) {
        return refused(format!("which has no input {more:?}"));
    }
    for wanted in &other.inputs {
        let given: Option<&InputRef> = spec.inputs.get(&wanted.name);
        let bound = inputs.iter().find(|bound| bound.name == wanted.name);
        let (Some(given), Some(bound)) = (given, bound) else {
            if wanted.optional {
                continue;
            }
            return refused(format!("which needs an input {:?}", wanted.name));
        };
        // The roles as the job bound them are what the other one is offered.
        let again = bind(&other.id, wanted, given, bound.columns.clone());
        let again = again.map_err(|error| error.at(ALGORITHMS))?;
        let roles = |columns: &[super::BoundColumn]| -> Vec<(String, Option<Role>)> {
            let columns = columns.iter();
            columns
                .map(|column| (column.name.clone(), column.role))
                .collect()
        };
        if roles(&again) != roles(&bound.columns) {
            return refused(format!(
                "which takes other roles of the columns of {:?}",
                wanted.name
            ));
        }
    }
    Ok(())
}

/// What a recommender lacks; it need not take all inputs that another one takes, nor read all
/// their roles.
fn recommender(other: &AlgorithmSpec, inputs: &[BoundInput]) -> std::result::Result<(), String> {
    for wanted in other.inputs.iter().filter(|wanted| !wanted.optional) {
        let bound = inputs.iter().find(|bound| bound.name == wanted.name);
        let Some(bound) = bound else {
            return Err(format!("which needs an input {:?}", wanted.name));
        };
        let has = |role: Role| bound.columns.iter().any(|column| column.role == Some(role));
        let mut needed = wanted.columns.iter().filter(|column| !column.optional);
        if let Some(lacking) = needed.find(|column| !has(column.role)) {
            return Err(format!(
                "which needs a column with role {} in {:?}",
                lacking.role, wanted.name
            ));
        }
    }
    Ok(())
}

fn trials(tuning: &Tuning, n_algorithms: usize) -> Result<usize> {
    let least = u32::try_from(n_algorithms).unwrap_or(MAX_TRIALS);
    match tuning.max_trials {
        0 => Ok(MAX_TRIALS as usize),
        most if (least..=MAX_TRIALS).contains(&most) => Ok(most as usize),
        most => Err(Error::invalid(
            "OUT_OF_RANGE",
            "spec.tuning.max_trials",
            format!(
                "expected {least} (one for each algorithm) to {MAX_TRIALS} trials, found {most}"
            ),
        )),
    }
}

fn time(tuning: &Tuning) -> Result<Option<Duration>> {
    let time = Duration::from_millis(tuning.time_budget_millis);
    if time > MAX_TIME {
        return Err(Error::invalid(
            "OUT_OF_RANGE",
            "spec.tuning.time_budget",
            format!("expected at most {MAX_TIME:?}, found {time:?}"),
        ));
    }
    Ok(match (time.is_zero(), tuning.max_trials) {
        (false, _) => Some(time),
        (true, 0) => Some(DEFAULT_TIME),
        (true, _) => None,
    })
}
