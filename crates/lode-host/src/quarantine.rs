//! Libraries that keep crashing are stopped, by checksum, until an operator lifts it.
//!
//! Counts deaths by a signal and exits without an answer; a told failure, a caught panic, a
//! limit reached and a deadline do not count. Kept in a small file beside the copies of
//! libraries, so that a restart changes nothing. Invariant: the file is replaced whole.

use std::collections::BTreeMap;
use std::fs;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;

use lode_types::Clock;
use lode_types::SystemClock;
use lode_types::Timestamp;
use serde::Deserialize;
use serde::Serialize;

use crate::Error;
use crate::Loaded;
use crate::PluginInfo;
use crate::PluginState;
use crate::Result;
use crate::error::cut_words;

/// Form of the file; a newer one is not read.
const FORMAT: u32 = 1;

/// When a library is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuarantineRule {
    /// Crashes within the window; 0 never stops any.
    pub after: u32,
    /// How long a crash counts.
    pub window: Duration,
}

impl Default for QuarantineRule {
    fn default() -> Self {
        Self {
            after: 3,
            window: Duration::from_secs(600),
        }
    }
}

/// One crash of a library.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Crash {
    /// When.
    pub time: Timestamp,
    /// The algorithm that ran.
    pub algorithm: String,
    /// fit, open or score.
    pub stage: String,
    /// e.g. `killed by SIGSEGV`.
    pub how: String,
    /// The end of its standard error.
    pub words: String,
}

/// What is kept of a library that crashed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) plugin: String,
    pub(crate) version: String,
    /// Of the crashes that may still count.
    times: Vec<Timestamp>,
    pub(crate) last: Crash,
    /// Set while it is stopped.
    pub(crate) since: Option<Timestamp>,
}

#[derive(Default, Serialize, Deserialize)]
struct Kept {
    format: u32,
    libraries: BTreeMap<String, Record>,
}

/// The crashes of all libraries.
#[derive(Debug)]
pub(crate) struct Quarantine {
    rule: QuarantineRule,
    path: PathBuf,
    records: Mutex<BTreeMap<String, Record>>,
}

impl Quarantine {
    pub(crate) fn open(dir: &Path, rule: QuarantineRule) -> Self {
        let path = dir.join("quarantine.json");
        let records = match fs::read(&path) {
            Ok(bytes) => match serde_json::from_slice::<Kept>(&bytes) {
                Ok(kept) if kept.format <= FORMAT => kept.libraries,
                _ => {
                    tracing::error!(file = %path.display(), "cannot read which libraries are quarantined; none is");
                    BTreeMap::new()
                }
            },
            Err(_) => BTreeMap::new(),
        };
        Self {
            rule,
            path,
            records: Mutex::new(records),
        }
    }

    /// Refuses a call of a library that is stopped.
    pub(crate) fn check(&self, loaded: &Loaded) -> Result<()> {
        let records = self.lock();
        let record = records.get(&loaded.sha256);
        match record.filter(|record| self.rule.after > 0 && record.since.is_some()) {
            None => Ok(()),
            Some(record) => Err(Error::Quarantined {
                algorithm: loaded.spec.id.clone(),
                library: loaded.library(),
                last: record.last.in_words(),
                sha256: loaded.sha256.clone(),
            }),
        }
    }

    /// Counts the error when it is a crash.
    pub(crate) fn note(&self, loaded: &Loaded, error: &Error) {
        let (stage, how, words) = match error {
            Error::Crashed {
                stage, how, words, ..
            }
            | Error::Exited {
                stage, how, words, ..
            } => (*stage, how, words),
            _ => return,
        };
        let now = SystemClock.now();
        let crash = Crash {
            time: now,
            algorithm: loaded.spec.id.clone(),
            stage: stage.to_owned(),
            how: how.clone(),
            words: cut_words(words),
        };
        let mut records = self.lock();
        let record = records
            .entry(loaded.sha256.clone())
            .or_insert_with(|| Record {
                plugin: loaded.plugin.clone(),
                version: loaded.plugin_version.clone(),
                times: Vec::new(),
                last: crash.clone(),
                since: None,
            });
        record.last = crash;
        record.times.push(now);
        let stops = self.rule.after > 0
            && record.since.is_none()
            && self.counted(record, now) >= self.rule.after;
        if stops {
            record.since = Some(now);
            tracing::error!(
                plugin = %loaded.plugin,
                version = %loaded.plugin_version,
                sha256 = %loaded.sha256,
                last = %record.last.in_words(),
                "plugin quarantined"
            );
        }
        self.keep(&mut records, now);
    }

