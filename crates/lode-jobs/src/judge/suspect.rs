//! What looks wrong: a feature that gives the label away, a model that is too good or of no use,
//! too few rows.
//!
//! Only warns: now and then a perfect feature is real. Invariant: a feature is looked at alone.

use std::collections::BTreeMap;
use std::collections::HashMap;

use arrow_array::Array;
use arrow_array::ArrayRef;
use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_schema::DataType;
use lode_numeric::Rng;
use lode_numeric::metrics;
use lode_types::role_of;

use super::FAR;
use super::FEW;
use super::TOO_GOOD;
use super::predict::Held;
use super::quantile;
use super::rows::Sample;
use super::rows::Truth;

/// Rows that are looked at.
const MOST_ROWS: usize = 100_000;

/// Fewer rows of the rarer outcome make the AUC of one column a guess.
const FEW_OF_ONE: usize = 100;
/// The part of what a model is better than chance that one column makes alone before it is
/// asked after.
const MOST_OF_MODEL: f64 = 0.75;

/// Warnings on columns that alone tell the label apart almost perfectly.
pub(super) fn features(sample: &Sample, seed: u64) -> Vec<String> {
    let mut rows: Vec<usize> = (0..sample.n_rows()).collect();
    if rows.len() > MOST_ROWS {
        Rng::stream(seed, 0x5eed).shuffle(&mut rows);
        rows.truncate(MOST_ROWS);
        rows.sort_unstable();
    }
    let mut warnings = Vec::new();
    let schema = sample.batch.schema();
    for (field, column) in schema.fields().iter().zip(sample.batch.columns()) {
        if role_of(field).is_some() {
            continue;
        }
        let found = match (&sample.truth, sample.classes()) {
            (Truth::Amount(amounts), _) => correlation(column, amounts, &rows),
            (_, Some(classes)) => separation(column, classes, &rows),
            (_, None) => None,
        };
        let Some(how_well) = found else {
            let filled = presence(column, sample.classes(), &rows);
            if let Some(auc) = filled.filter(|auc| *auc > TOO_GOOD) {
                warnings.push(format!(
                    "whether column {:?} has a value gives the label away (AUC {auc:.4}): it is \
                     not used itself, but does the table hold more that was known only after the \
                     label?",
                    field.name()
                ));
            }
            continue;
        };
        if how_well > TOO_GOOD {
            let measure = match sample.truth {
                Truth::Amount(_) => "rank correlation",
                _ => "AUC",
            };
            warnings.push(format!(
                "column {:?} alone gives the label away ({measure} {how_well:.4}), suspiciously \
                 perfect: is it the label itself, or from a time after it? Leave it out with \
                 exclude if so",
                field.name()
            ));
        }
    }
    warnings
}

/// A question after a column that alone makes most of a model, and far more than any other.
///
/// Where rows are of dates, what is computed from events is of before; a column that the company
/// keeps may say a wrong date. Without dates nothing says when a column was known, many honest
/// tables have one that leads, and only an extreme one is asked after.
///
/// What a column says alone is asked of the rows that judge, of each fold or date for itself: one
/// that tells the future says most at the last dates.
pub(super) fn leader(sample: &Sample, held: &Held, auc: f64) -> Option<String> {
    let Truth::Binary(classes) = &sample.truth else {
        return None;
    };
    let (least, ahead, when) = match sample.as_of {
        Some(_) => (0.75, 0.1, "at each of the dates"),
        None => (0.9, 0.15, "at the time of a score"),
    };
    let yes = held.rows.iter().filter(|row| classes[**row]).count();
    if yes.min(held.rows.len() - yes) < FEW_OF_ONE {
        return None;
    }
    let mut splits: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for (row, split) in held.rows.iter().zip(&held.split) {
        splits.entry(*split).or_default().push(*row);
    }
    let (mut best, mut next, mut name) = (0.5, 0.5, "");
    let schema = sample.batch.schema_ref();
    for (field, column) in schema.fields().iter().zip(sample.batch.columns()) {
        if role_of(field).is_some() {
            continue;
        }
        let of_splits = splits.values();
        let aucs = of_splits.filter_map(|rows| separation(column, classes, rows));
        let aucs: Vec<f64> = aucs.collect();
        let alone = aucs.iter().sum::<f64>() / aucs.len().max(1) as f64;
        if alone > best {
            (next, best, name) = (best, alone, field.name());
        } else if alone > next {
            next = alone;
        }
    }
    let leads = (least..=TOO_GOOD).contains(&best)
        && best - next >= ahead
        && best - 0.5 >= MOST_OF_MODEL * (auc - 0.5);
    leads.then(|| {
        format!(
            "most of what the model knows comes from column {name:?} (AUC {best:.3} alone, the next \
             column {next:.3}, the model {auc:.3}): is it known {when}?"
        )
    })
}

