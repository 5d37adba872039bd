//! The search with an L1 penalty: Newton steps, each solved coordinate by coordinate.
//!
//! Does not know columns but through [`Rows`]. Invariant: the penalized objective never rises;
//! a weight that the penalty holds at 0 is exactly 0.

use super::DesignColumn;
use super::GlmFit;
use super::design::dot;
use super::problem::Problem;
use super::problem::State;
use super::problem::size_of;
use crate::Error;
use crate::Progress;
use crate::Result;

/// Sweeps over coordinates allowed in one step.
const MAX_SWEEPS: usize = 20_000;
/// How exactly the steps of the path before the last are solved.
const ON_THE_WAY: f64 = 1e-3;

/// Searches from zero weights, `start`, along falling penalties; `direct` keeps the second
/// derivatives as a matrix.
pub(super) fn minimize(
    problem: &Problem<'_>,
    start: Vec<f64>,
    direct: bool,
    progress: Progress<'_>,
) -> Result<GlmFit> {
    let l1 = problem.params.l1;
    let mut search = Search::new(problem, start, direct);
    let (_, slopes) = search.state.gradient.split_last().expect("the intercept");
    let most = slopes.iter().map(|g| g.abs()).fold(0.0, f64::max);
    // At `most` and above every weight is 0.
    let mut way = most / 10.0;
    while way > 10.0 * l1 && search.steps < problem.params.max_steps {
        let near = ON_THE_WAY * way;
        search.run(way, near.max(problem.enough), progress)?;
        way /= 10.0;
    }
    if search.run(l1, problem.enough, progress)? {
        return Ok(problem.answer(search.point, search.state, l1, search.steps));
    }
    Err(Error::NotConverged {
        steps: problem.params.max_steps,
        gradient: violation(&search.point, &search.state.gradient, l1),
    })
}

struct Search<'a> {
    problem: &'a Problem<'a>,
    rows: Option<Rows<'a>>,
    point: Vec<f64>,
    state: State,
    steps: usize,
}

impl<'a> Search<'a> {
    fn new(problem: &'a Problem<'a>, point: Vec<f64>, direct: bool) -> Self {
        Self {
            problem,
            rows: (!direct).then(|| Rows::new(problem)),
            state: problem.evaluate(&point),
            point,
            steps: 0,
        }
    }

    /// Steps until nothing is off by more than `enough`; false when the steps are used up.
    fn run(&mut self, l1: f64, enough: f64, progress: Progress<'_>) -> Result<bool> {
        loop {
            let off = violation(&self.point, &self.state.gradient, l1);
            if off <= enough {
                return Ok(true);
            }
            let max_steps = self.problem.params.max_steps;
            if !progress(self.steps as f64 / max_steps.max(1) as f64) {
                return Err(Error::Cancelled);
            }
            if self.steps >= max_steps {
                return Ok(false);
            }
            self.steps += 1;
            let target = self.target(l1, 0.1 * off.min(enough.max(off * off)), progress)?;
            if !self.descend(&target, l1, off) {
                // No step lowers the objective any more: rounding is all that is left.
                return Ok(off <= 1e6 * enough);
            }
        }
    }

    /// Where the quadratic model plus the penalty is least.
    fn target(&self, l1: f64, enough: f64, progress: Progress<'_>) -> Result<Vec<f64>> {
        let factors = self.problem.factors(&self.state);
        match &self.rows {
            None => {
                let size = self.point.len();
                let mut hessian = self.problem.hessian(&factors);
                for row in 0..size {
                    for column in 0..row {
                        hessian[column * size + row] = hessian[row * size + column];
                    }
                }
                let mut model = Matrix {
                    slopes: self.state.gradient.clone(),
                    hessian,
                };
                sweep(&mut model, &self.point, l1, enough, progress)
            }
            Some(rows) => {
                let mut model = Columns {
                    rows,
                    l2: self.problem.params.l2,
                    gradient: &self.state.gradient,
                    curvatures: self.problem.diagonal(&factors),
                    moves: vec![0.0; factors.len()],
                    steps: vec![0.0; self.point.len()],
                    factors,
                };
                sweep(&mut model, &self.point, l1, enough, progress)
            }
        }
    }

