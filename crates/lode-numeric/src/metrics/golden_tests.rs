//! Golden values: every measure on random rows with ties and weights against scikit-learn, scipy,
//! lifelines and plain computations in numpy, by `golden/measures.py`. Tolerance 1e-12.

use std::collections::BTreeMap;

use super::Amount;
use super::Binary;
use super::Binning;
use super::Budget;
use super::Economics;
use super::KaplanMeier;
use super::brier_at;
use super::calibration_at;
use super::calibration_bins;
use super::calibration_error;
use super::concordance;
use super::delong_pair;
use super::gamma_deviance;
use super::number_edges;
use super::number_shares;
use super::poisson_deviance;
use super::psi;
use super::tweedie_deviance;
use super::weighted_brier;
use super::weighted_log_loss;
use crate::golden;

/// Compares by name, and knows at the end which figures nobody asked for.
struct Figures(BTreeMap<String, f64>);

impl Figures {
    fn of(wanted: impl Fn(&str) -> bool) -> Self {
        let mut figures = golden::measures();
        figures.retain(|name, _| wanted(name));
        Self(figures)
    }

    fn check(&mut self, name: &str, found: f64) {
        let expected = self
            .0
            .remove(name)
            .unwrap_or_else(|| panic!("no figure {name}"));
        let tolerance = 1e-12 * expected.abs().max(1.0);
        assert!(
            (found - expected).abs() <= tolerance,
            "{name}: {found} is not {expected}"
        );
    }

    fn all_checked(&self) {
        assert!(self.0.is_empty(), "not checked: {:?}", self.0.keys());
    }
}

fn is_binary(name: &str) -> bool {
    name.contains(".a.") || name.contains(".b.") || name.contains(".delong.")
}

#[test]
fn yes_or_no() {
    let rows = golden::columns(include_str!("../golden/binary.csv"));
    let labels: Vec<bool> = rows["label"].iter().map(|label| *label > 0.5).collect();
    let mut figures = Figures::of(is_binary);
    for (kind, weights) in [("plain", None), ("weighted", Some(&*rows["weight"]))] {
        for name in ["a", "b"] {
            let scores = &rows[name];
            let at = |measure: &str| format!("{kind}.{name}.{measure}");
            let ranking = super::Ranking::new(scores).unwrap();
            let values = Some(&*rows["value"]);
            let binary = Binary::ranked(&ranking, scores, &labels, weights, values).unwrap();
            figures.check(&at("auc"), binary.auc());
            assert!((binary.gini() - (2.0 * binary.auc() - 1.0)).abs() < 1e-15);
            figures.check(&at("average_precision"), binary.average_precision());
            figures.check(&at("ks"), binary.ks());
            let log_loss = weighted_log_loss(scores, &labels, weights).unwrap();
            figures.check(&at("log_loss"), log_loss);
            let brier = weighted_brier(scores, &labels, weights).unwrap();
            figures.check(&at("brier"), brier);
            let chosen = binary.at_threshold(0.5);
            figures.check(&at("precision"), chosen.precision());
            figures.check(&at("recall"), chosen.recall());
            figures.check(&at("f1"), chosen.f1());
            figures.check(&at("accuracy"), chosen.accuracy());
            let economics = Economics {
                cost_per_contact: 20.0,
                value_per_positive: 1.5,
            };
            for share in [0.05, 0.1, 0.25, 0.6] {
                let of = |measure: &str| at(&format!("{measure}.{share}"));
                figures.check(&of("reached_by"), binary.reached_by(share));
                figures.check(&of("lift"), binary.lift(share).unwrap());
                let chosen = binary.at_budget(Budget::Share(share)).unwrap();
                figures.check(&of("precision_by"), chosen.precision());
                assert!((chosen.share() - share).abs() < 1e-12);
                figures.check(&of("profit"), binary.profit_at(share, economics));
            }
            let chosen = binary.at_budget(Budget::Rows(37.0)).unwrap();
            figures.check(&at("recall_by_rows.37"), chosen.recall());
            let best = binary.best_profit(economics);
            figures.check(&at("best_profit"), best.profit);
            figures.check(&at("best_share"), best.share);
            assert!((binary.score_at(best.share) - best.threshold).abs() < 1e-12);
            for reach in [0.3, 0.8] {
                let of = at(&format!("contact_to_reach.{reach}"));
                figures.check(&of, binary.contact_to_reach(reach));
            }
            for (word, binning) in [
                ("width", Binning::EqualWidth),
                ("count", Binning::EqualCount),
            ] {
                let bins = calibration_bins(scores, &labels, weights, 10, binning).unwrap();
                let error = calibration_error(&bins);
                figures.check(&at(&format!("ece_{word}")), error.expected);
                figures.check(&at(&format!("mce_{word}")), error.maximum);
                if word == "count" {
                    figures.check(&at("observed_count.3"), bins[3].observed);
                }
            }
        }
        let pair = delong_pair(&rows["a"], &rows["b"], &labels, weights).unwrap();
        let at = |measure: &str| format!("{kind}.delong.{measure}");
        figures.check(&at("variance_a"), pair.a.variance);
        figures.check(&at("variance_b"), pair.b.variance);
        figures.check(&at("covariance"), pair.covariance);
        figures.check(&at("p_value"), pair.p_value());
        let auc = Binary::new(&rows["a"], &labels, weights).unwrap().auc();
        assert!((pair.a.auc - auc).abs() < 1e-14);
    }
    figures.all_checked();
}

