//! Watches the plugin directory: takes what is new or changed, lets go of what is gone.
//!
//! Polls, since a directory may lie on any file system. A file is taken when two looks in a
//! row saw it the same, so that one that is still being written is left alone. Invariant: an
//! unchanged file is looked up, never read.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Condvar;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use crate::Error;
use crate::Host;
use crate::Result;
use crate::discover::Signature;

/// Between two looks.
const PERIOD: Duration = Duration::from_millis(500);

/// The thread that watches. Dropping it ends the thread.
#[derive(Debug)]
pub struct Watcher {
    stop: Arc<(Mutex<bool>, Condvar)>,
    thread: Option<JoinHandle<()>>,
}

impl Watcher {
    /// Begins to watch.
    ///
    /// # Errors
    /// When the system has no thread left.
    pub fn start(host: &Arc<Host>) -> Result<Self> {
        let stop = Arc::new((Mutex::new(false), Condvar::new()));
        let (stopped, host) = (Arc::clone(&stop), Arc::clone(host));
        let thread = std::thread::Builder::new()
            .name("plugin-watcher".to_owned())
            .spawn(move || {
                let mut seen = BTreeMap::new();
                let (flag, wake) = &*stopped;
                let mut is_stopped = flag.lock().unwrap_or_else(PoisonError::into_inner);
                while !*is_stopped {
                    drop(is_stopped);
                    look(&host, &mut seen);
                    is_stopped = flag.lock().unwrap_or_else(PoisonError::into_inner);
                    if !*is_stopped {
                        let waited = wake.wait_timeout(is_stopped, PERIOD);
                        is_stopped = waited.unwrap_or_else(PoisonError::into_inner).0;
                    }
                }
            })
            .map_err(Error::io("start a thread"))?;
        Ok(Self {
            stop,
            thread: Some(thread),
        })
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let (flag, wake) = &*self.stop;
        *flag.lock().unwrap_or_else(PoisonError::into_inner) = true;
        wake.notify_all();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the watcher of plugins panicked");
        }
    }
}

/// One look; `seen` is what the look before saw.
/// Whether the directory could not be read at the last look.
static BLIND: AtomicBool = AtomicBool::new(false);

fn look(host: &Host, seen: &mut BTreeMap<String, Signature>) {
    let files = match host.files() {
        Ok(files) => files,
        Err(error) => {
            // Once, not every half second; what is loaded stays loaded.
            if !BLIND.swap(true, Ordering::Relaxed) {
                tracing::warn!(error = %lode_types::chain(&error), "cannot look for plugins; those that are loaded stay");
            }
            return;
        }
    };
    BLIND.store(false, Ordering::Relaxed);
    for gone in host.gone(&files) {
        // A file that is deleted and written anew is not gone for long.
        if !seen.contains_key(&gone) {
            host.let_go(&gone);
        }
    }
    for (file_name, signature) in &files {
        if seen.get(file_name) == Some(signature) && host.is_news(file_name, *signature) {
            // Told in the log and in the list of plugins.
            drop(host.take(file_name, Some(*signature)));
        }
    }
    *seen = files;
}
