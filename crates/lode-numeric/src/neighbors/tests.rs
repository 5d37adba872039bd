//! Checks cosines against the plain formula on dense columns, and ties, limits and order.

use super::NeighborParams;
use super::Sparse;
use super::cosine;
use crate::Error;
use crate::Rng;
use crate::go_on;

const ALL: NeighborParams = NeighborParams {
    limit: 0,
    min_both: 1,
    threads: 1,
};

fn random_entries(n_people: u32, n_items: u32) -> Vec<(u32, u32, f64)> {
    let mut rng = Rng::new(4);
    (0..n_people)
        .flat_map(|person| {
            (0..1 + rng.below(8))
                .map(|_| {
                    let item = rng
                        .below(u64::from(n_items))
                        .min(rng.below(u64::from(n_items)));
                    (person, item as u32, 1.0 + rng.below(3) as f64)
                })
                .collect::<Vec<_>>()
        })
        .collect()
}

#[test]
fn similarities_are_those_of_the_formula() {
    for binary in [true, false] {
        let mut people = Sparse::from_entries(random_entries(300, 40), 300, 40).unwrap();
        if binary {
            people = people.binary();
        }
        let mut dense = vec![vec![0.0; 300]; 40];
        for (item, column) in dense.iter_mut().enumerate() {
            for (person, cell) in column.iter_mut().enumerate() {
                let (items, weights) = people.row(person);
                if let Ok(place) = items.binary_search(&(item as u32)) {
                    *cell = weights[place];
                }
            }
        }
        let product = |a: usize, b: usize| -> f64 {
            dense[a].iter().zip(&dense[b]).map(|(x, y)| x * y).sum()
        };
        let found = cosine(&people, &ALL, &go_on).unwrap();
        for a in 0..40 {
            let expected = (0..40).filter(|b| *b != a && product(a, *b) > 0.0).count();
            assert_eq!(found[a].len(), expected);
            for neighbor in &found[a] {
                let b = neighbor.item as usize;
                let expected = product(a, b) / (product(a, a) * product(b, b)).sqrt();
                assert!((neighbor.similarity - expected).abs() < 1e-12);
                let both = (0..300).filter(|u| dense[a][*u] > 0.0 && dense[b][*u] > 0.0);
                assert_eq!(neighbor.n_both as usize, both.count());
            }
            let in_order = found[a].windows(2).all(|pair| {
                (pair[1].similarity, pair[0].item) < (pair[0].similarity, pair[1].item)
                    || pair[1].similarity < pair[0].similarity
            });
            assert!(in_order);
        }
    }
}

#[test]
fn limits_keep_the_head_of_the_full_list() {
    let people = Sparse::from_entries(random_entries(300, 40), 300, 40).unwrap();
    let full = cosine(&people, &ALL, &go_on).unwrap();
    let five = NeighborParams { limit: 5, ..ALL };
    for (short, full) in cosine(&people, &five, &go_on).unwrap().iter().zip(&full) {
        assert_eq!(short[..], full[..full.len().min(5)]);
    }
    let common = NeighborParams { min_both: 4, ..ALL };
    for (kept, full) in cosine(&people, &common, &go_on).unwrap().iter().zip(&full) {
        let expected: Vec<_> = full.iter().filter(|n| n.n_both >= 4).copied().collect();
        assert_eq!(*kept, expected);
    }
}

#[test]
fn the_order_of_entries_and_threads_does_not_matter() {
    let mut entries = random_entries(2_000, 200);
    let run = |entries: &[(u32, u32, f64)], threads| {
        let people = Sparse::from_entries(entries.to_vec(), 2_000, 200).unwrap();
        cosine(&people, &NeighborParams { threads, ..ALL }, &go_on).unwrap()
    };
    let one = run(&entries, 1);
    entries.reverse();
    assert_eq!(run(&entries, 2), one);
    assert_eq!(run(&entries, 8), one);
}

#[test]
fn tables_turn_around() {
    let entries = vec![(2, 1, 5.0), (0, 3, 1.0), (2, 0, 2.0), (2, 1, 1.0)];
    let table = Sparse::from_entries(entries, 3, 4).unwrap();
    assert_eq!(table.row(2), (&[0, 1][..], &[2.0, 6.0][..]));
    assert_eq!(table.row(1), (&[][..], &[][..]));
    let turned = table.transposed();
    assert_eq!((turned.n_rows(), turned.n_cols()), (4, 3));
    assert_eq!(turned.row(1), (&[2][..], &[6.0][..]));
    assert_eq!(turned.transposed(), table);
}

#[test]
fn bad_arguments_are_refused() {
    assert!(Sparse::from_entries(vec![(3, 0, 1.0)], 3, 1).is_err());
    assert!(Sparse::from_entries(vec![(0, 1, 1.0)], 3, 1).is_err());
    assert!(Sparse::from_entries(vec![(0, 0, f64::NAN)], 3, 1).is_err());
    let people = Sparse::from_entries(vec![(0, 0, 1.0)], 1, 1).unwrap();
    assert_eq!(cosine(&people, &ALL, &|_| false), Err(Error::Cancelled));
    assert!(cosine(&people, &NeighborParams { min_both: 0, ..ALL }, &go_on).is_err());
    let nobody = Sparse::from_entries(Vec::new(), 0, 0).unwrap();
    assert!(cosine(&nobody, &ALL, &go_on).unwrap().is_empty());
}
