//! Compares two models on the rows that both were judged on and neither had seen.
//!
//! Reads what their jobs kept (`evaluation_scores`) and fits nothing. Invariant: a row counts only
//! when both were judged on it with the same label; a model does not differ from itself.

mod offers;

use std::collections::BTreeMap;
use std::collections::HashMap;

use arrow_array::Array;
use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::types::Int64Type;
use arrow_schema::DataType;
use lode_numeric::metrics;
use lode_numeric::metrics::Bootstrap;
use lode_store::Store;
use lode_types::Class;
use lode_types::ModelId;

use super::classes;
use super::measures;
use super::measures::Part;
use super::measures::bug;
use super::measures::mean_of_parts;
use super::survival;
use crate::Error;
use crate::Model;
use crate::Result;
use crate::ranking::less_is_better;
use crate::records;

/// Common rows, below which nothing is said.
const MIN_ROWS: usize = 50;
/// Common rows of the rarer outcome.
const MIN_CLASS: usize = 5;
/// Most draws of a bootstrap.
const MAX_DRAWS: usize = 1000;
/// Fewest.
const MIN_DRAWS: usize = 100;
/// Rows of all draws together, about.
const DRAWN_ROWS: usize = 20_000_000;
/// Level of the verdict.
const LEVEL: f64 = 0.05;

/// Two models on the same rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Compared {
    /// The one.
    pub champion: ModelId,
    /// The other.
    pub challenger: ModelId,
    /// Rows that both were judged on.
    pub rows: u64,
    /// The main measure first.
    pub comparisons: Vec<Comparison>,
    /// `champion`, `challenger` or `no difference`, by the first measure at the level of 5%.
    pub better: &'static str,
}

/// One measure of two models.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// e.g. `auc`.
    pub measure: &'static str,
    /// Of the champion.
    pub champion: f64,
    /// Of the challenger.
    pub challenger: f64,
    /// Challenger less champion.
    pub difference: f64,
    /// 2.5% of it lies below.
    pub low: f64,
    /// 2.5% of it lies above.
    pub high: f64,
    /// Two-sided.
    pub p_value: f64,
    /// `delong`, `bootstrap`, or `bootstrap by customer`, which of recommenders it always is.
    pub method: &'static str,
}

/// Compares two models.
///
/// # Errors
/// `NOT_COMPARABLE`, with what is missing.
pub(crate) fn compare(
    store: &Store,
    champion: &Model,
    challenger: &Model,
    threads: usize,
) -> Result<Compared> {
    let kind = Kind::of(champion)?;
    let other = Kind::of(challenger)?;
    if kind != other {
        return Err(not_comparable(format!(
            "model {:?} is judged as {}, model {:?} as {}",
            champion.id.as_str(),
            kind.word(),
            challenger.id.as_str(),
            other.word()
        )));
    }
    if kind == Kind::Offers {
        return offers::compare(store, champion, challenger, threads);
    }
    let a = Judged::load(store, champion)?;
    let b = Judged::load(store, challenger)?;
    let common = Common::of(&a, &b)?;
    common.check(&a, kind, champion, challenger)?;

    let parts_a = common.parts(kind, &a, 0)?;
    let parts_b = common.parts(kind, &b, 1)?;
    let order = common.order();
    let weights = common.weights(&a, &b, &order);
    let weights = weights.as_deref();
    let names = kind.names();
    let pair = |weights: Option<&[f64]>| {
        (
            mean_of_parts(&parts_a, weights),
            mean_of_parts(&parts_b, weights),
        )
    };
    let (of_a, of_b) = pair(weights);
    let clusters = common.clusters(&a, &order);
    let bootstrap = Bootstrap {
        replicates: (DRAWN_ROWS / order.len()).clamp(MIN_DRAWS, MAX_DRAWS),
        seed: 0,
        threads,
        clusters: clusters.as_deref(),
    };
    let draws = bootstrap.draws(order.len(), weights, &|drawn| {
        let (a, b) = pair(Some(drawn));
        let both = a.into_iter().zip(b);
        both.map(|(a, b)| Some(b? - a?)).collect()
    });

    let mut comparisons = Vec::new();
    for measure in kind.shown() {
        let Some(at) = names.iter().position(|name| name == measure) else {
            continue;
        };
        let (Some(champion), Some(challenger)) = (of_a[at], of_b[at]) else {
            continue;
        };
        let drawn: Vec<f64> = draws.iter().filter_map(|draw| draw[at]).collect();
        let mut test = Test::of_draws(drawn, clusters.is_some());
        if *measure == "auc" && clusters.is_none() {
            test = Test::delong(&parts_a, &parts_b, weights)?;
        }
        comparisons.push(Comparison {
            measure,
            champion,
            challenger,
            difference: challenger - champion,
            low: test.low,
            high: test.high,
            p_value: test.p_value,
            method: test.method,
        });
    }
    let better = match comparisons.first() {
        Some(main) if main.p_value < LEVEL => {
            if (main.difference > 0.0) == less_is_better(main.measure) {
                "champion"
            } else {
                "challenger"
            }
        }
        _ => "no difference",
    };
    Ok(Compared {
        champion: champion.id.clone(),
        challenger: challenger.id.clone(),
        rows: order.len() as u64,
        comparisons,
        better,
    })
}

