//! The spec of a job on the wire and as it is kept.

use std::collections::BTreeMap;

use lode_jobs::InputRef;
use lode_jobs::InputSource;
use lode_jobs::JobSpec;
use lode_jobs::Limits;
use lode_proto::convert;
use lode_proto::names;
use lode_proto::v1;
use lode_types::Fault;
use lode_types::ModelRef;

use super::batch;
use super::evaluation;
use super::offering;
use super::training;
use super::tuning;
use crate::status::invalid;

pub(super) fn from_wire(spec: v1::JobSpec) -> Result<JobSpec, Fault> {
    let batch_score = spec.batch_score.map(batch::from_wire).transpose()?;
    let algorithm = match spec.algorithm.as_str() {
        // The model of a batch score says it.
        "" if batch_score.is_some() => String::new(),
        name => names::parse_algorithm(name)
            .map_err(|error| Fault::of(&error.at("spec.algorithm")))?
            .to_owned(),
    };
    let mut inputs = BTreeMap::new();
    for (name, input) in spec.inputs {
        let field = format!("spec.inputs.{name}");
        let input = input_from_wire(input).map_err(|fault| match fault.reason.as_str() {
            "INVALID_TRAINING_SET" => {
                let inner = fault.field.clone();
                fault.at(format!("{field}.training_set.{inner}"))
            }
            _ => fault.at(field),
        });
        inputs.insert(name, input?);
    }
    let limits = spec.limits.unwrap_or_default();
    let evaluation = spec.evaluation.unwrap_or_default();
    Ok(JobSpec {
        algorithm,
        params: convert::values_from_wire(&spec.params),
        inputs,
        seed: spec.seed,
        limits: Limits {
            timeout_millis: millis(limits.timeout, "spec.limits.timeout")?,
            memory_bytes: limits.memory_bytes,
            threads: limits.threads,
        },
        folds: evaluation.folds,
        evaluation: evaluation::from_wire(&evaluation)?,
        write_back: spec.write_back,
        labels: spec.labels,
        as_of: spec.as_of.as_ref().map(convert::time_from_wire),
        base_model: base_model_from_wire(&spec.base_model)?,
        tuning: spec.tuning.map(tuning::from_wire).transpose()?,
        batch_score,
        offering: spec.offering.map(offering::from_wire).transpose()?,
    })
}

fn base_model_from_wire(name: &str) -> Result<Option<ModelRef>, Fault> {
    if name.is_empty() {
        return Ok(None);
    }
    let model = names::parse_model_ref(name);
    model
        .map(Some)
        .map_err(|error| Fault::of(&error.at("spec.base_model")))
}

/// Milliseconds of a duration; 0 when it is not set.
pub(in crate::services) fn millis(
    duration: Option<prost_types::Duration>,
    field: &str,
) -> Result<u64, Fault> {
    let Some(timeout) = duration else {
        return Ok(0);
    };
    let whole = std::time::Duration::try_from(timeout).ok();
    let millis = whole.and_then(|timeout| u64::try_from(timeout.as_millis()).ok());
    millis.filter(|&millis| millis > 0).ok_or_else(|| {
        invalid(
            field,
            format!("expected a duration over 0, found {timeout}"),
        )
    })
}

pub(super) fn input_from_wire(input: v1::InputRef) -> Result<InputRef, Fault> {
    use v1::input_ref::Source;
    let source = match input.source {
        Some(Source::Dataset(name)) => InputSource::Dataset(names::parse_dataset(&name)?),
        Some(Source::Sql(sql)) => InputSource::Sql(sql),
        Some(Source::Output(name)) => {
            let (job, output) = names::parse_output(&name)?;
            InputSource::Output { job, output }
        }
        Some(Source::FeatureView(name)) => InputSource::Features(names::parse_feature_view(&name)?),
        Some(Source::TrainingSet(set)) => {
            InputSource::TrainingSet(Box::new(training::from_wire(&set)?))
        }
        None => {
            let expected =
                "expected a dataset, sql, output, feature_view or training_set, found none";
            return Err(invalid("", expected));
        }
    };
    let mut roles = BTreeMap::new();
    for role in input.roles {
        let known = convert::role_from_wire(role.role)
            .ok_or_else(|| invalid("", format!("expected a value of Role, found {}", role.role)))?;
        roles.insert(known, role.column);
    }
    Ok(InputRef {
        source,
        roles,
        exclude: input.exclude,
    })
}

pub(super) fn to_wire(spec: &JobSpec) -> v1::JobSpec {
    let inputs = spec.inputs.iter();
    let inputs = inputs.map(|(name, input)| (name.clone(), input_to_wire(input)));
    let timeout = std::time::Duration::from_millis(spec.limits.timeout_millis);
    v1::JobSpec {
        algorithm: match spec.algorithm.as_str() {
            "" => String::new(),
            algorithm => names::algorithm(algorithm),
        },
        params: convert::values_to_wire(&spec.params),
        inputs: inputs.collect(),
        seed: spec.seed,
        limits: Some(v1::JobLimits {
            timeout: (!timeout.is_zero())
                .then(|| prost_types::Duration::try_from(timeout).unwrap_or_default()),
            memory_bytes: spec.limits.memory_bytes,
            threads: spec.limits.threads,
        }),
        evaluation: Some(evaluation::to_wire(spec)),
        write_back: spec.write_back,
        labels: spec.labels.clone(),
        as_of: spec.as_of.map(convert::time_to_wire),
        base_model: spec
            .base_model
            .as_ref()
            .map(names::model_ref)
            .unwrap_or_default(),
        tuning: spec.tuning.as_ref().map(tuning::to_wire),
        batch_score: spec.batch_score.as_ref().map(batch::to_wire),
        offering: spec.offering.as_ref().map(offering::to_wire),
    }
}

pub(super) fn input_to_wire(input: &InputRef) -> v1::InputRef {
    use v1::input_ref::Source;
    let source = match &input.source {
        InputSource::Dataset(id) => Source::Dataset(names::dataset(id)),
        InputSource::Sql(sql) => Source::Sql(sql.clone()),
        InputSource::Output { job, output } => Source::Output(names::output(job, output)),
        InputSource::Features(view) => Source::FeatureView(names::feature_view(view)),
        InputSource::TrainingSet(set) => Source::TrainingSet(training::to_wire(set)),
    };
    let roles = input.roles.iter().map(|(&role, column)| v1::RoleColumn {
        role: convert::role_to_wire(role).into(),
        column: column.clone(),
    });
    v1::InputRef {
        source: Some(source),
        roles: roles.collect(),
        exclude: input.exclude.clone(),
    }
}
