//! Feature views: kept as documents of the store, checked against its datasets, computed from
//! pinned versions.
//!
//! What is computed and how is `lode-features`' work; here it gets its rows. A job's input,
//! `ComputeFeatures` and one customer's features all go through [`PinnedView`], so that they
//! give the same numbers.

mod one;

use std::collections::BTreeMap;
use std::fs::File;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;

use arrow_array::RecordBatch;
use arrow_array::UInt64Array;
use arrow_schema::SchemaRef;
use lode_features::FeatureInfo;
use lode_features::Input;
use lode_features::Lookup;
use lode_features::Rows;
use lode_features::Schemas;
use lode_features::Training;
use lode_features::TrainingInput;
use lode_features::View;
use lode_features::ViewSpec;
use lode_parts::Table;
use lode_query::Opened;
use lode_query::QueryOptions;
use lode_query::Sql;
use lode_query::SqlTable;
use lode_store::DocWrite;
use lode_store::Snapshot;
use lode_store::Space;
use lode_store::Store;
use lode_store::TableFile;
use lode_types::Class;
use lode_types::CustomerId;
use lode_types::DatasetId;
use lode_types::DatasetKind;
use lode_types::FeatureViewId;
use lode_types::Role;
use lode_types::Timestamp;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Value as Json;

use crate::Error;
use crate::Result;
use crate::check::resolve_dataset;

pub use one::customer_events;
pub(crate) use one::of_customers;

/// Version of a view's record; readers refuse a newer one.
const FORMAT: u32 = 1;
/// Views of one engine.
const MAX_VIEWS: usize = 10_000;

/// Two calls must not both find that a view is not there.
static CREATING: Mutex<()> = Mutex::new(());

/// A feature view as it is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct FeatureView {
    /// Its id, chosen by the client.
    pub id: FeatureViewId,
    /// Its declaration.
    pub spec: ViewSpec,
    /// The features with their meaning and columns, as they were checked.
    pub features: Vec<FeatureInfo>,
    /// When it was declared.
    pub create_time: Timestamp,
}

#[derive(Serialize, Deserialize)]
struct Record {
    format: u32,
    declaration: Json,
    create_time: Timestamp,
}

/// Checks a declaration and keeps it; true when it was there already. With `validate_only`
/// nothing is kept.
///
/// # Errors
/// `INVALID_FEATURE_VIEW`; `FEATURE_VIEW_EXISTS` when the id is taken by another declaration.
pub fn create_view(
    store: &Store,
    sql: &Sql,
    id: &FeatureViewId,
    declaration: &Json,
    now: Timestamp,
    validate_only: bool,
) -> Result<(FeatureView, bool)> {
    let spec = ViewSpec::from_json(declaration)?;
    let features = check(store, sql, spec.clone())?.features().to_vec();
    let _creating = CREATING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(record) = record(store, id)? {
        let create_time = record.create_time;
        if ViewSpec::from_json(&record.declaration)? != spec {
            return Err(Error::new(
                Class::Exists,
                "FEATURE_VIEW_EXISTS",
                format!(
                    "feature view {:?} exists with another declaration: take another name or delete it first",
                    id.as_str()
                ),
            )
            .at("feature_view_id"));
        }
        let view = FeatureView {
            id: id.clone(),
            spec,
            features,
            create_time,
        };
        return Ok((view, true));
    }
    let view = FeatureView {
        id: id.clone(),
        spec,
        features,
        create_time: now,
    };
    if !validate_only {
        if views(store)?.len() >= MAX_VIEWS {
            return Err(Error::new(
                Class::Limit,
                "TOO_MANY_FEATURE_VIEWS",
                format!("expected at most {MAX_VIEWS} feature views: delete some first"),
            ));
        }
        let record = Record {
            format: FORMAT,
            declaration: view.spec.to_json(),
            create_time: now,
        };
        store.write_docs(vec![DocWrite::Put {
            space: Space::Views,
            key: id.as_str().as_bytes().to_vec(),
            bytes: serde_json::to_vec(&record)?,
        }])?;
    }
    Ok((view, false))
}

/// A view with the meaning of its features, which are none when its datasets no longer fit it.
///
/// # Errors
/// `FEATURE_VIEW_NOT_FOUND`.
pub fn view(store: &Store, sql: &Sql, id: &FeatureViewId) -> Result<FeatureView> {
    let record = existing(store, id)?;
    let spec = ViewSpec::from_json(&record.declaration)?;
    let checked = check(store, sql, spec.clone());
    Ok(FeatureView {
        id: id.clone(),
        spec,
        features: checked.map_or_else(|_| Vec::new(), |view| view.features().to_vec()),
        create_time: record.create_time,
    })
}

