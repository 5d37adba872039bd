//! The header: what it accepts, and how it refuses.

use super::Header;
use super::Kind;
use super::model;
use super::unwrap;
use super::wrap;

fn wrapped(id: &str, format: u32, payload: &[u8]) -> Vec<u8> {
    let header = Header {
        id,
        name: "tree",
        format,
        fingerprint: 0x1122_3344_5566_7788,
    };
    wrap(Kind::Model, header, payload)
}

fn refusal(bytes: &[u8]) -> String {
    model("a.b", &[2], bytes).expect_err("refused").to_string()
}

#[test]
fn its_own_bytes_come_back() {
    let bytes = wrapped("a.b", 2, b"payload");
    let read = model("a.b", &[2], &bytes).unwrap();
    assert_eq!((read.bytes(), read.name()), (&b"payload"[..], "tree"));
    assert_eq!(
        (read.format(), read.fingerprint()),
        (2, 0x1122_3344_5566_7788)
    );
    let bytes = wrapped("a.b", 2, b"");
    assert_eq!(model("a.b", &[2], &bytes).unwrap().bytes(), b"");
}

#[test]
fn the_layout_is_as_documented() {
    let bytes = wrapped("a.b", 2, b"123");
    let head = b"LODEMODL\x02\0\0\0\x02\0\0\0";
    assert_eq!(&bytes[..16], head);
    let rest = b"\x03\0\0\0\x04\0\0\0\x88\x77\x66\x55\x44\x33\x22\x11a.btree123";
    assert_eq!(&bytes[20..], rest);
    let crc = u32::from_le_bytes(bytes[16..20].try_into().unwrap());
    assert_eq!(crc, crc32c::crc32c(rest));
}

#[test]
fn a_model_of_header_version_1_is_still_read() {
    // CRC-32C of "123456789" is e3069283 (the check value of the published algorithm).
    let bytes = b"LODEMODL\x01\0\0\0\x02\0\0\0\x83\x92\x06\xe3\x03\0\0\0a.b123456789";
    let read = model("a.b", &[2], bytes).unwrap();
    assert_eq!((read.bytes(), read.fingerprint()), (&b"123456789"[..], 0));
}

#[test]
fn others_are_refused_with_the_reason() {
    assert!(refusal(b"").contains("found other bytes"));
    assert!(refusal(b"PK\x03\x04 and so on, a zip file").contains("found other bytes"));
    assert_eq!(
        refusal(&wrapped("a.c", 2, b"x")),
        "expected a model of a.b, found one of a.c"
    );
    assert_eq!(
        refusal(&wrapped("a.b", 1, b"x")),
        "expected model format 2 of a.b, found format 1; fit it again"
    );
    let mut newer = wrapped("a.b", 2, b"x");
    newer[8] = 9;
    assert_eq!(refusal(&newer), "expected model header version 2, found 9");
    let other = wrapped("a.b", 2, b"x");
    let state = unwrap(Kind::State, "a.b", &[2], &other);
    let state = state.expect_err("a model is no state").to_string();
    assert_eq!(state, "expected a state (LODESTAT), found other bytes");
}

#[test]
fn an_older_format_that_is_read_says_which_it_is() {
    let read = wrapped("a.b", 1, b"x");
    assert_eq!(model("a.b", &[2, 1], &read).unwrap().format(), 1);
}

#[test]
fn every_cut_and_every_flipped_bit_is_refused() {
    let good = wrapped("a.b", 2, b"some payload");
    for cut in 0..good.len() {
        refusal(&good[..cut]);
    }
    for bit in 0..good.len() * 8 {
        let mut bad = good.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        refusal(&bad);
    }
}
