//! Contributions of one tree to eight rows side by side.
//!
//! Does not compile trees. Invariant: each row has its own lane, and all numbers of a lane are
//! computed in one order, so that neither the rows beside it nor the instructions matter.
//!
//! With t a point of the quadrature, `P` of a split is the product over the columns on its path
//! of `t o + (1 - t) z` (o 1 where the row passes all cuts of the column so far, else 0; z the
//! share of training rows that pass them) times the point's weight over 1 - t, and `G` of a
//! split the sum over the leaves below of their values times their `P`. One pass forwards makes
//! the `P`, one backwards the `G`. A side of a split is the last word on its column for some of
//! the leaves below it; what it adds to the column's contribution, less what the side that
//! asked before would have added, is the sum over points of `G (o / f - o' / f')`, f and f' what
//! the factor of the column is when the row passes, and 1 over it taken as 1 where no side asked
//! before: the parts without o cancel. Nothing is divided by a share, which may be 0.

use super::super::walk::Plane;
use super::terms::NONE;
use super::terms::Rule;
use super::terms::Split;
use super::terms::Tree;

/// Rows side by side.
pub(super) const WIDTH: usize = 8;

/// A number for each of them.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub(super) struct Octet(pub(super) [f64; WIDTH]);

impl Octet {
    pub(super) const ZERO: Self = Self([0.0; WIDTH]);
    const ONE: Self = Self([1.0; WIDTH]);

    #[inline(always)]
    fn all(value: f64) -> Self {
        Self([value; WIDTH])
    }

    #[inline(always)]
    fn of(mut self, other: Self, with: impl Fn(f64, f64) -> f64) -> Self {
        for (own, other) in self.0.iter_mut().zip(other.0) {
            *own = with(*own, other);
        }
        self
    }

    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        self.of(other, |a, b| a + b)
    }

    #[inline(always)]
    fn minus(self, other: Self) -> Self {
        self.of(other, |a, b| a - b)
    }

    #[inline(always)]
    fn times(self, other: Self) -> Self {
        self.of(other, |a, b| a * b)
    }

    #[inline(always)]
    fn scaled(self, factor: f64) -> Self {
        self.times(Self::all(factor))
    }
}

/// Room for the numbers of one tree, used again.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    /// 1 for rows that pass all cuts of the column so far, of the left and the right side.
    passed: Vec<[Octet; 2]>,
    /// `P`, then `G`, of each split at each point.
    products: Vec<Octet>,
}

/// Adds the tree's contributions to those of the eight rows from `first` in a group. `K` is
/// the number of the rule's points, or 0 for any number of them.
#[inline(always)]
pub(super) fn add<const K: usize>(
    tree: &Tree,
    rule: &Rule,
    planes: &[Plane],
    first: usize,
    scratch: &mut Scratch,
    sums: &mut [Octet],
) {
    let k = points::<K>(rule);
    let n = tree.splits.len();
    if scratch.passed.len() < n {
        scratch.passed.resize(n, [Octet::ZERO; 2]);
    }
    if scratch.products.len() < n * k {
        scratch.products.resize(n * k, Octet::ZERO);
    }
    let Scratch { passed, products } = scratch;
    for (product, weight) in products.iter_mut().zip(&rule.weights) {
        *product = Octet::all(*weight);
    }
    for (at, split) in tree.splits.iter().enumerate() {
        let ranks = &planes[split.plane as usize][first..first + WIDTH];
        let mut right = Octet::ZERO;
        for (right, rank) in right.0.iter_mut().zip(ranks) {
            *right = f64::from(u8::from(i16::from(*rank) > split.above));
        }
        let old = passed_before(passed, split);
        let right = right.times(old);
        passed[at] = [old.minus(right), right];
        forwards::<K>(tree, rule, (at, split), passed, products);
    }
    for (at, split) in tree.splits.iter().enumerate().rev() {
        let own = backwards::<K>(tree, rule, (at, split), passed, products);
        let sum = &mut sums[split.column as usize];
        *sum = sum.plus(own);
    }
}

#[inline(always)]
fn passed_before(passed: &[[Octet; 2]], split: &Split) -> Octet {
    match split.before {
        NONE => Octet::ONE,
        side => passed[side as usize / 2][side as usize % 2],
    }
}

/// The next `k` numbers.
#[inline(always)]
fn take<'a>(numbers: &mut &'a [f64], k: usize) -> &'a [f64] {
    let (own, rest) = numbers.split_at(k);
    *numbers = rest;
    own
}

/// Points of a rule: known to the compiler where `K` says them.
#[inline(always)]
fn points<const K: usize>(rule: &Rule) -> usize {
    match K {
        0 => rule.points.len(),
        _ => K,
    }
}

