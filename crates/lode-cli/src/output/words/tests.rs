//! Numbers and times as a person reads them.

use lode_types::Timestamp;

use super::count;
use super::duration;
use super::of;
use super::size;
use super::time;

#[test]
fn counts_have_commas() {
    let cases = [
        (0, "0"),
        (999, "999"),
        (1000, "1,000"),
        (541_909, "541,909"),
        (u64::MAX, "18,446,744,073,709,551,615"),
    ];
    for (n, expected) in cases {
        assert_eq!(count(n), expected);
    }
    assert_eq!(of(1, "row"), "1 row");
    assert_eq!(of(2000, "row"), "2,000 rows");
}

#[test]
fn sizes_have_a_unit() {
    assert_eq!(size(1023), "1023 B");
    assert_eq!(size(1024), "1.0 KiB");
    assert_eq!(size(1_572_864), "1.5 MiB");
    assert_eq!(size(u64::MAX), "16777215.9 TiB");
}

#[test]
fn times_and_spans() {
    let at = |micros| Some(Timestamp(micros));
    assert_eq!(time(at(1_000_000)), "1970-01-01 00:00:01");
    assert_eq!(time(None), "");
    assert_eq!(duration(at(0), at(1_260_000)), "1.2 s");
    assert_eq!(duration(at(0), at(125_000_000)), "2 min 5 s");
    assert_eq!(duration(at(5), at(0)), "0.0 s");
    assert_eq!(duration(at(5), None), "");
}
