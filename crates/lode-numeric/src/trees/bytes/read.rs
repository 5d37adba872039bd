//! Reads a stored forest and believes nothing in it.
//!
//! Does not repair. Invariant: room is taken only for what the bytes left could hold.

use super::FLOAT;
use super::MAGIC;
use super::MAX_DEPTH;
use super::OLD_MAGIC;
use super::SUMMED;
use super::WHOLE;
use super::checksum;
use crate::Error;
use crate::Result;
use crate::trees::Forest;
use crate::trees::MAX_COLUMNS;
use crate::trees::Objective;
use crate::trees::bins::Binning;
use crate::trees::bins::Derived;
use crate::trees::compact::summed_cover;
use crate::trees::grow::LEAF;
use crate::trees::grow::Node;
use crate::trees::walk::Compiled;

/// Largest magnitude of a leaf's value: far beyond what targets of 1e100 give.
const MARGIN_LIMIT: f64 = 1e150;

struct Reader<'a> {
    left: &'a [u8],
    /// The form before the last.
    is_old: bool,
}

fn wrong<T>(what: &'static str) -> Result<T> {
    Err(Error::Bytes { what })
}

impl<'a> Reader<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8]> {
        let Some((taken, left)) = self.left.split_at_checked(n) else {
            return wrong("a whole stored forest");
        };
        self.left = left;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8> {
        Ok(self.take(1)?[0])
    }

    fn flag(&mut self) -> Result<bool> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => wrong("a flag of 0 or 1"),
        }
    }

    fn float(&mut self) -> Result<f64> {
        let mut own = [0; 8];
        own.copy_from_slice(self.take(8)?);
        Ok(f64::from_le_bytes(own))
    }

    /// A number small enough that sums over all trees stay finite.
    fn margin(&mut self) -> Result<f64> {
        let value = self.float()?;
        if value.abs() <= MARGIN_LIMIT {
            Ok(value)
        } else {
            wrong("a number of at most 1e150")
        }
    }

    fn count(&mut self, at_most: usize, what: &'static str) -> Result<usize> {
        match usize::try_from(self.number(35, what)?) {
            Ok(count) if count <= at_most => Ok(count),
            _ => wrong(what),
        }
    }

    /// A number of at most so many bits, seven a byte.
    fn number(&mut self, bits: u32, what: &'static str) -> Result<u64> {
        let mut number = 0_u64;
        for shift in (0..bits).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        wrong(what)
    }

    fn cut(&mut self) -> Result<f64> {
        if self.is_old {
            return self.float();
        }
        let number = self.number(56, "a cut of at most 8 bytes")?;
        let decimals = number & 15;
        if decimals == FLOAT {
            return self.float();
        }
        if decimals > 9 {
            return wrong("a cut of at most 9 decimals");
        }
        let code = number >> 4;
        let whole = (code >> 1) as i64 ^ -((code & 1) as i64);
        Ok(whole as f64 / f64::from(10_u32.pow(decimals as u32)))
    }
}

pub(super) fn forest(bytes: &[u8]) -> Result<Forest> {
    let Some((body, sum)) = bytes.split_last_chunk::<8>() else {
        return wrong("a whole stored forest");
    };
    if checksum(body) != u64::from_le_bytes(*sum) {
        return wrong("a stored forest whose checksum fits");
    }
    let mut reader = Reader {
        left: body,
        is_old: false,
    };
    let magic = reader.take(MAGIC.len())?;
    reader.is_old = magic == OLD_MAGIC;
    if magic != MAGIC && !reader.is_old {
        return wrong("a stored forest of version 1 or 2");
    }
    let objective = objective(&mut reader)?;
    let start = reader.margin()?;
    let n_cols = reader.count(MAX_COLUMNS.min(reader.left.len()), "1 to 65535 columns")?;
    if n_cols == 0 {
        return wrong("1 to 65535 columns");
    }
    let mut kinds = Vec::with_capacity(n_cols);
    for _ in 0..n_cols {
        let kind = reader.count(u32::MAX as usize + 1, "a number of levels")?;
        kinds.push(kind.checked_sub(1).map(|n_levels| n_levels as u32));
    }
    let n_derived = reader.count(reader.left.len(), "a number of binnings")?;
    let mut derived = Vec::with_capacity(n_derived);
    for _ in 0..n_derived {
        derived.push(binning(&mut reader, &kinds)?);
    }
    let form = match reader.is_old {
        true => 0,
        false => reader.byte()?,
    };
    if form & !(SUMMED | WHOLE) != 0 {
        return wrong("a known form of covers");
    }
    let n_trees = reader.count(reader.left.len(), "a number of trees")?;
    let mut trees = Vec::with_capacity(n_trees);
    for _ in 0..n_trees {
        trees.push(tree(&mut reader, n_derived, form)?);
    }
    if !reader.left.is_empty() {
        return wrong("an end after the last tree");
    }
    Ok(Forest {
        objective,
        kinds,
        derived,
        trees,
        start,
        compiled: Compiled::default(),
    })
}

