//! The plugins of an engine: found at start, loaded and unloaded while it runs, called.
//!
//! Does not keep workers: each fit starts its own, a scorer owns its own. A library that is
//! loaded while the engine runs is inspected, tried and shown to the [`Switching`] before its
//! algorithms take the place of the old ones. Invariant: an id of an algorithm belongs to one
//! plugin, and a version of a plugin to one file.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::RwLock;
use std::sync::Weak;

use lode_worker::Confinement;
use lode_worker::Limits;
use lode_worker::Spawner;
use lode_worker::Worker;
use lode_worker::WorkerCommand;

use crate::Algorithms;
use crate::CancelFlag;
use crate::Error;
use crate::Event;
use crate::FitCall;
use crate::FitReport;
use crate::Loaded;
use crate::PluginInfo;
use crate::PluginState;
use crate::QuarantineRule;
use crate::Result;
use crate::Scorer;
use crate::ScorerCall;
use crate::copies::Copies;
use crate::discover;
use crate::discover::Signature;
use crate::probe;
use crate::quarantine::Quarantine;
use crate::registry::Registry;
use crate::trial;

/// Where plugins are and how workers start.
#[derive(Clone, Debug)]
pub struct HostConfig {
    /// Every `*.so` in it is a plugin.
    pub plugin_dir: PathBuf,
    /// Libraries are copied here under their SHA-256 and loaded from here; made if missing.
    pub cache_dir: PathBuf,
    /// The program that calls [`crate::worker_main`].
    pub worker_program: PathBuf,
    /// Its arguments, such as `worker`.
    pub worker_args: Vec<String>,
    /// Starts the workers.
    pub spawner: Arc<Spawner>,
    /// Whether to start only where workers are kept from files and sockets.
    pub containment_required: bool,
    /// When a library that crashes is stopped.
    pub quarantine: QuarantineRule,
}

/// Who has to be ready before other algorithms take the place of those that run.
pub trait Switching: Send + Sync {
    /// Called before a switch, with the algorithms as they will be; what it gives is what
    /// stands against the switch, one line each.
    fn before(&self, next: &Algorithms) -> Vec<String>;
    /// Called after a switch or an unload.
    fn after(&self);
}

/// Which library to unload; what is empty does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnloadTarget {
    /// Name of the plugin.
    pub name: String,
    /// Version of the plugin.
    pub version: String,
    /// Name of its file.
    pub file_name: String,
}

/// The plugins of an engine.
pub struct Host {
    pub(crate) launcher: Launcher,
    confinement: Confinement,
    plugin_dir: PathBuf,
    copies: Arc<Copies>,
    quarantine: Arc<Quarantine>,
    registry: RwLock<Registry>,
    /// Held while the registry is being changed, so that one library is taken at a time.
    changing: Mutex<Changing>,
    switching: Mutex<Option<Weak<dyn Switching>>>,
}

/// What is known of the files.
#[derive(Debug, Default)]
struct Changing {
    /// How each file looked when it was last taken or refused.
    taken: BTreeMap<String, Signature>,
    /// Files that were refused for what another file holds.
    conflicted: BTreeSet<String>,
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Host")
            .field("plugin_dir", &self.plugin_dir)
            .finish_non_exhaustive()
    }
}

/// Starts plugin workers.
#[derive(Clone, Debug)]
pub(crate) struct Launcher {
    program: PathBuf,
    args: Vec<String>,
    spawner: Arc<Spawner>,
}

impl Launcher {
    /// Starts a worker that is held to so many CPUs; 0 for all.
    pub(crate) fn launch(&self, memory_bytes: u64, cpus: u32) -> Result<Worker> {
        Ok(self.spawner.spawn(&WorkerCommand {
            program: self.program.clone(),
            args: self.args.clone(),
            limits: Limits { memory_bytes, cpus },
        })?)
    }
}

