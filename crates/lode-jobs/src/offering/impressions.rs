//! Keeps what was offered to whom: rows of the dataset `impressions`, one for each offer.
//!
//! Calls queue what they showed and wait; one thread takes all that waits and writes it at once, so
//! that the cost of a durable write is shared. Invariant: an impression whose id was given is
//! durable. An answer without offers is no impression.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;
use std::sync::mpsc::SyncSender;
use std::sync::mpsc::sync_channel;
use std::thread::JoinHandle;
use std::time::Duration;

use arrow_array::ArrayRef;
use arrow_array::Float64Array;
use arrow_array::Int64Array;
use arrow_array::RecordBatch;
use arrow_array::StringArray;
use arrow_array::TimestampMicrosecondArray;
use lode_store::MAX_PUT_ROWS;
use lode_store::NewDataset;
use lode_store::NewRows;
use lode_store::Store;
use lode_types::Class;
use lode_types::Clock;
use lode_types::Column;
use lode_types::ColumnType;
use lode_types::DatasetId;
use lode_types::DatasetKind;
use lode_types::IngestId;
use lode_types::Role;
use lode_types::Schema;
use lode_types::Timestamp;
use sha2::Digest;
use sha2::Sha256;

use super::Arm;
use crate::Error;
use crate::Offer;
use crate::Options;
use crate::Result;

/// The dataset.
pub(crate) const DATASET: &str = "impressions";
/// Impressions that may wait.
const QUEUE: usize = 4096;
/// Rows that are written at once; a limit of 1,000 offers stays below what one write takes.
const ROWS: usize = MAX_PUT_ROWS - 1000;
/// How long more is waited for once there is something to write.
const LINGER: Duration = Duration::from_millis(2);

/// What was shown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shown<'a> {
    /// Empty for somebody who is not known.
    pub(crate) customer: &'a str,
    pub(crate) model: &'a str,
    /// By which name the model was called.
    pub(crate) called: &'a str,
    pub(crate) arm: Arm,
    /// In order.
    pub(crate) offers: &'a [Offer],
}

/// Writes impressions.
pub(crate) struct Impressions {
    store: Store,
    clock: Arc<dyn Clock>,
    /// Tells the ids of this run of the engine from those of others.
    run: String,
    next: AtomicU64,
    writer: Mutex<Writer>,
}

#[derive(Debug, Default)]
struct Writer {
    queue: Option<SyncSender<Waiting>>,
    thread: Option<JoinHandle<()>>,
    stopped: bool,
}

struct Waiting {
    row: Row,
    done: SyncSender<Result<()>>,
}

struct Row {
    id: String,
    customer: String,
    model: String,
    called: String,
    arm: Arm,
    time: Timestamp,
    items: Vec<(String, f64)>,
}

impl Impressions {
    /// Nothing is written, and no thread is started, before the first record.
    pub(crate) fn new(store: &Store, options: &Options) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(options.clock.now().0.to_be_bytes());
        hasher.update(std::process::id().to_be_bytes());
        let hash = hasher.finalize();
        Self {
            store: store.clone(),
            clock: Arc::clone(&options.clock),
            run: hash[..6].iter().map(|byte| format!("{byte:02x}")).collect(),
            next: AtomicU64::new(1),
            writer: Mutex::default(),
        }
    }

    /// Keeps what was shown; gives its id once it is durable.
    pub(crate) fn record(&self, shown: Shown<'_>) -> Result<String> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let id = format!("{}-{number}", self.run);
        let offers = shown.offers.iter();
        let row = Row {
            id: id.clone(),
            customer: shown.customer.to_owned(),
            model: shown.model.to_owned(),
            called: shown.called.to_owned(),
            arm: shown.arm,
            time: self.clock.now(),
            items: offers
                .map(|offer| (offer.item.clone(), offer.score))
                .collect(),
        };
        let (done, answer) = sync_channel(1);
        let sent = self.queue()?.send(Waiting { row, done });
        sent.map_err(|_| stopped())?;
        answer.recv().map_err(|_| stopped())??;
        Ok(id)
    }

    /// Writes what waits and takes no more.
    pub(crate) fn stop(&self) {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        writer.stopped = true;
        writer.queue = None;
        let thread = writer.thread.take();
        drop(writer);
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            tracing::error!("the thread that writes impressions panicked");
        }
    }

    /// The way to the thread, which is started when there is none.
    fn queue(&self) -> Result<SyncSender<Waiting>> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        if writer.stopped {
            return Err(stopped());
        }
        if let Some(queue) = &writer.queue {
            return Ok(queue.clone());
        }
        make(&self.store)?;
        let (queue, waiting) = sync_channel(QUEUE);
        let (store, run) = (self.store.clone(), self.run.clone());
        let thread = std::thread::Builder::new()
            .name("impressions".to_owned())
            .spawn(move || serve(&store, &run, &waiting))
            .map_err(|error| Error::new(Class::Unavailable, "THREAD_FAILED", error.to_string()))?;
        writer.thread = Some(thread);
        writer.queue = Some(queue.clone());
        Ok(queue)
    }
}

