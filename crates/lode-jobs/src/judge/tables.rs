//! The tables of a judging, made beside the plugin's own.
//!
//! Invariant: all held-out rows together; scores of different folds are in one order here, which
//! the measures avoid where folds judge.

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::BooleanArray;
use arrow_array::Float64Array;
use arrow_array::Int64Array;
use arrow_array::RecordBatch;
use arrow_array::StringArray;
use arrow_array::TimestampMicrosecondArray;
use arrow_array::UInt64Array;
use arrow_schema::DataType;
use arrow_schema::Field;
use arrow_schema::Schema;
use arrow_schema::TimeUnit;
use lode_numeric::metrics;
use lode_numeric::metrics::Amount;
use lode_numeric::metrics::Binary;
use lode_numeric::metrics::Binning;
use lode_numeric::metrics::Ranking;
use lode_types::ROLE_KEY;
use lode_types::Role;

use super::Report;
use super::classes;
use super::groups::Group;
use super::measures::BINS;
use super::measures::Measure;
use super::measures::Settings;
use super::measures::bug;
use super::predict::Held;
use super::rows::Sample;
use super::rows::Truth;
use super::survival;
use crate::Result;

/// Steps of the gains curve.
const STEPS: u32 = 100;

/// The columns of a table that is being made.
#[derive(Default)]
pub(super) struct Columns {
    fields: Vec<Field>,
    arrays: Vec<ArrayRef>,
}

/// All tables but the summary, in the order in which they are shown.
pub(super) fn reports(sample: &Sample, held: &Held, settings: &Settings) -> Result<Vec<Report>> {
    let rows = &held.rows;
    let weights = sample.weights.as_ref();
    let weights: Option<Vec<f64>> = weights.map(|w| rows.iter().map(|row| w[*row]).collect());
    let weights = weights.as_deref();
    let positions: Vec<usize> = (0..rows.len()).collect();
    let mut reports = Vec::new();
    let mut push = |name, chart_hint, columns: Columns| -> Result<()> {
        let rows = columns.finish()?;
        reports.push(Report {
            name,
            chart_hint,
            rows,
        });
        Ok(())
    };
    match &sample.truth {
        Truth::Binary(truth) => {
            let labels: Vec<bool> = rows.iter().map(|row| truth[*row]).collect();
            let ranking = Ranking::new(&held.margin).map_err(bug)?;
            let binary = Binary::ranked(&ranking, &held.score, &labels, weights, None);
            let binary = binary.map_err(bug)?;
            push("evaluation", "bar", deciles(&binary))?;
            push("evaluation_gains", "line", gains(&binary, settings))?;
            let curves = [("calibrated", &held.score), ("raw", &held.raw)];
            push(
                "evaluation_calibration",
                "line",
                calibration(&curves, &labels, weights)?,
            )?;
        }
        Truth::Amount(truth) => {
            let actual: Vec<f64> = rows.iter().map(|row| truth[*row]).collect();
            let amount = Amount::new(&held.raw, &actual, weights).map_err(bug)?;
            push("evaluation", "bar", amount_deciles(&amount))?;
            push("evaluation_gains", "line", amount_gains(&amount))?;
        }
        Truth::Class { of, names } => {
            let actual = rows.iter().map(|row| of[*row]).collect();
            let part = classes::Part::new(&held.shares, actual, names.len())?;
            let each = classes::of_each(&part, names, &held.shares, weights)?;
            push("evaluation", "bar", each)?;
            let confusion = classes::confusion(&part, names, weights)?;
            push("evaluation_confusion", "heatmap", confusion)?;
        }
        Truth::Survival { .. } => {
            let bins = survival::bins(sample, held, &positions, weights, settings);
            let mut columns = Columns::default();
            let bin: Vec<i64> = (1..=bins.len() as i64).collect();
            columns.add("decile", DataType::Int64, Arc::new(Int64Array::from(bin)));
            let number = |of: fn(&metrics::SurvivalBin) -> f64| bins.iter().map(of).collect();
            columns.number("customers", number(|bin| bin.rows));
            columns.number("predicted", number(|bin| bin.predicted));
            columns.number("observed", number(|bin| bin.observed));
            push("evaluation", "bar", columns)?;
        }
    }
    push("evaluation_scores", "table", scores(sample, held))?;
    Ok(reports)
}

