//! When a call is tried again, and after what pause.
//!
//! The schedule has no randomness: the same failures give the same pauses. A client of one
//! engine needs no jitter, and a test can state what it expects.

use std::time::Duration;

use tonic::Code;

use crate::Error;

/// How often and after what pauses a call is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Tries in all; 1 means that nothing is tried again.
    pub attempts: u32,
    /// Pause after the first failure; each later one is twice as long.
    pub first_pause: Duration,
    /// The longest pause.
    pub longest_pause: Duration,
}

impl Default for RetryPolicy {
    /// Four tries with pauses of 0.1, 0.2 and 0.4 s.
    fn default() -> Self {
        Self {
            attempts: 4,
            first_pause: Duration::from_millis(100),
            longest_pause: Duration::from_secs(2),
        }
    }
}

impl RetryPolicy {
    /// A policy that never tries again.
    pub fn never() -> Self {
        Self {
            attempts: 1,
            ..Self::default()
        }
    }

    /// The pause after failure number `failure` (1, 2, ...), whatever the failure was.
    pub fn pause(&self, failure: u32) -> Duration {
        let doublings = failure.saturating_sub(1).min(16);
        self.first_pause
            .saturating_mul(1 << doublings)
            .min(self.longest_pause)
    }

    /// The pause before the next try of an idempotent call, or none when `error` is final.
    ///
    /// UNAVAILABLE is tried again, and RESOURCE_EXHAUSTED when the engine says after what
    /// pause; that pause is kept when it is the longer one.
    pub fn next(&self, failure: u32, error: &Error) -> Option<Duration> {
        if failure >= self.attempts {
            return None;
        }
        let pause = self.pause(failure);
        match error {
            Error::Unreachable { .. } => Some(pause),
            Error::Refused(refusal) => match (refusal.code, refusal.retry_after) {
                (Code::Unavailable, asked) => Some(asked.unwrap_or_default().max(pause)),
                (Code::ResourceExhausted, Some(asked)) => Some(asked.max(pause)),
                _ => None,
            },
            _ => None,
        }
    }
}
