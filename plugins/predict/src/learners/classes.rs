//! `choice.gbdt`: gradient boosting of trees for one answer of several.
//!
//! Does not know what the classes mean. Invariant: the probabilities of a row add up to 1, and
//! base and contributions of a row are those of its most probable class.

use std::sync::Arc;

use lode_numeric::trees::Objective;
use lode_numeric::trees::gbdt::ShapeFit;
use lode_numeric::trees::gbdt::classes;
use lode_numeric::trees::gbdt::classes::Classes;
use lode_plugin::Context;
use lode_plugin::Error;
use lode_plugin::Output;
use lode_plugin::Result;
use lode_plugin::arrow_array::ArrayRef;
use lode_plugin::arrow_array::Float64Array;
use lode_plugin::arrow_array::StringArray;
use lode_plugin::arrow_schema::DataType;
use lode_plugin::arrow_schema::Field;
use lode_plugin::serde_json;

use super::boosting;
use super::boosting::BoostParams;
use super::forest;
use super::forest::Grain;
use super::gbdt::Gbdt;
use super::pairs;
use super::pairs::PairParams;
use crate::frame::Plan;
use crate::frame::Rows;
use crate::learner::Learned;
use crate::learner::Learner;
use crate::learner::Rating;
use crate::learner::Scorer;
use crate::learner::Training;
use crate::learner::learning;
use crate::params::Both;

/// Classes above which the trees have one shape and take larger steps where nothing else is asked
/// for: a round grows a tree for each class.
const MANY_CLASSES: usize = 8;

/// Gradient boosting of trees for one answer of several.
///
/// Use it to say which product line, tariff or channel a customer will take; for a yes or no
/// take [`Gbdt`], for hundreds of products a recommender.
///
/// # Input
/// `customers` as of [`super::Gbdt`]; the label is text, an integer or a boolean of 2 to 100
/// values.
///
/// # Output
/// `scores`: `label`, the most probable value; `score`, its probability; `margin`, `base` and
/// `contributions`, those of that value; `p_VALUE` for each value, its probability. `importance`
/// as of [`super::Gbdt`], of all values together.
///
/// # Parameters
/// [`BoostParams`] without `monotone` and `common_rows`, [`PairParams`], [`crate::Common`].
///
/// # Method
/// `lode_numeric::trees::gbdt::classes`: each round grows a tree for each value on the log loss of
/// all of them. `p = exp(margin) / sum of exp(margin)` over all values, so a reason for a value
/// counts against those for the others. Of equal probabilities the value that is first by name is
/// the answer. With more than 8 values trees have at most 4 splits between root and leaf and take
/// steps of 0.1, unless asked otherwise.
///
/// # Determinism and cost
/// As [`super::Gbdt`], times the number of values.
///
/// # Errors
/// As [`super::Gbdt`]; a trend in `monotone`: a margin that rises says nothing of a probability.
///
/// # Source
/// See `lode_numeric::trees::gbdt::classes`.
///
/// # Example
/// ```
/// use std::sync::Arc;
/// use arrow_array::{ArrayRef, Float64Array, StringArray};
/// use arrow_array::cast::AsArray;
/// use lode_plugin::{Inputs, Role, testing};
/// use predict::{Predict, families::Choice, learners::GbdtClasses};
///
/// let n = 300;
/// let ids: ArrayRef = Arc::new(StringArray::from_iter_values((0..n).map(|n| format!("c{n}"))));
/// let age: ArrayRef = Arc::new(Float64Array::from_iter_values((0..n).map(|n| f64::from(n % 60))));
/// let lines = ["camping", "golf", "outdoor"];
/// let line = (0..n).map(|n| lines[(n % 60 / 20) as usize]);
/// let line: ArrayRef = Arc::new(StringArray::from_iter_values(line));
/// let customers = testing::batch(&[
///     ("id", Some(Role::CustomerId), ids),
///     ("age", None, age),
///     ("line", Some(Role::Label), line),
/// ]);
/// let inputs = Inputs::new().with("customers", customers.into());
/// let fit = testing::fit::<Predict<Choice, GbdtClasses>>("{}", inputs, 1, 1)?;
/// let found = fit.table("scores")["label"].as_string::<i32>();
/// assert_eq!((found.value(3), found.value(30), found.value(55)), ("camping", "golf", "outdoor"));
/// # Ok::<(), lode_plugin::Error>(())
/// ```
#[derive(Debug)]
pub struct GbdtClasses;