impl Host {
    /// Inspects every library of the plugin directory. One that cannot be used is kept with
    /// its problems; it does not stop the others.
    ///
    /// # Errors
    /// When the directories cannot be read or made, or no worker can be started;
    /// `CONTAINMENT_MISSING` when containment is required and the kernel lacks it.
    pub fn start(config: HostConfig) -> Result<Self> {
        let copies = Copies::open(&config.cache_dir)?;
        let launcher = Launcher {
            program: config.worker_program,
            args: config.worker_args,
            spawner: config.spawner,
        };
        let confinement = probe::confinement(&launcher, copies.dir())?;
        if config.containment_required && !confinement.is_sound() {
            return Err(Error::NotContained {
                missing: confinement.missing.join(", "),
            });
        }
        let host = Self {
            launcher,
            confinement,
            quarantine: Arc::new(Quarantine::open(copies.dir(), config.quarantine)),
            plugin_dir: config.plugin_dir,
            copies,
            registry: RwLock::default(),
            changing: Mutex::default(),
            switching: Mutex::default(),
        };
        let mut changing = lock(&host.changing);
        for file_name in discover::file_names(&host.plugin_dir)? {
            match host.take_in(&mut changing, &file_name, false) {
                Ok(_) | Err(Error::Refused { .. }) => {}
                // A full disk does not keep an engine from answering what it can.
                Err(error @ Error::Io { .. }) => {
                    let mut info = discover::unknown(&file_name);
                    info.problems.push(lode_types::chain(&error));
                    host.refuse(info);
                }
                Err(error) => return Err(error),
            }
        }
        drop(changing);
        host.copies.forget_others();
        Ok(host)
    }

    /// What keeps workers from what is not their own, as found at the start.
    pub fn confinement(&self) -> &Confinement {
        &self.confinement
    }

    /// Who is asked before each switch from now on.
    pub fn set_switching(&self, switching: Weak<dyn Switching>) {
        *lock(&self.switching) = Some(switching);
    }

    /// The libraries of the plugin directory, by file name; refused, unloaded and replaced
    /// ones too.
    pub fn plugins(&self) -> Vec<PluginInfo> {
        let list = self.read().list();
        list.into_iter()
            .map(|info| self.with_crashes(info))
            .collect()
    }

    /// The algorithms that can run, as they are now.
    pub fn picture(&self) -> Arc<Algorithms> {
        self.read().algorithms()
    }

    /// The algorithms that can run, by id; all versions, the highest of each first.
    pub fn algorithms(&self) -> Vec<Arc<Loaded>> {
        self.picture().all()
    }

    /// The algorithm that `id`, of the highest version, or `id@version` means.
    pub fn algorithm(&self, name: &str) -> Option<Arc<Loaded>> {
        self.picture().get(name)
    }

    /// Whether calls of a library are refused because it crashed too often.
    ///
    /// # Errors
    /// `PLUGIN_QUARANTINED`, with the last crash.
    pub fn check_quarantine(&self, loaded: &Loaded) -> Result<()> {
        self.quarantine.check(loaded)
    }

    /// Runs a fit of the algorithm that the call names, as [`Self::fit_with`].
    ///
    /// # Errors
    /// `ALGORITHM_NOT_FOUND`, and as of [`Self::fit_with`].
    pub fn fit(
        &self,
        call: FitCall,
        on_event: &mut dyn FnMut(Event),
        cancel: &CancelFlag,
    ) -> Result<FitReport> {
        let loaded = self.find(&call.algorithm)?;
        self.fit_with(&loaded, call, on_event, cancel)
    }

