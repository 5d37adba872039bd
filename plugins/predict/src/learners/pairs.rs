//! The output `interactions`: which columns act only together, of a sample of the learned rows.
//!
//! Does not explain single rows. Invariant: without being asked for it costs nothing and is empty.

use std::sync::Arc;

use lode_numeric::trees::Interactions;
use lode_numeric::trees::Table;
use lode_plugin::Output;
use lode_plugin::Result;
use lode_plugin::arrow_array::ArrayRef;
use lode_plugin::arrow_array::Float64Array;
use lode_plugin::arrow_array::RecordBatch;
use lode_plugin::arrow_array::StringArray;
use lode_plugin::arrow_schema::DataType;
use lode_plugin::arrow_schema::Field;
use lode_plugin::arrow_schema::Schema;
use lode_plugin::schemars::JsonSchema;
use lode_plugin::serde::Deserialize;

use super::forest;
use crate::frame::Plan;
use crate::learner::Training;
use crate::params::Part;
use crate::params::within_count;

/// Most rows that are looked at.
const MOST_ROWS: usize = 10_000;

/// What is told of columns that act together.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(crate = "lode_plugin::serde", deny_unknown_fields, default)]
#[schemars(crate = "lode_plugin::schemars")]
pub struct PairParams {
    /// Rows, evenly spread, of which the output `interactions` says how strongly pairs of columns
    /// act together; some hundreds tell. 0: the output is empty.
    #[schemars(range(min = 0, max = 10_000))]
    pub interaction_rows: usize,
}

impl Part for PairParams {
    fn check(&self) -> Result<()> {
        within_count("interaction_rows", self.interaction_rows, 0, MOST_ROWS)
    }
}

/// The output.
pub(super) fn output() -> Output {
    Output::new(
        "interactions",
        "How strongly pairs of columns act together, beyond what each adds alone: the mean \
         magnitude of Shapley's interaction in the unit of the margin, and its share of all that \
         columns add, alone and in pairs; empty unless interaction_rows are asked for",
    )
}

/// The pairs that `measure` finds on the rows that are asked for.
pub(super) fn table(
    params: PairParams,
    rows: &Training<'_>,
    measure: impl FnOnce(&Table<'_>) -> lode_numeric::Result<Interactions>,
) -> Result<RecordBatch> {
    let n_rows = rows.targets.len();
    let found = match params.interaction_rows.min(n_rows) {
        0 => None,
        wanted => {
            let spread = (0..wanted).map(|at| at * n_rows / wanted);
            let frame = rows.rows.taken(&spread.collect::<Vec<usize>>());
            let table = forest::table(&frame.rows())?;
            Some(measure(&table).map_err(forest::failed)?)
        }
    };
    batch(rows.plan, found.as_ref())
}

fn batch(plan: &Plan, found: Option<&Interactions>) -> Result<RecordBatch> {
    let all = found.map_or(0.0, |found| {
        let pairs = found.pairs.iter().map(|pair| pair.strength);
        pairs.chain(found.own.iter().copied()).sum()
    });
    let pairs = found.map_or(&[][..], |found| &found.pairs);
    let name = |column: usize| plan.features[column].name.as_str();
    let firsts = pairs.iter().map(|pair| name(pair.first));
    let seconds = pairs.iter().map(|pair| name(pair.second));
    let share = |strength: f64| if all > 0.0 { strength / all } else { 0.0 };
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(firsts)),
        Arc::new(StringArray::from_iter_values(seconds)),
        Arc::new(Float64Array::from_iter_values(
            pairs.iter().map(|pair| share(pair.strength)),
        )),
        Arc::new(Float64Array::from_iter_values(
            pairs.iter().map(|pair| pair.strength),
        )),
    ];
    let schema = Schema::new(vec![
        Field::new("first", DataType::Utf8, false),
        Field::new("second", DataType::Utf8, false),
        Field::new("share", DataType::Float64, false),
        Field::new("strength", DataType::Float64, false),
    ]);
    Ok(RecordBatch::try_new(Arc::new(schema), columns)?)
}