/// A forest for each class as a scorer.
#[derive(Clone, Debug)]
pub struct ClassModel {
    names: Vec<String>,
    classes: Classes,
    grain: Grain,
}

impl Learner for GbdtClasses {
    const NAME: &'static str = Gbdt::NAME;
    const TITLE: &'static str = Gbdt::TITLE;
    const ABOUT: &'static str = Gbdt::ABOUT;
    const MEMORY: (u64, u64) = (256 << 20, 16 << 10);
    type Params = Both<BoostParams, PairParams>;
    type Model = ClassModel;

    fn outputs() -> Vec<Output> {
        Gbdt::outputs()
    }

    fn learn(
        params: &Self::Params,
        rows: &Training<'_>,
        cx: &Context<'_>,
    ) -> Result<Learned<ClassModel>> {
        let (params, told) = (&params.one, params.other);
        if let Some(column) = params.monotone.keys().next() {
            return Err(Error::invalid(
                format!("params.monotone.{column}"),
                "expected no trend where there are several answers, since one that holds for a \
                 margin says nothing of a probability",
            ));
        }
        let (names, own) = in_use(rows);
        if names.len() < 2 {
            return Err(Error::invalid(
                rows.label.as_str(),
                format!(
                    "expected at least two values among the rows with a weight above 0, found {}",
                    names.join(", ")
                ),
            ));
        }
        // The objective of each tree; the loss of all is that of classes.
        let many = names.len() > MANY_CLASSES;
        let mut asked = params.asked(Objective::Logistic, rows.plan, many, cx)?;
        if many && params.max_depth == 0 {
            asked.max_depth = 4;
        }
        let table = forest::table(&rows.rows)?;
        let go_on = learning(cx, "boosting trees");
        let fit = classes::fit(&table, (&own, names.len()), rows.weights, &asked, &go_on);
        let fit = fit.map_err(|error| boosting::refused(error, rows))?;
        let margins = fit.model.margins(&table, cx.threads());
        let margins = margins.map_err(forest::failed)?;
        let largest = margins.iter().fold(0.0, |most: f64, m| most.max(m.abs()));
        let main = |a: &&ShapeFit, b: &&ShapeFit| a.share.total_cmp(&b.share);
        let shape = fit.shapes.iter().max_by(main);
        let mut metrics = vec![
            ("classes", names.len() as f64),
            ("trees", fit.model.n_trees() as f64),
        ];
        if let Some(shape) = shape {
            metrics.push(("rounds", shape.rounds as f64));
            metrics.push(("max_depth", shape.max_depth as f64));
            metrics.push(("share_of_depth", shape.share));
        }
        let together = pairs::table(told, rows, |table| {
            fit.model.interactions(table, cx.threads())
        })?;
        Ok(Learned {
            tables: vec![
                ("importance", forest::importance(rows.plan, &fit.gains)?),
                ("interactions", together),
            ],
            metrics,
            model: ClassModel {
                names,
                classes: fit.model,
                grain: Grain::of(largest),
            },
        })
    }

    /// The grain, the length of the names, the names as JSON, the forests.
    fn write(model: &ClassModel) -> Result<Vec<u8>> {
        let unable = |why: String| Error::numeric(format!("the classes cannot be written: {why}"));
        let names = serde_json::to_vec(&model.names).map_err(|error| unable(error.to_string()))?;
        let length = u32::try_from(names.len()).map_err(|error| unable(error.to_string()))?;
        let grain = model.grain.value().to_le_bytes();
        let forests = model.classes.to_bytes();
        Ok([&grain[..], &length.to_le_bytes(), &names, &forests].concat())
    }

    fn read(_: &Self::Params, bytes: &[u8], plan: &Plan) -> Result<ClassModel> {
        let bad = |what: String| Error::model(format!("expected classes, found {what}"));
        let short = || bad("fewer bytes".to_owned());
        let (grain, rest) = bytes.split_first_chunk::<8>().ok_or_else(short)?;
        let value = f64::from_le_bytes(*grain);
        let grain = Grain::from_value(value).ok_or_else(|| bad(format!("a grain of {value}")))?;
        let (length, rest) = rest.split_first_chunk::<4>().ok_or_else(short)?;
        let length = u32::from_le_bytes(*length) as usize;
        let (names, rest) = rest.split_at_checked(length).ok_or_else(short)?;
        let names: Vec<String> =
            serde_json::from_slice(names).map_err(|error| bad(error.to_string()))?;
        let classes = Classes::from_bytes(rest).map_err(|error| bad(error.to_string()))?;
        let levels = plan.features.iter().map(|planned| {
            let levels = planned.kind.levels().map(<[String]>::len);
            levels.map(|n| u32::try_from(n).unwrap_or(u32::MAX))
        });
        if names.len() != classes.n_classes() || !classes.fits(&levels.collect::<Vec<_>>()) {
            return Err(bad("those of other columns or names".to_owned()));
        }
        Ok(ClassModel {
            names,
            classes,
            grain,
        })
    }
}

