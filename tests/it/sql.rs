//! SQL through the real engine, against answers that plain loops find in the same rows.
//!
//! `shop` makes the rows and asks; `functions`, `windows` and `reads` are what an analyst
//! writes; `wrong` is what is refused, `hostile` what would take all memory or never end.

mod shop;

mod functions;
mod reads;
mod windows;

mod hostile;
mod wrong;
