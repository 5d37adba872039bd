//! Power cuts: what was not synced is gone, as if the plug had been pulled.
//!
//! The engine's data lies on an ext4 file system in a file. At a random moment the file system
//! is shut down without writing its journal (FS_IOC_SHUTDOWN), so that everything that was not
//! made durable is dropped; then the engine is killed, the file system mounted anew, and an
//! engine started on what is left. The same with the store's fdatasync left out has to lose
//! something, else the test proves nothing. Needs the right to mount; says so when it is missing.
//!
//! Two rounds, or forty with `LODE_SLOW_TESTS=1`.

use std::ffi::OsStr;
use std::fs::File;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Stdio;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use anyhow::Context as _;
use anyhow::Result;
use anyhow::bail;
use lode_numeric::Rng;
use lode_tests::Engine;
use lode_tests::Setup;
use lode_tests::crash;
use lode_tests::settings;
use lode_tests::wire;
use rustix::ioctl;
use tempfile::TempDir;

const SEED: u64 = 20_240_701;
const IMAGE_BYTES: u64 = 1 << 30;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_power_cut_loses_what_was_acknowledged() -> Result<()> {
    let Some(disk) = Disk::make("no_power_cut_loses_what_was_acknowledged")? else {
        return Ok(());
    };
    let rounds = if settings::slow() { 40 } else { 2 };
    let log = crash::Log::default();
    for round in 0..rounds {
        let seed = SEED + round;
        let problems = cut(&disk, &log, seed, &[], false)
            .await
            .with_context(|| format!("seed {seed}"))?;
        assert!(problems.is_empty(), "seed {seed}:\n{}", problems.join("\n"));
    }
    let counts = log.counts();
    assert!(
        counts.commits > 0 && counts.puts > 0,
        "the cuts left no time for any work: {counts}"
    );
    settings::say(&format!(
        "slow_power_cut: {rounds} cuts; {counts}; 0 lost, 0 doubled"
    ));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_sync_a_power_cut_loses_acknowledged_chunks() -> Result<()> {
    let env = [(
        "LODE_FAILPOINTS".to_owned(),
        "txn.fdatasync=skip".to_owned(),
    )];
    // Each cut is at an acknowledgement, but what the store writes in the background may have synced
    // just then; many in a row cannot.
    for round in 0..25 {
        let Some(disk) = Disk::make("without_the_sync_a_power_cut_loses_acknowledged_chunks")?
        else {
            return Ok(());
        };
        let log = crash::Log::default();
        let problems = cut(&disk, &log, SEED + round, &env, true).await?;
        if let Some(problem) = problems.first() {
            settings::say(&format!(
                "slow_power_cut: without the sync, as it should be: {problem}"
            ));
            return Ok(());
        }
    }
    panic!(
        "twenty-five power cuts without fdatasync lost nothing: the model of a power cut is too kind"
    );
}

/// How long clients may take to notice that the engine is gone.
const PATIENCE: Duration = Duration::from_secs(20);

/// Works, cuts the power, at any moment or when a write was just acknowledged, starts again; gives
/// what was lost.
async fn cut(
    disk: &Disk,
    log: &crash::Log,
    seed: u64,
    env: &[(String, String)],
    when_acknowledged: bool,
) -> Result<Vec<String>> {
    let setup = Setup {
        data: Some(disk.mount_point.join("data")),
        env: env.to_vec(),
        ..Setup::default()
    };
    let mut engine = Engine::with(setup.clone())?;
    let client = crash::impatient(&engine)?;
    // What cannot be asked now could not be asked afterwards either, and would look like a loss.
    wire::query_int(&client, "select 1").await?;
    crash::prepare(&client).await?;
    let mut tasks = crash::start(&client, log, seed);
    let pause = 300 + Rng::new(seed).below(1_500);
    tokio::time::sleep(Duration::from_millis(pause)).await;
    if when_acknowledged {
        let written = || {
            let counts = log.counts();
            counts.chunks + (counts.commits + counts.puts) as u64
        };
        let (before, waited) = (written(), Instant::now());
        while written() == before && waited.elapsed() < PATIENCE {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    disk.cut_power()?;
    engine.kill9()?;
    let ended = async { while tasks.join_next().await.is_some() {} };
    if tokio::time::timeout(PATIENCE, ended).await.is_err() {
        // What it was told before is in the log; a test must not wait for ever.
        settings::say("power cut: a client still waited for the engine that is gone; cut off");
        tasks.shutdown().await;
    }
    disk.mount_again()?;
    Ok(match again(setup, log).await {
        Ok(problems) => problems,
        Err(error) => vec![format!("{error:#}")],
    })
}

/// Starts on what is left, and looks for what was acknowledged.
async fn again(setup: Setup, log: &crash::Log) -> Result<Vec<String>> {
    let engine = Engine::with(setup)?;
    crash::verify(&engine.client()?, log).await
}

/// A file system in a file, mounted while this value lives.
struct Disk {
    image: PathBuf,
    mount_point: PathBuf,
    _folder: TempDir,
}

impl Disk {
    /// None, after saying so, where file systems cannot be mounted.
    fn make(test: &str) -> Result<Option<Self>> {
        let folder = TempDir::new()?;
        let disk = Self {
            image: folder.path().join("disk"),
            mount_point: folder.path().join("mounted"),
            _folder: folder,
        };
        std::fs::create_dir(&disk.mount_point)?;
        File::create(&disk.image)?.set_len(IMAGE_BYTES)?;
        let made =
            run("mkfs.ext4", ["-q".as_ref(), disk.image.as_os_str()]).and_then(|()| disk.mount());
        if let Err(error) = made {
            settings::skipped(
                test,
                &format!("no file system can be mounted here: {error:#}"),
            );
            return Ok(None);
        }
        Ok(Some(disk))
    }

    fn mount(&self) -> Result<()> {
        // The journal is written when something asks for it, not every five seconds.
        let options = ["-o", "loop,commit=300"].map(OsStr::new);
        let [o, with] = options;
        run(
            "mount",
            [
                o,
                with,
                self.image.as_os_str(),
                self.mount_point.as_os_str(),
            ],
        )
    }

    /// Drops everything that is not on the disk, and every later write.
    fn cut_power(&self) -> Result<()> {
        let root = File::open(&self.mount_point)?;
        #[expect(unsafe_code, reason = "an ioctl has no safe form")]
        // SAFETY: the kernel's FS_IOC_SHUTDOWN takes a pointer to one u32, as this setter gives.
        let shutdown = unsafe { ioctl::Setter::<SHUTDOWN, u32>::new(NO_LOG_FLUSH) };
        #[expect(unsafe_code, reason = "an ioctl has no safe form")]
        // SAFETY: the setter lives for the call, and the descriptor is an open directory.
        let done = unsafe { ioctl::ioctl(&root, shutdown) };
        done.context("FS_IOC_SHUTDOWN")
    }

    fn mount_again(&self) -> Result<()> {
        self.unmount()?;
        self.mount()
    }

    /// Workers die a moment after their engine, and hold the file system until then.
    fn unmount(&self) -> Result<()> {
        let mut last = Ok(());
        for _ in 0..100 {
            last = run("umount", [self.mount_point.as_os_str()]);
            if last.is_ok() {
                break;
            }
            thread::sleep(Duration::from_millis(20));
        }
        last
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if is_mounted(&self.mount_point)
            && let Err(error) = self.unmount()
        {
            settings::say(&format!(
                "{} stays mounted: {error:#}",
                self.mount_point.display()
            ));
        }
    }
}

/// `FS_IOC_SHUTDOWN` of the kernel, `_IOR('X', 125, __u32)`.
const SHUTDOWN: ioctl::Opcode = ioctl::opcode::read::<u32>(b'X', 125);

/// `EXT4_GOING_FLAGS_NOLOGFLUSH`: without flushing the journal.
const NO_LOG_FLUSH: u32 = 2;

fn is_mounted(path: &Path) -> bool {
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    mounts.lines().any(|line| {
        line.split(' ')
            .nth(1)
            .is_some_and(|at| Path::new(at) == path)
    })
}

fn run<'a>(program: &str, args: impl IntoIterator<Item = &'a OsStr>) -> Result<()> {
    let output = Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .output()
        .with_context(|| program.to_owned())?;
    if !output.status.success() {
        bail!(
            "{program}: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(())
}
