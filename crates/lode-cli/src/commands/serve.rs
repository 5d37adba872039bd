//! `lode serve`: runs an engine until it is asked to stop.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use lode_engine::Config;
use lode_engine::Engine;

use crate::failure::Failed;
use crate::failure::Result;
use crate::failure::say;
use crate::output::print;

/// Arguments of `lode serve`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Directory that keeps everything; made when it is not there
    #[arg(long, default_value = "lode-data", value_name = "DIR")]
    data: PathBuf,
    /// Directory of plugin libraries [default: plugins beside the lode program]
    #[arg(long, value_name = "DIR")]
    plugins: Option<PathBuf>,
    /// Loopback address to listen on; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:7400", value_name = "ADDR:PORT")]
    listen: SocketAddr,
    /// Memory of a job that does not say its own, in MiB
    #[arg(long, value_name = "MIB")]
    job_memory_mib: Option<u64>,
    /// Wall time of a job that does not say its own, like 90s, 30m or 1h [default: 1h]
    #[arg(long, value_name = "TIME", value_parser = crate::parse::millis)]
    job_timeout: Option<u64>,
    /// Threads, and CPUs, of a job that does not say its own, and of each model that scores
    /// [default: those of the machine]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=256))]
    job_threads: Option<u32>,
    /// Whether to start where the kernel cannot keep plugins from files and the network
    #[arg(long, value_enum, default_value_t = Containment::BestEffort)]
    containment: Containment,
    /// Jobs that run at the same time
    #[arg(long, value_name = "N")]
    jobs_at_once: Option<usize>,
    /// Whether parts are compacted in the background: on, or off for measuring; `lode dataset
    /// NAME --compact` works either way
    #[arg(long, default_value = "on", value_name = "on|off", action = clap::ArgAction::Set, value_parser = on_or_off)]
    compaction: bool,
    /// How long versions of events, items and links stay readable after a compaction has
    /// replaced their parts, like 90s, 30m, 1h or 7d
    #[arg(long, default_value = "1h", value_name = "TIME", value_parser = crate::parse::millis)]
    keep_versions: u64,
    /// Memory of a query, in MiB
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u64).range(16..))]
    query_memory_mib: Option<u64>,
    /// What a query may put on the disk when its memory does not do, in MiB
    #[arg(long, value_name = "MIB")]
    query_spill_mib: Option<u64>,
    /// Queries that run at the same time
    #[arg(long, value_name = "N")]
    queries_at_once: Option<usize>,
    /// Queries that may wait for their turn; more are refused
    #[arg(long, value_name = "N")]
    queries_waiting: Option<usize>,
    /// Whether the plugin directory is watched: a new or changed file is loaded, the library of
    /// one that is gone unloaded
    #[arg(long, default_value = "on", value_name = "on|off", action = clap::ArgAction::Set, value_parser = on_or_off)]
    watch_plugins: bool,
    /// Crashes of a plugin's library within the window after which it is quarantined; 0 never
    #[arg(long, default_value_t = 3, value_name = "N")]
    quarantine_after: u32,
    /// How long a crash of a plugin counts, like 90s, 30m, 1h or 7d
    #[arg(long, default_value = "10m", value_name = "TIME", value_parser = crate::parse::millis)]
    quarantine_window: u64,
    /// Warm workers that one model in use may have [default: the cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    serving_workers: Option<u16>,
    /// What to log: error, warn, info, debug or trace
    #[arg(long, default_value = "info", value_name = "LEVEL")]
    log: tracing::Level,
}

/// What an engine does on a kernel that lacks landlock or seccomp.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Containment {
    /// Starts, warns, and uses what there is
    BestEffort,
    /// Refuses to start
    Required,
}

fn on_or_off(word: &str) -> std::result::Result<bool, String> {
    match word {
        "on" => Ok(true),
        "off" => Ok(false),
        other => Err(format!("expected on or off, found {other:?}")),
    }
}

pub(crate) async fn run(args: Args) -> Result<ExitCode> {
    start_log(args.log);
    let mut config = config(args.data, args.plugins, args.listen)?;
    if let Some(mib) = args.job_memory_mib {
        config.job_memory_bytes = mib << 20;
    }
    if let Some(millis) = args.job_timeout {
        config.job_timeout_millis = millis;
    }
    if let Some(threads) = args.job_threads {
        config.job_threads = threads;
    }
    config.containment_required = args.containment == Containment::Required;
    if let Some(jobs) = args.jobs_at_once {
        config.jobs_at_once = jobs.max(1);
    }
    config.compact = args.compaction;
    config.keep_versions_millis = args.keep_versions;
    if let Some(mib) = args.query_memory_mib {
        config.query_memory_bytes = mib << 20;
    }
    if let Some(mib) = args.query_spill_mib {
        config.query_spill_bytes = mib << 20;
    }
    if let Some(queries) = args.queries_at_once {
        config.queries_at_once = queries.max(1);
    }
    if let Some(queries) = args.queries_waiting {
        config.queries_waiting = queries;
    }
    config.watch_plugins = args.watch_plugins;
    config.quarantine_after = args.quarantine_after;
    config.quarantine_window_millis = args.quarantine_window;
    if let Some(workers) = args.serving_workers {
        config.serving_workers = usize::from(workers);
    }
    // Asked for before the engine starts, so that a stop during a long recovery is not lost.
    let mut stop = Stop::new()?;
    let starting = Engine::start(config);
    let engine = tokio::select! {
        engine = starting => engine.map_err(|error| Failed::of(&error))?,
        () = stop.wait() => return Ok(ExitCode::SUCCESS),
    };
    print(&format!("lode is listening on http://{}", engine.addr()))?;
    stop.wait().await;
    say("lode is stopping");
    engine
        .shutdown()
        .await
        .map_err(|error| Failed::of(&error))?;
    Ok(ExitCode::SUCCESS)
}

/// A configuration around this very program: it runs plugins as `lode worker`, and finds
/// `lode-sql` and `plugins` beside itself.
pub(crate) fn config(
    data: PathBuf,
    plugins: Option<PathBuf>,
    listen: SocketAddr,
) -> Result<Config> {
    let program = std::env::current_exe()
        .map_err(|error| Failed::io("cannot find the lode program itself", error))?;
    let plugins = plugins.unwrap_or_else(|| program.with_file_name("plugins"));
    Ok(Config::new(data, plugins, listen, &program))
}

/// Logs to stderr.
pub(crate) fn start_log(level: tracing::Level) {
    let log = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .finish();
    // A log that is set already is that of a test; it may stay.
    drop(tracing::subscriber::set_global_default(log));
}

/// SIGINT and SIGTERM.
struct Stop {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

impl Stop {
    fn new() -> Result<Self> {
        use tokio::signal::unix::SignalKind;
        use tokio::signal::unix::signal;
        let failed = |error| Failed::io("cannot listen for signals", error);
        Ok(Self {
            interrupt: signal(SignalKind::interrupt()).map_err(failed)?,
            terminate: signal(SignalKind::terminate()).map_err(failed)?,
        })
    }

    async fn wait(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