    /// What is known of a library, with the number of crashes within the window.
    pub(crate) fn of(&self, sha256: &str) -> Option<(Record, u32)> {
        let records = self.lock();
        let mut record = records.get(sha256)?.clone();
        if self.rule.after == 0 {
            record.since = None;
        }
        let n = self.counted(&record, SystemClock.now());
        Some((record, n))
    }

    /// Lifts the quarantine of the library whose checksum begins so; none when none does.
    /// Its crashes are forgotten, so that the next one does not stop it again.
    pub(crate) fn release(&self, sha256: &str) -> Option<(String, Record)> {
        let mut records = self.lock();
        let mut found = records
            .iter()
            .filter(|(key, record)| key.starts_with(sha256) && record.since.is_some());
        let (Some((key, _)), None) = (found.next(), found.next()) else {
            return None;
        };
        let key = key.clone();
        let record = records.remove(&key)?;
        self.keep(&mut records, SystemClock.now());
        tracing::info!(plugin = %record.plugin, sha256 = %key, "quarantine lifted");
        Some((key, record))
    }

    /// Why a library is stopped, in words.
    pub(crate) fn words(&self, sha256: &str, record: &Record) -> String {
        format!(
            "quarantined after {} crashes within {} s; last crash: {}; `lode plugin release {}` lifts it",
            self.rule.after,
            self.rule.window.as_secs(),
            record.last.in_words(),
            &sha256[..sha256.len().min(12)]
        )
    }

    fn counted(&self, record: &Record, now: Timestamp) -> u32 {
        let window = i64::try_from(self.rule.window.as_micros()).unwrap_or(i64::MAX);
        let from = now.0.saturating_sub(window);
        let times = record.times.iter();
        let n = times.filter(|time| time.0 >= from).count();
        u32::try_from(n).unwrap_or(u32::MAX)
    }

    /// Drops what no longer matters and writes the rest.
    fn keep(&self, records: &mut BTreeMap<String, Record>, now: Timestamp) {
        const MOST_TIMES: usize = 100;
        records.retain(|_, record| record.since.is_some() || self.counted(record, now) > 0);
        for record in records.values_mut() {
            let excess = record.times.len().saturating_sub(MOST_TIMES);
            record.times.drain(..excess);
        }
        let kept = Kept {
            format: FORMAT,
            libraries: records.clone(),
        };
        if let Err(error) = write(&self.path, &kept) {
            tracing::error!(file = %self.path.display(), %error, "cannot keep the crashes of plugins");
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Record>> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Record {
    /// Of a library that no file holds any more.
    pub(crate) fn info(self, sha256: String) -> PluginInfo {
        PluginInfo {
            name: self.plugin,
            version: self.version,
            state: PluginState::Unloaded,
            abi: String::new(),
            build: String::new(),
            sha256,
            file_name: String::new(),
            algorithms: Vec::new(),
            problems: Vec::new(),
            load_time: self.last.time,
            crashes: 0,
            last_crash: Some(self.last),
            quarantine_time: None,
        }
    }
}

impl Crash {
    /// On one line.
    pub(crate) fn in_words(&self) -> String {
        let Self {
            algorithm,
            stage,
            how,
            words,
            ..
        } = self;
        let time = self.time.to_rfc3339();
        let words = if words.is_empty() {
            String::new()
        } else {
            format!(", last words: {words}")
        };
        format!("{time}, {algorithm}, {stage}: {how}{words}")
    }
}

fn write(path: &Path, kept: &Kept) -> std::io::Result<()> {
    let temporary = path.with_extension("json.new");
    let mut file = File::create(&temporary)?;
    file.write_all(&serde_json::to_vec_pretty(kept)?)?;
    file.sync_all()?;
    fs::rename(&temporary, path)
}

#[cfg(test)]
mod tests;
