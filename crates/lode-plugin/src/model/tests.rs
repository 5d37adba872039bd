//! The header: what it accepts, and how it refuses.

use super::unwrap;
use super::wrap;

fn refusal(bytes: &[u8]) -> String {
    unwrap("a.b", 2, bytes).expect_err("refused").to_string()
}

#[test]
fn its_own_bytes_come_back() {
    let bytes = wrap("a.b", 2, b"payload");
    assert_eq!(unwrap("a.b", 2, &bytes).unwrap(), b"payload");
    assert_eq!(unwrap("a.b", 2, &wrap("a.b", 2, b"")).unwrap(), b"");
}

#[test]
fn the_layout_is_as_documented() {
    // CRC-32C of "123456789" is e3069283 (the check value of the published algorithm).
    let bytes = wrap("a.b", 2, b"123456789");
    let head = b"LODEMODL\x01\0\0\0\x02\0\0\0\x83\x92\x06\xe3\x03\0\0\0a.b123456789";
    assert_eq!(bytes, head);
}

#[test]
fn others_are_refused_with_the_reason() {
    assert!(refusal(b"").contains("found other bytes"));
    assert!(refusal(b"PK\x03\x04 and so on, a zip file").contains("found other bytes"));
    assert_eq!(
        refusal(&wrap("a.c", 2, b"x")),
        "expected a model of a.b, found one of a.c"
    );
    assert_eq!(
        refusal(&wrap("a.b", 1, b"x")),
        "expected model format 2 of a.b, found format 1; fit it again"
    );
    let mut newer = wrap("a.b", 2, b"x");
    newer[8] = 9;
    assert_eq!(refusal(&newer), "expected model header version 1, found 9");
}

#[test]
fn every_cut_and_every_flipped_bit_is_refused() {
    let good = wrap("a.b", 2, b"some payload");
    for cut in 0..good.len() {
        refusal(&good[..cut]);
    }
    for bit in 0..good.len() * 8 {
        let mut bad = good.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        refusal(&bad);
    }
}