/// What was judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Binary,
    Amount,
    Class,
    Survival,
    Offers,
}

impl Kind {
    fn of(model: &Model) -> Result<Self> {
        if !model.name.is_empty() {
            return Err(not_comparable(format!(
                "model {:?} is beside the main model of its job, which alone is judged",
                model.id.as_str()
            )));
        }
        let has = |name: &str| model.metrics.iter().any(|metric| metric.name == name);
        match () {
            () if model.judged_sha256.is_empty() => Err(not_comparable(format!(
                "model {:?} was not judged",
                model.id.as_str()
            ))),
            () if has("evaluated_customers") => Ok(Self::Offers),
            () if has("concordance") => Ok(Self::Survival),
            () if has("rmse") => Ok(Self::Amount),
            () if has("macro_f1") => Ok(Self::Class),
            () => Ok(Self::Binary),
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Binary => "a yes or no",
            Self::Amount => "an amount",
            Self::Class => "one of several",
            Self::Survival => "a time",
            Self::Offers => "offers",
        }
    }

    /// In the order of the numbers of a part.
    fn names(self) -> &'static [&'static str] {
        match self {
            Self::Binary => &measures::BINARY,
            Self::Amount => &measures::AMOUNT,
            Self::Class => &classes::NAMES,
            Self::Survival => &survival::NAMES,
            Self::Offers => &[],
        }
    }

    /// Those that are compared, the main one first.
    fn shown(self) -> &'static [&'static str] {
        match self {
            Self::Binary => &[
                "auc",
                "log_loss",
                "brier",
                "average_precision",
                "lift_top_decile",
            ],
            Self::Amount => &["rmse", "mae", "spearman"],
            Self::Class => &classes::NAMES,
            Self::Survival => &["concordance"],
            Self::Offers => &super::offers::COMPARED,
        }
    }
}

/// The held-out rows of one model.
struct Judged {
    /// Customer, item and date of each row, and which one of its like it is.
    keys: Vec<(String, String, i64, u32)>,
    has_dates: bool,
    label: Vec<f64>,
    score: Vec<f64>,
    raw: Vec<f64>,
    margin: Vec<f64>,
    fold: Vec<i64>,
    duration: Option<Vec<f64>>,
    weight: Option<Vec<f64>>,
    classes: Option<classes::Kept>,
}

