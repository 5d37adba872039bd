//! Finds the factors of a person from a history alone, and what each of its items adds to a score.
//!
//! Does not need the person in the fit. Invariant: the parts that the history adds to a score sum
//! up to it, to the rounding of 64 bits.

use crate::Error;
use crate::Result;
use crate::cholesky;
use crate::lanes::LANES;
use crate::lanes::Octet;
use crate::parallel::with_crew;

use super::dense::gram;
use super::dense::in_octets;
use super::direct::Direct;
use super::matrix::Factors;
use super::pairs::Pairs;
use super::params::AlsParams;
use super::side::Side;

/// A pivot below this share of its diagonal entry is rounding.
const ROUNDING: f64 = 1e-14;

/// The equations of people who are not in the fit, from the items' factors.
#[derive(Clone, Debug)]
pub struct FoldIn {
    params: AlsParams,
    n_items: usize,
    /// `alpha_0` times the gram matrix of the items.
    gram: Vec<f64>,
    /// The same in 32 bits, rows in whole octets.
    octets: Vec<Octet>,
}

/// A person who was folded in.
#[derive(Clone, Debug)]
pub struct Folded {
    /// One number a factor.
    pub factors: Vec<f64>,
    /// Cholesky's factor of the person's equations.
    equations: Vec<f64>,
    /// The history with what each entry has on the right side.
    history: Vec<(u32, f64)>,
}

impl FoldIn {
    /// Prepares the equations, from factors that were fitted with these parameters.
    ///
    /// # Errors
    /// Those of the parameters; [`Error::Length`] for factors of another width.
    pub fn new(items: &Factors, params: &AlsParams) -> Result<Self> {
        params.check()?;
        check_width(items, params.width)?;
        let products = with_crew(params.threads, |crew| gram(items, crew));
        let gram: Vec<f64> = products.iter().map(|p| params.unobserved * p).collect();
        Ok(Self {
            params: *params,
            n_items: items.n_rows(),
            octets: in_octets(&gram, params.width),
            gram,
        })
    }

    /// The factors alone, in 32 bits: those that [`people_of_items`](super::people_of_items)
    /// finds, bit by bit, in some microseconds. The items of the history ascend, each once.
    ///
    /// # Errors
    /// [`Error::Length`] for items other than those given before or weights of another number;
    /// [`Error::Entry`] for items that are not there or do not ascend; [`Error::NotFinite`].
    pub fn factors(&self, items: &Factors, history: &[u32], weights: &[f32]) -> Result<Vec<f32>> {
        self.check(items)?;
        let starts = vec![0, history.len()];
        let pairs = Pairs::from_rows(starts, history.to_vec(), weights.to_vec(), self.n_items)?;
        let mut person = Factors::zeros(1, self.params.width);
        crate::lanes::run(Direct {
            side: &Side {
                pairs: &pairs,
                fixed: items,
                params: &self.params,
            },
            gram: &self.octets,
            first: 0,
            rows: person.all_mut(),
        });
        Ok(person.row(0).collect())
    }

    fn check(&self, items: &Factors) -> Result<()> {
        check_width(items, self.params.width)?;
        match items.n_rows() == self.n_items {
            true => Ok(()),
            false => Err(Error::Length {
                what: "items",
                expected: self.n_items,
                found: items.n_rows(),
            }),
        }
    }

    /// The factors of a person who has these items, each with its weight.
    ///
    /// An empty history gives factors of 0.
    ///
    /// # Errors
    /// [`Error::Length`] for items other than those given before; [`Error::Entry`] for an item
    /// that is not there; [`Error::NotFinite`] for a weight; [`Error::Singular`] where the pull
    /// is too small for one answer.
    pub fn person(&self, items: &Factors, history: &[(u32, f32)]) -> Result<Folded> {
        self.check(items)?;
        let width = self.params.width;
        let mut matrix = self.gram.clone();
        let mut right = vec![0.0; width];
        let mut parts = Vec::with_capacity(history.len());
        for (index, (item, weight)) in history.iter().enumerate() {
            if *item as usize >= self.n_items {
                return Err(Error::Entry {
                    what: "items of the history",
                    expected: "among those of the fit",
                    index,
                    found: f64::from(*item),
                });
            }
            if !weight.is_finite() {
                return Err(Error::NotFinite {
                    what: "weights",
                    index,
                });
            }
            let (product, own) = self.params.weigh(*weight);
            let row: Vec<f64> = items.row(*item as usize).map(f64::from).collect();
            for (i, line) in matrix.chunks_exact_mut(width).enumerate() {
                let times = product * row[i];
                for (to, from) in line[..=i].iter_mut().zip(&row) {
                    *to += times * from;
                }
            }
            for (to, from) in right.iter_mut().zip(&row) {
                *to += own * from;
            }
            parts.push((*item, own));
        }
        let ridge = self.params.ridge(history.len(), self.n_items);
        for k in 0..width {
            matrix[k * width + k] += ridge;
        }
        cholesky::factor(&mut matrix, width, ROUNDING)
            .map_err(|weight| Error::Singular { weight })?;
        Ok(Folded {
            factors: cholesky::solve(&matrix, right),
            equations: matrix,
            history: parts,
        })
    }
}

impl Folded {
    /// The score of an item.
    ///
    /// # Panics
    /// Where the item is not there.
    pub fn score(&self, items: &Factors, item: u32) -> f64 {
        dot(items, item, &self.factors)
    }

    /// What each entry of the history adds to the score of an item, in the order of the history.
    ///
    /// With `A` the person's equations and `b_h` what an entry has on the right side, entry `h`
    /// adds `b_h y_h^T A^-1 y_item`.
    ///
    /// # Panics
    /// Where the item is not there.
    pub fn parts(&self, items: &Factors, item: u32) -> Vec<f64> {
        let row = items.row(item as usize).map(f64::from).collect();
        let seen = cholesky::solve(&self.equations, row);
        let part = |(item, own): &(u32, f64)| own * dot(items, *item, &seen);
        self.history.iter().map(part).collect()
    }
}

fn check_width(items: &Factors, width: usize) -> Result<()> {
    match items.width() == width {
        true => Ok(()),
        false => Err(Error::Length {
            what: "factors",
            expected: width,
            found: items.width(),
        }),
    }
}

/// The inner product of an item and a row of 64 bits, eight sums side by side.
fn dot(items: &Factors, item: u32, with: &[f64]) -> f64 {
    let mut sums = [0.0; LANES];
    for (octet, with) in items.octets(item as usize).iter().zip(with.chunks(LANES)) {
        for ((sum, own), with) in sums.iter_mut().zip(octet.0).zip(with) {
            *sum += f64::from(own) * with;
        }
    }
    sums.iter().sum()
}
