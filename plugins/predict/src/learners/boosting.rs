//! The parameters of gradient boosting, and one call of it: for every learner that boosts.
//!
//! Does not choose the objective. A large table of a rare outcome is thinned here, for all of them.

mod sample;

use std::collections::BTreeMap;

use lode_numeric::trees::Objective;
use lode_numeric::trees::gbdt;
use lode_numeric::trees::gbdt::GbdtFit;
use lode_numeric::trees::gbdt::GbdtParams;
use lode_numeric::trees::gbdt::ShapeFit;
use lode_plugin::Context;
use lode_plugin::Error;
use lode_plugin::Result;
use lode_plugin::schemars::JsonSchema;
use lode_plugin::serde::Deserialize;

use super::constraints;
use super::constraints::Direction;
use super::forest;
use super::forest::Grown;
use crate::frame::Plan;
use crate::learner::Training;
use crate::params::Part;
use crate::params::within;
use crate::params::within_count;

/// Parameters of gradient boosting.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(crate = "lode_plugin::serde", deny_unknown_fields, default)]
#[schemars(crate = "lode_plugin::schemars")]
pub struct BoostParams {
    /// Share of each tree's step that is taken; smaller needs more rounds. 0: 0.05, more in
    /// tables of 50,000 rows and more.
    #[schemars(range(min = 0.0, max = 1.0), extend("x-tune" = {"low": 0.01, "high": 0.2, "scale": "log"}))]
    pub learning_rate: f64,
    /// Trees a member, at most; with two members or more held-out rows say how many are kept.
    #[schemars(range(min = 1, max = 20_000))]
    pub max_rounds: usize,
    /// Models of an inner cross-validation whose mean is the result; each learns without its
    /// part of the rows, which then judges it. 1: a single model of `max_rounds` trees.
    #[schemars(range(min = 1, max = 16))]
    pub members: usize,
    /// Inner cross-validations, each with another cut; 0: by the number of rows.
    #[schemars(range(min = 0, max = 16))]
    pub repeats: usize,
    /// Rounds without a better held-out loss before growing stops; 0: 40, and 20 in tables of
    /// 50,000 rows and more.
    #[schemars(range(min = 0, max = 1_000))]
    pub patience: usize,
    /// Splits between root and leaf, at most; 0: shallow and deep trees, blended.
    #[schemars(range(min = 0, max = 64), extend("x-tune" = {"values": [0, 2, 3, 4, 6, 8]}))]
    pub max_depth: usize,
    /// Leaves a tree, at most; 0: by the depth.
    #[schemars(range(min = 0, max = 4_096), extend("x-tune" = {"values": [0, 8, 16, 31]}))]
    pub max_leaves: usize,
    /// Rows in a leaf, at least; 0: by the number of rows.
    #[schemars(range(min = 0, max = 1_000_000), extend("x-tune" = {"values": [0, 5, 20, 50, 100, 200]}))]
    pub min_rows: usize,
    /// Sum of curvatures in a leaf, at least.
    #[schemars(range(min = 0.0, max = 1e9))]
    pub min_child_weight: f64,
    /// Penalty on the magnitude of a leaf's value.
    #[schemars(range(min = 0.0, max = 1e9))]
    pub l1: f64,
    /// Penalty on the square of a leaf's value.
    #[schemars(range(min = 0.0, max = 1e9), extend("x-tune" = {"low": 0.1, "high": 100.0, "scale": "log"}))]
    pub l2: f64,
    /// Gain that a split must pass.
    #[schemars(range(min = 0.0, max = 1e9))]
    pub min_gain: f64,
    /// Rows of the parent's value that are mixed into a leaf's.
    #[schemars(range(min = 0.0, max = 1e9))]
    pub leaf_smoothing: f64,
    /// Share of the rows drawn for a tree.
    #[schemars(range(min = 0.01, max = 1.0), extend("x-tune" = {"low": 0.5, "high": 1.0, "scale": "linear"}))]
    pub row_share: f64,
    /// Share of the columns drawn for a tree; 0: by the depth.
    #[schemars(range(min = 0.0, max = 1.0), extend("x-tune" = {"values": [0.0, 0.3, 0.5, 0.8, 1.0]}))]
    pub column_share: f64,
    /// Bins of a number column, missing values apart.
    #[schemars(range(min = 2, max = 255))]
    pub max_bins: usize,
    /// Rows of the overall mean that are mixed into a level's statistic.
    #[schemars(range(min = 0.0, max = 1e9))]
    pub category_smoothing: f64,
    /// Rows from which a level's own rows are trusted to place it among the levels.
    #[schemars(range(min = 0.0, max = 1e9))]
    pub category_rows: f64,
    /// Rows of the commoner outcome that are learned from for each of the rarer one, drawn and
    /// weighted up; 0: all of up to 50,000 rows, else 5, or as many as make 50,000 rows.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub common_rows: usize,
    /// Columns of numbers that the score must only rise or only fall with while all others stay
    /// as they are, such as `{"overdue_days": "rising"}`. Rows without the value are not bound.
    pub monotone: BTreeMap<String, Direction>,
    /// Sets of columns, such as `[["age", "income"], ["months"]]`: only columns of one set may
    /// work together, others add up. Columns in no set are one more set. None: all may.
    #[schemars(length(max = 63))]
    pub interactions: Vec<Vec<String>>,
}

