//! `churn.logistic`: the probability that a customer leaves, from all columns of a table.
//!
//! Does not handle dates, times or free text. Invariant: `base + sum(contributions)` is the
//! margin, and `score = 1 / (1 + exp(-margin))`.

mod encode;
mod fit;
mod label;
mod model;
mod output;
mod params;

use arrow_array::RecordBatch;
use lode_plugin::Algorithm;
use lode_plugin::Chart;
use lode_plugin::ColumnType;
use lode_plugin::Context;
use lode_plugin::Error;
use lode_plugin::Features;
use lode_plugin::Fitted;
use lode_plugin::Input;
use lode_plugin::Inputs;
use lode_plugin::Model;
use lode_plugin::Output;
use lode_plugin::Result;
use lode_plugin::Role;
use lode_plugin::Spec;
use lode_plugin::TagKind;
use lode_plugin::Task;

pub use params::Params;

/// Logistic regression with an L2 penalty over numbers and categories, with reasons.
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
/// | every other column without a role | number, bool | finite | its mean, with an indicator "missing" |
/// | | text | any | a level of its own |
///
/// Which of the label's two values means that the customer left: see `lode_numeric::label`,
/// the rule by which the engine judges too.
///
/// Dates, times and columns with another role are left out. NaN counts as null; an infinity
/// is refused.
///
/// # Output
/// `scores` (every row, in input order): `customer_id`, `score` (0 to 1), `margin`, `base`,
/// `contributions` (list of feature, value, contribution; largest absolute value first).
/// `coefficients`: `feature`, `level`, `coefficient`, `mean`, `std`, `odds_ratio`; one row a
/// number column, level or missing indicator, the intercept first. A number's odds ratio is
/// for one standard deviation more.
///
/// # Parameters
/// [`Params`].
///
/// # Method
/// Numbers are standardized by mean and population standard deviation of the learned rows (a
/// constant column becomes 0); text becomes one weight a level. The penalized log likelihood
/// is maximized by Newton's method, see `lode_numeric::logistic`. A feature's contribution is
/// the sum of its weights times its values, less the mean of that over the learned rows; the
/// base is the intercept plus those means. Levels beyond the `max_levels` most frequent, and
/// values that were never seen, weigh nothing.
///
/// # Determinism and cost
/// No randomness: the seed has no effect. The same bytes with any number of threads. With c
/// columns, p weights and n rows O(n c^2 + p^3) a step, 6 to 10 steps; memory 8 n c bytes.
///
/// # Errors
/// `INPUT_INVALID`: no rows, no features, a label without exactly two values, or of which none plainly means yes, an
/// infinity; the message names the column and what was found. `PARAMS_INVALID`.
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
/// let fit = testing::fit::<churn::Logistic>("{}", inputs, 1, 1)?;
/// let scores = fit.table("scores")["score"].as_primitive::<Float64Type>().values();
/// assert!(scores[0] > 0.7 && scores[3] < 0.3);
/// # Ok::<(), lode_plugin::Error>(())
/// ```
#[derive(Debug)]
pub struct Logistic;

impl Algorithm for Logistic {
    const ID: &'static str = "churn.logistic";
    const MODEL_FORMAT: Option<u32> = Some(1);
    type Params = Params;
    type Scorer = model::LogisticModel;

    fn spec() -> Spec {
        let label_types = [
            ColumnType::Bool,
            ColumnType::Int64,
            ColumnType::String,
            ColumnType::Float64,
        ];
        Spec::new(
            Task::Churn,
            "Churn score by logistic regression",
            "Learns from customers of whom it is known whether they left, gives each customer \
             the probability of leaving and the reasons for it. Numbers are standardized, text \
             becomes categories, missing values are handled.",
        )
        .input(
            Input::new(
                "customers",
                "One row a customer; all columns without a role are used",
            )
            .column(Role::CustomerId, "Who")
            .typed_column(
                Role::Label,
                &label_types,
                false,
                "Whether the customer left: yes/no, true/false or 1/0; empty when not known",
            )
            .features(Features::All),
        )
        .output(
            Output::new(
                "scores",
                "Probability of leaving and reasons, one row a customer",
            )
            .write_back("score", TagKind::Score),
        )
        .output(Output::new("coefficients", "What each column and level weighs").chart(Chart::Bar))
    }

    fn fit(params: Params, inputs: Inputs, cx: &Context<'_>) -> Result<Fitted> {
        fit::run(&params.check()?, inputs.table("customers")?, cx)
    }

    fn open(params: Params, model: Model<'_>) -> Result<Self::Scorer> {
        params.check()?;
        model::LogisticModel::from_bytes(model.bytes())
    }

    fn score(scorer: &Self::Scorer, inputs: Inputs, cx: &Context<'_>) -> Result<RecordBatch> {
        let table = inputs.table("customers")?;
        let encoded = encode::Encoded::of_table(scorer, table, cx)?;
        let explain = table.option("explain") == Some("true");
        Ok(output::answers(scorer, &encoded, explain)?)
    }
}

/// What a numeric call found wrong, in the words of this algorithm's caller.
fn numeric(error: lode_numeric::Error) -> Error {
    match error {
        lode_numeric::Error::Cancelled => Error::cancelled(),
        other => Error::numeric(format!("the regression found no answer: {other}")),
    }
}

#[cfg(test)]
mod tests;
