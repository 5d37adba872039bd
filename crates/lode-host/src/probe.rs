//! Finds out at the start what the kernel can do to keep plugins from what is not theirs.
//!
//! A worker confines itself without a library and tells; nothing is assumed from versions.
//! A data directory among the system's libraries is found too: these every plugin reads.
//! Invariant: a worker that could not be confined counts as one that is not.

use std::path::Path;
use std::time::Duration;

use lode_worker::Confinement;
use lode_worker::Polled;

use crate::Result;
use crate::host::Launcher;
use crate::protocol::Reply;
use crate::protocol::Request;

/// How long a worker may take to start and confine itself.
const PROBE_TIME: Duration = Duration::from_secs(10);
/// Memory of the worker that tries.
const PROBE_MEMORY_BYTES: u64 = 256 << 20;

/// What is in force in every worker before it loads a library, and what is missing.
pub(crate) fn confinement(launcher: &Launcher, cache_dir: &Path) -> Result<Confinement> {
    let worker = launcher.launch(PROBE_MEMORY_BYTES, 0)?;
    let asked = worker.channel().send(&Request::Probe, &[], &[]);
    let answer = asked.and_then(|()| worker.channel().recv_timeout::<Reply>(PROBE_TIME));
    let mut confinement = match answer {
        Ok(Polled::Message(received)) => match received.message {
            Reply::Confined(confinement) => confinement,
            other => nothing(&format!("found the answer {other:?}")),
        },
        Ok(Polled::TimedOut) => nothing("its worker did not answer"),
        Ok(Polled::Closed) | Err(_) => {
            let exit = worker.finish();
            nothing(&format!("{}: {}", exit.describe(), exit.stderr_tail.trim()))
        }
    };
    // The copies of the libraries are kept in the data directory.
    let data_dir = cache_dir.parent().unwrap_or(cache_dir);
    if let Some(folder) = lode_worker::readable_folder(data_dir) {
        let why = format!("the data directory lies in {folder}, which plugins read");
        confinement.void(lode_worker::FILES, &why);
    }
    if confinement.missing.is_empty() {
        tracing::info!(in_force = %confinement.in_force.join(" "), "plugins are contained");
    } else {
        tracing::warn!(
            in_force = %confinement.in_force.join(" "),
            missing = %confinement.missing.join(", "),
            "plugins are not fully contained"
        );
    }
    Ok(confinement)
}

fn nothing(why: &str) -> Confinement {
    let missing = [lode_worker::FILES, lode_worker::CALLS];
    Confinement {
        in_force: Vec::new(),
        missing: missing.map(|layer| format!("{layer}: {why}")).to_vec(),
    }
}
