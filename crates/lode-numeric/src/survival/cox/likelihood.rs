//! The partial likelihood by Efron, its gradient and its second derivatives.
//!
//! Does not order subjects. Invariant: risks are taken relative to the largest margin, so
//! none overflows; a likelihood that is lost to rounding is infinite, and no step goes there.

use super::order::Order;
use crate::parallel;
use crate::survival::newton::Problem;
use crate::survival::rows::DesignRows;

/// The problem that Newton's method is given.
pub(super) struct Likelihood<'a> {
    order: &'a Order,
    rows: &'a DesignRows,
    l2: f64,
    threads: usize,
    /// Whether each position leaves.
    leaves: Vec<bool>,
}

/// What is known at a point, by position.
pub(super) struct State {
    pub(super) margins: Vec<f64>,
    /// `weight * exp(margin - shift)`.
    risk: Vec<f64>,
    pub(super) shift: f64,
    /// Sum of `risk` over those at risk at each time.
    pub(super) at_risk: Vec<f64>,
    ties: Vec<Ties>,
    /// What each position adds of its square to the second derivatives.
    mass: Vec<f64>,
    pub(super) log_likelihood: f64,
    objective: f64,
    gradient: Vec<f64>,
}

/// Efron's sums over the ties of one time: with `f(l)` the part of the risk that is left when
/// a share l/d of the deaths is taken out, and v the mean weight of the deaths. Parts, so that
/// no power of a small risk is ever taken.
#[derive(Clone, Copy, Debug, Default)]
struct Ties {
    /// `v * sum(log f)`.
    log: f64,
    /// `v * sum(1 / f)` and `v * sum(l/d / f)`.
    first: f64,
    first_share: f64,
    /// `v * sum(1 / f^2)`, `v * sum(l/d / f^2)`, `v * sum((l/d)^2 / f^2)`.
    second: f64,
    second_share: f64,
    second_square: f64,
}

impl Ties {
    /// `part` is the deaths' part of the risk.
    fn new(part: f64, n_deaths: usize, mean_weight: f64) -> Self {
        let mut ties = Self::default();
        for tie in 0..n_deaths {
            let share = tie as f64 / n_deaths as f64;
            let left = 1.0 - share * part;
            let inverse = 1.0 / left;
            ties.log += left.ln();
            ties.first += inverse;
            ties.first_share += share * inverse;
            ties.second += inverse * inverse;
            ties.second_share += share * inverse * inverse;
            ties.second_square += share * share * inverse * inverse;
        }
        ties.log *= mean_weight;
        ties.first *= mean_weight;
        ties.first_share *= mean_weight;
        ties.second *= mean_weight;
        ties.second_share *= mean_weight;
        ties.second_square *= mean_weight;
        ties
    }
}

impl<'a> Likelihood<'a> {
    pub(super) fn new(order: &'a Order, rows: &'a DesignRows, l2: f64, threads: usize) -> Self {
        let mut leaves = vec![false; rows.n_rows()];
        for event in &order.times {
            leaves[order.deaths(event)].fill(true);
        }
        Self {
            order,
            rows,
            l2,
            threads,
            leaves,
        }
    }

    /// The log partial likelihood at weights.
    pub(super) fn log_likelihood(&self, weights: &[f64]) -> f64 {
        self.evaluate(weights).log_likelihood
    }

    fn chunk(&self, state_len: usize) -> usize {
        parallel::chunk_rows(self.rows.n_rows(), state_len)
    }

    fn margins(&self, weights: &[f64]) -> Vec<f64> {
        let n_rows = self.rows.n_rows();
        let parts = parallel::map_chunks(n_rows, self.chunk(1), self.threads, |range| {
            let margins = range.map(|position| self.rows.margin(position, weights));
            margins.collect::<Vec<f64>>()
        });
        parts.concat()
    }

    /// Sums of `add` over all positions, in chunks.
    fn sum(&self, width: usize, add: impl Fn(usize, &mut [f64]) + Sync) -> Vec<f64> {
        let n_rows = self.rows.n_rows();
        let parts = parallel::map_chunks(n_rows, self.chunk(width), self.threads, |range| {
            let mut sums = vec![0.0; width];
            for position in range {
                add(position, &mut sums);
            }
            sums
        });
        let mut total = vec![0.0; width];
        for part in parts {
            for (total, more) in total.iter_mut().zip(part) {
                *total += more;
            }
        }
        total
    }

