//! Compares two recommenders on the customers that both were asked about.
//!
//! A customer counts only when the same items were to be found at the same time. Invariant: means
//! and draws are of the same customers for both.

use std::collections::HashMap;

use arrow_array::Array;
use arrow_array::RecordBatch;
use arrow_array::StringArray;
use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::types::Int64Type;
use arrow_schema::DataType;
use lode_numeric::metrics::Bootstrap;
use lode_store::Store;

use super::Compared;
use super::Comparison;
use super::DRAWN_ROWS;
use super::LEVEL;
use super::MAX_DRAWS;
use super::MIN_DRAWS;
use super::MIN_ROWS;
use super::Test;
use super::not_comparable;
use crate::Error;
use crate::Model;
use crate::Result;
use crate::judge::offers::COMPARED;
use crate::records;

/// Whom a model was asked about, and how it did.
struct Asked {
    /// Customer and time.
    keys: Vec<(String, i64)>,
    /// The items to be found.
    relevant: Vec<Vec<String>>,
    /// By measure, then by customer.
    values: Vec<Vec<f64>>,
}

pub(super) fn compare(
    store: &Store,
    champion: &Model,
    challenger: &Model,
    threads: usize,
) -> Result<Compared> {
    let a = Asked::load(store, champion)?;
    let b = Asked::load(store, challenger)?;
    let mut rows_b = HashMap::with_capacity(b.keys.len());
    for (row, key) in b.keys.iter().enumerate() {
        rows_b.insert(key, row);
    }
    let mut pairs = Vec::new();
    let mut n_other = 0;
    for (row, key) in a.keys.iter().enumerate() {
        match rows_b.get(key) {
            Some(other) if a.relevant[row] == b.relevant[*other] => pairs.push((row, *other)),
            Some(_) => n_other += 1,
            None => {}
        }
    }
    if n_other > 0 || pairs.len() < MIN_ROWS {
        let (champion, challenger) = (champion.id.as_str(), challenger.id.as_str());
        let other = match n_other {
            0 => String::new(),
            n => format!(", and {n} of whom other items were to be found"),
        };
        return Err(not_comparable(format!(
            "expected at least {MIN_ROWS} customers about whom {champion:?} and {challenger:?} \
             were both asked, with the same items to be found, found {}{other}",
            pairs.len()
        )));
    }
    let mut numbers = HashMap::new();
    let clusters: Vec<u32> = pairs
        .iter()
        .map(|(row, _)| {
            let next = numbers.len() as u32;
            *numbers.entry(a.keys[*row].0.as_str()).or_insert(next)
        })
        .collect();
    let bootstrap = Bootstrap {
        replicates: (DRAWN_ROWS / pairs.len()).clamp(MIN_DRAWS, MAX_DRAWS),
        seed: 0,
        threads,
        clusters: Some(&clusters),
    };
    let mean = |values: &[f64], side: fn(&(usize, usize)) -> usize| {
        let sum: f64 = pairs.iter().map(|pair| values[side(pair)]).sum();
        sum / pairs.len() as f64
    };
    let mut comparisons = Vec::new();
    for (at, measure) in COMPARED.into_iter().enumerate() {
        let (of_a, of_b) = (&a.values[at], &b.values[at]);
        let differences: Vec<f64> = pairs.iter().map(|(a, b)| of_b[*b] - of_a[*a]).collect();
        let draws = bootstrap.draws(pairs.len(), None, &|drawn| {
            let both = drawn.iter().zip(&differences);
            let sum: f64 = both.map(|(times, difference)| times * difference).sum();
            vec![Some(sum / drawn.iter().sum::<f64>())]
        });
        let drawn = draws.into_iter().filter_map(|draw| *draw.first()?);
        let test = Test::of_draws(drawn.collect(), true);
        let (champion, challenger) = (mean(of_a, |pair| pair.0), mean(of_b, |pair| pair.1));
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
        Some(main) if main.p_value < LEVEL && main.difference > 0.0 => "challenger",
        Some(main) if main.p_value < LEVEL => "champion",
        _ => "no difference",
    };
    Ok(Compared {
        champion: champion.id.clone(),
        challenger: challenger.id.clone(),
        rows: pairs.len() as u64,
        comparisons,
        better,
    })
}

impl Asked {
    fn load(store: &Store, model: &Model) -> Result<Self> {
        let job = records::job(store, &model.job)?;
        let job = job.ok_or_else(|| Error::bug("a model has no job"))?;
        let (_, table) = crate::jobs::open_output(store, &job, "evaluation_customers")?;
        let schema = table.schema();
        let batches: Vec<RecordBatch> = table.batches().collect::<std::result::Result<_, _>>()?;
        let rows = arrow_select::concat::concat_batches(&schema, &batches)?;
        let column = |name: &str| {
            rows.column_by_name(name).ok_or_else(|| {
                not_comparable(format!(
                    "the asked customers of model {:?} have no column {name:?}",
                    model.id.as_str()
                ))
            })
        };
        let customers = arrow_cast::cast(column("customer_id")?, &DataType::Utf8)?;
        let times = arrow_cast::cast(column("as_of")?, &DataType::Int64)?;
        let times = times.as_primitive::<Int64Type>();
        let keys = customers.as_string::<i32>().iter().enumerate();
        let keys = keys.map(|(row, customer)| {
            let time = times.is_valid(row).then(|| times.value(row));
            (customer.unwrap_or_default().to_owned(), time.unwrap_or(0))
        });
        let lists = column("relevant")?.as_list::<i32>();
        let relevant = lists.iter().map(|list| {
            let list = list.map(|list| list.as_string::<i32>().clone());
            let list = list.unwrap_or_else(|| StringArray::from(Vec::<&str>::new()));
            list.iter().flatten().map(str::to_owned).collect()
        });
        let mut values = Vec::new();
        for measure in COMPARED {
            let numbers = arrow_cast::cast(column(measure)?, &DataType::Float64)?;
            values.push(numbers.as_primitive::<Float64Type>().values().to_vec());
        }
        Ok(Self {
            keys: keys.collect(),
            relevant: relevant.collect(),
            values,
        })
    }
}
