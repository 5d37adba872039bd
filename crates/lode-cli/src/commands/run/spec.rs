//! Turns the arguments of `lode run` into a job.
//!
//! Asks the engine for the algorithm only where a name was left out.

use std::time::Duration;

use lode_sdk::AlgorithmInfo;
use lode_sdk::Input;
use lode_sdk::JobLimits;
use lode_sdk::JobSpec;

use crate::commands::Context;
use crate::commands::run::Args;
use crate::failure::Failed;
use crate::failure::Result;

/// The job that the arguments describe.
pub(super) async fn spec(cx: &Context, args: &Args) -> Result<JobSpec> {
    let needs_names = args.inputs.iter().any(|arg| arg.name.is_none());
    let algorithm = match needs_names {
        true => Some(cx.lode.algorithm(&args.algorithm).await?),
        false => None,
    };
    build(args, algorithm.as_ref())
}

pub(super) fn build(args: &Args, algorithm: Option<&AlgorithmInfo>) -> Result<JobSpec> {
    let mut spec = JobSpec::new(&args.algorithm);
    for arg in &args.inputs {
        let name = match &arg.name {
            Some(name) => name.clone(),
            None => only_input(algorithm)?,
        };
        if spec
            .inputs
            .insert(name.clone(), arg.input.clone())
            .is_some()
        {
            return Err(Failed::usage(format!("input {name} is given twice")));
        }
    }
    for (name, value) in &args.params {
        if spec.params.insert(name.clone(), value.clone()).is_some() {
            return Err(Failed::usage(format!("parameter {name} is given twice")));
        }
    }
    for role in &args.roles {
        let input = pick(&mut spec, role.input.as_deref(), "--role INPUT.ROLE=COLUMN")?;
        input.roles.push((role.role, role.column.clone()));
    }
    for column in &args.exclude {
        let (input, column) = match column.split_once('.') {
            Some((input, column)) if spec.inputs.contains_key(input) => (Some(input), column),
            _ => (None, column.as_str()),
        };
        let input = pick(&mut spec, input, "--exclude INPUT.COLUMN")?;
        input.exclude.push(column.to_owned());
    }
    spec.seed = args.seed;
    spec.limits = JobLimits {
        timeout: args.timeout.map(Duration::from_secs),
        memory_bytes: args.memory_mib.unwrap_or(0) << 20,
        threads: args.threads.unwrap_or(0),
    };
    spec.folds = args.folds.unwrap_or(0);
    spec.evaluation = args.evaluation.evaluation();
    spec.evaluation.offers = args.offers.offers();
    spec.write_back = args.write_back;
    spec.as_of = args.as_of;
    spec.base_model.clone_from(&args.base_model);
    spec.tuning = args.tuning.tuning();
    spec.offering = args.offering.offering();
    Ok(spec)
}

/// The name of the input that is meant when none is given: the only one, or the only one
/// that must be there.
fn only_input(algorithm: Option<&AlgorithmInfo>) -> Result<String> {
    let inputs = algorithm.map_or(&[][..], |algorithm| &algorithm.inputs[..]);
    let needed: Vec<&str> = inputs
        .iter()
        .filter(|input| !input.optional)
        .map(|input| input.name.as_str())
        .collect();
    match (inputs, &needed[..]) {
        ([only], _) => Ok(only.name.clone()),
        (_, [only]) => Ok((*only).to_owned()),
        _ => {
            let names: Vec<&str> = inputs.iter().map(|input| input.name.as_str()).collect();
            Err(Failed::usage(format!(
                "expected -i INPUT=SOURCE with one of the inputs {}, found a source alone",
                names.join(", ")
            )))
        }
    }
}

fn pick<'s>(spec: &'s mut JobSpec, name: Option<&str>, form: &str) -> Result<&'s mut Input> {
    let names: Vec<String> = spec.inputs.keys().cloned().collect();
    match (name, &names[..]) {
        (Some(name), _) => spec.inputs.get_mut(name).ok_or_else(|| {
            Failed::usage(format!(
                "expected {form} with one of the inputs {}, found {name}",
                names.join(", ")
            ))
        }),
        (None, [only]) => Ok(spec
            .inputs
            .get_mut(only)
            .expect("the name was just read from the inputs")),
        (None, _) => Err(Failed::usage(format!(
            "expected {form}: the job has the inputs {}",
            names.join(", ")
        ))),
    }
}

#[cfg(test)]
mod tests;
