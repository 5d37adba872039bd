//! Conditions in words: one of a value, as tables of actions have them ([`cell`]), and filters,
//! which join such conditions on columns by and, or, not and parentheses ([`filter`]).
//!
//! Both mean the same by the same words ([`op`]). Nothing is read from a store here. Invariant: what
//! was parsed and bound can be evaluated for every row; a value that is missing meets nothing but
//! "missing", and what is said of it is unknown, not false.

mod bound;
mod cell;
mod filter;
mod op;
mod values;
mod words;

pub(crate) use bound::Bound;
pub(crate) use bound::Side;
pub(crate) use bound::Sides;
pub(crate) use bound::invalid;
pub(crate) use cell::Condition;
pub(crate) use filter::Filter;
pub(crate) use values::Columns;

#[cfg(test)]
mod tests;
