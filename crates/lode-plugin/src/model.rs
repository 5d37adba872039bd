//! The header before the bytes of a model or a state: whose they are, in which format, from
//! which columns, and whether they are whole.
//!
//! Layout, integers little-endian: eight letters (`LODEMODL` or `LODESTAT`), u32 header version
//! (2), u32 format, u32 CRC-32C of all that follows it, u32 length of the algorithm's id, u32
//! length of the model's name, u64 fingerprint of the columns, the id, the name, the author's
//! bytes to the end. Version 1 (models alone) had the CRC of the author's bytes, the length of
//! the id and the id; it is still read.

use crate::Error;
use crate::Result;

const MODEL: &[u8; 8] = b"LODEMODL";
const STATE: &[u8; 8] = b"LODESTAT";
const VERSION: u32 = 2;
/// Up to and with the CRC.
const PREFIX: usize = 20;
const FIXED_1: usize = 24;
const FIXED_2: usize = 36;

/// The bytes that a fit gave as its model, with what their header says.
#[derive(Clone, Copy, Debug)]
pub struct Model<'a> {
    bytes: &'a [u8],
    name: &'a str,
    format: u32,
    fingerprint: u64,
}

impl<'a> Model<'a> {
    /// The bytes, as the fit gave them.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Its name; empty for an algorithm's main model.
    pub fn name(&self) -> &'a str {
        self.name
    }

    /// The format that it was written in: the algorithm's own, or one that it still reads.
    pub fn format(&self) -> u32 {
        self.format
    }

    /// The [`crate::Inputs::fingerprint`] of the tables that it was made from; 0 when unknown.
    pub fn fingerprint(&self) -> u64 {
        self.fingerprint
    }
}

/// Which bytes are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// What `fit` or `finish` gives and `open` takes.
    Model,
    /// What `partial` and `merge` give and take.
    State,
}

impl Kind {
    fn letters(self) -> &'static [u8; 8] {
        match self {
            Self::Model => MODEL,
            Self::State => STATE,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::State => "state",
        }
    }
}

/// What a header says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Header<'a> {
    pub(crate) id: &'a str,
    pub(crate) name: &'a str,
    pub(crate) format: u32,
    pub(crate) fingerprint: u64,
}

/// The payload with its header.
pub(crate) fn wrap(kind: Kind, header: Header<'_>, payload: &[u8]) -> Vec<u8> {
    let length = |text: &str| u32::try_from(text.len()).expect("ids and names are short");
    let Header {
        id,
        name,
        format,
        fingerprint,
    } = header;
    let mut bytes = Vec::with_capacity(FIXED_2 + id.len() + name.len() + payload.len());
    bytes.extend_from_slice(kind.letters());
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(&format.to_le_bytes());
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(&length(id).to_le_bytes());
    bytes.extend_from_slice(&length(name).to_le_bytes());
    bytes.extend_from_slice(&fingerprint.to_le_bytes());
    bytes.extend_from_slice(id.as_bytes());
    bytes.extend_from_slice(name.as_bytes());
    bytes.extend_from_slice(payload);
    let crc = crc32c::crc32c(&bytes[PREFIX..]);
    bytes[PREFIX - 4..PREFIX].copy_from_slice(&crc.to_le_bytes());
    bytes
}

/// The model, if the header says that `id` made it in one of `formats` and it is whole.
pub(crate) fn model<'a>(id: &str, formats: &[u32], bytes: &'a [u8]) -> Result<Model<'a>> {
    let (header, payload) = unwrap(Kind::Model, id, formats, bytes)?;
    Ok(Model {
        bytes: payload,
        name: header.name,
        format: header.format,
        fingerprint: header.fingerprint,
    })
}

/// The header and the payload, if `id` made them in one of `formats` and they are whole.
pub(crate) fn unwrap<'a>(
    kind: Kind,
    id: &str,
    formats: &[u32],
    bytes: &'a [u8],
) -> Result<(Header<'a>, &'a [u8])> {
    let (header, payload) = parse(kind, bytes).map_err(Error::model)?;
    if header.id != id {
        return Err(Error::model(format!(
            "expected a {} of {id}, found one of {}",
            kind.word(),
            header.id
        )));
    }
    if !formats.contains(&header.format) {
        let formats: Vec<String> = formats.iter().map(u32::to_string).collect();
        return Err(Error::model(format!(
            "expected {} format {} of {id}, found format {}; fit it again",
            kind.word(),
            formats.join(" or "),
            header.format
        )));
    }
    Ok((header, payload))
}

/// Reads a header, whoever made it. For the fuzz target, and for [`unwrap`].
pub(crate) fn parse(kind: Kind, bytes: &[u8]) -> Result<(Header<'_>, &[u8]), String> {
    let word = kind.word();
    let damaged = |what: &str| format!("the {word} is damaged: {what}");
    let short = || damaged("it ends inside its header");
    if bytes.get(..8) != Some(kind.letters().as_slice()) {
        let letters = String::from_utf8_lossy(kind.letters());
        return Err(format!("expected a {word} ({letters}), found other bytes"));
    }
    let number = |at: usize| {
        let bytes = bytes.get(at..at + 4)?;
        Some(u32::from_le_bytes(bytes.try_into().ok()?))
    };
    let number = |at: usize| number(at).ok_or_else(short);
    let (version, format, crc, id_len) = (number(8)?, number(12)?, number(16)?, number(20)?);
    let (fixed, name_len, fingerprint) = match version {
        1 if kind == Kind::Model => (FIXED_1, 0, 0),
        VERSION => {
            let (low, high) = (number(28)?, number(32)?);
            let fingerprint = u64::from(low) | (u64::from(high) << 32);
            (FIXED_2, number(24)?, fingerprint)
        }
        other => {
            return Err(format!(
                "expected {word} header version {VERSION}, found {other}"
            ));
        }
    };
    let split = |bytes: &'_ [u8], n: u32| usize::try_from(n).is_ok_and(|n| n <= bytes.len());
    let rest = bytes.get(fixed..).ok_or_else(short)?;
    if !split(rest, id_len) {
        return Err(short());
    }
    let (id, rest) = rest.split_at(id_len as usize);
    if !split(rest, name_len) {
        return Err(short());
    }
    let (name, payload) = rest.split_at(name_len as usize);
    let covered = if version == 1 {
        payload
    } else {
        &bytes[PREFIX..]
    };
    let found = crc32c::crc32c(covered);
    if found != crc {
        return Err(damaged(&format!(
            "expected checksum {crc:08x}, found {found:08x}"
        )));
    }
    let text = |bytes| std::str::from_utf8(bytes).map_err(|_| damaged("its id is no text"));
    let header = Header {
        id: text(id)?,
        name: text(name)?,
        format,
        fingerprint,
    };
    Ok((header, payload))
}

/// A model or a state read and written again, in the header of today. For the fuzz target.
///
/// # Errors
/// In words: why neither can be read.
#[doc(hidden)]
pub fn rewritten(bytes: &[u8]) -> Result<Vec<u8>, String> {
    let kind = if bytes.starts_with(STATE) {
        Kind::State
    } else {
        Kind::Model
    };
    let (header, payload) = parse(kind, bytes)?;
    Ok(wrap(kind, header, payload))
}

#[cfg(test)]
mod tests;
