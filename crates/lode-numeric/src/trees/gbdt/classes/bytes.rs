//! The stored form of a model of several classes: its forests, one behind the other.
//!
//! Does not compress. Invariant: bytes that decode are 2 forests or more, of the same columns.

use super::Classes;
use super::MAX_CLASSES;
use crate::Error;
use crate::Result;
use crate::trees::Forest;

/// First bytes, with the version of the form.
const MAGIC: &[u8; 8] = b"lodecls1";

impl Classes {
    /// The model as bytes: magic `lodecls1`, the number of classes (u32), and each forest with
    /// its length (u64) before it; little-endian.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        // At most MAX_CLASSES.
        bytes.extend_from_slice(&(self.forests.len() as u32).to_le_bytes());
        for forest in &self.forests {
            let own = forest.to_bytes();
            bytes.extend_from_slice(&(own.len() as u64).to_le_bytes());
            bytes.extend_from_slice(&own);
        }
        bytes
    }

    /// The model that [`Classes::to_bytes`] stored.
    ///
    /// # Errors
    /// [`Error::Bytes`] for anything else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let wrong = |what: &'static str| Error::Bytes { what };
        let short = || wrong("a whole stored model of several classes");
        let rest = bytes
            .strip_prefix(MAGIC)
            .ok_or_else(|| wrong("a stored model of several classes of version 1"))?;
        let (count, mut rest) = rest.split_first_chunk::<4>().ok_or_else(short)?;
        let n_classes = u32::from_le_bytes(*count) as usize;
        if !(2..=MAX_CLASSES).contains(&n_classes) {
            return Err(wrong("from 2 to 1000 classes"));
        }
        let mut forests: Vec<Forest> = Vec::new();
        for _ in 0..n_classes {
            let (len, more) = rest.split_first_chunk::<8>().ok_or_else(short)?;
            let len = usize::try_from(u64::from_le_bytes(*len)).map_err(|_| short())?;
            let (own, more) = more.split_at_checked(len).ok_or_else(short)?;
            let forest = Forest::from_bytes(own)?;
            if forests
                .first()
                .is_some_and(|first| first.kinds != forest.kinds)
            {
                return Err(wrong("forests of the same columns"));
            }
            forests.push(forest);
            rest = more;
        }
        match rest {
            [] => Ok(Self { forests }),
            _ => Err(wrong("an end after the last class")),
        }
    }
}
