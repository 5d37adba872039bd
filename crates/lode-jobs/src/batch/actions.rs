//! What to do about a reason: the rules of a table that the user owns.
//!
//! The first reason, in their order, that a rule speaks of decides; of several rules for it that
//! of the least priority number, then the first in the table. A rule for the feature `*` is for
//! customers of whom no reason has one. Invariant: a table that was read has no rule that cannot
//! be understood.

use std::collections::BTreeMap;

use arrow_array::Array;
use arrow_array::RecordBatch;
use arrow_array::StringArray;
use arrow_array::cast::AsArray;
use arrow_schema::DataType;
use lode_parts::Table;
use lode_store::Snapshot;
use lode_types::ColumnType;

use crate::Error;
use crate::Result;
use crate::SignatureColumn;
use crate::condition::Condition;
use crate::reasons::Part;

/// Most rules of one table.
const MOST_RULES: u64 = 10_000;
/// The feature of a rule for those without another.
const ANY: &str = "*";
const FIELD: &str = "spec.batch_score.actions";

/// The rules of one table.
#[derive(Debug, Default)]
pub(crate) struct Actions {
    /// By feature, those that decide first in front.
    rules: BTreeMap<String, Vec<Rule>>,
    /// What an action is, where the table says it.
    descriptions: BTreeMap<String, String>,
    /// Features that the model does not have.
    unknown: Vec<String>,
}

#[derive(Debug)]
struct Rule {
    condition: Option<Condition>,
    action: String,
    priority: f64,
}

impl Actions {
    /// Reads the rules of a dataset for a model with these columns.
    pub(crate) fn read(snapshot: &Snapshot, signature: &[SignatureColumn]) -> Result<Self> {
        let id = &snapshot.dataset().id;
        let files = snapshot.files()?.into_iter().map(|file| file.file);
        let table = Table::open(files.collect())?;
        if table.rows() > MOST_RULES {
            return Err(Error::invalid(
                "OUT_OF_RANGE",
                FIELD,
                format!(
                    "expected at most {MOST_RULES} rules, found {} rows in dataset {id}",
                    table.rows()
                ),
            ));
        }
        let mut actions = Self::default();
        let mut n = 0;
        for batch in table.batches() {
            let batch = batch?;
            let rows = Columns::of(&batch, id.as_str())?;
            for row in 0..batch.num_rows() {
                n += 1;
                actions.add(&rows, row, signature).map_err(|words| {
                    let words = format!("row {n} of dataset {id}: {words}");
                    Error::invalid("INVALID_ACTION", FIELD, words)
                })?;
            }
        }
        for rules in actions.rules.values_mut() {
            // Stable: rules of one priority stay in the order of the table.
            rules.sort_by(|a, b| a.priority.total_cmp(&b.priority));
        }
        actions.unknown.sort_unstable();
        actions.unknown.dedup();
        Ok(actions)
    }

    /// The action for a customer with these reasons.
    pub(crate) fn choose<'p>(&self, reasons: impl Iterator<Item = Part<'p>>) -> Option<&str> {
        for reason in reasons {
            let rules = self.rules.get(reason.feature).into_iter().flatten();
            for rule in rules {
                let condition = rule.condition.as_ref();
                if condition.is_none_or(|condition| condition.holds(reason.value)) {
                    return Some(&rule.action);
                }
            }
        }
        let any = self.rules.get(ANY)?.first()?;
        Some(&any.action)
    }

    /// What an action is.
    pub(crate) fn description(&self, action: &str) -> Option<&str> {
        self.descriptions.get(action).map(String::as_str)
    }

    /// Whether any action has a description.
    pub(crate) fn has_descriptions(&self) -> bool {
        !self.descriptions.is_empty()
    }

    /// Features of rules that the model does not have, so that the rules never apply.
    pub(crate) fn unknown(&self) -> &[String] {
        &self.unknown
    }

    fn add(
        &mut self,
        rows: &Columns,
        row: usize,
        signature: &[SignatureColumn],
    ) -> std::result::Result<(), String> {
        let text = |column: &Option<StringArray>| {
            let column = column.as_ref().filter(|column| column.is_valid(row))?;
            let text = column.value(row).trim();
            (!text.is_empty()).then(|| text.to_owned())
        };
        let feature = text(&rows.feature).ok_or("expected a feature, found none")?;
        let action = text(&rows.action).ok_or("expected an action, found none")?;
        let condition = text(&rows.condition);
        let condition = condition.as_deref().map(Condition::parse).transpose()?;
        let known = signature
            .iter()
            .find(|column| column.name == feature && column.role.is_none_or(may_be_reason));
        if feature == ANY {
            if let Some(condition) = &condition {
                return Err(format!(
                    "expected no condition for the feature \"*\", found {condition}"
                ));
            }
        } else {
            match (known, &condition) {
                (None, _) => self.unknown.push(feature.clone()),
                (Some(column), Some(condition))
                    if condition.is_of_numbers() && !is_number(column.column_type) =>
                {
                    return Err(format!(
                        "expected a condition on words such as \"= basic\" for feature {feature:?} of type {}, found {condition}",
                        column.column_type
                    ));
                }
                _ => {}
            }
        }
        let priority = match text(&rows.priority) {
            None => f64::INFINITY,
            Some(text) => text
                .parse::<f64>()
                .ok()
                .filter(|priority| priority.is_finite())
                .ok_or_else(|| format!("expected a number as priority, found {text:?}"))?,
        };
        if let Some(description) = text(&rows.description) {
            self.descriptions
                .entry(action.clone())
                .or_insert(description);
        }
        self.rules.entry(feature).or_default().push(Rule {
            condition,
            action,
            priority,
        });
        Ok(())
    }
}

fn may_be_reason(role: lode_types::Role) -> bool {
    role == lode_types::Role::Item
}

fn is_number(column_type: ColumnType) -> bool {
    matches!(
        column_type,
        ColumnType::Int64 | ColumnType::Float64 | ColumnType::Decimal { .. }
    )
}

/// The columns of a table of rules, as text.
struct Columns {
    feature: Option<StringArray>,
    action: Option<StringArray>,
    condition: Option<StringArray>,
    description: Option<StringArray>,
    priority: Option<StringArray>,
}

impl Columns {
    fn of(batch: &RecordBatch, dataset: &str) -> Result<Self> {
        let named = |name: &str| {
            let schema = batch.schema();
            let mut fields = schema.fields().iter();
            let at = fields.position(|field| field.name().eq_ignore_ascii_case(name));
            let text = at.map(|at| arrow_cast::cast(batch.column(at), &DataType::Utf8));
            Ok::<_, Error>(text.transpose()?.map(|text| text.as_string().clone()))
        };
        let columns = Self {
            feature: named("feature")?,
            action: named("action")?,
            condition: named("condition")?,
            description: named("description")?,
            priority: named("priority")?,
        };
        for (name, column) in [("feature", &columns.feature), ("action", &columns.action)] {
            if column.is_none() {
                let schema = batch.schema();
                let known: Vec<&str> = schema.fields().iter().map(|f| f.name().as_str()).collect();
                return Err(Error::invalid(
                    "COLUMN_NOT_FOUND",
                    FIELD,
                    format!(
                        "expected the columns feature and action in dataset {dataset}, found no {name:?} among {}",
                        known.join(", ")
                    ),
                ));
            }
        }
        Ok(columns)
    }
}
