//! Landlock: which files foreign code can open, and that it reaches no network and no process.
//!
//! Does not stop what needs no opening: `stat`, and changes of mode, owner or times by path;
//! `calls` refuses the latter. Invariant: nothing below the data directory has a rule, except
//! the one library.

use std::io;
use std::path::Path;

use landlock::ABI;
use landlock::Access;
use landlock::AccessFs;
use landlock::AccessNet;
use landlock::LandlockStatus;
use landlock::Ruleset;
use landlock::RulesetAttr;
use landlock::RulesetCreatedAttr;
use landlock::RulesetError;
use landlock::RulesetStatus;
use landlock::Scope;
use landlock::path_beneath_rules;

use super::FILES;
use super::refused;
use crate::Result;

/// The newest landlock that is asked for; an older kernel gives what it has.
const NEWEST: ABI = ABI::V10;

/// Layers, and the first landlock that has them.
const LAYERS: [(&str, ABI); 5] = [
    (FILES, ABI::V1),
    ("landlock.truncate", ABI::V3),
    ("landlock.tcp", ABI::V4),
    ("landlock.device_ioctl", ABI::V5),
    ("landlock.scope", ABI::V6),
];

/// Folders of libraries that a plugin may be linked with.
pub(super) const LIBRARIES: [&str; 7] = [
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/usr/local/lib",
    "/nix/store",
    "/gnu/store",
];

/// What the loader, the allocator, the clock and `available_parallelism` read.
pub(super) const SYSTEM: [&str; 13] = [
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/usr/share/zoneinfo",
    "/proc/self",
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/proc/sys/vm/overcommit_memory",
    "/sys/devices/system/cpu",
    "/sys/fs/cgroup",
    "/sys/kernel/mm/transparent_hugepage",
    "/dev/zero",
    "/dev/random",
    "/dev/urandom",
];

/// Restricts this thread and all that it makes; says of each layer whether it is in force.
pub(super) fn restrict(library: Option<&Path>) -> Result<Vec<(&'static str, bool)>> {
    let status = try_restrict(library)
        .map_err(|error| refused("landlock", io::Error::other(error.to_string())))?;
    let abi = match (status.ruleset, status.landlock) {
        (RulesetStatus::NotEnforced, _) => ABI::Unsupported,
        (_, LandlockStatus::Available { effective_abi, .. }) => effective_abi,
        _ => ABI::Unsupported,
    };
    Ok(LAYERS
        .into_iter()
        .map(|(layer, since)| (layer, abi >= since))
        .collect())
}

fn try_restrict(
    library: Option<&Path>,
) -> std::result::Result<landlock::RestrictionStatus, RulesetError> {
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    let load = read | AccessFs::Execute;
    let sink = AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::Truncate;
    Ruleset::default()
        .handle_access(AccessFs::from_all(NEWEST))?
        .handle_access(AccessNet::from_all(NEWEST))?
        .scope(Scope::from_all(NEWEST))?
        .create()?
        .add_rules(path_beneath_rules(LIBRARIES, load))?
        .add_rules(path_beneath_rules(library, load))?
        .add_rules(path_beneath_rules(SYSTEM, read))?
        .add_rules(path_beneath_rules(["/dev/null"], sink))?
        .restrict_self()
}
