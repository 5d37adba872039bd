//! Aggregates per customer over rows that are sorted by customer: no hash table, no exchange.
//!
//! A compacted dataset holds each customer's rows side by side, so a group ends where the next
//! begins, and a customer's sums are added in stored order whatever the number of threads.
//! `rules` finds the aggregates that qualify, `exec` is the step of the plan, `groups` its
//! loop, `distinct` counts distinct values of a group.
//! Invariant: the input is a [`Scan`](crate::scan::Scan) whose partitions share no customer,
//! with nothing but filters and projections between.

mod distinct;
mod exec;
mod groups;
mod rules;

pub(crate) use rules::ASCENDING;
pub(crate) use rules::logical_rules;
pub(crate) use rules::physical_rules;

#[cfg(test)]
mod tests;
