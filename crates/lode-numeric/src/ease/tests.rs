//! Checks weights against a plain inverse, and that no thread shows.

use super::EaseParams;
use super::fit;
use crate::Error;
use crate::Rng;
use crate::go_on;
use crate::neighbors::Sparse;

const PLAIN: EaseParams = EaseParams {
    regularization: 5.0,
    limit: 0,
    max_items: 1_000,
    threads: 1,
};

fn random(n_people: usize, n_items: usize) -> Sparse {
    let mut rng = Rng::new(9);
    let entries = (0..6 * n_people).map(|_| {
        let item = rng.index(n_items).min(rng.index(n_items));
        (
            rng.index(n_people) as u32,
            item as u32,
            1.0 + rng.below(2) as f64,
        )
    });
    Sparse::from_entries(entries.collect(), n_people, n_items).unwrap()
}

/// The inverse by Gauss and Jordan.
fn inverse(mut a: Vec<Vec<f64>>) -> Vec<Vec<f64>> {
    let n = a.len();
    for (row, line) in a.iter_mut().enumerate() {
        line.extend((0..n).map(|column| f64::from(u8::from(row == column))));
    }
    for pivot in 0..n {
        let scale = 1.0 / a[pivot][pivot];
        a[pivot].iter_mut().for_each(|x| *x *= scale);
        let line = a[pivot].clone();
        for (row, other) in a.iter_mut().enumerate() {
            if row != pivot {
                let factor = other[pivot];
                other
                    .iter_mut()
                    .zip(&line)
                    .for_each(|(x, y)| *x -= factor * y);
            }
        }
    }
    a.into_iter().map(|line| line[n..].to_vec()).collect()
}

#[test]
fn weights_are_those_of_the_closed_form() {
    // Less than a tile, whole tiles, and some more.
    for n_items in [1, 7, 128, 150] {
        let people = random(400, n_items);
        let mut gram = vec![vec![0.0; n_items]; n_items];
        for person in 0..400 {
            let (items, weights) = people.row(person);
            for (a, x) in items.iter().zip(weights) {
                for (b, y) in items.iter().zip(weights) {
                    gram[*a as usize][*b as usize] += x * y;
                }
            }
        }
        for (item, line) in gram.iter_mut().enumerate() {
            line[item] += 5.0;
        }
        let p = inverse(gram);
        let found = fit(&people, &PLAIN, &go_on).unwrap();
        for i in 0..n_items {
            let list = found.get(i);
            assert!(list.similarities.is_sorted_by(|a, b| a >= b));
            assert!(!list.items.contains(&(i as u32)));
            for j in (0..n_items).filter(|j| *j != i) {
                let expected = -p[i][j] / p[j][j];
                let weight = f64::from(found.similarity(i, j as u32));
                assert!(
                    (weight - expected).abs() < 1e-6,
                    "{i} {j} {expected} {weight}"
                );
            }
        }
    }
}

#[test]
fn cut_weights_are_the_largest_of_their_item() {
    let people = random(400, 90);
    let full = fit(&people, &PLAIN, &go_on).unwrap();
    let cut = fit(&people, &EaseParams { limit: 6, ..PLAIN }, &go_on).unwrap();
    assert!(cut.n_neighbors() <= 6 * 90);
    for scored in 0..90 {
        let mut sizes: Vec<(f32, usize)> = (0..90)
            .map(|item| (full.similarity(item, scored).abs(), item))
            .collect();
        sizes.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        for (place, (size, item)) in sizes.iter().enumerate() {
            let expected = if place < 6 { *size } else { 0.0 };
            let weight = cut.similarity(*item, scored).abs();
            assert_eq!(weight.to_bits(), expected.to_bits());
        }
    }
}

#[test]
fn bits_do_not_depend_on_threads() {
    let people = random(600, 300);
    let one = fit(&people, &PLAIN, &go_on).unwrap();
    for threads in [2, 8] {
        assert_eq!(
            fit(&people, &EaseParams { threads, ..PLAIN }, &go_on).unwrap(),
            one
        );
    }
}

#[test]
fn bad_arguments_are_refused() {
    let people = random(50, 20);
    for regularization in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let params = EaseParams {
            regularization,
            ..PLAIN
        };
        assert!(matches!(
            fit(&people, &params, &go_on),
            Err(Error::OutOfRange { .. })
        ));
    }
    let small = EaseParams {
        max_items: 19,
        ..PLAIN
    };
    assert!(fit(&people, &small, &go_on).is_err());
    assert_eq!(fit(&people, &PLAIN, &|_| false), Err(Error::Cancelled));
    let nobody = Sparse::from_entries(Vec::new(), 0, 0).unwrap();
    assert_eq!(fit(&nobody, &PLAIN, &go_on).unwrap().n_items(), 0);
    let idle = Sparse::from_entries(vec![(0, 1, 1.0)], 1, 3).unwrap();
    assert_eq!(fit(&idle, &PLAIN, &go_on).unwrap().n_neighbors(), 0);
}
