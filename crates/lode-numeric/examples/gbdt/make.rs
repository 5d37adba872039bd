//! `gbdt make`: draws rows and writes them to a file; the same arguments give the same bytes.

use std::path::Path;

use lode_numeric::Rng;

use crate::Result;
use crate::arguments::Arguments;
use crate::file::Rows;
use crate::planted;
use crate::planted::Plan;

const SEED: u64 = 20_240_611;
/// Rows of a query, where targets are grades within queries.
const QUERY_ROWS: usize = 20;
/// Columns of the usual set that lack some values, and the share that they lack.
const GAPS: ([usize; 4], f64) = ([0, 8, 20, 30], 0.05);

pub(crate) fn run(given: &Arguments) -> Result<()> {
    let rows = drawn(&Asked {
        n_learn: given.number("rows")?,
        n_columns: given.number("columns")?,
        missing: given.number("missing")?,
        sparse: given.number("sparse")?,
        categories: given.number("categories")?,
        n_levels: given.number("levels")?,
        objective: given.text("objective")?,
    })?;
    rows.write(Path::new(given.text("file")?))
}

struct Asked<'a> {
    /// A fifth as many are held out.
    n_learn: usize,
    n_columns: usize,
    /// Share of missing values of all columns; 0 for those of the usual set.
    missing: f64,
    sparse: f64,
    /// The last columns, which are categories of so many levels.
    categories: usize,
    n_levels: u32,
    objective: &'a str,
}

fn drawn(asked: &Asked<'_>) -> Result<Rows> {
    if asked.n_columns < 4 || asked.categories >= asked.n_columns / 2 {
        return Err("expected four columns or more, and less than half of them categories".into());
    }
    let mut rng = Rng::new(SEED);
    let plan = Plan::new(asked.n_columns, asked.sparse, &mut rng);
    let first_category = asked.n_columns - asked.categories;
    // A level's own part of the log odds.
    let effects: Vec<Vec<f64>> = (0..asked.categories)
        .map(|_| (0..asked.n_levels).map(|_| 0.7 * rng.normal()).collect())
        .collect();
    let n_rows = asked.n_learn + asked.n_learn / 5;
    let mut rows = Rows {
        n_learn: asked.n_learn,
        levels: (0..asked.n_columns)
            .map(|column| match column < first_category {
                true => 0,
                false => asked.n_levels,
            })
            .collect(),
        columns: vec![Vec::with_capacity(n_rows); asked.n_columns],
        target: Vec::with_capacity(n_rows),
        truth: Vec::with_capacity(n_rows),
        query: Vec::with_capacity(n_rows),
    };
    let mut values = vec![0.0; asked.n_columns];
    for row in 0..n_rows {
        plan.draw(&mut rng, &mut values);
        let mut logit = plan.logit(&values);
        for (effects, value) in effects.iter().zip(&mut values[first_category..]) {
            // The first levels are the frequent ones.
            let level = (effects.len() as f64 * rng.uniform().powi(2)) as usize;
            logit += effects[level] / (asked.categories as f64).sqrt();
            *value = level as f64;
        }
        let [target, truth] = planted::target(asked.objective, logit, values[0], &mut rng)
            .ok_or_else(|| format!("--objective: {:?} is not known", asked.objective))?;
        for (at, (column, value)) in rows.columns.iter_mut().zip(&values).enumerate() {
            let share = match asked.missing > 0.0 {
                true => asked.missing,
                false if GAPS.0.contains(&at) => GAPS.1,
                false => 0.0,
            };
            let is_missing = share > 0.0 && rng.chance(share);
            column.push(if is_missing { f64::NAN } else { *value });
        }
        rows.target.push(target);
        rows.truth.push(truth);
        rows.query.push((row / QUERY_ROWS) as f64);
    }
    if plan.noise().end != asked.n_columns {
        return Err("expected noise to be the last columns".into());
    }
    Ok(rows)
}
