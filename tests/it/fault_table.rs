//! The fault table: each misdeed of a plugin, what the client sees of it and how soon, while
//! other jobs run that all succeed with the outputs of an undisturbed run.
//!
//! 20 other jobs, or 200 with `LODE_SLOW_TESTS=1`. What a plugin does to others needs a kernel
//! with landlock and seccomp to be refused; without, those rows are skipped, and it is said.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::net::TcpListener;
use std::net::UdpSocket;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::SocketAddr;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Instant;

use anyhow::Context as _;
use anyhow::Result;
use anyhow::bail;
use arrow_array::Float64Array;
use arrow_array::RecordBatch;
use arrow_array::StringArray;
use lode_client::Client;
use lode_numeric::Rng;
use lode_proto::v1;
use lode_proto::v1::watch_job_response::Kind as Event;
use lode_tests::Engine;
use lode_tests::Setup;
use lode_tests::settings;
use lode_tests::wire;
use lode_tests::work;
use tempfile::TempDir;

/// More arguments of the engine: runners for the others and for the misdeeds.
const ARGS: [&str; 4] = ["--jobs-at-once", "3", "--quarantine-after", "0"];

/// Misdeeds of a plugin against itself: the mode, the reason, and a word of the message.
const OWN: [(&str, &str, &str); 14] = [
    ("panic", "PLUGIN_PANICKED", "this plugin panics on request"),
    ("panic_in_stream", "PLUGIN_PANICKED", "the stream of this"),
    ("panic_in_thread", "PLUGIN_PANICKED", "a thread of this"),
    ("panic_in_drop", "PLUGIN_PANICKED", "a destructor of this"),
    ("segfault", "PLUGIN_CRASHED", "SIGSEGV"),
    ("abort", "PLUGIN_CRASHED", "SIGABRT"),
    ("stack_overflow", "PLUGIN_CRASHED", "overflowed its stack"),
    ("exit0", "PLUGIN_EXITED", "code 0"),
    ("eat_memory", "PLUGIN_OUT_OF_MEMORY", "256 MiB"),
    ("loop", "JOB_DEADLINE_EXCEEDED", "its time ran out"),
    ("ignore_cancel", "JOB_DEADLINE_EXCEEDED", "its time ran out"),
    ("fail", "PLUGIN_FAILED", "fails on request"),
    ("fail_params", "PARAMS_INVALID", "expected another mode"),
    ("wrong_output", "PLUGIN_FAILED", "surprise"),
];

/// What a confined process is told: by seccomp, and by landlock.
const BY_SECCOMP: &str = "Operation not permitted";
const BY_LANDLOCK: &str = "Permission denied";

/// Misdeeds against others: the mode and what the plugin is told.
const AGAINST_OTHERS: [(&str, &str); 14] = [
    ("fork", BY_SECCOMP),
    ("exec", BY_SECCOMP),
    ("tcp", BY_SECCOMP),
    ("udp", BY_SECCOMP),
    ("unix_abstract", BY_SECCOMP),
    ("read_file", BY_LANDLOCK),
    ("list_folder", BY_LANDLOCK),
    ("write_file", BY_LANDLOCK),
    ("remove_file", BY_SECCOMP),
    ("chmod_file", BY_SECCOMP),
    ("kill_parent", BY_SECCOMP),
    ("limit_parent", BY_SECCOMP),
    ("leave_group", BY_SECCOMP),
    // Standard output leads nowhere; nothing of it is refused and nothing comes of it.
    ("print_stdout", ""),
];

#[tokio::test]
async fn a_misdeed_fails_its_job_and_nothing_else() -> Result<()> {
    let folder = TempDir::new()?;
    let broken = furnish(folder.path())?;
    let mut engine = Engine::with(Setup {
        plugins: Some(folder.path().to_owned()),
        args: ARGS.map(str::to_owned).to_vec(),
        ..Setup::default()
    })?;
    let client = engine.client()?;
    let others = Others::prepare(&client).await?;

    let stop = Arc::new(AtomicBool::new(false));
    let running = tokio::spawn(others.run(engine.client()?, Arc::clone(&stop)));
    let told = misbehave(&engine, &client).await;
    stop.store(true, Ordering::Release);
    let n_others = running.await??;
    let mut table = told?;

    assert!(!engine.has_ended()?, "the engine has ended");
    let plugins = client.plugins(v1::ListPluginsRequest::default());
    for plugin in plugins.all().await? {
        if let Some((what, word)) = broken.get(&plugin.file_name) {
            assert_eq!(plugin.state(), v1::PluginState::Refused, "{what}");
            let problems = plugin.problems.join("; ");
            assert!(problems.contains(word), "{what}: {problems}");
            table.push_str(&line(what, "at start", "refused", &problems));
        }
    }
    settings::say(&format!(
        "misdeeds of a plugin, and what the client sees; meanwhile {n_others} other jobs \
         succeeded with unchanged outputs:{table}"
    ));
    Ok(())
}

