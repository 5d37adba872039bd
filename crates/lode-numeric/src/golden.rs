//! Data that several tests measure against figures of independent programs.
//!
//! Test code alone; where the data come from stands in `golden/README.md`.

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