/// `P` of the children that are splits.
#[inline(always)]
fn forwards<const K: usize>(
    tree: &Tree,
    rule: &Rule,
    (at, split): (usize, &Split),
    passed: &[[Octet; 2]],
    products: &mut [Octet],
) {
    let k = points::<K>(rule);
    let mut numbers = &tree.numbers[split.numbers as usize..];
    let n_inner = split
        .children
        .iter()
        .filter(|child| **child != NONE)
        .count();
    if split.before == NONE {
        for (side, child) in split.children.iter().enumerate() {
            if *child == NONE {
                continue;
            }
            let neither = take(&mut numbers, k);
            let (own, below) = products.split_at_mut((at + 1) * k);
            let own = &own[at * k..][..k];
            let below = &mut below[(*child as usize - at - 1) * k..][..k];
            let points = neither.iter().zip(&rule.points[..k]);
            for ((below, own), (neither, t)) in below.iter_mut().zip(own).zip(points) {
                let factor = passed[at][side].scaled(*t).plus(Octet::all(*neither));
                *below = own.times(factor);
            }
        }
        return;
    }
    let old = passed_before(passed, split);
    let ts = &numbers[2 * k * n_inner..][..k];
    for (side, child) in split.children.iter().enumerate() {
        if *child == NONE {
            continue;
        }
        let neither = take(&mut numbers, k);
        let more = take(&mut numbers, k);
        let (own, below) = products.split_at_mut((at + 1) * k);
        let own = &own[at * k..][..k];
        let below = &mut below[(*child as usize - at - 1) * k..][..k];
        let points = neither.iter().zip(more).zip(ts);
        for ((below, own), ((neither, more), t)) in below.iter_mut().zip(own).zip(points) {
            let factor = old.scaled(*more).plus(Octet::all(*neither));
            let factor = factor.plus(passed[at][side].scaled(*t));
            *below = own.times(factor);
        }
    }
}

/// `G` of a split in place of its `P`; gives what its sides add to its column.
#[inline(always)]
fn backwards<const K: usize>(
    tree: &Tree,
    rule: &Rule,
    (at, split): (usize, &Split),
    passed: &[[Octet; 2]],
    products: &mut [Octet],
) -> Octet {
    let k = points::<K>(rule);
    let mut numbers = &tree.numbers[split.numbers as usize..];
    let n_inner = split
        .children
        .iter()
        .filter(|child| **child != NONE)
        .count();
    let (own, below) = products.split_at_mut((at + 1) * k);
    let own = &mut own[at * k..][..k];
    let sides = passed[at];
    let mut all = Octet::ZERO;
    let mut sum = Octet::ZERO;
    let old = passed_before(passed, split);
    let is_new = split.before == NONE;
    let skip = if is_new { k * n_inner } else { 2 * k * n_inner };
    take(&mut numbers, skip);
    let (ts, olds) = if is_new {
        (&rule.points[..k], &[][..])
    } else {
        (take(&mut numbers, k), take(&mut numbers, k))
    };
    if n_inner < 2 {
        let value = sides[0]
            .scaled(split.values[0])
            .plus(sides[1].scaled(split.values[1]));
        let neither = take(&mut numbers, k);
        if is_new {
            for ((own, neither), t) in own.iter_mut().zip(neither).zip(ts) {
                all = all.plus(*own);
                let factor = value.scaled(*t).plus(Octet::all(*neither));
                *own = own.times(factor);
            }
        } else {
            let more = take(&mut numbers, k);
            let points = neither.iter().zip(more).zip(ts.iter().zip(olds));
            for (own, ((neither, more), (t, was))) in own.iter_mut().zip(points) {
                all = all.plus(own.scaled(*was));
                let factor = old.scaled(*more).plus(Octet::all(*neither));
                *own = own.times(factor.plus(value.scaled(*t)));
            }
        }
        sum = value.times(all);
    } else {
        own.fill(Octet::ZERO);
    }
    for (side, child) in split.children.iter().enumerate() {
        if *child == NONE {
            continue;
        }
        let ones = take(&mut numbers, k);
        let below = &below[(*child as usize - at - 1) * k..][..k];
        let mut part = Octet::ZERO;
        for ((own, below), one) in own.iter_mut().zip(below).zip(ones) {
            part = part.plus(below.scaled(*one));
            *own = own.plus(*below);
        }
        sum = sum.plus(part.times(sides[side]));
    }
    let mut before = Octet::ZERO;
    if is_new {
        for own in own.iter() {
            before = before.plus(*own);
        }
    } else {
        for (own, was) in own.iter().zip(olds) {
            before = before.plus(own.scaled(*was));
        }
        before = before.times(old);
    }
    sum.minus(before)
}
