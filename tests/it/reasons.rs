//! The reasons that churn models give, against the causes that the sample's operator planted.
//!
//! At seeds with different causes; half of the customers are never shown with their label.
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
        let sample = Sample::load(engine.address(), folder.path(), seed, CUSTOMERS)?;
        for algorithm in ALGORITHMS {
            if list.iter().any(|one| one["algorithm"] == algorithm) {
                check(seed, algorithm, &sample.measure(algorithm)?);
            }
        }
    }
    Ok(())
}

fn check(seed: u64, algorithm: &str, found: &Measured) {
    settings::say(&format!(
        "reasons: seed {seed}, {algorithm}: AUC {:.3}, of the truth {:.3}; precision {:.3?}, \
         recall {:.3?}, main cause {:.3?}; error of a decile {:.3}",
        found.auc,
        found.best_auc,
        found.precision,
        found.recall,
        found.main,
        found.decile_error()
    ));
    assert_eq!(found.customers as u64, CUSTOMERS / 2);
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
