//! What is read back, and what is refused.

use super::checksum;
use crate::trees::bins::Binning;
use crate::trees::gbdt;
use crate::trees::gbdt::GbdtParams;
use crate::trees::test_data::Data;
use crate::trees::{Column, Forest, Objective, Table};
use crate::{Error, Rng, go_on};

fn model(objective: Objective, max_rounds: usize) -> (Data, Forest) {
    let data = Data::mixed(150, 1);
    let params = GbdtParams {
        objective,
        max_rounds,
        members: 2,
        repeats: 1,
        ..GbdtParams::default()
    };
    let targets = if objective == Objective::Logistic {
        &data.yes
    } else {
        &data.amount
    };
    let fit = gbdt::fit(&data.table(), targets, None, &params, &go_on).unwrap();
    (data, fit.model)
}

#[test]
fn what_is_stored_is_read_back() {
    for objective in [
        Objective::Logistic,
        Objective::Squared,
        Objective::Poisson,
        Objective::Gamma,
        Objective::Tweedie { power: 1.25 },
    ] {
        let (data, model) = model(objective, 20);
        let bytes = model.to_bytes();
        let read = Forest::from_bytes(&bytes).unwrap();
        assert_eq!(read, model);
        assert_eq!(read.to_bytes(), bytes);
        assert_eq!(
            read.contributions(&data.table(), 1).unwrap(),
            model.contributions(&data.table(), 1).unwrap()
        );
        assert!(
            bytes.len() < 13 * model.trees.concat().len() + 12_000,
            "{}",
            bytes.len()
        );
    }
}

#[test]
fn a_model_of_the_old_form_scores_as_it_did() {
    let bytes = include_bytes!("../../golden/forest-v1.bin");
    assert_eq!(&bytes[..8], b"lodetre1");
    let model = Forest::from_bytes(bytes).unwrap();
    let number = |i: u32| match i % 11 {
        0 => f64::NAN,
        _ => f64::from(i % 17) / 4.0,
    };
    let numbers: Vec<f64> = (0..24).map(number).collect();
    let codes: Vec<u32> = (0..24).map(|i| i % 7).collect();
    let level = Column::Category {
        codes: &codes,
        n_levels: 6,
    };
    let table = Table::new(24, vec![Column::Number(&numbers), level]).unwrap();
    // Made by the build that wrote the bytes.
    let margins = model.margins(&table, 1).unwrap();
    let bits = margins
        .iter()
        .fold(0_u64, |sum, margin| sum.rotate_left(5) ^ margin.to_bits());
    assert_eq!(bits, 8_864_221_077_188_578_709);
    // Written anew, it is smaller and the same.
    let new = model.to_bytes();
    assert!(new.len() < bytes.len(), "{} bytes", new.len());
    assert_eq!(Forest::from_bytes(&new).unwrap(), model);
}

#[test]
fn a_leaf_takes_ten_bytes_and_a_split_two() {
    let (_, model) = model(Objective::Logistic, 60);
    let n_leaves = model.trees.concat().len().div_ceil(2);
    let found = model.to_bytes().len();
    assert!(
        found < 15 * n_leaves + 500,
        "{found} bytes, {n_leaves} leaves"
    );
}

#[test]
fn cuts_keep_their_bits() {
    let mut rng = Rng::new(4);
    let cuts = [
        0.0,
        -0.0,
        0.1,
        -0.3,
        1e9,
        123_456.789,
        1e300,
        -1e-300,
        f64::INFINITY,
    ];
    let more = (0..300).map(|_| match rng.index(3) {
        0 => rng.normal(),
        1 => (rng.normal() * 1000.0).round() / 100.0,
        _ => rng.normal() * 1e15,
    });
    let all: Vec<f64> = cuts.into_iter().chain(more).collect();
    let (_, mut model) = model(Objective::Logistic, 3);
    for cut in all {
        let number = model.derived.iter_mut();
        let mut numbers = number.filter(|derived| model.kinds[derived.source as usize].is_none());
        numbers.next().unwrap().binning = Binning::Number(vec![cut]);
        let read = Forest::from_bytes(&model.to_bytes()).unwrap();
        assert_eq!(read.to_bytes(), model.to_bytes(), "{cut}");
        let kept = read.derived.iter().any(|derived| match &derived.binning {
            Binning::Number(cuts) => cuts.iter().any(|own| own.to_bits() == cut.to_bits()),
            Binning::Category(_) => false,
        });
        assert!(kept, "{cut}");
    }
}

#[test]
fn damage_is_an_error() {
    let (_, model) = model(Objective::Logistic, 3);
    let bytes = model.to_bytes();
    for len in 0..bytes.len() {
        assert!(
            matches!(Forest::from_bytes(&bytes[..len]), Err(Error::Bytes { .. })),
            "{len}"
        );
    }
    for at in 0..bytes.len() {
        let mut spoiled = bytes.clone();
        spoiled[at] ^= 1 << (at % 8);
        assert!(
            matches!(Forest::from_bytes(&spoiled), Err(Error::Bytes { .. })),
            "byte {at}"
        );
    }
    let mut longer = bytes.clone();
    longer.push(0);
    assert!(Forest::from_bytes(&longer).is_err());
}

#[test]
fn damage_under_a_good_checksum_neither_panics_nor_hangs() {
    let (data, model) = model(Objective::Logistic, 3);
    let bytes = model.to_bytes();
    let body = bytes.len() - 8;
    let mut rng = Rng::new(3);
    let few = data.take(&(0..20).collect::<Vec<usize>>());
    let mut n_read = 0;
    for _ in 0..20_000 {
        let mut spoiled = bytes[..body].to_vec();
        for _ in 0..1 + rng.index(3) {
            let at = rng.index(spoiled.len());
            spoiled[at] = if rng.chance(0.3) {
                0xff
            } else {
                rng.next_u64() as u8
            };
        }
        if rng.chance(0.2) {
            spoiled.truncate(rng.index(body));
        }
        let sum = checksum(&spoiled);
        spoiled.extend_from_slice(&sum.to_le_bytes());
        if let Ok(read) = Forest::from_bytes(&spoiled) {
            n_read += 1;
            assert_eq!(Forest::from_bytes(&read.to_bytes()).unwrap(), read);
            if n_read % 20 == 0 && read.margins(&few.table(), 1).is_ok() {
                let found = read.contributions(&few.table(), 1).unwrap();
                assert!(found.values.iter().all(|value| !value.is_nan()));
            }
        }
    }
    assert!(n_read > 500, "only {n_read} read: nothing was tried");
}
