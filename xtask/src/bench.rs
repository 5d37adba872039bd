//! `cargo xtask bench NAME`: measurements, one file each.
//!
//! A benchmark builds for release into a folder of its own, runs three times (the long one once)
//! and prints medians.
//! Peers run in the same run, from a Python environment outside the repository.

mod features;
mod first;
mod gbdt;
mod memory;
mod peers;
mod plugin;
mod predict;
mod programs;
mod recommend;
mod store;

use anyhow::Result;

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    benchmark: Benchmark,
}

#[derive(clap::Subcommand)]
enum Benchmark {
    /// Feature views: 30 features of all customers at 12 times beside DuckDB, checked in Python.
    Features(features::Args),
    /// The first profile: ingest over gRPC beside a raw write, and recommendations under load.
    First(first::Args),
    /// Gradient boosting: binning, training, scoring, contributions, memory and accuracy beside
    /// LightGBM, XGBoost, CatBoost and scikit-learn on the same made rows; growth, objectives,
    /// scores over gRPC.
    Gbdt(gbdt::Args),
    /// Plugins: inspection, start of a worker, warm calls, what a job costs beside its algorithm,
    /// memory with an input of gigabytes.
    Plugin(plugin::Args),
    /// Who leaves, who buys: Lode beside LightGBM, XGBoost, CatBoost and scikit-learn on the same
    /// folds of public data, and its reasons against the causes planted in the sample.
    Predict(predict::Args),
    /// Recommendation: fit, the ten best items for everybody, memory and quality beside implicit
    /// on the same made pairs; offers over gRPC at a fixed rate.
    Recommend(recommend::Args),
    /// The customer store: ingest, disk, aggregates and point reads beside DuckDB and polars.
    Store(store::Args),
}

pub(crate) fn run(args: &Args) -> Result<()> {
    match &args.benchmark {
        Benchmark::Features(args) => features::run(args),
        Benchmark::First(args) => first::run(args),
        Benchmark::Gbdt(args) => gbdt::run(args),
        Benchmark::Plugin(args) => plugin::run(args),
        Benchmark::Predict(args) => predict::run(args),
        Benchmark::Recommend(args) => recommend::run(args),
        Benchmark::Store(args) => store::run(args),
    }
}

/// The middle of some measurements.
fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}