    /// Runs a fit in a worker of its own and waits for it. When this returns the worker is
    /// gone and the outputs will not change any more.
    ///
    /// # Errors
    /// How the call ended: `PLUGIN_PANICKED`, `PLUGIN_CRASHED`, `PLUGIN_EXITED`,
    /// `PLUGIN_OUT_OF_MEMORY`, `JOB_DEADLINE_EXCEEDED`, `JOB_CANCELLED`, or what the
    /// algorithm said; `PLUGIN_QUARANTINED` when it was not started.
    pub fn fit_with(
        &self,
        loaded: &Loaded,
        mut call: FitCall,
        on_event: &mut dyn FnMut(Event),
        cancel: &CancelFlag,
    ) -> Result<FitReport> {
        self.quarantine.check(loaded)?;
        call.algorithm.clone_from(&loaded.spec.id);
        let result = crate::fit::run(&self.launcher, loaded, call, on_event, cancel);
        if let Err(error) = &result {
            self.quarantine.note(loaded, error);
        }
        result
    }

    /// Opens a model of the algorithm that the call names, as [`Self::open_scorer_with`].
    ///
    /// # Errors
    /// `ALGORITHM_NOT_FOUND`, and as of [`Self::open_scorer_with`].
    pub fn open_scorer(&self, call: ScorerCall) -> Result<Scorer> {
        let loaded = self.find(&call.algorithm)?;
        self.open_scorer_with(&loaded, call)
    }

    /// Opens a model in a worker that stays warm.
    ///
    /// # Errors
    /// As of [`Self::fit_with`]; `MODEL_INVALID` when the model is another algorithm's, of
    /// another format, or damaged.
    pub fn open_scorer_with(&self, loaded: &Arc<Loaded>, mut call: ScorerCall) -> Result<Scorer> {
        self.quarantine.check(loaded)?;
        call.algorithm.clone_from(&loaded.spec.id);
        match Scorer::open(&self.launcher, loaded, call) {
            Ok(scorer) => Ok(scorer.watched(Arc::clone(loaded), Arc::clone(&self.quarantine))),
            Err(error) => {
                self.quarantine.note(loaded, &error);
                Err(error)
            }
        }
    }

    /// Loads a file of the plugin directory, in the place of what it brought before. When
    /// this returns every new call gets the new library; calls that run end with the old one.
    ///
    /// # Errors
    /// `PLUGIN_FILE_INVALID`, `PLUGIN_NOT_FOUND`; `PLUGIN_REFUSED` with every reason, after
    /// which the old library goes on.
    pub fn load(&self, file_name: &str) -> Result<PluginInfo> {
        discover::path_of(&self.plugin_dir, file_name)?;
        self.take(file_name, None)
    }

    /// Unloads a library: no new call gets it, calls that run end with it. Its file is not
    /// taken again before it changes, is loaded by name, or the engine starts anew.
    ///
    /// # Errors
    /// `PLUGIN_NOT_FOUND`, `PLUGIN_AMBIGUOUS`.
    pub fn unload(&self, target: &UnloadTarget) -> Result<PluginInfo> {
        let mut changing = lock(&self.changing);
        let fits = |info: &PluginInfo| {
            (target.name.is_empty() || info.name == target.name)
                && (target.version.is_empty() || info.version == target.version)
                && (target.file_name.is_empty() || info.file_name == target.file_name)
        };
        let registry = self.read();
        let active = registry.active.values().map(|library| &library.info);
        let found: Vec<PluginInfo> = active.filter(|info| fits(info)).cloned().collect();
        let before = registry.unloaded.values().find(|info| fits(info)).cloned();
        drop(registry);
        let mut info = match (found.as_slice(), before) {
            ([one], _) => one.clone(),
            ([], Some(before)) => return Ok(before),
            ([], None) => {
                return Err(Error::PluginNotFound(format!(
                    "expected a loaded plugin, found none of {}",
                    target.words()
                )));
            }
            (several, _) => {
                let several: Vec<String> = several
                    .iter()
                    .map(|info| format!("{} {} of {}", info.name, info.version, info.file_name))
                    .collect();
                return Err(Error::PluginAmbiguous(format!(
                    "expected one plugin, found {}: name the version or the file",
                    several.join(", ")
                )));
            }
        };
        info.state = PluginState::Unloaded;
        let file_name = info.file_name.clone();
        let mut registry = self.write();
        registry.take_out(&file_name);
        registry.unloaded.insert(file_name.clone(), info.clone());
        drop(registry);
        tracing::info!(plugin = %info.name, version = %info.version, file = %file_name, "plugin unloaded");
        self.made_room(&mut changing);
        Ok(self.with_crashes(info))
    }