/// The ids and declarations of all views, by id.
///
/// # Errors
/// `STORE_DAMAGED`.
pub fn views(store: &Store) -> Result<Vec<(FeatureViewId, ViewSpec)>> {
    let docs = store.docs(Space::Views, &[], None, MAX_VIEWS, false)?;
    docs.into_iter()
        .map(|(key, bytes)| {
            let id = FeatureViewId::parse(String::from_utf8_lossy(&key).into_owned());
            let id = id.map_err(|error| Error::of(&error))?;
            Ok((id, ViewSpec::from_json(&read(&bytes)?.declaration)?))
        })
        .collect()
}

/// Deletes a view.
///
/// # Errors
/// `FEATURE_VIEW_NOT_FOUND`, unless that is allowed.
pub fn delete_view(store: &Store, id: &FeatureViewId, allow_missing: bool) -> Result<()> {
    if record(store, id)?.is_none() && !allow_missing {
        return Err(not_found(store, id));
    }
    store.write_docs(vec![DocWrite::Delete {
        space: Space::Views,
        key: id.as_str().as_bytes().to_vec(),
    }])?;
    Ok(())
}

/// The declaration of a view.
pub(crate) fn declaration(store: &Store, id: &FeatureViewId) -> Result<Json> {
    Ok(existing(store, id)?.declaration)
}

/// A view with the versions of the datasets that it reads.
#[derive(Debug)]
pub struct PinnedView {
    view: View,
    events: Vec<Arc<Snapshot>>,
    customers: Option<Arc<Snapshot>>,
    queries: BTreeMap<String, Vec<(String, Arc<Snapshot>)>>,
}

impl PinnedView {
    /// Pins the latest versions of what a stored view reads.
    ///
    /// # Errors
    /// `FEATURE_VIEW_NOT_FOUND`; `INVALID_FEATURE_VIEW` when its datasets no longer fit it.
    pub fn latest(store: &Store, sql: &Sql, id: &FeatureViewId) -> Result<Self> {
        let declaration = declaration(store, id)?;
        Self::pin(store, sql, &declaration, &mut |id| {
            Ok(Arc::new(store.pin(id, None)?))
        })
    }

    /// Pins what a declaration reads.
    pub(crate) fn pin(
        store: &Store,
        sql: &Sql,
        declaration: &Json,
        pin: &mut dyn FnMut(&DatasetId) -> Result<Arc<Snapshot>>,
    ) -> Result<Self> {
        Self::pin_training(store, sql, declaration, None, pin)
    }

    /// Pins what a declaration reads, and what makes a training set of its rows.
    pub(crate) fn pin_training(
        store: &Store,
        sql: &Sql,
        declaration: &Json,
        training: Option<&Training>,
        pin: &mut dyn FnMut(&DatasetId) -> Result<Arc<Snapshot>>,
    ) -> Result<Self> {
        let spec = ViewSpec::from_json(declaration)?;
        let view = check_training(store, sql, spec, training)?;
        let mut of = |name: &str| {
            let id = DatasetId::parse(name).map_err(|error| Error::of(&error))?;
            pin(&id)
        };
        let events = view.events().map(&mut of).collect::<Result<Vec<_>>>()?;
        let customers = view.spec().customers.as_deref().map(&mut of).transpose()?;
        let mut queries = BTreeMap::new();
        for lookup in view.lookups() {
            if let Lookup::Query { feature, sql: text } = lookup {
                let mut tables = Vec::new();
                let opened = sql.open(&text, &QueryOptions::at(store.now()))?;
                for name in plain_tables(&opened)? {
                    let id = resolve_dataset(store, &name)?;
                    tables.push((name, pin(&id)?));
                }
                queries.insert(feature, tables);
            }
        }
        Ok(Self {
            view,
            events,
            customers,
            queries,
        })
    }

    /// The checked view.
    pub fn view(&self) -> &View {
        &self.view
    }

    /// The rows of the n-th dataset of events, all of them.
    pub(crate) fn rows_of(&self, source: usize) -> Result<Vec<Rows>> {
        let snapshot = self.events.get(source);
        snapshot.map_or(Ok(Vec::new()), |snapshot| all_rows(snapshot.files()?))
    }

    /// The dataset of customers, if there is one.
    pub(crate) fn customers(&self) -> Option<&Arc<Snapshot>> {
        self.customers.as_ref()
    }

    /// The n-th dataset of events.
    pub(crate) fn events(&self, source: usize) -> Option<&Arc<Snapshot>> {
        self.events.get(source)
    }

