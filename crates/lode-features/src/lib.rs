//! Features of customers at a time, from what was known at that time and nothing else.
//!
//! A **feature view** is a named declaration ([`ViewSpec`]): datasets of events, a dataset of
//! customers, and features, each of a [`Kind`] with parameters and conditions. [`View::check`]
//! checks it against the datasets' schemas, gives each feature its exact meaning in words, and
//! plans it; [`compute()`] runs the plan for all customers and all times in one pass over the
//! rows, sorted by (customer, time).
//!
//! **Time.** At the time t, inclusive, an event counts when its event_time <= t and, in a
//! dataset with a column of role arrival_time, its arrival_time <= t. A window w is (t - w, t].
//! Rows without a customer or event time never count. Customers are matched by their id.
//!
//! **Numbers.** Integers and decimals are added exactly. Floats are added one by one in the
//! order of the events, (event_time, stored order), from the first in the window on: a plain
//! loop gives the same last digit. Counts are int64; means, shares, days and ratios float64;
//! sums, extremes and last values have the column's type (sums of decimals 38 digits).
//! A null is no value: it is not counted, added or compared. What each kind gives when it has
//! no events stands with [`Kind`].
//!
//! Knows no store, no SQL engine and no wire; its callers hand it the rows.

mod parse;
mod spec; // what is declared, // and how it is read,

mod check; // against which schemas it holds,
mod view;

mod compute; // and how it is computed:
mod rows; // rows in the order of customers,
mod scan; // cut into tasks,
mod work; // customer by customer,

mod block; // into blocks of rows,
mod eval; // whose columns are made one by one,
mod output; // as Arrow keeps them,
mod stream; // from their events
mod tally; // and numbers of those;

mod training; // or a training set of it,
mod words; // and told in plain words.

mod cells;
mod describe;
mod error;
mod nearest;
mod numbers;
mod plan;

pub use check::Schemas;
pub use compute::Input;
pub use compute::compute;
pub use compute::write;
pub use error::Error;
pub use error::Result;
pub use rows::Rows;
pub use spec::Condition;
pub use spec::CrossOp;
pub use spec::FeatureSpec;
pub use spec::Kind;
pub use spec::Literal;
pub use spec::Op;
pub use spec::Params;
pub use spec::Population;
pub use spec::Stat;
pub use spec::ViewSpec;
pub use spec::Window;
pub use training::Candidates;
pub use training::Customers;
pub use training::KEPT;
pub use training::Label;
pub use training::LabelKind;
pub use training::Sampling;
pub use training::Training;
pub use training::TrainingInput;
pub use training::buyers;
pub use training::time_range;
pub use training::top_values;
pub use view::FeatureInfo;
pub use view::Lookup;
pub use view::View;
pub use words::Phrase;
pub use words::words;

#[cfg(test)]
mod tests;
