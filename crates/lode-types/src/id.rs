//! Names of things, checked once where they enter.
//!
//! Ids are ASCII and short so that they can be part of a disk key, a file name and a
//! resource name without escaping. A customer's id is the company's own text and may be
//! anything; it is personal data and never becomes part of a key on disk.

use std::fmt;

use serde::Deserialize;
use serde::Serialize;

use crate::Class;
use crate::Failure;

/// A text that is no id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}, found {found:?}")]
pub struct IdError {
    kind: &'static str,
    expected: &'static str,
    found: String,
}

impl Failure for IdError {
    fn class(&self) -> Class {
        Class::Invalid
    }
    fn reason(&self) -> &'static str {
        "INVALID_ID"
    }
    fn field(&self) -> &str {
        self.kind
    }
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $expected:literal, $ok:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Checks `text`.
            ///
            /// # Errors
            /// `INVALID_ID`, with the rule and the text.
            pub fn parse(text: impl Into<String>) -> Result<Self, IdError> {
                let text = text.into();
                let ok: fn(&str) -> bool = $ok;
                if ok(&text) {
                    Ok(Self(text))
                } else {
                    Err(IdError { kind: $kind, expected: $expected, found: text })
                }
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                Self::parse(text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }
    };
}

id!(
    /// A tenant: the owner of everything else.
    TenantId,
    "tenant_id",
    "a tenant id: a letter, then letters, digits, \"_\" or \"-\", at most 63 characters",
    |text| is_word(text, 63)
);
id!(
    /// A dataset: a letter, then letters, digits, `_` or `-`.
    DatasetId,
    "dataset_id",
    "a dataset id: a letter, then letters, digits, \"_\" or \"-\", at most 63 characters",
    |text| is_word(text, 63)
);
id!(
    /// A bulk load, named by the client.
    IngestId,
    "ingest_id",
    "an ingest id: letters, digits, \"_\", \"-\" and \".\", at most 128 characters, not starting with \".\"",
    |text| is_token(text, 128)
);
id!(
    /// A job, named by the client.
    JobId,
    "job_id",
    "a job id: letters, digits, \"_\", \"-\" and \".\", at most 128 characters, not starting with \".\"",
    |text| is_token(text, 128)
);
id!(
    /// A model; a job's model has the job's id.
    ModelId,
    "model_id",
    "a model id: letters, digits, \"_\", \"-\" and \".\", at most 128 characters, not starting with \".\"",
    |text| is_token(text, 128)
);
id!(
    /// A second name of a model, which can be moved to another: a letter, then letters, digits,
    /// `_`, `-` or `.`.
    AliasId,
    "alias",
    "an alias: a letter, then letters, digits, \"_\", \"-\" or \".\", at most 63 characters",
    |text| text.starts_with(|c: char| c.is_ascii_alphabetic()) && is_token(text, 63)
);
id!(
    /// A feature view: a letter, then letters, digits, `_` or `-`.
    FeatureViewId,
    "feature_view_id",
    "a feature view id: a letter, then letters, digits, \"_\" or \"-\", at most 63 characters",
    |text| is_word(text, 63)
);
id!(
    /// A customer, in the company's own text.
    CustomerId,
    "customer_id",
    "a customer id: 1 to 512 bytes of text",
    |text| !text.is_empty() && text.len() <= 512
);

/// Which model is meant: one by its id, or whichever an alias points at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ModelRef {
    /// `ID`.
    Id(ModelId),
    /// `@ALIAS`.
    Alias(AliasId),
}

impl ModelRef {
    /// Reads `ID` or `@ALIAS`.
    ///
    /// # Errors
    /// `INVALID_ID`, with the rule and the text.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        match text.strip_prefix('@') {
            Some(alias) => AliasId::parse(alias).map(Self::Alias),
            None => ModelId::parse(text).map(Self::Id),
        }
    }
}

impl fmt::Display for ModelRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => write!(f, "{id}"),
            Self::Alias(alias) => write!(f, "@{alias}"),
        }
    }
}

impl TryFrom<String> for ModelRef {
    type Error = IdError;
    fn try_from(text: String) -> Result<Self, IdError> {
        Self::parse(&text)
    }
}

impl From<ModelRef> for String {
    fn from(model: ModelRef) -> Self {
        model.to_string()
    }
}

impl From<ModelId> for ModelRef {
    fn from(id: ModelId) -> Self {
        Self::Id(id)
    }
}

impl TenantId {
    /// The one tenant there is until authentication exists.
    pub fn only() -> Self {
        Self("default".to_owned())
    }
}

fn is_word(text: &str, max_len: usize) -> bool {
    text.len() <= max_len
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

fn is_token(text: &str, max_len: usize) -> bool {
    !text.is_empty()
        && text.len() <= max_len
        && !text.starts_with('.')
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
}
