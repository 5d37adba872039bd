//! Tables that several tests of trees learn from.
//!
//! Test code alone.

use super::{Column, Table};
use crate::Rng;

/// Three number columns, two category columns, targets and weights.
pub(super) struct Data {
    pub(super) numbers: Vec<Vec<f64>>,
    pub(super) levels: Vec<(Vec<u32>, u32)>,
    pub(super) yes: Vec<f64>,
    pub(super) amount: Vec<f64>,
    pub(super) weights: Vec<f64>,
}

impl Data {
    /// Numbers with missing values, categories with unseen codes, a target that depends on all
    /// of them and on two together.
    pub(super) fn mixed(n: usize, seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let mut data = Self {
            numbers: vec![Vec::new(); 3],
            levels: vec![(Vec::new(), 4), (Vec::new(), 12)],
            yes: Vec::new(),
            amount: Vec::new(),
            weights: Vec::new(),
        };
        for row in 0..n {
            let x = [rng.normal(), rng.index(20) as f64, rng.exponential()];
            let code = [rng.index(5) as u32, rng.index(12) as u32];
            let mut margin = x[0] - 0.15 * (x[1] - 10.0) + 0.5 * f64::from(code[1] % 3) - 0.5;
            if x[0] > 0.0 && code[0] == 2 {
                margin += 2.0;
            }
            for (column, value) in data.numbers.iter_mut().zip(x) {
                let missing = rng.chance(0.1);
                column.push(if missing { f64::NAN } else { value });
            }
            for ((codes, _), code) in data.levels.iter_mut().zip(code) {
                codes.push(code);
            }
            // Both classes, whatever the draws.
            let yes = row == 0 || (row != 1 && rng.chance(crate::glm::sigmoid(margin)));
            data.yes.push(f64::from(u8::from(yes)));
            data.amount
                .push((0.3 * margin).exp() * rng.gamma(2.0) + 0.01);
            data.weights.push((1 + rng.index(3)) as f64);
        }
        data
    }

    pub(super) fn table(&self) -> Table<'_> {
        let numbers = self.numbers.iter().map(|values| Column::Number(values));
        let levels = self
            .levels
            .iter()
            .map(|(codes, n_levels)| Column::Category {
                codes,
                n_levels: *n_levels,
            });
        Table::new(self.yes.len(), numbers.chain(levels).collect()).unwrap()
    }

    /// These rows, in this order.
    pub(super) fn take(&self, rows: &[usize]) -> Self {
        let pick = |values: &Vec<f64>| rows.iter().map(|row| values[*row]).collect::<Vec<f64>>();
        Self {
            numbers: self.numbers.iter().map(pick).collect(),
            levels: self
                .levels
                .iter()
                .map(|(codes, n)| (rows.iter().map(|row| codes[*row]).collect(), *n))
                .collect(),
            yes: pick(&self.yes),
            amount: pick(&self.amount),
            weights: pick(&self.weights),
        }
    }
}

/// Share of (yes, no) pairs in the right order, ties half.
pub(super) fn auc(yes: &[f64], scores: &[f64]) -> f64 {
    let mut order: Vec<usize> = (0..yes.len()).collect();
    order.sort_by(|a, b| scores[*a].total_cmp(&scores[*b]));
    let (mut n_no, mut right) = (0.0, 0.0);
    for tied in order.chunk_by(|a, b| scores[*a].total_cmp(&scores[*b]).is_eq()) {
        let own_yes: f64 = tied.iter().map(|row| yes[*row]).sum();
        let own_no = tied.len() as f64 - own_yes;
        right += own_yes * (n_no + 0.5 * own_no);
        n_no += own_no;
    }
    right / n_no / (yes.len() as f64 - n_no)
}