impl Judged {
    fn load(store: &Store, model: &Model) -> Result<Self> {
        let job = records::job(store, &model.job)?;
        let job = job.ok_or_else(|| Error::bug("a model has no job"))?;
        let (_, table) = crate::jobs::open_output(store, &job, "evaluation_scores")?;
        let schema = table.schema();
        let batches: Vec<RecordBatch> = table.batches().collect::<std::result::Result<_, _>>()?;
        let rows = arrow_select::concat::concat_batches(&schema, &batches)?;
        let number = |name: &str| -> Result<Option<Vec<f64>>> {
            let Some(column) = rows.column_by_name(name) else {
                return Ok(None);
            };
            let column = arrow_cast::cast(column, &DataType::Float64)?;
            Ok(Some(column.as_primitive::<Float64Type>().values().to_vec()))
        };
        let needed = |name: &str| -> Result<Vec<f64>> {
            number(name)?.ok_or_else(|| {
                not_comparable(format!(
                    "the held-out rows of model {:?} have no column {name:?}",
                    model.id.as_str()
                ))
            })
        };
        let whole = |name: &str| -> Result<Option<Vec<i64>>> {
            let Some(column) = rows.column_by_name(name) else {
                return Ok(None);
            };
            let column = arrow_cast::cast(column, &DataType::Int64)?;
            Ok(Some(column.as_primitive::<Int64Type>().values().to_vec()))
        };
        let as_of = whole("as_of")?;
        let classes = classes::Kept::of(&rows);
        Ok(Self {
            keys: keys(&rows, as_of.as_deref())?,
            has_dates: as_of.is_some(),
            label: match &classes {
                // Words: they are compared as such.
                Some(_) => vec![0.0; rows.num_rows()],
                None => needed("label")?,
            },
            classes,
            score: needed("score")?,
            raw: needed("score_raw")?,
            margin: needed("margin")?,
            fold: whole("fold")?.unwrap_or_else(|| vec![0; rows.num_rows()]),
            duration: number("duration")?,
            weight: number("weight")?,
        })
    }
}

/// The keys of rows; of rows with one key the first is number 0, and so on.
fn keys(rows: &RecordBatch, as_of: Option<&[i64]>) -> Result<Vec<(String, String, i64, u32)>> {
    let words = |name: &str| -> Result<Option<arrow_array::StringArray>> {
        let Some(column) = rows.column_by_name(name) else {
            return Ok(None);
        };
        let column = arrow_cast::cast(column, &DataType::Utf8)?;
        Ok(Some(column.as_string::<i32>().clone()))
    };
    let (customers, items) = (words("customer_id")?, words("item")?);
    let word = |words: &Option<arrow_array::StringArray>, row: usize| {
        let words = words.as_ref().filter(|words| words.is_valid(row));
        words.map_or_else(String::new, |words| words.value(row).to_owned())
    };
    let mut seen: HashMap<(String, String, i64), u32> = HashMap::new();
    let keys = (0..rows.num_rows()).map(|row| {
        let key = (
            word(&customers, row),
            word(&items, row),
            as_of.map_or(0, |times| times[row]),
        );
        let next = seen.entry(key.clone()).or_insert(0);
        *next += 1;
        (key.0, key.1, key.2, *next - 1)
    });
    Ok(keys.collect())
}

/// Rows of both, in parts whose scores may be put in one order.
struct Common {
    /// Row of the one and of the other.
    parts: Vec<Vec<(usize, usize)>>,
    /// Rows that both have, with another label.
    other_label: usize,
}

impl Common {
    fn of(a: &Judged, b: &Judged) -> Result<Self> {
        let mut rows_b = HashMap::with_capacity(b.keys.len());
        for (row, key) in b.keys.iter().enumerate() {
            rows_b.insert(key, row);
        }
        let mut pairs = Vec::new();
        let mut other_label = 0;
        for (row, key) in a.keys.iter().enumerate() {
            let Some(&other) = rows_b.get(key) else {
                continue;
            };
            let same = |of: fn(&Judged, usize) -> Option<f64>| {
                of(a, row).map(f64::to_bits) == of(b, other).map(f64::to_bits)
            };
            let word = |judged: &Judged, row: usize| {
                let kept = judged.classes.as_ref()?;
                Some(kept.label[row].clone())
            };
            let equal = word(a, row) == word(b, other)
                && same(|judged, row| Some(judged.label[row]))
                && same(|judged, row| Some(judged.duration.as_ref()?[row]));
            if equal {
                pairs.push((row, other));
            } else {
                other_label += 1;
            }
        }
        Ok(Self {
            parts: parts_of(pairs, a, b),
            other_label,
        })
    }

