//! What the real boundary and the test one do alike: parse parameters, name misuse.

use crate::Algorithm;
use crate::Error;
use crate::Fitted;
use crate::Mergeable;
use crate::Result;
use crate::model;
use crate::model::Header;
use crate::model::Kind;

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

/// The formats that `A` opens, its own first.
pub(crate) fn formats<A: Algorithm>() -> Result<Vec<u32>> {
    let own = A::MODEL_FORMAT.ok_or_else(|| Error::model(format!("{} makes no model", A::ID)))?;
    let older = A::READS_FORMATS.iter().copied();
    Ok(std::iter::once(own).chain(older).collect())
}

/// The models of a fit over columns of that fingerprint, each with its header.
pub(crate) fn models<A: Algorithm>(
    fitted: &mut Fitted,
    fingerprint: u64,
) -> Result<Vec<(String, Vec<u8>)>> {
    let models = std::mem::take(&mut fitted.models);
    let Some(format) = A::MODEL_FORMAT else {
        return match models.is_empty() {
            true => Ok(models),
            false => Err(unexpected_model(A::ID)),
        };
    };
    let wrap = |(name, payload): (String, Vec<u8>)| {
        let header = Header {
            id: A::ID,
            name: &name,
            format,
            fingerprint,
        };
        let bytes = model::wrap(Kind::Model, header, &payload);
        (name, bytes)
    };
    Ok(models.into_iter().map(wrap).collect())
}

/// A state with its header.
pub(crate) fn state<A: Mergeable>(state: &A::State, fingerprint: u64) -> Vec<u8> {
    let header = Header {
        id: A::ID,
        name: "",
        format: A::STATE_FORMAT,
        fingerprint,
    };
    model::wrap(Kind::State, header, &A::encode(state))
}

/// The state that has this header, and the fingerprint of its columns; 0 when it is of no rows.
pub(crate) fn read_state<A: Mergeable>(bytes: &[u8]) -> Result<(A::State, u64)> {
    let (header, payload) = model::unwrap(Kind::State, A::ID, &[A::STATE_FORMAT], bytes)?;
    Ok((A::decode(payload)?, header.fingerprint))
}

/// Puts states together, from left to right; of none, the state of no rows.
pub(crate) fn merge<A: Mergeable>(params: &A::Params, states: &[&[u8]]) -> Result<Vec<u8>> {
    let mut merged: Option<A::State> = None;
    let mut columns = 0;
    for bytes in states {
        let (right, fingerprint) = read_state::<A>(bytes)?;
        if columns != 0 && fingerprint != 0 && columns != fingerprint {
            return Err(Error::model(
                "expected states of the same columns, found one of others",
            ));
        }
        columns = columns.max(fingerprint);
        merged = Some(match merged {
            None => right,
            Some(left) => A::merge(params, left, right)?,
        });
    }
    Ok(state::<A>(&merged.unwrap_or_default(), columns))
}

pub(crate) fn parse<A: Algorithm>(json: &[u8]) -> Result<A::Params> {
    let json = if json.is_empty() { b"{}" } else { json };
    serde_json::from_slice(json).map_err(|error| Error::invalid("params", error.to_string()))
}