/// Each measure of each group.
pub(super) fn summary(
    sample: &Sample,
    held: &Held,
    groups: &[(Group, Vec<Measure>)],
) -> Result<Report> {
    let mut names = Vec::new();
    let mut measures = Vec::new();
    let mut values = Vec::new();
    let mut bounds = (Vec::new(), Vec::new());
    let mut counts = (Vec::new(), Vec::new());
    for (group, measured) in groups {
        let n_rows = group.positions().count() as u64;
        let classes = sample.classes();
        let yes = classes.map(|classes| {
            group
                .positions()
                .filter(|at| classes[held.rows[*at]])
                .count() as u64
        });
        for measure in measured.iter().filter(|measure| measure.value.is_finite()) {
            names.push(group.name.clone());
            measures.push(measure.name);
            values.push(measure.value);
            bounds.0.push(measure.interval.map(|interval| interval.0));
            bounds.1.push(measure.interval.map(|interval| interval.1));
            counts.0.push(n_rows);
            counts.1.push(yes);
        }
    }
    let mut columns = Columns::default();
    columns.add("group", DataType::Utf8, Arc::new(StringArray::from(names)));
    columns.add(
        "measure",
        DataType::Utf8,
        Arc::new(StringArray::from(measures)),
    );
    columns.number("value", values);
    columns.optional("low", bounds.0);
    columns.optional("high", bounds.1);
    columns.add(
        "rows",
        DataType::UInt64,
        Arc::new(UInt64Array::from(counts.0)),
    );
    let positives = Arc::new(UInt64Array::from(counts.1));
    columns.nullable("positives", DataType::UInt64, positives);
    Ok(Report {
        name: "evaluation_summary",
        chart_hint: "table",
        rows: columns.finish()?,
    })
}

fn deciles(binary: &Binary) -> Columns {
    let rows = binary.deciles();
    let number = |of: fn(&metrics::Decile) -> f64| rows.iter().map(of).collect();
    let mut columns = Columns::default();
    let decile = rows.iter().map(|row| i64::from(row.decile));
    let decile = Arc::new(Int64Array::from_iter_values(decile));
    columns.add("decile", DataType::Int64, decile);
    columns.number("customers", number(|row| row.rows));
    columns.number("positives", number(|row| row.positives));
    columns.number("rate", number(|row| row.rate));
    columns.number("lift", number(|row| row.lift));
    columns.number("mean_score", number(|row| row.mean_score));
    columns.number("cumulative_gain", number(|row| row.cumulative_gain));
    columns
}

fn amount_deciles(amount: &Amount<'_>) -> Columns {
    let rows = amount.deciles();
    let number = |of: fn(&metrics::AmountDecile) -> f64| rows.iter().map(of).collect();
    let mut columns = Columns::default();
    let decile = rows.iter().map(|row| i64::from(row.decile));
    let decile = Arc::new(Int64Array::from_iter_values(decile));
    columns.add("decile", DataType::Int64, decile);
    columns.number("customers", number(|row| row.rows));
    columns.number("predicted", number(|row| row.predicted));
    columns.number("actual", number(|row| row.actual));
    columns.optional(
        "cumulative_share",
        rows.iter().map(|row| row.cumulative_share).collect(),
    );
    columns
}

fn gains(binary: &Binary, settings: &Settings) -> Columns {
    let shares: Vec<f64> = (0..=STEPS)
        .map(|step| f64::from(step) / f64::from(STEPS))
        .collect();
    let each = |of: &dyn Fn(f64) -> f64| shares.iter().map(|share| of(*share)).collect();
    let chosen = |share: f64| binary.at_budget(metrics::Budget::Share(share));
    let precision = shares.iter().map(|share| match chosen(*share) {
        Ok(chosen) if *share > 0.0 => Some(chosen.precision()),
        _ => None,
    });
    let profit = |share: f64| Some(binary.profit_at(share, settings.economics?));
    let mut columns = Columns::default();
    columns.number("share_contacted", shares.clone());
    columns.number("share_reached", each(&|share| binary.reached_by(share)));
    columns.optional(
        "profit",
        shares.iter().map(|share| profit(*share)).collect(),
    );
    columns.optional("precision", precision.collect());
    columns.number("threshold", each(&|share| binary.score_at(share)));
    columns
}

fn amount_gains(amount: &Amount<'_>) -> Columns {
    let shares: Vec<f64> = (0..=STEPS)
        .map(|step| f64::from(step) / f64::from(STEPS))
        .collect();
    let mut columns = Columns::default();
    columns.number("share_contacted", shares.clone());
    let reached = shares.iter().map(|share| amount.value_reached(*share));
    columns.optional("share_reached", reached.collect());
    columns
}

