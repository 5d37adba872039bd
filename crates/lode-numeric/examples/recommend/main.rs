//! Recommendation on made pairs, measured: `recommend make` writes a file of who has what,
//! `recommend fit` learns from it, finds the best for everybody, and judges that by the pairs that
//! were held out.
//!
//! `cargo xtask bench recommend` runs it, and the peers on the same file. Arguments are pairs of
//! `--name value`; what it finds goes to standard output as JSON.
#![expect(clippy::print_stdout, reason = "it prints what it measured")]

mod als;
mod arguments;
mod file;
mod judge;
mod make;
mod measure;

use arguments::Arguments;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> Result<()> {
    let mut words = std::env::args().skip(1);
    let command = words.next().unwrap_or_default();
    let given = Arguments::read(words)?;
    match command.as_str() {
        "make" => make::run(&given),
        "fit" => match given.text_or("what", "als") {
            "als" => als::run(&given),
            other => Err(format!("--what: expected als, found {other}").into()),
        },
        other => Err(format!("expected make or fit, found {other:?}").into()),
    }
}
