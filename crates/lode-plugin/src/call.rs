//! What the real boundary and the test one do alike: parse parameters, name misuse.

use crate::Algorithm;
use crate::Error;
use crate::Result;

pub(crate) fn no_batch(name: &str) -> Error {
    Error::Refused {
        message: format!(
            "output {name:?}: expected at least one batch (it may have no rows), found none"
        ),
    }
}

pub(crate) fn unexpected_model(id: &str) -> Error {
    Error::Refused {
        message: format!("{id} gave a model, but its MODEL_FORMAT is None"),
    }
}

pub(crate) fn parse<A: Algorithm>(json: &[u8]) -> Result<A::Params> {
    let json = if json.is_empty() { b"{}" } else { json };
    serde_json::from_slice(json).map_err(|error| Error::invalid("params", error.to_string()))
}
