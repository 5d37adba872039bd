//! The models in use, each with the workers of the library that answers for it.
//!
//! Before other libraries take the place of those that run, their workers are opened for the
//! models in use; afterwards the workers of the old ones go as soon as their calls have ended.
//! Invariant: a call that begins after a switch gets a worker of the new library.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Instant;

use lode_host::Algorithms;
use lode_host::Host;
use lode_host::Loaded;
use lode_host::Scorer;
use lode_host::ScorerCall;
use lode_host::Switching;
use lode_store::Area;
use lode_store::Store;
use lode_types::Class;
use lode_types::ModelId;
use lode_types::Task;
use lode_types::chain;

use super::library::library_of;
use super::pool::Pool;
use crate::Error;
use crate::Model;
use crate::Options;
use crate::Result;
use crate::card;
use crate::card::Card;
use crate::offering::Catalogue;
use crate::reasons::Glossary;
use crate::records;

/// Models that are kept open; the least recently used one is closed for another.
const MAX_OPEN_MODELS: usize = 16;

/// A model in use.
struct Entry {
    model: Arc<Model>,
    card: Arc<Card>,
    glossary: Arc<Glossary>,
    /// Of a recommender.
    catalogue: Option<Arc<Catalogue>>,
    /// By checksum of the library; more than one around a switch.
    pools: BTreeMap<String, Arc<Pool>>,
    last_used: Instant,
}

/// A model with the workers for one call.
pub(super) struct OpenModel {
    pub(super) model: Arc<Model>,
    pub(super) card: Arc<Card>,
    pub(super) glossary: Arc<Glossary>,
    catalogue: Option<Arc<Catalogue>>,
    pub(super) pool: Arc<Pool>,
}

impl OpenModel {
    /// What the offers of a recommender rest on.
    pub(super) fn catalogue(&self) -> Result<&Catalogue> {
        let catalogue = self.catalogue.as_deref();
        catalogue.ok_or_else(|| Error::bug("a recommender without what its offers rest on"))
    }
}

/// All models in use.
pub(crate) struct OpenModels {
    store: Store,
    host: Arc<Host>,
    threads: u32,
    memory_bytes: u64,
    /// Workers of one model.
    most: usize,
    entries: Mutex<HashMap<ModelId, Entry>>,
}

impl OpenModels {
    pub(super) fn new(store: Store, host: Arc<Host>, options: &Options) -> Self {
        Self {
            store,
            host,
            threads: options.threads,
            memory_bytes: options.memory_bytes,
            most: options.serving_workers,
            entries: Mutex::default(),
        }
    }

    /// The record of a model.
    pub(super) fn model(&self, id: &ModelId) -> Result<Model> {
        records::model(&self.store, id)?.ok_or_else(|| {
            Error::new(
                Class::NotFound,
                "MODEL_NOT_FOUND",
                format!("no model {:?}", id.as_str()),
            )
            .at("model")
        })
    }

    /// The model and the workers of the library that answers for it now.
    pub(super) fn get(&self, id: &ModelId) -> Result<OpenModel> {
        let mut closed = None;
        let mut entries = self.lock();
        if !entries.contains_key(id) {
            let model = Arc::new(self.model(id)?);
            let card = Arc::new(card::read(&self.store, &model.file)?);
            if entries.len() >= MAX_OPEN_MODELS {
                let oldest = entries.iter().min_by_key(|(_, entry)| entry.last_used);
                let oldest = oldest.map(|(id, _)| id.clone());
                closed = oldest.and_then(|oldest| entries.remove(&oldest));
            }
            // The task of the library that answers now decides below.
            let offers = library_of(&self.host.picture(), &model)
                .is_ok_and(|loaded| loaded.spec.task == Task::Recommendation);
            let catalogue = match offers {
                true => Some(Arc::new(Catalogue::of(&self.store, &model)?)),
                false => None,
            };
            let entry = Entry {
                model,
                catalogue,
                glossary: Arc::new(Glossary::of(card.profile.as_ref())),
                card,
                pools: BTreeMap::new(),
                last_used: Instant::now(),
            };
            entries.insert(id.clone(), entry);
        }
        let Some(entry) = entries.get_mut(id) else {
            return Err(Error::bug("a model that was opened is not there"));
        };
        entry.last_used = Instant::now();
        // Looked up under the lock: what a switch leaves behind is then cleared after it.
        let loaded = library_of(&self.host.picture(), &entry.model)?;
        self.host.check_quarantine(&loaded)?;
        let pool = entry
            .pools
            .entry(loaded.sha256.clone())
            .or_insert_with(|| Arc::new(Pool::new(loaded, self.most)));
        let open = OpenModel {
            model: Arc::clone(&entry.model),
            card: Arc::clone(&entry.card),
            glossary: Arc::clone(&entry.glossary),
            catalogue: entry.catalogue.clone(),
            pool: Arc::clone(pool),
        };
        drop(entries);
        drop(closed);
        Ok(open)
    }