    /// How much each position is in the sums of risk sets: its risk times the sum over its
    /// times of 1 / f, less its own share in the ties of the time at which it leaves.
    fn mass(&self, risk: &[f64], at_risk: &[f64], ties: &[Ties]) -> Vec<f64> {
        let order = self.order;
        let mut cumulative = Vec::with_capacity(ties.len() + 1);
        let mut sum = 0.0;
        cumulative.push(sum);
        for (ties, at_risk) in ties.iter().zip(at_risk) {
            sum += ties.first / at_risk;
            cumulative.push(sum);
        }
        let positions = 0..self.rows.n_rows();
        positions
            .map(|position| {
                let until = order.until[position] as usize;
                let before = order.before.get(position).map_or(0, |n| *n as usize);
                let mut mass = cumulative[until] - cumulative[before];
                if self.leaves[position] {
                    mass -= ties[until - 1].first_share / at_risk[until - 1];
                }
                risk[position] * mass
            })
            .collect()
    }
}

impl Problem for Likelihood<'_> {
    type State = State;

    fn evaluate(&self, point: &[f64]) -> State {
        let order = self.order;
        let margins = self.margins(point);
        let shift = margins.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let risk: Vec<f64> = margins
            .iter()
            .zip(&order.weights)
            .map(|(margin, weight)| weight * (margin - shift).exp())
            .collect();
        let mut at_risk = vec![0.0; order.times.len()];
        order.backwards(&risk, 0, |_, _, _| {}, |time, sum, _| at_risk[time] = sum);
        let mut log_likelihood = 0.0;
        let mut ties = Vec::with_capacity(order.times.len());
        for (event, at_risk) in order.times.iter().zip(&at_risk) {
            let deaths = order.deaths(event);
            let of_deaths: f64 = risk[deaths.clone()].iter().sum();
            let mean_weight = event.weight / event.n_deaths as f64;
            let here = Ties::new(of_deaths / at_risk, event.n_deaths, mean_weight);
            for position in deaths {
                log_likelihood += order.weights[position] * margins[position];
            }
            log_likelihood -= here.log + event.weight * (at_risk.ln() + shift);
            ties.push(here);
        }
        let mass = self.mass(&risk, &at_risk, &ties);
        let mut gradient = self.sum(point.len(), |position, sums| {
            let leaves = f64::from(u8::from(self.leaves[position]));
            let residual = mass[position] - leaves * order.weights[position];
            self.rows.add(position, residual, sums);
        });
        let mut penalty = 0.0;
        for (slope, weight) in gradient.iter_mut().zip(point) {
            *slope += self.l2 * weight;
            penalty += 0.5 * self.l2 * weight * weight;
        }
        State {
            margins,
            risk,
            shift,
            at_risk,
            ties,
            mass,
            log_likelihood,
            objective: penalty - log_likelihood,
            gradient,
        }
    }

    fn objective(state: &State) -> f64 {
        state.objective
    }

    fn gradient(state: &State) -> &[f64] {
        &state.gradient
    }

    fn hessian(&self, state: &State) -> Vec<f64> {
        let size = self.rows.n_weights();
        let mut hessian = self.sum(size * size, |position, sums| {
            let mass = state.mass[position];
            if mass > 0.0 {
                self.rows.add_square(position, mass, sums, size);
            }
        });
        let add = |position: usize, factor: f64, sums: &mut [f64]| {
            self.rows.add(position, factor, sums);
        };
        let mut deaths = vec![0.0; size];
        self.order
            .backwards(&state.risk, size, add, |time, at_risk, sums| {
                let ties = &state.ties[time];
                let event = &self.order.times[time];
                let means = sums.iter().map(|sum| sum / at_risk);
                if event.n_deaths == 1 {
                    subtract_square(&mut hessian, means, ties.second);
                    return;
                }
                deaths.fill(0.0);
                for position in self.order.deaths(event) {
                    self.rows
                        .add(position, state.risk[position] / at_risk, &mut deaths);
                }
                // a SS' - b (SD' + DS') + c DD'
                //   = a (S - b/a D)(S - b/a D)' + (c - b^2/a) DD'.
                let ratio = ties.second_share / ties.second;
                let mixed = means.zip(&deaths).map(|(s, d)| s - ratio * d);
                subtract_square(&mut hessian, mixed, ties.second);
                let rest = ties.second_square - ratio * ties.second_share;
                subtract_square(&mut hessian, deaths.iter().copied(), rest);
            });
        for diagonal in 0..size {
            hessian[diagonal * size + diagonal] += self.l2;
        }
        hessian
    }
}

/// Takes `factor * v v'` off the lower triangle.
fn subtract_square(matrix: &mut [f64], vector: impl Iterator<Item = f64> + Clone, factor: f64) {
    let vector: Vec<f64> = vector.collect();
    let size = vector.len();
    for (row, value) in vector.iter().enumerate() {
        let scaled = factor * value;
        if scaled == 0.0 {
            continue;
        }
        let line = &mut matrix[row * size..row * size + row + 1];
        for (entry, other) in line.iter_mut().zip(&vector) {
            *entry -= scaled * other;
        }
    }
}
