//! Settles what a training set leaves open, once, when its job is created.
//!
//! Dates, the values of candidates and the view's declaration are fixed here and kept with the
//! job; the versions of all datasets are pinned by the caller. What cannot be is refused with
//! the field, what was expected there and what was found.

use std::sync::Arc;
use std::sync::Mutex;

use arrow_schema::DataType;
use arrow_schema::SchemaRef;
use lode_features::Candidates;
use lode_features::Condition;
use lode_features::Input;
use lode_features::Label;
use lode_features::LabelKind;
use lode_features::Literal;
use lode_features::Training;
use lode_features::TrainingInput;
use lode_features::ViewSpec;
use lode_features::time_range;
use lode_features::top_values;
use lode_query::Sql;
use lode_store::Snapshot;
use lode_store::Store;
use lode_types::DatasetId;
use lode_types::Failure;
use lode_types::Role;
use lode_types::Timestamp;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Value as Json;

use super::CandidatesSpec;
use super::LabelSpec;
use super::LabelWord;
use super::TrainingSpec;
use super::build::Built;
use super::dates;
use super::dates::Range;
use super::dates::length;
use super::wrong;
use crate::Error;
use crate::PinnedView;
use crate::Provenance;
use crate::Result;
use crate::features;

/// Candidates of a set that does not say how many.
const DEFAULT_TOP: usize = 20;
/// Most candidates.
const MAX_CANDIDATES: usize = 1000;
/// Most rows without the event for each with it.
const MAX_NEGATIVES: f64 = 1e6;

/// A training set with nothing left open.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Resolved {
    /// The view's id; its declaration is kept beside this.
    pub(crate) feature_view: String,
    /// The dates, ascending.
    pub(crate) as_of: Vec<Timestamp>,
    /// Which of them judge, and so keep all their rows.
    pub(crate) judging: Vec<bool>,
    pub(crate) horizon: String,
    pub(crate) label: LabelSpec,
    #[serde(rename = "where")]
    pub(crate) rows: Json,
    pub(crate) exclude_customers: Vec<DatasetId>,
    pub(crate) negatives: f64,
    pub(crate) new_within: String,
    /// With all its values.
    pub(crate) candidates: Option<CandidatesSpec>,
    /// Nothing later exists: the job's time, or that of its creation.
    pub(crate) bound: Timestamp,
    /// Whether the bound was asked for; if not, all that is stored counts for labels.
    pub(crate) bounded: bool,
    /// When the last event that counts happened.
    pub(crate) end: Timestamp,
    /// Seed of the sample.
    pub(crate) seed: u64,
}

/// What resolving needs beside the set itself.
pub(crate) struct Asked<'a> {
    pub(crate) store: &'a Store,
    pub(crate) sql: &'a Sql,
    /// The job's time, if it has one.
    pub(crate) as_of: Option<Timestamp>,
    pub(crate) seed: u64,
    /// Of the evaluation.
    pub(crate) test_dates: u32,
    /// Whether there is an evaluation.
    pub(crate) judges: bool,
}

/// A training set that can be built: resolved, its datasets pinned.
pub(crate) struct TrainingSource {
    pub(crate) view: PinnedView,
    /// The view's, as it was when the job was created.
    pub(crate) declaration: String,
    pub(crate) resolved: Resolved,
    /// Of the customers who take no part.
    pub(crate) excluded: Vec<Arc<Snapshot>>,
    /// The table, once it was made: the judge and the fit read the same.
    pub(super) built: Mutex<Option<Built>>,
}

type Pin<'a> = dyn FnMut(&DatasetId) -> Result<Arc<Snapshot>> + 'a;