    /// All that is pinned, each dataset once.
    pub(crate) fn snapshots(&self) -> Vec<Arc<Snapshot>> {
        let mut all: BTreeMap<DatasetId, Arc<Snapshot>> = BTreeMap::new();
        let queried = self
            .queries
            .values()
            .flatten()
            .map(|(_, snapshot)| snapshot);
        for snapshot in self.events.iter().chain(&self.customers).chain(queried) {
            all.insert(snapshot.dataset().id.clone(), Arc::clone(snapshot));
        }
        all.into_values().collect()
    }

    /// The rows to compute from, of all customers or of some; `as_of` ascends.
    ///
    /// # Errors
    /// Those of reading, and of the queries.
    pub fn input(
        &self,
        sql: &Sql,
        as_of: &[Timestamp],
        customers: Option<&[CustomerId]>,
        threads: usize,
    ) -> Result<Input> {
        // Who is asked for twice has each event once.
        let customers = customers.map(|ids| {
            let mut distinct = ids.to_vec();
            distinct.sort_unstable();
            distinct.dedup();
            distinct
        });
        let customers = customers.as_deref();
        let mut events = Vec::new();
        for (i, snapshot) in self.events.iter().enumerate() {
            events.push(match customers {
                None => all_rows(snapshot.files()?)?,
                Some(ids) => {
                    let columns = self.view.columns_of(i);
                    vec![Rows::Batches(one::rows_of(snapshot, ids, Some(&columns))?)]
                }
            });
        }
        let mut lookups = Vec::new();
        for lookup in self.view.lookups() {
            let mut dates = Vec::new();
            for &time in as_of {
                let batches = match (&lookup, &self.customers) {
                    (Lookup::Later { ahead, .. }, Some(snapshot)) => {
                        let later = Timestamp(time.0.saturating_add(*ahead));
                        attributes(snapshot, later, customers)?
                    }
                    (Lookup::Later { .. }, None) => Vec::new(),
                    (Lookup::Customers { .. }, Some(snapshot)) => {
                        attributes(snapshot, time, customers)?
                    }
                    (Lookup::Customers { .. }, None) => Vec::new(),
                    (Lookup::Query { feature, sql: text }, _) => {
                        let tables = self.queries.get(feature).map_or(&[][..], Vec::as_slice);
                        let batches = query(sql, text, tables, time)?;
                        one::narrowed(batches, customers)?
                    }
                };
                dates.push(batches);
            }
            lookups.push(dates);
        }
        Ok(Input {
            events,
            lookups,
            as_of: as_of.to_vec(),
            threads,
            training: TrainingInput::default(),
        })
    }

    /// Computes the view; `as_of` ascends.
    ///
    /// # Errors
    /// Those of reading and of `sink`.
    pub fn compute(
        &self,
        input: &Input,
        stopped: &AtomicBool,
        sink: &mut dyn FnMut(RecordBatch) -> Result<()>,
    ) -> Result<()> {
        lode_features::compute(&self.view, input, stopped, sink)
    }

    /// Writes the rows at one time to a file.
    pub(crate) fn write(
        &self,
        sql: &Sql,
        as_of: Timestamp,
        threads: usize,
        stopped: &AtomicBool,
        file: &File,
    ) -> Result<()> {
        let input = self.input(sql, &[as_of], None, threads)?;
        lode_features::write(&self.view, &input, stopped, file, &mut |_| {})?;
        Ok(())
    }
}

/// The files of a snapshot as they can be read: sorted runs, and the rest.
fn all_rows(files: Vec<TableFile>) -> Result<Vec<Rows>> {
    let mut runs: BTreeMap<Option<u32>, Vec<File>> = BTreeMap::new();
    for file in files {
        runs.entry(file.run).or_default().push(file.file);
    }
    let runs = runs.into_iter();
    runs.map(|(run, files)| {
        let table = Table::open(files)?;
        Ok(match run {
            Some(_) => Rows::Sorted(table),
            None => Rows::Unsorted(table),
        })
    })
    .collect()
}

/// The newest rows of some customers, of those that are there.
pub(crate) fn rows_now(snapshot: &Snapshot, ids: &[CustomerId]) -> Result<RecordBatch> {
    let (rows, places) = snapshot.customers(ids)?;
    let places = places.into_iter().flatten().map(|place| place as u64);
    let places = UInt64Array::from_iter_values(places);
    Ok(arrow_select::take::take_record_batch(&rows, &places)?)
}

