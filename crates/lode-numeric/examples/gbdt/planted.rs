//! What the target of a made row depends on.
//!
//! Of fifty columns 34 are correlated numbers (of which eight are skewed), eight are small whole
//! numbers and eight are noise; other widths have them in the same proportion. The formula asks
//! about pairs, thresholds, waves and signs, as those of customers' data that a single line
//! cannot follow.

use lode_numeric::Rng;

/// What the correlated columns have in common.
const FACTORS: usize = 6;
/// Correlated columns of fifty that are skewed.
const SKEWED: std::ops::Range<usize> = 8..16;

/// How rows are drawn.
pub(crate) struct Plan {
    correlated: usize,
    whole: usize,
    n_columns: usize,
    /// Of each correlated column, how much of each factor it has.
    loads: Vec<[f64; FACTORS]>,
    /// Share of zeros.
    sparse: f64,
    /// Of tables of zeros, what it says that a column has another value.
    marks: Vec<f64>,
}

impl Plan {
    pub(crate) fn new(n_columns: usize, sparse: f64, rng: &mut Rng) -> Self {
        let correlated = (n_columns * 34).div_ceil(50);
        let whole = (n_columns * 8).div_ceil(50).min(n_columns - correlated);
        let loads = (0..correlated).map(|_| std::array::from_fn(|_| 0.5 * rng.normal()));
        let loads = loads.collect();
        let n_marks = if sparse > 0.0 { correlated } else { 0 };
        Self {
            correlated,
            whole,
            n_columns,
            loads,
            sparse,
            marks: (0..n_marks).map(|_| rng.normal()).collect(),
        }
    }

    /// The columns of noise, which nothing depends on.
    pub(crate) fn noise(&self) -> std::ops::Range<usize> {
        self.correlated + self.whole..self.n_columns
    }

    /// Draws the numbers of a row.
    pub(crate) fn draw(&self, rng: &mut Rng, row: &mut [f64]) {
        let factors: [f64; FACTORS] = std::array::from_fn(|_| rng.normal());
        for (at, value) in row.iter_mut().enumerate() {
            *value = if let Some(loads) = self.loads.get(at) {
                let shared = loads.iter().zip(&factors).map(|(l, f)| l * f);
                let normal = shared.sum::<f64>() + 0.8 * rng.normal();
                match SKEWED.contains(&(at % 34)) {
                    true => (0.7 * normal).exp(),
                    false => normal,
                }
            } else if at < self.correlated + self.whole {
                rng.index(3 + 3 * ((at - self.correlated) % 8)) as f64
            } else {
                rng.normal()
            };
            if self.sparse > 0.0 && rng.chance(self.sparse) {
                *value = 0.0;
            }
            // What floats of 32 bits hold.
            *value = f64::from(*value as f32);
        }
    }

    /// The log odds of a row; of narrow tables the same columns are asked about again and again.
    pub(crate) fn logit(&self, row: &[f64]) -> f64 {
        let x = |at: usize| row[at % self.correlated];
        let whole = |at: usize| match self.whole {
            0 => 0.0,
            n => row[self.correlated + at % n],
        };
        let when = |asked: bool, value: f64| if asked { value } else { 0.0 };
        let marked = self.marks.iter().zip(row);
        let marked = marked.map(|(mark, x)| when(x.abs() > 0.0, *mark));
        let sign = when(x(6) > 0.0, 1.0) - when(x(6) < 0.0, 1.0);
        marked.sum::<f64>() - 1.9
            + 1.1 * (1.5 * x(0) * x(1)).tanh()
            + when(x(2) > 0.7 && (0.5..1.5).contains(&whole(0)), 0.9)
            - 0.8 * x(8).max(0.0).ln_1p()
            + 0.9 * (2.0 * x(3)).sin()
            + 0.6 * x(4).max(0.0).powf(1.5)
            - 0.7 * x(5).abs()
            + when(whole(2) > 5.5, 0.8 * sign)
            + 0.5 * x(7)
            + when(x(9) > 1.2 && x(10) < 0.8, 0.6)
            + 0.4 * (x(16) + x(17)).cos()
            + when(x(18) > 0.0 && x(19) > 0.0 && whole(3) < 4.5, 1.2)
            + 0.25 * x(20) * (whole(4) % 2.0)
    }
}

/// Draws a target; gives it and what is true: the parameter that a perfect model would find.
pub(crate) fn target(objective: &str, logit: f64, first: f64, rng: &mut Rng) -> Option<[f64; 2]> {
    // Means of amounts: no margin of thousands.
    let mean = (0.5 * logit.clamp(-20.0, 10.0)).exp();
    Some(match objective {
        "binary" => {
            let p = 1.0 / (1.0 + (-logit).exp());
            [f64::from(u8::from(rng.chance(p))), p]
        }
        "squared" => [logit + rng.normal(), logit],
        "quantile" => {
            // The 0.9 quantile of a normal distribution whose spread depends on the row.
            let spread = (0.3 * first).exp();
            [
                logit + spread * rng.normal(),
                logit + spread * 1.281_551_565_544_600_4,
            ]
        }
        "poisson" => [rng.poisson(mean) as f64, mean],
        "gamma" => [(mean * 0.5 * rng.gamma(2.0)).max(1e-9), mean],
        "tweedie" => {
            // Power 1.5 and dispersion 1: a Poisson number of exponential amounts.
            let root = mean.sqrt();
            let number = rng.poisson(2.0 * root);
            let sum = match number {
                0 => 0.0,
                n => 0.5 * root * rng.gamma(n as f64),
            };
            [sum, mean]
        }
        "rank" => {
            let told = logit + rng.normal();
            let grade = [-3.0, -2.0, -1.0, 0.5].iter().filter(|at| told > **at);
            [grade.count() as f64, logit]
        }
        _ => return None,
    })
}