/// Warnings on what the judging gave.
pub(super) fn results(
    sample: &Sample,
    held: &Held,
    metrics: &BTreeMap<String, f64>,
    alpha: Option<f64>,
) -> Vec<String> {
    let mut warnings = Vec::new();
    if let Some(auc) = metrics.get("auc").filter(|auc| **auc > TOO_GOOD) {
        warnings.push(format!(
            "an AUC of {auc:.4} is suspiciously perfect: does a column hold the label, or what \
             was known only after it?"
        ));
    }
    match alpha {
        // A quantile is no expected amount: its sums and squares say nothing against it.
        Some(alpha) => warnings.extend(quantile::off(metrics, alpha)),
        None => warnings.extend(useless(metrics)),
    }
    warnings.extend(no_better(metrics));
    if let Some(auc) = metrics.get("auc") {
        warnings.extend(leader(sample, held, *auc));
    }
    let (few, what) = match sample.classes() {
        Some(classes) => {
            let yes = held.rows.iter().filter(|row| classes[**row]).count();
            let least = match sample.truth {
                Truth::Binary(_) => yes.min(held.rows.len() - yes),
                _ => yes,
            };
            (least, "rows of the rarer outcome")
        }
        None => match &sample.truth {
            Truth::Class { of, names } => {
                (rarest(of, names.len(), held), "rows of the rarest class")
            }
            _ => (held.rows.len(), "rows"),
        },
    };
    if few < FEW {
        warnings.push(format!(
            "only {few} {what} judge: the measures may be far off, see their intervals (_low and \
             _high)"
        ));
    }
    warnings
}

/// Held-out rows of the class that has the fewest.
fn rarest(of: &[u32], n_classes: usize, held: &Held) -> usize {
    let mut counts = vec![0_usize; n_classes];
    for row in &held.rows {
        counts[of[*row] as usize] += 1;
    }
    counts.into_iter().min().unwrap_or(0)
}

/// A warning on classes that the columns say nothing of.
fn no_better(metrics: &BTreeMap<String, f64>) -> Option<String> {
    let (own, base) = (metrics.get("log_loss")?, metrics.get("base_log_loss")?);
    (own >= base).then(|| {
        format!(
            "a log loss of {own:.4} is no less than that of the shares of the values alone, \
             {base:.4}: the columns tell nothing of the label"
        )
    })
}

/// Warnings on amounts that nobody should plan with.
pub(super) fn useless(metrics: &BTreeMap<String, f64>) -> Vec<String> {
    let mut warnings = Vec::new();
    if let Some(r2) = metrics.get("r2").filter(|r2| **r2 < -0.0005) {
        warnings.push(format!(
            "an r2 of {r2:.3} is below 0: the mean of all is nearer to the amounts than this \
             model, whose ranks alone may be of use (see spearman and value_top_decile)"
        ));
    }
    let far = |ratio: &&f64| !(1.0 / FAR..=FAR).contains(*ratio);
    if let Some(ratio) = metrics.get("total_ratio").filter(far) {
        warnings.push(format!(
            "the amounts that are told add up to {ratio:.3} times what happened: do not plan with \
             their sums"
        ));
    }
    warnings
}

/// The AUC of a column alone, whichever way round.
fn separation(column: &ArrayRef, classes: &[bool], rows: &[usize]) -> Option<f64> {
    let labels: Vec<bool> = rows.iter().map(|row| classes[*row]).collect();
    let auc = |scores: &[f64]| {
        let auc = metrics::auc(scores, &labels).ok()?;
        Some(auc.max(1.0 - auc))
    };
    match column.data_type() {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Dictionary(..) => {
            auc(&rates(column, &labels, rows)?)
        }
        _ => {
            let numbers = numbers(column)?;
            let known = rows.iter().filter_map(|row| numbers[*row]);
            let (low, high) = known.fold((f64::MAX, f64::MIN), |(low, high), x| {
                (low.min(x), high.max(x))
            });
            // What is missing may come first or last, whichever tells more.
            let with = |missing: f64| {
                let scores = rows.iter().map(|row| numbers[*row].unwrap_or(missing));
                auc(&scores.collect::<Vec<f64>>())
            };
            if low > high {
                return None;
            }
            Some(with(low - 1.0)?.max(with(high + 1.0)?))
        }
    }
}

