//! Says of each customer what he will do, and why: leave, answer, buy, spend, not pay back.
//!
//! A question is a [`families::Family`], a way of learning is a [`Learner`], and
//! [`Predict`] joins any two of them to an algorithm; there is no other code for any of them.
//! Does not split off test rows: the engine evaluates on rows that a fit did not see.

pub mod families;
pub mod learner;
pub mod learners;

mod algorithm;
#[cfg(test)]
mod bad_inputs;
mod frame;
mod output;
mod params;
#[cfg(test)]
mod testdata;
#[cfg(test)]
mod tests;

pub use algorithm::Predict;
pub use algorithm::Ready;
pub use frame::Frame;
pub use frame::Kind;
pub use frame::Labels;
pub use frame::MISSING;
pub use frame::OTHER;
pub use frame::Plan;
pub use frame::Planned;
pub use frame::Rows;
pub use frame::Target;
pub use frame::View;
pub use learner::Learner;
pub use params::Both;
pub use params::Common;
pub use params::NoParams;
pub use params::Part;
pub use params::YesNoParams;

use families::Choice;
use families::Churn;
use families::Credit;
use families::Demand;
use families::Response;
use families::Value;
use learners::Cox;
use learners::Gbdt;
use learners::GbdtAmount;
use learners::GbdtClasses;
use learners::Hazard;
use learners::Linear;
use learners::Logistic;
use learners::Scorecard;
use learners::Tree;
use learners::TwoStage;

lode_plugin::export_plugin!(
    Predict<Churn, Logistic>,
    Predict<Churn, Tree>,
    Predict<Churn, Gbdt>,
    Predict<Churn, Cox>,
    Predict<Churn, Hazard>,
    Predict<Response, Logistic>,
    Predict<Response, Tree>,
    Predict<Response, Gbdt>,
    Predict<Demand, Logistic>,
    Predict<Demand, Gbdt>,
    Predict<Choice, GbdtClasses>,
    Predict<Value, Linear>,
    Predict<Value, GbdtAmount>,
    Predict<Value, TwoStage>,
    Predict<Credit, Logistic>,
    Predict<Credit, Scorecard>,
);
