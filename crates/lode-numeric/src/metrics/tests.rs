//! Golden values: scikit-learn 1.9.1 (roc_auc_score, average_precision_score, log_loss,
//! brier_score_loss, ndcg_score) and numpy 2.4.6 (the gains curve by `interp` over the ends
//! of tied groups) on the formula data of [`data`]. Tolerance 1e-12 for all.

use super::auc;
use super::average_precision;
use super::brier;
use super::cumulative_gains;
use super::deciles;
use super::log_loss;
use super::top_lift;
use crate::Error;

/// `score = (37 i mod 101) / 100`, `yes = (7 i^2 + 3 i) mod 11 + 12 score > 10`.
fn data(n: usize) -> (Vec<f64>, Vec<bool>) {
    let scores: Vec<f64> = (0..n).map(|i| ((i * 37) % 101) as f64 / 100.0).collect();
    let labels = (0..n)
        .map(|i| ((7 * i * i + 3 * i) % 11) as f64 + 12.0 * scores[i] > 10.0)
        .collect();
    (scores, labels)
}

fn close(found: f64, expected: f64) {
    assert!(
        (found - expected).abs() < 1e-12,
        "{found} is not {expected}"
    );
}

#[test]
fn scores_match_scikit_learn() {
    let (scores, labels) = data(200);
    close(auc(&scores, &labels).unwrap(), 0.831_672_705_314_009_6);
    close(
        average_precision(&scores, &labels).unwrap(),
        0.868_934_163_027_974_1,
    );
    let probabilities: Vec<f64> = scores.iter().map(|s| s * 0.9 + 0.05).collect();
    close(
        log_loss(&probabilities, &labels).unwrap(),
        0.508_958_678_936_408,
    );
    close(brier(&probabilities, &labels).unwrap(), 0.168_989_875);
}

#[test]
fn deciles_match_the_curve_of_numpy() {
    let (scores, labels) = data(200);
    let lifts = [
        1.851_851_851_851_851_9,
        1.759_259_259_259_259_2,
        1.296_296_296_296_296_3,
        1.203_703_703_703_703_7,
        0.972_222_222_222_222_2,
        1.157_407_407_407_407_4,
        0.833_333_333_333_333_4,
        0.370_370_370_370_370_35,
        0.277_777_777_777_777_8,
        0.277_777_777_777_777_8,
    ];
    let found = deciles(&scores, &labels).unwrap();
    for (decile, lift) in found.iter().zip(lifts) {
        close(decile.lift, lift);
        close(decile.rows, 20.0);
    }
    close(found[0].mean_score, 0.955);
    close(found[7].mean_score, 0.2465);
    close(found[4].cumulative_gain, 0.708_333_333_333_333_4);
    close(found[9].cumulative_gain, 1.0);
    close(found.iter().map(|d| d.positives).sum(), 108.0);
    close(top_lift(&scores, &labels, 0.1).unwrap(), lifts[0]);
    let gains = cumulative_gains(&scores, &labels, 10).unwrap();
    close(gains[0].reached, 0.0);
    close(gains[5].contacted, 0.5);
    close(gains[5].reached, 0.708_333_333_333_333_4);
    close(gains[10].reached, 1.0);
}

#[test]
fn deciles_of_few_rows_cut_through_rows() {
    let (scores, labels) = data(37);
    let lifts = [2.3125, 2.3125, 1.6875, 1.1875, 0.0, 2.0, 0.5, 0.0, 0.0, 0.0];
    for (decile, lift) in deciles(&scores, &labels).unwrap().iter().zip(lifts) {
        close(decile.lift, lift);
    }
    let two = deciles(&[0.9, 0.1], &[true, false]).unwrap();
    close(two[0].lift, 2.0);
    close(two[9].lift, 0.0);
}

#[test]
fn the_order_of_rows_and_monotone_changes_do_not_matter() {
    let (mut scores, mut labels) = data(150);
    let before = (
        auc(&scores, &labels).unwrap(),
        deciles(&scores, &labels).unwrap(),
    );
    scores.reverse();
    labels.reverse();
    close(auc(&scores, &labels).unwrap(), before.0);
    for (a, b) in deciles(&scores, &labels).unwrap().iter().zip(before.1) {
        close(a.lift, b.lift);
    }
    let cubes: Vec<f64> = scores.iter().map(|s| s.powi(3)).collect();
    close(auc(&cubes, &labels).unwrap(), before.0);
}