impl Drop for Impressions {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The columns of the dataset.
pub(crate) fn schema() -> Result<Schema> {
    let column = |name: &str, kind| Column::new(name, kind);
    let columns = vec![
        column("impression_id", ColumnType::String),
        column("customer_id", ColumnType::String).with_role(Role::CustomerId),
        column("time", ColumnType::Timestamp).with_role(Role::EventTime),
        column("item", ColumnType::String).with_role(Role::Item),
        column("position", ColumnType::Int64),
        column("score", ColumnType::Float64),
        column("model", ColumnType::String),
        column("called", ColumnType::String),
        column("arm", ColumnType::String),
    ];
    Schema::new(columns).map_err(|error| Error::bug(error.to_string()))
}

/// The id of the dataset.
pub(crate) fn dataset() -> Result<DatasetId> {
    DatasetId::parse(DATASET).map_err(|error| Error::bug(error.to_string()))
}

/// Makes the dataset where it is not there yet.
fn make(store: &Store) -> Result<()> {
    let new = NewDataset {
        display_name: "What was offered to whom".to_owned(),
        kind: DatasetKind::Events,
        schema: schema()?,
        labels: BTreeMap::new(),
    };
    store.create_dataset(&dataset()?, new).map_err(|error| {
        let error = Error::from(error);
        Error::new(
            Class::State,
            "IMPRESSIONS_TAKEN",
            format!("expected the dataset {DATASET:?} to be free for impressions: {error}"),
        )
        .at("record")
    })?;
    Ok(())
}

fn serve(store: &Store, run: &str, queue: &Receiver<Waiting>) {
    let mut number = 0_u64;
    while let Ok(first) = queue.recv() {
        std::thread::sleep(LINGER);
        let mut waiting = vec![first];
        let mut n = waiting[0].row.items.len();
        while n < ROWS
            && let Ok(more) = queue.try_recv()
        {
            n += more.row.items.len();
            waiting.push(more);
        }
        number += 1;
        let written = write(store, &format!("impressions-{run}-{number}"), &waiting);
        for waiting in waiting {
            // One who went away has nobody to tell.
            drop(waiting.done.send(written.clone()));
        }
    }
}

fn write(store: &Store, request: &str, waiting: &[Waiting]) -> Result<()> {
    let request = IngestId::parse(request).map_err(|error| Error::bug(error.to_string()))?;
    store.put_rows(NewRows {
        dataset: dataset()?,
        request,
        rows: rows(waiting.iter().map(|waiting| &waiting.row))?,
        rejected_rows: 0,
    })?;
    Ok(())
}

fn rows<'a>(shown: impl Iterator<Item = &'a Row> + Clone) -> Result<RecordBatch> {
    let each = || {
        shown
            .clone()
            .flat_map(|row| row.items.iter().map(move |item| (row, item)))
    };
    let text = |of: &dyn Fn(&Row) -> Option<&str>| -> ArrayRef {
        let all: Vec<Option<String>> = each().map(|(row, _)| of(row).map(str::to_owned)).collect();
        Arc::new(StringArray::from(all))
    };
    let items = each().map(|(_, (item, _))| Some(item.as_str()));
    let times = each().map(|(row, _)| row.time.0);
    let places = shown.clone().flat_map(|row| (1..).take(row.items.len()));
    let columns: Vec<ArrayRef> = vec![
        text(&|row| Some(&row.id)),
        text(&|row| (!row.customer.is_empty()).then_some(row.customer.as_str())),
        Arc::new(TimestampMicrosecondArray::from_iter_values(times).with_timezone("UTC")),
        Arc::new(items.collect::<StringArray>()),
        Arc::new(Int64Array::from_iter_values(places)),
        Arc::new(Float64Array::from_iter_values(
            each().map(|(_, (_, score))| *score),
        )),
        text(&|row| Some(&row.model)),
        text(&|row| Some(&row.called)),
        text(&|row| Some(row.arm.as_str())),
    ];
    Ok(RecordBatch::try_new(
        Arc::new(schema()?.to_arrow()),
        columns,
    )?)
}

fn stopped() -> Error {
    let words = "the engine is stopping and records no more impressions";
    Error::new(Class::Unavailable, "STORE_CLOSED", words)
}
