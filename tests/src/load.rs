//! Load on an engine, with measurements: an ingest at full speed, requests at a bounded rate.
//!
//! `cargo xtask bench` runs it as the program `lode-load`; it measures time as the client sees it.

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use anyhow::Context as _;
use anyhow::Result;
use anyhow::bail;
use arrow_array::Array;
use arrow_array::ArrayRef;
use arrow_array::Float64Array;
use arrow_array::RecordBatch;
use arrow_array::StringArray;
use arrow_array::TimestampMicrosecondArray;
use arrow_array::cast::AsArray as _;
use arrow_array::types::Float64Type;
use arrow_ipc::reader::StreamReader;
use arrow_schema::DataType;
use lode_client::Client;
use lode_numeric::Rng;
use lode_proto::v1;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_stream::wrappers::ReceiverStream;

use crate::wire;

/// Rows of a chunk.
pub(crate) const CHUNK_ROWS: usize = 65_536;

/// Requests of a run at a fixed rate that may be unanswered.
const MOST_AT_ONCE: usize = 256;

/// What an ingest measured.
#[derive(Clone, Copy, Debug)]
pub struct Ingested {
    /// Rows loaded.
    pub rows: u64,
    /// Bytes of chunk data.
    pub bytes: u64,
    /// From opening the load to its acknowledged commit.
    pub seconds: f64,
    /// Write and fsync of the same bytes into one file.
    pub raw_seconds: f64,
}

/// What an ingest loads: the columns of a new dataset, and its rows as chunks.
#[derive(Debug)]
pub struct Source {
    columns: Vec<v1::Column>,
    chunks: Vec<v1::Chunk>,
    rows: u64,
}

impl Source {
    /// Generated events, rounded up to whole chunks.
    ///
    /// # Errors
    /// When Arrow cannot write them.
    pub fn generated(rows: usize) -> Result<Self> {
        let mut chunks = Vec::new();
        let mut rng = Rng::new(1);
        while chunks.len() * CHUNK_ROWS < rows {
            chunks.push(wire::arrow_chunk(&events(&mut rng)?)?);
        }
        Ok(Self {
            columns: event_columns(),
            rows: u64::try_from(chunks.len() * CHUNK_ROWS)?,
            chunks,
        })
    }

    /// The invoice lines of an Arrow IPC stream in a file, one chunk for each of its batches.
    ///
    /// # Errors
    /// When there is no such stream in it.
    pub fn invoice_lines(path: &Path) -> Result<Self> {
        let file = std::fs::File::open(path).with_context(|| path.display().to_string())?;
        let mut chunks = Vec::new();
        let mut rows = 0;
        for batch in StreamReader::try_new(std::io::BufReader::new(file), None)? {
            let batch = batch?;
            rows += u64::try_from(batch.num_rows())?;
            chunks.push(wire::arrow_chunk(&batch)?);
        }
        Ok(Self {
            columns: vec![
                wire::column("customer_id", v1::Type::Int64, v1::Role::CustomerId),
                wire::column("invoice_id", v1::Type::Int64, v1::Role::Order),
                wire::column("ts", v1::Type::Timestamp, v1::Role::EventTime),
                wire::column("item_id", v1::Type::Int64, v1::Role::Item),
                wire::column("qty", v1::Type::Int64, v1::Role::Quantity),
                wire::column("unit_price", v1::Type::Float64, v1::Role::UnitPrice),
            ],
            chunks,
            rows,
        })
    }
}

/// Loads rows into a new dataset, then writes the same bytes to a file of `folder`.
///
/// # Errors
/// What the engine or the file system says.
pub async fn ingest(
    client: &Client,
    dataset: &str,
    source: &Source,
    folder: &Path,
) -> Result<Ingested> {
    let chunks = &source.chunks;
    let bytes = chunks.iter().map(|chunk| chunk.data.len()).sum::<usize>();
    let columns = source.columns.clone();
    let n_chunks = u64::try_from(chunks.len())?;
    let mut chunk = |at: u64| Ok(chunks[usize::try_from(at)?].clone());
    let seconds = send(client, dataset, columns, n_chunks, &mut chunk).await?;

    let start = Instant::now();
    let path = folder.join("raw");
    let mut file = std::fs::File::create(&path)?;
    for chunk in chunks {
        file.write_all(&chunk.data)?;
    }
    file.sync_all()?;
    let raw_seconds = start.elapsed().as_secs_f64();
    std::fs::remove_file(&path)?;
    Ok(Ingested {
        rows: source.rows,
        bytes: u64::try_from(bytes)?,
        seconds,
        raw_seconds,
    })
}

