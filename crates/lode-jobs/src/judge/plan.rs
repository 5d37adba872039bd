//! Which rows are held out of which fit.
//!
//! A table without dates: seeded folds, each with its share of yes and of no. Rows of several
//! dates: for each of the last dates a fit on the rows whose label was known by then.
//! Invariant: no row is held out twice, and none is in the fit that scores it.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use lode_numeric::folds;
use lode_types::Class;
use lode_types::Timestamp;

use super::rows::Sample;
use super::rows::Truth;
use crate::Error;
use crate::JobSpec;
use crate::Result;

/// One fit and the rows that it does not see.
pub(super) struct Split {
    /// e.g. "fold 2 of 5", "2011-09-01".
    pub(super) name: String,
    pub(super) train: Vec<usize>,
    pub(super) test: Vec<usize>,
}

/// All fits of a judging.
pub(super) struct Plan {
    pub(super) splits: Vec<Split>,
    /// Whether each split is a date that comes after what was learned from.
    pub(super) out_of_time: bool,
    /// What whoever asked should know.
    pub(super) notes: Vec<String>,
}

/// Folds that one of is kept from the search of a tuned job.
const TUNED_FOLDS: u32 = 5;

/// Deals out the rows. Of a tuned job without dates the first of five folds is held out of
/// everything, and the search gets the others.
pub(super) fn plan(sample: &Sample, n_folds: u32, spec: &JobSpec) -> Result<Plan> {
    if spec.tuning.is_none() {
        return dealt(sample, n_folds, spec);
    }
    let mut plan = dealt(sample, TUNED_FOLDS, spec)?;
    if !plan.out_of_time {
        plan.splits.truncate(1);
        for split in &mut plan.splits {
            "the held-out fifth".clone_into(&mut split.name);
        }
    }
    Ok(plan)
}

/// Splits of the rows that a search sees: their own last dates, or folds of them.
pub(super) fn inner(sample: &Sample, spec: &JobSpec) -> Result<Plan> {
    let most = match sample.classes() {
        Some(classes) => {
            let yes = classes.iter().filter(|class| **class).count();
            yes.min(classes.len() - yes)
        }
        None => sample.n_rows(),
    };
    let n_folds = TUNED_FOLDS
        .min(u32::try_from(most).unwrap_or(TUNED_FOLDS))
        .max(2);
    let mut own = spec.clone();
    own.evaluation.test_dates = 0;
    // Not the deal of the final judging once more.
    own.seed = spec.seed.wrapping_add(1);
    dealt(sample, n_folds, &own)
}

fn dealt(sample: &Sample, n_folds: u32, spec: &JobSpec) -> Result<Plan> {
    let Some(as_of) = &sample.as_of else {
        return k_folds(sample, n_folds, spec.seed);
    };
    let label_end = sample.label_end.as_ref().unwrap_or(as_of);
    let mut notes = Vec::new();
    let splits = by_dates(
        sample,
        as_of,
        label_end,
        spec.evaluation.test_dates,
        &mut notes,
    );
    if !splits.is_empty() {
        return Ok(Plan {
            splits,
            out_of_time: true,
            notes,
        });
    }
    notes.push(
        "no date can judge: none has both outcomes and an earlier date whose label window was \
         over by then, with both outcomes too; judged by folds of customers instead, which says \
         nothing of later times"
            .to_owned(),
    );
    let mut plan = k_folds(sample, n_folds, spec.seed)?;
    notes.append(&mut plan.notes);
    plan.notes = notes;
    Ok(plan)
}

/// The dates that judge: the last `wanted` (0: a third of all, at least 1) of those that have a
/// date before them whose label was known by then. Each date comes with that time of its label.
pub(crate) fn test_dates(dates: &[(i64, i64)], wanted: u32) -> Vec<i64> {
    let distinct: BTreeSet<i64> = dates.iter().map(|(date, _)| *date).collect();
    let wanted = match wanted {
        0 => (distinct.len() / 3).max(1),
        wanted => wanted as usize,
    };
    let taught = |date: &i64| {
        dates
            .iter()
            .any(|(before, end)| before < date && end <= date)
    };
    let able: Vec<i64> = distinct.into_iter().filter(taught).collect();
    able[able.len().saturating_sub(wanted)..].to_vec()
}

fn by_dates(
    sample: &Sample,
    as_of: &[i64],
    label_end: &[i64],
    wanted: u32,
    notes: &mut Vec<String>,
) -> Vec<Split> {
    // The latest label of a date counts, should they differ.
    let mut ends: BTreeMap<i64, i64> = BTreeMap::new();
    for (date, end) in as_of.iter().zip(label_end) {
        let known = ends.entry(*date).or_insert(*end);
        *known = (*known).max(*end);
    }
    let dates: Vec<(i64, i64)> = ends.into_iter().collect();
    let mut splits = Vec::new();
    for date in test_dates(&dates, wanted) {
        let rows = 0..sample.n_rows();
        let test: Vec<usize> = rows.clone().filter(|row| as_of[*row] == date).collect();
        let before = rows.filter(|row| as_of[*row] < date && label_end[*row] <= date);
        let train: Vec<usize> = before.collect();
        let name = day(date);
        if !both(sample, &test) {
            notes.push(format!(
                "{name} does not judge: expected rows of both outcomes at that date, found one"
            ));
        } else if !both(sample, &train) {
            notes.push(format!(
                "{name} does not judge: expected rows of both outcomes that were known by then \
                 to learn from, found one"
            ));
        } else {
            splits.push(Split { name, train, test });
        }
    }
    splits
}

