//! What jobs and scores cost as a client sees it: the same call again and again, one at a time.
//!
//! `cargo xtask bench plugin` runs it through `lode-load`.

use std::collections::BTreeMap;
use std::time::Instant;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use anyhow::Result;
use lode_client::Client;
use lode_numeric::Rng;
use lode_proto::v1;
use lode_proto::v1::input_ref::Source;
use lode_proto::v1::value::Kind;

use crate::load;
use crate::load::Answered;
use crate::wire;
use crate::work;

/// Loads exactly so many generated events into a new dataset, each chunk made when it is sent,
/// and gives the seconds that took.
///
/// # Errors
/// What the engine says.
pub async fn fill(client: &Client, dataset: &str, rows: u64) -> Result<f64> {
    let size = u64::try_from(load::CHUNK_ROWS)?;
    let mut rng = Rng::new(1);
    let mut chunk = |at: u64| {
        let batch = load::events(&mut rng)?;
        let left = usize::try_from((rows - at * size).min(size))?;
        wire::arrow_chunk(&batch.slice(0, left))
    };
    let n_chunks = rows.div_ceil(size);
    load::send(client, dataset, load::event_columns(), n_chunks, &mut chunk).await
}

/// Makes one sorted run of all rows of a dataset and gives the seconds that took.
///
/// # Errors
/// What the engine says.
pub async fn compact(client: &Client, dataset: &str) -> Result<f64> {
    let start = Instant::now();
    let request = v1::CompactDatasetRequest {
        name: wire::dataset(dataset),
    };
    client.compact_dataset(request).await?;
    Ok(start.elapsed().as_secs_f64())
}

/// What a job is asked for.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Id of the algorithm.
    pub algorithm: String,
    /// Its one input.
    pub input: String,
    /// A dataset, `sql:STATEMENT`, or `output:JOB/NAME`.
    pub from: String,
    /// A parameter that is set to true.
    pub flag: Option<String>,
    /// Memory of the job; 0 for the engine's default.
    pub memory_bytes: u64,
}

/// What one run of a job gave.
#[derive(Clone, Debug)]
pub struct Ran {
    /// From the call that creates the job to the event that it has ended.
    pub seconds: f64,
    /// The model that it made; empty when it made none.
    pub model: String,
    /// What the algorithm told.
    pub metrics: BTreeMap<String, f64>,
}

/// Runs a job so often, each when the one before has ended.
///
/// # Errors
/// What the engine says, or why a job failed.
pub async fn jobs(client: &Client, asked: &Asked, runs: usize) -> Result<Vec<Ran>> {
    let began = SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros();
    let mut done = Vec::with_capacity(runs);
    for number in 0..runs {
        let mut spec = work::spec(&asked.algorithm, &asked.input, &asked.from);
        let source = match asked.from.split_once(':') {
            Some(("sql", statement)) => Some(Source::Sql(statement.to_owned())),
            Some(("output", output)) => {
                let name = output.replacen('/', "/outputs/", 1);
                Some(Source::Output(wire::job(&name)))
            }
            _ => None,
        };
        if let (Some(source), Some(input)) = (source, spec.inputs.get_mut(&asked.input)) {
            input.source = Some(source);
        }
        if let Some(flag) = &asked.flag {
            let yes = v1::Value {
                kind: Some(Kind::BoolValue(true)),
            };
            spec.params.insert(flag.clone(), yes);
        }
        spec.limits = Some(v1::JobLimits {
            memory_bytes: asked.memory_bytes,
            ..v1::JobLimits::default()
        });
        let start = Instant::now();
        let job = work::run(client, &format!("cost-{began}-{number}"), spec).await?;
        done.push(Ran {
            seconds: start.elapsed().as_secs_f64(),
            model: job.models.first().cloned().unwrap_or_default(),
            metrics: job
                .metrics
                .into_iter()
                .map(|metric| (metric.name, metric.value))
                .collect(),
        });
    }
    Ok(done)
}

/// Asks for scores of so many rows, request after request on one connection, a tenth more
/// before that do not count.
///
/// # Errors
/// The first error of the engine.
pub async fn score(client: &Client, model: &str, rows: usize, requests: usize) -> Result<Answered> {
    let request = v1::ScoreRequest {
        model: model.to_owned(),
        rows: (0..rows).map(row).collect(),
        ..v1::ScoreRequest::default()
    };
    let warm = requests / 10;
    let mut micros = Vec::with_capacity(requests);
    let mut start = Instant::now();
    for number in 0..warm + requests {
        if number == warm {
            start = Instant::now();
        }
        let asked = Instant::now();
        client.score(request.clone()).await?;
        if number >= warm {
            micros.push(asked.elapsed().as_micros());
        }
    }
    load::answered(micros, start.elapsed().as_secs_f64())
}

/// An event as a row.
fn row(number: usize) -> v1::Row {
    let value = |kind| v1::Value { kind: Some(kind) };
    let time = prost_types::Timestamp {
        seconds: 1_704_067_200,
        nanos: 0,
    };
    let values = [
        ("customer", Kind::StringValue(format!("c{number}"))),
        ("item", Kind::StringValue("item-1".to_owned())),
        ("at", Kind::TimestampValue(time)),
        ("amount", Kind::DoubleValue(1.5)),
    ];
    v1::Row {
        values: values
            .map(|(name, kind)| (name.to_owned(), value(kind)))
            .into(),
    }
}
