//! `gbdt learn`: one model of a file's first rows, measured stage by stage.
//!
//! Binning ends where learning first tells how far it is. Scores of the held-out rows go to a
//! file, which the peers' script judges as it judges theirs.

use std::cell::Cell;
use std::fs;
use std::path::Path;

use lode_numeric::trees::Column;
use lode_numeric::trees::Objective;
use lode_numeric::trees::Table;
use lode_numeric::trees::gbdt;
use lode_numeric::trees::gbdt::GbdtParams;

use crate::Result;
use crate::arguments::Arguments;
use crate::file::Rows;
use crate::measure;
use crate::measure::Meter;

/// What [`objective`] knows.
pub(crate) const OBJECTIVES: [&str; 7] = [
    "binary", "squared", "poisson", "gamma", "tweedie", "quantile", RANKING,
];

/// Its rows are ordered within queries.
const RANKING: &str = "rank";

/// An objective by the name that the peers' script has for it too.
fn objective(name: &str) -> Result<Objective> {
    Ok(match name {
        "binary" => Objective::Logistic,
        "squared" => Objective::Squared,
        "poisson" => Objective::Poisson,
        "gamma" => Objective::Gamma,
        "tweedie" => Objective::Tweedie { power: 1.5 },
        "quantile" => Objective::Quantile { alpha: 0.9 },
        // LightGBM's own truncation, unless told.
        RANKING => Objective::LambdaRank { truncation: 30 },
        _ => return Err(format!("--objective: Lode has no {name:?}").into()),
    })
}

pub(crate) fn run(given: &Arguments) -> Result<()> {
    let threads = given.number("threads")?;
    // One model of all rows and columns, with the customary limits of a leaf, as the peers'.
    let params = GbdtParams {
        objective: objective(given.text("objective")?)?,
        learning_rate: given.number("rate")?,
        max_rounds: given.number("rounds")?,
        members: 1,
        max_depth: 64,
        max_leaves: given.number("leaves")?,
        min_rows: 20,
        min_child_weight: 1e-3,
        l2: 0.0,
        row_share: 1.0,
        column_share: 1.0,
        max_bins: given.number("bins")?,
        threads,
        ..GbdtParams::default()
    };
    let rows = Rows::read(Path::new(given.text("file")?))?;
    let n_rows = rows.target.len();
    let data = Data::of(rows);
    let mut learn = data.table(0, data.n_learn)?;
    if given.text("objective")? == RANKING {
        learn = learn.with_groups(&data.queries[..data.n_learn])?;
    }

    let all = Meter::start()?;
    let binned = Cell::new(None);
    let told = |_: f64| {
        if binned.get().is_none() {
            binned.set(all.stop().ok());
        }
        true
    };
    let fit = gbdt::fit(&learn, &data.target[..data.n_learn], None, &params, &told)?;
    let whole = all.stop()?;
    let bin = binned.take().ok_or("learning never told how far it is")?;
    let mut train = whole;
    train.seconds -= bin.seconds;
    train.cpu_seconds -= bin.cpu_seconds;

    let model = fit.model;
    let everybody = data.table(0, n_rows)?;
    let (score, means) = measure::median(|| Ok(model.means(&everybody, threads)?))?;
    let scores: Vec<u8> = means[data.n_learn..]
        .iter()
        .flat_map(|mean| mean.to_le_bytes())
        .collect();
    fs::write(given.text("scores")?, scores)?;

    let n_explained = given.number::<usize>("explain")?.min(n_rows - data.n_learn);
    let sample = data.table(data.n_learn, data.n_learn + n_explained)?;
    let meter = Meter::start()?;
    let contributions = model.contributions(&sample, threads)?;
    let explain = meter.stop()?;
    let margins = model.margins(&sample, threads)?;
    let off = margins.iter().enumerate();
    let off = off.map(|(row, margin)| (contributions.margin(row) - margin).abs());

    println!(
        r#"{{{},{},{},{},"scored":{n_rows},"explained":{n_explained},"off":{:e},"model_bytes":{}}}"#,
        bin.json("bin"),
        train.json("train"),
        score.json("score"),
        explain.json("explain"),
        off.fold(0.0, f64::max),
        model.to_bytes().len(),
    );
    Ok(())
}

/// Rows as a table takes them.
pub(crate) struct Data {
    pub(crate) n_learn: usize,
    columns: Vec<Kind>,
    pub(crate) target: Vec<f64>,
    queries: Vec<u32>,
}

enum Kind {
    Number(Vec<f64>),
    Category(Vec<u32>, u32),
}

impl Data {
    pub(crate) fn of(rows: Rows) -> Self {
        let columns = rows.columns.into_iter().zip(&rows.levels);
        let columns = columns.map(|(values, levels)| match levels {
            0 => Kind::Number(values),
            levels => {
                let code = |value: &f64| match value.is_nan() {
                    true => u32::MAX,
                    false => *value as u32,
                };
                Kind::Category(values.iter().map(code).collect(), *levels)
            }
        });
        Self {
            n_learn: rows.n_learn,
            columns: columns.collect(),
            target: rows.target,
            queries: rows.query.iter().map(|query| *query as u32).collect(),
        }
    }

    /// The rows from one to before another.
    pub(crate) fn table(&self, from: usize, to: usize) -> Result<Table<'_>> {
        let columns = self.columns.iter().map(|column| match column {
            Kind::Number(values) => Column::Number(&values[from..to]),
            Kind::Category(codes, n_levels) => Column::Category {
                codes: &codes[from..to],
                n_levels: *n_levels,
            },
        });
        Ok(Table::new(to - from, columns.collect())?)
    }
}
