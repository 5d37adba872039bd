//! A thread that closes serving workers which nobody needs any more.

use std::sync::Arc;
use std::sync::mpsc;
use std::sync::mpsc::RecvTimeoutError;
use std::thread::JoinHandle;
use std::time::Duration;

use lode_types::Class;

use super::models::OpenModels;
use crate::Error;
use crate::Result;

/// Between two looks.
const PERIOD: Duration = Duration::from_secs(5);

/// The thread. Dropping it ends the thread.
pub(super) struct Sweeper {
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Sweeper {
    pub(super) fn start(models: &Arc<OpenModels>) -> Result<Self> {
        let (stop, stopped) = mpsc::channel();
        let models = Arc::clone(models);
        let thread = std::thread::Builder::new()
            .name("serving-sweeper".to_owned())
            .spawn(move || {
                while stopped.recv_timeout(PERIOD) == Err(RecvTimeoutError::Timeout) {
                    models.shrink();
                }
            })
            .map_err(|error| Error::new(Class::Unavailable, "THREAD_FAILED", error.to_string()))?;
        Ok(Self {
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

impl Drop for Sweeper {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the sweeper of serving workers panicked");
        }
    }
}
