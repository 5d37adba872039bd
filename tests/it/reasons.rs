//! The reasons that churn models give, against the causes that the sample's operator planted.
//!
//! At seeds with different causes; who is measured was never shown with a label: half of the
//! customers of the table, and all of them at the end of the events.
//! `cargo xtask bench predict` prints the long form.

use anyhow::Result;
use lode_tests::Engine;
use lode_tests::reasons::Sample;
use lode_tests::settings;
use tempfile::TempDir;

/// Seeds that played no part when the generator was made.
const SEEDS: [u64; 2] = [211, 212];
const CUSTOMERS: u64 = 3_000;

#[test]
fn leavers_reasons_are_the_planted_causes() -> Result<()> {
    let folder = TempDir::new()?;
    let engine = Engine::start()?;
    for seed in SEEDS {
        let sample = Sample::make(engine.address(), folder.path(), seed, CUSTOMERS)?;
        sample.load_table()?;
        sample.load_events()?;
        // What a linear model cannot show is shown by the other features that go with it.
        check(&sample, seed, "churn.logistic", [0.7, 0.55, 0.75])?;
        // Boosting is slow in a debug build.
        if seed == SEEDS[0] {
            check(&sample, seed, "churn.gbdt", [0.93, 0.8, 0.9])?;
        }
    }
    Ok(())
}

/// Least share of right ones among the first reasons and among the first two, and of a
/// customer's causes that are among the first three.
fn check(sample: &Sample, seed: u64, algorithm: &str, least: [f64; 3]) -> Result<()> {
    for (way, found, customers) in [
        ("table", sample.from_table(algorithm)?, CUSTOMERS / 2),
        ("events", sample.from_events(algorithm)?, CUSTOMERS),
    ] {
        settings::say(&format!(
            "reasons: seed {seed}, {algorithm}, {way}: AUC {:.3}, of the truth {:.3}; precision \
             {:.3?}, recall {:.3?}, main cause {:.3?}; error of a decile {:.3}",
            found.auc,
            found.best_auc,
            found.precision,
            found.recall,
            found.main,
            found.decile_error()
        ));
        assert_eq!(found.customers as u64, customers);
        assert!(found.auc > found.best_auc - 0.06, "{found:?}");
        assert!(found.precision[0] > least[0], "{found:?}");
        assert!(found.precision[1] > least[1], "{found:?}");
        assert!(found.recall[2] > least[2], "{found:?}");
        assert!(found.main[1] > 0.85, "{found:?}");
        assert!(found.decile_error() < 0.06, "{found:?}");
        // Those most at risk leave more often than the others, about as often as is said.
        let (first, last) = (found.deciles[0], found.deciles[9]);
        assert!(first.left > 3.0 * last.left, "{found:?}");
        assert!((first.predicted - first.left).abs() < 0.15, "{found:?}");
    }
    Ok(())
}