impl TrainingSource {
    /// Resolves what a client asks.
    ///
    /// # Errors
    /// `INVALID_TRAINING_SET` with the field; those of the view and the datasets.
    pub(crate) fn resolve(
        asked: &Asked<'_>,
        spec: &TrainingSpec,
        pin: &mut Pin<'_>,
    ) -> Result<Self> {
        let declaration = features::declaration(asked.store, &spec.feature_view)?;
        let horizon = length("horizon", &spec.horizon)?;
        let new_within = match spec.new_within.as_str() {
            "" => horizon,
            text => length("new_within", text)?,
        };
        negatives(spec)?;
        let bound = asked.as_of.unwrap_or_else(|| asked.store.now());
        let view_spec = ViewSpec::from_json(&declaration)?;
        let mut label = spec.label.clone();
        let first = view_spec.events.first();
        if label.events.is_empty() && label.kind != LabelWord::Column {
            label.events = first.cloned().unwrap_or_default();
        }
        let mut resolved = Resolved {
            feature_view: spec.feature_view.to_string(),
            as_of: Vec::new(),
            judging: Vec::new(),
            horizon: horizon.to_string(),
            label,
            rows: spec.rows.clone(),
            exclude_customers: spec.exclude_customers.clone(),
            negatives: spec.negatives,
            new_within: new_within.to_string(),
            candidates: spec.candidates.clone(),
            bound,
            bounded: asked.as_of.is_some(),
            end: bound,
            seed: asked.seed,
        };
        // Everything by name is checked before any row is read.
        let view = resolved.pin(asked.store, asked.sql, &declaration, true, pin)?;
        let range = range(&view, &resolved)?;
        resolved.end = range.end;
        resolved.as_of = dates::dates(&spec.as_of, spec.rolling.as_ref(), horizon, range)?;
        resolved.judging = match asked.judges {
            true => dates::judging(&resolved.as_of, horizon.micros(), asked.test_dates),
            false => vec![false; resolved.as_of.len()],
        };
        let view = match &spec.candidates {
            None => view,
            Some(candidates) => {
                let settled = settle(&view, candidates, resolved.as_of[0])?;
                resolved.candidates = Some(settled);
                resolved.pin(asked.store, asked.sql, &declaration, true, pin)?
            }
        };
        Self::held(view, &declaration, resolved, pin)
    }

    /// The same set again, from what was kept with its job.
    pub(crate) fn again(
        store: &Store,
        sql: &Sql,
        declaration: &str,
        resolved: &str,
        pin: &mut Pin<'_>,
    ) -> Result<Self> {
        let declaration = serde_json::from_str(declaration)?;
        let resolved: Resolved = serde_json::from_str(resolved)?;
        let view = resolved.pin(store, sql, &declaration, true, pin)?;
        Self::held(view, &declaration, resolved, pin)
    }

    fn held(
        view: PinnedView,
        declaration: &Json,
        resolved: Resolved,
        pin: &mut Pin<'_>,
    ) -> Result<Self> {
        let excluded = excluded(&view, &resolved.exclude_customers, pin)?;
        Ok(Self {
            view,
            declaration: declaration.to_string(),
            resolved,
            excluded,
            built: Mutex::new(None),
        })
    }

    /// The columns of the table.
    pub(crate) fn schema(&self) -> SchemaRef {
        self.view.view().schema()
    }

    /// How many of its dates judge, and how many there are.
    pub(crate) fn judging_of(&self) -> (usize, usize) {
        let judging = &self.resolved.judging;
        let judges = judging.iter().filter(|judges| **judges);
        (judges.count(), judging.len())
    }

    /// All that is pinned, each dataset once.
    pub(crate) fn snapshots(&self) -> Vec<Arc<Snapshot>> {
        let mut all = self.view.snapshots();
        for snapshot in &self.excluded {
            let id = &snapshot.dataset().id;
            if !all.iter().any(|held| held.dataset().id == *id) {
                all.push(Arc::clone(snapshot));
            }
        }
        all
    }
}

impl Resolved {
    /// What features and labels are computed by; without a label for rows to be scored.
    pub(super) fn training(&self, has_label: bool) -> Result<Training> {
        let kind = match self.label.kind {
            LabelWord::NoEvent => LabelKind::NoEvent,
            LabelWord::Event => LabelKind::Event,
            LabelWord::Sum => LabelKind::Sum,
            LabelWord::Column => LabelKind::Column,
        };
        let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let label = Label {
            kind,
            horizon: length("horizon", &self.horizon)?,
            column: given(&self.label.column),
        };
        Ok(Training {
            events: given(&self.label.events),
            filter: Condition::read("label.filter", &self.label.filter)?,
            label: has_label.then_some(label),
            rows: Condition::read("where", &self.rows)?,
            new_within: length("new_within", &self.new_within)?,
            candidates: None,
            weighs: self.negatives > 0.0,
            known_by: match self.bounded {
                true => self.bound,
                false => Timestamp(i64::MAX),
            },
        })
    }