fn objective(reader: &mut Reader<'_>) -> Result<Objective> {
    let tag = reader.byte()?;
    let number = reader.margin()?;
    match Objective::from_code(tag, number) {
        Some(objective) => Ok(objective),
        None => wrong("a known objective with a parameter in its range"),
    }
}

fn binning(reader: &mut Reader<'_>, kinds: &[Option<u32>]) -> Result<Derived> {
    let source = reader.count(kinds.len() - 1, "a column of the model")?;
    let missing = reader.flag()?;
    let binning = if let Some(n_levels) = kinds[source] {
        let n_bins = reader.count(n_levels as usize, "no more bins than levels")?;
        Binning::Category(reader.take(n_bins)?.to_vec())
    } else {
        let n_cuts = reader.count(254, "at most 254 cuts")?;
        let mut cuts = Vec::with_capacity(n_cuts);
        for _ in 0..n_cuts {
            cuts.push(reader.cut()?);
        }
        if cuts.iter().any(|cut| cut.is_nan()) || cuts.windows(2).any(|pair| pair[0] >= pair[1]) {
            return wrong("cuts that rise");
        }
        Binning::Number(cuts)
    };
    Ok(Derived {
        // At most MAX_COLUMNS.
        source: source as u32,
        missing,
        binning,
    })
}

/// One tree in preorder: a split is followed by all of its left side, then its right side.
fn tree(reader: &mut Reader<'_>, n_derived: usize, form: u8) -> Result<Vec<Node>> {
    let mut nodes: Vec<Node> = Vec::new();
    // Splits whose right side is still to come, and the depth of their children.
    let mut open: Vec<(usize, usize)> = Vec::new();
    let mut depth = 0;
    loop {
        let node = node(reader, n_derived, form)?;
        let at = nodes.len();
        nodes.push(node);
        if node.column != LEAF {
            depth += 1;
            if depth > MAX_DEPTH {
                return wrong("a tree of depth 64 at most");
            }
            open.push((at, depth));
            continue;
        }
        let Some((parent, own_depth)) = open.pop() else {
            break;
        };
        nodes[parent].right = match u32::try_from(nodes.len()) {
            Ok(right) => right,
            Err(_) => return wrong("fewer than 2^32 nodes"),
        };
        depth = own_depth;
    }
    if form & SUMMED != 0 {
        for at in (0..nodes.len()).rev() {
            if nodes[at].column != LEAF {
                nodes[at].cover = checked(summed_cover(&nodes, at))?;
            }
        }
    }
    Ok(nodes)
}

/// A node but for its right child; of a split whose cover is a sum, without it.
fn node(reader: &mut Reader<'_>, n_derived: usize, form: u8) -> Result<Node> {
    let mut node = Node {
        column: LEAF,
        right: 0,
        bin: 0,
        missing_left: false,
        cover: 0.0,
        value: 0.0,
    };
    let is_old = reader.is_old;
    let at_most = if is_old { n_derived } else { 2 * n_derived };
    let column = reader.count(at_most, "a binned column of the model")?;
    if column == 0 {
        node.value = reader.margin()?;
    } else if is_old {
        node.column = column as u32 - 1;
        node.bin = reader.byte()?;
        node.missing_left = reader.flag()?;
    } else {
        node.column = (column as u32 - 1) / 2;
        node.missing_left = column % 2 == 0;
        node.bin = reader.byte()?;
        if form & SUMMED != 0 {
            return Ok(node);
        }
    }
    node.cover = if column == 0 && form & WHOLE != 0 {
        checked(reader.count(u32::MAX as usize, "a cover of at most 2^32")? as f32)?
    } else {
        let mut cover = [0; 4];
        cover.copy_from_slice(reader.take(4)?);
        checked(f32::from_le_bytes(cover))?
    };
    Ok(node)
}

fn checked(cover: f32) -> Result<f32> {
    if cover >= f32::MIN_POSITIVE && cover.is_finite() {
        Ok(cover)
    } else {
        wrong("a cover above 0")
    }
}
