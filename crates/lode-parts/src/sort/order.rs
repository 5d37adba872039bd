//! In which order the rows of one file stand: a stable sort of small keys.

use crate::cells::Cells;
use crate::cells::Values;
use crate::sort::Order;

const DIGIT_BITS: u32 = 11;

/// The rows in ascending order of (customer, time), equal ones as they stand; none when they
/// are in order. Either all rows have a customer or none has.
pub(super) fn order(columns: &[Cells], order: Order) -> Option<Vec<u32>> {
    let customers = order.customer.map(|column| ranks(&columns[column]));
    let times = order.time.map(|column| ranks(&columns[column]));
    let (first, second) = match (customers, times) {
        (None, None) => return None,
        (Some(keys), None) | (None, Some(keys)) => (keys, None),
        (Some(first), second) => (first, second),
    };
    let second_bits = second.as_ref().map_or(0, |keys| bits(keys));
    if bits(&first) + second_bits <= 64 {
        let keys: Vec<u64> = match &second {
            None => first,
            Some(second) => first
                .iter()
                .zip(second)
                .map(|(a, b)| a.checked_shl(second_bits).unwrap_or(0) | b)
                .collect(),
        };
        if keys.is_sorted() {
            return None;
        }
        return Some(radix(&keys));
    }
    let key = |row: u32| {
        let at = row as usize;
        (first[at], second.as_ref().map_or(0, |keys| keys[at]), row)
    };
    let mut rows: Vec<u32> = (0..first.len() as u32).collect();
    rows.sort_unstable_by_key(|row| key(*row));
    Some(rows)
}

/// Numbers in the order of the values, as small as is cheap; the largest for no value.
fn ranks(cells: &Cells) -> Vec<u64> {
    match &cells.values {
        Values::Int(values) => {
            let there = |row: &usize| cells.is_valid(*row);
            let min = (0..values.len()).filter(there).map(|row| values[row]).min();
            let min = min.unwrap_or(0);
            let step = step(cells, values, min);
            let offset = |value: i64| value.abs_diff(min) / step;
            let max = (0..values.len())
                .filter(there)
                .map(|row| offset(values[row]))
                .max()
                .unwrap_or(0);
            match &cells.valid {
                None if step == 1 => values.iter().map(|value| value.abs_diff(min)).collect(),
                None => values.iter().map(|value| offset(*value)).collect(),
                // Of 2^64 different values and none besides, the largest two fall together;
                // no file has as many rows.
                Some(valid) => values
                    .iter()
                    .zip(valid)
                    .map(|(value, valid)| {
                        if *valid {
                            offset(*value)
                        } else {
                            max.saturating_add(1)
                        }
                    })
                    .collect(),
            }
        }
        Values::Text(ids, texts) => {
            let (_, rank) = texts.sorted();
            (0..ids.len())
                .map(|row| {
                    if cells.is_valid(row) {
                        u64::from(rank[ids[row] as usize])
                    } else {
                        rank.len() as u64
                    }
                })
                .collect()
        }
        _ => vec![0; cells.len()],
    }
}

/// The greatest number that divides all distances to the smallest value.
fn step(cells: &Cells, values: &[i64], min: i64) -> u64 {
    let mut step = 0;
    for (row, value) in values.iter().enumerate() {
        if !cells.is_valid(row) {
            continue;
        }
        let (mut a, mut b) = (step, value.abs_diff(min));
        if a != 0 && b % a == 0 {
            continue;
        }
        while b != 0 {
            (a, b) = (b, a % b);
        }
        step = a;
        if step == 1 {
            break;
        }
    }
    step.max(1)
}

fn bits(keys: &[u64]) -> u32 {
    64 - keys.iter().copied().max().unwrap_or(0).leading_zeros()
}

/// The rows in ascending order of their keys, digit by digit from the lowest; stable.
fn radix(keys: &[u64]) -> Vec<u32> {
    let mut from: Vec<(u64, u32)> = keys
        .iter()
        .enumerate()
        .map(|(row, key)| (*key, row as u32))
        .collect();
    let mut to = vec![(0, 0); from.len()];
    let mask = (1 << DIGIT_BITS) - 1;
    for shift in (0..bits(keys)).step_by(DIGIT_BITS as usize) {
        let digit = |key: u64| (key >> shift) as usize & mask;
        let mut ends = vec![0_usize; mask + 1];
        for (key, _) in &from {
            ends[digit(*key)] += 1;
        }
        let mut sum = 0;
        for end in &mut ends {
            sum += std::mem::replace(end, sum);
        }
        for entry in &from {
            let at = &mut ends[digit(entry.0)];
            to[*at] = *entry;
            *at += 1;
        }
        std::mem::swap(&mut from, &mut to);
    }
    from.into_iter().map(|(_, row)| row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_keys_stay_as_they_stand() {
        let keys: Vec<u64> = (0..5000_u64).map(|i| ((i * 7919) % 97) << 30).collect();
        let mut expected: Vec<u32> = (0..5000).collect();
        expected.sort_by_key(|row| keys[*row as usize]);
        assert_eq!(radix(&keys), expected);
    }

    #[test]
    fn keys_of_all_bits_are_sorted_too() {
        let wide = Cells {
            values: Values::Int(vec![i64::MAX, i64::MIN, 0, i64::MIN, 5]),
            valid: None,
        };
        let times = Cells {
            values: Values::Int(vec![1, i64::MAX, 3, i64::MIN, 0]),
            valid: Some(vec![true, true, true, true, false]),
        };
        let both = Order {
            customer: Some(0),
            time: Some(1),
        };
        assert_eq!(order(&[wide, times], both), Some(vec![3, 1, 2, 4, 0]));
    }
}
