//! What the arguments of `lode train` ask for: task words, labels, populations, candidates.

use std::cmp::Ordering;

use lode_sdk::AlgorithmInfo;
use lode_sdk::Candidates;
use lode_sdk::Condition;
use lode_sdk::ConditionOp;
use lode_sdk::Dataset;
use lode_sdk::FeatureView;
use lode_sdk::Label;
use lode_sdk::LabelKind;
use lode_sdk::RollingPlan;
use lode_sdk::TrainingSet;
use lode_types::Role;
use lode_types::Value;

use super::Args;
use crate::commands::Context;
use crate::failure::Failed;
use crate::failure::Result;
use crate::output::number;

/// A label as typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LabelArg {
    kind: LabelKind,
    column: String,
}

/// What is to be told, and by what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Task {
    /// `churn`, `response`, `demand`, `value`, or what stands before the dot of an algorithm.
    pub(crate) word: String,
    pub(crate) algorithm: String,
}

/// Rows without the event for each with it, of a demand that does not say.
const DEMAND_NEGATIVES: f64 = 5.0;

/// Tasks with what does best on customers' data first.
const TASKS: [(&str, &[&str]); 4] = [
    ("churn", &["churn.gbdt", "churn.logistic"]),
    ("response", &["response.gbdt", "response.logistic"]),
    ("demand", &["demand.gbdt", "demand.logistic"]),
    ("value", &["value.two-stage", "value.gbdt", "value.linear"]),
];

impl Task {
    /// The task and algorithm that `what` names, of those that the engine has.
    pub(crate) fn find(what: &str, known: &[&str]) -> Result<Self> {
        if what.contains('.') {
            return Ok(Self::named(what));
        }
        let Some((word, wanted)) = TASKS.iter().find(|(word, _)| *word == what) else {
            return Err(Failed::usage(format!(
                "expected churn, response, demand, value, recommend or the id of an algorithm such as churn.logistic, found {what}"
            )));
        };
        let found = wanted.iter().find(|id| known.contains(id)).ok_or_else(|| {
            Failed::usage(format!(
                "expected an engine with one of {} for {word}, found one with {}",
                wanted.join(", "),
                known.join(", ")
            ))
        })?;
        Ok(Self {
            word: (*word).to_owned(),
            algorithm: (*found).to_owned(),
        })
    }

    /// The task of an algorithm by its id.
    pub(super) fn named(algorithm: &str) -> Self {
        let word = algorithm
            .split_once('.')
            .map_or(algorithm, |(word, _)| word);
        Self {
            word: word.to_owned(),
            algorithm: algorithm.to_owned(),
        }
    }

    fn label(&self) -> Result<LabelArg> {
        let kind = match self.word.as_str() {
            "churn" => LabelKind::NoEvent,
            "response" | "demand" => LabelKind::Event,
            "value" => LabelKind::Sum,
            _ => {
                return Err(Failed::usage(format!(
                    "expected --label, since {} does not say what is learned, found none",
                    self.algorithm
                )));
            }
        };
        Ok(LabelArg {
            kind,
            column: String::new(),
        })
    }
}

/// `no-event`, `event`, `sum`, `sum=COLUMN` or `column=COLUMN`.
pub(crate) fn label(text: &str) -> std::result::Result<LabelArg, String> {
    let (word, column) = text.split_once('=').unwrap_or((text, ""));
    let kind = match (word, column) {
        ("no-event", "") => LabelKind::NoEvent,
        ("event", "") => LabelKind::Event,
        ("sum", _) => LabelKind::Sum,
        ("column", column) if !column.is_empty() => LabelKind::Column,
        _ => {
            return Err("expected no-event, event, sum, sum=COLUMN or column=COLUMN".to_owned());
        }
    };
    Ok(LabelArg {
        kind,
        column: column.to_owned(),
    })
}

/// `COLUMN` or `COLUMN=VALUE,VALUE`.
pub(crate) fn candidates(text: &str) -> std::result::Result<Candidates, String> {
    let (column, values) = text.split_once('=').unwrap_or((text, ""));
    let values = values
        .split(',')
        .map(str::trim)
        .filter(|value| !value.is_empty());
    Ok(Candidates {
        column: column.trim().to_owned(),
        values: values.map(str::to_owned).collect(),
        ..Candidates::default()
    })
}

/// The features, and whether this command made their view.
pub(crate) struct Features {
    view: FeatureView,
    made: bool,
    left_out: Option<String>,
}

impl Features {
    /// The view that is named, or else the standard one, made when it is not there.
    pub(crate) async fn find(cx: &Context, args: &Args) -> Result<Self> {
        if let Some(name) = &args.features {
            return Ok(Self {
                view: cx.lode.feature_view(name).await?,
                made: false,
                left_out: None,
            });
        }
        let customers = args.customers.as_deref();
        let standard = cx.lode.standard_view(&args.events, customers).await?;
        Ok(Self {
            view: standard.view,
            made: standard.made,
            left_out: standard.left_out,
        })
    }

