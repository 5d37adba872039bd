//! Starts and stops an engine: store, plugins, jobs, then the gRPC server on top.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use lode_host::Host;
use lode_host::HostConfig;
use lode_host::QuarantineRule;
use lode_host::Watcher;
use lode_jobs::Jobs;
use lode_query::Sql;
use lode_query::SqlLimits;
use lode_store::Store;
use lode_types::Clock;
use lode_types::SystemClock;
use lode_worker::Spawner;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tonic::transport::server::TcpIncoming;

use crate::Config;
use crate::Error;
use crate::Result;
use crate::services;
use crate::services::QueryTurns;
use crate::services::Shared;

/// The engine's version.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// A running engine.
pub struct Engine {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    server: Option<JoinHandle<std::result::Result<(), tonic::transport::Error>>>,
    grace: Duration,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl Engine {
    /// Opens the data directory, loads the plugins, takes up unfinished jobs, and listens.
    /// When this returns, the engine answers.
    ///
    /// # Errors
    /// What keeps it from starting: an address that is not loopback, a data directory that
    /// is in use or damaged, a missing worker program.
    pub async fn start(config: Config) -> Result<Self> {
        if !config.listen.ip().is_loopback() {
            return Err(Error::NotLoopback {
                address: config.listen,
            });
        }
        if !config.worker.is_file() {
            return Err(Error::NoProgram {
                program: config.worker.display().to_string(),
            });
        }
        if !config.sql_worker.is_file() {
            // Everything but queries works without it, and it is by far the longest to build.
            tracing::warn!(program = %config.sql_worker.display(), "no SQL: program not found");
        }
        let cannot_listen = |source| Error::Listen {
            address: config.listen,
            source,
        };
        let listener = TcpListener::bind(config.listen)
            .await
            .map_err(cannot_listen)?;
        let address = listener.local_addr().map_err(cannot_listen)?;

        let opening = config.clone();
        let shared = tokio::task::spawn_blocking(move || open(opening))
            .await
            .map_err(|_| Error::bug("the engine panicked while it started"))??;
        let shared = Arc::new(shared);
        let (stop, stopped) = oneshot::channel::<()>();
        let router = services::router(&shared).await?;
        let server = tokio::spawn(router.serve_with_incoming_shutdown(
            // The server's own setting does not reach a listener that it is given; without it
            // an answer may wait forty milliseconds for the client's delayed acknowledgement.
            TcpIncoming::from(listener).with_nodelay(Some(true)),
            async {
                // A dropped sender means the same as a message: stop.
                drop(stopped.await);
            },
        ));
        tracing::info!(%address, data = %config.data.display(), "engine started");
        Ok(Self {
            address,
            shared,
            stop: Some(stop),
            server: Some(server),
            grace: Duration::from_millis(config.grace_millis),
        })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.address
    }

    /// Stops: takes no more calls, gives those that run a moment, ends the workers, and
    /// closes the store. Jobs that were running run again at the next start.
    ///
    /// # Errors
    /// When the store cannot be closed cleanly; nothing acknowledged is lost by that.
    pub async fn shutdown(mut self) -> Result<()> {
        drop(self.stop.take());
        if let Some(mut server) = self.server.take()
            && tokio::time::timeout(self.grace, &mut server).await.is_err()
        {
            tracing::warn!("calls were still open after the grace time; they are cut off");
            server.abort();
        }
        let shared = Arc::clone(&self.shared);
        let closed = tokio::task::spawn_blocking(move || {
            shared.stop_watching();
            shared.jobs.shutdown();
            shared.store.close()
        });
        match closed.await {
            Ok(closed) => closed.map_err(|error| Error::below(&error))?,
            Err(_) => tracing::error!("the engine panicked while it stopped"),
        }
        tracing::info!("engine stopped");
        Ok(())
    }
}

fn open(config: Config) -> Result<Shared> {
    let below = |error: &dyn lode_types::Failure| Error::below(error);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let store = Store::open(
        &config.data,
        lode_store::Options {
            cache_bytes: config.cache_bytes,
            clock: Arc::clone(&clock),
            compact: config.compact,
            keep_versions: Duration::from_millis(config.keep_versions_millis),
        },
    )
    .map_err(|error| below(&error))?;
    let spawner = Arc::new(Spawner::start().map_err(|error| below(&error))?);
    let host = Host::start(HostConfig {
        plugin_dir: config.plugins.clone(),
        cache_dir: config.data.join("plugins"),
        worker_program: config.worker.clone(),
        worker_args: vec!["worker".to_owned()],
        spawner: Arc::clone(&spawner),
        containment_required: config.containment_required,
        quarantine: QuarantineRule {
            after: config.quarantine_after,
            window: Duration::from_millis(config.quarantine_window_millis),
        },
    })
    .map_err(|error| below(&error))?;
    let host = Arc::new(host);
    let limits = SqlLimits {
        memory_bytes: config.query_memory_bytes,
        scratch: Some(config.data.join("scratch")),
        scratch_bytes: config.query_spill_bytes,
    };
    let sql = Sql::new(spawner, config.sql_worker.clone(), limits);
    let sql = Arc::new(sql.map_err(|error| below(&error))?);
    let (changed, _) = watch::channel(0_u64);
    let changed = Arc::new(changed);
    let tell = Arc::clone(&changed);
    let jobs = Jobs::start(
        store.clone(),
        Arc::clone(&host),
        Arc::clone(&sql),
        lode_jobs::Options {
            jobs_at_once: config.jobs_at_once,
            timeout_millis: config.job_timeout_millis,
            memory_bytes: config.job_memory_bytes,
            threads: config.job_threads,
            serving_workers: config.serving_workers,
            engine_version: VERSION.to_owned(),
            on_change: Arc::new(move || tell.send_modify(|n| *n = n.wrapping_add(1))),
            clock,
        },
    )
    .map_err(|error| below(&error))?;
    // After the jobs, which say what a switch needs.
    let watcher = match config.watch_plugins {
        true => Some(Watcher::start(&host).map_err(|error| below(&error))?),
        false => None,
    };
    Ok(Shared {
        watcher: Mutex::new(watcher),
        store,
        host,
        sql,
        jobs,
        changed,
        queries: QueryTurns::new(
            config.queries_at_once,
            config.queries_waiting,
            Duration::from_millis(config.query_timeout_millis),
        ),
        threads: config.threads,
    })
}