fn k_folds(sample: &Sample, n_folds: u32, seed: u64) -> Result<Plan> {
    let k = n_folds as usize;
    let n_rows = sample.n_rows();
    let mut notes = Vec::new();
    if let Truth::Binary(labels) = &sample.truth {
        let of = |wanted: bool| (0..n_rows).filter(move |row| labels[*row] == wanted);
        let counted = |wanted: bool| of(wanted).filter(|row| sample.counts(*row)).count();
        let least = counted(true).min(counted(false));
        if least < k {
            return Err(too_few(
                &format!("rows of each label for {k} folds"),
                k,
                least,
            ));
        }
    }
    if let Truth::Class { of, names } = &sample.truth {
        let mut counts = vec![0_usize; names.len()];
        for row in (0..n_rows).filter(|row| sample.counts(*row)) {
            counts[of[row] as usize] += 1;
        }
        let enough = counts.iter().filter(|count| **count >= k).count();
        if enough < 2 {
            return Err(too_few(
                &format!("values of the label with {k} rows or more for {k} folds"),
                2,
                enough,
            ));
        }
        let rare = counts
            .iter()
            .filter(|count| (1..k).contains(*count))
            .count();
        if rare > 0 {
            notes.push(format!(
                "{rare} values of the label have fewer than {k} rows: a fold that holds out all of \
                 one learns nothing of it, and its rows are judged as held impossible"
            ));
        }
    }
    if n_rows < k {
        return Err(too_few(
            &format!("rows with a label for {k} folds"),
            k,
            n_rows,
        ));
    }
    // Rows of several dates: a customer's rows are alike and stay together.
    let all: Vec<usize> = (0..n_rows).collect();
    let clusters = sample.as_of.as_ref().and_then(|_| sample.clusters(&all));
    let fold_of = match &clusters {
        None => match &sample.truth {
            Truth::Class { of, .. } => folds::by_class(of, k, seed)
                .map_err(|error| too_few(&error.to_string(), k, n_rows))?,
            _ => deal(sample.classes(), n_rows, k, seed)?,
        },
        Some(clusters) => folds::grouped(sample.classes(), clusters, k, seed)
            .map_err(|error| too_few(&error.to_string(), k, n_rows))?,
    };
    let splits = (0..n_folds).map(|fold| {
        let (test, train) = all.iter().partition(|row| fold_of[**row] == fold);
        Split {
            name: format!("fold {} of {k}", fold + 1),
            train,
            test,
        }
    });
    Ok(Plan {
        splits: splits.collect(),
        out_of_time: false,
        notes,
    })
}

/// Folds with their share of both classes, where there are enough of each.
fn deal(classes: Option<&[bool]>, n: usize, k: usize, seed: u64) -> Result<Vec<u32>> {
    let failed = |error: lode_numeric::Error| too_few(&error.to_string(), k, n);
    if let Some(classes) = classes {
        let yes = classes.iter().filter(|&&class| class).count();
        if yes.min(n - yes) >= k {
            return folds::stratified(classes, k, seed).map_err(failed);
        }
    }
    folds::shuffled(n, k, seed).map_err(failed)
}

/// Whether there is something to learn from or to measure.
fn both(sample: &Sample, rows: &[usize]) -> bool {
    let mut counted = rows.iter().filter(|row| sample.counts(**row));
    if let Truth::Class { of, .. } = &sample.truth {
        let first = counted.next().map(|row| of[*row]);
        return counted.any(|row| Some(of[*row]) != first);
    }
    let Some(classes) = sample.classes() else {
        return counted.nth(1).is_some();
    };
    let (yes, no): (Vec<usize>, Vec<usize>) = counted.partition(|row| classes[**row]);
    match sample.truth {
        Truth::Binary(_) => !yes.is_empty() && !no.is_empty(),
        _ => !yes.is_empty(),
    }
}

/// A date in words; with the time of day when it is not midnight.
pub(super) fn day(micros: i64) -> String {
    let words = Timestamp(micros).to_rfc3339();
    match words.split_once('T') {
        Some((day, "00:00:00.000000Z")) => day.to_owned(),
        _ => words,
    }
}

fn too_few(what: &str, expected: usize, found: usize) -> Error {
    Error::new(
        Class::Invalid,
        "TOO_FEW_LABELS",
        format!(
            "expected at least {expected} {what}, found {found}; \
             set evaluation.folds lower, or to 1 for none"
        ),
    )
    .at("spec.evaluation.folds")
}
