//! Checks that chunks cover every row once, in order, on any number of threads.

use super::chunk_rows;
use super::map_chunks;
use super::map_mut;

#[test]
fn chunks_come_back_in_order_on_any_number_of_threads() {
    for n_rows in [0, 1, 9, 10, 11, 100] {
        for threads in [1, 2, 3, 8, 50] {
            let ranges = map_chunks(n_rows, 10, threads, |range| range);
            let rows: Vec<usize> = ranges.into_iter().flatten().collect();
            assert_eq!(rows, (0..n_rows).collect::<Vec<_>>());
        }
    }
}

#[test]
fn float_sums_have_the_same_bits_on_any_number_of_threads() {
    let sum = |threads| {
        map_chunks(100_000, 777, threads, |range| {
            range.map(|i| 1.0 / (i as f64 + 1.0)).sum::<f64>()
        })
        .into_iter()
        .sum::<f64>()
        .to_bits()
    };
    assert_eq!(sum(1), sum(2));
    assert_eq!(sum(1), sum(8));
}

#[test]
fn items_are_changed_in_place_and_answered_in_order() {
    for threads in [1, 2, 3, 8] {
        let mut items: Vec<usize> = (0..20).collect();
        let answers = map_mut(&mut items, threads, |index, item| {
            *item += 100;
            index
        });
        assert_eq!(answers, (0..20).collect::<Vec<_>>());
        assert_eq!(items, (100..120).collect::<Vec<_>>());
    }
}

#[test]
fn a_panic_of_a_thread_reaches_the_caller() {
    let caught = std::panic::catch_unwind(|| {
        map_chunks(10, 1, 4, |range| assert!(range.start != 3, "chunk three"))
    });
    assert!(caught.is_err());
}

#[test]
fn chunk_size_follows_the_data_alone() {
    assert_eq!(chunk_rows(10, 1), 4096);
    assert_eq!(chunk_rows(64 * 5000, 1), 5000);
    assert_eq!(chunk_rows(80_000, 1 << 22), 10_000);
}
