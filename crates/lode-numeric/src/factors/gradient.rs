//! Solves the equations of one person or item by conjugate gradients, without making them.
//!
//! Does not choose the steps. Invariant: what a row becomes depends on the row, its entries and
//! the other side alone.

use crate::lanes::Kernel;
use crate::lanes::LANES;
use crate::lanes::Lanes;
use crate::lanes::Octet;

use super::dense::add_rows;
use super::dense::add_squares;
use super::dense::dots;
use super::side::Side;

/// Rows that are solved one after the other.
pub(super) struct Gradient<'a> {
    pub(super) side: &'a Side<'a>,
    /// `alpha_0` times the eigenvalues of the other side's gram matrix, along whose axes it lies.
    pub(super) spectrum: &'a [Octet],
    pub(super) first: usize,
    pub(super) rows: &'a mut [Octet],
    pub(super) steps: usize,
}

/// What a row needs while it is solved.
struct Scratch {
    /// Times each entry's product counts, and its share of the right side.
    products: Vec<Octet>,
    right: Vec<Octet>,
    /// `alpha_0` times the spectrum plus the ridge: what all entries together add.
    diagonal: Vec<Octet>,
    inverse: Vec<Octet>,
    residual: Vec<Octet>,
    direction: Vec<Octet>,
    image: Vec<Octet>,
}

impl Kernel for Gradient<'_> {
    type Out = ();

    #[inline(always)]
    fn run<V: Lanes>(self) {
        let octets = self.side.fixed.n_octets();
        let line = || vec![Octet::default(); octets];
        let mut scratch = Scratch {
            products: Vec::new(),
            right: Vec::new(),
            diagonal: line(),
            inverse: line(),
            residual: line(),
            direction: line(),
            image: line(),
        };
        for (offset, row) in self.rows.chunks_exact_mut(octets).enumerate() {
            let at = self.first + offset;
            solve::<V>(self.side, self.spectrum, at, row, self.steps, &mut scratch);
        }
    }
}

#[inline(always)]
fn solve<V: Lanes>(
    side: &Side<'_>,
    spectrum: &[Octet],
    row: usize,
    x: &mut [Octet],
    steps: usize,
    s: &mut Scratch,
) {
    let (columns, weights) = side.pairs.row(row);
    if columns.is_empty() {
        x.fill(Octet::default());
        return;
    }
    side.weigh(weights, &mut s.products, &mut s.right);
    let ridge = V::splat(side.ridge(columns.len()) as f32);
    for at in 0..x.len() {
        let diagonal = V::load(&spectrum[at]).add(ridge);
        s.diagonal[at] = diagonal.octet();
        s.inverse[at] = diagonal.octet();
        let minus = diagonal.mul(V::splat(-1.0));
        s.residual[at] = minus.mul(V::load(&x[at])).octet();
    }
    for (at, columns) in columns.chunks(LANES).enumerate() {
        let rows = side.rows(columns);
        if let Some(next) = side.pairs_ahead(row, at) {
            side.prefetch::<V>(next);
        }
        let products = V::load(&s.products[at]);
        let predicted = dots::<V>(&rows, x);
        let minus = products.mul(V::splat(-1.0));
        let times = minus.fma(predicted, V::load(&s.right[at]));
        add_rows::<V>(&rows, times, &mut s.residual);
        add_squares::<V>(&rows, products, &mut s.inverse);
    }
    let mut length = V::splat(0.0);
    for at in 0..x.len() {
        let inverse = V::splat(1.0).div(V::load(&s.inverse[at]));
        let residual = V::load(&s.residual[at]);
        let direction = inverse.mul(residual);
        length = direction.fma(residual, length);
        s.inverse[at] = inverse.octet();
        s.direction[at] = direction.octet();
    }
    let mut length = total(length);
    for step in 1..=steps {
        // Also where it is not a number: the row stays as it is.
        if length.is_nan() || length <= 0.0 {
            break;
        }
        for at in 0..x.len() {
            let direction = V::load(&s.direction[at]);
            s.image[at] = V::load(&s.diagonal[at]).mul(direction).octet();
        }
        for (at, columns) in columns.chunks(LANES).enumerate() {
            let rows = side.rows(columns);
            let times = V::load(&s.products[at]).mul(dots::<V>(&rows, &s.direction));
            add_rows::<V>(&rows, times, &mut s.image);
        }
        let mut curvature = V::splat(0.0);
        for (direction, image) in s.direction.iter().zip(&s.image) {
            curvature = V::load(direction).fma(V::load(image), curvature);
        }
        let curvature = total(curvature);
        if curvature.is_nan() || curvature <= 0.0 {
            break;
        }
        let far = V::splat(length / curvature);
        for (x, direction) in x.iter_mut().zip(&s.direction) {
            *x = far.fma(V::load(direction), V::load(x)).octet();
        }
        if step == steps {
            break;
        }
        let minus = far.mul(V::splat(-1.0));
        let mut next = V::splat(0.0);
        for at in 0..x.len() {
            let residual = minus.fma(V::load(&s.image[at]), V::load(&s.residual[at]));
            next = residual.mul(V::load(&s.inverse[at])).fma(residual, next);
            s.residual[at] = residual.octet();
        }
        let next = total(next);
        let keep = V::splat(next / length);
        for at in 0..x.len() {
            let steepest = V::load(&s.residual[at]).mul(V::load(&s.inverse[at]));
            s.direction[at] = keep.fma(V::load(&s.direction[at]), steepest).octet();
        }
        length = next;
    }
}

#[inline(always)]
fn total<V: Lanes>(lanes: V) -> f32 {
    let [a, b, c, d, e, f, g, h] = lanes.octet().0;
    ((a + b) + (c + d)) + ((e + f) + (g + h))
}
