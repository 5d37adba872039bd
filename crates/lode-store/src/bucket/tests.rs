//! The hash of customer ids is part of the disk format: frozen, and even.

use super::*;

/// The hash is part of the format: computed once with an independent program, never to change.
#[test]
fn hashes_are_frozen() {
    let check = |id: &str, expect: u64| assert_eq!(hash(id), expect, "{id}: {:016x}", hash(id));
    check("a", 0x82a2_a958_a9be_ce5b);
    check("foobar", 0x2c22_1949_22d1_672b);
    check("12345", 0x2a80_c0ef_5611_03f3);
    check("7590-VHVEG", 0xb407_7f09_8653_4acb);
    check("客户", 0x710a_b679_966f_4c49);
}

#[test]
fn buckets_are_the_first_bits() {
    let hash = 0xabcd_ef01_2345_6789;
    assert_eq!(bucket_of(hash, 0), 0);
    assert_eq!(bucket_of(hash, 1), 1);
    assert_eq!(bucket_of(hash, 4), 0xa);
    assert_eq!(bucket_of(hash, 32), 0xabcd_ef01);
}

#[test]
fn buckets_fill_evenly() {
    let mut counts = [0_u32; 256];
    for i in 0..25_600 {
        counts[bucket_of(hash(&i.to_string()), 8) as usize] += 1;
    }
    // Expected 100 each, standard deviation 10.
    assert!(counts.iter().all(|n| (50..150).contains(n)), "{counts:?}");
}
