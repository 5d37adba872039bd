//! Several classes: against two, against the truth, and as bytes.

use super::{Classes, ClassesFit, fit};
use crate::trees::gbdt::{self, GbdtParams};
use crate::trees::test_data::Data;
use crate::trees::{Column, Constraints, Table, Trend};
use crate::{Error, Rng, go_on};

/// Rows near three centers, with a category that tells the third from the others.
struct Kinds {
    x: [Vec<f64>; 2],
    codes: Vec<u32>,
    classes: Vec<u32>,
}

impl Kinds {
    fn new(n: usize, seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let mut data = Self {
            x: [Vec::new(), Vec::new()],
            codes: Vec::new(),
            classes: Vec::new(),
        };
        for row in 0..n {
            let class = if row < 3 {
                row
            } else {
                [0, 0, 0, 1, 1, 2][rng.index(6)]
            };
            let center = [[0.0, 0.0], [1.5, 0.5], [0.5, 0.7]][class];
            for (values, center) in data.x.iter_mut().zip(center) {
                let missing = rng.chance(0.05);
                let value = center + rng.normal();
                values.push(if missing { f64::NAN } else { value });
            }
            let code = if class == 2 {
                3 + rng.index(5)
            } else {
                rng.index(6)
            };
            data.codes.push(code as u32);
            data.classes.push(class as u32);
        }
        data
    }

    fn table(&self) -> Table<'_> {
        let columns = vec![
            Column::Number(&self.x[0]),
            Column::Number(&self.x[1]),
            Column::Category {
                codes: &self.codes,
                n_levels: 8,
            },
        ];
        Table::new(self.classes.len(), columns).unwrap()
    }

    fn fit(&self, params: &GbdtParams) -> ClassesFit {
        fit(&self.table(), (&self.classes, 3), None, params, &go_on).unwrap()
    }

    /// Mean `-log p` of the row's own class.
    fn loss(&self, p: &[f64]) -> f64 {
        let rows = self.classes.iter().enumerate();
        let losses = rows.map(|(row, class)| -p[row * 3 + *class as usize].ln());
        losses.sum::<f64>() / self.classes.len() as f64
    }
}

fn quick() -> GbdtParams {
    GbdtParams {
        repeats: 1,
        threads: 2,
        ..GbdtParams::default()
    }
}

#[test]
fn probabilities_are_right_and_held_out_ones_honest() {
    let (data, fresh) = (Kinds::new(1500, 1), Kinds::new(5000, 2));
    let found = data.fit(&quick());
    let p = found.model.probabilities(&fresh.table(), 2).unwrap();
    for own in p.chunks(3) {
        assert!((own.iter().sum::<f64>() - 1.0).abs() < 1e-12);
    }
    let loss = fresh.loss(&p);
    // The shares of the classes alone.
    let shares: Vec<f64> = (0..5000)
        .flat_map(|_| [0.5, 1.0 / 3.0, 1.0 / 6.0])
        .collect();
    assert!(loss < fresh.loss(&shares) - 0.25, "{loss}");
    for class in 0..3 {
        let expected = fresh.classes.iter().filter(|own| **own == class).count() as f64;
        let sum: f64 = p.iter().skip(class as usize).step_by(3).sum();
        assert!(
            (sum / expected - 1.0).abs() < 0.1,
            "class {class}: {sum}, {expected}"
        );
    }
    let mut held_out = found.held_out.unwrap();
    held_out
        .chunks_mut(3)
        .for_each(super::softmax::probabilities);
    assert!((data.loss(&held_out) - loss).abs() < 0.05);
    assert!(found.gains.iter().all(|gain| *gain > 0.0));
    // The losses that chose the rounds are those of the same rows.
    let best = found.shapes.iter().map(|shape| shape.losses[shape.rounds]);
    let best = best.fold(f64::INFINITY, f64::min);
    assert!((best - data.loss(&held_out)).abs() < 0.01);
}

