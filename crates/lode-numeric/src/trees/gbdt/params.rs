//! Parameters of boosting, their ranges, and what the data decide where they are 0.
//!
//! Does not look at values of the data, only at their number. Invariant: what is decided here
//! depends on the parameters and the number of rows alone.

use std::sync::Arc;

use super::super::Constraints;
use super::super::Objective;
use super::super::bins::LevelRules;
use super::super::constraints::Rules;
use super::super::grow::Shape;
use super::super::split::Limits;
use super::member::Settings;
use crate::Error;
use crate::Result;

/// Rows from which steps are larger, where nothing else is asked for.
const MANY_ROWS: usize = 50_000;
const VERY_MANY_ROWS: usize = 200_000;

/// Parameters of [`super::fit`]. The defaults are for customers' data as they come.
#[derive(Clone, Debug, PartialEq)]
pub struct GbdtParams {
    /// Kind of target.
    pub objective: Objective,
    /// Share of each tree's step that is taken, at most 1; 0: 0.05; where there are
    /// members to judge by, 0.1 from 50,000 rows on and 0.15 from 200,000 on.
    pub learning_rate: f64,
    /// Trees a member, at most (1 to 100,000).
    pub max_rounds: usize,
    /// Models of an inner cross-validation (2 to 64), each of which learns without its part of
    /// the rows; 1: a single model of `max_rounds` trees, without any check.
    pub members: usize,
    /// Inner cross-validations, each with another cut (1 to 64); 0: 3 up to 10,000 rows, 2 up
    /// to 20,000, then 1, where at most 8 rows count for each row of the rarer class.
    pub repeats: usize,
    /// Rounds without a better held-out loss before growing stops; 0: 40, and 20 from 50,000
    /// rows on.
    pub patience: usize,
    /// Cuts between root and leaf, at most (1 to 64); 0: shallow and deep trees, blended.
    pub max_depth: usize,
    /// Leaves a tree, at most (2 to 65,536); 0: by the depth.
    pub max_leaves: usize,
    /// Rows in a leaf, at least; 0: by the number of rows.
    pub min_rows: usize,
    /// Sum of curvatures in a leaf, at least; 1 is that of a row of mean weight for
    /// [`Objective::Squared`] and of four or more rows for [`Objective::Logistic`].
    pub min_child_weight: f64,
    /// Penalty on the magnitude of a leaf's value, 0 or more.
    pub l1: f64,
    /// Penalty on the square of a leaf's value, 0 or more, in units of curvature.
    pub l2: f64,
    /// Gain that a split must pass, 0 or more.
    pub min_gain: f64,
    /// Rows of the parent's value that are mixed into a leaf's, 0 or more.
    pub leaf_smoothing: f64,
    /// Share of rows drawn for a tree, above 0 and at most 1.
    pub row_share: f64,
    /// Share of columns drawn for a tree, at most 1; 0: by the depth.
    pub column_share: f64,
    /// Bins of a number column (2 to 255).
    pub max_bins: usize,
    /// Rows of the overall mean that are mixed into a level's statistic, 0 or more.
    pub category_smoothing: f64,
    /// Rows from which a level's own rows are trusted to place it among the levels, 0 or more.
    pub category_rows: f64,
    /// What all trees keep to, in every member and shape.
    pub constraints: Constraints,
    /// Seed of all draws.
    pub seed: u64,
    /// Threads; the result does not depend on them.
    pub threads: usize,
}

impl Default for GbdtParams {
    fn default() -> Self {
        Self {
            objective: Objective::Logistic,
            learning_rate: 0.0,
            max_rounds: 2000,
            members: 5,
            repeats: 0,
            patience: 0,
            max_depth: 0,
            max_leaves: 0,
            min_rows: 0,
            min_child_weight: 1.0,
            l1: 0.0,
            l2: 1.0,
            min_gain: 0.0,
            leaf_smoothing: 0.0,
            row_share: 0.7,
            column_share: 0.0,
            max_bins: 255,
            category_smoothing: 10.0,
            category_rows: 100.0,
            constraints: Constraints::default(),
            seed: 1,
            threads: 1,
        }
    }
}

