//! The header before the bytes of models and states.
//!
//! Nearly every change breaks the checksum, so each input is tried a second time with it mended.

use lode_plugin::model::rewritten;

use crate::assert_words;
use crate::memory;

/// What headers are made of.
pub(crate) const WORDS: &[&[u8]] = &[
    b"LODEMODL",
    b"LODESTAT",
    b"\x01\0\0\0",
    b"\x02\0\0\0",
    b"\x03\0\0\0",
    b"\xff\xff\xff\xff",
    b"a.b",
    b"\xff",
];

const CRC: usize = 16;
const COVERED: usize = 20;

/// Bytes as a model or a state, as they are and with the checksum that they should have.
pub fn model(bytes: &[u8]) {
    one(bytes);
    if let Some(mended) = mended(bytes) {
        one(&mended);
    }
}

fn one(bytes: &[u8]) {
    match memory::bounded(2 * bytes.len() + 1024, || rewritten(bytes)) {
        Ok(again) => {
            assert_eq!(rewritten(&again).as_ref(), Ok(&again), "the same again");
            if version(bytes) == Some(2) {
                assert_eq!(again, bytes, "every byte of this version has a meaning");
            }
        }
        Err(refusal) => assert_words(&refusal),
    }
}

fn version(bytes: &[u8]) -> Option<u32> {
    word(bytes, 8)
}

fn mended(bytes: &[u8]) -> Option<Vec<u8>> {
    let covered = match version(bytes)? {
        1 => {
            let id_bytes = usize::try_from(word(bytes, 20)?).ok()?;
            bytes.get(24_usize.checked_add(id_bytes)?..)?
        }
        _ => bytes.get(COVERED..)?,
    };
    let crc = crc32c::crc32c(covered);
    let mut mended = bytes.to_vec();
    mended[CRC..COVERED].copy_from_slice(&crc.to_le_bytes());
    Some(mended)
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at + 4)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}

/// A model of each version, and a state.
pub(crate) fn seeds() -> Vec<(&'static str, Vec<u8>)> {
    let made = |bytes: &[u8]| mended(bytes).expect("long enough");
    let tail = b"\x07\0\0\0....\x03\0\0\0\x04\0\0\0\x88\x77\x66\x55\x44\x33\x22\x11a.btreepayload";
    let with = |head: &[u8]| made(&[head, tail].concat());
    vec![
        (
            "model-1",
            made(b"LODEMODL\x01\0\0\0\x07\0\0\0....\x03\0\0\0a.bpayload"),
        ),
        ("model-2", with(b"LODEMODL\x02\0\0\0")),
        ("state-2", with(b"LODESTAT\x02\0\0\0")),
        ("model-3", with(b"LODEMODL\x03\0\0\0")),
    ]
}
