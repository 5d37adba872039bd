//! The header before a model's bytes: whose they are, in which format, and whether they are whole.
//!
//! Layout, integers little-endian: `LODEMODL`, u32 header version (1), u32 model format,
//! u32 CRC-32C of the payload, u32 length of the algorithm's id, the id, the payload to the end.

use crate::Error;
use crate::Result;

const MAGIC: &[u8; 8] = b"LODEMODL";
const VERSION: u32 = 1;
const FIXED: usize = 24;

/// The payload with its header.
pub(crate) fn wrap(id: &str, format: u32, payload: &[u8]) -> Vec<u8> {
    let id_len = u32::try_from(id.len()).expect("an algorithm's id is short");
    let mut bytes = Vec::with_capacity(FIXED + id.len() + payload.len());
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(&format.to_le_bytes());
    bytes.extend_from_slice(&crc32c::crc32c(payload).to_le_bytes());
    bytes.extend_from_slice(&id_len.to_le_bytes());
    bytes.extend_from_slice(id.as_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// The payload, if the header says that `id` in `format` made it and it is whole.
pub(crate) fn unwrap<'a>(id: &str, format: u32, bytes: &'a [u8]) -> Result<&'a [u8]> {
    let damaged = |what: &str| Error::model(format!("the model is damaged: {what}"));
    if bytes.get(..8) != Some(MAGIC.as_slice()) {
        return Err(Error::model(
            "expected a model (LODEMODL), found other bytes",
        ));
    }
    let fixed = bytes
        .get(..FIXED)
        .ok_or_else(|| damaged("it ends inside its header"))?;
    let word = |at: usize| {
        let word = fixed[at..at + 4].try_into().expect("four bytes");
        u32::from_le_bytes(word)
    };
    let (version, found_format, crc, id_len) = (word(8), word(12), word(16), word(20) as usize);
    if version != VERSION {
        return Err(Error::model(format!(
            "expected model header version {VERSION}, found {version}"
        )));
    }
    let rest = &bytes[FIXED..];
    let (found_id, payload) = rest
        .split_at_checked(id_len)
        .ok_or_else(|| damaged("it ends inside its header"))?;
    let found_id = String::from_utf8_lossy(found_id);
    if found_id != id {
        return Err(Error::model(format!(
            "expected a model of {id}, found one of {found_id}"
        )));
    }
    if found_format != format {
        return Err(Error::model(format!(
            "expected model format {format} of {id}, found format {found_format}; fit it again"
        )));
    }
    let found_crc = crc32c::crc32c(payload);
    if found_crc != crc {
        return Err(damaged(&format!(
            "expected checksum {crc:08x}, found {found_crc:08x}"
        )));
    }
    Ok(payload)
}

#[cfg(test)]
mod tests;
