//! What is loaded: libraries by file, algorithms by id and version, and what was refused.
//!
//! Knows no process and no file. Invariant: [`Algorithms`] is one consistent picture that
//! never changes; a switch makes another, and who holds the old one keeps its libraries.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Weak;

use lode_types::AlgorithmSpec;
use lode_types::Timestamp;

use crate::Crash;
use crate::copies::Copy;

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
    /// Why it was refused or does not run, one line each.
    pub problems: Vec<String>,
    /// When it was inspected.
    pub load_time: Timestamp,
    /// Crashes that count now.
    pub crashes: u32,
    /// The last crash, while it is remembered.
    pub last_crash: Option<Crash>,
    /// Since when it is quarantined.
    pub quarantine_time: Option<Timestamp>,
}

/// The life of a library.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PluginState {
    /// Its algorithms can run.
    Active,
    /// It is loaded, but crashed too often to run before an operator allows it.
    Quarantined,
    /// It was not loaded; its problems say why. The library that the same file brought before
    /// goes on.
    Refused,
    /// It was replaced or unloaded; calls that began before still run.
    Draining,
    /// An operator unloaded it; its file is not taken again until it changes.
    Unloaded,
}

/// An algorithm that can run.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What it says of itself.
    pub spec: AlgorithmSpec,
    /// Name of its plugin.
    pub plugin: String,
    /// Version of its plugin.
    pub plugin_version: String,
    /// Of the library, in hexadecimal.
    pub sha256: String,
    /// What workers load.
    pub(crate) copy: Arc<Copy>,
}

impl Loaded {
    /// `id@version`, which selects this one among versions side by side.
    pub fn exact_id(&self) -> String {
        format!("{}@{}", self.spec.id, self.plugin_version)
    }

    /// Plugin, version and the start of the checksum, for messages.
    pub fn library(&self) -> String {
        let short = &self.sha256[..self.sha256.len().min(12)];
        format!("plugin {} {} ({short})", self.plugin, self.plugin_version)
    }
}

/// A library whose algorithms can run.
#[derive(Debug)]
pub(crate) struct Library {
    pub(crate) info: PluginInfo,
    pub(crate) algorithms: Vec<Arc<Loaded>>,
    pub(crate) copy: Arc<Copy>,
}

/// The algorithms that can run, as one picture.
#[derive(Clone, Debug, Default)]
pub struct Algorithms {
    /// Highest version first.
    by_id: BTreeMap<String, Vec<Arc<Loaded>>>,
}

impl Algorithms {
    /// All versions of all algorithms, by id, the highest version of each first.
    pub fn all(&self) -> Vec<Arc<Loaded>> {
        self.by_id.values().flatten().cloned().collect()
    }

    /// The versions of an algorithm, the highest first.
    pub fn versions(&self, id: &str) -> &[Arc<Loaded>] {
        self.by_id.get(id).map(Vec::as_slice).unwrap_or_default()
    }

    /// The algorithm that `id` or `id@version` means: without a version the highest.
    pub fn get(&self, name: &str) -> Option<Arc<Loaded>> {
        let (id, version) = split(name);
        let mut versions = self.versions(id).iter();
        let found = match version {
            None => versions.next(),
            Some(version) => versions.find(|loaded| loaded.plugin_version == version),
        };
        found.cloned()
    }

    /// The algorithm in the library of that checksum.
    pub fn of_library(&self, id: &str, sha256: &str) -> Option<Arc<Loaded>> {
        let mut versions = self.versions(id).iter();
        versions.find(|loaded| loaded.sha256 == sha256).cloned()
    }
}

/// The id and the version of `id@version`.
pub fn split(name: &str) -> (&str, Option<&str>) {
    match name.split_once('@') {
        Some((id, version)) => (id, Some(version)),
        None => (name, None),
    }
}

/// A library that was replaced or unloaded.
#[derive(Debug)]
struct Retired {
    info: PluginInfo,
    copy: Weak<Copy>,
}

/// All that the host knows of the plugin directory.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    /// By file name.
    pub(crate) active: BTreeMap<String, Arc<Library>>,
    pub(crate) refused: BTreeMap<String, PluginInfo>,
    pub(crate) unloaded: BTreeMap<String, PluginInfo>,
    retired: Vec<Retired>,
    algorithms: Arc<Algorithms>,
}

impl Registry {
    pub(crate) fn algorithms(&self) -> Arc<Algorithms> {
        Arc::clone(&self.algorithms)
    }

    /// The picture after `library` has taken the place of what its file brought before.
    pub(crate) fn with(&self, library: &Arc<Library>) -> Algorithms {
        let file_name = &library.info.file_name;
        let others = self.active.iter().filter(|(name, _)| *name != file_name);
        picture(others.map(|(_, other)| other).chain([library]))
    }

