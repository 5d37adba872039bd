//! Golden values: scikit-learn 1.9.1, `KMeans(k, n_init=100, tol=0, random_state=0)` on Iris,
//! and `silhouette_score` of its three groups; the inertia for k = 3 (78.85) is also the
//! generally published one.

use super::KMeansFit;
use super::KMeansParams;
use super::assign::squared_distance;
use super::fit;
use super::fit_from;
use super::silhouette;
use crate::Error;
use crate::Rng;
use crate::Rows;
use crate::go_on;
use crate::golden::iris;
use crate::standardize::Standardizer;

fn params(k: usize) -> KMeansParams {
    KMeansParams {
        k,
        restarts: 20,
        max_iterations: 300,
        tolerance: 0.0,
        seed: 1,
        threads: 1,
    }
}

fn blobs(n_rows: usize, n_cols: usize, seed: u64) -> Vec<f64> {
    let mut rng = Rng::new(seed);
    (0..n_rows)
        .flat_map(|row| {
            let home = (row % 7) as f64;
            (0..n_cols)
                .map(|column| home * ((column % 3) as f64 - 1.0) + rng.normal())
                .collect::<Vec<_>>()
        })
        .collect()
}

#[test]
fn iris_reaches_the_inertia_of_scikit_learn() {
    let (values, _) = iris();
    let mut scaled = values.clone();
    let rows = Rows::new(&values, 4).unwrap();
    Standardizer::fit(rows, 1).unwrap().apply(&mut scaled);
    let expected = [
        (2, 152.347_951_760_357_9, 222.361_704_965_023_02),
        (3, 78.851_441_426_146, 139.820_496_359_749_82),
        (5, 46.446_182_051_282_065, 90.807_591_619_133_6),
        (8, 29.988_943_950_786_055, 62.272_338_391_004_15),
    ];
    for (k, plain, standardized) in expected {
        for (values, expected) in [(&values, plain), (&scaled, standardized)] {
            let rows = Rows::new(values, 4).unwrap();
            let hundred = KMeansParams {
                restarts: 100,
                ..params(k)
            };
            let found = fit(rows, &hundred, &go_on).unwrap();
            assert!(
                found.inertia <= expected * (1.0 + 5e-4),
                "k = {k}: {} above {expected}",
                found.inertia
            );
            assert!(found.converged);
        }
    }
}

#[test]
fn iris_groups_and_silhouette_match() {
    let (values, _) = iris();
    let rows = Rows::new(&values, 4).unwrap();
    let found = fit(rows, &params(3), &go_on).unwrap();
    assert_eq!(found.sizes, [62, 50, 38]);
    let first = [
        5.901_612_903_225_806,
        2.748_387_096_774_193_7,
        4.393_548_387_096_774,
        1.433_870_967_741_935_5,
    ];
    for (found, expected) in found.centers.center(0).iter().zip(first) {
        assert!((found - expected).abs() < 1e-12);
    }
    let apart = silhouette(rows, &found.labels, 2).unwrap();
    assert!((apart - 0.552_819_012_356_409_5).abs() < 1e-12);
}

#[test]
fn every_row_is_with_its_nearest_center_and_centers_are_means() {
    let values = blobs(3_000, 5, 3);
    let rows = Rows::new(&values, 5).unwrap();
    let found = fit(rows, &params(6), &go_on).unwrap();
    let mut inertia = 0.0;
    let mut sums = vec![0.0; 6 * 5];
    for row_idx in 0..rows.n_rows() {
        let row = rows.row(row_idx);
        let distance = |c: usize| squared_distance(row, found.centers.center(c));
        let own = found.labels[row_idx] as usize;
        let best = (0..6).map(distance).fold(f64::INFINITY, f64::min);
        assert!(distance(own) <= best);
        assert!((found.distances[row_idx] - distance(own).sqrt()).abs() < 1e-12);
        inertia += distance(own);
        for (sum, value) in sums[own * 5..].iter_mut().zip(row) {
            *sum += value;
        }
    }
    assert!((inertia / found.inertia - 1.0).abs() < 1e-12);
    for c in 0..6 {
        for (mean, sum) in found.centers.center(c).iter().zip(&sums[c * 5..]) {
            assert!((mean - sum / found.sizes[c] as f64).abs() < 1e-9);
        }
    }
}