    /// Pins the view with what makes the set of it.
    pub(super) fn pin(
        &self,
        store: &Store,
        sql: &Sql,
        declaration: &Json,
        has_label: bool,
        pin: &mut Pin<'_>,
    ) -> Result<PinnedView> {
        let mut training = self.training(has_label)?;
        let Some(asked) = &self.candidates else {
            return PinnedView::pin_training(store, sql, declaration, Some(&training), pin);
        };
        let column = (!asked.column.is_empty()).then(|| asked.column.clone());
        training.candidates = Some(Candidates {
            column: column.clone(),
            values: Vec::new(),
            exclude_owned: asked.exclude_owned,
        });
        let view = PinnedView::pin_training(store, sql, declaration, Some(&training), pin)?;
        if asked.values.is_empty() {
            return Ok(view);
        }
        let values = literals(&view, &asked.values)?;
        training.candidates = Some(Candidates {
            column,
            values,
            exclude_owned: asked.exclude_owned,
        });
        PinnedView::pin_training(store, sql, declaration, Some(&training), pin)
    }
}

/// The resolved set that a job or model was made from, if it was one.
pub(crate) fn resolved(provenance: &Provenance) -> Result<Option<Resolved>> {
    let mut inputs = provenance.inputs.iter();
    let Some(json) = inputs.find_map(|input| input.training.as_deref()) else {
        return Ok(None);
    };
    Ok(Some(serde_json::from_str(json)?))
}

/// Values of candidates in the type of their column.
fn literals(view: &PinnedView, values: &[String]) -> Result<Vec<Literal>> {
    let schema = view.view().schema();
    let is_number = schema
        .field_with_name("item")
        .is_ok_and(|field| *field.data_type() == DataType::Int64);
    let values = values.iter().enumerate();
    values
        .map(|(i, text)| match is_number {
            false => Ok(Literal::Text(text.clone())),
            true => text.parse().map(Literal::Int).map_err(|_| {
                let expected = "an integer, as the column of the items is of type int64";
                wrong(
                    format!("candidates.values[{i}]"),
                    expected,
                    format!("{text:?}"),
                )
            }),
        })
        .collect()
}

fn negatives(spec: &TrainingSpec) -> Result<()> {
    let found = spec.negatives;
    if !(0.0..=MAX_NEGATIVES).contains(&found) {
        let expected = format!("0 for all, or up to {MAX_NEGATIVES} for each row with the event");
        return Err(wrong("negatives", expected, found.to_string()));
    }
    if found > 0.0 && spec.label.kind == LabelWord::Column {
        return Err(wrong(
            "negatives",
            "0, since a label of kind column has no event",
            found.to_string(),
        ));
    }
    Ok(())
}

/// From when to when the data are, as the labels see them.
fn range(view: &PinnedView, resolved: &Resolved) -> Result<Range> {
    let bound = resolved.bound;
    let names: Vec<&str> = view.view().events().collect();
    let mut found: Option<Range> = None;
    for (i, name) in names.iter().enumerate() {
        let counts = match resolved.label.kind {
            LabelWord::Column => !names[..i].contains(name),
            _ => *name == resolved.label.events && !names[..i].contains(name),
        };
        if !counts {
            continue;
        }
        if let Some((first, end)) = time_range(view.view(), i, &view.rows_of(i)?, bound)? {
            found = Some(found.map_or(Range { first, end }, |range| Range {
                first: range.first.min(first),
                end: range.end.max(end),
            }));
        }
    }
    if found.is_none()
        && names.is_empty()
        && let Some(customers) = view.customers()
    {
        let dataset = customers.dataset();
        found = Some(Range {
            first: dataset.create_time.min(bound),
            end: dataset.update_time.min(bound),
        });
    }
    found.ok_or_else(|| {
        let of = match names.first() {
            Some(first) if resolved.label.events.is_empty() => first,
            _ => resolved.label.events.as_str(),
        };
        let until = dates::short(bound);
        wrong(
            "label.events",
            "a dataset with events that have a customer and a time",
            format!("none in {of:?} up to {until}"),
        )
    })
}