/// The classes with a row of weight, and the number of each row's class among them; rows of weight
/// 0 may have any.
fn in_use(rows: &Training<'_>) -> (Vec<String>, Vec<u32>) {
    let mut used = vec![false; rows.classes.len()];
    // Targets are numbers of classes.
    let class = |row: usize| rows.targets[row] as usize;
    let all = 0..rows.targets.len();
    for row in all.clone().filter(|row| rows.weight(*row) > 0.0) {
        used[class(row)] = true;
    }
    let mut places = vec![0; used.len()];
    let mut names = Vec::new();
    for (at, name) in rows.classes.iter().enumerate().filter(|(at, _)| used[*at]) {
        places[at] = names.len() as u32;
        names.push(name.clone());
    }
    (names, all.map(|row| places[class(row)]).collect())
}

impl ClassModel {
    fn explained(
        &self,
        rows: &Rows<'_>,
        best: &[usize],
        (bases, margins): (&[f64], &[f64]),
        threads: usize,
    ) -> Result<Vec<f64>> {
        let width = rows.n_features();
        let mut all = vec![0.0; rows.len() * width];
        for class in 0..self.names.len() {
            let own: Vec<usize> = (0..best.len()).filter(|row| best[*row] == class).collect();
            if own.is_empty() {
                continue;
            }
            let frame = rows.taken(&own);
            let parts = self
                .classes
                .contributions(class, &forest::table(&frame.rows())?, threads);
            let mut parts = parts.map_err(forest::failed)?.values;
            for (row, parts) in own.iter().zip(parts.chunks_mut(width.max(1))) {
                self.grain.settle(bases[*row], parts, margins[*row]);
                all[row * width..(row + 1) * width].copy_from_slice(parts);
            }
        }
        Ok(all)
    }
}

impl Scorer for ClassModel {
    fn rate(&self, rows: &Rows<'_>, explain: bool, threads: usize) -> Result<Rating> {
        let n_classes = self.names.len();
        let table = forest::table(rows)?;
        let all = self
            .classes
            .margins(&table, threads)
            .map_err(forest::failed)?;
        let shares = classes::shares(&all, n_classes);
        let best: Vec<usize> = shares.chunks(n_classes).map(largest).collect();
        let of_best = |all: &[f64]| -> Vec<f64> {
            let rows = all.chunks(n_classes).zip(&best);
            rows.map(|(all, best)| all[*best]).collect()
        };
        let round = |values: Vec<f64>| -> Vec<f64> {
            values
                .iter()
                .map(|value| self.grain.round(*value))
                .collect()
        };
        let margins = round(of_best(&all));
        let bases = best.iter().map(|class| self.classes.base(*class));
        let bases = bases.collect::<lode_numeric::Result<Vec<f64>>>();
        let bases = round(bases.map_err(forest::failed)?);
        let contributions = match explain {
            true => Some(self.explained(rows, &best, (&bases, &margins), threads)?),
            false => None,
        };
        let words = best.iter().map(|class| self.names[*class].as_str());
        let label: ArrayRef = Arc::new(StringArray::from_iter_values(words));
        let mut more = vec![(Field::new("label", DataType::Utf8, false), label)];
        for (class, name) in self.names.iter().enumerate() {
            let own = shares.iter().skip(class).step_by(n_classes).copied();
            let own: ArrayRef = Arc::new(Float64Array::from_iter_values(own));
            more.push((
                Field::new(format!("p_{name}"), DataType::Float64, false),
                own,
            ));
        }
        Ok(Rating {
            scores: of_best(&shares),
            margins,
            bases,
            contributions,
            more,
        })
    }
}

/// The place of the largest, the first of equal ones.
fn largest(shares: &[f64]) -> usize {
    let mut best = 0;
    for (at, share) in shares.iter().enumerate() {
        if *share > shares[best] {
            best = at;
        }
    }
    best
}

#[cfg(test)]
mod tests;
