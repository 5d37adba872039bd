//! Data that several tests measure against figures of independent programs.
//!
//! Test code alone; where the data come from stands in `golden/README.md`.

use std::collections::BTreeMap;

/// Fisher's Iris: 150 rows of 4 numbers, and the species 0, 1, 2.
pub(crate) fn iris() -> (Vec<f64>, Vec<u32>) {
    let mut values = Vec::new();
    let mut species = Vec::new();
    for line in include_str!("golden/iris.csv").lines().skip(1) {
        let fields: Vec<&str> = line.split(',').collect();
        values.extend(fields[..4].iter().map(|f| f.parse::<f64>().unwrap()));
        species.push(fields[4].parse().unwrap());
    }
    (values, species)
}

/// A table of numbers by column.
pub(crate) struct Table {
    names: Vec<String>,
    columns: Vec<Vec<f64>>,
}

impl Table {
    pub(crate) fn read(text: &str) -> Self {
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

    pub(crate) fn column(&self, name: &str) -> &[f64] {
        let index = self.names.iter().position(|known| known == name).unwrap();
        &self.columns[index]
    }

    pub(crate) fn codes(&self, name: &str) -> Vec<u32> {
        self.column(name)
            .iter()
            .map(|value| *value as u32)
            .collect()
    }

    pub(crate) fn yes(&self, name: &str) -> Vec<bool> {
        self.column(name).iter().map(|value| *value > 0.5).collect()
    }
}

/// The figures of a name: a line of `name,value,value`.
pub(crate) fn figures(text: &str, name: &str) -> Vec<f64> {
    let known = |line: &str| line.split(',').next() == Some(name);
    let line = text.lines().find(|line| known(line)).unwrap();
    let values = line.split(',').skip(1);
    values.map(|value| value.parse().unwrap()).collect()
}

/// Both within `tolerance`, relative to values above 1.
pub(crate) fn check(what: &str, found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (index, (a, b)) in found.iter().zip(expected).enumerate() {
        let near = (a - b).abs() <= tolerance * b.abs().max(1.0);
        assert!(near, "{what} {index}: found {a}, expected {b}");
    }
}

/// The columns of one of the tables of `golden/measures.py`, by name.
pub(crate) fn columns(text: &str) -> BTreeMap<String, Vec<f64>> {
    let Table { names, columns } = Table::read(text);
    names.into_iter().zip(columns).collect()
}

/// What independent programs give for these tables, by name.
pub(crate) fn measures() -> BTreeMap<String, f64> {
    let lines = include_str!("golden/measures.txt").lines();
    lines
        .map(|line| {
            let (name, value) = line.split_once(' ').unwrap();
            (name.to_owned(), value.parse().unwrap())
        })
        .collect()
}