    fn check(&self, a: &Judged, kind: Kind, champion: &Model, challenger: &Model) -> Result<()> {
        let rows: usize = self.parts.iter().map(Vec::len).sum();
        let (champion, challenger) = (champion.id.as_str(), challenger.id.as_str());
        if self.other_label > 0 {
            return Err(not_comparable(format!(
                "{} of the {} rows that {champion:?} and {challenger:?} were both judged on have \
                 other labels",
                self.other_label,
                rows + self.other_label
            )));
        }
        if rows < MIN_ROWS {
            return Err(not_comparable(format!(
                "expected at least {MIN_ROWS} rows that {champion:?} and {challenger:?} were both \
                 judged on, found {rows}"
            )));
        }
        if matches!(kind, Kind::Amount | Kind::Class) {
            return Ok(());
        }
        let labels = self.parts.iter().flatten().map(|(row, _)| a.label[*row]);
        let yes = labels.filter(|label| *label > 0.5).count();
        let least = match kind {
            Kind::Survival => yes,
            _ => yes.min(rows - yes),
        };
        if least < MIN_CLASS {
            return Err(not_comparable(format!(
                "expected at least {MIN_CLASS} rows of each label among the {rows} that \
                 {champion:?} and {challenger:?} were both judged on, found {least}"
            )));
        }
        Ok(())
    }

    /// The pairs of all parts in turn.
    fn order(&self) -> Vec<(usize, usize)> {
        self.parts.iter().flatten().copied().collect()
    }

    /// What is measured of one of the two: `side` 0 or 1.
    fn parts(&self, kind: Kind, judged: &Judged, side: usize) -> Result<Vec<Part>> {
        let parts = self.parts.iter().map(|pairs| {
            let rows = pairs.iter().map(|(a, b)| [*a, *b][side]);
            let rows: Vec<usize> = rows.collect();
            let of = |values: &[f64]| rows.iter().map(|row| values[*row]).collect::<Vec<f64>>();
            let yes = || of(&judged.label).iter().map(|label| *label > 0.5).collect();
            match kind {
                Kind::Binary => {
                    let (score, raw) = (of(&judged.score), of(&judged.raw));
                    Part::binary(of(&judged.margin), &score, &raw, yes(), 0.1)
                }
                Kind::Amount => Part::amount(of(&judged.score), of(&judged.label), 0.1, None),
                Kind::Class => match &judged.classes {
                    Some(kept) => Ok(Part::Class(kept.part(&rows))),
                    None => Err(Error::bug("classes that were not kept are compared")),
                },
                Kind::Offers => Err(Error::bug("lists of offers have no parts")),
                Kind::Survival => Ok(Part::Survival(survival::Part {
                    times: of(judged.duration.as_deref().unwrap_or_default()),
                    events: yes(),
                    chances: of(&judged.raw),
                    horizon: None,
                })),
            }
        });
        parts.collect()
    }

    /// Weights, where both have the same; else each row counts once.
    fn weights(&self, a: &Judged, b: &Judged, order: &[(usize, usize)]) -> Option<Vec<f64>> {
        let (of_a, of_b) = (a.weight.as_ref()?, b.weight.as_ref()?);
        let same = |(a, b): &(usize, usize)| of_a[*a].to_bits() == of_b[*b].to_bits();
        order
            .iter()
            .all(same)
            .then(|| order.iter().map(|(row, _)| of_a[*row]).collect())
    }

    /// The number of each row's customer; none when no customer has two rows.
    fn clusters(&self, a: &Judged, order: &[(usize, usize)]) -> Option<Vec<u32>> {
        let mut numbers: HashMap<&str, u32> = HashMap::new();
        let mut next = 0;
        let mut clusters = Vec::with_capacity(order.len());
        for (row, _) in order {
            let customer = a.keys[*row].0.as_str();
            let number = match customer {
                "" => next,
                customer => *numbers.entry(customer).or_insert(next),
            };
            next = next.max(number + 1);
            clusters.push(number);
        }
        ((next as usize) < order.len()).then_some(clusters)
    }
}

