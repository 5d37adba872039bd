//! `gbdt defaults`: a fit as the algorithms make it, where all but the threads is left alone.
//!
//! Targets are those of the file made rare, and rows have weights: as demand for one product.

use std::path::Path;

use lode_numeric::Rng;
use lode_numeric::trees::gbdt;
use lode_numeric::trees::gbdt::GbdtParams;

use crate::Result;
use crate::arguments::Arguments;
use crate::file::Rows;
use crate::learn::Data;
use crate::measure::Meter;

const SEED: u64 = 20_240_612;
/// Of the rows that said yes, those that still do.
const KEPT: f64 = 0.2;

pub(crate) fn run(given: &Arguments) -> Result<()> {
    let threads = given.number("threads")?;
    let n_learn: usize = given.number("rows")?;
    let mut data = Data::of(Rows::read(Path::new(given.text("file")?))?);
    let n_rows = data.target.len();
    if n_learn > data.n_learn {
        return Err("--rows: expected no more than the file has to learn from".into());
    }
    let mut rng = Rng::new(SEED);
    let mut weights = Vec::with_capacity(n_rows);
    for target in &mut data.target {
        *target *= f64::from(u8::from(rng.chance(KEPT)));
        weights.push(0.5 + rng.uniform());
    }
    let params = GbdtParams {
        threads,
        ..GbdtParams::default()
    };
    let learn = data.table(0, n_learn)?;
    let (targets, own) = (&data.target[..n_learn], &weights[..n_learn]);
    let all = Meter::start()?;
    let fit = gbdt::fit(&learn, targets, Some(own), &params, &|_| true)?;
    let took = all.stop()?;
    let held = data.table(data.n_learn, n_rows)?;
    let means = fit.model.means(&held, threads)?;
    let rows = means.iter().zip(&data.target[data.n_learn..]);
    let rows = rows.zip(&weights[data.n_learn..]);
    let losses = rows.map(|((p, y), w)| -w * (y * p.ln() + (1.0 - y) * (1.0 - p).ln()));
    let loss = losses.sum::<f64>() / weights[data.n_learn..].iter().sum::<f64>();
    let shapes: Vec<String> = fit
        .shapes
        .iter()
        .map(|shape| {
            format!(
                r#"{{"depth":{},"members":{},"rounds":{},"grown":{},"share":{}}}"#,
                shape.max_depth,
                shape.members,
                shape.rounds,
                shape.losses.len().max(1) - 1,
                shape.share
            )
        })
        .collect();
    println!(
        r#"{{{},"log_loss":{loss},"shapes":[{}]}}"#,
        took.json("fit"),
        shapes.join(",")
    );
    Ok(())
}
