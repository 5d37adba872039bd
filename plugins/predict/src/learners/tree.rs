//! `*.tree`: one decision tree that people can read.
//!
//! Does not boost.

use std::sync::Arc;

use lode_numeric::trees::ColumnName;
use lode_numeric::trees::Objective;
use lode_numeric::trees::leaf_of;
use lode_numeric::trees::rules;
use lode_numeric::trees::tree;
use lode_numeric::trees::tree::TreeParams as Asked;
use lode_plugin::Chart;
use lode_plugin::Context;
use lode_plugin::Output;
use lode_plugin::Result;
use lode_plugin::arrow_array::ArrayRef;
use lode_plugin::arrow_array::Float64Array;
use lode_plugin::arrow_array::Int64Array;
use lode_plugin::arrow_array::RecordBatch;
use lode_plugin::arrow_array::StringArray;
use lode_plugin::arrow_schema::DataType;
use lode_plugin::arrow_schema::Field;
use lode_plugin::arrow_schema::Schema;
use lode_plugin::schemars::JsonSchema;
use lode_plugin::serde::Deserialize;

use super::forest;
use super::forest::Grown;
use crate::frame::Plan;
use crate::frame::Rows;
use crate::learner::Additive;
use crate::learner::Learned;
use crate::learner::Learner;
use crate::learner::Training;
use crate::learner::learning;
use crate::params::Part;
use crate::params::within;
use crate::params::within_count;

/// One decision tree, pruned.
///
/// Use it when the model itself must be read: each customer falls under one rule. Boosting
/// predicts better.
///
/// # Input
/// `customers` as of [`super::Logistic`].
///
/// # Output
/// `scores` as of [`super::Logistic`], and `rule`, the number of the row's rule. `rules`, a
/// row a leaf: `rule`, `conditions` in words, `probability`, `share` of the learned rows,
/// `rows` (their weight). `importance` as of [`super::Gbdt`].
///
/// # Parameters
/// [`TreeParams`], [`crate::YesNoParams`], [`crate::Common`].
///
/// # Method
/// `lode_numeric::trees::tree`: best-first splits by impurity, pruned by cost and complexity.
/// A leaf's probability is smoothed towards its parent's; the margin is its log odds.
/// Contributions are exact SHAP values of the tree.
///
/// # Determinism and cost
/// The seed deals the folds of the pruning. The same bytes with any number of threads. O(rows
/// columns depth) a tree, six trees.
///
/// # Errors
/// As [`super::Gbdt`].
///
/// # Source
/// L. Breiman, J. Friedman, R. Olshen, C. Stone, "Classification and Regression Trees", 1984.
///
/// # Example
/// ```
/// use std::sync::Arc;
/// use arrow_array::{ArrayRef, BooleanArray, Float64Array, StringArray, cast::AsArray};
/// use lode_plugin::{Inputs, Role, testing};
/// use predict::{Predict, families::Churn, learners::Tree};
///
/// let n = 200;
/// let ids: ArrayRef = Arc::new(StringArray::from_iter_values((0..n).map(|n| format!("c{n}"))));
/// let months: ArrayRef = Arc::new(Float64Array::from_iter_values((0..n).map(f64::from)));
/// let left: ArrayRef = Arc::new(BooleanArray::from_iter((0..n).map(|n| Some(n < 60))));
/// let customers = testing::batch(&[
///     ("id", Some(Role::CustomerId), ids),
///     ("months", None, months),
///     ("left", Some(Role::Label), left),
/// ]);
/// let inputs = Inputs::new().with("customers", customers.into());
/// let fit = testing::fit::<Predict<Churn, Tree>>("{}", inputs, 1, 1)?;
/// let rules = fit.table("rules")["conditions"].as_string::<i32>();
/// assert_eq!(rules.value(0), "months <= 59.5");
/// # Ok::<(), lode_plugin::Error>(())
/// ```
#[derive(Debug)]
pub struct Tree;

/// Parameters of a decision tree.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(crate = "lode_plugin::serde", deny_unknown_fields, default)]
#[schemars(crate = "lode_plugin::schemars")]
pub struct TreeParams {
    /// Splits between root and leaf, at most.
    #[schemars(range(min = 1, max = 32), extend("x-tune" = {"values": [3, 4, 5, 6, 8]}))]
    pub max_depth: usize,
    /// Rows in a leaf, at least; 0: by the number of rows.
    #[schemars(range(min = 0, max = 1_000_000), extend("x-tune" = {"values": [5, 20, 50, 100, 200]}))]
    pub min_rows: usize,
    /// Share of the root's impurity that a split must save to stay; chosen by an inner
    /// cross-validation when not given.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub complexity: Option<f64>,
    /// Rows of the parent's mean that are mixed into a leaf's.
    #[schemars(range(min = 0.0, max = 1e9), extend("x-tune" = {"low": 1.0, "high": 100.0, "scale": "log"}))]
    pub smoothing: f64,
    /// Bins of a number column, missing values apart.
    #[schemars(range(min = 2, max = 255))]
    pub max_bins: usize,
    /// Rows of the overall mean that are mixed into a level's statistic.
    #[schemars(range(min = 0.0, max = 1e9))]
    pub category_smoothing: f64,
}

impl Default for TreeParams {
    fn default() -> Self {
        let tuned = Asked::default();
        Self {
            max_depth: tuned.max_depth,
            min_rows: tuned.min_rows,
            complexity: tuned.complexity,
            smoothing: tuned.smoothing,
            max_bins: tuned.max_bins,
            category_smoothing: tuned.category_smoothing,
        }
    }
}

