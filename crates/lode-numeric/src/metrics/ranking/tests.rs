//! Measures of lists against the figures of independent programs and a plain reading of their
//! definitions.

use super::*;
use crate::Rng;
use crate::golden;
use crate::metrics::Bootstrap;

fn close(found: f64, expected: f64) {
    let near = (found - expected).abs() <= 1e-12;
    assert!(near, "found {found}, expected {expected}");
}

#[test]
fn lists_match_scikit_learn_and_numpy() {
    let mut lines = include_str!("../../golden/ranking.csv").lines();
    let names: Vec<&str> = lines.next().unwrap().split(',').skip(3).collect();
    let mut n_lines = 0;
    for line in lines {
        let fields: Vec<&str> = line.split(',').collect();
        let ranks: Vec<usize> = fields[0].split(' ').map(|r| r.parse().unwrap()).collect();
        let list = RankedList {
            ranks: &ranks,
            n_relevant: fields[1].parse().unwrap(),
        };
        let k = fields[2].parse().unwrap();
        let found = [
            list.hit_rate(k),
            list.precision(k),
            list.recall(k),
            list.capped_recall(k),
            list.ndcg(k),
            list.average_precision(k),
            list.reciprocal_rank(k),
        ];
        assert_eq!(names.len(), found.len());
        for (found, field) in found.into_iter().zip(&fields[3..]) {
            close(found, field.parse().unwrap());
        }
        n_lines += 1;
    }
    assert_eq!(n_lines, 240);
}

#[test]
fn exposure_matches_numpy() {
    let text = include_str!("../../golden/exposure.csv");
    let whole = |name: &str| -> Vec<usize> {
        let numbers = golden::figures(text, name);
        numbers.into_iter().map(|number| number as usize).collect()
    };
    let mut exposure = Exposure::new(whole("shown").len());
    for (item, times) in whole("shown").into_iter().enumerate() {
        (0..times).for_each(|_| exposure.add(item));
    }
    let holders: Vec<u32> = whole("holders").into_iter().map(|n| n as u32).collect();
    let expected = golden::figures(text, "figures");
    close(exposure.coverage(), expected[0]);
    close(exposure.gini(), expected[1]);
    close(exposure.novelty(&holders, 500), expected[2]);
    close(exposure.share_of(whole("head").into_iter()), expected[3]);
}

#[test]
fn lists_agree_with_the_naive_measures() {
    let mut rng = Rng::new(3);
    for _ in 0..500 {
        let n_items = 1 + rng.index(30);
        let ranked: Vec<usize> = (0..n_items).collect();
        // Some of the taken items stand in no list.
        let mut relevant: Vec<usize> = (0..n_items + 10).filter(|_| rng.index(4) == 0).collect();
        relevant.reverse();
        let ranks = ranks_of(&ranked, &relevant);
        let list = RankedList {
            ranks: &ranks,
            n_relevant: relevant.len(),
        };
        for k in [1, 3, 10, 50] {
            let top: Vec<bool> = (0..k.min(n_items))
                .map(|at| relevant.contains(&ranked[at]))
                .collect();
            let hits = top.iter().filter(|hit| **hit).count() as f64;
            close(list.hit_rate(k), if hits > 0.0 { 1.0 } else { 0.0 });
            close(list.precision(k), hits / k as f64);
            let of = |n: usize| if hits > 0.0 { hits / n as f64 } else { 0.0 };
            close(list.recall(k), of(relevant.len()));
            close(list.capped_recall(k), of(relevant.len().min(k)));
            let (mut gain, mut ideal, mut precision, mut seen) = (0.0, 0.0, 0.0, 0.0);
            for (at, hit) in top.iter().enumerate() {
                if *hit {
                    seen += 1.0;
                    gain += 1.0 / (at as f64 + 2.0).log2();
                    precision += seen / (at as f64 + 1.0);
                }
            }
            for at in 0..relevant.len().min(k) {
                ideal += 1.0 / (at as f64 + 2.0).log2();
            }
            close(list.ndcg(k), if hits > 0.0 { gain / ideal } else { 0.0 });
            let average = precision / relevant.len().min(k).max(1) as f64;
            close(list.average_precision(k), average);
            let first = top.iter().position(|hit| *hit);
            let reciprocal = first.map_or(0.0, |at| 1.0 / (at as f64 + 1.0));
            close(list.reciprocal_rank(k), reciprocal);
        }
    }
}

#[test]
fn every_measure_is_one_of_a_perfect_list_and_zero_of_nothing() {
    let perfect = RankedList {
        ranks: &[1, 2, 3],
        n_relevant: 3,
    };
    close(perfect.ndcg(10), 1.0);
    close(perfect.average_precision(10), 1.0);
    close(perfect.recall(10), 1.0);
    close(perfect.capped_recall(2), 1.0);
    close(perfect.recall(2), 2.0 / 3.0);
    close(perfect.ndcg(2), 1.0);
    let nothing = RankedList {
        ranks: &[],
        n_relevant: 0,
    };
    for found in [
        nothing.hit_rate(5),
        nothing.precision(5),
        nothing.recall(5),
        nothing.capped_recall(5),
        nothing.ndcg(5),
        nothing.average_precision(5),
        nothing.reciprocal_rank(5),
    ] {
        close(found, 0.0);
    }
}

#[test]
fn one_item_for_all_covers_little_and_all_items_evenly_everything() {
    let mut one = Exposure::new(10);
    let mut all = Exposure::new(10);
    for place in 0..100 {
        one.add(3);
        all.add(place % 10);
    }
    close(one.coverage(), 0.1);
    close(one.gini(), 0.9);
    close(all.coverage(), 1.0);
    close(all.gini(), 0.0);
    // What no catalogue has takes places and is as new as what one has.
    all.add(99);
    assert_eq!(all.places(), 101);
    close(surprise(0, 8), 3.0);
    close(surprise(8, 8), 0.0);
    let none = Exposure::default();
    close(none.coverage() + none.gini() + none.novelty(&[], 0), 0.0);
}

#[test]
fn intervals_of_means_hold_the_mean_and_do_not_hang_on_threads() {
    let mut rng = Rng::new(11);
    let mut rows = MeanRows::new(2);
    for _ in 0..400 {
        let hit = f64::from(u8::from(rng.index(3) == 0));
        rows.push([hit, 1.0 - hit]);
    }
    let all: Vec<usize> = (0..rows.n_rows()).collect();
    let clusters: Vec<u32> = (0..400).map(|row| row / 2).collect();
    let with = |threads| {
        let bootstrap = Bootstrap {
            replicates: 300,
            seed: 5,
            threads,
            clusters: Some(&clusters),
        };
        rows.intervals(&all, &bootstrap)
    };
    let (one, eight) = (with(1), with(8));
    assert_eq!(one, eight);
    let means = rows.means(&all).unwrap();
    close(means[0] + means[1], 1.0);
    for (mean, interval) in means.iter().zip(&one) {
        let interval = interval.unwrap();
        assert!(interval.low < *mean && *mean < interval.high);
        // 1.96 standard errors of 400 draws of a third are 0.046.
        let reach = (interval.high - interval.low) / 2.0;
        assert!((0.035..0.06).contains(&reach), "{reach}");
    }
    assert!(rows.means(&[]).is_none());
}
