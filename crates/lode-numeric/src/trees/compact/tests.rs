//! What compaction must leave as it was.

use crate::Rng;
use crate::trees::bins::Binning;
use crate::trees::walk::tests::Rows;
use crate::trees::walk::tests::any_forest;

#[test]
fn margins_stay_and_cuts_go() {
    let mut rng = Rng::new(31);
    for round in 0..30 {
        let forest = any_forest(&mut rng, 1 + round % 4, [3, 20, 200][round % 3]);
        let rows = Rows::any(&mut rng, &forest, 300);
        let before = forest.margins(&rows.all(), 1).unwrap();
        let mut compact = forest.clone();
        compact.compact();
        let after = compact.margins(&rows.all(), 1).unwrap();
        for (before, after) in before.iter().zip(&after) {
            assert_eq!(before.to_bits(), after.to_bits());
        }
        let n_cuts = |forest: &crate::trees::Forest| -> usize {
            let numbers = forest.derived.iter().map(|derived| match &derived.binning {
                Binning::Number(cuts) => cuts.len(),
                Binning::Category(_) => 0,
            });
            numbers.sum()
        };
        let n_splits: usize = compact.trees.iter().map(|tree| tree.len() / 2).sum();
        assert!(n_cuts(&compact) <= n_splits);
        assert!(n_cuts(&compact) <= n_cuts(&forest));
        let again = compact.clone();
        compact.compact();
        assert_eq!(compact, again);
    }
}
