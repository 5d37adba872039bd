//! Checks that damaged states are refused or read within bounds, and what a state weighs.

use lode_numeric::Rng;
use lode_numeric::sum::ExactSum;

use super::State;
use super::Total;
use crate::rfm::purchases::Counts;

fn total(last: Option<i64>, money: &[f64]) -> Total {
    let mut monetary = ExactSum::default();
    for amount in money {
        monetary.add(*amount);
    }
    Total {
        last,
        rows: 1,
        monetary,
    }
}

fn state() -> State {
    let names = ["ann", "bob", "cy", "zo\u{eb}"].map(str::to_owned).to_vec();
    let totals = vec![
        total(Some(5), &[0.1, 0.2]),
        total(None, &[]),
        total(None, &[-3.0]),
        total(Some(-7), &[1e200, 1e-200]),
    ];
    let orders = ["1", "2", "30"].map(str::to_owned).to_vec();
    State::new(
        Counts::of([1, 2, 3, 4, 5, 6]),
        Some(9),
        (names, totals),
        (orders, vec![(0, 0), (0, 2), (3, 2)]),
    )
}

#[test]
fn states_come_back_from_bytes_and_hold_no_more_than_they_must() {
    let state = state();
    assert_eq!(State::decode(&state.encode()).unwrap(), state);
    // Bob bought nothing and returned nothing; nobody has order 2.
    assert_eq!(state.customers, ["ann", "cy", "zo\u{eb}"]);
    assert_eq!(state.orders, ["1", "30"]);
    let none = State::default();
    assert_eq!(State::decode(&none.encode()).unwrap(), none);
    assert_eq!(none.encode().len(), 6 * 8 + 1 + 8 + 8);
}

#[test]
fn damaged_bytes_are_refused_or_read_within_bounds() {
    let bytes = state().encode();
    for len in 0..bytes.len() {
        assert!(State::decode(&bytes[..len]).is_err(), "{len}");
    }
    let mut longer = bytes.clone();
    longer.push(0);
    assert!(State::decode(&longer).is_err());
    let mut rng = Rng::new(7);
    let mut n_read = 0;
    for _ in 0..5_000 {
        let mut damaged = bytes.clone();
        let at = rng.index(damaged.len());
        damaged[at] ^= 1 << rng.below(8);
        if let Ok(read) = State::decode(&damaged) {
            n_read += 1;
            // Merging and counting must hold whatever was read.
            let merged = read.merge(state());
            assert!(merged.into_customers().count() >= 3);
        }
    }
    assert!(n_read > 0);
}

#[test]
fn a_customer_weighs_its_id_its_sum_and_its_orders() {
    let with = |n_orders: usize| {
        let orders: Vec<String> = (0..n_orders).map(|order| format!("{order:06}")).collect();
        let pairs = (0..n_orders as u32).map(|order| (0, order)).collect();
        let names = (vec!["r000001".to_owned()], vec![total(Some(1), &[2.5])]);
        State::new(Counts::default(), Some(1), names, (orders, pairs))
            .encode()
            .len()
    };
    let none = State::default().encode().len() + 8;
    assert_eq!(with(0) - none, 4 + 7 + 9 + 8 + 8 + 8 + 8);
    assert_eq!(with(100) - with(0), 100 * (4 + 4 + 6));
}
