//! How options look in a log.

use std::fmt;

use super::Options;

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("cache_bytes", &self.cache_bytes)
            .field("compact", &self.compact)
            .field("keep_versions", &self.keep_versions)
            .finish_non_exhaustive()
    }
}
