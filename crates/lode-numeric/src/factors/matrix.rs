//! Holds the factors of people or of items: rows of numbers that wide code can read.
//!
//! Does not know what they were fitted to. Invariant: a row begins at an octet, and the numbers
//! after its width are 0.

use crate::Error;
use crate::Result;
use crate::Rng;
use crate::lanes::LANES;
use crate::lanes::Octet;

/// Numbers of shape `(n_rows, width)`, 32 bits each.
#[derive(Clone, Debug, PartialEq)]
pub struct Factors {
    values: Vec<Octet>,
    n_rows: usize,
    width: usize,
}

impl Factors {
    /// Takes numbers row by row.
    ///
    /// # Errors
    /// [`Error::Length`] for a last row that is not whole or rows of no numbers;
    /// [`Error::NotFinite`] for a number.
    pub fn from_values(values: &[f32], width: usize) -> Result<Self> {
        if width == 0 || !values.len().is_multiple_of(width) {
            return Err(Error::Length {
                what: "numbers in whole rows",
                expected: values.len().next_multiple_of(width.max(1)).max(width),
                found: values.len(),
            });
        }
        if let Some(index) = values.iter().position(|value| !value.is_finite()) {
            return Err(Error::NotFinite {
                what: "factors",
                index,
            });
        }
        let mut factors = Self::zeros(values.len() / width, width);
        for (row, own) in values.chunks_exact(width).enumerate() {
            factors.set(row, own);
        }
        Ok(factors)
    }

    /// All numbers, row by row.
    pub fn to_values(&self) -> Vec<f32> {
        (0..self.n_rows).flat_map(|row| self.row(row)).collect()
    }

    /// How many rows.
    pub fn n_rows(&self) -> usize {
        self.n_rows
    }

    /// Numbers of a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The numbers of one row.
    pub fn row(&self, row: usize) -> impl Iterator<Item = f32> {
        let octets = self.octets(row).iter().flat_map(|octet| octet.0);
        octets.take(self.width)
    }

    /// What a row of this and one of other factors say together: their inner product, each term
    /// added to the sum of those before it by one fused multiplication. All scores of this
    /// module are this number, bit by bit.
    ///
    /// # Panics
    /// Where the widths differ, or a row is not there.
    pub fn score(&self, row: usize, other: &Self, other_row: usize) -> f32 {
        assert_eq!(self.width, other.width, "factors of two widths");
        let terms = self.row(row).zip(other.row(other_row));
        terms.fold(0.0, |sum, (a, b)| a.mul_add(b, sum))
    }

    pub(super) fn zeros(n_rows: usize, width: usize) -> Self {
        Self {
            values: vec![Octet::default(); n_rows * width.div_ceil(LANES)],
            n_rows,
            width,
        }
    }

    /// Small random numbers, a stream of its own for each row.
    pub(super) fn random(n_rows: usize, width: usize, seed: u64) -> Self {
        let mut factors = Self::zeros(n_rows, width);
        let scale = 0.1 / (width as f64).sqrt();
        let mut own = vec![0.0; width];
        let mut rng = Rng::new(seed);
        for row in 0..n_rows {
            own.fill_with(|| (rng.normal() * scale) as f32);
            factors.set(row, &own);
        }
        factors
    }

    pub(super) fn set(&mut self, row: usize, values: &[f32]) {
        let octets = self.width.div_ceil(LANES);
        let own = &mut self.values[row * octets..(row + 1) * octets];
        for (octet, values) in own.iter_mut().zip(values.chunks(LANES)) {
            octet.0[..values.len()].copy_from_slice(values);
        }
    }

    /// Octets of a row.
    pub(super) fn n_octets(&self) -> usize {
        self.width.div_ceil(LANES)
    }

    #[inline(always)]
    pub(super) fn octets(&self, row: usize) -> &[Octet] {
        let octets = self.width.div_ceil(LANES);
        &self.values[row * octets..(row + 1) * octets]
    }

    #[inline(always)]
    pub(super) fn all(&self) -> &[Octet] {
        &self.values
    }

    pub(super) fn all_mut(&mut self) -> &mut [Octet] {
        &mut self.values
    }
}