impl Default for BoostParams {
    fn default() -> Self {
        let tuned = GbdtParams::default();
        Self {
            learning_rate: tuned.learning_rate,
            max_rounds: tuned.max_rounds,
            members: tuned.members,
            repeats: tuned.repeats,
            patience: tuned.patience,
            max_depth: tuned.max_depth,
            max_leaves: tuned.max_leaves,
            min_rows: tuned.min_rows,
            min_child_weight: tuned.min_child_weight,
            l1: tuned.l1,
            l2: tuned.l2,
            min_gain: tuned.min_gain,
            leaf_smoothing: tuned.leaf_smoothing,
            row_share: tuned.row_share,
            column_share: tuned.column_share,
            max_bins: tuned.max_bins,
            category_smoothing: tuned.category_smoothing,
            category_rows: tuned.category_rows,
            common_rows: 0,
            monotone: BTreeMap::new(),
            interactions: Vec::new(),
        }
    }
}

impl Part for BoostParams {
    fn check(&self) -> Result<()> {
        within("learning_rate", self.learning_rate, 0.0, 1.0)?;
        within_count("max_rounds", self.max_rounds, 1, 20_000)?;
        within_count("members", self.members, 1, 16)?;
        within_count("repeats", self.repeats, 0, 16)?;
        within_count("patience", self.patience, 0, 1_000)?;
        within_count("max_depth", self.max_depth, 0, 64)?;
        match self.max_leaves {
            0 => {}
            leaves => within_count("max_leaves", leaves, 2, 4_096)?,
        }
        within_count("min_rows", self.min_rows, 0, 1_000_000)?;
        within_count("max_bins", self.max_bins, 2, 255)?;
        within_count("common_rows", self.common_rows, 0, 1_000_000)?;
        constraints::check(&self.interactions)?;
        for (name, value) in [
            ("min_child_weight", self.min_child_weight),
            ("l1", self.l1),
            ("l2", self.l2),
            ("min_gain", self.min_gain),
            ("leaf_smoothing", self.leaf_smoothing),
            ("category_smoothing", self.category_smoothing),
            ("category_rows", self.category_rows),
        ] {
            within(name, value, 0.0, 1e9)?;
        }
        within("row_share", self.row_share, 0.01, 1.0)?;
        within("column_share", self.column_share, 0.0, 1.0)
    }
}

impl BoostParams {
    /// The parameters of a fit; with `large` those of a large table, whatever its rows.
    pub(super) fn asked(
        &self,
        objective: Objective,
        plan: &Plan,
        large: bool,
        cx: &Context<'_>,
    ) -> Result<GbdtParams> {
        Ok(GbdtParams {
            objective,
            learning_rate: match large && self.learning_rate <= 0.0 {
                true => 0.1,
                false => self.learning_rate,
            },
            max_rounds: self.max_rounds,
            members: self.members,
            repeats: self.repeats,
            patience: match large && self.patience == 0 {
                true => 20,
                false => self.patience,
            },
            max_depth: self.max_depth,
            max_leaves: self.max_leaves,
            min_rows: self.min_rows,
            min_child_weight: self.min_child_weight,
            l1: self.l1,
            l2: self.l2,
            min_gain: self.min_gain,
            leaf_smoothing: self.leaf_smoothing,
            row_share: self.row_share,
            column_share: self.column_share,
            max_bins: self.max_bins,
            category_smoothing: self.category_smoothing,
            category_rows: self.category_rows,
            constraints: constraints::constraints(&self.monotone, &self.interactions, plan)?,
            seed: cx.seed(),
            threads: cx.threads(),
        })
    }
}

