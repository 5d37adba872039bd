//! Thins the commoner outcome of a large table: many rows without the event teach little more
//! than some of them, at many times the cost.
//!
//! Does not touch the rarer outcome. Invariant: what the sample weighs is in expectation what all
//! rows weigh, and small tables are never thinned unless asked.

use lode_numeric::Rng;

/// Rows up to which all are learned from unless a number is asked for.
pub(super) const ENOUGH: usize = 50_000;
/// Rows of the commoner outcome for each of the rarer one in a larger table.
const COMMON: usize = 5;
/// Stream of the draws, apart from those of rows and columns.
const STREAM: u64 = 0x7417;

/// The weights of a thinned table.
#[derive(Debug, PartialEq)]
pub(super) struct Sample {
    /// One a row; 0 for one that is left out.
    pub(super) weights: Vec<f64>,
    /// Rows that are learned from.
    pub(super) rows: usize,
    /// Rows that there were.
    pub(super) of: usize,
}

/// Draws `common` rows of the commoner outcome for each of the rarer; 0 means by the size of the
/// table. None when all are kept.
///
/// A row is drawn in proportion to its weight: one that stands for many already is kept with all
/// that it weighs, the others then weigh what the drawn must to stand for all.
pub(super) fn of(
    targets: &[f64],
    weights: Option<&[f64]>,
    common: usize,
    seed: u64,
) -> Option<Sample> {
    let weight = |row: usize| weights.map_or(1.0, |all| all[row]);
    let counted: Vec<usize> = (0..targets.len())
        .filter(|row| weight(*row) > 0.0)
        .collect();
    let yes = counted.iter().filter(|row| targets[**row] > 0.5).count();
    let rarer = yes.min(counted.len() - yes);
    let wanted = match common {
        0 if counted.len() <= ENOUGH => return None,
        0 => (COMMON * rarer).max(ENOUGH - rarer.min(ENOUGH)),
        common => common.saturating_mul(rarer),
    };
    let is_common = |row: usize| (targets[row] > 0.5) != (yes == rarer);
    let mut all: Vec<f64> = counted
        .iter()
        .filter(|row| is_common(**row))
        .map(|row| weight(*row))
        .collect();
    if rarer == 0 || wanted >= all.len() {
        return None;
    }
    let unit = unit(&mut all, wanted);
    let mut rng = Rng::stream(seed, STREAM);
    let mut kept = vec![0.0; targets.len()];
    let mut rows = 0;
    for &row in &counted {
        let own = weight(row);
        let made = match is_common(row) && own < unit {
            true if rng.chance(own / unit) => unit,
            true => continue,
            false => own,
        };
        kept[row] = made;
        rows += 1;
    }
    Some(Sample {
        weights: kept,
        rows,
        of: counted.len(),
    })
}

/// The weight below which rows are drawn, so that about `wanted` of them remain: those above it
/// stay, and the sum of the others is dealt to what is left.
fn unit(weights: &mut [f64], wanted: usize) -> f64 {
    weights.sort_unstable_by(f64::total_cmp);
    let mut sum: f64 = weights.iter().sum();
    let mut heavy = 0;
    let mut unit = sum / wanted as f64;
    while heavy + 1 < wanted {
        let last = weights[weights.len() - 1 - heavy];
        if last < unit {
            break;
        }
        sum -= last;
        heavy += 1;
        unit = sum / (wanted - heavy) as f64;
    }
    unit
}

#[cfg(test)]
mod tests {
    use super::*;

    fn targets(yes: usize, no: usize) -> Vec<f64> {
        let ones = std::iter::repeat_n(1.0, yes);
        ones.chain(std::iter::repeat_n(0.0, no)).collect()
    }

    #[test]
    fn small_tables_are_left_alone_and_large_ones_keep_the_rarer_outcome_whole() {
        assert_eq!(of(&targets(1_000, 49_000), None, 0, 1), None);
        assert_eq!(of(&targets(20_000, 60_000), None, 0, 1), None);
        let sample = of(&targets(12_000, 400_000), None, 0, 1).unwrap();
        assert_eq!(sample.of, 412_000);
        assert!((71_000..73_000).contains(&sample.rows), "{}", sample.rows);
        assert!(
            sample.weights[..12_000]
                .iter()
                .all(|weight| (weight - 1.0).abs() < 1e-12)
        );
        let rest: f64 = sample.weights[12_000..].iter().sum();
        assert!((rest / 400_000.0 - 1.0).abs() < 0.02, "{rest}");
        // Few yeses do not make few rows.
        let sample = of(&targets(100, 400_000), None, 0, 1).unwrap();
        assert!((49_000..51_000).contains(&sample.rows), "{}", sample.rows);
        // Whichever is the rarer.
        let turned: Vec<f64> = targets(12_000, 400_000).iter().map(|y| 1.0 - y).collect();
        let turned = of(&turned, None, 0, 1).unwrap();
        assert!(turned.weights[..12_000].iter().all(|weight| *weight > 0.0));
        assert_eq!(of(&targets(9, 400), None, 0, 1), None);
        assert!(of(&targets(9, 400), None, 3, 1).unwrap().rows < 70);
        assert_eq!(of(&targets(9, 400), None, 50, 1), None);
        assert_eq!(of(&targets(0, 60_000), None, 0, 1), None);
    }

    #[test]
    fn rows_that_stand_for_many_are_kept_as_they_are() {
        // A sample of an older date, each row for 40, and a whole date.
        let targets = targets(3_000, 110_000);
        let weights: Vec<f64> = (0..113_000)
            .map(|row| match row {
                0..3_000 => 1.0,
                3_000..13_000 => 40.0,
                _ => 1.0,
            })
            .collect();
        let sample = of(&targets, Some(&weights), 0, 7).unwrap();
        assert_eq!(sample.weights[..13_000], weights[..13_000]);
        let of_whole: f64 = sample.weights[13_000..].iter().sum();
        assert!((of_whole / 100_000.0 - 1.0).abs() < 0.03, "{of_whole}");
        assert!((49_000..51_000).contains(&sample.rows), "{}", sample.rows);
        assert_eq!(of(&targets, Some(&weights), 0, 7).unwrap(), sample);
        assert_ne!(of(&targets, Some(&weights), 0, 8).unwrap(), sample);
    }
}
