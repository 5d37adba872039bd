//! `value.linear`: linear regression over all columns of a table.
//!
//! Does not handle dates, times or free text.

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

/// Linear regression with an L1, L2 or elastic net penalty over numbers and categories.
///
/// Use it for an amount when the reasons must be plain: each column adds or takes so much. Not
/// for amounts that are mostly 0 (`value.two-stage`) or hang on columns in combination
/// (`value.gbdt`).
///
/// # Input
/// `customers` as of [`super::Logistic`], but the label is an amount: a number, also below 0;
/// a row without one is scored but not learned from.
///
/// # Output
/// `scores` as there, `score` being the amount. `coefficients` as there, without odds ratios;
/// in the unit of the label, for one standard deviation more of a number.
///
/// # Parameters
/// [`LinearParams`], [`crate::Common`].
///
/// # Method
/// As [`super::Logistic`], with half the squared error in place of the log loss; the amounts
/// are standardized too, so that penalties do not depend on the currency. `score = margin`,
/// which is not kept above 0.
///
/// # Determinism and cost
/// No randomness. One step of O(n c^2 + p^3) without L1, some with it.
///
/// # Errors
/// As [`super::Logistic`]; a label without any amount, or of one whose square is too large.
///
/// # Source
/// A. Hoerl, R. Kennard, Technometrics 12(1), 1970; J. Friedman, T. Hastie, R. Tibshirani, J.
/// Stat. Softw. 33(1), 2010. See `lode_numeric::glm`.
///
/// # Example
/// ```
/// use std::sync::Arc;
/// use arrow_array::{ArrayRef, Float64Array, StringArray, cast::AsArray, types::Float64Type};
/// use lode_plugin::{Inputs, Role, testing};
/// use predict::{Predict, families::Value, learners::Linear};
///
/// let ids: ArrayRef = Arc::new(StringArray::from(vec!["a", "b", "c", "d"]));
/// let visits: ArrayRef = Arc::new(Float64Array::from(vec![1.0, 2.0, 3.0, 4.0]));
/// let spent: ArrayRef = Arc::new(Float64Array::from(vec![10.0, 20.0, 30.0, 40.0]));
/// let customers = testing::batch(&[
///     ("id", Some(Role::CustomerId), ids),
///     ("visits", None, visits),
///     ("spent", Some(Role::Label), spent),
/// ]);
/// let inputs = Inputs::new().with("customers", customers.into());
/// let fit = testing::fit::<Predict<Value, Linear>>(r#"{"l2": 1e-6}"#, inputs, 1, 1)?;
/// let scores = fit.table("scores")["score"].as_primitive::<Float64Type>().values();
/// assert!((scores[3] - 40.0).abs() < 1e-4);
/// # Ok::<(), lode_plugin::Error>(())
/// ```
#[derive(Debug)]
pub struct Linear;

/// Parameters of linear regression.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(crate = "lode_plugin::serde", deny_unknown_fields, default)]
#[schemars(crate = "lode_plugin::schemars")]
pub struct LinearParams {
    /// Strength of the L2 penalty on the weights, for amounts of deviation 1; larger pulls all
    /// weights to 0.
    #[schemars(range(min = 1e-6, max = 1e9), extend("x-tune" = {"low": 0.01, "high": 1000.0, "scale": "log"}))]
    pub l2: f64,
    /// Strength of the L1 penalty on the weights, for amounts of deviation 1; larger makes
    /// more of them exactly 0. With both penalties above 0 it is the elastic net.
    #[schemars(range(min = 0.0, max = 1e9), extend("x-tune" = {"values": [0.0, 1.0, 3.0, 10.0, 30.0, 100.0]}))]
    pub l1: f64,
}

impl Default for LinearParams {
    fn default() -> Self {
        Self { l2: 1.0, l1: 0.0 }
    }
}

impl Part for LinearParams {
    fn check(&self) -> Result<()> {
        within("l2", self.l2, 1e-6, 1e9)?;
        within("l1", self.l1, 0.0, 1e9)
    }
}

impl Learner for Linear {
    const NAME: &'static str = "linear";
    const TITLE: &'static str = "linear regression";
    const ABOUT: &'static str = "Each column adds or takes so much: numbers are standardized, \
        text becomes categories, missing values are handled.";
    type Params = LinearParams;
    type Model = Regression;

    fn outputs() -> Vec<Output> {
        vec![regression::coefficients_output()]
    }

    fn learn(
        params: &LinearParams,
        rows: &Training<'_>,
        cx: &Context<'_>,
    ) -> Result<Learned<Regression>> {
        regression::learned(Loss::Squared, (params.l1, params.l2), rows, cx)
    }

    fn write(model: &Regression) -> Result<Vec<u8>> {
        model.write()
    }

    fn read(_: &LinearParams, bytes: &[u8], plan: &Plan) -> Result<Regression> {
        Regression::read(bytes, plan, Link::Identity)
    }
}
