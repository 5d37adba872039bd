//! Learns the weights: columns to a design, the regression, and the model from its answer.
//!
//! Does not write tables. Invariant: means, deviations and levels come from the learned rows
//! alone, in row order.

use lode_numeric::Rows;
use lode_numeric::logistic;
use lode_numeric::logistic::Design;
use lode_numeric::logistic::DesignColumn;
use lode_numeric::logistic::LogisticFit;
use lode_numeric::logistic::LogisticParams;
use lode_numeric::standardize::Standardizer;
use lode_plugin::Context;
use lode_plugin::Error;
use lode_plugin::Feature;
use lode_plugin::Features;
use lode_plugin::Fitted;
use lode_plugin::Ids;
use lode_plugin::Result;
use lode_plugin::Role;
use lode_plugin::Table;
use lode_plugin::Values;

use super::encode::Encoded;
use super::encode::NO_LEVEL;
use super::encode::refuse_infinite;
use super::label;
use super::model::FeatureModel;
use super::model::Kind;
use super::model::LogisticModel;
use super::numeric;
use super::output;
use super::params::Params;

/// Fits on the rows with an outcome, scores all.
pub(super) fn run(params: &Params, table: &Table, cx: &Context<'_>) -> Result<Fitted> {
    cx.check_cancelled()?;
    cx.progress(0.0, "reading columns");
    if table.n_rows() == 0 {
        return Err(Error::invalid(
            "inputs.customers",
            "expected at least one row, found none",
        ));
    }
    let outcome = label::read(table, params)?;
    let learned: Vec<usize> = (0..table.n_rows())
        .filter(|row| outcome[*row].is_some())
        .collect();
    let labels: Vec<bool> = outcome.iter().flatten().copied().collect();
    let mut features = Vec::new();
    for column in table.feature_columns(&params.exclude)? {
        cx.check_cancelled()?;
        features.extend(column.feature(Features::All)?);
    }
    if features.is_empty() {
        return Err(Error::invalid(
            "inputs.customers",
            "expected at least one column of numbers, booleans or text without a role, found none",
        ));
    }
    let mut prepared = Vec::with_capacity(features.len());
    for (index, feature) in features.iter().enumerate() {
        cx.check_cancelled()?;
        cx.progress(
            0.3 * index as f64 / features.len() as f64,
            "reading columns",
        );
        prepared.push(Prepared::new(feature, &learned, params, cx)?);
    }
    let columns: Vec<DesignColumn<'_>> = prepared.iter().flat_map(Prepared::columns).collect();
    let design = Design::new(learned.len(), &columns).map_err(numeric)?;
    let asked = LogisticParams {
        l2: params.l2,
        threads: cx.threads(),
        ..LogisticParams::default()
    };
    let go_on = |fraction: f64| {
        cx.progress(0.3 + 0.6 * fraction, "fitting weights");
        cx.check_cancelled().is_ok()
    };
    let fit = logistic::fit(&design, &labels, &asked, &go_on).map_err(numeric)?;
    let model = assemble(&fit, &prepared, learned.len());
    cx.progress(0.9, "scoring");
    let n_weights = fit.weights.len() as f64;
    cx.check_cancelled()?;
    let customer_ids = table.require(Role::CustomerId)?.texts()?;
    cx.check_cancelled()?;
    let coefficients = output::coefficients(&model)?;
    let encoded = Encoded::of_features(&model, features, table, cx)?;
    Ok(Fitted::new()
        .model(model.to_bytes()?)
        .metric("iterations", fit.steps as f64)
        .metric("rows", learned.len() as f64)
        .metric(
            "rows_without_label",
            (table.n_rows() - learned.len()) as f64,
        )
        .metric(
            "positives",
            labels.iter().filter(|label| **label).count() as f64,
        )
        .metric("weights", n_weights)
        .table("coefficients", coefficients)
        .stream(
            "scores",
            Box::new(output::ScoreStream::new(
                model,
                encoded,
                customer_ids,
                params.max_reasons,
            )),
        ))
}

/// One feature's columns of the design.
struct Prepared {
    name: String,
    kind: PreparedKind,
}

enum PreparedKind {
    Number {
        mean: f64,
        std: f64,
        scores: Vec<f64>,
        /// 1 where the value is missing; none when it never is.
        missing: Option<Vec<f64>>,
    },
    Category {
        levels: Vec<String>,
        has_missing: bool,
        codes: Vec<u32>,
    },
}

impl Prepared {
    fn new(
        feature: &Feature,
        learned: &[usize],
        params: &Params,
        cx: &Context<'_>,
    ) -> Result<Self> {
        let kind = match &feature.values {
            Values::Number(values) => {
                refuse_infinite(&feature.name, values)?;
                number(values, learned, cx)?
            }
            Values::Category { codes, names } => category(codes, names, learned, params.max_levels),
        };
        Ok(Self {
            name: feature.name.clone(),
            kind,
        })
    }

