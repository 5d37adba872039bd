//! What an engine needs to know to start.

use std::net::SocketAddr;
use std::num::NonZero;
use std::path::Path;
use std::path::PathBuf;

/// What an engine needs to know to start.
#[derive(Clone, Debug)]
pub struct Config {
    /// The one directory that the engine owns; made when it is not there.
    pub data: PathBuf,
    /// Where plugin libraries are.
    pub plugins: PathBuf,
    /// Where to listen; a loopback address, port 0 for any free one.
    pub listen: SocketAddr,
    /// Program that runs plugins: started as `PROGRAM worker`.
    pub worker: PathBuf,
    /// Program that runs SQL.
    pub sql_worker: PathBuf,
    /// Cache of the store, in bytes.
    pub cache_bytes: u64,
    /// Whether parts are compacted without being asked.
    pub compact: bool,
    /// How long versions of parts stay readable after a compaction has replaced their parts,
    /// in milliseconds.
    pub keep_versions_millis: u64,
    /// Jobs that run at the same time.
    pub jobs_at_once: usize,
    /// Queries that run at the same time; more wait.
    pub queries_at_once: usize,
    /// Queries that may wait; more are refused.
    pub queries_waiting: usize,
    /// Wall time of a query that names none, in milliseconds.
    pub query_timeout_millis: u64,
    /// What one query may put on the disk, under the data directory, in bytes.
    pub query_spill_bytes: u64,
    /// Wall time of a job whose spec has none, in milliseconds.
    pub job_timeout_millis: u64,
    /// Memory of a job's worker whose spec says none, in bytes.
    pub job_memory_bytes: u64,
    /// Memory of a query's worker, in bytes.
    pub query_memory_bytes: u64,
    /// Threads of a query that says none.
    pub threads: u32,
    /// Threads of a job whose spec says none, and of a model that scores; its worker is held
    /// to as many CPUs.
    pub job_threads: u32,
    /// Whether to start only where the kernel keeps plugins from files and sockets.
    pub containment_required: bool,
    /// Whether the plugin directory is watched for new, changed and vanished files.
    pub watch_plugins: bool,
    /// Crashes of a library within the window after which it is quarantined; 0 never does it.
    pub quarantine_after: u32,
    /// How long a crash of a library counts, in milliseconds.
    pub quarantine_window_millis: u64,
    /// Workers that one model in use may have.
    pub serving_workers: usize,
    /// How long a stop waits for calls to end, in milliseconds.
    pub grace_millis: u64,
}

impl Config {
    /// A configuration with defaults: `program` is the `lode` binary, `lode-sql` lies beside it.
    pub fn new(data: PathBuf, plugins: PathBuf, listen: SocketAddr, program: &Path) -> Self {
        let cores = std::thread::available_parallelism().map_or(2, NonZero::get);
        let threads = u32::try_from(cores).unwrap_or(2);
        Self {
            data,
            plugins,
            listen,
            worker: program.to_owned(),
            sql_worker: program.with_file_name("lode-sql"),
            cache_bytes: 256 << 20,
            compact: true,
            keep_versions_millis: 3_600_000,
            jobs_at_once: 2,
            queries_at_once: 8,
            queries_waiting: 1_000,
            query_timeout_millis: 300_000,
            query_spill_bytes: 16 << 30,
            job_timeout_millis: 3_600_000,
            job_memory_bytes: 4 << 30,
            query_memory_bytes: 2 << 30,
            threads,
            job_threads: threads,
            containment_required: false,
            watch_plugins: true,
            quarantine_after: 3,
            quarantine_window_millis: 600_000,
            serving_workers: cores,
            grace_millis: 5_000,
        }
    }
}
