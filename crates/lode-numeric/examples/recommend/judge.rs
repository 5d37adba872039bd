//! How good lists are, by items that were held out: as the peers' script does it.

use lode_numeric::factors::Pairs;

/// What lists are worth.
pub(crate) struct Judged {
    /// People with an item held out.
    pub(crate) n_people: usize,
    /// Normalized discounted cumulative gain of the lists.
    pub(crate) ndcg: f64,
    /// Share of people with at least one item found.
    pub(crate) hits: f64,
}

/// Judges the lists of the first people.
pub(crate) fn judge(lists: &[Vec<u32>], held_out: &Pairs) -> Judged {
    let (mut n_people, mut gains, mut n_hit) = (0, 0.0, 0);
    for (person, list) in lists.iter().enumerate() {
        let (wanted, _) = held_out.row(person);
        if wanted.is_empty() {
            continue;
        }
        let discount = |place: usize| 1.0 / (place as f64 + 2.0).log2();
        let found = list.iter().enumerate();
        let found = found.filter(|(_, item)| wanted.binary_search(item).is_ok());
        let gain: f64 = found.map(|(place, _)| discount(place)).sum();
        let most: f64 = (0..wanted.len().min(10)).map(discount).sum();
        n_people += 1;
        gains += gain / most;
        n_hit += usize::from(gain > 0.0);
    }
    Judged {
        n_people,
        ndcg: gains / n_people as f64,
        hits: n_hit as f64 / n_people as f64,
    }
}
