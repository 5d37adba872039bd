//! Data and figures of lifelines and statsmodels that the tests of this family share.
//!
//! Test code alone; how they were made stands in `golden/README.md`.

use super::Subjects;

/// A table of numbers by column.
pub(super) struct Table {
    names: Vec<String>,
    columns: Vec<Vec<f64>>,
}

impl Table {
    fn read(text: &str) -> Self {
        let mut lines = text.lines();
        let names: Vec<String> = lines
            .next()
            .unwrap()
            .split(',')
            .map(str::to_owned)
            .collect();
        let mut columns = vec![Vec::new(); names.len()];
        for line in lines {
            for (column, field) in columns.iter_mut().zip(line.split(',')) {
                column.push(field.parse().unwrap());
            }
        }
        Self { names, columns }
    }

    pub(super) fn column(&self, name: &str) -> &[f64] {
        let index = self.names.iter().position(|known| known == name).unwrap();
        &self.columns[index]
    }

    pub(super) fn codes(&self, name: &str) -> Vec<u32> {
        self.column(name)
            .iter()
            .map(|value| *value as u32)
            .collect()
    }

    pub(super) fn yes(&self, name: &str) -> Vec<bool> {
        self.column(name).iter().map(|value| *value > 0.5).collect()
    }

    /// The outcome, with weights and entries if asked for.
    pub(super) fn subjects<'a>(
        &'a self,
        events: &'a [bool],
        weights: bool,
        entries: bool,
    ) -> Subjects<'a> {
        Subjects {
            weights: weights.then(|| self.column("weight")),
            entries: entries.then(|| self.column("entry")),
            ..Subjects::new(self.column("duration"), events)
        }
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
    let text = include_str!("../golden/survival_figures.csv");
    let mut lines = text.lines().map(|line| line.split_once(',').unwrap());
    let (_, values) = lines.find(|(known, _)| *known == name).unwrap();
    values
        .split(',')
        .map(|value| value.parse().unwrap())
        .collect()
}

/// Both within `tolerance`, relative to values above 1.
pub(super) fn check(what: &str, found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (index, (a, b)) in found.iter().zip(expected).enumerate() {
        let near = (a - b).abs() <= tolerance * b.abs().max(1.0);
        assert!(near, "{what} {index}: found {a}, expected {b}");
    }
}