impl Part for TreeParams {
    fn check(&self) -> Result<()> {
        within_count("max_depth", self.max_depth, 1, 32)?;
        within_count("min_rows", self.min_rows, 0, 1_000_000)?;
        within_count("max_bins", self.max_bins, 2, 255)?;
        within("complexity", self.complexity.unwrap_or(0.0), 0.0, 1.0)?;
        within("smoothing", self.smoothing, 0.0, 1e9)?;
        within("category_smoothing", self.category_smoothing, 0.0, 1e9)
    }
}

/// A tree as a scorer that says which rule a row falls under.
#[derive(Debug)]
pub struct Ruled(Grown);

impl Learner for Tree {
    const NAME: &'static str = "tree";
    const TITLE: &'static str = "decision tree";
    const ABOUT: &'static str = "One tree whose rules people can read; numbers, text and \
        missing values are taken as they come.";
    const MEMORY: (u64, u64) = super::FOREST_MEMORY;
    type Params = TreeParams;
    type Model = Ruled;

    fn outputs() -> Vec<Output> {
        vec![
            Output::new("rules", "The leaves of the tree in words").chart(Chart::Table),
            forest::importance_output(),
        ]
    }

    fn learn(params: &TreeParams, rows: &Training<'_>, cx: &Context<'_>) -> Result<Learned<Ruled>> {
        let asked = Asked {
            objective: Objective::Logistic,
            max_depth: params.max_depth,
            min_rows: params.min_rows,
            complexity: params.complexity,
            smoothing: params.smoothing,
            max_bins: params.max_bins,
            category_smoothing: params.category_smoothing,
            seed: cx.seed(),
            threads: cx.threads(),
        };
        let table = forest::table(&rows.rows)?;
        let go_on = learning(cx, "growing the tree");
        let fit = tree::fit(&table, rows.targets, rows.weights, &asked, &go_on);
        let fit = fit.map_err(forest::failed)?;
        let margins = fit.model.margins(&table, cx.threads());
        let model = Grown::new(fit.model, &margins.map_err(forest::failed)?);
        let (rules, n_rules) = rules_table(&model, rows.plan)?;
        Ok(Learned {
            model: Ruled(model),
            tables: vec![
                ("rules", rules),
                ("importance", forest::importance(rows.plan, &fit.gains)?),
            ],
            metrics: vec![("complexity", fit.complexity), ("rules", n_rules as f64)],
        })
    }

    fn write(model: &Ruled) -> Result<Vec<u8>> {
        Ok(model.0.write())
    }

    fn read(_: &TreeParams, bytes: &[u8], plan: &Plan) -> Result<Ruled> {
        Grown::read(bytes, plan).map(Ruled)
    }
}

/// The leaves, left to right.
fn rules_table(model: &Grown, plan: &Plan) -> Result<(RecordBatch, usize)> {
    let names: Vec<ColumnName<'_>> = plan
        .features
        .iter()
        .map(|planned| ColumnName {
            name: &planned.name,
            levels: planned.kind.levels().unwrap_or_default(),
        })
        .collect();
    let rules = rules(model.forest(), 0, &names).map_err(forest::failed)?;
    let words = rules.iter().map(|rule| match rule.conditions.is_empty() {
        true => "all customers".to_owned(),
        false => rule.conditions.join(", "),
    });
    let numbers = |of: fn(&lode_numeric::trees::Rule) -> f64| -> ArrayRef {
        Arc::new(Float64Array::from_iter_values(rules.iter().map(of)))
    };
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values((0_i64..).take(rules.len()))),
        Arc::new(StringArray::from_iter_values(words)),
        numbers(|rule| rule.mean),
        numbers(|rule| rule.share),
        numbers(|rule| rule.weight),
    ];
    let schema = Schema::new(vec![
        Field::new("rule", DataType::Int64, false),
        Field::new("conditions", DataType::Utf8, false),
        Field::new("probability", DataType::Float64, false),
        Field::new("share", DataType::Float64, false),
        Field::new("rows", DataType::Float64, false),
    ]);
    let n_rules = rules.len();
    Ok((RecordBatch::try_new(Arc::new(schema), columns)?, n_rules))
}

impl Additive for Ruled {
    fn base(&self) -> f64 {
        self.0.base()
    }

    fn contributions(&self, rows: &Rows<'_>, threads: usize) -> Result<Vec<f64>> {
        self.0.contributions(rows, threads)
    }

    fn margins(&self, rows: &Rows<'_>, threads: usize) -> Result<Vec<f64>> {
        self.0.margins(rows, threads)
    }

    fn scores(&self, rows: &Rows<'_>, margins: &[f64]) -> Result<Vec<f64>> {
        self.0.scores(rows, margins)
    }

    fn columns(&self, rows: &Rows<'_>, _threads: usize) -> Result<Vec<(Field, ArrayRef)>> {
        let leaves = leaf_of(self.0.forest(), 0, &forest::table(rows)?).map_err(forest::failed)?;
        let leaves = leaves.into_iter().map(i64::from);
        Ok(vec![(
            Field::new("rule", DataType::Int64, false),
            Arc::new(Int64Array::from_iter_values(leaves)),
        )])
    }
}

#[cfg(test)]
mod tests;
