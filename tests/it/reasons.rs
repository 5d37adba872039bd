//! The reasons that churn models give, against the causes that the sample's operator planted.
//!
//! At seeds with different causes; who is measured was never shown with a label: half of the
//! customers of the table, and all of them at the end of the events.
//! `cargo xtask bench predict` prints the long form.

use anyhow::Context as _;
use anyhow::Result;
use lode_tests::Engine;
use lode_tests::reasons::Measured;
use lode_tests::reasons::Sample;
use lode_tests::settings;
use tempfile::TempDir;

/// Seeds that played no part when the generator was made.
const SEEDS: [u64; 3] = [211, 212, 213];
const CUSTOMERS: u64 = 3_000;
const ALGORITHMS: [&str; 2] = ["churn.logistic", "churn.gbdt"];

#[test]
fn leavers_reasons_are_the_planted_causes() -> Result<()> {
    let folder = TempDir::new()?;
    let engine = Engine::start()?;
    let list = engine.lode(["algorithms", "-o", "json"])?.json()?;
    let list = list.as_array().context("a list of algorithms")?;
    for seed in SEEDS {
        let sample = Sample::make(engine.address(), folder.path(), seed, CUSTOMERS)?;
        sample.load_table()?;
        sample.load_events()?;
        for algorithm in ALGORITHMS {
            if list.iter().any(|one| one["algorithm"] == algorithm) {
                let found = sample.from_table(algorithm)?;
                assert_eq!(found.customers as u64, CUSTOMERS / 2);
                check(&format!("seed {seed}, {algorithm}, table"), &found);
                let found = sample.from_events(algorithm)?;
                assert_eq!(found.customers as u64, CUSTOMERS);
                check(&format!("seed {seed}, {algorithm}, events"), &found);
            }
        }
    }
    Ok(())
}

fn check(what: &str, found: &Measured) {
    settings::say(&format!(
        "reasons: {what}: AUC {:.3}, of the truth {:.3}; precision {:.3?}, \
         recall {:.3?}, main cause {:.3?}; error of a decile {:.3}",
        found.auc,
        found.best_auc,
        found.precision,
        found.recall,
        found.main,
        found.decile_error()
    ));
    assert!(found.auc > found.best_auc - 0.06, "{found:?}");
    assert!(found.precision[0] > 0.85, "{found:?}");
    assert!(found.precision[1] > 0.65, "{found:?}");
    assert!(found.recall[0] > 0.85, "{found:?}");
    assert!(found.recall[2] > 0.8, "{found:?}");
    assert!(found.main[1] > 0.85, "{found:?}");
    assert!(found.decile_error() < 0.06, "{found:?}");
    // Those most at risk leave more often than the others, about as often as is said.
    let (first, last) = (found.deciles[0], found.deciles[9]);
    assert!(first.left > 3.0 * last.left, "{found:?}");
    assert!((first.predicted - first.left).abs() < 0.15, "{found:?}");
}