/// Loads chunks, each made when it is its turn, into a new dataset; gives the seconds from
/// opening the load to its acknowledged commit.
pub(crate) async fn send(
    client: &Client,
    dataset: &str,
    columns: Vec<v1::Column>,
    n_chunks: u64,
    chunk: &mut (dyn FnMut(u64) -> Result<v1::Chunk> + Send),
) -> Result<f64> {
    wire::create(client, dataset, v1::DatasetKind::Events, columns).await?;
    let start = Instant::now();
    let response = client
        .open_ingest(v1::OpenIngestRequest {
            dataset: wire::dataset(dataset),
            ingest_id: "load".to_owned(),
            ..v1::OpenIngestRequest::default()
        })
        .await?;
    let name = response
        .ingest
        .context("OpenIngest answers with the load")?
        .name;
    let (send, receive) = mpsc::channel(1);
    let mut answers = client.append_chunks(ReceiverStream::new(receive)).await?;
    let (mut sent, mut answered) = (0, 0);
    while answered < n_chunks {
        if sent < n_chunks && sent - answered < u64::from(response.window.max(1)) {
            let request = v1::AppendChunksRequest {
                ingest: name.clone(),
                seq: sent,
                chunk: Some(chunk(sent)?),
                source_position: Vec::new(),
            };
            send.send(request)
                .await
                .context("the engine closed the stream")?;
            sent += 1;
            continue;
        }
        let answer = answers
            .message()
            .await?
            .context("the engine closed the stream")?;
        if let Some(error) = answer.error {
            bail!("chunk {}: {}", answer.seq, error.message);
        }
        answered += 1;
    }
    drop(send);
    wire::commit(client, &name, n_chunks).await?;
    Ok(start.elapsed().as_secs_f64())
}

/// The columns of generated events.
pub(crate) fn event_columns() -> Vec<v1::Column> {
    vec![
        wire::column("customer", v1::Type::String, v1::Role::CustomerId),
        wire::column("item", v1::Type::String, v1::Role::Item),
        wire::column("at", v1::Type::Timestamp, v1::Role::EventTime),
        wire::column("amount", v1::Type::Float64, v1::Role::Amount),
    ]
}

/// A chunk of generated events.
pub(crate) fn events(rng: &mut Rng) -> Result<RecordBatch> {
    let customers = (0..CHUNK_ROWS).map(|_| Some(format!("c{}", rng.below(200_000))));
    let customers = customers.collect::<StringArray>();
    let items = (0..CHUNK_ROWS).map(|_| Some(format!("item-{}", rng.below(2_000))));
    let items = items.collect::<StringArray>();
    // Seconds of the year 2024.
    let times = (0..CHUNK_ROWS).map(|_| {
        let second = i64::try_from(rng.below(31_622_400)).expect("below 2^63");
        (1_704_067_200 + second) * 1_000_000
    });
    let times = TimestampMicrosecondArray::from_iter_values(times).with_timezone("UTC");
    let amounts = (0..CHUNK_ROWS).map(|_| rng.below(10_000) as f64 / 100.0);
    let amounts = Float64Array::from_iter_values(amounts);
    let columns: [(&str, Arc<dyn Array>); 4] = [
        ("customer", Arc::new(customers)),
        ("item", Arc::new(items)),
        ("at", Arc::new(times)),
        ("amount", Arc::new(amounts)),
    ];
    Ok(RecordBatch::try_from_iter(columns)?)
}

/// Asks for what customers did, one after the other: whole numbers from 0 to below `customers`,
/// drawn with a fixed seed, the first tenth unmeasured.
///
/// # Errors
/// The first error of the engine.
pub async fn timeline(
    client: &Client,
    dataset: &str,
    customers: u64,
    requests: usize,
) -> Result<Answered> {
    let mut rng = Rng::new(2);
    let warm = requests / 10;
    let mut micros = Vec::with_capacity(requests);
    let mut start = Instant::now();
    for number in 0..warm + requests {
        if number == warm {
            start = Instant::now();
        }
        let request = v1::ListCustomerEventsRequest {
            name: format!("{}/customers/{}", wire::TENANT, rng.below(customers)),
            datasets: vec![wire::dataset(dataset)],
            ..v1::ListCustomerEventsRequest::default()
        };
        let asked = Instant::now();
        client.list_customer_events(request).await?;
        if number >= warm {
            micros.push(asked.elapsed().as_micros());
        }
    }
    answered(micros, start.elapsed().as_secs_f64())
}

