//! The columns of a table as the ranks that trees ask about, a byte a row.
//!
//! Does not walk. Invariant: a row goes right at a node if its byte on the node's plane is
//! above the node's, missing values included; ranks of a row depend on that row alone.

use std::ops::Range;

use super::Lanes;
use super::grid;
use super::grid::Grid;
use super::lanes;
use crate::trees::Column;
use crate::trees::Forest;
use crate::trees::Table;
use crate::trees::bins::Binning;
use crate::trees::grow::LEAF;
use crate::trees::grow::Node;

/// Rows of a group: what a plane holds.
pub(in super::super) const ROWS: usize = 128;

/// Ranks of a group of rows, less 128.
pub(in super::super) type Plane = [i8; ROWS];

/// How all binned columns become planes.
#[derive(Debug)]
pub(in super::super) struct Planes {
    /// Of each binned column of the forest.
    columns: Vec<Ranked>,
    n_planes: usize,
}

/// Rank 0 is a missing value, 1 a value below all cuts. On the low plane missing values are the
/// lowest; on the high one, a rank less, they wrap to the highest.
#[derive(Debug)]
struct Ranked {
    source: usize,
    low: Option<u32>,
    high: Option<u32>,
    /// Bins after which a tree cuts, rising, 1 to 254.
    bins: Vec<u8>,
    how: How,
}

#[derive(Debug)]
enum How {
    Number(Box<Grid>),
    /// Rank of each level, less 128.
    Category(Vec<i8>),
}

/// What a node asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Question {
    pub(in super::super) plane: u32,
    /// Bytes above it go right: all of them where it is below -128.
    pub(in super::super) above: i16,
}

impl Planes {
    pub(super) fn new(forest: &Forest) -> Self {
        let n = forest.derived.len();
        let (mut low, mut high) = (vec![false; n], vec![false; n]);
        let mut used = vec![[false; 256]; n];
        let splits = forest.trees.iter().flatten();
        for node in splits.filter(|node| node.column != LEAF) {
            let column = node.column as usize;
            used[column][usize::from(node.bin)] = true;
            if node.missing_left {
                low[column] = true;
            } else {
                high[column] = true;
            }
        }
        let mut n_planes = 0;
        let mut next = |is_used: bool| {
            is_used.then(|| {
                n_planes += 1;
                n_planes as u32 - 1
            })
        };
        let derived = forest.derived.iter().enumerate();
        let columns = derived
            .map(|(at, derived)| {
                let last = match &derived.binning {
                    Binning::Number(cuts) => cuts.len().min(grid::MAX_CUTS),
                    Binning::Category(_) => grid::MAX_CUTS,
                };
                let bins: Vec<u8> = (1..=last as u8)
                    .filter(|bin| used[at][usize::from(*bin)])
                    .collect();
                let how = match &derived.binning {
                    Binning::Number(cuts) => {
                        let own: Vec<f64> =
                            bins.iter().map(|bin| cuts[usize::from(*bin) - 1]).collect();
                        How::Number(Grid::new(&own))
                    }
                    Binning::Category(levels) => How::Category(
                        levels
                            .iter()
                            .map(|bin| (rank_of(&bins, *bin) ^ 0x80) as i8)
                            .collect(),
                    ),
                };
                Ranked {
                    source: derived.source as usize,
                    low: next(low[at]),
                    high: next(high[at]),
                    bins,
                    how,
                }
            })
            .collect();
        Self { columns, n_planes }
    }

    /// Planes of a group.
    pub(in super::super) fn n_planes(&self) -> usize {
        self.n_planes
    }

    /// What a split of the forest asks of the planes.
    pub(in super::super) fn question(&self, node: &Node) -> Question {
        let column = &self.columns[node.column as usize];
        // The highest rank that goes left: of a bin that no value passes, all but the missing.
        let highest = match column.bins.binary_search(&node.bin) {
            Ok(at) => at as i16 + 1,
            Err(_) if node.bin == 0 => 0,
            Err(_) => column.bins.len() as i16 + 1,
        };
        let (plane, above) = if node.missing_left {
            (column.low, highest - 128)
        } else {
            (column.high, highest - 129)
        };
        Question {
            // Planes were made for all nodes of the forest.
            plane: plane.unwrap_or(0),
            above,
        }
    }

    /// Ranks of rows on all planes of their groups, group by group. What the planes of the last
    /// group hold past the rows is left.
    pub(in super::super) fn fill(
        &self,
        table: &Table<'_>,
        rows: Range<usize>,
        lanes: Lanes,
        planes: &mut [Plane],
    ) {
        let mut ranks = [0; ROWS];
        // A column at a time: memory is read in long stretches.
        for (index, ranked) in self.columns.iter().enumerate() {
            let column = &table.columns()[ranked.source];
            let next = self.columns.get(index + 1);
            let next = next.map(|next| &table.columns()[next.source]);
            let groups = planes.chunks_mut(self.n_planes.max(1));
            for (first, planes) in rows.clone().step_by(ROWS).zip(groups) {
                let rows = first..rows.end.min(first + ROWS);
                if let Some(Column::Number(values)) = next {
                    lanes::soon(&values[rows.clone()]);
                }
                match (&ranked.how, column) {
                    (How::Number(grid), Column::Number(values)) => {
                        number_ranks(grid, &values[rows], lanes, &mut ranks);
                    }
                    (How::Category(levels), Column::Category { codes, .. }) => {
                        for (rank, code) in ranks.iter_mut().zip(&codes[rows]) {
                            *rank = levels.get(*code as usize).copied().unwrap_or(i8::MIN);
                        }
                    }
                    // Kinds are checked before rows are looked at.
                    _ => ranks.fill(i8::MIN),
                }
                if let Some(low) = ranked.low {
                    planes[low as usize] = ranks;
                }
                if let Some(high) = ranked.high {
                    for (to, rank) in planes[high as usize].iter_mut().zip(&ranks) {
                        *to = rank.wrapping_sub(1);
                    }
                }
            }
        }
    }
}

/// Rank of a level in `bin` where trees cut after `bins`.
fn rank_of(bins: &[u8], bin: u8) -> u8 {
    match bin {
        0 => 0,
        // At most 254 cuts.
        bin => 1 + bins.partition_point(|own| *own < bin) as u8,
    }
}

fn number_ranks(grid: &Grid, values: &[f64], lanes: Lanes, ranks: &mut Plane) {
    match lanes {
        Lanes::Portable => grid.ranks(values, ranks),
        #[cfg(target_arch = "x86_64")]
        Lanes::Avx2 => avx2_ranks(grid, values, ranks),
    }
}

#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "instructions that not every machine has")]
fn avx2_ranks(grid: &Grid, values: &[f64], ranks: &mut Plane) {
    #[target_feature(enable = "avx2")]
    fn with_avx2(grid: &Grid, values: &[f64], ranks: &mut Plane) {
        grid.ranks(values, ranks);
    }
    // SAFETY: `Lanes::Avx2` is made only where the machine has AVX2.
    unsafe { with_avx2(grid, values, ranks) }
}