impl GbdtParams {
    pub(super) fn check(&self) -> Result<()> {
        let some = f64::MIN_POSITIVE;
        let ranges = [
            ("learning_rate", self.learning_rate, 0.0, 1.0, "from 0 to 1"),
            (
                "max_rounds",
                self.max_rounds as f64,
                1.0,
                1e5,
                "from 1 to 100000",
            ),
            ("members", self.members as f64, 1.0, 64.0, "from 1 to 64"),
            ("repeats", self.repeats as f64, 0.0, 64.0, "from 0 to 64"),
            ("patience", self.patience as f64, 0.0, 1e9, "from 0 to 1e9"),
            (
                "max_depth",
                self.max_depth as f64,
                0.0,
                64.0,
                "from 0 to 64",
            ),
            (
                "max_leaves",
                self.max_leaves as f64,
                0.0,
                65_536.0,
                "from 0 to 65536",
            ),
            (
                "min_child_weight",
                self.min_child_weight,
                0.0,
                1e12,
                "from 0 to 1e12",
            ),
            ("l1", self.l1, 0.0, 1e12, "from 0 to 1e12"),
            ("l2", self.l2, 0.0, 1e12, "from 0 to 1e12"),
            ("min_gain", self.min_gain, 0.0, 1e12, "from 0 to 1e12"),
            (
                "leaf_smoothing",
                self.leaf_smoothing,
                0.0,
                1e9,
                "from 0 to 1e9",
            ),
            (
                "row_share",
                self.row_share,
                some,
                1.0,
                "above 0 and at most 1",
            ),
            ("column_share", self.column_share, 0.0, 1.0, "from 0 to 1"),
            (
                "max_bins",
                self.max_bins as f64,
                2.0,
                255.0,
                "from 2 to 255",
            ),
            (
                "category_smoothing",
                self.category_smoothing,
                0.0,
                1e9,
                "from 0 to 1e9",
            ),
            (
                "category_rows",
                self.category_rows,
                0.0,
                1e12,
                "from 0 to 1e12",
            ),
        ];
        for (what, found, low, high, expected) in ranges {
            if !(found >= low && found <= high) {
                return Err(Error::OutOfRange {
                    what,
                    expected,
                    found,
                });
            }
        }
        if self.max_leaves == 1 {
            return Err(Error::OutOfRange {
                what: "max_leaves",
                expected: "0 or at least 2",
                found: 1.0,
            });
        }
        Ok(())
    }

    /// Inner cross-validations for a number of rows: few rows make noisy trees, which more
    /// members smooth at little cost.
    pub(super) fn repeats_for(&self, n_rows: usize) -> usize {
        match self.repeats {
            0 => (20_000_usize.div_ceil(n_rows.max(1))).clamp(1, 3),
            repeats => repeats,
        }
    }

    /// How member number `index` places the levels of categories.
    pub(super) fn level_rules(&self, index: u64) -> LevelRules {
        LevelRules {
            smoothing: self.category_smoothing,
            large: self.category_rows,
            max_bins: self.max_bins,
            seed: self.seed ^ (index << 20),
        }
    }

    pub(super) fn settings(&self, own: &OwnShape, rules: Option<&Arc<Rules>>) -> Settings {
        Settings {
            shape: Shape {
                max_depth: own.max_depth,
                max_leaves: own.max_leaves,
                limits: Limits {
                    min_rows: own.min_rows,
                    min_curve: self.min_child_weight,
                    l1: self.l1,
                    l2: self.l2,
                    min_gain: self.min_gain,
                },
                smoothing: self.leaf_smoothing,
            },
            learning_rate: own.learning_rate,
            patience: own.patience,
            row_share: self.row_share,
            column_share: own.column_share,
            rules: rules.cloned(),
        }
    }
}

/// One shape of trees.
pub(super) struct OwnShape {
    pub(super) max_depth: usize,
    max_leaves: usize,
    min_rows: u32,
    column_share: f64,
    learning_rate: f64,
    patience: usize,
}

/// The shapes to try.
pub(super) struct Shapes {
    pub(super) all: Vec<OwnShape>,
}

impl Shapes {
    /// By the parameters; where they leave the depth open, shallow trees of few columns, which
    /// add up effects, and deep trees of most columns, which find what works only together.
    /// Without held-out rows to choose by there is one shape in between.
    pub(super) fn of(params: &GbdtParams, n_rows: usize, crossed: bool) -> Self {
        let shapes = match (params.max_depth, crossed) {
            (0, true) => vec![(3, 8, 0.5), (6, 20, 0.8)],
            (0, false) => vec![(4, 16, 0.7)],
            (depth, _) => vec![(depth, 1 << depth.min(5), 0.7)],
        };
        let min_rows = match params.min_rows {
            0 => (n_rows / 50).clamp(2, 20),
            min_rows => min_rows,
        };
        // Larger steps need fewer trees; what that loses is little where rows are many.
        let large = crossed && n_rows >= MANY_ROWS;
        let learning_rate = if params.learning_rate > 0.0 {
            params.learning_rate
        } else if !large {
            0.05
        } else if n_rows < VERY_MANY_ROWS {
            0.1
        } else {
            0.15
        };
        let patience = match (params.patience, large) {
            (0, false) => 40,
            (0, true) => 20,
            (patience, _) => patience,
        };
        let shapes = shapes
            .into_iter()
            .map(|(max_depth, leaves, share)| OwnShape {
                max_depth,
                max_leaves: if params.max_leaves == 0 {
                    leaves
                } else {
                    params.max_leaves
                },
                min_rows: u32::try_from(min_rows).unwrap_or(u32::MAX),
                column_share: if params.column_share > 0.0 {
                    params.column_share
                } else {
                    share
                },
                learning_rate,
                patience,
            });
        Self {
            all: shapes.collect(),
        }
    }
}