    /// Takes the view away again where this command made it: of what is refused nothing stays.
    pub(crate) async fn undo(self, cx: &Context) {
        if self.made {
            // The refusal is what is to be told; that a view stays behind it changes nothing.
            drop(cx.lode.delete_feature_view(&self.view.feature_view).await);
        }
    }
}

/// The training set that the arguments describe, and what to say of what they left open.
pub(crate) async fn training_set(
    cx: &Context,
    args: &Args,
    task: &Task,
    features: &Features,
) -> Result<(TrainingSet, Vec<String>)> {
    let view = &features.view;
    let mut notes: Vec<String> = features.left_out.iter().cloned().collect();
    if args.features.is_none() {
        notes.push(format!(
            "features: {} of view {}",
            view.features.len(),
            view.feature_view
        ));
    }
    let label = match &args.label {
        Some(label) => label.clone(),
        None => task.label()?,
    };
    let mut set = TrainingSet {
        label: Label {
            kind: label.kind,
            events: match label.kind {
                LabelKind::Column => String::new(),
                _ => args.events.clone(),
            },
            filter: filter(cx, args, task, &mut notes).await?,
            column: label.column,
        },
        rows: rows(args, task, view, &mut notes),
        as_of: args.at.clone(),
        exclude_customers: args.exclude_customers.clone(),
        negatives: negatives(args, task, label.kind, &mut notes),
        new_within: args.new_within.clone().unwrap_or_default(),
        candidates: offered(args, task)?,
        ..TrainingSet::new(view.feature_view.as_str(), label.kind, args.horizon())
    };
    if args.every.is_some() || args.dates.is_some() {
        set.rolling = Some(RollingPlan {
            last: None,
            every: args.every.clone().unwrap_or_default(),
            dates: args.dates.unwrap_or(0),
        });
    }
    Ok((set, notes))
}

/// Parameters that follow from what is told: what a customer spends now, which the stage of an
/// algorithm that takes it (`current`) is told by.
pub(crate) fn params(
    args: &Args,
    task: &Task,
    features: &Features,
    algorithms: &[AlgorithmInfo],
    notes: &mut Vec<String>,
) -> Vec<(String, Value)> {
    let mut known = algorithms.iter();
    let takes = known.any(|known| {
        known.algorithm == task.algorithm
            && known.params_schema.pointer("/properties/current").is_some()
    });
    let given = args.params.iter().any(|(name, _)| name == "current");
    if !takes || given {
        return Vec::new();
    }
    // Of another label the amounts of the view say nothing.
    let standard = args.label.is_none() && args.filter.is_empty();
    let spend = standard.then(|| features.view.spend(&args.events, args.horizon()));
    let Some(spend) = spend.flatten() else {
        notes.push(
            "stages: none, since no feature says what a customer spends now; -p current=COLUMN names one"
                .to_owned(),
        );
        return Vec::new();
    };
    let scaled = match spend.scale.total_cmp(&1.0) {
        Ordering::Equal => String::new(),
        _ => format!(
            ", {} x its {} for the {} of the label",
            number(spend.scale),
            spend.window,
            args.horizon()
        ),
    };
    notes.push(format!(
        "stages: rising, stable or losing against {}{scaled}; -p current=COLUMN says another",
        spend.feature
    ));
    vec![
        ("current".to_owned(), Value::Text(spend.feature)),
        ("current_scale".to_owned(), Value::Float(spend.scale)),
    ]
}

/// The conditions on events, their values in the types of the dataset's columns.
async fn filter(
    cx: &Context,
    args: &Args,
    task: &Task,
    notes: &mut Vec<String>,
) -> Result<Vec<Condition>> {
    let is_value = task.word == "value" && args.label.is_none();
    if args.filter.is_empty() && !is_value {
        return Ok(Vec::new());
    }
    let dataset = cx.lode.dataset(&args.events).await?;
    if args.filter.is_empty() {
        let bought = bought(&dataset);
        let words: Vec<String> = bought.iter().map(ToString::to_string).collect();
        notes.push(format!(
            "label: the sum of what is bought ({}), without what is given back; --filter says another",
            words.join(", ")
        ));
        return Ok(bought);
    }
    let typed = args.filter.iter().map(|condition| {
        let mut columns = dataset.schema.columns().iter();
        match columns.find(|column| column.name == condition.column) {
            Some(column) => condition.clone().of_type(column.column_type),
            None => condition.clone(),
        }
    });
    Ok(typed.collect())
}

/// The events that are purchases: what is paid is above 0.
fn bought(dataset: &Dataset) -> Vec<Condition> {
    let named = |role: Role| {
        dataset
            .schema
            .with_role(role)
            .map(|column| column.name.clone())
    };
    let columns = match named(Role::Amount) {
        Some(amount) => vec![amount],
        None => [Role::Quantity, Role::UnitPrice]
            .into_iter()
            .filter_map(named)
            .collect(),
    };
    let above = columns.into_iter().map(|column| Condition {
        column,
        op: ConditionOp::Above,
        values: vec![Value::Int(0)],
    });
    above.collect()
}