#[test]
fn equal_scores_are_worth_a_coin() {
    let labels = [true, false, true, false, false];
    close(auc(&[0.3; 5], &labels).unwrap(), 0.5);
    close(auc(&[0.0, -0.0, 0.0, -0.0, 0.0], &labels).unwrap(), 0.5);
    close(average_precision(&[0.3; 5], &labels).unwrap(), 0.4);
    for decile in deciles(&[0.3; 5], &labels).unwrap() {
        close(decile.lift, 1.0);
    }
}

#[test]
fn auc_is_the_share_of_pairs_in_order() {
    let (scores, labels) = data(90);
    let mut won = 0.0;
    let mut pairs = 0.0;
    for i in (0..90).filter(|i| labels[*i]) {
        for j in (0..90).filter(|j| !labels[*j]) {
            pairs += 1.0;
            won += match scores[i].total_cmp(&scores[j]) {
                std::cmp::Ordering::Greater => 1.0,
                std::cmp::Ordering::Equal => 0.5,
                std::cmp::Ordering::Less => 0.0,
            };
        }
    }
    close(auc(&scores, &labels).unwrap(), won / pairs);
}

#[test]
fn certain_mistakes_cost_the_clipped_loss() {
    close(log_loss(&[0.0], &[true]).unwrap(), -(1e-15_f64).ln());
    close(log_loss(&[0.0, 1.0], &[false, true]).unwrap(), 0.0);
}

#[test]
fn bad_arguments_are_refused() {
    assert_eq!(
        auc(&[0.5], &[true, false]),
        Err(Error::Length {
            what: "labels, one a score",
            expected: 1,
            found: 2
        })
    );
    assert_eq!(
        auc(&[0.5, 0.5], &[true, true]),
        Err(Error::OneClass { class: true })
    );
    assert_eq!(
        auc(&[0.5, f64::NAN], &[true, false]),
        Err(Error::NotFinite {
            what: "scores",
            index: 1
        })
    );
    assert!(log_loss(&[1.5], &[true]).is_err());
    assert!(log_loss(&[], &[]).is_err());
    assert!(top_lift(&[0.1, 0.2], &[true, false], f64::NAN).is_err());
    assert!(cumulative_gains(&[0.1, 0.2], &[true, false], 0).is_err());
}

#[test]
fn whole_weights_are_repeated_rows() {
    let (scores, labels) = data(120);
    let weights: Vec<f64> = (0..120).map(|i| f64::from(i % 4)).collect();
    let again = |i: usize| i % 4;
    let mut many = (Vec::new(), Vec::new());
    for i in 0..120 {
        for _ in 0..again(i) {
            many.0.push(scores[i]);
            many.1.push(labels[i]);
        }
    }
    let weighted = super::Binary::new(&scores, &labels, Some(&weights)).unwrap();
    let repeated = super::Binary::new(&many.0, &many.1, None).unwrap();
    close(weighted.auc(), repeated.auc());
    close(weighted.average_precision(), repeated.average_precision());
    close(weighted.ks(), repeated.ks());
    for (a, b) in weighted.deciles().iter().zip(repeated.deciles()) {
        close(a.lift, b.lift);
        close(a.mean_score, b.mean_score);
    }
}

#[test]
fn contacting_and_reaching_undo_each_other() {
    let (scores, labels) = data(200);
    let binary = super::Binary::new(&scores, &labels, None).unwrap();
    for reach in [0.1, 0.5, 0.8, 0.99] {
        close(binary.reached_by(binary.contact_to_reach(reach)), reach);
    }
    close(binary.contact_to_reach(0.0), 0.0);
    close(binary.reached_by(1.0), 1.0);
}

#[test]
fn nobody_is_contacted_when_no_contact_pays() {
    let (scores, labels) = data(200);
    let binary = super::Binary::new(&scores, &labels, None).unwrap();
    let best = binary.best_profit(super::Economics {
        cost_per_contact: 10.0,
        value_per_positive: 1.0,
    });
    assert_eq!((best.share, best.profit), (0.0, 0.0));
    assert!(best.threshold.is_infinite());
}

