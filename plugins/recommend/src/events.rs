//! What customers did: from rows to a compact log, and from it to weighted pairs.
//!
//! Everything here is the same for any order of the rows and for parts put together.

pub(crate) mod counts;
pub(crate) mod log;
pub(crate) mod pairs;
pub(crate) mod read;

use lode_plugin::Error;
use lode_plugin::Input;
use lode_plugin::Role;

/// Microseconds of a day.
pub(crate) const DAY: f64 = 86_400e6;

/// The input that all algorithms take.
pub(crate) fn spec() -> Input {
    Input::new("events", "One row a purchase, visit, click or rating")
        .column(Role::CustomerId, "Who")
        .column(Role::Item, "What")
        .optional_column(
            Role::EventTime,
            "When; needed where age or order counts, and rows without it are left out then",
        )
        .optional_column(
            Role::Quantity,
            "Pieces; a row with 0 or less is a return and speaks against the item",
        )
        .optional_column(
            Role::EventKind,
            "What kind of event it is; see kind_weights",
        )
        .optional_column(
            Role::Rating,
            "What the customer says it is worth; items below the middle are disliked",
        )
}

/// What a numeric call found wrong, in the words of this plugin's caller.
pub(crate) fn numeric(error: lode_numeric::Error) -> Error {
    match error {
        lode_numeric::Error::Cancelled => Error::cancelled(),
        other => Error::numeric(format!("the items cannot be compared: {other}")),
    }
}

#[cfg(test)]
mod tests;
