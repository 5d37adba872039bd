//! Boosting on made rows, measured: `gbdt make` writes a file of rows, `gbdt learn` learns from
//! it, scores and explains it, `gbdt defaults` learns with what algorithms leave alone, `gbdt csv`
//! turns rows into text, `gbdt objectives` tells what can be learned.
//!
//! `cargo xtask bench gbdt` runs it, and the peers on the same file. Arguments are pairs of
//! `--name value`; what it finds goes to standard output as JSON.
#![expect(clippy::print_stdout, reason = "it prints what it measured")]

mod arguments;
mod defaults;
mod file;
mod learn;
mod make;
mod measure;
mod planted;

use std::path::Path;

use arguments::Arguments;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> Result<()> {
    let mut words = std::env::args().skip(1);
    let command = words.next().unwrap_or_default();
    let given = Arguments::read(words)?;
    match command.as_str() {
        "make" => make::run(&given),
        "learn" => learn::run(&given),
        "defaults" => defaults::run(&given),
        "csv" => {
            let rows = file::Rows::read(Path::new(given.text("file")?))?;
            rows.write_csv(Path::new(given.text("out")?))
        }
        "objectives" => {
            let names: Vec<String> = learn::OBJECTIVES.iter().map(|o| format!("{o:?}")).collect();
            println!("[{}]", names.join(","));
            Ok(())
        }
        other => Err(
            format!("expected make, learn, defaults, csv or objectives, found {other:?}").into(),
        ),
    }
}
