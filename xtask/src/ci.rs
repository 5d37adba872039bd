//! `cargo xtask ci`: everything that a change has to pass, the cheap steps first.

use std::time::Duration;
use std::time::Instant;

use anyhow::Context as _;
use anyhow::Result;

use crate::codegen;
use crate::fmt;
use crate::lint;
use crate::test;
use crate::tidy;

#[derive(clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(_args: &Args) -> Result<()> {
    let steps: [Step; 6] = [
        ("fmt --check", || fmt::run(&fmt::Args { check: true })),
        ("tidy", || tidy::run(&tidy::Args {})),
        ("codegen --check", || {
            codegen::run(&codegen::Args { check: true })
        }),
        ("lint", || lint::run(&lint::Args {})),
        ("test --polyglot", || test::run(&test::Args::POLYGLOT)),
        ("test", || test::run(&test::Args::RUST)),
    ];
    let mut times: Vec<(&str, Duration)> = Vec::new();
    for (name, step) in steps {
        println!("\n== {name}");
        let start = Instant::now();
        let result = step();
        times.push((name, start.elapsed()));
        result.with_context(|| format!("step `{name}`; run `cargo xtask {name}`"))?;
    }
    println!();
    for (name, time) in &times {
        println!("{name:16} {:7.1} s", time.as_secs_f64());
    }
    let total: Duration = times.iter().map(|(_, time)| *time).sum();
    println!("{:16} {:7.1} s", "all passed", total.as_secs_f64());
    Ok(())
}

type Step = (&'static str, fn() -> Result<()>);