/// Scores of one fold are of one fit and may be put in one order. Where both were judged by the
/// same folds each fold is a part, as in their own judging; dates are one part.
fn parts_of(pairs: Vec<(usize, usize)>, a: &Judged, b: &Judged) -> Vec<Vec<(usize, usize)>> {
    let mut forth: BTreeMap<i64, i64> = BTreeMap::new();
    let mut back: BTreeMap<i64, i64> = BTreeMap::new();
    let mut folds_of: BTreeMap<i64, i64> = BTreeMap::new();
    let (mut same_folds, mut one_a_date) = (true, a.has_dates);
    for (row, other) in &pairs {
        let (fold, fold_b) = (a.fold[*row], b.fold[*other]);
        same_folds &= *forth.entry(fold).or_insert(fold_b) == fold_b;
        same_folds &= *back.entry(fold_b).or_insert(fold) == fold;
        one_a_date &= *folds_of.entry(a.keys[*row].2).or_insert(fold) == fold;
    }
    if !same_folds || one_a_date {
        return vec![pairs];
    }
    let mut parts: BTreeMap<i64, Vec<(usize, usize)>> = BTreeMap::new();
    for pair in pairs {
        parts.entry(a.fold[pair.0]).or_default().push(pair);
    }
    parts.into_values().collect()
}

/// Whether a difference is more than chance.
struct Test {
    low: f64,
    high: f64,
    p_value: f64,
    method: &'static str,
}

impl Test {
    /// By the share of draws on either side of no difference; one draw is added to each side, so
    /// that no p-value is 0.
    fn of_draws(mut drawn: Vec<f64>, by_customer: bool) -> Self {
        drawn.sort_unstable_by(f64::total_cmp);
        let n = drawn.len() as f64;
        let below = drawn.iter().filter(|drawn| **drawn <= 0.0).count() as f64;
        let above = drawn.iter().filter(|drawn| **drawn >= 0.0).count() as f64;
        let at = |share: f64| {
            let last = drawn.len().saturating_sub(1) as f64;
            drawn.get((share * last).round() as usize).copied()
        };
        Self {
            low: at(0.025).unwrap_or(f64::NAN),
            high: at(0.975).unwrap_or(f64::NAN),
            p_value: (2.0 * (below.min(above) + 1.0) / (n + 1.0)).min(1.0),
            method: match by_customer {
                true => "bootstrap by customer",
                false => "bootstrap",
            },
        }
    }

    /// The paired test of DeLong of the mean AUC over parts that share no row.
    fn delong(a: &[Part], b: &[Part], weights: Option<&[f64]>) -> Result<Self> {
        let (mut difference, mut variance, mut start) = (0.0, 0.0, 0);
        for (a, b) in a.iter().zip(b) {
            let end = start + a.n_rows();
            let weights = weights.map(|weights| &weights[start..end]);
            start = end;
            let (Part::Binary { margin, labels, .. }, Part::Binary { margin: other, .. }) = (a, b)
            else {
                return Err(Error::bug("an AUC of what is no yes or no"));
            };
            let pair = metrics::delong_pair(other, margin, labels, weights).map_err(bug)?;
            difference += pair.difference();
            variance += pair.sd().powi(2);
        }
        let n = a.len() as f64;
        let (difference, sd) = (difference / n, variance.sqrt() / n);
        let reach = lode_numeric::normal::Z_95 * sd;
        let p_value = if difference.abs() <= 0.0 {
            1.0
        } else if sd <= 0.0 {
            0.0
        } else {
            lode_numeric::normal::erfc(difference.abs() / sd / std::f64::consts::SQRT_2)
        };
        Ok(Self {
            low: difference - reach,
            high: difference + reach,
            p_value,
            method: "delong",
        })
    }
}

fn not_comparable(message: impl Into<String>) -> Error {
    Error::new(Class::State, "NOT_COMPARABLE", message)
}
