//! What is read back, and what is refused.

use super::checksum;
use crate::trees::gbdt;
use crate::trees::gbdt::GbdtParams;
use crate::trees::test_data::Data;
use crate::trees::{Forest, Objective};
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
