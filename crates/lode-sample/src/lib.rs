//! Makes up a retailer and a telecom operator, the same for a size and a seed, truth included.
//!
//! What is found in the data can be checked, since what was planted is kept beside it. Not a
//! model of any real company; needs no outside data. This is the one crate of its layer that
//! writes files. Invariant: a customer's rows depend on the seed and the customer's number
//! alone, so a larger sample holds the smaller one's customers.
//!
//! [`write()`] makes these files:
//!
//! | file | one row | columns |
//! |---|---|---|
//! | `retail_events.csv` | a line of an order in 2025 | `order_id`, `customer_id`, `item`, `quantity`, `unit_price`, `event_time` |
//! | `retail_items.csv` | an item | `item`, `category`, `unit_price` |
//! | `telecom_customers.csv` | a customer | `customer_id`, `tariff`, `contract_months_left`, `tenure_months`, `calls_per_month`, `hotline_calls`, `payment_method`, `late_payments`, `monthly_charge`, `age`, `churn` |
//! | `truth.json` | | what was planted, see below |
//!
//! **Retail.** Each customer belongs to one of eight preference groups and takes three of four
//! items from it; an item that has a partner draws it into the same order half of the time.
//! Value classes (vip, regular, occasional, once) set how often and how much a customer buys,
//! and some customers of each stop at some day. About one line in fifty is returned (negative
//! quantity), about one order in twelve has no customer. Rows are in time order within each
//! block of 10,000 customers. `truth.json` has every customer's group, class, last day, and
//! `next_items`: what the customer would buy next and does not have yet.
//!
//! **Telecom.** A customer leaves with probability `sigmoid(margin)`; the margin is a sum over
//! named causes whose coefficients stand in `truth.json`, with each customer's probability and
//! main cause. Age and calls have no effect. Some values are missing from the table.
//!
//! Beside the companies, [`trial`] makes small tables in memory for any declared algorithm.

pub mod trial;

mod catalog;
mod retail;
mod telecom;
mod write;

pub use write::SampleFile;
pub use write::SampleOptions;
pub use write::Written;
pub use write::write;
