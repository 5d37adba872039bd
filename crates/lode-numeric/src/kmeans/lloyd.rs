//! One start of k-means: rounds of assigning rows and moving centers, from given seeds.
//!
//! Does not choose seeds or compare starts. Invariant: after every round, `upper` is at least
//! a row's distance to its center and `lower` at most that to any other.

use std::ops::Range;

use super::KMeansParams;
use super::assign::Centers;
use super::assign::squared_distance;
use crate::Result;
use crate::Rows;
use crate::parallel;

/// What a start came to.
pub(super) struct Run {
    pub(super) centers: Centers,
    pub(super) labels: Vec<u32>,
    pub(super) distances: Vec<f64>,
    pub(super) sizes: Vec<u64>,
    pub(super) inertia: f64,
    pub(super) iterations: usize,
    pub(super) converged: bool,
}

/// Widens a bound by more than rounding can have cost it.
const SLACK: f64 = 1.0 + 1e-9;

/// Rows of one chunk and what is known of them between rounds.
struct Chunk {
    range: Range<usize>,
    labels: Vec<u32>,
    upper: Vec<f64>,
    lower: Vec<f64>,
}

/// Runs rounds until the centers rest, or `max_iterations` are done.
pub(super) fn run(
    rows: Rows<'_>,
    seeds: Centers,
    params: &KMeansParams,
    threshold: f64,
    tick: &dyn Fn(usize) -> Result<()>,
) -> Result<Run> {
    let mut centers = seeds;
    let mut chunks = cut(rows, centers.k());
    let mut moves: Option<Vec<f64>> = None;
    let mut iterations = 0;
    let mut converged = false;
    while iterations < params.max_iterations && !converged {
        tick(iterations)?;
        iterations += 1;
        let n_changed = assign(
            rows,
            &centers,
            moves.as_deref(),
            &mut chunks,
            params.threads,
        );
        let (means, counts) = means(rows, &centers, &chunks, params.threads);
        let next = if counts.contains(&0) {
            relocate(rows, &centers, &chunks, means, counts)
        } else {
            means
        };
        let next = Centers::new(next, rows.n_cols());
        let shifts: Vec<f64> = (0..centers.k())
            .map(|c| squared_distance(centers.center(c), next.center(c)))
            .collect();
        converged = (n_changed == 0 && iterations > 1) || shifts.iter().sum::<f64>() <= threshold;
        moves = Some(shifts.iter().map(|shift| shift.sqrt() * SLACK).collect());
        centers = next;
    }
    Ok(finish(
        rows, centers, moves, chunks, params, iterations, converged,
    ))
}

fn cut(rows: Rows<'_>, k: usize) -> Vec<Chunk> {
    let chunk = parallel::chunk_rows(rows.n_rows(), k * rows.n_cols());
    parallel::map_chunks(rows.n_rows(), chunk, 1, |range| Chunk {
        labels: vec![0; range.len()],
        upper: vec![f64::INFINITY; range.len()],
        lower: vec![0.0; range.len()],
        range,
    })
}

/// Assigns every row to its nearest center; the number of rows that changed.
fn assign(
    rows: Rows<'_>,
    centers: &Centers,
    moves: Option<&[f64]>,
    chunks: &mut [Chunk],
    threads: usize,
) -> usize {
    let half_gaps = half_gaps(centers);
    let farthest_move = moves.map_or(0.0, |moves| moves.iter().copied().fold(0.0, f64::max));
    let changed = parallel::map_mut(chunks, threads, |_, chunk| {
        let mut scratch = vec![0.0; centers.k()];
        let mut n_changed = 0;
        for (offset, row_idx) in chunk.range.clone().enumerate() {
            let row = rows.row(row_idx);
            let label = chunk.labels[offset] as usize;
            if let Some(moves) = moves {
                chunk.upper[offset] += moves[label];
                chunk.lower[offset] -= farthest_move;
                let safe = half_gaps[label].max(chunk.lower[offset]);
                if chunk.upper[offset] < safe {
                    continue;
                }
                let exact = squared_distance(row, centers.center(label)).sqrt();
                chunk.upper[offset] = exact * SLACK;
                if chunk.upper[offset] < safe {
                    continue;
                }
            }
            let found = centers.two_nearest(row, &mut scratch);
            n_changed += usize::from(found.label != chunk.labels[offset]);
            chunk.labels[offset] = found.label;
            chunk.upper[offset] = found.squared.sqrt() * SLACK;
            chunk.lower[offset] = found.second_squared.sqrt() / SLACK;
        }
        n_changed
    });
    changed.into_iter().sum()
}