/// What the runs of one query measured.
#[derive(Debug)]
pub struct Queried {
    /// Wall time of each run, from the call to the last row.
    pub seconds: Vec<f64>,
    /// The first row of the answer, one number a column.
    pub answer: Vec<f64>,
}

/// Runs a query of one row of numbers `runs` times.
///
/// # Errors
/// What the engine says, or when the answer is no row of numbers.
pub async fn query(client: &Client, sql: &str, runs: usize) -> Result<Queried> {
    let mut seconds = Vec::with_capacity(runs);
    let mut answer = Vec::new();
    for _ in 0..runs {
        let start = Instant::now();
        let batches = wire::query(client, sql)
            .await
            .with_context(|| sql.to_owned())?;
        seconds.push(start.elapsed().as_secs_f64());
        let row = batches.iter().find(|batch| batch.num_rows() > 0);
        let row = row.context("expected a row, found none")?;
        let numbers = row.columns().iter().map(|column| {
            let numbers = arrow_cast::cast(column, &DataType::Float64)?;
            Ok(numbers.as_primitive::<Float64Type>().value(0))
        });
        answer = numbers.collect::<Result<_>>()?;
    }
    Ok(Queried { seconds, answer })
}

/// What a run of requests measured.
#[derive(Clone, Copy, Debug)]
pub struct Answered {
    /// Requests answered.
    pub requests: u64,
    /// Wall time of the run.
    pub seconds: f64,
    /// Median time to the answer, from the moment the request was due.
    pub p50_micros: u64,
    /// 99th percentile of the same.
    pub p99_micros: u64,
}

/// How many requests a second, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Requests a second.
    pub rate: u32,
    /// Length of the run.
    pub seconds: u32,
}

/// Asks for recommendations at a fixed rate: `asked` of one customer after the other.
///
/// # Errors
/// The first error of the engine.
pub async fn recommend(
    client: &Client,
    asked: &v1::RecommendRequest,
    customers: &[String],
    pace: Pace,
) -> Result<Answered> {
    at_rate(pace, |number| {
        let client = client.clone();
        let request = v1::RecommendRequest {
            customer: customers[number % customers.len()].clone(),
            ..asked.clone()
        };
        async move {
            let answer = client.recommend(request).await?;
            if answer.items.is_empty() {
                bail!("no items");
            }
            Ok(())
        }
    })
    .await
}

/// Whose scores are asked for.
#[derive(Clone, Debug)]
pub enum Scored {
    /// Customers that the engine knows.
    Customers(Vec<String>),
    /// Rows that come with the request.
    Rows(Vec<v1::Row>),
    /// The same, as one table a request.
    Table(RecordBatch),
}

/// How rows are asked for.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum Asking {
    /// Their numbers come with the request, one by one.
    Rows,
    /// They come as an Arrow table.
    Table,
    /// Their names come.
    Names,
}

impl Scored {
    /// Those of a text file with a heading, of names, numbers and a label.
    ///
    /// # Errors
    /// When there are none in it.
    pub fn read(file: &Path, asking: Asking) -> Result<Self> {
        let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
        let mut lines = text.lines();
        let names = lines.next().unwrap_or_default();
        let names = names.split(',').collect::<Vec<_>>();
        let scored = match asking {
            Asking::Names => {
                let first = lines.filter_map(|line| line.split(',').next());
                Self::Customers(first.map(str::to_owned).collect())
            }
            Asking::Rows => Self::Rows(lines.map(|line| row(&names, line)).collect::<Result<_>>()?),
            Asking::Table => Self::Table(table(&names, lines)?),
        };
        match &scored {
            Self::Customers(all) if !all.is_empty() => Ok(scored),
            Self::Rows(all) if !all.is_empty() => Ok(scored),
            Self::Table(all) if all.num_rows() > 0 => Ok(scored),
            _ => bail!("{}: expected rows, found none", file.display()),
        }
    }

    /// A request for `size` of them: the next ones after those of the requests before.
    fn request(&self, model: &str, number: usize, size: usize) -> Result<v1::ScoreRequest> {
        let turn = number * size..(number + 1) * size;
        let mut request = v1::ScoreRequest {
            model: model.to_owned(),
            ..v1::ScoreRequest::default()
        };
        match self {
            Self::Customers(all) => {
                request.customers = turn.map(|at| all[at % all.len()].clone()).collect();
            }
            Self::Rows(all) => {
                request.rows = turn.map(|at| all[at % all.len()].clone()).collect();
            }
            Self::Table(all) => {
                let start = turn.start % (all.num_rows() - size.min(all.num_rows()) + 1);
                request.table = Some(wire::arrow_chunk(&all.slice(start, size))?);
            }
        }
        Ok(request)
    }
}

