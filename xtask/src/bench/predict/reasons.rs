//! Whether the reasons of leavers are the causes that the sample's operator planted.
//!
//! The measuring is `lode_tests::reasons`, which the integration tests use too; this prints it
//! for each seed and algorithm.

use std::process::Command;

use anyhow::Context as _;
use anyhow::Result;
use serde_json::Value;

use crate::bench::predict::number;
use crate::bench::programs::Programs;
use crate::process::Engine;
use crate::workspace;

/// What is learned from.
const WAYS: [(&str, &str); 2] = [
    ("table", "from half of the table"),
    ("events", "from events at three earlier dates"),
];

/// Shares of the first, the first two, the first three reasons.
const SHARES: [(&str, &str); 3] = [
    ("precision", "reasons that are causes"),
    ("recall", "causes that are reasons"),
    ("main", "main cause is a reason"),
];

pub(super) fn run(
    programs: &Programs,
    engine: &Engine,
    seeds: &[u64],
    customers: u64,
    algorithms: &[String],
) -> Result<()> {
    println!(
        "\nreasons of leavers against planted causes, by the first 1, 2, 3 reasons; {customers} \
         customers a seed, half of them held out of the table, all of them ahead of the events"
    );
    let mut all: Vec<(String, Vec<Value>)> = Vec::new();
    for seed in seeds {
        let mut command = Command::new(programs.dist.join("lode-load"));
        command.arg("--addr").arg(engine.url()).arg("reasons");
        command.arg("--folder").arg(&programs.folder);
        command.args(["--seed", &seed.to_string()]);
        command.args(["--customers", &customers.to_string()]);
        command.args(algorithms);
        command.env("LODE_BIN", programs.dist.join("lode"));
        let found: Value = serde_json::from_slice(&workspace::output(&mut command)?)?;
        for algorithm in algorithms {
            for (way, words) in WAYS {
                let measured = &found[algorithm][way];
                let title = format!("{algorithm} {words}");
                println!("\nseed {seed}, {title}, causes {}", found["causes"]);
                print(std::slice::from_ref(measured))?;
                match all.iter_mut().find(|(name, _)| *name == title) {
                    Some((_, list)) => list.push(measured.clone()),
                    None => all.push((title, vec![measured.clone()])),
                }
            }
        }
    }
    for (title, measured) in &all {
        println!("\nmeans over {} seeds, {title}", measured.len());
        print(measured)?;
    }
    Ok(())
}

/// The means of some results; of one, itself.
fn print(measured: &[Value]) -> Result<()> {
    let mean = |of: &dyn Fn(&Value) -> Result<f64>| -> Result<f64> {
        let values = measured.iter().map(of).collect::<Result<Vec<f64>>>()?;
        Ok(values.iter().sum::<f64>() / values.len() as f64)
    };
    println!(
        "  AUC {:.4}, of the planted probabilities {:.4}",
        mean(&|one| number(one, "auc"))?,
        mean(&|one| number(one, "best_auc"))?
    );
    for (name, words) in SHARES {
        let at = |at: usize| mean(&|one| one[name][at].as_f64().context("a share"));
        println!("  {words:25} {:.3} {:.3} {:.3}", at(0)?, at(1)?, at(2)?);
    }
    for (name, words) in [
        ("predicted", "predicted by decile"),
        ("left", "left"),
        ("planted", "planted probability"),
    ] {
        let mut line = format!("  {words:25}");
        for at in 0..10 {
            let share = mean(&|one| number(&one["deciles"][at], name))?;
            line.push_str(&format!(" {share:.3}"));
        }
        println!("{line}");
    }
    println!(
        "  {:25} {:.4}",
        "mean error of a decile",
        mean(&|one| number(one, "decile_error"))?
    );
    Ok(())
}