/// The customers' rows that were valid at a time.
fn attributes(
    snapshot: &Snapshot,
    time: Timestamp,
    customers: Option<&[CustomerId]>,
) -> Result<Vec<RecordBatch>> {
    let dataset = snapshot.dataset();
    let dated = |role: Role| dataset.schema.with_role(role).is_some();
    if let Some(ids) = customers
        && time >= dataset.update_time
        && dataset.kind == DatasetKind::Customers
        && !dated(Role::EventTime)
        && !dated(Role::ArrivalTime)
    {
        // Nothing came after that time, so what is valid then is the newest.
        return Ok(vec![rows_now(snapshot, ids)?]);
    }
    let files = snapshot.files_as_of(time)?;
    let table = Table::open(files.into_iter().map(|file| file.file).collect())?;
    let batches = table
        .batches()
        .collect::<std::result::Result<Vec<_>, _>>()?;
    one::narrowed(batches, customers)
}

/// The answer of a query with all its tables as of a time.
fn query(
    sql: &Sql,
    text: &str,
    tables: &[(String, Arc<Snapshot>)],
    time: Timestamp,
) -> Result<Vec<RecordBatch>> {
    let opened = sql.open(text, &QueryOptions::at(time))?;
    let mut provided = Vec::new();
    for (name, snapshot) in tables {
        let files = snapshot.files_as_of(time)?;
        let files = files.into_iter().map(|file| file.file);
        provided.push(SqlTable::new(name, files.collect()));
    }
    let rows = opened.plan(provided)?.execute(None);
    Ok(rows.collect::<std::result::Result<_, _>>()?)
}

/// Checks a declaration against the store's datasets.
fn check(store: &Store, sql: &Sql, spec: ViewSpec) -> Result<View> {
    check_training(store, sql, spec, None)
}

fn check_training(
    store: &Store,
    sql: &Sql,
    spec: ViewSpec,
    training: Option<&Training>,
) -> Result<View> {
    let mut schemas = Schemas::default();
    for dataset in store.datasets()? {
        let schema: SchemaRef = Arc::new(dataset.schema.to_arrow());
        schemas.datasets.insert(dataset.id.to_string(), schema);
    }
    for (i, feature) in spec.features.iter().enumerate() {
        if let Some(text) = &feature.params.sql {
            let planned = planned(store, sql, text);
            let planned = planned.map_err(|error| error.at(format!("features[{i}].params.sql")))?;
            schemas.queries.insert(feature.name.clone(), planned);
        }
    }
    Ok(match training {
        None => View::check(spec, &schemas)?,
        Some(training) => View::check_training(spec, &schemas, training)?,
    })
}

fn planned(store: &Store, sql: &Sql, text: &str) -> Result<SchemaRef> {
    let opened = sql.open(text, &QueryOptions::at(store.now()))?;
    let mut tables = Vec::new();
    for name in plain_tables(&opened)? {
        let dataset = store.dataset(&resolve_dataset(store, &name)?)?;
        let schema = Arc::new(dataset.schema.to_arrow());
        tables.push(SqlTable::new(name, vec![lode_parts::empty_file(&schema)?]));
    }
    Ok(opened.plan(tables)?.schema())
}

/// The datasets that a feature's query reads. The features' own time is theirs, so the query
/// may name no other.
fn plain_tables(opened: &Opened) -> Result<Vec<String>> {
    let tables = opened.tables().iter();
    let plain = tables.map(|table| match (table.as_of_micros, table.version) {
        (None, None) => Ok(table.name.clone()),
        _ => Err(Error::new(
            Class::Invalid,
            "INVALID_FEATURE_VIEW",
            format!(
                "expected a dataset's name alone, since it is read at each time of the features, found {}",
                table.name
            ),
        )),
    });
    plain.collect()
}

fn record(store: &Store, id: &FeatureViewId) -> Result<Option<Record>> {
    let bytes = store.doc(Space::Views, id.as_str().as_bytes())?;
    bytes.map(|bytes| read(&bytes)).transpose()
}

fn existing(store: &Store, id: &FeatureViewId) -> Result<Record> {
    record(store, id)?.ok_or_else(|| not_found(store, id))
}

fn read(bytes: &[u8]) -> Result<Record> {
    let record: Record = serde_json::from_slice(bytes)?;
    if record.format > FORMAT {
        return Err(Error::new(
            Class::State,
            "STORE_TOO_NEW",
            format!(
                "expected a feature view of form {FORMAT} or older, found {}",
                record.format
            ),
        ));
    }
    Ok(record)
}

fn not_found(store: &Store, id: &FeatureViewId) -> Error {
    let known = views(store).unwrap_or_default();
    let known: Vec<&str> = known.iter().map(|(id, _)| id.as_str()).take(20).collect();
    let known = if known.is_empty() {
        "there is none yet".to_owned()
    } else {
        format!("expected one of {}", known.join(", "))
    };
    Error::new(
        Class::NotFound,
        "FEATURE_VIEW_NOT_FOUND",
        format!("no feature view {:?}: {known}", id.as_str()),
    )
}