/// The numbers of a line without its first field (the name) and its last (the label).
fn row(names: &[&str], line: &str) -> Result<v1::Row> {
    let fields = line.split(',').zip(names).skip(1);
    let fields = fields.take(names.len().saturating_sub(2));
    let values = fields.filter(|(text, _)| !text.is_empty());
    let values = values.map(|(text, name)| {
        let number = text.parse().with_context(|| format!("{name}: {text}"))?;
        let value = v1::Value {
            kind: Some(v1::value::Kind::DoubleValue(number)),
        };
        Ok(((*name).to_owned(), value))
    });
    Ok(v1::Row {
        values: values.collect::<Result<_>>()?,
    })
}

/// The same of all lines, as a table.
fn table<'a>(names: &[&str], lines: impl Iterator<Item = &'a str>) -> Result<RecordBatch> {
    let numbers = 1..names.len().saturating_sub(1);
    let mut columns: Vec<Vec<Option<f64>>> = vec![Vec::new(); numbers.len()];
    for line in lines {
        for (column, text) in columns.iter_mut().zip(line.split(',').skip(1)) {
            column.push(match text {
                "" => None,
                text => Some(text.parse().with_context(|| text.to_owned())?),
            });
        }
    }
    let columns = names[numbers].iter().zip(columns).map(|(name, column)| {
        let column: ArrayRef = Arc::new(Float64Array::from(column));
        (*name, column, true)
    });
    Ok(RecordBatch::try_from_iter_with_nullable(columns)?)
}

/// Asks for scores at a fixed rate, `size` at a time.
///
/// # Errors
/// The first error of the engine, or of one row.
pub async fn score_at(
    client: &Client,
    model: &str,
    scored: &Scored,
    size: usize,
    pace: Pace,
) -> Result<Answered> {
    at_rate(pace, |number| {
        let client = client.clone();
        let request = scored.request(model, number, size);
        async move {
            let answer = client.score(request?).await?;
            let failed = answer
                .results
                .iter()
                .find_map(|result| result.error.as_ref());
            if let Some(error) = failed {
                bail!("a row was not scored: {}", error.message);
            }
            if answer.results.len() != size {
                bail!("expected {size} scores, found {}", answer.results.len());
            }
            Ok(())
        }
    })
    .await
}

/// Sends each request when it is due, whether or not the ones before are answered; so a slow
/// engine shows as latency. One that falls far behind is not asked more at once than
/// [`MOST_AT_ONCE`], nor after the end of the run: that shows as fewer requests.
async fn at_rate<F>(pace: Pace, ask: impl Fn(usize) -> F) -> Result<Answered>
where
    F: Future<Output = Result<()>> + Send + 'static,
{
    let n_requests = usize::try_from(u64::from(pace.rate) * u64::from(pace.seconds))?;
    let pause = Duration::from_secs(1) / pace.rate.max(1);
    let mut tasks = JoinSet::new();
    let mut micros = Vec::with_capacity(n_requests);
    let start = tokio::time::Instant::now();
    let end = start + Duration::from_secs(1) * pace.seconds;
    for (number, turn) in (0..n_requests).zip(0..) {
        let due = start + pause * turn;
        tokio::time::sleep_until(due).await;
        while tasks.len() >= MOST_AT_ONCE
            && let Some(done) = tasks.join_next().await
        {
            micros.push(done??);
        }
        if tokio::time::Instant::now() > end {
            break;
        }
        let request = ask(number);
        tasks.spawn(async move {
            request.await?;
            Ok::<_, anyhow::Error>(due.elapsed().as_micros())
        });
        while let Some(done) = tasks.try_join_next() {
            micros.push(done??);
        }
    }
    while let Some(done) = tasks.join_next().await {
        micros.push(done??);
    }
    answered(micros, start.elapsed().as_secs_f64())
}

pub(crate) fn answered(mut micros: Vec<u128>, seconds: f64) -> Result<Answered> {
    micros.sort_unstable();
    let at = |share: usize| -> Result<u64> {
        let value = micros.get(micros.len() * share / 100).or(micros.last());
        Ok(u64::try_from(*value.context("no requests")?)?)
    };
    Ok(Answered {
        requests: u64::try_from(micros.len())?,
        seconds,
        p50_micros: at(50)?,
        p99_micros: at(99)?,
    })
}
