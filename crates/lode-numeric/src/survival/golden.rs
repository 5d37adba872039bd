//! Data and figures of lifelines and statsmodels that the tests of this family share.
//!
//! Test code alone; how they were made stands in `golden/README.md`.

use super::Subjects;
use crate::golden::Table;

pub(super) use crate::golden::check;

/// The outcome, with weights and entries if asked for.
pub(super) fn outcome<'a>(
    data: &'a Table,
    events: &'a [bool],
    weights: bool,
    entries: bool,
) -> Subjects<'a> {
    Subjects {
        weights: weights.then(|| data.column("weight")),
        entries: entries.then(|| data.column("entry")),
        ..Subjects::new(data.column("duration"), events)
    }
}

/// 42 children with leukemia, 21 of them on a drug (Freireich and others 1963).
pub(super) fn leukemia() -> Table {
    Table::read(include_str!("../golden/leukemia.csv"))
}

/// 220 made subjects with ties, weights, late entries and contracts.
pub(super) fn subjects() -> Table {
    Table::read(include_str!("../golden/survival.csv"))
}

/// The figures of a name.
pub(super) fn figures(name: &str) -> Vec<f64> {
    crate::golden::figures(include_str!("../golden/survival_figures.csv"), name)
}