/// Commits all misdeeds, one after the other; gives the lines of the table.
async fn misbehave(engine: &Engine, client: &Client) -> Result<String> {
    let mut table = String::new();
    for (mode, reason, word) in OWN {
        // What has no end of its own meets this one; the others have time on a busy machine.
        let deadline = if reason == "JOB_DEADLINE_EXCEEDED" {
            2
        } else {
            30
        };
        let seen = Seen::of(client, mode, spec(mode, deadline)).await?;
        assert_eq!(seen.reason, reason, "{mode}: {}", seen.message);
        assert!(seen.message.contains(word), "{mode}: {}", seen.message);
        if mode == "stack_overflow" {
            let mut kept = seen.log.iter().filter(|(level, _)| level == "error");
            let overflow = kept.any(|(_, line)| line.contains("has overflowed its stack"));
            assert!(overflow, "last words are kept: {:?}", seen.log);
        }
        table.push_str(&seen.line(mode));
    }
    // Without descriptors the worker cannot answer; how it ends is its own affair.
    let seen = Seen::of(client, "close_fds", spec("close_fds", 2)).await?;
    table.push_str(&seen.line("close_fds"));

    let info = client
        .get_server_info(v1::GetServerInfoRequest::default())
        .await?;
    let containment = info.containment.context("the engine says")?;
    let sound = ["landlock.files", "seccomp"]
        .iter()
        .all(|layer| containment.in_force.iter().any(|name| name == layer));
    if !sound {
        let why = format!("the kernel lacks {}", containment.missing.join(", "));
        settings::skipped("fault_table: misdeeds against others", &why);
        return Ok(table);
    }
    let scene = Scene::set(engine.data())?;
    for (mode, told) in AGAINST_OTHERS {
        let seen = Seen::of(client, mode, scene.spec(mode)?).await?;
        let expected = if told.is_empty() { "" } else { "PLUGIN_FAILED" };
        assert_eq!(seen.reason, expected, "{mode}: {}", seen.message);
        assert!(seen.message.contains(told), "{mode}: {}", seen.message);
        let log = format!("{:?}", seen.log);
        assert!(!log.contains(SECRET), "{mode} told a secret: {log}");
        table.push_str(&seen.line(mode));
    }
    scene.is_untouched()?;
    Ok(table)
}

fn spec(mode: &str, seconds: i64) -> v1::JobSpec {
    let mut spec = work::spec("faulty.fit", "rows", "none");
    spec.inputs = BTreeMap::new();
    spec.params.insert("mode".to_owned(), work::text(mode));
    spec.params.insert("ms".to_owned(), work::int(60_000));
    spec.limits = Some(v1::JobLimits {
        timeout: Some(prost_types::Duration { seconds, nanos: 0 }),
        memory_bytes: 256 << 20,
        threads: 1,
    });
    spec
}

fn line(what: &str, took: &str, reason: &str, message: &str) -> String {
    format!("\n  {what:16} {took:>8}  {reason:22} {message}")
}

/// What a client sees of a job.
struct Seen {
    reason: String,
    message: String,
    log: Vec<(String, String)>,
    seconds: f64,
}

impl Seen {
    async fn of(client: &Client, mode: &str, spec: v1::JobSpec) -> Result<Self> {
        let id = mode.replace('_', "-");
        let start = Instant::now();
        work::create(client, &id, spec).await?;
        let (job, events) = work::watch(client, &id).await?;
        let error = job.error.unwrap_or_default();
        let log = events.into_iter().filter_map(|event| match event.kind {
            Some(Event::Log(log)) => Some((log.level, log.message)),
            _ => None,
        });
        Ok(Self {
            reason: error.reason,
            message: error.message,
            log: log.collect(),
            seconds: start.elapsed().as_secs_f64(),
        })
    }

