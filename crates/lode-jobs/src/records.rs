//! Jobs, models and events as documents of the store.
//!
//! Keys: `n` + number (big-endian) holds a record, `i` + id holds its number, so that
//! lists are in the order of creation and a lookup by id is two reads. A model beside the main
//! one of its job has its name behind the number in both. Events are under the job's number,
//! then their own. Records are JSON with a version field.

use lode_store::DocWrite;
use lode_store::Space;
use lode_store::Store;
use lode_types::JobId;
use lode_types::ModelId;
use serde::Deserialize;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Error;
use crate::Event;
use crate::Job;
use crate::Model;
use crate::Result;

/// Version of the records' form; readers refuse a newer one.
const FORMAT: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Versioned<T> {
    format: u32,
    record: T,
}

pub(crate) fn put_job(job: &Job) -> Result<DocWrite> {
    put(Space::Jobs, number_key(job.number), job)
}

pub(crate) fn put_job_id(job: &Job) -> DocWrite {
    DocWrite::Put {
        space: Space::Jobs,
        key: id_key(job.id.as_str()),
        bytes: job.number.to_be_bytes().to_vec(),
    }
}

pub(crate) fn put_model(model: &Model) -> Result<[DocWrite; 2]> {
    let id = DocWrite::Put {
        space: Space::Models,
        key: id_key(model.id.as_str()),
        bytes: [&model.number.to_be_bytes(), model.name.as_bytes()].concat(),
    };
    let key = model_key(model.number, &model.name);
    Ok([put(Space::Models, key, model)?, id])
}

pub(crate) fn put_event(job_number: u64, event: &Event) -> Result<DocWrite> {
    put(Space::JobEvents, event_key(job_number, event.event), event)
}

pub(crate) fn delete_job(job: &Job) -> Vec<DocWrite> {
    vec![
        delete(Space::Jobs, number_key(job.number)),
        delete(Space::Jobs, id_key(job.id.as_str())),
    ]
}

pub(crate) fn delete_model(model: &Model) -> Vec<DocWrite> {
    vec![
        delete(Space::Models, model_key(model.number, &model.name)),
        delete(Space::Models, id_key(model.id.as_str())),
    ]
}

pub(crate) fn delete_event(job_number: u64, event: u64) -> DocWrite {
    delete(Space::JobEvents, event_key(job_number, event))
}

pub(crate) fn job(store: &Store, id: &JobId) -> Result<Option<Job>> {
    by_id(store, Space::Jobs, id.as_str())
}

pub(crate) fn model(store: &Store, id: &ModelId) -> Result<Option<Model>> {
    by_id(store, Space::Models, id.as_str())
}

/// Jobs with a number below `before`, newest first.
pub(crate) fn jobs(store: &Store, before: Option<u64>, limit: usize) -> Result<Vec<Job>> {
    newest(store, Space::Jobs, before.map(number_key), limit)
}

/// Models with a number and name below `before`, newest first; those of one job by falling
/// name, the main one last.
pub(crate) fn models(
    store: &Store,
    before: Option<(u64, &str)>,
    limit: usize,
) -> Result<Vec<Model>> {
    let before = before.map(|(number, name)| model_key(number, name));
    newest(store, Space::Models, before, limit)
}

/// Events of a job after `after`, in order.
pub(crate) fn events(
    store: &Store,
    job_number: u64,
    after: u64,
    limit: usize,
) -> Result<Vec<Event>> {
    let prefix = job_number.to_be_bytes();
    let after = event_key(job_number, after);
    let docs = store.docs(Space::JobEvents, &prefix, Some(&after), limit, false)?;
    docs.iter().map(|(_, bytes)| decode(bytes)).collect()
}

fn by_id<T: DeserializeOwned>(store: &Store, space: Space, id: &str) -> Result<Option<T>> {
    let Some(number) = store.doc(space, &id_key(id))? else {
        return Ok(None);
    };
    if number.len() < size_of::<u64>() {
        return Err(Error::bug("an id's record holds no number"));
    }
    match store.doc(space, &[b"n", number.as_slice()].concat())? {
        Some(bytes) => Ok(Some(decode(&bytes)?)),
        None => Ok(None),
    }
}

fn newest<T: DeserializeOwned>(
    store: &Store,
    space: Space,
    before: Option<Vec<u8>>,
    limit: usize,
) -> Result<Vec<T>> {
    let docs = store.docs(space, b"n", before.as_deref(), limit, true)?;
    docs.iter().map(|(_, bytes)| decode(bytes)).collect()
}

fn put<T: Serialize>(space: Space, key: Vec<u8>, record: &T) -> Result<DocWrite> {
    let record = Versioned {
        format: FORMAT,
        record,
    };
    Ok(DocWrite::Put {
        space,
        key,
        bytes: serde_json::to_vec(&record)?,
    })
}

fn delete(space: Space, key: Vec<u8>) -> DocWrite {
    DocWrite::Delete { space, key }
}

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    let record: Versioned<T> = serde_json::from_slice(bytes)?;
    if record.format > FORMAT {
        return Err(Error::bug(format!(
            "expected a record of format {FORMAT} or older, found {}",
            record.format
        )));
    }
    Ok(record.record)
}

fn number_key(number: u64) -> Vec<u8> {
    [b"n".as_slice(), &number.to_be_bytes()].concat()
}

fn model_key(number: u64, name: &str) -> Vec<u8> {
    [&number_key(number), name.as_bytes()].concat()
}

fn id_key(id: &str) -> Vec<u8> {
    [b"i", id.as_bytes()].concat()
}

fn event_key(job_number: u64, event: u64) -> Vec<u8> {
    [job_number.to_be_bytes(), event.to_be_bytes()].concat()
}
