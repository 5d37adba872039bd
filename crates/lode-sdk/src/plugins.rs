//! The libraries in the engine's plugin directory: listed, loaded, unloaded, released.

use lode_client::v1;
use lode_proto::convert;
use lode_proto::names;
use lode_types::Timestamp;
use serde::Serialize;

use crate::Lode;
use crate::Result;
use crate::lode::id_of;
use crate::serial;

/// A library of the plugin directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PluginInfo {
    /// Its name.
    pub plugin: String,
    /// Its version.
    pub version: String,
    /// active, quarantined, refused, draining or unloaded.
    pub state: &'static str,
    /// ABI it was built for.
    pub abi_version: String,
    /// Of the file, in hexadecimal.
    pub sha256: String,
    /// In the plugin directory.
    pub file_name: String,
    /// What it brings.
    pub algorithms: Vec<String>,
    /// Why it was refused or is quarantined.
    pub problems: Vec<String>,
    /// Crashes that count towards a quarantine.
    pub crash_count: u32,
    /// The last crash, while it is remembered.
    pub last_crash: Option<PluginCrash>,
    /// Since when it is quarantined.
    #[serde(serialize_with = "serial::time")]
    pub quarantine_time: Option<Timestamp>,
}

/// One crash of a library.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PluginCrash {
    /// When.
    #[serde(serialize_with = "serial::time")]
    pub time: Option<Timestamp>,
    /// The algorithm that ran.
    pub algorithm: String,
    /// fit, open or score.
    pub stage: String,
    /// e.g. `killed by SIGSEGV`.
    pub how: String,
    /// The end of its standard error.
    pub last_words: String,
}

/// Which library to unload; what is empty does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PluginTarget {
    /// Name of the plugin.
    pub plugin: String,
    /// Version of the plugin.
    pub version: String,
    /// Name of its file.
    pub file_name: String,
}

impl Lode {
    /// The libraries of the plugin directory, loaded or refused.
    ///
    /// # Errors
    /// What the calls met.
    pub async fn plugins(&self) -> Result<Vec<PluginInfo>> {
        let all = self
            .client()
            .plugins(v1::ListPluginsRequest::default())
            .all()
            .await?;
        Ok(all.into_iter().map(PluginInfo::from).collect())
    }

    /// Loads a file of the plugin directory, in the place of what it brought before.
    ///
    /// # Errors
    /// `PLUGIN_REFUSED` with every reason, `PLUGIN_NOT_FOUND`, `PLUGIN_FILE_INVALID`, or what
    /// the call met.
    pub async fn load_plugin(&self, file_name: &str) -> Result<PluginInfo> {
        let request = v1::LoadPluginRequest {
            file_name: file_name.to_owned(),
        };
        let answer = self.client().load_plugin(request).await?;
        Ok(answer.plugin.unwrap_or_default().into())
    }

    /// Unloads a library; what runs ends with it.
    ///
    /// # Errors
    /// `PLUGIN_NOT_FOUND`, `PLUGIN_AMBIGUOUS`, or what the call met.
    pub async fn unload_plugin(&self, target: &PluginTarget) -> Result<PluginInfo> {
        let name = match target.plugin.as_str() {
            "" => String::new(),
            plugin => names::plugin(plugin),
        };
        let request = v1::UnloadPluginRequest {
            name,
            version: target.version.clone(),
            file_name: target.file_name.clone(),
        };
        let answer = self.client().unload_plugin(request).await?;
        Ok(answer.plugin.unwrap_or_default().into())
    }

    /// Lifts the quarantine of the library whose checksum begins so.
    ///
    /// # Errors
    /// `PLUGIN_NOT_FOUND`, or what the call met.
    pub async fn release_plugin(&self, sha256: &str) -> Result<PluginInfo> {
        let request = v1::ReleasePluginRequest {
            sha256: sha256.to_owned(),
        };
        let answer = self.client().release_plugin(request).await?;
        Ok(answer.plugin.unwrap_or_default().into())
    }
}

impl From<v1::Plugin> for PluginInfo {
    fn from(plugin: v1::Plugin) -> Self {
        let state = match plugin.state() {
            v1::PluginState::Active => "active",
            v1::PluginState::Refused => "refused",
            v1::PluginState::Quarantined => "quarantined",
            v1::PluginState::Draining => "draining",
            v1::PluginState::Unloaded => "unloaded",
            v1::PluginState::Unspecified => "unknown",
        };
        let quarantine_time = plugin.quarantine_time.as_ref();
        Self {
            plugin: id_of(&plugin.name),
            version: plugin.version,
            state,
            abi_version: plugin.abi_version,
            sha256: plugin.sha256,
            file_name: plugin.file_name,
            algorithms: plugin.algorithms.iter().map(|name| id_of(name)).collect(),
            problems: plugin.problems,
            crash_count: plugin.crash_count,
            last_crash: plugin.last_crash.map(PluginCrash::from),
            quarantine_time: quarantine_time.map(convert::time_from_wire),
        }
    }
}

impl From<v1::PluginCrash> for PluginCrash {
    fn from(crash: v1::PluginCrash) -> Self {
        Self {
            time: crash.time.as_ref().map(convert::time_from_wire),
            algorithm: id_of(&crash.algorithm),
            stage: crash.stage,
            how: crash.how,
            last_words: crash.last_words,
        }
    }
}
