//! The search for the best items against scoring and sorting all of them.

use super::random;
use super::table;
use crate::Error;
use crate::factors::Excluded;
use crate::factors::Factors;
use crate::factors::Pairs;
use crate::factors::Scored;
use crate::factors::Shelf;
use crate::go_on;

fn naive(
    people: &Factors,
    person: usize,
    items: &Factors,
    owned: &[u32],
    limit: usize,
) -> Vec<Scored> {
    let mut all: Vec<Scored> = (0..items.n_rows() as u32)
        .filter(|item| !owned.contains(item))
        .map(|item| Scored {
            item,
            score: people.score(person, items, item as usize),
        })
        .collect();
    all.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.item.cmp(&b.item)));
    all.truncate(limit);
    all
}

/// Items of very different lengths, some of them the same.
fn items(n: usize, width: usize) -> Factors {
    let mut values = random(n, width, 3).to_values();
    for (item, row) in values.chunks_mut(width).enumerate() {
        let scale = 1.0 / (1 + item * 7 % n) as f32;
        row.iter_mut().for_each(|x| *x *= scale);
    }
    for item in (0..n.saturating_sub(30)).step_by(11) {
        let (from, to) = (item * width, (item + 29) * width);
        values.copy_within(from..from + width, to);
    }
    Factors::from_values(&values, width).unwrap()
}

#[test]
fn the_best_are_those_of_sorting_everything() {
    for (n_items, width) in [(1, 1), (15, 3), (16, 8), (700, 5), (900, 64)] {
        let items = items(n_items, width);
        let shelf = Shelf::new(&items);
        let people = random(220, width, 9);
        let owned = table(220, n_items, 2);
        for limit in [0, 1, 10, 10_000] {
            let all = shelf
                .best_of_all(&people, &owned, limit, 2, &go_on)
                .unwrap();
            for (person, found) in all.iter().enumerate() {
                let own = owned.row(person).0;
                let expected = naive(&people, person, &items, own, limit);
                assert_eq!(*found, expected, "{n_items} {width} {limit} {person}");
                let row: Vec<f32> = people.row(person).collect();
                let found = shelf.best(&row, Excluded::Items(own), limit);
                assert_eq!(found.unwrap(), expected);
                let mut flags = vec![false; n_items];
                own.iter().for_each(|item| flags[*item as usize] = true);
                let found = shelf.best(&row, Excluded::Flags(&flags), limit);
                assert_eq!(found.unwrap(), expected);
                let scores = shelf.scores(&row).unwrap();
                for scored in &expected {
                    let score = scores[scored.item as usize];
                    assert_eq!(score.to_bits(), scored.score.to_bits());
                }
            }
            let alone = shelf.best_of_all(&people, &owned, limit, 1, &go_on);
            assert_eq!(alone.unwrap(), all);
        }
    }
}

#[test]
fn ties_are_by_item() {
    let items = Factors::from_values(&[1.0; 100], 1).unwrap();
    let shelf = Shelf::new(&items);
    for person in [1.0, 0.0, -1.0] {
        let best = shelf.best(&[person], Excluded::Items(&[0, 2]), 3).unwrap();
        let found: Vec<u32> = best.iter().map(|own| own.item).collect();
        assert_eq!(found, [1, 3, 4]);
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let shelf = Shelf::new(&random(20, 4, 1));
    let nothing = Excluded::Items(&[]);
    assert!(shelf.best(&[1.0; 3], nothing, 5).is_err());
    assert!(shelf.best(&[f32::NAN; 4], nothing, 5).is_err());
    let people = random(6, 4, 1);
    let empty = |n_people, n_items| Pairs::from_entries(vec![], n_people, n_items).unwrap();
    for owned in [empty(5, 20), empty(6, 19)] {
        assert!(shelf.best_of_all(&people, &owned, 5, 1, &go_on).is_err());
    }
    let stopped = shelf.best_of_all(&people, &empty(6, 20), 5, 1, &|_| false);
    assert_eq!(stopped, Err(Error::Cancelled));
    let none = Shelf::new(&Factors::from_values(&[], 4).unwrap());
    assert_eq!(none.best(&[1.0; 4], nothing, 5), Ok(vec![]));
}
