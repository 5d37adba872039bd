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

/// The columns of one of the tables of `golden/measures.py`, by name.
pub(crate) fn columns(text: &str) -> BTreeMap<String, Vec<f64>> {
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next().unwrap_or_default().split(',').collect();
    let mut columns: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for line in lines {
        for (name, field) in names.iter().zip(line.split(',')) {
            let column = columns.entry((*name).to_owned()).or_default();
            column.push(field.parse().unwrap());
        }
    }
    columns
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