    /// Lifts a quarantine; a library that is not quarantined stays as it is.
    ///
    /// # Errors
    /// `PLUGIN_NOT_FOUND` when no library's checksum begins so.
    pub fn release(&self, sha256: &str) -> Result<PluginInfo> {
        const LEAST: usize = 8;
        let released = if sha256.len() < LEAST {
            None
        } else {
            self.quarantine.release(sha256)
        };
        let plugins = self.plugins();
        let mut known = plugins
            .into_iter()
            .filter(|info| sha256.len() >= LEAST && info.sha256.starts_with(sha256));
        match (known.next(), released) {
            (Some(info), _) => Ok(info),
            (None, Some((sha256, record))) => Ok(record.info(sha256)),
            (None, None) => Err(Error::PluginNotFound(format!(
                "expected at least {LEAST} digits of the checksum of a library, found {sha256:?}, which is none's"
            ))),
        }
    }

    /// The files of the plugin directory as they look now.
    pub(crate) fn files(&self) -> Result<BTreeMap<String, Signature>> {
        let names = discover::file_names(&self.plugin_dir)?.into_iter();
        let files = names.filter_map(|name| {
            let signature = Signature::of(&self.plugin_dir.join(&name))?;
            Some((name, signature))
        });
        Ok(files.collect())
    }

    /// Whether a file looks other than when it was last taken.
    pub(crate) fn is_news(&self, file_name: &str, signature: Signature) -> bool {
        lock(&self.changing).taken.get(file_name) != Some(&signature)
    }

    /// What is known of files that are not among `files`.
    pub(crate) fn gone(&self, files: &BTreeMap<String, Signature>) -> Vec<String> {
        let registry = self.read();
        let known: BTreeSet<&String> = registry
            .active
            .keys()
            .chain(registry.refused.keys())
            .chain(registry.unloaded.keys())
            .collect();
        let gone = known.into_iter().filter(|name| !files.contains_key(*name));
        gone.cloned().collect()
    }

    /// Unloads what a file brought that is no longer there, and forgets the file.
    pub(crate) fn let_go(&self, file_name: &str) {
        let mut changing = lock(&self.changing);
        if self.plugin_dir.join(file_name).exists() {
            return;
        }
        changing.taken.remove(file_name);
        changing.conflicted.remove(file_name);
        let mut registry = self.write();
        registry.refused.remove(file_name);
        registry.unloaded.remove(file_name);
        let old = registry.take_out(file_name);
        drop(registry);
        if let Some(old) = old {
            tracing::info!(plugin = %old.name, version = %old.version, file = %file_name, "plugin unloaded: its file is gone");
            self.made_room(&mut changing);
        }
    }

    /// Takes a file, unless it has been taken as `seen` already.
    pub(crate) fn take(&self, file_name: &str, seen: Option<Signature>) -> Result<PluginInfo> {
        let mut changing = lock(&self.changing);
        if seen.is_some() && changing.taken.get(file_name) == seen.as_ref() {
            return Err(Error::PluginNotFound("taken already".to_owned()));
        }
        self.take_in(&mut changing, file_name, true)
    }

