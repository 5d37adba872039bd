//! The likelihood of all subjects in all their periods, with its derivatives.
//!
//! Does not expand periods: alike ones are one cell with a count. Invariant: coefficients are
//! columns, then phases where there are contracts, then groups.

use super::HazardParams;
use super::link::Link;
use super::link::Loss;
use super::periods::Periods;
use super::periods::Spells;
use crate::parallel;
use crate::survival::newton::Problem;
use crate::survival::rows::DesignRows;

/// The problem that Newton's method is given.
pub(super) struct Likelihood<'a> {
    rows: &'a DesignRows,
    spells: &'a Spells<'a>,
    periods: &'a Periods,
    link: Link,
    l2: f64,
    smooth: f64,
    threads: usize,
}

/// What is known at a point.
pub(super) struct State {
    point: Vec<f64>,
    pub(super) margins: Vec<f64>,
    pub(super) log_likelihood: f64,
    objective: f64,
    gradient: Vec<f64>,
}

impl<'a> Likelihood<'a> {
    pub(super) fn new(
        rows: &'a DesignRows,
        spells: &'a Spells<'a>,
        periods: &'a Periods,
        params: &HazardParams,
    ) -> Self {
        Self {
            rows,
            spells,
            periods,
            link: params.link,
            l2: params.l2,
            smooth: params.smooth,
            threads: params.threads,
        }
    }

    /// How many coefficients phases have.
    pub(super) fn n_phases(&self) -> usize {
        if self.spells.ends.is_some() { 3 } else { 0 }
    }

    /// The place of the first group's level.
    fn first_level(&self) -> usize {
        self.rows.n_weights() + self.n_phases()
    }

    fn size(&self) -> usize {
        self.first_level() + self.periods.groups.len()
    }

    /// All weights 0, each group at the share of its periods that ended with the event.
    pub(super) fn start(&self) -> Vec<f64> {
        let mut point = vec![0.0; self.first_level()];
        let groups = self.periods.groups.iter();
        point.extend(groups.map(|group| self.link.margin(group.events / group.at_risk)));
        point
    }

    fn chunk(&self, state_len: usize) -> usize {
        parallel::chunk_rows(self.rows.n_rows(), state_len)
    }

    /// Shows each cell of a row with its loss, times the row's weight, and the places of its
    /// phase and its level.
    fn cells(
        &self,
        row: usize,
        margin: f64,
        point: &[f64],
        mut show: impl FnMut(Loss, Option<usize>, usize),
    ) {
        let weight = self.spells.weight(row);
        let (n_weights, first_level) = (self.rows.n_weights(), self.first_level());
        self.periods.cells(self.spells, row, |cell| {
            let level = first_level + cell.group;
            let phase = cell.phase.place().map(|place| n_weights + place);
            let margin = margin + point[level] + phase.map_or(0.0, |place| point[place]);
            let mut loss = Loss {
                value: 0.0,
                slope: 0.0,
                curvature: 0.0,
            };
            let mut add = |times: f64, more: Loss| {
                loss.value += times * more.value;
                loss.slope += times * more.slope;
                loss.curvature += times * more.curvature;
            };
            if cell.n_quiet > 0 {
                add(weight * f64::from(cell.n_quiet), self.link.of_quiet(margin));
            }
            if cell.event {
                add(weight, self.link.of_event(margin));
            }
            show(loss, phase, level);
        });
    }

    /// The penalties' value; their slopes are added to `gradient`.
    fn penalize(&self, point: &[f64], gradient: &mut [f64]) -> f64 {
        let first_level = self.first_level();
        let mut value = 0.0;
        for place in 0..first_level {
            value += 0.5 * self.l2 * point[place] * point[place];
            gradient[place] += self.l2 * point[place];
        }
        for place in first_level + 1..point.len() {
            let difference = point[place] - point[place - 1];
            value += 0.5 * self.smooth * difference * difference;
            gradient[place] += self.smooth * difference;
            gradient[place - 1] -= self.smooth * difference;
        }
        value
    }
}

impl Problem for Likelihood<'_> {
    type State = State;

    fn evaluate(&self, point: &[f64]) -> State {
        let n_rows = self.rows.n_rows();
        let size = self.size();
        let weights = &point[..self.rows.n_weights()];
        let parts = parallel::map_chunks(n_rows, self.chunk(size), self.threads, |range| {
            let mut margins = Vec::with_capacity(range.len());
            let mut gradient = vec![0.0; size];
            let mut loss = 0.0;
            for row in range {
                if self.spells.weight(row) == 0.0 {
                    margins.push(self.rows.margin(row, weights));
                    continue;
                }
                let margin = self.rows.margin(row, weights);
                let mut residual = 0.0;
                self.cells(row, margin, point, |cell, phase, level| {
                    loss += cell.value;
                    residual += cell.slope;
                    gradient[level] += cell.slope;
                    if let Some(place) = phase {
                        gradient[place] += cell.slope;
                    }
                });
                self.rows.add(row, residual, &mut gradient);
                margins.push(margin);
            }
            (margins, loss, gradient)
        });
        let mut gradient = vec![0.0; size];
        let mut margins = Vec::with_capacity(n_rows);
        let mut log_likelihood = 0.0;
        for (part_margins, loss, part) in parts {
            margins.extend(part_margins);
            log_likelihood -= loss;
            for (total, more) in gradient.iter_mut().zip(part) {
                *total += more;
            }
        }
        let penalty = self.penalize(point, &mut gradient);
        State {
            point: point.to_vec(),
            margins,
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
        let n_rows = self.rows.n_rows();
        let size = self.size();
        let chunk = self.chunk(size * size);
        let parts = parallel::map_chunks(n_rows, chunk, self.threads, |range| {
            let mut sums = vec![0.0; size * size];
            for row in range {
                if self.spells.weight(row) == 0.0 {
                    continue;
                }
                let mut curvature = 0.0;
                let mut by_phase = [0.0; 3];
                let first_phase = self.rows.n_weights();
                self.cells(
                    row,
                    state.margins[row],
                    &state.point,
                    |cell, phase, level| {
                        curvature += cell.curvature;
                        let line = &mut sums[level * size..(level + 1) * size];
                        line[level] += cell.curvature;
                        self.rows.add(row, cell.curvature, line);
                        if let Some(place) = phase {
                            line[place] += cell.curvature;
                            by_phase[place - first_phase] += cell.curvature;
                        }
                    },
                );
                for (place, curvature) in by_phase.iter().enumerate() {
                    if *curvature > 0.0 {
                        let place = first_phase + place;
                        let line = &mut sums[place * size..(place + 1) * size];
                        line[place] += curvature;
                        self.rows.add(row, *curvature, line);
                    }
                }
                self.rows.add_square(row, curvature, &mut sums, size);
            }
            sums
        });
        let mut hessian = vec![0.0; size * size];
        for part in parts {
            for (total, more) in hessian.iter_mut().zip(part) {
                *total += more;
            }
        }
        let first_level = self.first_level();
        for place in 0..first_level {
            hessian[place * size + place] += self.l2;
        }
        for place in first_level + 1..size {
            hessian[place * size + place] += self.smooth;
            hessian[(place - 1) * size + place - 1] += self.smooth;
            hessian[place * size + place - 1] -= self.smooth;
        }
        hessian
    }
}
