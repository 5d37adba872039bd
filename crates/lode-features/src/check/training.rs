//! Checks what makes a training set of a view, and plans it.

use std::sync::Arc;

use arrow_schema::DataType;
use lode_types::Role;

use super::Checker;
use super::columns::Events;
use super::columns::literals;
use super::columns::named;
use super::columns::with_role;
use super::words;
use crate::Error;
use crate::Result;
use crate::nearest::one_of;
use crate::plan::AccKind;
use crate::plan::Expr;
use crate::plan::ItemsPlan;
use crate::plan::LabelForm;
use crate::plan::LabelPlan;
use crate::plan::LookupPlan;
use crate::plan::Number;
use crate::plan::SourcePlan;
use crate::plan::Stream;
use crate::plan::Test;
use crate::plan::TrainingPlan;
use crate::plan::Value;
use crate::spec::Condition;
use crate::spec::Op;
use crate::training::Candidates;
use crate::training::Label;
use crate::training::LabelKind;
use crate::training::Training;
use crate::training::reserved;

/// Adds what a training set needs to the view's plan.
pub(super) fn add(checker: &mut Checker<'_>, training: &Training) -> Result<TrainingPlan> {
    let reserved = reserved(training.candidates.is_some());
    if let Some(name) = reserved
        .iter()
        .find(|name| checker.names.contains_key(**name))
    {
        return Err(Error::wrong(
            "feature_view",
            format!(
                "features with other names than a training set's own columns {}",
                reserved.join(", ")
            ),
            format!("a feature with the column {name:?}"),
        ));
    }
    let mut tests = Vec::new();
    for (i, condition) in training.rows.iter().enumerate() {
        tests.push(row_test(checker, &format!("where[{i}]"), condition)?);
    }
    let n_sources = checker.plan.sources.len();
    let new = (0..n_sources).map(|source| {
        let all = Stream {
            source,
            tests: Vec::new(),
            value: Value::Time,
        };
        let within = Some(training.new_within.micros());
        let within = checker.plan.range(all.clone(), within);
        let whole = checker.plan.range(all, None);
        let mut count = |range| {
            checker
                .plan
                .hidden("events", DataType::Int64, Expr::Count(range))
        };
        (count(within), count(whole))
    });
    let new = new.collect();
    let mut items = None;
    if let Some(candidates) = &training.candidates {
        items = Some(self::items(checker, training, candidates)?);
    }
    let label = training
        .label
        .as_ref()
        .map(|label| self::label(checker, training, label))
        .transpose()?;
    Ok(TrainingPlan {
        tests,
        label,
        new,
        items,
        weighs: training.weighs,
    })
}

/// A condition on a feature.
fn row_test(checker: &Checker<'_>, path: &str, condition: &Condition) -> Result<Test> {
    let Some(&out) = checker.names.get(&condition.column) else {
        let known: Vec<&str> = checker.names.keys().map(String::as_str).collect();
        return Err(Error::wrong(
            format!("{path}.column"),
            format!(
                "a column of the view, {}",
                one_of(&known, &condition.column)
            ),
            format!("{:?}", condition.column),
        ));
    };
    let data_type = &checker.plan.outs[out].data_type;
    let value = format!("{path}.{}", condition.op.as_str());
    let is_word = matches!(data_type, DataType::Utf8 | DataType::Boolean);
    if is_word && !matches!(condition.op, Op::Equals | Op::NotEquals | Op::In) {
        return Err(Error::wrong(
            value,
            format!(
                "equals, not_equals or in for {:?} of type {}",
                condition.column,
                words(data_type)
            ),
            condition.op.as_str(),
        ));
    }
    Ok(Test {
        column: out,
        op: condition.op,
        values: literals(&value, &condition.column, data_type, &condition.values)?,
    })
}

/// The dataset of events that the label and the candidates are of.
fn dataset(checker: &Checker<'_>, training: &Training) -> Result<String> {
    match (&training.events, checker.spec.events.first()) {
        (Some(name), _) | (None, Some(name)) => Ok(name.clone()),
        (None, None) => Err(Error::wrong(
            "label.events",
            "a dataset of events, since the view has none",
            "nothing",
        )),
    }
}