    /// Goes towards `target` by the first of the steps 1, 1/2, 1/4, ... that lowers the
    /// penalized objective enough; false when none does.
    fn descend(&mut self, target: &[f64], l1: f64, off: f64) -> bool {
        let penalty = |point: &[f64]| l1 * size_of(&point[..point.len() - 1]);
        let before = self.state.objective + penalty(&self.point);
        let direction: Vec<f64> = target.iter().zip(&self.point).map(|(t, x)| t - x).collect();
        let slope = dot(&self.state.gradient, &direction) + penalty(target) - penalty(&self.point);
        let mut step = 1.0;
        for halvings in 0..40 {
            let next: Vec<f64> = match halvings {
                // The target itself, whose zeros are exact.
                0 => target.to_vec(),
                _ => {
                    let steps = self.point.iter().zip(&direction);
                    steps.map(|(x, d)| x + step * d).collect()
                }
            };
            let state = self.problem.evaluate(&next);
            let after = state.objective + penalty(&next);
            let falls = slope < 0.0 && after <= before + 1e-4 * step * slope;
            let gentler = after <= before + 1e-12 * before.abs()
                && violation(&next, &state.gradient, l1) < 0.5 * off;
            if falls || gentler {
                self.point = next;
                self.state = state;
                return true;
            }
            step *= 0.5;
        }
        false
    }
}

/// By how much the condition of a minimum is missed, at the worst weight.
fn violation(point: &[f64], gradient: &[f64], l1: f64) -> f64 {
    let last = point.len() - 1;
    let each = point.iter().zip(gradient).enumerate();
    each.map(|(index, (x, g))| {
        if index == last {
            g.abs()
        } else if *x > 0.0 {
            (g + l1).abs()
        } else if *x < 0.0 {
            (g - l1).abs()
        } else {
            (g.abs() - l1).max(0.0)
        }
    })
    .fold(0.0, |worst, off| {
        if off > worst || off.is_nan() {
            off
        } else {
            worst
        }
    })
}

/// A quadratic function of the step, seen one coordinate at a time.
trait Quadratic {
    fn curvature(&self, index: usize) -> f64;
    /// The derivative by a coordinate, after the moves told so far.
    fn slope(&self, index: usize) -> f64;
    fn moved(&mut self, index: usize, by: f64);
}

/// Minimizes the model plus the penalty: all coordinates, then those that are not 0 until they
/// rest, and so on until all rest.
fn sweep(
    model: &mut impl Quadratic,
    point: &[f64],
    l1: f64,
    enough: f64,
    progress: Progress<'_>,
) -> Result<Vec<f64>> {
    let last = point.len() - 1;
    let mut target = point.to_vec();
    let all: Vec<usize> = (0..point.len()).collect();
    let mut active: Option<Vec<usize>> = None;
    for count in 0..MAX_SWEEPS {
        if count % 16 == 0 && !progress(0.5) {
            return Err(Error::Cancelled);
        }
        let mut worst = 0.0_f64;
        for &index in active.as_ref().unwrap_or(&all) {
            let curvature = model.curvature(index);
            let old = target[index];
            let pull = curvature * old - model.slope(index);
            let penalty = if index == last { 0.0 } else { l1 };
            let new = if curvature > 0.0 {
                soften(pull, penalty) / curvature
            } else {
                old
            };
            let by = new - old;
            if by.abs() > 0.0 {
                target[index] = new;
                model.moved(index, by);
                worst = worst.max(curvature * by.abs());
            }
        }
        active = match (worst <= enough, active) {
            (true, None) => break,
            (true, Some(_)) => None,
            (false, Some(active)) => Some(active),
            (false, None) => {
                let moving = |index: &usize| *index == last || target[*index].abs() > 0.0;
                Some(all.iter().copied().filter(moving).collect())
            }
        };
    }
    Ok(target)
}

/// The value brought nearer to 0 by `by`, to 0 at most.
fn soften(value: f64, by: f64) -> f64 {
    if value > by {
        value - by
    } else if value < -by {
        value + by
    } else {
        0.0
    }
}