#[test]
fn contributions_of_a_class_add_up_and_bytes_come_back() {
    let data = Kinds::new(300, 3);
    let params = GbdtParams {
        max_rounds: 15,
        ..quick()
    };
    let model = data.fit(&params).model;
    let margins = model.margins(&data.table(), 1).unwrap();
    for class in 0..3 {
        let parts = model.contributions(class, &data.table(), 1).unwrap();
        for row in 0..300 {
            assert!((parts.margin(row) - margins[row * 3 + class]).abs() < 1e-9);
        }
    }
    assert!(model.contributions(3, &data.table(), 1).is_err());
    let bytes = model.to_bytes();
    assert_eq!(Classes::from_bytes(&bytes).unwrap(), model);
    for at in [0, 8, 12, 40, bytes.len() / 2, bytes.len() - 1] {
        let mut spoiled = bytes.clone();
        spoiled[at] ^= 0x10;
        assert!(matches!(
            Classes::from_bytes(&spoiled),
            Err(Error::Bytes { .. })
        ));
        assert!(Classes::from_bytes(&bytes[..at]).is_err());
    }
    assert!(Classes::from_bytes(&[bytes.as_slice(), &[0]].concat()).is_err());
}

#[test]
fn two_classes_are_yes_or_no() {
    let data = Data::mixed(1500, 4);
    let fresh = Data::mixed(5000, 5);
    let classes: Vec<u32> = data.yes.iter().map(|yes| u32::from(*yes > 0.5)).collect();
    let two = fit(&data.table(), (&classes, 2), None, &quick(), &go_on).unwrap();
    let one = gbdt::fit(&data.table(), &data.yes, None, &quick(), &go_on).unwrap();
    let (two, one) = (
        two.model.probabilities(&fresh.table(), 1).unwrap(),
        one.model.means(&fresh.table(), 1).unwrap(),
    );
    let loss = |p: &dyn Fn(usize) -> f64| -> f64 {
        let rows = fresh.yes.iter().enumerate();
        let losses = rows.map(|(row, y)| -if *y > 0.5 { p(row) } else { 1.0 - p(row) }.ln());
        losses.sum::<f64>() / 5000.0
    };
    let (two, one) = (loss(&|row| two[2 * row + 1]), loss(&|row| one[row]));
    assert!((two - one).abs() < 0.01, "{two} against {one}");
}

#[test]
fn bits_depend_on_neither_threads_nor_weights_of_rows_that_do_not_count() {
    let data = Kinds::new(600, 6);
    let with = |threads: usize| {
        let params = GbdtParams {
            threads,
            max_rounds: 10,
            ..quick()
        };
        data.fit(&params).model.to_bytes()
    };
    assert_eq!(with(1), with(7));
    let weights: Vec<f64> = (0..600)
        .map(|row| f64::from(u8::from(row % 5 != 4)))
        .collect();
    let fit = fit(
        &data.table(),
        (&data.classes, 3),
        Some(&weights),
        &quick(),
        &go_on,
    )
    .unwrap();
    assert!(
        fit.held_out
            .unwrap()
            .iter()
            .all(|margin| margin.is_finite())
    );
}

#[test]
fn bad_classes_are_errors() {
    let data = Kinds::new(60, 7);
    let with = |classes: &[u32], n_classes: usize, params: &GbdtParams| {
        fit(&data.table(), (classes, n_classes), None, params, &go_on).map(|fit| fit.gains)
    };
    assert!(matches!(
        with(&data.classes, 4, &quick()),
        Err(Error::Entry { index: 3, .. })
    ));
    for n_classes in [1, 2, 1001] {
        let found = with(&data.classes, n_classes, &quick());
        assert!(
            matches!(found, Err(Error::OutOfRange { .. })),
            "{n_classes}"
        );
    }
    assert!(matches!(
        with(&[0, 1], 2, &quick()),
        Err(Error::Length { .. })
    ));
    let trended = GbdtParams {
        constraints: Constraints {
            trends: vec![Trend::Rising, Trend::Free, Trend::Free],
            interactions: Vec::new(),
        },
        ..quick()
    };
    let found = with(&data.classes, 3, &trended).unwrap_err();
    assert!(found.to_string().contains("trends with several classes"));
    let stop = fit(&data.table(), (&data.classes, 3), None, &quick(), &|_| {
        false
    });
    assert_eq!(stop, Err(Error::Cancelled));
}
