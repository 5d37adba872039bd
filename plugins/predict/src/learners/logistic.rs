//! `*.logistic`: logistic regression over all columns of a table.
//!
//! Does not handle dates, times or free text.

mod format_1;

use lode_numeric::glm::Loss;
use lode_plugin::Context;
use lode_plugin::Output;
use lode_plugin::Result;
use lode_plugin::schemars::JsonSchema;
use lode_plugin::serde::Deserialize;

use super::regression;
use super::regression::Link;
use super::regression::Regression;
use crate::frame::Plan;
use crate::learner::Learned;
use crate::learner::Learner;
use crate::learner::Training;
use crate::params::Part;
use crate::params::within;

/// Logistic regression with an L1, L2 or elastic net penalty over numbers and categories.
///
/// Use it for a yes/no outcome when the reasons must be plain: each column pushes the margin
/// one way. Not for outcomes that hang on columns only in combination, nor for more than two
/// outcomes.
///
/// # Input
/// `customers`, one row a customer:
///
/// | column | type | range | null |
/// |---|---|---|---|
/// | role `customer_id` | text, integer | any | kept, written as null |
/// | role `label` | bool, integer, text, float | two values | row is scored but not learned from |
/// | role `weight`, if there is one | number | 0 or more | refused in a row with a label |
/// | role `item`, if there is one | text, integer | any | a level of its own |
/// | every other column without a role | number, bool | finite | its mean, with an indicator "missing" |
/// | | text | any | a level of its own |
///
/// Which of the label's two values means yes: see `lode_numeric::label`, the rule by which the
/// engine judges too.
///
/// Dates, times and columns with another role are left out. NaN counts as null; an infinity
/// is refused. A row of weight 2 teaches as two rows do.
///
/// # Output
/// `scores` (every row, in input order): `customer_id`, `item` if there is one, `score` (0 to
/// 1), `margin`, `base`, `contributions` (list of feature, value, contribution; largest
/// absolute value first). `coefficients`: `feature`, `level`, `coefficient`, `mean`, `std`,
/// `odds_ratio`; one row a number column, level or missing indicator, the intercept first. A
/// number's odds ratio is for one standard deviation more.
///
/// # Parameters
/// [`LogisticParams`], [`crate::YesNoParams`], [`crate::Common`].
///
/// # Method
/// Numbers are standardized by mean and population standard deviation of the learned rows (a
/// constant column becomes 0); text becomes one weight a level. The penalized log likelihood
/// is maximized, see `lode_numeric::glm`. A feature's contribution is the sum of its weights
/// times its values, less the mean of that over the learned rows; the base is the intercept
/// plus those means; `score = 1 / (1 + exp(-margin))`. Levels beyond the `max_levels` most
/// frequent, and values that were never seen, weigh nothing.
///
/// # Determinism and cost
/// No randomness: the seed has no effect. The same bytes with any number of threads. With c
/// columns, p weights and n rows O(n c^2 + p^3) a step, 6 to 10 steps; memory 8 n c bytes.
///
/// # Errors
/// `INPUT_INVALID`: no rows, no features, a label without exactly two values, or of which none
/// plainly means yes, a weight that is not 0 or more, an infinity; the message names the
/// column and what was found. `PARAMS_INVALID`.
///
/// # Source
/// T. Hastie, R. Tibshirani, J. Friedman, "The Elements of Statistical Learning", 2nd ed.,
/// 2009, section 4.4; `l2 = 1` is `C = 1` of scikit-learn's `LogisticRegression`. The centered
/// contributions are the exact Shapley values of a linear model with independent columns: S.
/// Lundberg, S. Lee, NIPS 2017, arXiv:1705.07874, corollary 1.
///
/// # Example
/// ```
/// use std::sync::Arc;
/// use arrow_array::{ArrayRef, Float64Array, StringArray, cast::AsArray, types::Float64Type};
/// use lode_plugin::{Inputs, Role, testing};
/// use predict::{Predict, families::Churn, learners::Logistic};
///
/// let ids: ArrayRef = Arc::new(StringArray::from(vec!["a", "b", "c", "d"]));
/// let calls: ArrayRef = Arc::new(Float64Array::from(vec![9.0, 8.0, 1.0, 0.0]));
/// let left: ArrayRef = Arc::new(StringArray::from(vec!["yes", "yes", "no", "no"]));
/// let customers = testing::batch(&[
///     ("id", Some(Role::CustomerId), ids),
///     ("calls", None, calls),
///     ("left", Some(Role::Label), left),
/// ]);
/// let inputs = Inputs::new().with("customers", customers.into());
/// let fit = testing::fit::<Predict<Churn, Logistic>>("{}", inputs, 1, 1)?;
/// let scores = fit.table("scores")["score"].as_primitive::<Float64Type>().values();
/// assert!(scores[0] > 0.7 && scores[3] < 0.3);
/// # Ok::<(), lode_plugin::Error>(())
/// ```
#[derive(Debug)]
pub struct Logistic;

/// Parameters of logistic regression.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(crate = "lode_plugin::serde", deny_unknown_fields, default)]
#[schemars(crate = "lode_plugin::schemars")]
pub struct LogisticParams {
    /// Strength of the L2 penalty on the weights; larger pulls all weights to 0.
    #[schemars(range(min = 1e-6, max = 1e9), extend("x-tune" = {"low": 0.01, "high": 1000.0, "scale": "log"}))]
    pub l2: f64,
    /// Strength of the L1 penalty on the weights; larger makes more of them exactly 0. With
    /// both penalties above 0 it is the elastic net.
    #[schemars(range(min = 0.0, max = 1e9), extend("x-tune" = {"values": [0.0, 1.0, 3.0, 10.0, 30.0]}))]
    pub l1: f64,
}

impl Default for LogisticParams {
    fn default() -> Self {
        Self { l2: 1.0, l1: 0.0 }
    }
}

impl Part for LogisticParams {
    fn check(&self) -> Result<()> {
        within("l2", self.l2, 1e-6, 1e9)?;
        within("l1", self.l1, 0.0, 1e9)
    }
}

impl Learner for Logistic {
    const NAME: &'static str = "logistic";
    const TITLE: &'static str = "logistic regression";
    const ABOUT: &'static str =
        "Numbers are standardized, text becomes categories, missing values are handled.";
    const FORMAT: u32 = 2;
    const READS: &'static [u32] = &[1];
    type Params = LogisticParams;
    type Model = Regression;

    fn outputs() -> Vec<Output> {
        vec![regression::coefficients_output()]
    }

    fn learn(
        params: &LogisticParams,
        rows: &Training<'_>,
        cx: &Context<'_>,
    ) -> Result<Learned<Regression>> {
        regression::learned(Loss::Logistic, (params.l1, params.l2), rows, cx)
    }

    fn write(model: &Regression) -> Result<Vec<u8>> {
        model.write()
    }

    fn read(_: &LogisticParams, bytes: &[u8], plan: &Plan) -> Result<Regression> {
        Regression::read(bytes, plan, Link::LogOdds)
    }

    fn read_old(_format: u32, bytes: &[u8]) -> Result<(Plan, Regression)> {
        format_1::read(bytes)
    }
}

#[cfg(test)]
mod tests;