    /// Why a library cannot stand beside what other files brought.
    pub(crate) fn conflicts(&self, mine: &PluginInfo) -> Vec<String> {
        let mut problems = Vec::new();
        for (file_name, other) in &self.active {
            if *file_name == mine.file_name {
                continue;
            }
            let its = &other.info;
            if mine.sha256 == its.sha256 {
                problems.push(format!(
                    "the same library is already loaded from {file_name}"
                ));
            } else if mine.name != its.name {
                for id in mine
                    .algorithms
                    .iter()
                    .filter(|id| its.algorithms.contains(id))
                {
                    problems.push(format!(
                        "algorithm {id} is already in plugin {} of {file_name}",
                        its.name
                    ));
                }
            } else if mine.version == its.version {
                problems.push(format!(
                    "plugin {} {} is already loaded from {file_name}; give one of them another version",
                    its.name, its.version
                ));
            }
        }
        problems
    }

    /// Puts a library in the place of what its file brought before.
    pub(crate) fn switch(&mut self, library: Arc<Library>) {
        let file_name = library.info.file_name.clone();
        self.refused.remove(&file_name);
        self.unloaded.remove(&file_name);
        if let Some(old) = self.active.insert(file_name, library) {
            self.retire(&old);
        }
        self.algorithms = Arc::new(picture(self.active.values()));
    }

    /// Takes out what a file brought.
    pub(crate) fn take_out(&mut self, file_name: &str) -> Option<PluginInfo> {
        let old = self.active.remove(file_name)?;
        self.retire(&old);
        self.algorithms = Arc::new(picture(self.active.values()));
        Some(old.info.clone())
    }

    fn retire(&mut self, old: &Library) {
        self.retired
            .retain(|retired| retired.copy.strong_count() > 0);
        self.retired.push(Retired {
            info: old.info.clone(),
            copy: Arc::downgrade(&old.copy),
        });
    }

    /// Everything, by file name; what a file brought before after what it brings now.
    pub(crate) fn list(&self) -> Vec<PluginInfo> {
        let mut list: Vec<PluginInfo> = Vec::new();
        list.extend(self.active.values().map(|library| library.info.clone()));
        list.extend(self.refused.values().cloned());
        list.extend(self.unloaded.values().cloned());
        for retired in &self.retired {
            let again = |library: &Arc<Library>| library.info.sha256 == retired.info.sha256;
            if retired.copy.strong_count() > 0 && !self.active.values().any(again) {
                let mut info = retired.info.clone();
                info.state = PluginState::Draining;
                list.push(info);
            }
        }
        list.sort_by(|a, b| (&a.file_name, a.state).cmp(&(&b.file_name, b.state)));
        list
    }
}

fn picture<'a>(libraries: impl Iterator<Item = &'a Arc<Library>>) -> Algorithms {
    let mut by_id: BTreeMap<String, Vec<Arc<Loaded>>> = BTreeMap::new();
    for loaded in libraries.flat_map(|library| &library.algorithms) {
        let versions = by_id.entry(loaded.spec.id.clone()).or_default();
        versions.push(Arc::clone(loaded));
    }
    for versions in by_id.values_mut() {
        versions.sort_by(|a, b| compare(&b.plugin_version, &a.plugin_version));
    }
    Algorithms { by_id }
}

/// Versions as people read them: numbers by value, a pre-release before its release, what
/// follows a plus last. Different texts are never equal.
fn compare(a: &str, b: &str) -> Ordering {
    let plain = |text: &str| -> (String, Option<String>) {
        let text = text.split('+').next().unwrap_or_default();
        match text.split_once('-') {
            Some((core, before)) => (core.to_owned(), Some(before.to_owned())),
            None => (text.to_owned(), None),
        }
    };
    let ((a_core, a_before), (b_core, b_before)) = (plain(a), plain(b));
    compare_dotted(&a_core, &b_core)
        .then_with(|| match (&a_before, &b_before) {
            (None, None) => Ordering::Equal,
            (None, Some(_)) => Ordering::Greater,
            (Some(_), None) => Ordering::Less,
            (Some(a), Some(b)) => compare_dotted(a, b),
        })
        .then_with(|| a.cmp(b))
}

fn compare_dotted(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.split('.'), b.split('.'));
    loop {
        let order = match (a.next(), b.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (Some(a), Some(b)) => match (a.parse::<u64>(), b.parse::<u64>()) {
                (Ok(a), Ok(b)) => a.cmp(&b),
                // A number before a word.
                (Ok(_), Err(_)) => Ordering::Less,
                (Err(_), Ok(_)) => Ordering::Greater,
                (Err(_), Err(_)) => a.cmp(b),
            },
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::compare;
    use super::split;

    #[test]
    fn versions_are_in_the_order_that_people_expect() {
        let order = [
            "0.2.0",
            "0.9.0",
            "0.10.0-alpha.2",
            "0.10.0-alpha.10",
            "0.10.0-beta",
            "0.10.0",
            "0.10.0+build.7",
            "0.10.1",
            "1.0",
            "1.0.0",
            "10.0.0",
        ];
        for (i, a) in order.iter().enumerate() {
            for (j, b) in order.iter().enumerate() {
                assert_eq!(compare(a, b), i.cmp(&j), "{a} and {b}");
            }
        }
    }

    #[test]
    fn a_version_may_follow_an_id() {
        assert_eq!(split("segment.rfm"), ("segment.rfm", None));
        assert_eq!(split("segment.rfm@0.2"), ("segment.rfm", Some("0.2")));
    }
}