/// The AUC of whether a column has a value, of one that is no feature, such as a date.
fn presence(column: &ArrayRef, classes: Option<&[bool]>, rows: &[usize]) -> Option<f64> {
    let classes = classes?;
    if !column.data_type().is_temporal() {
        return None;
    }
    let labels: Vec<bool> = rows.iter().map(|row| classes[*row]).collect();
    let filled = rows
        .iter()
        .map(|row| f64::from(u8::from(column.is_valid(*row))));
    let auc = metrics::auc(&filled.collect::<Vec<f64>>(), &labels).ok()?;
    Some(auc.max(1.0 - auc))
}

/// For each row how often its category goes with a yes among the rows of the other half: a
/// category of one row says nothing of itself.
fn rates(column: &ArrayRef, labels: &[bool], rows: &[usize]) -> Option<Vec<f64>> {
    let words = arrow_cast::cast(column, &DataType::Utf8).ok()?;
    let words = words.as_string::<i32>();
    let mut seen: HashMap<Option<&str>, [[f64; 2]; 2]> = HashMap::new();
    let word = |row: usize| words.is_valid(row).then(|| words.value(row));
    let mut rate = [[0.0; 2]; 2];
    for (at, (row, label)) in rows.iter().zip(labels).enumerate() {
        let counts = &mut seen.entry(word(*row)).or_default()[at % 2];
        for counts in [counts, &mut rate[at % 2]] {
            counts[0] += 1.0;
            counts[1] += f64::from(u8::from(*label));
        }
    }
    let scores = rows.iter().enumerate().map(|(at, row)| {
        let other = 1 - at % 2;
        let [n, yes] = seen
            .get(&word(*row))
            .map_or([0.0; 2], |halves| halves[other]);
        let prior = if rate[other][0] > 0.0 {
            rate[other][1] / rate[other][0]
        } else {
            0.5
        };
        (yes + prior) / (n + 1.0)
    });
    Some(scores.collect())
}

/// How well a number ranks the amounts, whichever way round.
fn correlation(column: &ArrayRef, amounts: &[f64], rows: &[usize]) -> Option<f64> {
    let numbers = numbers(column)?;
    let known: Vec<(f64, f64)> = rows
        .iter()
        .filter_map(|row| Some((numbers[*row]?, amounts[*row])))
        .collect();
    if known.len() * 2 < rows.len() {
        return None;
    }
    let (x, y): (Vec<f64>, Vec<f64>) = known.into_iter().unzip();
    let amount = metrics::Amount::new(&x, &y, None).ok()?;
    Some(amount.spearman()?.abs())
}

/// The numbers of a column that can be a feature; none where null or not finite.
fn numbers(column: &ArrayRef) -> Option<Vec<Option<f64>>> {
    let of_numbers = column.data_type().is_numeric() || *column.data_type() == DataType::Boolean;
    if !of_numbers {
        return None;
    }
    let column = arrow_cast::cast(column, &DataType::Float64).ok()?;
    let column = column.as_primitive::<Float64Type>();
    Some(
        column
            .iter()
            .map(|number| number.filter(|number| number.is_finite()))
            .collect(),
    )
}

/// That all amounts are one: whatever is learned from them says that number.
pub(super) fn same(sample: &Sample) -> Option<String> {
    let Truth::Amount(amounts) = &sample.truth else {
        return None;
    };
    let (first, rest) = amounts.split_first()?;
    let is_first = |amount: &f64| amount.to_bits() == first.to_bits();
    (!rest.is_empty() && rest.iter().all(is_first))
        .then(|| format!("the label is {first} in every row: there is nothing to learn"))
}

/// That nobody was watched as long as the chances look ahead.
pub(super) fn beyond(sample: &Sample, horizon: Option<f64>) -> Option<String> {
    let (Truth::Survival { durations, .. }, Some(horizon)) = (&sample.truth, horizon) else {
        return None;
    };
    let longest = durations.iter().copied().fold(0.0, f64::max);
    (longest < horizon).then(|| {
        format!(
            "parameter `horizon`: expected at most {longest}, the longest time in the data, found \
             {horizon}: chances by then are a guess beyond the data, and are not judged"
        )
    })
}
