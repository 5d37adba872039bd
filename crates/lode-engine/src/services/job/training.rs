//! A training set on the wire and as it is kept with its job.

use lode_features::Condition;
use lode_jobs::CandidatesSpec;
use lode_jobs::LabelSpec;
use lode_jobs::LabelWord;
use lode_jobs::RollingPlan;
use lode_jobs::TrainingSpec;
use lode_proto::convert;
use lode_proto::names;
use lode_proto::v1;
use lode_types::Class;
use lode_types::Fault;
use serde_json::Value as Json;

use crate::services::feature::wire;

/// A set that a client asks for.
pub(super) fn from_wire(set: &v1::TrainingSet) -> Result<TrainingSpec, Fault> {
    let feature_view = names::parse_feature_view(&set.feature_view).map_err(|_| {
        wrong(
            "feature_view",
            "tenants/default/featureViews/VIEW",
            &shown(&set.feature_view),
        )
    })?;
    let label = set.label.clone().unwrap_or_default();
    let exclude = set.exclude_customers.iter().enumerate();
    let exclude = exclude.map(|(i, name)| {
        let path = format!("exclude_customers[{i}]");
        names::parse_dataset(name)
            .map_err(|_| wrong(&path, "tenants/default/datasets/DATASET", &shown(name)))
    });
    let rolling = set.rolling.as_ref().map(|plan| RollingPlan {
        last: plan.last.as_ref().map(convert::time_from_wire),
        every: plan.every.clone(),
        dates: plan.dates,
    });
    let candidates = set.candidates.as_ref().map(|asked| CandidatesSpec {
        column: asked.column.clone(),
        values: asked.values.clone(),
        top: asked.top,
        exclude_owned: asked.exclude_owned,
    });
    Ok(TrainingSpec {
        feature_view,
        as_of: set.as_of.iter().map(convert::time_from_wire).collect(),
        rolling,
        horizon: set.horizon.clone(),
        label: LabelSpec {
            kind: kind(label.kind)?,
            events: label.events,
            filter: conditions("label.filter", &label.filter)?,
            column: label.column,
        },
        rows: conditions("where", &set.r#where)?,
        exclude_customers: exclude.collect::<Result<_, _>>()?,
        negatives: set.negatives,
        new_within: set.new_within.clone(),
        candidates,
    })
}

/// The set as it is shown.
pub(super) fn to_wire(set: &TrainingSpec) -> v1::TrainingSet {
    let kind = match set.label.kind {
        LabelWord::NoEvent => v1::LabelKind::NoEvent,
        LabelWord::Event => v1::LabelKind::Event,
        LabelWord::Sum => v1::LabelKind::Sum,
        LabelWord::Column => v1::LabelKind::Column,
    };
    v1::TrainingSet {
        feature_view: names::feature_view(&set.feature_view),
        as_of: set
            .as_of
            .iter()
            .copied()
            .map(convert::time_to_wire)
            .collect(),
        rolling: set.rolling.as_ref().map(|plan| v1::RollingPlan {
            last: plan.last.map(convert::time_to_wire),
            every: plan.every.clone(),
            dates: plan.dates,
        }),
        horizon: set.horizon.clone(),
        label: Some(v1::Label {
            kind: kind.into(),
            events: set.label.events.clone(),
            filter: conditions_to_wire(&set.label.filter),
            column: set.label.column.clone(),
        }),
        r#where: conditions_to_wire(&set.rows),
        exclude_customers: set.exclude_customers.iter().map(names::dataset).collect(),
        negatives: set.negatives,
        new_within: set.new_within.clone(),
        candidates: set.candidates.as_ref().map(|asked| v1::Candidates {
            column: asked.column.clone(),
            values: asked.values.clone(),
            top: asked.top,
            exclude_owned: asked.exclude_owned,
        }),
    }
}

fn kind(kind: i32) -> Result<LabelWord, Fault> {
    match v1::LabelKind::try_from(kind) {
        Ok(v1::LabelKind::NoEvent) => Ok(LabelWord::NoEvent),
        Ok(v1::LabelKind::Event) => Ok(LabelWord::Event),
        Ok(v1::LabelKind::Sum) => Ok(LabelWord::Sum),
        Ok(v1::LabelKind::Column) => Ok(LabelWord::Column),
        Ok(v1::LabelKind::Unspecified) => Err(wrong(
            "label.kind",
            "one of no_event, event, sum, column",
            "nothing",
        )),
        Err(_) => Err(wrong(
            "label.kind",
            "one of no_event, event, sum, column",
            &kind.to_string(),
        )),
    }
}

fn conditions(path: &str, given: &[v1::FeatureCondition]) -> Result<Json, Fault> {
    if given.is_empty() {
        return Ok(Json::Null);
    }
    let given = given.iter().enumerate();
    let all = given.map(|(i, one)| wire::condition(&format!("{path}[{i}]"), one));
    Ok(Json::Array(all.collect::<Result<_, _>>()?))
}

fn conditions_to_wire(json: &Json) -> Vec<v1::FeatureCondition> {
    // What was kept was read once.
    let conditions = Condition::read("", json).unwrap_or_default();
    conditions.iter().map(wire::condition_to_wire).collect()
}

fn shown(text: &str) -> String {
    match text {
        "" => "nothing".to_owned(),
        text => format!("{text:?}"),
    }
}

fn wrong(path: &str, expected: &str, found: &str) -> Fault {
    let message = format!("{path}: expected {expected}, found {found}");
    Fault::new(Class::Invalid, "INVALID_TRAINING_SET", message).at(path)
}
