//! Checks the generator against its published code, and draws against their moments.
//!
//! Golden words: `xoshiro256plusplus.c` and `splitmix64.c` of prng.di.unimi.it, run through
//! an independent Python transcription; the first list is also the test vector of the
//! Rust crate rand_xoshiro.

use super::Rng;
use super::SplitMix64;

#[test]
fn words_are_those_of_the_reference() {
    let mut rng = Rng {
        state: [1, 2, 3, 4],
    };
    let expected = [
        41_943_041,
        58_720_359,
        3_588_806_011_781_223,
        3_591_011_842_654_386,
        9_228_616_714_210_784_205,
        9_973_669_472_204_895_162,
        14_011_001_112_246_962_877,
        12_406_186_145_184_390_807,
        15_849_039_046_786_891_736,
        10_450_023_813_501_588_000,
    ];
    assert_eq!(expected.map(|_| rng.next_u64()), expected);
}

#[test]
fn seeding_is_splitmix64() {
    let mut mix = SplitMix64::new(1_234_567);
    let expected = [
        6_457_827_717_110_365_317,
        3_203_168_211_198_807_973,
        9_817_491_932_198_370_423,
        4_593_380_528_125_082_431,
        16_408_922_859_458_223_821,
    ];
    assert_eq!(expected.map(|_| mix.next()), expected);
    // The state of seed 42 is SplitMix64's first four words, so its first word is known.
    assert_eq!(Rng::new(42).next_u64(), 15_021_278_609_987_233_951);
    assert_ne!(Rng::stream(42, 0), Rng::stream(42, 1));
    assert_ne!(Rng::stream(42, 0), Rng::new(42));
}

/// Mean and variance of many draws lie within five standard errors of what they should be.
fn check(name: &str, mean: f64, variance: f64, mut draw: impl FnMut(&mut Rng) -> f64) {
    let mut rng = Rng::new(2024);
    let n = 40_000;
    let draws: Vec<f64> = (0..n).map(|_| draw(&mut rng)).collect();
    let n = f64::from(n);
    let found = draws.iter().sum::<f64>() / n;
    let spread = draws.iter().map(|x| (x - found).powi(2)).sum::<f64>() / n;
    assert!(
        (found - mean).abs() < 5.0 * (variance / n).sqrt(),
        "{name}: mean {found}, expected {mean}"
    );
    assert!(
        (spread / variance - 1.0).abs() < 0.1,
        "{name}: variance {spread}, expected {variance}"
    );
}

#[test]
fn draws_have_their_moments() {
    check("uniform", 0.5, 1.0 / 12.0, Rng::uniform);
    check("below 10", 4.5, 99.0 / 12.0, |rng| rng.below(10) as f64);
    check("normal", 0.0, 1.0, Rng::normal);
    check("exponential", 1.0, 1.0, Rng::exponential);
    check("gamma 0.5", 0.5, 0.5, |rng| rng.gamma(0.5));
    check("gamma 3", 3.0, 3.0, |rng| rng.gamma(3.0));
    check("poisson 2.5", 2.5, 2.5, |rng| rng.poisson(2.5) as f64);
    check("poisson 40", 40.0, 40.0, |rng| rng.poisson(40.0) as f64);
    check("weighted", 2.5, 0.75, |rng| {
        rng.weighted(&[0.0, 0.0, 3.0, 0.0, 1.0]).unwrap() as f64
    });
}

#[test]
fn bounded_integers_stay_in_bounds_and_reach_each_value() {
    let mut rng = Rng::new(1);
    assert_eq!(rng.below(0), 0);
    assert_eq!(rng.below(1), 0);
    let mut seen = [0; 7];
    for _ in 0..700 {
        seen[rng.index(7)] += 1;
    }
    assert!(seen.iter().all(|n| *n > 60), "{seen:?}");
    // A bound above half of 2^64 rejects about half of the words and still ends.
    assert!(rng.below(u64::MAX / 2 + 2) < u64::MAX / 2 + 2);
}

#[test]
fn a_shuffle_keeps_the_items_and_moves_each_anywhere() {
    let mut rng = Rng::new(9);
    let mut first = [0; 5];
    for _ in 0..5_000 {
        let mut items = [0, 1, 2, 3, 4];
        rng.shuffle(&mut items);
        first[items[0]] += 1;
        items.sort_unstable();
        assert_eq!(items, [0, 1, 2, 3, 4]);
    }
    assert!(first.iter().all(|n| (850..1150).contains(n)), "{first:?}");
    assert_eq!(rng.weighted(&[0.0, 0.0]), None);
}
