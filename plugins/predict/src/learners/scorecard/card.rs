//! A column of the card as the model keeps it, and the card as a table.
//!
//! Invariant: a line's lists have one entry a bin.

use std::sync::Arc;

use lode_numeric::scorecard::Binning;
use lode_numeric::scorecard::Cuts;
use lode_numeric::scorecard::LeftOut;
use lode_numeric::scorecard::Points;
use lode_numeric::scorecard::Scorecard;
use lode_numeric::scorecard::Scored;
use lode_plugin::Error;
use lode_plugin::Result;
use lode_plugin::arrow_array::RecordBatch;
use lode_plugin::arrow_array::builder::Float64Builder;
use lode_plugin::arrow_array::builder::Int64Builder;
use lode_plugin::arrow_array::builder::StringBuilder;
use lode_plugin::serde::Deserialize;
use lode_plugin::serde::Serialize;

use super::codes_of;
use crate::frame::Plan;
use crate::frame::Planned;
use crate::frame::View;
use crate::learners::survival::table as table_of;

/// A column of the card.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(crate = "lode_plugin::serde")]
pub(super) struct Line {
    cuts: Places,
    /// The bin of missing values, if there were any.
    missing: Option<usize>,
    /// Weight times WOE of each bin.
    parts: Vec<f64>,
    points: Vec<f64>,
    /// Share of the learned rows in each bin, for drift.
    shares: Vec<f64>,
    /// The mean of the parts over the learned rows.
    center: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(crate = "lode_plugin::serde", rename_all = "snake_case")]
enum Places {
    /// Upper bounds, included, of all bins of numbers but the last.
    Numbers(Vec<f64>),
    /// The bin of each level of the plan, and of all others.
    Levels(Vec<Option<u32>>),
}

impl Line {
    pub(super) fn new(column: &Scored, points: &Points, total: f64) -> Self {
        let bins = &column.binning.bins;
        let parts: Vec<f64> = bins.iter().map(|bin| column.weight * bin.woe).collect();
        let sum: f64 = bins
            .iter()
            .zip(&parts)
            .map(|(b, part)| b.weight * part)
            .sum();
        Self {
            cuts: match &column.binning.cuts {
                Cuts::Numbers(uppers) => Places::Numbers(uppers.clone()),
                Cuts::Levels(bins) => Places::Levels(bins.clone()),
            },
            missing: column.binning.missing,
            points: (0..bins.len())
                .map(|bin| points.of_bin(column, bin))
                .collect(),
            shares: bins.iter().map(|bin| bin.weight / total).collect(),
            center: sum / total,
            parts,
        }
    }

    pub(super) fn center(&self) -> f64 {
        self.center
    }

    pub(super) fn check(&self, planned: &Planned) -> Result<()> {
        let n_bins = self.parts.len();
        let n_placed = n_bins - usize::from(self.missing.is_some()).min(n_bins);
        let fits = match (&self.cuts, planned.kind.levels()) {
            (Places::Numbers(uppers), None) => {
                (n_placed == uppers.len() + 1 || (n_placed == 0 && uppers.is_empty()))
                    && uppers.windows(2).all(|pair| pair[0] < pair[1])
            }
            (Places::Levels(bins), Some(levels)) => {
                let is_bin = |bin: &u32| (*bin as usize) < n_placed;
                bins.len() == levels.len() + 1 && bins.iter().flatten().all(is_bin)
            }
            _ => false,
        };
        let is_whole = self.points.len() == n_bins
            && self.shares.len() == n_bins
            && self.missing.is_none_or(|bin| bin < n_bins);
        if fits && is_whole {
            return Ok(());
        }
        Err(Error::model(format!(
            "expected bins of column {:?}, found others",
            planned.name
        )))
    }

    /// The bin of each row; none where training had no row like it.
    pub(super) fn bins_of(&self, view: View<'_>) -> Vec<Option<usize>> {
        match (&self.cuts, view) {
            (Places::Numbers(uppers), View::Number(values)) => {
                let n_placed = self.parts.len() - usize::from(self.missing.is_some());
                let bin = |value: &f64| match value.is_nan() {
                    true => self.missing,
                    false if n_placed == 0 => None,
                    false => Some(uppers.partition_point(|upper| upper < value)),
                };
                values.iter().map(bin).collect()
            }
            (Places::Levels(bins), view @ View::Category { .. }) => {
                let bin = |code: &u32| match bins.get(*code as usize) {
                    Some(bin) => bin.map(|bin| bin as usize),
                    None => self.missing,
                };
                codes_of(view).iter().map(bin).collect()
            }
            (_, View::Number(values)) => vec![None; values.len()],
            (_, View::Category { codes, .. }) => vec![None; codes.len()],
        }
    }