    fn line(&self, mode: &str) -> String {
        let reason = match self.reason.as_str() {
            "" => "succeeded",
            reason => reason,
        };
        let took = format!("{:.2} s", self.seconds);
        line(mode, &took, reason, &self.message)
    }
}

const SECRET: &str = "what no plugin may know";

/// Those whom a plugin must not reach.
struct Scene {
    tcp: TcpListener,
    udp: UdpSocket,
    name: String,
    unix: UnixListener,
    data: PathBuf,
    secret: PathBuf,
    elsewhere: TempDir,
}

impl Scene {
    fn set(data: &Path) -> Result<Self> {
        let elsewhere = TempDir::new()?;
        let name = format!("{}", elsewhere.path().display());
        let tcp = TcpListener::bind("127.0.0.1:0")?;
        let udp = UdpSocket::bind("127.0.0.1:0")?;
        let unix = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name)?)?;
        tcp.set_nonblocking(true)?;
        udp.set_nonblocking(true)?;
        unix.set_nonblocking(true)?;
        let secret = data.join("secret");
        fs::write(&secret, SECRET)?;
        fs::write(elsewhere.path().join("file"), "untouched")?;
        Ok(Self {
            tcp,
            udp,
            name,
            unix,
            data: data.to_owned(),
            secret,
            elsewhere,
        })
    }

    fn spec(&self, mode: &str) -> Result<v1::JobSpec> {
        let mut spec = spec(mode, 10);
        let path = match mode {
            "unix_abstract" => self.name.clone(),
            "read_file" => self.secret.display().to_string(),
            "list_folder" => self.data.display().to_string(),
            "write_file" => self.elsewhere.path().join("new").display().to_string(),
            "exec" => "/bin/true".to_owned(),
            _ => self.elsewhere.path().join("file").display().to_string(),
        };
        let port = match mode {
            "udp" => self.udp.local_addr()?.port(),
            _ => self.tcp.local_addr()?.port(),
        };
        spec.params.insert("path".to_owned(), work::text(&path));
        spec.params
            .insert("port".to_owned(), work::int(port.into()));
        Ok(spec)
    }

    fn is_untouched(&self) -> Result<()> {
        let nobody = |kind: ErrorKind| kind == ErrorKind::WouldBlock;
        let tcp = self.tcp.accept().expect_err("somebody connected by TCP");
        assert!(nobody(tcp.kind()), "{tcp}");
        let udp = self.udp.recv(&mut [0; 16]).expect_err("a datagram came");
        assert!(nobody(udp.kind()), "{udp}");
        let unix = self.unix.accept().expect_err("somebody connected");
        assert!(nobody(unix.kind()), "{unix}");
        assert!(!self.elsewhere.path().join("new").exists());
        let file = self.elsewhere.path().join("file");
        assert_eq!(fs::read_to_string(&file)?, "untouched");
        assert_ne!(fs::metadata(&file)?.permissions().mode() & 0o777, 0);
        Ok(())
    }
}

/// Jobs that have nothing to do with the misdeeds, and what each gives when nothing disturbs it.
struct Others {
    specs: Vec<v1::JobSpec>,
    expected: Vec<BTreeMap<String, String>>,
}

impl Others {
    /// Runs each once, before anything misbehaves.
    async fn prepare(client: &Client) -> Result<Self> {
        load(client).await?;
        let kmeans = |k: i64| {
            let mut spec = work::spec("segment.kmeans", "customers", "people");
            spec.params.insert("k".to_owned(), work::int(k));
            spec
        };
        let specs = vec![
            kmeans(3),
            work::spec("churn.logistic", "customers", "people"),
            kmeans(5),
        ];
        let mut expected = Vec::new();
        for (n, spec) in specs.iter().enumerate() {
            let job = work::run(client, &format!("undisturbed-{n}"), spec.clone()).await?;
            expected.push(hashes(&job));
        }
        assert!(expected.iter().all(|outputs| !outputs.is_empty()));
        assert_ne!(expected[0], expected[2], "other jobs, other outputs");
        Ok(Self { specs, expected })
    }