    fn columns(&self) -> Vec<DesignColumn<'_>> {
        match &self.kind {
            PreparedKind::Number {
                scores, missing, ..
            } => {
                let missing = missing.iter().map(|m| DesignColumn::Number(m));
                std::iter::once(DesignColumn::Number(scores))
                    .chain(missing)
                    .collect()
            }
            PreparedKind::Category {
                levels,
                has_missing,
                codes,
            } => vec![DesignColumn::Category {
                codes,
                n_levels: (levels.len() + usize::from(*has_missing)) as u32,
            }],
        }
    }
}

fn number(values: &[f64], learned: &[usize], cx: &Context<'_>) -> Result<PreparedKind> {
    let present: Vec<f64> = learned
        .iter()
        .map(|row| values[*row])
        .filter(|value| !value.is_nan())
        .collect();
    let (mean, std) = if present.is_empty() {
        (0.0, 0.0)
    } else {
        let rows = Rows::new(&present, 1).map_err(numeric)?;
        let found = Standardizer::fit(rows, cx.threads()).map_err(numeric)?;
        (found.mean[0], found.scale[0])
    };
    let score = |value: f64| {
        if value.is_nan() || std <= 0.0 {
            0.0
        } else {
            (value - mean) / std
        }
    };
    let is_missing = |row: &usize| f64::from(u8::from(values[*row].is_nan()));
    Ok(PreparedKind::Number {
        mean,
        std,
        scores: learned.iter().map(|row| score(values[*row])).collect(),
        missing: (present.len() < learned.len()).then(|| learned.iter().map(is_missing).collect()),
    })
}

/// The most frequent levels, ties by name, then all kept levels in the order of their names.
fn category(codes: &[u32], names: &[String], learned: &[usize], max_levels: usize) -> PreparedKind {
    let mut counts = vec![0_usize; names.len()];
    let mut has_missing = false;
    for row in learned {
        match counts.get_mut(codes[*row] as usize) {
            Some(count) => *count += 1,
            None => has_missing = true,
        }
    }
    let mut kept: Vec<usize> = (0..names.len()).filter(|name| counts[*name] > 0).collect();
    kept.sort_by(|a, b| counts[*b].cmp(&counts[*a]).then(a.cmp(b)));
    kept.truncate(max_levels);
    kept.sort_unstable();
    let mut place = vec![NO_LEVEL; names.len()];
    for (level, name) in kept.iter().enumerate() {
        place[*name] = level as u32;
    }
    let n_kept = kept.len() as u32;
    let code_of = |row: &usize| match codes[*row] {
        Ids::NONE => n_kept,
        code => place[code as usize],
    };
    PreparedKind::Category {
        levels: kept.iter().map(|name| names[*name].clone()).collect(),
        has_missing,
        codes: learned.iter().map(code_of).collect(),
    }
}

/// Cuts the answer into features and centers each over the learned rows.
fn assemble(fit: &LogisticFit, prepared: &[Prepared], n_rows: usize) -> LogisticModel {
    let mut weights = fit.weights.iter().copied();
    let mut take = |n: usize| -> Vec<f64> { weights.by_ref().take(n).collect() };
    let mut features = Vec::with_capacity(prepared.len());
    let mut base = fit.intercept;
    for feature in prepared {
        let (kind, total) = match &feature.kind {
            PreparedKind::Number {
                mean,
                std,
                scores,
                missing,
            } => {
                let weight = take(1)[0];
                let missing_weight = missing.as_ref().map(|_| take(1)[0]);
                let of_scores: f64 = scores.iter().map(|score| weight * score).sum();
                let n_missing: f64 = missing.iter().flatten().sum();
                let kind = Kind::Number {
                    mean: *mean,
                    std: *std,
                    weight,
                    missing: missing_weight,
                };
                (kind, of_scores + n_missing * missing_weight.unwrap_or(0.0))
            }
            PreparedKind::Category {
                levels,
                has_missing,
                codes,
            } => {
                let level_weights = take(levels.len());
                let missing = has_missing.then(|| take(1)[0]);
                let of_code = |code: &u32| match level_weights.get(*code as usize) {
                    Some(weight) => *weight,
                    None if *code as usize == levels.len() => missing.unwrap_or(0.0),
                    None => 0.0,
                };
                let total = codes.iter().map(of_code).sum();
                let kind = Kind::Category {
                    levels: levels.clone(),
                    weights: level_weights.clone(),
                    missing,
                };
                (kind, total)
            }
        };
        let center = total / n_rows as f64;
        base += center;
        features.push(FeatureModel {
            name: feature.name.clone(),
            center,
            kind,
        });
    }
    LogisticModel {
        intercept: fit.intercept,
        base,
        features,
    }
}
