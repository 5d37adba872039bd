//! An engine process of a test's own: started on a free port, killed when dropped.

use std::fs::File;
use std::io::BufRead as _;
use std::io::BufReader;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::ExitStatus;
use std::process::Stdio;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use anyhow::Context as _;
use anyhow::Result;
use anyhow::bail;
use lode_client::Client;
use lode_client::Options;
use rustix::process::Pid;
use rustix::process::Signal;
use tempfile::TempDir;

use crate::settings;

/// Longest wait for an engine to say its address.
const START: Duration = Duration::from_secs(60);

/// How an engine is started.
#[derive(Clone, Debug, Default)]
pub struct Setup {
    /// Its data folder; a temporary one when not given.
    pub data: Option<PathBuf>,
    /// Its plugin folder; the shipped plugins when not given.
    pub plugins: Option<PathBuf>,
    /// More arguments of `lode serve`.
    pub args: Vec<String>,
    /// More environment.
    pub env: Vec<(String, String)>,
}

/// A running engine.
#[derive(Debug)]
pub struct Engine {
    setup: Setup,
    folder: TempDir,
    child: Child,
    address: String,
}

impl Engine {
    /// An engine with the shipped plugins in an empty data folder.
    ///
    /// # Errors
    /// When it does not say its address in time; with the end of its log.
    pub fn start() -> Result<Self> {
        Self::with(Setup::default())
    }

    /// An engine as described.
    ///
    /// # Errors
    /// When it does not say its address in time; with the end of its log.
    pub fn with(mut setup: Setup) -> Result<Self> {
        let folder = TempDir::new()?;
        let data = setup.data.get_or_insert_with(|| folder.path().join("data"));
        let plugins = setup.plugins.get_or_insert_with(settings::plugins);
        let log = File::options()
            .create(true)
            .append(true)
            .open(folder.path().join("engine.log"))?;
        let mut command = Command::new(settings::lode());
        command.args(["serve", "--listen", "127.0.0.1:0", "--data"]);
        command.arg(&*data).arg("--plugins").arg(&*plugins);
        command.args(&setup.args).envs(setup.env.iter().cloned());
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()?;
        let mut engine = Self {
            setup,
            folder,
            child,
            address: String::new(),
        };
        engine.address = engine.await_address()?;
        Ok(engine)
    }

    /// Its address, e.g. `http://127.0.0.1:40123`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its data folder.
    pub fn data(&self) -> &Path {
        self.setup.data.as_deref().expect("set at the start")
    }

    /// A client of its own. Call it inside a tokio runtime.
    ///
    /// # Errors
    /// When the address cannot be read.
    pub fn client(&self) -> Result<Client> {
        Ok(Client::connect(&self.address, Options::default())?)
    }

    /// Whether the process has ended.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn has_ended(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_some())
    }

    /// Ends the process by SIGKILL, at once.
    ///
    /// # Errors
    /// When the process cannot be killed.
    pub fn kill9(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Ends the process by SIGTERM and gives how it went.
    ///
    /// # Errors
    /// When it has not ended after twenty seconds.
    pub fn stop(&mut self) -> Result<ExitStatus> {
        rustix::process::kill_process(Pid::from_child(&self.child), Signal::TERM)?;
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(20) {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            thread::sleep(Duration::from_millis(10));
        }
        bail!(
            "the engine did not end after SIGTERM; its log ends with\n{}",
            self.log_tail()
        )
    }

    /// Kills the engine, if it still runs, and starts another on the same data.
    ///
    /// # Errors
    /// When the new one does not start.
    pub fn restart(mut self) -> Result<Self> {
        self.kill9()?;
        let setup = self.setup.clone();
        let inside = self.data().starts_with(self.folder.path());
        let mut next = Self::with(setup)?;
        if inside {
            // The data lies in the old engine's folder, which must outlive the new one.
            std::mem::swap(&mut next.folder, &mut self.folder);
        }
        Ok(next)
    }

    /// The end of what it wrote to standard error.
    pub fn log_tail(&self) -> String {
        let text =
            std::fs::read_to_string(self.folder.path().join("engine.log")).unwrap_or_default();
        let lines = text.lines().collect::<Vec<_>>();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }

    /// Waits for the line that says the address, and keeps reading so that the engine never blocks.
    fn await_address(&mut self) -> Result<String> {
        let stdout = self
            .child
            .stdout
            .take()
            .context("standard output is piped")?;
        let (send, receive) = mpsc::channel();
        thread::Builder::new()
            .name("engine-output".to_owned())
            .spawn(move || {
                for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                    if let Some(address) = address_in(&line) {
                        // The receiver is gone after the first address.
                        send.send(address).ok();
                    }
                }
            })?;
        match receive.recv_timeout(START) {
            Ok(address) => Ok(address),
            Err(_) => bail!(
                "the engine did not say its address; its log ends with\n{}",
                self.log_tail()
            ),
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // It may have ended already; there is nobody to tell.
        self.child.kill().ok();
        self.child.wait().ok();
        if thread::panicking() {
            let tail = self.log_tail();
            settings::say(&format!("the engine's log ends with\n{tail}"));
        }
    }
}

/// The `http://host:port` in a line.
fn address_in(line: &str) -> Option<String> {
    let at = line.find("http://")?;
    let rest = &line[at..];
    let end = rest
        .find(|letter: char| !letter.is_ascii_alphanumeric() && !".:/-[]".contains(letter))
        .unwrap_or(rest.len());
    Some(rest[..end].trim_end_matches('/').to_owned())
}