/// Half the distance from each center to the nearest other one, rounded down.
fn half_gaps(centers: &Centers) -> Vec<f64> {
    let k = centers.k();
    let mut squared = vec![f64::INFINITY; k];
    for a in 0..k {
        for b in a + 1..k {
            let gap = squared_distance(centers.center(a), centers.center(b));
            squared[a] = squared[a].min(gap);
            squared[b] = squared[b].min(gap);
        }
    }
    squared.iter().map(|gap| 0.5 * gap.sqrt() / SLACK).collect()
}

/// The mean of each center's rows (the old center where it has none) and their number.
fn means(
    rows: Rows<'_>,
    centers: &Centers,
    chunks: &[Chunk],
    threads: usize,
) -> (Vec<f64>, Vec<u64>) {
    let (k, n_cols) = (centers.k(), rows.n_cols());
    let partials = parallel::map_chunks(chunks.len(), 1, threads, |index| {
        let mut sums = vec![0.0; k * n_cols];
        let mut counts = vec![0_u64; k];
        let chunk = &chunks[index.start];
        for (row_idx, label) in chunk.range.clone().zip(&chunk.labels) {
            let label = *label as usize;
            counts[label] += 1;
            let sums = &mut sums[label * n_cols..(label + 1) * n_cols];
            for (sum, value) in sums.iter_mut().zip(rows.row(row_idx)) {
                *sum += value;
            }
        }
        (sums, counts)
    });
    let mut means = vec![0.0; k * n_cols];
    let mut counts = vec![0; k];
    for (sums, more) in partials {
        for (total, sum) in means.iter_mut().zip(sums) {
            *total += sum;
        }
        for (total, count) in counts.iter_mut().zip(more) {
            *total += count;
        }
    }
    for (center, count) in counts.iter().enumerate() {
        let mean = &mut means[center * n_cols..(center + 1) * n_cols];
        if *count == 0 {
            mean.copy_from_slice(centers.center(center));
        } else {
            for value in mean {
                *value /= *count as f64;
            }
        }
    }
    (means, counts)
}

/// Gives each empty center the row farthest from its own center, and takes it out of the
/// mean of the group that loses it. Farthest first; the lower row on a tie; a group never
/// gives up its last row.
fn relocate(
    rows: Rows<'_>,
    centers: &Centers,
    chunks: &[Chunk],
    mut means: Vec<f64>,
    mut counts: Vec<u64>,
) -> Vec<f64> {
    let n_cols = rows.n_cols();
    let mut far: Vec<(f64, usize, usize)> = Vec::new();
    for chunk in chunks {
        for (row_idx, label) in chunk.range.clone().zip(&chunk.labels) {
            let label = *label as usize;
            let squared = squared_distance(rows.row(row_idx), centers.center(label));
            far.push((squared, row_idx, label));
        }
    }
    far.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let mut far = far.into_iter();
    for empty in (0..centers.k())
        .filter(|c| counts[*c] == 0)
        .collect::<Vec<_>>()
    {
        let Some((_, row_idx, donor)) = far.find(|(_, _, label)| counts[*label] > 1) else {
            break;
        };
        let row = rows.row(row_idx);
        let n = counts[donor] as f64;
        for (column, value) in row.iter().enumerate() {
            let mean = &mut means[donor * n_cols + column];
            *mean = (*mean * n - value) / (n - 1.0);
            means[empty * n_cols + column] = *value;
        }
        counts[donor] -= 1;
        counts[empty] = 1;
    }
    means
}

/// Assigns once more to the final centers and measures.
fn finish(
    rows: Rows<'_>,
    centers: Centers,
    moves: Option<Vec<f64>>,
    mut chunks: Vec<Chunk>,
    params: &KMeansParams,
    iterations: usize,
    converged: bool,
) -> Run {
    assign(
        rows,
        &centers,
        moves.as_deref(),
        &mut chunks,
        params.threads,
    );
    let measured = parallel::map_chunks(chunks.len(), 1, params.threads, |index| {
        let chunk = &chunks[index.start];
        let squared: Vec<f64> = chunk
            .range
            .clone()
            .zip(&chunk.labels)
            .map(|(row, label)| squared_distance(rows.row(row), centers.center(*label as usize)))
            .collect();
        let inertia: f64 = squared.iter().sum();
        (squared, inertia)
    });
    let mut sizes = vec![0; centers.k()];
    let mut labels = Vec::with_capacity(rows.n_rows());
    for chunk in chunks {
        for label in &chunk.labels {
            sizes[*label as usize] += 1;
        }
        labels.extend(chunk.labels);
    }
    Run {
        labels,
        sizes,
        inertia: measured.iter().map(|(_, inertia)| inertia).sum(),
        distances: measured
            .into_iter()
            .flat_map(|(squared, _)| squared)
            .map(f64::sqrt)
            .collect(),
        centers,
        iterations,
        converged,
    }
}