    /// Runs them again and again, until all misdeeds are done and at least so many have run.
    async fn run(self, client: Client, stop: Arc<AtomicBool>) -> Result<usize> {
        let least = if settings::slow() { 200 } else { 20 };
        let mut n = 0;
        while n < least || !stop.load(Ordering::Acquire) {
            let kind = n % self.specs.len();
            let id = format!("other-{n}");
            let job = work::run(&client, &id, self.specs[kind].clone()).await?;
            assert_eq!(hashes(&job), self.expected[kind], "{id}");
            let attempts = job.provenance.context("a finished job has it")?.attempts;
            assert_eq!(attempts, 1, "{id}");
            n += 1;
        }
        Ok(n)
    }
}

/// The SHA-256 of each output, by its name.
fn hashes(job: &v1::Job) -> BTreeMap<String, String> {
    let outputs = job.outputs.iter();
    let outputs = outputs.map(|output| {
        let name = output.name.rsplit('/').next().unwrap_or_default();
        (name.to_owned(), output.sha256.clone())
    });
    outputs.collect()
}

async fn load(client: &Client) -> Result<()> {
    const N: usize = 1_000;
    let mut rng = Rng::new(4);
    let ids: StringArray = (0..N).map(|n| Some(format!("p{n}"))).collect();
    let mut numbers = || Float64Array::from_iter_values((0..N).map(|_| rng.below(100) as f64));
    let (calls, visits) = (numbers(), numbers());
    let left: StringArray = calls
        .values()
        .iter()
        .zip(visits.values())
        .map(|(calls, visits)| Some(if calls > visits { "yes" } else { "no" }))
        .collect();
    let columns = vec![
        wire::key("customer"),
        wire::column("calls", v1::Type::Float64, v1::Role::Unspecified),
        wire::column("visits", v1::Type::Float64, v1::Role::Unspecified),
        wire::column("left", v1::Type::String, v1::Role::Label),
    ];
    let batch = RecordBatch::try_from_iter([
        ("customer", Arc::new(ids) as _),
        ("calls", Arc::new(calls) as _),
        ("visits", Arc::new(visits) as _),
        ("left", Arc::new(left) as _),
    ])?;
    let kind = v1::DatasetKind::Customers;
    wire::load(client, "people", kind, columns, &[batch]).await
}

/// Fills a plugin folder: the shipped plugins, the faulty one, and libraries that are none.
/// Gives of these, by their files, what they are and a word of why they are refused.
fn furnish(folder: &Path) -> Result<BTreeMap<String, (&'static str, &'static str)>> {
    for from in [settings::plugins(), settings::faulty_plugins()] {
        for entry in fs::read_dir(from)? {
            let path = entry?.path();
            fs::copy(&path, folder.join(path.file_name().context("a file")?))?;
        }
    }
    let mut broken = BTreeMap::new();
    let whole = fs::read(folder.join("libsegment.so"))?;
    fs::write(folder.join("libcut.so"), &whole[..whole.len() / 2])?;
    broken.insert(
        "libcut.so".to_owned(),
        ("truncated", "truncated or damaged"),
    );
    let host = settings::root().join("crates/lode-host/src/tests/variant.c");
    let empty = folder.join("empty.c");
    fs::write(&empty, "int nothing(void) { return 0; }\n")?;
    for (file, source, define, what, word) in [
        (
            "libmajor.so",
            &host,
            "MAJOR",
            "wrong_major",
            "ABI major version",
        ),
        (
            "libsymbol.so",
            &empty,
            "NONE",
            "missing_symbol",
            "lode_plugin_v1",
        ),
    ] {
        let compiled = Command::new("cc")
            .args(["-shared", "-fPIC"])
            .arg(format!("-DVARIANT={define}"))
            .arg("-I")
            .arg(settings::root().join("crates/lode-abi/include"))
            .arg(source)
            .arg("-o")
            .arg(folder.join(file))
            .output();
        match compiled {
            Ok(output) if output.status.success() => {
                broken.insert(file.to_owned(), (what, word));
            }
            Ok(output) => bail!("{}", String::from_utf8_lossy(&output.stderr)),
            Err(error) => settings::skipped(what, &format!("no C compiler named cc: {error}")),
        }
    }
    Ok(broken)
}