/// The source with the dataset's events: as they are known at t, or as they came to be known.
fn source(checker: &mut Checker<'_>, training: &Training, is_outcome: bool) -> Result<usize> {
    let name = dataset(checker, training)?;
    let same = |source: &SourcePlan| {
        source.dataset == name && (source.arrival.is_none() || source.is_outcome == is_outcome)
    };
    if let Some(at) = checker.plan.sources.iter().position(same) {
        return Ok(at);
    }
    let path = "label.events";
    let schema = checker.dataset(path, &name)?;
    let must = |role: Role| {
        with_role(&schema, role).ok_or_else(|| {
            let expected = format!("a dataset with a column of role {role}");
            Error::wrong(path, expected, format!("{name:?}, which has none"))
        })
    };
    let (id, time) = (must(Role::CustomerId)?, must(Role::EventTime)?);
    checker.same_id(path, &name, schema.field(id).data_type())?;
    let mut plan = SourcePlan {
        dataset: name.clone(),
        columns: Vec::new(),
        id: 0,
        time: 0,
        arrival: None,
        is_outcome,
        counts: false,
        known_by: if is_outcome {
            training.known_by.0
        } else {
            i64::MAX
        },
    };
    let mut column = |i: usize| plan_column(&mut plan, &schema, i);
    let (id, time) = (column(id), column(time));
    let arrival = with_role(&schema, Role::ArrivalTime).map(&mut column);
    (plan.id, plan.time, plan.arrival) = (id, time, arrival);
    checker.plan.sources.push(plan);
    checker.events.push(schema);
    Ok(checker.plan.sources.len() - 1)
}

fn plan_column(plan: &mut SourcePlan, schema: &arrow_schema::Schema, i: usize) -> usize {
    let field = schema.field(i);
    plan.column(field.name(), field.data_type())
}

/// The label's events of a source, with what is read of each.
fn stream(
    checker: &mut Checker<'_>,
    training: &Training,
    source: usize,
    value: impl FnOnce(&mut Events<'_>) -> Result<Value>,
) -> Result<Stream> {
    let schema = Arc::clone(&checker.events[source]);
    let plan = &mut checker.plan.sources[source];
    let dataset = plan.dataset.clone();
    let mut events = Events {
        path: "label",
        dataset: &dataset,
        schema,
        source: plan,
    };
    let tests = events.tests(&training.filter)?;
    let value = value(&mut events)?;
    Ok(Stream {
        source,
        tests,
        value,
    })
}

fn label(checker: &mut Checker<'_>, training: &Training, label: &Label) -> Result<LabelPlan> {
    let horizon = label.horizon.micros();
    let given = label.column.as_deref();
    let no_column = |what: &str| match given {
        None => Ok(()),
        Some(column) => Err(Error::wrong(
            "label.column",
            format!("none, since a label of kind {what} has no column"),
            format!("{column:?}"),
        )),
    };
    let has_items = training.candidates.is_some();
    let (form, data_type) = match label.kind {
        LabelKind::NoEvent | LabelKind::Event => {
            let is_event = label.kind == LabelKind::Event;
            no_column(if is_event { "event" } else { "no_event" })?;
            let form = match (has_items, is_event) {
                (true, true) => LabelForm::Item,
                (true, false) => LabelForm::NoItem,
                (false, _) => {
                    let source = source(checker, training, true)?;
                    let stream = stream(checker, training, source, |_| Ok(Value::Time))?;
                    let range = checker.plan.range_ahead(stream, horizon);
                    let expr = Expr::Count(range);
                    let out = checker.plan.hidden("label", DataType::Int64, expr);
                    match is_event {
                        true => LabelForm::Some(out),
                        false => LabelForm::None(out),
                    }
                }
            };
            (form, DataType::Boolean)
        }
        _ if has_items => {
            return Err(Error::wrong(
                "label.kind",
                "event or no_event, since there are candidates",
                kind_word(label.kind),
            ));
        }
        LabelKind::Sum => {
            let source = source(checker, training, true)?;
            let mut number = Number::Float;
            let stream = stream(checker, training, source, |events| {
                let (_, value, _) = events.number(given, "column")?;
                if let Value::Number(_, found) | Value::Product(_, _, found) = &value {
                    number = *found;
                }
                Ok(value)
            })?;
            let range = checker.plan.range_ahead(stream, horizon);
            let acc = checker.plan.acc(range, AccKind::Sum);
            let own = match number {
                Number::Int => DataType::Int64,
                Number::Float => DataType::Float64,
                Number::Decimal(scale) => DataType::Decimal128(38, scale),
            };
            let out = checker.plan.hidden("label", own, Expr::Acc(acc));
            (LabelForm::Sum(out), DataType::Float64)
        }
        LabelKind::Column => {
            if !training.filter.is_empty() {
                return Err(Error::wrong(
                    "label.filter",
                    "none, since a label of kind column reads no events",
                    "a filter",
                ));
            }
            let (out, data_type) = attribute(checker, given, horizon)?;
            (LabelForm::Value(out), data_type)
        }
    };
    Ok(LabelPlan {
        horizon,
        form,
        data_type,
    })
}

fn kind_word(kind: LabelKind) -> &'static str {
    match kind {
        LabelKind::NoEvent => "no_event",
        LabelKind::Event => "event",
        LabelKind::Sum => "sum",
        LabelKind::Column => "column",
    }
}

