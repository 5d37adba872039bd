//! Names that are like a wrong one, for messages.

/// `one of a, b, c`, the ones most like `found` first.
pub(crate) fn one_of(known: &[&str], found: &str) -> String {
    if known.is_empty() {
        return "no name at all, since there are none".to_owned();
    }
    let mut ranked: Vec<(usize, &str)> = known
        .iter()
        .map(|name| (distance(&name.to_lowercase(), &found.to_lowercase()), *name))
        .collect();
    ranked.sort_by_key(|(distance, _)| *distance);
    let near = ranked[0].0 <= 2.max(found.len() / 3);
    let names: Vec<&str> = if near && known.len() > 4 {
        ranked.iter().take(3).map(|(_, name)| *name).collect()
    } else {
        known.iter().copied().take(30).collect()
    };
    let more = known.len() - names.len();
    let rest = if more == 0 {
        String::new()
    } else {
        format!(" ({more} more)")
    };
    format!("one of {}{rest}", names.join(", "))
}

/// Letters to insert, delete or replace.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in other.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[other.len()]
}
