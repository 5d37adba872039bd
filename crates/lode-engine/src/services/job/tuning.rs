//! A search for parameters on the wire and as it is kept.

use lode_jobs::Tuning;
use lode_proto::names;
use lode_proto::v1;
use lode_types::Fault;

use super::spec::millis;

pub(super) fn from_wire(tuning: v1::Tuning) -> Result<Tuning, Fault> {
    let algorithms = tuning.algorithms.iter().map(|name| {
        let id = names::parse_algorithm(name);
        id.map(str::to_owned)
            .map_err(|error| Fault::of(&error.at("spec.tuning.algorithms")))
    });
    Ok(Tuning {
        time_budget_millis: millis(tuning.time_budget, "spec.tuning.time_budget")?,
        max_trials: tuning.max_trials,
        algorithms: algorithms.collect::<Result<_, _>>()?,
        measure: tuning.measure,
    })
}

pub(super) fn to_wire(tuning: &Tuning) -> v1::Tuning {
    let time = std::time::Duration::from_millis(tuning.time_budget_millis);
    let algorithms = tuning.algorithms.iter();
    v1::Tuning {
        time_budget: (!time.is_zero())
            .then(|| prost_types::Duration::try_from(time).unwrap_or_default()),
        max_trials: tuning.max_trials,
        algorithms: algorithms.map(|id| names::algorithm(id)).collect(),
        measure: tuning.measure.clone(),
    }
}