#[test]
fn amounts() {
    const NAMES: [&str; 12] = [
        "rmse",
        "mae",
        "r2",
        "wape",
        "spearman",
        "normalized_gini",
        "poisson",
        "tweedie",
        "gamma",
        "value_reached.0.2",
        "decile_3_actual",
        "psi",
    ];
    let rows = golden::columns(include_str!("../golden/amount.csv"));
    let (predicted, actual) = (&rows["predicted"], &rows["actual"]);
    let mut figures = Figures::of(|name| {
        let measure = name.split_once('.').map_or("", |(_, measure)| measure);
        NAMES.contains(&measure)
    });
    for (kind, weights) in [("plain", None), ("weighted", Some(&*rows["weight"]))] {
        let mut check = |measure: &str, found: f64| {
            figures.check(&format!("{kind}.{measure}"), found);
        };
        let amount = Amount::new(predicted, actual, weights).unwrap();
        check("rmse", amount.rmse());
        check("mae", amount.mae());
        check("r2", amount.r2().unwrap());
        check("wape", amount.wape().unwrap());
        check("spearman", amount.spearman().unwrap());
        check("normalized_gini", amount.normalized_gini().unwrap());
        check(
            "poisson",
            poisson_deviance(predicted, actual, weights).unwrap(),
        );
        check(
            "tweedie",
            tweedie_deviance(predicted, actual, weights, 1.5).unwrap(),
        );
        let above: Vec<f64> = actual.iter().map(|amount| amount + 1.0).collect();
        check("gamma", gamma_deviance(predicted, &above, weights).unwrap());
        check("value_reached.0.2", amount.value_reached(0.2).unwrap());
        check("decile_3_actual", amount.deciles()[2].actual);

        let (first, second) = actual.split_at(actual.len() / 2);
        let weights = weights.map(|weights| weights.split_at(first.len()));
        let edges = number_edges(first, weights.map(|w| w.0), 10).unwrap();
        let expected = number_shares(first, weights.map(|w| w.0), &edges).unwrap();
        let found = number_shares(second, weights.map(|w| w.1), &edges).unwrap();
        check("psi", psi(&expected, &found).unwrap());
    }
    figures.all_checked();
}

#[test]
fn times() {
    const NAMES: [&str; 6] = [
        "concordance",
        "kaplan_meier.12",
        "kaplan_meier.30",
        "brier_at",
        "calibration_at.observed",
        "calibration_at.predicted",
    ];
    let rows = golden::columns(include_str!("../golden/survival_scores.csv"));
    let events: Vec<bool> = rows["event"].iter().map(|event| *event > 0.5).collect();
    let (times, chances) = (&rows["time"], &rows["chance"]);
    let mut figures = Figures::of(|name| {
        let measure = name.split_once('.').map_or("", |(_, measure)| measure);
        NAMES.contains(&measure)
    });
    for (kind, weights) in [("plain", None), ("weighted", Some(&*rows["weight"]))] {
        let mut check = |measure: &str, found: f64| {
            figures.check(&format!("{kind}.{measure}"), found);
        };
        let c = concordance(times, &events, &rows["risk"], weights).unwrap();
        check("concordance", c);
        let lasting = KaplanMeier::of_events(times, &events, weights).unwrap();
        check("kaplan_meier.12", lasting.at(12.0));
        check("kaplan_meier.30", lasting.at(30.0));
        let brier = brier_at(12.0, times, &events, chances, weights).unwrap();
        check("brier_at", brier);
        let bins = calibration_at(12.0, times, &events, chances, weights, 4).unwrap();
        check("calibration_at.observed", bins[2].observed);
        check("calibration_at.predicted", bins[2].predicted);
    }
    figures.all_checked();
}