/// What was boosted.
pub(super) struct Boosted {
    pub(super) model: Grown,
    pub(super) fit: GbdtFit,
}

/// Boosts trees for the targets; gives the scorer and the rest of the fit, whose model it has.
/// With `base` the trees come behind those of that model.
pub(super) fn boost(
    params: &BoostParams,
    objective: Objective,
    known: &Training<'_>,
    base: Option<&Grown>,
    cx: &Context<'_>,
    go_on: lode_numeric::Progress<'_>,
) -> Result<Boosted> {
    let (targets, weights) = (known.targets, known.weights);
    let thinned = match objective {
        Objective::Logistic => sample::of(targets, weights, params.common_rows, cx.seed()),
        _ => None,
    };
    // A large table is one after it was thinned too.
    let large = thinned
        .as_ref()
        .is_some_and(|sample| sample.of > sample::ENOUGH && params.members > 1);
    let asked = params.asked(objective, known.plan, large, cx)?;
    let weights = thinned
        .as_ref()
        .map_or(weights, |sample| Some(sample.weights.as_slice()));
    let table = forest::table(&known.rows)?;
    let fit = match base {
        Some(base) => gbdt::fit_from(base.forest(), &table, targets, weights, &asked, go_on),
        None => gbdt::fit(&table, targets, weights, &asked, go_on),
    };
    let fit = fit.map_err(|error| refused(error, known))?;
    let margins = fit.model.margins(&table, cx.threads());
    let model = Grown::new(fit.model.clone(), &margins.map_err(forest::failed)?);
    if let Some(sample) = &thinned {
        cx.info(&format!(
            "learned from {} of {} rows: all of the rarer outcome, and of the commoner one a sample \
             that is weighted up",
            sample.rows, sample.of
        ));
    }
    Ok(Boosted { model, fit })
}

/// What is wrong with the rows or the loss, where that is what keeps trees from growing.
pub(super) fn refused(error: lode_numeric::Error, known: &Training<'_>) -> Error {
    match error {
        lode_numeric::Error::TooFewRows { needed, found } => Error::invalid(
            known.label.as_str(),
            format!(
                "expected at least {needed} rows with a label and a weight above 0, found {found}"
            ),
        ),
        lode_numeric::Error::OneClass { class } => Error::invalid(
            known.label.as_str(),
            format!(
                "expected yes and no among the rows with a weight above 0, found {} alone",
                if class { "yes" } else { "no" }
            ),
        ),
        lode_numeric::Error::Objective { expected, found } => Error::invalid(
            "params.loss",
            format!(
                "expected that of the model to start from, which is {}, found {}",
                in_words(expected),
                in_words(found)
            ),
        ),
        other => forest::failed(other),
    }
}

/// An objective by the names of the parameters that ask for it.
fn in_words(objective: Objective) -> String {
    match objective {
        Objective::Squared => "squared".to_owned(),
        Objective::Poisson => "poisson".to_owned(),
        Objective::Gamma => "gamma".to_owned(),
        Objective::Tweedie { power } => format!("tweedie with tweedie_power {power}"),
        Objective::Quantile { alpha } => format!("quantile with alpha {alpha}"),
        Objective::Huber { delta } => format!("huber with huber_delta {delta}"),
        other => format!("{other:?}"),
    }
}

impl Boosted {
    /// Rounds of the shape of trees with the largest share in the model.
    pub(super) fn rounds(&self) -> f64 {
        self.main_shape().map_or(0.0, |shape| shape.rounds as f64)
    }

    fn main_shape(&self) -> Option<&ShapeFit> {
        let shapes = self.fit.shapes.iter();
        shapes.max_by(|a, b| a.share.total_cmp(&b.share))
    }

    /// Numbers about the run.
    pub(super) fn metrics(&self) -> Vec<(&'static str, f64)> {
        let mut metrics = vec![
            ("rounds", self.rounds()),
            ("trees", self.fit.model.n_trees() as f64),
        ];
        if let Some(shape) = self.main_shape() {
            metrics.push(("max_depth", shape.max_depth as f64));
            metrics.push(("share_of_depth", shape.share));
        }
        metrics
    }
}
