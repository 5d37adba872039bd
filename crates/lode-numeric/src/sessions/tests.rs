//! Checks scores against plain definitions on small random sessions.

use super::FollowParams;
use super::NearParams;
use super::Sessions;
use super::follow;
use super::near;
use super::parts;
use crate::Rng;
use crate::go_on;

const N_ITEMS: usize = 30;

fn random() -> Vec<Vec<u32>> {
    let mut rng = Rng::new(3);
    (0..200)
        .map(|_| {
            (0..rng.below(9))
                .map(|_| rng.index(N_ITEMS).min(rng.index(N_ITEMS)) as u32)
                .collect()
        })
        .collect()
}

fn index(all: &[Vec<u32>]) -> Sessions {
    let mut starts = vec![0];
    starts.extend(all.iter().scan(0, |end, session| {
        *end += session.len();
        Some(*end)
    }));
    Sessions::new(starts, all.concat(), N_ITEMS).unwrap()
}

#[test]
fn sessions_are_found_by_their_items() {
    let all = random();
    let sessions = index(&all);
    assert_eq!(sessions.n_sessions(), 200);
    for item in 0..N_ITEMS as u32 {
        let with: Vec<u32> = (0..200_u32)
            .filter(|session| all[*session as usize].contains(&item))
            .collect();
        assert_eq!(sessions.with_item(item), with);
    }
    assert!((0..200).all(|session| sessions.session(session) == all[session]));
}

#[test]
fn near_sessions_are_those_of_the_definition() {
    let all = random();
    let sessions = index(&all);
    assert_eq!(
        parts(&[4, 2, 4, 9], 10),
        [(9, 1.0), (4, 0.5), (2, 1.0 / 3.0)]
    );
    assert_eq!(parts(&[4, 2, 4, 9], 1), [(9, 1.0)]);
    for asked in &all {
        let asked = parts(asked, 4);
        let params = NearParams {
            limit: 20,
            sample: 1_000,
            last: 4,
        };
        let found = near(&sessions, &asked, &params);
        let mut expected: Vec<(f64, usize)> = Vec::new();
        for (session, items) in all.iter().enumerate() {
            let shared = || {
                asked
                    .iter()
                    .filter(|part| items.contains(&part.0))
                    .map(|part| part.1)
            };
            let mut different = items.clone();
            different.sort_unstable();
            different.dedup();
            let sum: f64 = shared().sum();
            if sum > 0.0 {
                let first = shared().fold(0.0, f64::max);
                expected.push((first * sum / (different.len() as f64).sqrt(), session));
            }
        }
        expected.sort_by(|a, b| b.0.total_cmp(&a.0).then(b.1.cmp(&a.1)));
        expected.truncate(20);
        let total: f64 = expected.iter().map(|near| near.0).sum();
        assert_eq!(found.len(), expected.len());
        for (found, (weight, _)) in found.iter().zip(&expected) {
            assert!((found.weight - weight / total).abs() < 1e-12);
            let items = &all[found.session as usize];
            let shared = asked.iter().filter(|part| items.contains(&part.0));
            let sum: f64 = shared.map(|part| part.1 * found.scale).sum();
            assert!((found.weight - sum).abs() < 1e-12);
        }
    }
}

#[test]
fn only_the_latest_sessions_are_looked_at() {
    let sessions = index(&[vec![1, 2], vec![1, 3], vec![1, 4]]);
    let params = NearParams {
        limit: 10,
        sample: 2,
        last: 5,
    };
    let found = near(&sessions, &parts(&[1], 5), &params);
    assert_eq!(
        found.iter().map(|near| near.session).collect::<Vec<_>>(),
        [2, 1]
    );
    assert!(near(&sessions, &parts(&[7], 5), &params).is_empty());
    assert!(near(&sessions, &[], &params).is_empty());
    assert!(
        near(
            &sessions,
            &parts(&[1], 5),
            &NearParams { limit: 0, ..params }
        )
        .is_empty()
    );
}

#[test]
fn followers_are_counted_by_distance() {
    let all = random();
    let sessions = index(&all);
    for (reach, smoothing) in [(1, 0.0), (3, 2.5)] {
        let params = FollowParams {
            reach,
            smoothing,
            limit: 0,
            threads: 1,
        };
        let found = follow(&sessions, &params, &go_on).unwrap();
        let mut counts = vec![vec![0.0; N_ITEMS]; N_ITEMS];
        for session in &all {
            for (a, from) in session.iter().enumerate() {
                for (b, to) in session.iter().enumerate() {
                    if b > a && b - a <= reach && from != to {
                        counts[*from as usize][*to as usize] += 1.0 / (b - a) as f64;
                    }
                }
            }
        }
        for (item, counts) in counts.iter().enumerate() {
            let total = counts.iter().sum::<f64>() + smoothing;
            for (other, count) in counts.iter().enumerate() {
                let chance = f64::from(found.similarity(item, other as u32));
                let expected = if *count > 0.0 { count / total } else { 0.0 };
                assert!((chance - expected).abs() < 1e-6);
            }
        }
        for threads in [2, 8] {
            let params = FollowParams { threads, ..params };
            assert_eq!(follow(&sessions, &params, &go_on).unwrap(), found);
        }
        let params = FollowParams { limit: 2, ..params };
        let short = follow(&sessions, &params, &go_on).unwrap();
        assert!(
            (0..N_ITEMS)
                .all(|i| short.get(i).items
                    == &found.get(i).items[..found.get(i).items.len().min(2)])
        );
    }
}

#[test]
fn bad_arguments_are_refused() {
    assert!(Sessions::new(vec![0, 2], vec![0], 3).is_err());
    assert!(Sessions::new(vec![], vec![], 3).is_err());
    assert!(Sessions::new(vec![0, 1], vec![3], 3).is_err());
    let none = Sessions::new(vec![0], vec![], 0).unwrap();
    let params = FollowParams {
        reach: 1,
        smoothing: 0.0,
        limit: 0,
        threads: 1,
    };
    assert_eq!(follow(&none, &params, &go_on).unwrap().n_items(), 0);
    assert!(follow(&none, &params, &|_| false).is_err());
    assert!(follow(&none, &FollowParams { reach: 0, ..params }, &go_on).is_err());
    assert!(
        follow(
            &none,
            &FollowParams {
                smoothing: -1.0,
                ..params
            },
            &go_on
        )
        .is_err()
    );
}