    pub(super) fn contribution(&self, bin: Option<usize>) -> f64 {
        bin.map_or(0.0, |bin| self.parts[bin]) - self.center
    }

    pub(super) fn points(&self, bin: Option<usize>) -> f64 {
        bin.map_or(0.0, |bin| self.points[bin])
    }
}

/// The output `scorecard`.
pub(super) fn table(plan: &Plan, found: &Scorecard, total: f64) -> Result<RecordBatch> {
    let mut rows = Rows::default();
    rows.base(found.points.base);
    for (planned, column) in plan.features.iter().zip(&found.columns) {
        rows.column(planned, column, &found.points, total);
    }
    rows.finish()
}

#[derive(Default)]
struct Rows {
    features: StringBuilder,
    bins: Int64Builder,
    low: Float64Builder,
    high: Float64Builder,
    levels: StringBuilder,
    rows: Float64Builder,
    shares: Float64Builder,
    rates: Float64Builder,
    woe: Float64Builder,
    iv: Float64Builder,
    points: Float64Builder,
    left_out: StringBuilder,
}

impl Rows {
    /// The first row: what everybody has.
    fn base(&mut self, points: f64) {
        self.features.append_value("(base)");
        self.bins.append_null();
        self.levels.append_null();
        self.left_out.append_null();
        for column in [
            &mut self.low,
            &mut self.high,
            &mut self.rows,
            &mut self.shares,
            &mut self.rates,
            &mut self.woe,
            &mut self.iv,
        ] {
            column.append_null();
        }
        self.points.append_value(points);
    }

    fn column(&mut self, planned: &Planned, column: &Scored, points: &Points, total: f64) {
        for (index, bin) in column.binning.bins.iter().enumerate() {
            self.features.append_value(&planned.name);
            self.bins.append_value(index as i64);
            let (low, high) = bounds(&column.binning, index);
            self.low.append_option(low);
            self.high.append_option(high);
            self.levels
                .append_option(levels(&column.binning, index, planned));
            self.rows.append_value(bin.weight);
            self.shares.append_value(bin.weight / total);
            self.rates.append_value(bin.yes / bin.weight);
            self.woe.append_value(bin.woe);
            self.iv.append_value(bin.iv);
            self.points.append_value(points.of_bin(column, index));
            self.left_out
                .append_option(column.left_out.map(|why| match why {
                    LeftOut::Weak => "weak",
                    LeftOut::Reversed => "reversed",
                }));
        }
    }

    fn finish(mut self) -> Result<RecordBatch> {
        table_of(vec![
            ("feature", false, Arc::new(self.features.finish())),
            ("bin", true, Arc::new(self.bins.finish())),
            ("low", true, Arc::new(self.low.finish())),
            ("high", true, Arc::new(self.high.finish())),
            ("levels", true, Arc::new(self.levels.finish())),
            ("rows", true, Arc::new(self.rows.finish())),
            ("share", true, Arc::new(self.shares.finish())),
            ("positives_rate", true, Arc::new(self.rates.finish())),
            ("woe", true, Arc::new(self.woe.finish())),
            ("iv", true, Arc::new(self.iv.finish())),
            ("points", false, Arc::new(self.points.finish())),
            ("left_out", true, Arc::new(self.left_out.finish())),
        ])
    }
}

/// The bounds of a bin of numbers; none where it has no end.
fn bounds(binning: &Binning, bin: usize) -> (Option<f64>, Option<f64>) {
    match &binning.cuts {
        Cuts::Numbers(uppers) if binning.missing != Some(bin) => {
            let low = bin.checked_sub(1).and_then(|before| uppers.get(before));
            (low.copied(), uppers.get(bin).copied())
        }
        _ => (None, None),
    }
}

/// The levels of a bin as one text; none for numbers.
fn levels(binning: &Binning, bin: usize, planned: &Planned) -> Option<String> {
    if binning.missing == Some(bin) {
        return Some("(missing)".to_owned());
    }
    let Cuts::Levels(bins) = &binning.cuts else {
        return None;
    };
    let names = planned.kind.levels().unwrap_or_default();
    let mine = bins.iter().enumerate();
    let mine = mine.filter(|(_, of_level)| of_level.is_some_and(|b| b as usize == bin));
    let words: Vec<&str> = mine
        .map(|(level, _)| names.get(level).map_or("(other)", String::as_str))
        .collect();
    Some(words.join(", "))
}
