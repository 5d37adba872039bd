//! Solves the equations of one person or item by Cholesky's factor.
//!
//! Does not pivot: a number that those before it determine becomes 0. Invariant: what a row
//! becomes depends on its entries and the other side alone.

use crate::lanes::Kernel;
use crate::lanes::LANES;
use crate::lanes::Lanes;
use crate::lanes::Octet;

use super::dense::add_products;
use super::dense::add_rows;
use super::side::Side;

/// Entries whose products are added at a time: their rows stay in the cache.
const ENTRIES: usize = 64;

/// Rows that are solved one after the other.
pub(super) struct Direct<'a> {
    pub(super) side: &'a Side<'a>,
    /// `alpha_0` times the gram matrix of the other side, its rows in whole octets.
    pub(super) gram: &'a [Octet],
    pub(super) first: usize,
    pub(super) rows: &'a mut [Octet],
}

/// What a row needs while it is solved.
struct Scratch {
    matrix: Vec<Octet>,
    /// Rows of some entries, and the same times how often their products count.
    rows: Vec<Octet>,
    scaled: Vec<Octet>,
    products: Vec<Octet>,
    right: Vec<Octet>,
    /// The right side, and the solution of the first of the two triangles.
    sum: Vec<Octet>,
    half: Vec<f32>,
    /// One over each diagonal entry of the factor.
    pivots: Vec<f32>,
}

impl Kernel for Direct<'_> {
    type Out = ();

    #[inline(always)]
    fn run<V: Lanes>(self) {
        let octets = self.side.fixed.n_octets();
        let width = self.side.fixed.width();
        let octet = Octet::default();
        let mut scratch = Scratch {
            matrix: vec![octet; octets * LANES * octets],
            rows: vec![octet; ENTRIES * octets],
            scaled: vec![octet; ENTRIES * octets],
            products: Vec::new(),
            right: Vec::new(),
            sum: vec![octet; octets],
            half: vec![0.0; width],
            pivots: vec![0.0; width],
        };
        for (offset, row) in self.rows.chunks_exact_mut(octets).enumerate() {
            let at = self.first + offset;
            row.fill(octet);
            if !self.side.pairs.row(at).0.is_empty() {
                gather::<V>(self.side, self.gram, at, &mut scratch);
                solve::<V>(&mut scratch, row);
            }
        }
    }
}

/// Makes the equations of a row.
#[inline(always)]
fn gather<V: Lanes>(side: &Side<'_>, gram: &[Octet], row: usize, s: &mut Scratch) {
    let octets = side.fixed.n_octets();
    let (columns, weights) = side.pairs.row(row);
    side.weigh(weights, &mut s.products, &mut s.right);
    s.matrix[..gram.len()].copy_from_slice(gram);
    let ridge = side.ridge(columns.len()) as f32;
    for k in 0..side.fixed.width() {
        s.matrix[k * octets + k / LANES].0[k % LANES] += ridge;
    }
    s.sum.fill(Octet::default());
    for (at, columns) in columns.chunks(ENTRIES).enumerate() {
        for (eight, columns) in columns.chunks(LANES).enumerate() {
            let rows = side.rows(columns);
            let times = at * ENTRIES / LANES + eight;
            add_rows::<V>(&rows, V::load(&s.right[times]), &mut s.sum);
            for (lane, from) in rows.iter().enumerate() {
                let place = (eight * LANES + lane) * octets;
                let times = V::splat(s.products[times].0[lane]);
                s.rows[place..place + octets].copy_from_slice(from);
                for (to, from) in s.scaled[place..place + octets].iter_mut().zip(*from) {
                    *to = times.mul(V::load(from)).octet();
                }
            }
        }
        let used = columns.len().next_multiple_of(LANES) * octets;
        add_products::<V>(&s.rows[..used], &s.scaled[..used], &mut s.matrix, octets);
    }
}

/// Factors the upper triangle in place, `U^T U`, and solves by it.
#[inline(always)]
fn solve<V: Lanes>(s: &mut Scratch, x: &mut [Octet]) {
    let (octets, width) = (x.len(), s.half.len());
    for k in 0..width {
        let (done, below) = s.matrix.split_at_mut((k + 1) * octets);
        let line = &mut done[k * octets..];
        let pivot = line[k / LANES].0[k % LANES];
        let inverse = if pivot > 0.0 { 1.0 / pivot.sqrt() } else { 0.0 };
        s.pivots[k] = inverse;
        let times = V::splat(inverse);
        for own in &mut line[k / LANES..] {
            *own = times.mul(V::load(own)).octet();
        }
        for (i, other) in (k + 1..width).zip(below.chunks_exact_mut(octets)) {
            let minus = V::splat(-line[i / LANES].0[i % LANES]);
            for (to, from) in other[i / LANES..].iter_mut().zip(&line[i / LANES..]) {
                *to = minus.fma(V::load(from), V::load(to)).octet();
            }
        }
    }
    for k in 0..width {
        let line = &s.matrix[k * octets..(k + 1) * octets];
        let own = s.sum[k / LANES].0[k % LANES] * s.pivots[k];
        s.half[k] = own;
        let minus = V::splat(-own);
        for (to, from) in s.sum[k / LANES..].iter_mut().zip(&line[k / LANES..]) {
            *to = minus.fma(V::load(from), V::load(to)).octet();
        }
    }
    for k in (0..width).rev() {
        // The numbers up to this one are still 0.
        let line = &s.matrix[k * octets..(k + 1) * octets];
        let mut sum = V::splat(0.0);
        for (own, from) in x[k / LANES..].iter().zip(&line[k / LANES..]) {
            sum = V::load(own).fma(V::load(from), sum);
        }
        let [a, b, c, d, e, f, g, h] = sum.octet().0;
        let sum = ((a + b) + (c + d)) + ((e + f) + (g + h));
        x[k / LANES].0[k % LANES] = (s.half[k] - sum) * s.pivots[k];
    }
}
