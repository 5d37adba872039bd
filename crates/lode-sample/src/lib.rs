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
//! | `telecom_customers.csv` | a customer on 2025-10-01 | 42 fields: the contract, what the customer has and pays, calls of six months by direction, time and network, data by access, trouble of the last months; `churn`: whether the customer left within 90 days |
//! | `telecom_events.csv` | something that a customer did, July 2024 to December 2025 | `customer_id`, `time`, `kind`, `amount`, `quantity`, `detail`, and what a month's `usage` sums up |
//! | `telecom_features.json` | | a feature view over these events |
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
//! **Telecom.** A seed draws five causes of churn out of twelve, three of which come and go (the
//! hot line is called more often in the last two months, the contract ends within 60 days, data
//! use falls, the price rose, ...). At the end of each quarter from December 2024 on a customer
//! decides to leave within 90 days with probability `sigmoid(margin)`; the margin is a sum over
//! the causes, each a function of the table's columns. Others get the lines of those who left.
//! Events are `usage` (the sums of a month, at its end), `hotline_call`, `complaint`,
//! `late_payment`, `top_up`, `price_increase`, `tariff_change`, `device_change`,
//! `contract_renewal`, `join` and `departure`. `truth.json` has the causes with their
//! coefficients and the columns and features that show them, and each customer's probability,
//! main cause, and what every cause adds to the margin. Some values are missing from the table;
//! they still had their effect.
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