/// The known answer: the interval of a mean of n coin flips is `-+ 1.96 sd / sqrt(n)`; and threads
/// make no difference.
#[test]
fn the_bootstrap_knows_the_spread_of_a_mean() {
    let values: Vec<f64> = (0..400).map(|i| f64::from(i % 2)).collect();
    let measure = |weights: &[f64]| {
        let sum: f64 = weights.iter().zip(&values).map(|(w, v)| w * v).sum();
        let total: f64 = weights.iter().sum();
        vec![Some(sum / total), None]
    };
    let of = |threads, clusters| super::Bootstrap {
        replicates: 2000,
        seed: 3,
        threads,
        clusters,
    };
    let found = of(1, None).intervals(400, None, &measure);
    let interval = found[0].unwrap();
    let reach = 1.96 * 0.5 / 20.0;
    assert!((interval.high - 0.5 - reach).abs() < 0.005, "{interval:?}");
    assert!((0.5 - interval.low - reach).abs() < 0.005, "{interval:?}");
    assert_eq!(found[1], None);
    assert_eq!(of(3, None).intervals(400, None, &measure), found);
    // Four rows that are always drawn together, and are alike, are as good as one.
    let clusters: Vec<u32> = (0..400).map(|i| (i % 100) as u32).collect();
    let alike: Vec<f64> = clusters.iter().map(|c| f64::from(c % 2)).collect();
    let measure = |weights: &[f64]| {
        let sum: f64 = weights.iter().zip(&alike).map(|(w, v)| w * v).sum();
        vec![Some(sum / weights.iter().sum::<f64>())]
    };
    let wide = of(2, Some(&clusters)).intervals(400, None, &measure)[0].unwrap();
    assert!((wide.high - 0.5 - 2.0 * reach).abs() < 0.01, "{wide:?}");
}

/// Under "no difference" p-values are uniform: about 5% of them lie below 0.05.
#[test]
fn the_paired_test_is_right_as_often_as_it_says() {
    let mut rng = crate::Rng::new(9);
    let (mut low, mut covered) = (0, 0);
    for _ in 0..400 {
        let labels: Vec<bool> = (0..150).map(|i| i % 3 == 0).collect();
        let truth: Vec<f64> = labels
            .iter()
            .map(|label| rng.normal() + f64::from(u8::from(*label)))
            .collect();
        let mut noisy = || truth.iter().map(|x| x + rng.normal()).collect::<Vec<f64>>();
        let (a, b) = (noisy(), noisy());
        let pair = super::delong_pair(&a, &b, &labels, None).unwrap();
        low += usize::from(pair.p_value() < 0.05);
        // A normal shifted by 1 with a variance of 2: AUC = Phi(1 / sqrt(4)).
        let (from, to) = pair.a.interval();
        covered += usize::from((from..=to).contains(&crate::normal::cdf(0.5)));
    }
    assert!((8..=34).contains(&low), "{low} of 400 below 0.05");
    assert!((365..=394).contains(&covered), "{covered} of 400 intervals");
}

#[test]
fn a_column_that_did_not_move_has_no_index() {
    let values: Vec<f64> = (0..1000).map(|i| f64::from(i % 37)).collect();
    let edges = super::number_edges(&values, None, 10).unwrap();
    let shares = super::number_shares(&values, None, &edges).unwrap();
    close(super::psi(&shares, &shares).unwrap(), 0.0);
    let gone = super::number_shares(&[f64::NAN; 10], None, &edges).unwrap();
    assert!(super::psi(&shares, &gone).unwrap() > 1.0);
    // One value: no border, one bin and the missing.
    assert!(super::number_edges(&[4.0; 9], None, 10).unwrap().is_empty());
    let codes = [0, 1, 1, 7, u32::MAX];
    let shares = super::category_shares(&codes, None, 2).unwrap();
    assert_eq!(shares, [0.2, 0.4, 0.4]);
}

#[test]
fn bad_weights_are_refused() {
    let (scores, labels) = data(20);
    let refused = |weights: &[f64]| super::Binary::new(&scores, &labels, Some(weights)).is_err();
    assert!(refused(&[1.0; 19]) && refused(&[0.0; 20]));
    assert!(refused(&[-1.0; 20]) && refused(&[f64::NAN; 20]));
    assert!(!refused(&[0.5; 20]));
}