/// The candidates with all their values.
fn settle(view: &PinnedView, asked: &CandidatesSpec, first: Timestamp) -> Result<CandidatesSpec> {
    let mut settled = CandidatesSpec {
        top: 0,
        column: view.view().item_column().unwrap_or_default().to_owned(),
        ..asked.clone()
    };
    let n = match (asked.top as usize, asked.values.len()) {
        (top, 0) => top,
        (0, given) => given,
        (_, _) => {
            return Err(wrong(
                "candidates.top",
                "values or how many of the most frequent ones",
                "both of them",
            ));
        }
    };
    if n > MAX_CANDIDATES {
        let expected = format!("at most {MAX_CANDIDATES} candidates");
        return Err(wrong("candidates", expected, n.to_string()));
    }
    if let Some(i) = (1..asked.values.len()).find(|&i| asked.values[..i].contains(&asked.values[i]))
    {
        return Err(wrong(
            format!("candidates.values[{i}]"),
            "each value once",
            format!("{:?} twice", asked.values[i]),
        ));
    }
    if !asked.values.is_empty() {
        return Ok(settled);
    }
    let mut events = Vec::new();
    for (i, _) in view.view().events().enumerate() {
        events.push(view.rows_of(i)?);
    }
    let input = Input {
        events,
        lookups: Vec::new(),
        as_of: vec![first],
        threads: 1,
        training: TrainingInput::default(),
    };
    let n = if n == 0 { DEFAULT_TOP } else { n };
    let values = top_values(view.view(), &input, first, n)?;
    if values.is_empty() {
        return Err(wrong(
            "candidates",
            format!(
                "items in column {:?} of the events up to the first date, {}",
                settled.column,
                dates::short(first)
            ),
            "none",
        ));
    }
    let words = values.into_iter().map(|value| match value {
        Literal::Int(value) => value.to_string(),
        Literal::Text(text) => text,
        Literal::Bool(value) => value.to_string(),
        Literal::Float(value) => value.to_string(),
    });
    settled.values = words.collect();
    Ok(settled)
}

/// The datasets of customers who take no part, pinned.
pub(super) fn excluded(
    view: &PinnedView,
    ids: &[DatasetId],
    pin: &mut Pin<'_>,
) -> Result<Vec<Arc<Snapshot>>> {
    let schema = view.view().schema();
    let wanted = schema.field(0).data_type();
    let mut snapshots = Vec::new();
    for (i, id) in ids.iter().enumerate() {
        let path = format!("exclude_customers[{i}]");
        let snapshot = pin(id).map_err(|error| match error.reason() {
            "DATASET_NOT_FOUND" => {
                let found = format!("{:?}, which is not there", id.as_str());
                wrong(path.clone(), "a dataset", found)
            }
            _ => error.at(path.clone()),
        })?;
        let columns = &snapshot.dataset().schema;
        let Some(column) = columns.with_role(Role::CustomerId) else {
            let expected = "a dataset with a column of role customer_id";
            let found = format!("{:?}, which has none", id.as_str());
            return Err(wrong(path, expected, found));
        };
        if column.column_type.to_arrow() != *wanted {
            let expected = format!("customer ids of type {wanted}, as in the view's datasets");
            let found = format!("{} in {:?}", column.column_type, id.as_str());
            return Err(wrong(path, expected, found));
        }
        snapshots.push(snapshot);
    }
    Ok(snapshots)
}

/// Blames the field of a set below that of its input.
pub(crate) fn below(error: Error, field: &str) -> Error {
    match error.reason() {
        "INVALID_TRAINING_SET" => {
            let inner = error.field().to_owned();
            error.at(format!("{field}.training_set.{inner}"))
        }
        _ => error.at(field),
    }
}
