//! The plugins of an engine: found at start, inspected in children, listed, called.
//!
//! Does not keep workers: each fit starts its own, a scorer owns its own. Invariant: an id of
//! an algorithm belongs to one active plugin.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use lode_types::AlgorithmSpec;
use lode_types::Timestamp;
use lode_worker::Confinement;
use lode_worker::Limits;
use lode_worker::Spawner;
use lode_worker::Worker;
use lode_worker::WorkerCommand;

use crate::CancelFlag;
use crate::Error;
use crate::Event;
use crate::FitCall;
use crate::FitReport;
use crate::Result;
use crate::Scorer;
use crate::ScorerCall;
use crate::discover;
use crate::probe;

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
}

/// The plugins of an engine.
#[derive(Debug)]
pub struct Host {
    pub(crate) launcher: Launcher,
    confinement: Confinement,
    plugins: Vec<PluginInfo>,
    algorithms: BTreeMap<String, Arc<Loaded>>,
}

/// One library of the plugin directory.
#[derive(Clone, Debug, PartialEq)]
pub struct PluginInfo {
    /// Its own name; the file's name when it was refused before it gave one.
    pub name: String,
    /// Its own version; empty when it was refused before it gave one.
    pub version: String,
    /// Whether its algorithms can run.
    pub state: PluginState,
    /// `major.minor` of the ABI it was built for; empty when unknown.
    pub abi: String,
    /// Compiler and target, for people; empty when unknown.
    pub build: String,
    /// Of the file, in hexadecimal; empty when it could not be read.
    pub sha256: String,
    /// Name of the file in the plugin directory.
    pub file_name: String,
    /// Ids of its algorithms; none when it was refused.
    pub algorithms: Vec<String>,
    /// Why it was refused, one line each.
    pub problems: Vec<String>,
    /// When it was inspected.
    pub load_time: Timestamp,
}

/// The life of a library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PluginState {
    /// Its algorithms can run.
    Active,
    /// It was not loaded; its problems say why.
    Refused,
}

/// An algorithm that can run.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// What it says of itself.
    pub spec: AlgorithmSpec,
    /// Name of its plugin.
    pub plugin: String,
    /// Version of its plugin.
    pub plugin_version: String,
    /// Of the library, in hexadecimal.
    pub sha256: String,
    /// The copy that workers load.
    pub(crate) path: PathBuf,
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
        let launcher = Launcher {
            program: config.worker_program,
            args: config.worker_args,
            spawner: config.spawner,
        };
        // Workers run in "/", where a relative path would lead elsewhere.
        let cache_dir = std::path::absolute(&config.cache_dir).map_err(Error::io(format!(
            "find directory {}",
            config.cache_dir.display()
        )))?;
        let confinement = probe::confinement(&launcher, &cache_dir)?;
        if config.containment_required && !confinement.is_sound() {
            return Err(Error::NotContained {
                missing: confinement.missing.join(", "),
            });
        }
        let found = discover::all(&config.plugin_dir, &cache_dir, &launcher)?;
        let mut plugins = Vec::with_capacity(found.len());
        let mut algorithms: BTreeMap<String, Arc<Loaded>> = BTreeMap::new();
        for mut library in found {
            for spec in &library.specs {
                if let Some(other) = algorithms.get(&spec.id) {
                    library.refuse(format!(
                        "algorithm {} is already in plugin {}",
                        spec.id, other.plugin
                    ));
                    break;
                }
            }
            for spec in std::mem::take(&mut library.specs) {
                let loaded = Loaded {
                    plugin: library.info.name.clone(),
                    plugin_version: library.info.version.clone(),
                    sha256: library.info.sha256.clone(),
                    path: library.path.clone(),
                    spec,
                };
                algorithms.insert(loaded.spec.id.clone(), Arc::new(loaded));
            }
            report(&library.info);
            plugins.push(library.info);
        }
        Ok(Self {
            launcher,
            confinement,
            plugins,
            algorithms,
        })
    }

    /// What keeps workers from what is not their own, as found at the start.
    pub fn confinement(&self) -> &Confinement {
        &self.confinement
    }

    /// The libraries of the plugin directory, by file name; refused ones too.
    pub fn plugins(&self) -> Vec<PluginInfo> {
        self.plugins.clone()
    }

    /// The algorithms that can run, by id.
    pub fn algorithms(&self) -> Vec<Arc<Loaded>> {
        self.algorithms.values().cloned().collect()
    }

    /// The algorithm of that id.
    pub fn algorithm(&self, id: &str) -> Option<Arc<Loaded>> {
        self.algorithms.get(id).cloned()
    }

    /// Runs a fit in a worker of its own and waits for it. When this returns the worker is
    /// gone and the outputs will not change any more.
    ///
    /// # Errors
    /// How the call ended: `PLUGIN_PANICKED`, `PLUGIN_CRASHED`, `PLUGIN_EXITED`,
    /// `PLUGIN_OUT_OF_MEMORY`, `JOB_DEADLINE_EXCEEDED`, `JOB_CANCELLED`, or what the
    /// algorithm said.
    pub fn fit(
        &self,
        call: FitCall,
        on_event: &mut dyn FnMut(Event),
        cancel: &CancelFlag,
    ) -> Result<FitReport> {
        let loaded = self.find(&call.algorithm)?;
        crate::fit::run(&self.launcher, &loaded, call, on_event, cancel)
    }

    /// Opens a model in a worker that stays warm.
    ///
    /// # Errors
    /// As of [`Self::fit`]; `MODEL_INVALID` when the model is another algorithm's, of another
    /// format, or damaged.
    pub fn open_scorer(&self, call: ScorerCall) -> Result<Scorer> {
        let loaded = self.find(&call.algorithm)?;
        Scorer::open(&self.launcher, &loaded, call)
    }

    fn find(&self, id: &str) -> Result<Arc<Loaded>> {
        self.algorithm(id)
            .ok_or_else(|| Error::AlgorithmNotFound { id: id.to_owned() })
    }
}

fn report(info: &PluginInfo) {
    match info.state {
        PluginState::Active => tracing::info!(
            plugin = %info.name,
            version = %info.version,
            file = %info.file_name,
            algorithms = %info.algorithms.join(" "),
            "plugin loaded"
        ),
        PluginState::Refused => tracing::warn!(
            file = %info.file_name,
            problems = %info.problems.join("; "),
            "plugin refused"
        ),
    }
}