    fn take_in(
        &self,
        changing: &mut Changing,
        file_name: &str,
        try_it: bool,
    ) -> Result<PluginInfo> {
        // Before the file is read, so that a change meanwhile is news.
        match Signature::of(&self.plugin_dir.join(file_name)) {
            Some(signature) => changing.taken.insert(file_name.to_owned(), signature),
            None => changing.taken.remove(file_name),
        };
        changing.conflicted.remove(file_name);
        let now = self.read().active.get(file_name).map(Arc::clone);
        let known = now.as_ref().map(|library| library.info.sha256.as_str());
        let looked = discover::look(
            &self.plugin_dir,
            file_name,
            &self.copies,
            &self.launcher,
            known,
        );
        let looked = looked.inspect_err(|_| {
            changing.taken.remove(file_name);
        })?;
        let Some((mut info, library)) = looked else {
            // The file holds what is loaded.
            self.write().refused.remove(file_name);
            let info = now.map(|library| library.info.clone());
            return info
                .map(|info| self.with_crashes(info))
                .ok_or_else(|| Error::PluginNotFound(format!("{file_name:?} is not loaded")));
        };
        let conflicts = self.read().conflicts(&info);
        if !conflicts.is_empty() {
            changing.conflicted.insert(file_name.to_owned());
        }
        info.problems.extend(conflicts);
        if let Some(library) = library.as_ref().filter(|_| try_it) {
            let tried = trial::problems(&self.launcher, &self.copies, library);
            // What the machine cannot do now is tried again, and is no fault of the file.
            info.problems.extend(tried.inspect_err(|_| {
                changing.taken.remove(file_name);
            })?);
            if info.problems.is_empty()
                && let Some(switching) = self.switching()
            {
                let next = self.read().with(library);
                info.problems.extend(switching.before(&next));
            }
        }
        match library {
            Some(library) if info.problems.is_empty() => self.write().switch(library),
            _ => return Err(self.refuse(info)),
        }
        report(&info);
        if try_it {
            self.made_room(changing);
        }
        Ok(self.with_crashes(info))
    }

    fn refuse(&self, mut info: PluginInfo) -> Error {
        info.state = PluginState::Refused;
        info.algorithms.clear();
        report(&info);
        let error = Error::Refused {
            file_name: info.file_name.clone(),
            problems: info.problems.clone(),
        };
        let mut registry = self.write();
        registry.refused.insert(info.file_name.clone(), info);
        error
    }

    /// After a library was replaced or unloaded: files that it stood against are news.
    fn made_room(&self, changing: &mut Changing) {
        for file_name in std::mem::take(&mut changing.conflicted) {
            changing.taken.remove(&file_name);
        }
        if let Some(switching) = self.switching() {
            switching.after();
        }
    }

    fn switching(&self) -> Option<Arc<dyn Switching>> {
        lock(&self.switching).as_ref().and_then(Weak::upgrade)
    }

    fn with_crashes(&self, mut info: PluginInfo) -> PluginInfo {
        let Some((record, n)) = self.quarantine.of(&info.sha256) else {
            return info;
        };
        info.crashes = n;
        info.quarantine_time = record.since;
        if record.since.is_some() && info.state == PluginState::Active {
            info.state = PluginState::Quarantined;
            let words = self.quarantine.words(&info.sha256, &record);
            info.problems.push(words);
        }
        info.last_crash = Some(record.last);
        info
    }

    fn find(&self, name: &str) -> Result<Arc<Loaded>> {
        self.algorithm(name)
            .ok_or_else(|| Error::AlgorithmNotFound {
                id: name.to_owned(),
            })
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Registry> {
        self.registry.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, Registry> {
        self.registry
            .write()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl UnloadTarget {
    fn words(&self) -> String {
        let parts = [
            ("name", &self.name),
            ("version", &self.version),
            ("file", &self.file_name),
        ];
        let parts: Vec<String> = parts
            .iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(what, value)| format!("{what} {value:?}"))
            .collect();
        parts.join(", ")
    }
}

fn report(info: &PluginInfo) {
    if info.state == PluginState::Refused {
        tracing::warn!(
            file = %info.file_name,
            problems = %info.problems.join("; "),
            "plugin refused"
        );
        return;
    }
    tracing::info!(
        plugin = %info.name,
        version = %info.version,
        file = %info.file_name,
        algorithms = %info.algorithms.join(" "),
        "plugin loaded"
    );
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