fn calibration(
    curves: &[(&str, &Vec<f64>)],
    labels: &[bool],
    weights: Option<&[f64]>,
) -> Result<Columns> {
    let (mut kinds, mut binnings, mut numbers, mut bins) = (vec![], vec![], vec![], vec![]);
    for (kind, scores) in curves {
        for (word, binning) in [
            ("equal_count", Binning::EqualCount),
            ("equal_width", Binning::EqualWidth),
        ] {
            let found = metrics::calibration_bins(scores, labels, weights, BINS, binning);
            for (number, bin) in (1_i64..).zip(found.map_err(bug)?) {
                kinds.push((*kind).to_owned());
                binnings.push(word);
                numbers.push(number);
                bins.push(bin);
            }
        }
    }
    let number = |of: fn(&metrics::Bin) -> f64| bins.iter().map(of).collect();
    let mut columns = Columns::default();
    columns.add("score", DataType::Utf8, Arc::new(StringArray::from(kinds)));
    columns.add(
        "binning",
        DataType::Utf8,
        Arc::new(StringArray::from(binnings)),
    );
    columns.add("bin", DataType::Int64, Arc::new(Int64Array::from(numbers)));
    columns.number("low", number(|bin| bin.low));
    columns.number("high", number(|bin| bin.high));
    columns.number("rows", number(|bin| bin.rows));
    columns.number("predicted", number(|bin| bin.predicted));
    columns.number("observed", number(|bin| bin.observed));
    Ok(columns)
}

/// The held-out predictions, row by row.
fn scores(sample: &Sample, held: &Held) -> Columns {
    let rows = &held.rows;
    let mut columns = Columns::default();
    let words = |words: &StringArray| {
        let picked = rows.iter().map(|row| {
            let valid = arrow_array::Array::is_valid(words, *row);
            valid.then(|| words.value(*row).to_owned())
        });
        Arc::new(picked.collect::<StringArray>())
    };
    if let Some(customers) = &sample.customers {
        columns.nullable("customer_id", DataType::Utf8, words(customers));
        columns.role(Role::CustomerId);
    }
    if let Some(items) = &sample.items {
        columns.nullable("item", DataType::Utf8, words(items));
        columns.role(Role::Item);
    }
    if let Some(as_of) = &sample.as_of {
        let times = rows.iter().map(|row| as_of[*row]);
        let times = TimestampMicrosecondArray::from_iter_values(times).with_timezone("UTC");
        let micros = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        columns.add("as_of", micros, Arc::new(times));
    }
    let pick = |values: &[f64]| rows.iter().map(|row| values[*row]).collect::<Vec<f64>>();
    match &sample.truth {
        Truth::Amount(amounts) => columns.number("label", pick(amounts)),
        Truth::Binary(labels) => {
            let labels = rows.iter().map(|row| f64::from(u8::from(labels[*row])));
            columns.number("label", labels.collect());
        }
        Truth::Class { of, names } => classes::scores(&mut columns, held, of, names),
        Truth::Survival { events, durations } => {
            let events = rows.iter().map(|row| f64::from(u8::from(events[*row])));
            columns.number("label", events.collect());
            columns.number("duration", pick(durations));
        }
    }
    columns.number("score", held.score.clone());
    columns.number("score_raw", held.raw.clone());
    columns.number("margin", held.margin.clone());
    let fold = held.split.iter().map(|split| i64::from(*split) + 1);
    columns.add(
        "fold",
        DataType::Int64,
        Arc::new(Int64Array::from_iter_values(fold)),
    );
    if let Some(weights) = &sample.weights {
        columns.number("weight", pick(weights));
    }
    if let Some(is_new) = &sample.is_new {
        let is_new: Vec<bool> = rows.iter().map(|row| is_new[*row]).collect();
        columns.add(
            "is_new",
            DataType::Boolean,
            Arc::new(BooleanArray::from(is_new)),
        );
    }
    columns
}

impl Columns {
    pub(super) fn add(&mut self, name: &str, data_type: DataType, array: ArrayRef) {
        self.fields.push(Field::new(name, data_type, false));
        self.arrays.push(array);
    }

    pub(super) fn nullable(&mut self, name: &str, data_type: DataType, array: ArrayRef) {
        self.fields.push(Field::new(name, data_type, true));
        self.arrays.push(array);
    }

    pub(super) fn number(&mut self, name: &str, values: Vec<f64>) {
        self.add(
            name,
            DataType::Float64,
            Arc::new(Float64Array::from(values)),
        );
    }

    pub(super) fn optional(&mut self, name: &str, values: Vec<Option<f64>>) {
        self.nullable(
            name,
            DataType::Float64,
            Arc::new(Float64Array::from(values)),
        );
    }

    /// Gives the last column a role.
    pub(super) fn role(&mut self, role: Role) {
        if let Some(field) = self.fields.pop() {
            self.fields.push(
                field.with_metadata([(ROLE_KEY.to_owned(), role.as_str().to_owned())].into()),
            );
        }
    }

    pub(super) fn finish(self) -> Result<RecordBatch> {
        Ok(RecordBatch::try_new(
            Arc::new(Schema::new(self.fields)),
            self.arrays,
        )?)
    }
}
