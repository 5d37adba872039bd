//! Takes from a worker what foreign code has no need of, just before it is loaded.
//!
//! Three layers, each as far as the kernel has it: no capabilities, landlock for files and
//! the network, seccomp for system calls. What was opened before, and what the engine passes
//! over the socket, stays usable. Invariant: what the kernel has is in force when
//! [`confine`] returns Ok; what it lacks is in `missing`, and nothing is undone later.

mod calls;
mod files;

use std::io;
use std::path::Path;

use rustix::thread::CapabilitySet;
use rustix::thread::CapabilitySets;
use serde::Deserialize;
use serde::Serialize;

use crate::Error;
use crate::Result;

/// Files can be read and written only by rule.
pub const FILES: &str = "landlock.files";
/// System calls that hurt others, and those that this crate does not know, are refused.
pub const CALLS: &str = "seccomp";

/// What keeps a worker from what is not its own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confinement {
    /// Layers that are in force, e.g. `seccomp`.
    pub in_force: Vec<String>,
    /// Layers that the kernel does not have; a reason may follow after `: `.
    pub missing: Vec<String>,
}

impl Confinement {
    /// Whether foreign code can neither open files, other than those that it needs, nor
    /// sockets: the two layers without which the others mean little.
    pub fn is_sound(&self) -> bool {
        [FILES, CALLS]
            .iter()
            .all(|layer| self.in_force.iter().any(|name| name == layer))
    }

    /// Takes a layer back, since `why` makes it worth nothing.
    pub fn void(&mut self, layer: &str, why: &str) {
        self.in_force.retain(|name| name != layer);
        self.missing.push(format!("{layer}: {why}"));
    }

    fn add(&mut self, layer: &str, in_force: bool) {
        let list = if in_force {
            &mut self.in_force
        } else {
            &mut self.missing
        };
        list.push(layer.to_owned());
    }
}

/// Confines this process for good. `library` is what it is about to load: that file stays
/// readable, beside what any library needs of the system.
///
/// To be called by the only thread of the process: landlock binds threads that are made later.
/// Threads that exist already are found, and told in `missing`.
///
/// # Errors
/// `WORKER_LIMIT_FAILED` when the kernel has a layer and refuses to put it in force.
pub fn confine(library: Option<&Path>) -> Result<Confinement> {
    let mut confinement = Confinement::default();
    // Set by `enter`; asked for again since the layers below cannot do without.
    rustix::thread::set_no_new_privs(true)
        .map_err(io::Error::from)
        .map_err(|source| refused("no_new_privs", source))?;
    confinement.add("no_new_privs", true);
    drop_capabilities()?;
    confinement.add("capabilities", true);

    // Counted before /proc is out of reach for what is to be counted.
    let n_others = other_threads();
    for (layer, in_force) in files::restrict(library)? {
        confinement.add(layer, in_force);
    }
    if n_others > 0 {
        confinement
            .missing
            .push(format!("landlock.threads: {n_others} were there before"));
    }
    match calls::restrict()? {
        None => confinement.add(CALLS, true),
        Some(why) => confinement.missing.push(format!("{CALLS}: {why}")),
    }
    Ok(confinement)
}

/// The folder whose files every confined process reads, if `path` lies below one.
pub fn readable_folder(path: &Path) -> Option<&'static str> {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let path = real(path);
    let mut folders = files::LIBRARIES.iter().chain(&files::SYSTEM);
    folders
        .find(|folder| path.starts_with(real(Path::new(folder))))
        .copied()
}

/// A worker of a root engine is no root, except that it still reaches the file that it loads
/// in a directory of somebody else.
fn drop_capabilities() -> Result<()> {
    let failed = |source: rustix::io::Errno| refused("capabilities", source.into());
    let kept = CapabilitySet::DAC_OVERRIDE | CapabilitySet::DAC_READ_SEARCH;
    let held = rustix::thread::capabilities(None).map_err(failed)?;
    let sets = CapabilitySets {
        effective: held.effective & kept,
        permitted: held.permitted & kept,
        inheritable: CapabilitySet::empty(),
    };
    rustix::thread::set_capabilities(None, sets).map_err(failed)
}

/// Threads of this process other than the one that asks; 0 when the system does not say.
fn other_threads() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task");
    tasks.map_or(0, |tasks| tasks.count().saturating_sub(1))
}

fn refused(limit: &'static str, source: io::Error) -> Error {
    Error::SetLimit { limit, source }
}

#[cfg(test)]
mod tests;