/// Who takes part.
fn rows(args: &Args, task: &Task, view: &FeatureView, notes: &mut Vec<String>) -> Vec<Condition> {
    let columns = || view.features.iter().flat_map(|feature| &feature.columns);
    if !args.rows.is_empty() {
        let typed = args.rows.iter().map(|condition| {
            let known = columns().find(|(name, _)| *name == condition.column);
            match known.and_then(|(_, column_type)| *column_type) {
                Some(column_type) => condition.clone().of_type(column_type),
                None => condition.clone(),
            }
        });
        return typed.collect();
    }
    if task.word != "churn" || args.everybody {
        return Vec::new();
    }
    let days = days(args.horizon());
    let Some(days) = days.filter(|_| columns().any(|(name, _)| name == "recency")) else {
        notes.push(
            "population: everybody with an event before the date; --where narrows it".to_owned(),
        );
        return Vec::new();
    };
    notes.push(format!(
        "population: customers with an event in the {} before the date; --where says another, --everybody none",
        args.horizon()
    ));
    vec![Condition {
        column: "recency".to_owned(),
        op: ConditionOp::AtMost,
        values: vec![Value::Float(days)],
    }]
}

/// A length in days.
fn days(text: &str) -> Option<f64> {
    let units = [("w", 7.0), ("d", 1.0), ("h", 1.0 / 24.0)];
    let (unit, of) = units.iter().find(|(unit, _)| text.ends_with(unit))?;
    let n: u32 = text.strip_suffix(unit)?.parse().ok()?;
    Some(f64::from(n) * of)
}

/// Rows without the event for each with it: of a demand a sample unless another number is asked
/// for, since customers by items are many rows, of which few have the event.
fn negatives(args: &Args, task: &Task, kind: LabelKind, notes: &mut Vec<String>) -> f64 {
    let is_event = matches!(kind, LabelKind::Event | LabelKind::NoEvent);
    match args.negatives {
        Some(given) => given,
        None if task.word == "demand" && is_event => {
            notes.push(format!(
                "sample: {DEMAND_NEGATIVES} rows without the event for each with it, weighted up, at dates that do not judge; --negatives says another number, 0 keeps all"
            ));
            DEMAND_NEGATIVES
        }
        None => 0.0,
    }
}

/// What a customer might take.
fn offered(args: &Args, task: &Task) -> Result<Option<Candidates>> {
    let mut candidates = match (&args.candidates, &args.group_by) {
        (Some(candidates), _) => candidates.clone(),
        (None, Some(column)) => Candidates {
            column: column.clone(),
            ..Candidates::default()
        },
        (None, None) => match default_candidates(args, task)? {
            Some(candidates) => candidates,
            None => return Ok(None),
        },
    };
    candidates.top = args.top.unwrap_or(0);
    candidates.exclude_owned = args.exclude_owned;
    Ok(Some(candidates))
}

/// The items of a demand; nothing of another task.
fn default_candidates(args: &Args, task: &Task) -> Result<Option<Candidates>> {
    match task.word.as_str() {
        "demand" => Ok(Some(Candidates::default())),
        _ if args.top.is_some() || args.exclude_owned => Err(Failed::usage(
            "expected --candidates or --group-by beside --top and --exclude-owned, found none",
        )),
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_takes_the_first_of_its_algorithms_that_is_there() {
        let found = |what: &str, known: &[&str]| Task::find(what, known);
        let task = found("churn", &["churn.logistic", "segment.rfm"]).unwrap();
        assert_eq!(task.algorithm, "churn.logistic");
        let task = found("churn", &["churn.logistic", "churn.gbdt"]).unwrap();
        assert_eq!(
            (task.word.as_str(), task.algorithm.as_str()),
            ("churn", "churn.gbdt")
        );
        let task = found("credit.scorecard", &[]).unwrap();
        assert_eq!(task.word, "credit");
        assert!(task.label().is_err());
        assert!(
            found("chrun", &[])
                .unwrap_err()
                .to_string()
                .contains("found chrun")
        );
        let none = found("value", &["segment.rfm"]).unwrap_err().to_string();
        assert!(
            none.contains("value.two-stage, value.gbdt, value.linear"),
            "{none}"
        );
    }

    #[test]
    fn labels_and_candidates_are_read() {
        let read = |text: &str| label(text).map(|label| (label.kind, label.column));
        assert_eq!(read("no-event"), Ok((LabelKind::NoEvent, String::new())));
        assert_eq!(read("sum=fee"), Ok((LabelKind::Sum, "fee".to_owned())));
        assert_eq!(
            read("column=left"),
            Ok((LabelKind::Column, "left".to_owned()))
        );
        for wrong in ["column", "event=3", "never"] {
            assert!(label(wrong).unwrap_err().starts_with("expected no-event"));
        }
        let group = candidates("group=a, b").unwrap();
        assert_eq!((group.column.as_str(), group.values.len()), ("group", 2));
        assert_eq!(candidates("group").unwrap().values.len(), 0);
        assert_eq!(days("2w"), Some(14.0));
        assert_eq!(days("12h"), Some(0.5));
        assert_eq!(days("soon"), None);
    }
}