/// A column of the customers dataset a horizon later.
fn attribute(
    checker: &mut Checker<'_>,
    column: Option<&str>,
    horizon: i64,
) -> Result<(usize, DataType)> {
    let Some(name) = &checker.spec.customers else {
        return Err(Error::wrong(
            "feature_view",
            "a view with a dataset of customers, since the label is a column of it",
            "none",
        ));
    };
    let schema = checker.dataset("feature_view", name)?;
    let Some(column) = column else {
        let expected = format!("the name of a column of {name:?}");
        return Err(Error::wrong("label.column", expected, "nothing"));
    };
    let at = named("label.column", name, &schema, column)?;
    let data_type = schema.field(at).data_type().clone();
    let takes = matches!(
        data_type,
        DataType::Utf8
            | DataType::Int64
            | DataType::Float64
            | DataType::Boolean
            | DataType::Decimal128(_, _)
    );
    if !takes {
        return Err(Error::wrong(
            "label.column",
            "a column of type string, int64, float64, decimal or bool",
            format!("{column:?} of type {}", words(&data_type)),
        ));
    }
    // The customers' own lookup comes first, and with it the id's column.
    let id = checker.plan.lookups[0].columns[0].clone();
    let lookup = checker.plan.lookups.len();
    checker.plan.lookups.push(LookupPlan {
        name: name.clone(),
        feature: None,
        columns: vec![id, (column.to_owned(), data_type.clone())],
        id: 0,
        ahead: horizon,
    });
    let out = checker
        .plan
        .hidden("label", data_type.clone(), Expr::Lookup(lookup, 1));
    Ok((out, data_type))
}

fn items(
    checker: &mut Checker<'_>,
    training: &Training,
    candidates: &Candidates,
) -> Result<ItemsPlan> {
    let (mut name, mut data_type) = (String::new(), DataType::Utf8);
    let mut place = |events: &mut Events<'_>| {
        let path = "candidates.column";
        let at = match candidates.column.as_deref() {
            Some(column) => named(path, events.dataset, &events.schema, column)?,
            None => with_role(&events.schema, Role::Item).ok_or_else(|| {
                let expected =
                    format!("a column, since {:?} has none of role item", events.dataset);
                Error::wrong(path, expected, "nothing")
            })?,
        };
        let (column, found, at) = events.read(at);
        if !matches!(found, DataType::Utf8 | DataType::Int64) {
            let found = format!("{column:?} of type {}", words(&found));
            return Err(Error::wrong(
                path,
                "a column of type string or int64",
                found,
            ));
        }
        (name, data_type) = (column, found);
        Ok(Value::Place(at))
    };
    let known = source(checker, training, false)?;
    let known = stream(checker, training, known, &mut place)?;
    let ahead = match &training.label {
        None => None,
        Some(_) => {
            let ahead = source(checker, training, true)?;
            Some(stream(checker, training, ahead, &mut place)?)
        }
    };
    let path = "candidates.values";
    let values = literals(path, &name, &data_type, &candidates.values)?;
    Ok(ItemsPlan {
        known,
        ahead,
        name,
        values,
        data_type,
        exclude_owned: candidates.exclude_owned,
    })
}
