//! What a running call may ask and tell: seed, threads, progress, log, whether to stop.

use std::fmt;
use std::time::Duration;
use std::time::Instant;

use crate::Algorithm;
use crate::Error;
use crate::Inputs;
use crate::Model;
use crate::Result;
use crate::call::formats;
use crate::model;

/// The surroundings of one call. Shared freely between the threads of the call.
pub struct Context<'a> {
    seed: u64,
    threads: usize,
    memory_bytes: Option<u64>,
    until: Option<Instant>,
    base_model: Option<&'a [u8]>,
    sink: &'a (dyn Sink + Sync),
}

/// Where a call's words go: the host, or a test.
pub(crate) trait Sink {
    fn log(&self, level: Level, text: &str);
    fn progress(&self, fraction: f64, stage: &str);
    fn cancelled(&self) -> bool;
}

/// Weight of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// For the curious.
    Info,
    /// The result may surprise.
    Warn,
}

impl<'a> Context<'a> {
    pub(crate) fn new(seed: u64, threads: usize, sink: &'a (dyn Sink + Sync)) -> Self {
        Self {
            seed,
            threads: threads.max(1),
            memory_bytes: None,
            until: None,
            base_model: None,
            sink,
        }
    }

    /// The same, bounded; 0 is no bound.
    pub(crate) fn bounded(mut self, memory_bytes: u64, time_millis: u64) -> Self {
        self.memory_bytes = (memory_bytes > 0).then_some(memory_bytes);
        self.until = (time_millis > 0)
            .then(|| Instant::now().checked_add(Duration::from_millis(time_millis)))
            .flatten();
        self
    }

    /// The same, starting from a model with its header.
    pub(crate) fn starting_from(mut self, base_model: Option<&'a [u8]>) -> Self {
        self.base_model = base_model;
        self
    }

    /// The seed of every random choice. There is no other source of randomness.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Threads the call may use, at least 1. The result must not depend on it.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Bytes of private memory that the process may have, and with which it is ended when it
    /// wants more; none when there is no bound. Mapped inputs do not count.
    pub fn memory_bytes(&self) -> Option<u64> {
        self.memory_bytes
    }

    /// How long until the call is ended; none when there is no bound. A result must depend on
    /// it only where the spec says so, as a search under a time budget does.
    pub fn time_left(&self) -> Option<Duration> {
        let now = Instant::now();
        self.until.map(|until| until.saturating_duration_since(now))
    }

    /// The model to start from, if the job names one: a model of `A` made from the same columns
    /// as these inputs. Its spec says [`crate::Spec::warm_start`].
    ///
    /// # Errors
    /// `MODEL_INVALID` when it is another algorithm's, of a format that is not read, or damaged;
    /// `INPUT_INVALID` when it was made from other columns.
    pub fn base_model<A: Algorithm>(&self, inputs: &Inputs) -> Result<Option<Model<'a>>> {
        let Some(bytes) = self.base_model else {
            return Ok(None);
        };
        let base = model::model(A::ID, &formats::<A>()?, bytes)?;
        if base.fingerprint() != 0 && base.fingerprint() != inputs.fingerprint() {
            return Err(Error::invalid(
                "inputs",
                "expected the columns that the model to start from was made from, found others",
            ));
        }
        Ok(Some(base))
    }

    /// Says how far the call has got: `fraction` in `0.0..=1.0`, and the name of the stage.
    pub fn progress(&self, fraction: f64, stage: &str) {
        self.sink.progress(fraction.clamp(0.0, 1.0), stage);
    }

    /// Writes a line for the curious to the job's log.
    pub fn info(&self, text: &str) {
        self.sink.log(Level::Info, text);
    }

    /// Writes a line to the job's log: the result may surprise.
    pub fn warn(&self, text: &str) {
        self.sink.log(Level::Warn, text);
    }

    /// Ends the call with `?` once it should stop. Cheap: ask in every outer loop.
    ///
    /// # Errors
    /// [`Error::Cancelled`].
    pub fn check_cancelled(&self) -> Result<()> {
        if self.sink.cancelled() {
            return Err(Error::Cancelled);
        }
        Ok(())
    }
}

impl fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("seed", &self.seed)
            .field("threads", &self.threads)
            .finish_non_exhaustive()
    }
}