/// The model with its second derivatives in memory.
struct Matrix {
    hessian: Vec<f64>,
    slopes: Vec<f64>,
}

impl Quadratic for Matrix {
    fn curvature(&self, index: usize) -> f64 {
        self.hessian[index * self.slopes.len() + index]
    }

    fn slope(&self, index: usize) -> f64 {
        self.slopes[index]
    }

    fn moved(&mut self, index: usize, by: f64) {
        let size = self.slopes.len();
        let row = &self.hessian[index * size..(index + 1) * size];
        for (slope, h) in self.slopes.iter_mut().zip(row) {
            *slope += by * h;
        }
    }
}

/// The rows of each weight.
struct Rows<'a> {
    weights: Vec<Entries<'a>>,
    /// Rows of levels, one list after the other.
    listed: Vec<u32>,
}

#[derive(Clone, Copy)]
enum Entries<'a> {
    /// A number a row.
    Numbers(&'a [f64]),
    /// 1 in these places of `listed`.
    Listed(usize, usize),
    /// 1 a row: the intercept.
    Ones,
}

impl<'a> Rows<'a> {
    fn new(problem: &Problem<'a>) -> Self {
        let mut rows = Self {
            weights: Vec::with_capacity(problem.design.n_weights() + 1),
            listed: Vec::new(),
        };
        for (_, column) in problem.design.columns() {
            match column {
                DesignColumn::Number(values) => rows.weights.push(Entries::Numbers(values)),
                DesignColumn::Category { codes, n_levels } => rows.list(codes, *n_levels as usize),
            }
        }
        rows.weights.push(Entries::Ones);
        rows
    }

    fn list(&mut self, codes: &[u32], n_levels: usize) {
        let mut ends = vec![0_usize; n_levels];
        for code in codes {
            if let Some(end) = ends.get_mut(*code as usize) {
                *end += 1;
            }
        }
        let mut next = self.listed.len();
        let mut places = Vec::with_capacity(n_levels);
        for count in ends {
            self.weights.push(Entries::Listed(next, next + count));
            places.push(next);
            next += count;
        }
        self.listed.resize(next, 0);
        for (row, code) in (0_u32..).zip(codes) {
            if let Some(place) = places.get_mut(*code as usize) {
                self.listed[*place] = row;
                *place += 1;
            }
        }
    }
}

/// The model read from the columns: for more weights than a matrix of them has room for.
struct Columns<'a> {
    rows: &'a Rows<'a>,
    l2: f64,
    gradient: &'a [f64],
    curvatures: Vec<f64>,
    factors: Vec<f64>,
    /// What the step so far adds to each row's margin.
    moves: Vec<f64>,
    steps: Vec<f64>,
}

impl Quadratic for Columns<'_> {
    fn curvature(&self, index: usize) -> f64 {
        self.curvatures[index]
    }

    fn slope(&self, index: usize) -> f64 {
        let rows = || self.factors.iter().zip(&self.moves);
        let (of_rows, l2) = match self.rows.weights[index] {
            Entries::Numbers(values) => {
                let products = rows().zip(values).map(|((f, m), x)| f * m * x);
                (products.sum::<f64>(), self.l2)
            }
            Entries::Listed(start, end) => {
                let listed = self.rows.listed[start..end].iter();
                let products = listed.map(|row| {
                    let row = *row as usize;
                    self.factors[row] * self.moves[row]
                });
                (products.sum(), self.l2)
            }
            Entries::Ones => (rows().map(|(f, m)| f * m).sum(), 0.0),
        };
        self.gradient[index] + l2 * self.steps[index] + of_rows
    }

    fn moved(&mut self, index: usize, by: f64) {
        self.steps[index] += by;
        match self.rows.weights[index] {
            Entries::Numbers(values) => {
                for (m, x) in self.moves.iter_mut().zip(values) {
                    *m += by * x;
                }
            }
            Entries::Listed(start, end) => {
                for row in &self.rows.listed[start..end] {
                    self.moves[*row as usize] += by;
                }
            }
            Entries::Ones => {
                for m in &mut self.moves {
                    *m += by;
                }
            }
        }
    }
}