    /// Opens workers for `to`, as many as `from` has.
    pub(super) fn follow(&self, from: &ModelId, to: &ModelId) -> Result<()> {
        let entries = self.lock();
        let pools = entries.get(from).map(|entry| entry.pools.values());
        let workers = pools.map_or(0, |pools| pools.map(|pool| pool.len()).sum());
        drop(entries);
        if workers == 0 {
            return Ok(());
        }
        let open = self.get(to)?;
        let opened = || self.scorer(&open.model, &open.pool.loaded);
        open.pool.warm(workers, &opened)
    }

    /// Opens a model in a worker.
    pub(super) fn scorer(&self, model: &Model, loaded: &Arc<Loaded>) -> Result<Scorer> {
        let call = ScorerCall {
            algorithm: model.algorithm.clone(),
            params_json: model.provenance.params_json.clone(),
            model: self.store.open_file(Area::Models, &model.file)?,
            seed: model.seed,
            threads: self.threads,
            memory_bytes: self.memory_bytes,
        };
        Ok(self.host.open_scorer_with(loaded, call)?)
    }

    /// Closes a model that was deleted.
    pub(super) fn forget(&self, id: &ModelId) {
        let closed = self.lock().remove(id);
        drop(closed);
    }

    /// Closes all models.
    pub(super) fn clear(&self) {
        let closed = std::mem::take(&mut *self.lock());
        drop(closed);
    }

    /// Closes workers that have been idle for long.
    pub(super) fn shrink(&self) {
        let now = Instant::now();
        let entries = self.lock();
        let pools = entries.values().flat_map(|entry| entry.pools.values());
        let closed: Vec<Scorer> = pools.flat_map(|pool| pool.shrink(now)).collect();
        drop(entries);
        drop(closed);
    }

    /// Opens workers for the models in use in the libraries that will answer for them.
    fn prepare(&self, next: &Algorithms) -> Vec<String> {
        let mut wanted = Vec::new();
        for (id, entry) in &mut *self.lock() {
            let workers = entry.pools.values().map(|pool| pool.len()).sum::<usize>();
            if workers == 0 {
                continue;
            }
            match library_of(next, &entry.model) {
                Ok(loaded) if entry.pools.contains_key(&loaded.sha256) => {}
                Ok(loaded) => {
                    let pool = Arc::new(Pool::new(Arc::clone(&loaded), self.most));
                    let model = Arc::clone(&entry.model);
                    entry.pools.insert(loaded.sha256.clone(), Arc::clone(&pool));
                    wanted.push((model, pool, workers));
                }
                Err(error) => {
                    tracing::warn!(model = id.as_str(), error = %chain(&error), "a model in use has no library after this switch");
                }
            }
        }
        self.warm(&wanted)
    }

    /// Opens workers for several models at once; gives what cannot be opened, and why.
    fn warm(&self, wanted: &[(Arc<Model>, Arc<Pool>, usize)]) -> Vec<String> {
        let cannot = |model: &Model, why: &str| {
            let id = model.id.as_str();
            format!("model {id:?}, which is in use, cannot be opened: {why}")
        };
        std::thread::scope(|scope| {
            let mut opening = Vec::new();
            for (model, pool, workers) in wanted {
                let open = || self.scorer(model, &pool.loaded);
                let thread = std::thread::Builder::new()
                    .name("serving-warm".to_owned())
                    .spawn_scoped(scope, move || pool.warm(*workers, &open));
                opening.push((model, thread));
            }
            let mut problems = Vec::new();
            for (model, thread) in opening {
                let opened = thread.map(|thread| thread.join());
                match opened {
                    Ok(Ok(Ok(()))) => {}
                    Ok(Ok(Err(error))) => problems.push(cannot(model, &chain(&error))),
                    Ok(Err(_)) => problems.push(cannot(model, "the engine panicked")),
                    Err(error) => problems.push(cannot(model, &error.to_string())),
                }
            }
            problems
        })
    }

    /// Lets go of the workers of libraries that no longer answer.
    fn settle(&self) {
        let mut closed = Vec::new();
        let mut entries = self.lock();
        let picture = self.host.picture();
        for entry in entries.values_mut() {
            let current = library_of(&picture, &entry.model).map(|loaded| loaded.sha256.clone());
            let pools = std::mem::take(&mut entry.pools);
            for (sha256, pool) in pools {
                if current.as_ref() == Ok(&sha256) {
                    entry.pools.insert(sha256, pool);
                } else {
                    closed.push(pool);
                }
            }
        }
        drop(entries);
        // Ends idle workers here; the busy ones end with their calls.
        drop(closed);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ModelId, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Switching for OpenModels {
    fn before(&self, next: &Algorithms) -> Vec<String> {
        let problems = self.prepare(next);
        if !problems.is_empty() {
            self.settle();
        }
        problems
    }

    fn after(&self) {
        self.settle();
    }
}
