//! The questions that are asked of customers: one family each, with its words and its label.
//!
//! Does not learn. Invariant: a family says nothing of how an answer is found; every learner
//! of its kind of label can answer it.

use lode_plugin::Task;

use crate::frame::Amount;
use crate::frame::OneOf;
use crate::frame::Target;
use crate::frame::YesNo;

/// A question and the words for it.
pub trait Family: std::fmt::Debug + Send + Sync + 'static {
    /// First part of the ids, such as `churn`.
    const NAME: &'static str;
    /// What the engine takes it for.
    const TASK: Task;
    /// First words of the titles, such as "Churn score".
    const TITLE: &'static str;
    /// First sentences of the descriptions.
    const ABOUT: &'static str;
    /// What the label says.
    const LABEL: &'static str;
    /// What the output `scores` holds.
    const SCORES: &'static str;
    /// Whether a customer has one row, so that a score can be written back onto him.
    const ONE_ROW_A_CUSTOMER: bool = true;
    /// The kind of label.
    type Target: Target;
}

/// Who is about to leave?
#[derive(Debug)]
pub struct Churn;

impl Family for Churn {
    const NAME: &'static str = "churn";
    const TASK: Task = Task::Churn;
    const TITLE: &'static str = "Churn score";
    const ABOUT: &'static str = "Learns from customers of whom it is known whether they left, \
        gives each customer the probability of leaving and the reasons for it.";
    const LABEL: &'static str =
        "Whether the customer left: yes/no, true/false or 1/0; empty when not known";
    const SCORES: &'static str = "Probability of leaving and reasons, one row a customer";
    type Target = YesNo;
}

/// Who will answer an offer?
#[derive(Debug)]
pub struct Response;

impl Family for Response {
    const NAME: &'static str = "response";
    const TASK: Task = Task::Response;
    const TITLE: &'static str = "Response score";
    const ABOUT: &'static str = "Learns from customers who were contacted before, gives each \
        customer the probability of answering and the reasons for it.";
    const LABEL: &'static str =
        "Whether the customer answered: yes/no, true/false or 1/0; empty when not known";
    const SCORES: &'static str = "Probability of answering and reasons, one row a customer";
    type Target = YesNo;
}

/// Who will buy which product?
#[derive(Debug)]
pub struct Demand;

impl Family for Demand {
    const NAME: &'static str = "demand";
    const TASK: Task = Task::Demand;
    const TITLE: &'static str = "Demand score";
    const ABOUT: &'static str = "Learns from pairs of a customer and a product of which it is \
        known whether the customer bought, gives each pair the probability of a purchase and the \
        reasons for it.";
    const LABEL: &'static str =
        "Whether the customer bought the product: yes/no, true/false or 1/0; empty when not known";
    const SCORES: &'static str =
        "Probability of a purchase and reasons, one row a customer and product";
    const ONE_ROW_A_CUSTOMER: bool = false;
    type Target = YesNo;
}

/// How much will a customer spend?
#[derive(Debug)]
pub struct Value;

impl Family for Value {
    const NAME: &'static str = "value";
    const TASK: Task = Task::Value;
    const TITLE: &'static str = "Customer value";
    const ABOUT: &'static str = "Learns from customers of whom it is known what they spent in a \
        period, gives each customer the expected amount and the reasons for it.";
    const LABEL: &'static str = "What the customer spent; empty when not known";
    const SCORES: &'static str = "Expected amount and reasons, one row a customer";
    type Target = Amount;
}

/// Which of several will it be?
#[derive(Debug)]
pub struct Choice;

impl Family for Choice {
    const NAME: &'static str = "choice";
    const TASK: Task = Task::Choice;
    const TITLE: &'static str = "Choice among several";
    const ABOUT: &'static str = "Learns from customers of whom it is known which of several things \
        they chose (a product line, a tariff, a reason for a call), gives each customer the most \
        probable one, its probability and those of all others, and the reasons for it.";
    const LABEL: &'static str =
        "What the customer chose, one of 2 to 100 values; empty when not known";
    const SCORES: &'static str =
        "The most probable value, its probability, those of all, and reasons, one row a customer";
    type Target = OneOf;
}

/// Who will not pay back?
#[derive(Debug)]
pub struct Credit;

impl Family for Credit {
    const NAME: &'static str = "credit";
    const TASK: Task = Task::Credit;
    const TITLE: &'static str = "Credit risk";
    const ABOUT: &'static str = "Learns from customers of whom it is known whether they \
        defaulted, gives each customer the probability of a default and the reasons for it.";
    const LABEL: &'static str =
        "Whether the customer defaulted: yes/no, true/false or 1/0; empty when not known";
    const SCORES: &'static str = "Probability of a default and reasons, one row a customer";
    type Target = YesNo;
}