/// Plain rounds without bounds, chunks or threads, from the seeds of the first start.
fn plain_lloyd(rows: Rows<'_>, k: usize, seed: u64) -> (Vec<u32>, f64) {
    let mut rng = Rng::stream(seed, 0);
    let mut centers = super::seeding::choose(rows, k, 1, &mut rng, &|| Ok(()))
        .unwrap()
        .values()
        .to_vec();
    let d = rows.n_cols();
    let mut labels = vec![u32::MAX; rows.n_rows()];
    loop {
        let mut inertia = 0.0;
        let mut changed = false;
        let mut sums = vec![0.0; k * d];
        let mut counts = vec![0.0; k];
        for (row_idx, label) in labels.iter_mut().enumerate() {
            let row = rows.row(row_idx);
            let distances: Vec<f64> = centers
                .chunks(d)
                .map(|center| squared_distance(row, center))
                .collect();
            let best = (0..k).min_by(|a, b| distances[*a].total_cmp(&distances[*b]));
            let best = best.unwrap();
            inertia += distances[best];
            changed |= *label != best as u32;
            *label = best as u32;
            counts[best] += 1.0;
            for (sum, value) in sums[best * d..].iter_mut().zip(row) {
                *sum += value;
            }
        }
        if !changed {
            return (labels, inertia);
        }
        for c in 0..k {
            for column in 0..d {
                centers[c * d + column] = sums[c * d + column] / counts[c];
            }
        }
    }
}

#[test]
fn bounds_change_nothing_but_the_time() {
    for (n, d, k, seed) in [
        (500, 2, 3, 1),
        (800, 3, 9, 2),
        (900, 6, 5, 3),
        (300, 1, 4, 4),
    ] {
        let values = blobs(n, d, seed);
        let rows = Rows::new(&values, d).unwrap();
        let one_start = KMeansParams {
            restarts: 1,
            seed,
            max_iterations: 10_000,
            ..params(k)
        };
        let found = fit(rows, &one_start, &go_on).unwrap();
        let (labels, inertia) = plain_lloyd(rows, k, seed);
        assert!((found.inertia / inertia - 1.0).abs() < 1e-12, "k = {k}");
        // Group numbers differ by the order of size; the pairs must agree one to one.
        let mut pairs: Vec<(u32, u32)> = found.labels.iter().copied().zip(labels).collect();
        pairs.sort_unstable();
        pairs.dedup();
        assert_eq!(pairs.len(), k);
    }
}

#[test]
fn bits_do_not_depend_on_threads() {
    let values = blobs(20_000, 4, 5);
    let rows = Rows::new(&values, 4).unwrap();
    let run = |threads| -> KMeansFit {
        let few = KMeansParams {
            restarts: 2,
            max_iterations: 20,
            threads,
            ..params(5)
        };
        fit(rows, &few, &go_on).unwrap()
    };
    let one = run(1);
    for threads in [2, 8] {
        let more = run(threads);
        assert_eq!(more, one);
        assert_eq!(more.inertia.to_bits(), one.inertia.to_bits());
    }
}

#[test]
fn an_empty_group_takes_the_farthest_row() {
    // Two seeds on one spot cannot happen; a far pair of centers around nothing can: with
    // k equal to the number of different rows every row must end as its own center.
    let values = [0.0, 0.0, 1.0, 1.0, 10.0, 10.0, 11.0, 100.0];
    let rows = Rows::new(&values, 1).unwrap();
    for seed in 0..20 {
        let found = fit(rows, &KMeansParams { seed, ..params(5) }, &go_on).unwrap();
        assert!(found.inertia < 1e-20);
        assert!(found.sizes.iter().all(|size| *size > 0));
    }
}

