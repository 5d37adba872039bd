//! What a recommender's model may offer, to whom, as things stand now: rules and filters over the
//! current items and customers, and what customers did since the model was made.
//!
//! [`catalogue`] says which datasets a model's offers rest on, [`table`] keeps the items of a
//! dataset at its newest version with the items that pass a filter, [`sieve`] joins rules and
//! filter for one customer, [`fresh`] knows what came since, [`ask`] asks the plugin until enough
//! pass. [`impressions`] keeps what was offered and [`lift`] measures what came of it. Invariant: an
//! item that fails a rule as its dataset stood when the call came is never offered.

pub(crate) mod ask;
pub(crate) mod catalogue;
pub(crate) mod fresh;
pub(crate) mod impressions;
pub(crate) mod lift;
pub(crate) mod sieve;
pub(crate) mod table;

pub(crate) use catalogue::Catalogue;

/// Why an answer is shorter than asked for, or what else there is to know of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// One word for programs.
    pub reason: &'static str,
    /// For people.
    pub message: String,
}

/// The part of an experiment that an answer belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arm {
    /// What the model offers.
    Model,
    /// The most popular items instead.
    Control,
}

impl Arm {
    /// As it stands in the dataset of impressions.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Control => "control",
        }
    }

    /// The arm of a customer of a model that is called by a name: by a hash of both, so that it
    /// stays what it is as long as the share does, and grows with it.
    pub(crate) fn of(customer: &str, called: &str, control_share: f64) -> Self {
        use sha2::Digest;
        let mut hasher = sha2::Sha256::new();
        hasher.update(called.as_bytes());
        hasher.update([0]);
        hasher.update(customer.as_bytes());
        let hash = hasher.finalize();
        let mut first = [0; 8];
        first.copy_from_slice(&hash[..8]);
        // The 53 bits that a float holds exactly.
        let place = (u64::from_be_bytes(first) >> 11) as f64 / (1_u64 << 53) as f64;
        match place < control_share {
            true => Self::Control,
            false => Self::Model,
        }
    }
}

#[cfg(test)]
mod tests;
