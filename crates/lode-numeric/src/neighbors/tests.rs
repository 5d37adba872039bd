//! Checks similarities against plain formulas on dense columns, and ties, limits and order.

use super::Lists;
use super::Measure;
use super::NeighborParams;
use super::Room;
use super::Sparse;
use super::fit;
use super::offers;
use super::offers_for_all;
use crate::Error;
use crate::Rng;
use crate::go_on;

const ALL: NeighborParams = NeighborParams {
    measure: Measure::Cosine,
    limit: 0,
    min_both: 1,
    shrinkage: 0.0,
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

fn random(n_people: u32, n_items: u32) -> Sparse {
    Sparse::from_entries(
        random_entries(n_people, n_items),
        n_people as usize,
        n_items as usize,
    )
    .unwrap()
}

/// Weights as `weigh(weight, person, item)` makes them, column by column.
fn dense(people: &Sparse, weigh: impl Fn(f64, usize, usize) -> f64) -> Vec<Vec<f64>> {
    let mut columns = vec![vec![0.0; people.n_rows()]; people.n_cols()];
    for person in 0..people.n_rows() {
        let (items, weights) = people.row(person);
        for (item, weight) in items.iter().zip(weights) {
            let column = &mut columns[*item as usize];
            column[person] = weigh(*weight, person, *item as usize);
        }
    }
    columns
}

fn product(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

/// Compares with `expected(a, b, n_both)`, and looks at the order.
fn check(people: &Sparse, params: &NeighborParams, expected: impl Fn(usize, usize, f64) -> f64) {
    let found = fit(people, params, &go_on).unwrap();
    let n_items = people.n_cols();
    let has = dense(people, |weight, _, _| {
        f64::from(u8::from(params.measure.takes(weight)))
    });
    for a in 0..n_items {
        let list = found.get(a);
        let mut missing = 0;
        for b in (0..n_items).filter(|b| *b != a) {
            let both = product(&has[a], &has[b]);
            let expected = if both > 0.0 {
                expected(a, b, both) * both / (both + params.shrinkage)
            } else {
                0.0
            };
            match list.items.iter().position(|item| *item == b as u32) {
                Some(place) => {
                    let error = f64::from(list.similarities[place]) - expected;
                    assert!(
                        error.abs() < 2e-6 * expected.abs().max(0.1),
                        "{a} {b} {expected} {error}"
                    );
                    assert_eq!(list.both[place], both as u32);
                }
                None => {
                    missing += 1;
                    assert!(expected < 1e-6, "{a} {b} {expected}");
                }
            }
        }
        assert_eq!(list.items.len() + missing, n_items - 1);
        let in_order = |place: usize| {
            let similarities = (list.similarities[place - 1], list.similarities[place]);
            similarities.0 > similarities.1
                || (similarities.0 >= similarities.1 && list.items[place - 1] < list.items[place])
        };
        assert!((1..list.items.len()).all(in_order));
    }
}

#[test]
fn similarities_are_those_of_the_formulas() {
    let weighted = random(300, 40);
    for people in [&weighted, &weighted.clone().binary()] {
        let plain = dense(people, |weight, _, _| weight);
        let has = dense(people, |_, _, _| 1.0);
        let count = |item: usize| has[item].iter().sum::<f64>();
        let norm = |item: usize| product(&plain[item], &plain[item]).sqrt();
        for shrinkage in [0.0, 3.5] {
            let params = NeighborParams { shrinkage, ..ALL };
            check(people, &params, |a, b, _| {
                product(&plain[a], &plain[b]) / (norm(a) * norm(b))
            });
            let measure = Measure::Jaccard;
            check(people, &NeighborParams { measure, ..params }, |a, b, n| {
                n / (count(a) + count(b) - n)
            });
            let measure = Measure::Lift;
            check(people, &NeighborParams { measure, ..params }, |a, b, n| {
                n * 300.0 / (count(a) * count(b))
            });
            for alpha in [0.0, 0.3, 1.0] {
                let measure = Measure::Conditional { alpha };
                check(people, &NeighborParams { measure, ..params }, |a, b, _| {
                    product(&plain[a], &plain[b])
                        / (norm(a).powf(2.0 * alpha) * norm(b).powf(2.0 * (1.0 - alpha)))
                });
            }
        }
    }
}

#[test]
fn words_of_text_search_weigh_as_implicit_does() {
    let people = random(300, 40);
    let n_own = |person: usize| people.row(person).0.len() as f64;
    let idf = |person: usize| 40_f64.ln() - n_own(person).ln_1p();
    let columns = dense(&people, |weight, person, _| weight.sqrt() * idf(person));
    let norm = |item: usize| product(&columns[item], &columns[item]).sqrt();
    let measure = Measure::TfIdf;
    check(&people, &NeighborParams { measure, ..ALL }, |a, b, _| {
        product(&columns[a], &columns[b]) / (norm(a) * norm(b))
    });
    let totals: Vec<f64> = dense(&people, |weight, _, _| weight)
        .iter()
        .map(|column| column.iter().sum())
        .collect();
    let mean = totals.iter().sum::<f64>() / 40.0;
    let columns = dense(&people, |weight, person, item| {
        let length = 0.25 + 0.75 * totals[item] / mean;
        weight * 2.2 / (1.2 * length + weight) * idf(person)
    });
    let measure = Measure::Bm25 { k1: 1.2, b: 0.75 };
    check(&people, &NeighborParams { measure, ..ALL }, |a, b, _| {
        product(&columns[a], &columns[b])
    });
}

#[test]
fn dislike_counts_against() {
    let people = random(300, 40);
    let entries = (0..300).flat_map(|person| {
        let (items, weights) = people.row(person);
        let pairs = items.iter().zip(weights);
        pairs.map(move |(item, weight)| (person as u32, *item, *weight - 2.0))
    });
    let people = Sparse::from_entries(entries.collect(), 300, 40).unwrap();
    let plain = dense(&people, |weight, _, _| weight);
    let norm = |item: usize| product(&plain[item], &plain[item]).sqrt();
    check(&people, &ALL, |a, b, _| {
        product(&plain[a], &plain[b]) / (norm(a) * norm(b))
    });
    let count = |item: usize| plain[item].iter().filter(|w| **w > 0.0).count() as f64;
    let measure = Measure::Jaccard;
    check(&people, &NeighborParams { measure, ..ALL }, |a, b, n| {
        n / (count(a) + count(b) - n)
    });
}

#[test]
fn limits_keep_the_head_of_the_full_list() {
    for people in [random(2_000, 300), random(2_000, 300).binary()] {
        let full = fit(&people, &ALL, &go_on).unwrap();
        let five = NeighborParams { limit: 5, ..ALL };
        let short = fit(&people, &five, &go_on).unwrap();
        let common = NeighborParams { min_both: 4, ..ALL };
        let common = fit(&people, &common, &go_on).unwrap();
        for item in 0..300 {
            let (short, full) = (short.get(item), full.get(item));
            let len = full.items.len().min(5);
            assert_eq!(short.items, &full.items[..len]);
            assert_eq!(short.both, &full.both[..len]);
            let kept = full.items.iter().zip(full.both).filter(|n| *n.1 >= 4);
            let kept: Vec<u32> = kept.map(|n| *n.0).collect();
            assert_eq!(common.get(item).items, kept);
        }
    }
}

#[test]
fn the_order_of_entries_and_threads_does_not_matter() {
    for binary in [false, true] {
        let mut entries = random_entries(2_000, 3_000);
        let run = |entries: &[(u32, u32, f64)], threads| {
            let mut people = Sparse::from_entries(entries.to_vec(), 2_000, 3_000).unwrap();
            if binary {
                people = people.binary();
            }
            let params = NeighborParams {
                threads,
                limit: 7,
                ..ALL
            };
            let lists = fit(&people, &params, &go_on).unwrap();
            let offers = offers_for_all(&lists, &people, 10, threads, &go_on).unwrap();
            (lists, offers)
        };
        let one = run(&entries, 1);
        entries.reverse();
        assert_eq!(run(&entries, 2), one);
        assert_eq!(run(&entries, 8), one);
    }
}

#[test]
fn large_catalogues_give_what_small_ones_give() {
    let entries = random_entries(500, 60);
    let small = Sparse::from_entries(entries.clone(), 500, 60).unwrap();
    let spread = |item: u32| item * 2_000;
    let entries = entries.into_iter().map(|(u, i, w)| (u, spread(i), w));
    let large = Sparse::from_entries(entries.collect(), 500, 120_000).unwrap();
    let params = NeighborParams { limit: 9, ..ALL };
    let small = fit(&small, &params, &go_on).unwrap();
    let large = fit(&large, &params, &go_on).unwrap();
    for item in 0..60 {
        let expected = small.get(item as usize);
        let found = large.get(spread(item) as usize);
        let items: Vec<u32> = expected.items.iter().map(|item| spread(*item)).collect();
        assert_eq!(found.items, items);
        assert_eq!(found.similarities, expected.similarities);
    }
    assert_eq!(large.n_neighbors(), small.n_neighbors());
}

/// Scores of all items for a history, by the words of the definition.
fn naive(lists: &Lists, items: &[u32], weights: &[f64]) -> Vec<(u32, f64)> {
    let mut all: Vec<(u32, f64)> = (0..lists.n_items() as u32)
        .filter(|item| !items.contains(item))
        .map(|item| {
            let parts = items.iter().zip(weights);
            let parts = parts.map(|(own, w)| w * f64::from(lists.similarity(*own as usize, item)));
            (item, parts.sum())
        })
        .filter(|offer| offer.1 > 0.0)
        .collect();
    all.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    all
}

#[test]
fn offers_are_the_best_sums_of_similarities() {
    // Few items: all sums are looked at; many: those that were touched.
    for n_items in [50, 5_000] {
        let people = random(400, n_items);
        let lists = fit(&people, &NeighborParams { limit: 20, ..ALL }, &go_on).unwrap();
        let all = offers_for_all(&lists, &people, 12, 1, &go_on).unwrap();
        let mut room = Room::new(n_items as usize);
        for (person, found) in all.iter().enumerate() {
            let (items, weights) = people.row(person);
            let expected = naive(&lists, items, weights);
            let weights: Vec<f32> = weights.iter().map(|weight| *weight as f32).collect();
            let weights = &weights[..];
            let pairs = |n: usize| expected[..expected.len().min(n)].iter();
            assert!(
                found
                    .iter()
                    .map(|o| (o.item, o.score.to_bits()))
                    .eq(pairs(12).map(|e| (e.0, e.1.to_bits())))
            );
            let long = offers(&lists, items, weights, &[items], 1_000_000, &mut room);
            assert!(long.iter().map(|o| o.item).eq(expected.iter().map(|e| e.0)));
            let barred: Vec<u32> = long.iter().take(2).map(|o| o.item).collect();
            let rest = offers(&lists, items, weights, &[items, &barred], 5, &mut room);
            assert!(
                rest.iter()
                    .map(|o| o.item)
                    .eq(expected.iter().skip(2).take(5).map(|e| e.0))
            );
            assert!(offers(&lists, items, weights, &[], 0, &mut room).is_empty());
        }
    }
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
    let parts = (vec![0, 1, 1, 3], vec![3, 0, 1], vec![1.0, 2.0, 6.0]);
    let same = Sparse::from_rows(parts.0.clone(), parts.1.clone(), parts.2.clone(), 4);
    assert_eq!(same.unwrap(), table);
    assert!(Sparse::from_rows(parts.0.clone(), vec![3, 1, 1], parts.2.clone(), 4).is_err());
    assert!(Sparse::from_rows(parts.0.clone(), parts.1.clone(), parts.2.clone(), 3).is_err());
    assert!(Sparse::from_rows(vec![0, 1, 1, 2], parts.1, parts.2, 4).is_err());
}

#[test]
fn lists_come_back_from_their_parts() {
    let lists = fit(&random(300, 40), &ALL, &go_on).unwrap();
    let (starts, items, similarities) = lists.parts();
    let parts = || (starts.to_vec(), items.to_vec(), similarities.to_vec());
    let (s, i, x) = parts();
    let back = Lists::from_parts(s, i, x, Vec::new()).unwrap();
    assert_eq!(back.get(7).items, lists.get(7).items);
    let (s, mut i, x) = parts();
    i[0] = 40;
    assert!(Lists::from_parts(s, i, x, Vec::new()).is_none());
    let (mut s, i, x) = parts();
    s[3] = usize::MAX;
    assert!(Lists::from_parts(s, i, x, Vec::new()).is_none());
    assert!(Lists::from_parts(Vec::new(), Vec::new(), Vec::new(), Vec::new()).is_none());
}

#[test]
fn bad_arguments_are_refused() {
    assert!(Sparse::from_entries(vec![(3, 0, 1.0)], 3, 1).is_err());
    assert!(Sparse::from_entries(vec![(0, 1, 1.0)], 3, 1).is_err());
    assert!(Sparse::from_entries(vec![(0, 0, f64::NAN)], 3, 1).is_err());
    let people = Sparse::from_entries(vec![(0, 0, 1.0)], 1, 1).unwrap();
    assert_eq!(fit(&people, &ALL, &|_| false), Err(Error::Cancelled));
    assert!(fit(&people, &NeighborParams { min_both: 0, ..ALL }, &go_on).is_err());
    for shrinkage in [-1.0, f64::NAN, f64::INFINITY] {
        assert!(fit(&people, &NeighborParams { shrinkage, ..ALL }, &go_on).is_err());
    }
    for measure in [
        Measure::Conditional { alpha: 1.1 },
        Measure::Bm25 { k1: 0.0, b: 0.5 },
        Measure::Bm25 {
            k1: 1.0,
            b: f64::NAN,
        },
    ] {
        assert!(fit(&people, &NeighborParams { measure, ..ALL }, &go_on).is_err());
    }
    let heavy = Sparse::from_entries(vec![(0, 0, 1e16)], 1, 1).unwrap();
    assert!(fit(&heavy, &ALL, &go_on).is_err());
    let nobody = Sparse::from_entries(Vec::new(), 0, 0).unwrap();
    assert_eq!(fit(&nobody, &ALL, &go_on).unwrap().n_items(), 0);
    let lists = fit(&people, &ALL, &go_on).unwrap();
    assert!(offers_for_all(&lists, &nobody, 1, 1, &go_on).is_err());
}