#[test]
fn relocation_leaves_means_right() {
    use super::assign::Centers;
    // Center 2 is out of everyone's reach and takes the row at 9, the farthest from its own.
    let values = [0.0, 1.0, 2.0, 9.0, 20.0, 21.0];
    let rows = Rows::new(&values, 1).unwrap();
    let seeds = Centers::new(vec![1.0, 20.5, 1000.0], 1);
    let run = super::lloyd::run(rows, seeds, &params(3), 0.0, &|_| Ok(())).unwrap();
    let mut centers = run.centers.values().to_vec();
    centers.sort_by(f64::total_cmp);
    assert_eq!(centers, [1.0, 9.0, 20.5]);
    assert!((run.inertia - 2.5).abs() < 1e-12);
}

#[test]
fn bad_arguments_are_refused() {
    let values = [1.0, 1.0, 1.0, 2.0];
    let rows = Rows::new(&values, 1).unwrap();
    let refused = |change: &dyn Fn(&mut KMeansParams)| {
        let mut params = params(2);
        change(&mut params);
        fit(rows, &params, &go_on).unwrap_err()
    };
    assert_eq!(
        refused(&|p| p.k = 5),
        Error::TooFewRows {
            needed: 5,
            found: 4
        }
    );
    assert_eq!(
        refused(&|p| p.k = 3),
        Error::TooFewDistinctRows {
            needed: 3,
            found: 2
        }
    );
    assert!(matches!(refused(&|p| p.k = 0), Error::OutOfRange { .. }));
    assert!(matches!(
        refused(&|p| p.tolerance = f64::NAN),
        Error::OutOfRange { .. }
    ));
    assert!(Rows::new(&[1.0, f64::NAN], 1).is_err());
    assert!(Rows::new(&[1.0, 2.0, 3.0], 2).is_err());
    assert_eq!(
        fit(rows, &params(2), &|_| false).unwrap_err(),
        Error::Cancelled
    );
}

#[test]
fn one_group_is_the_mean() {
    let values = [1.0, 2.0, 6.0];
    let rows = Rows::new(&values, 1).unwrap();
    let found = fit(rows, &params(1), &go_on).unwrap();
    assert_eq!(found.centers.values(), [3.0]);
    assert!((found.inertia - 14.0).abs() < 1e-12);
    assert_eq!(silhouette(rows, &found.labels, 1), None);
}

#[test]
fn a_start_from_the_centers_found_rests_at_once_and_keeps_the_order() {
    use super::assign::Centers;
    let values = blobs(2_000, 3, 4);
    let rows = Rows::new(&values, 3).unwrap();
    let cold = fit(rows, &params(4), &go_on).unwrap();
    let same = fit_from(rows, &params(4), cold.centers.clone(), &go_on).unwrap();
    assert_eq!((same.iterations, same.converged), (1, true));
    assert_eq!(same.labels, cold.labels);
    assert_eq!(same.inertia.to_bits(), cold.inertia.to_bits());
    // Given the other way round they stay the other way round, whatever their sizes.
    let turned: Vec<f64> = (0..4)
        .rev()
        .flat_map(|center| cold.centers.center(center).to_vec())
        .collect();
    let turned = fit_from(rows, &params(4), Centers::new(turned, 3), &go_on).unwrap();
    let expected: Vec<u32> = cold.labels.iter().map(|label| 3 - label).collect();
    assert_eq!(turned.labels, expected);
    let wrong = fit_from(rows, &params(4), Centers::new(vec![0.0; 9], 3), &go_on);
    assert!(matches!(wrong, Err(Error::Length { .. })), "{wrong:?}");
}
