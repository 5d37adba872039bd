//! The metrics of a job for people: one line a measure, its interval and spread beside it.
//!
//! Programs get every number by its own name (`-o json`). Invariant: a metric that is no bound,
//! spread or raw twin of another has a line of its own.

use std::collections::BTreeMap;

use crate::output::Cell;
use crate::output::List;
use crate::output::number;

/// What measures a prediction first; all others come after, by name.
const FIRST: [&str; 27] = [
    "ndcg_10",
    "hit_rate_10",
    "recall_10",
    "precision_10",
    "map",
    "mrr",
    "auc",
    "concordance",
    "pinball",
    "rmse",
    "average_precision",
    "log_loss",
    "accuracy",
    "macro_f1",
    "brier",
    "brier_at_horizon",
    "calibration_error",
    "lift_top_decile",
    "ks",
    "precision_at_budget",
    "recall_at_budget",
    "mae",
    "wape",
    "r2",
    "spearman",
    "normalized_gini",
    "value_top_decile",
];

/// The metrics as a table: two columns where no metric has more to say.
pub(super) fn table(metrics: &BTreeMap<String, f64>) -> List {
    let beside = |name: &str, word: &str| metrics.get(&format!("{name}_{word}")).copied();
    let mut names: Vec<&str> = Vec::new();
    names.extend(FIRST.iter().filter(|name| metrics.contains_key(**name)));
    names.extend(
        metrics
            .keys()
            .map(String::as_str)
            .filter(|name| !FIRST.contains(name)),
    );
    names.retain(|name| !is_beside(name, metrics));
    if let Some(list) = beside_popularity(&names, metrics) {
        return list;
    }
    let judged = names.iter().any(|name| {
        ["low", "sd", "raw"]
            .iter()
            .any(|word| beside(name, word).is_some())
    });
    if !judged {
        let mut list = List::new(&["metric", "value"]);
        for name in names {
            list.push(vec![name.into(), metrics[name].into()]);
        }
        return list;
    }
    let mut list = List::new(&["metric", "value", "95% interval", "sd", "uncalibrated"]);
    for name in names {
        let interval = match (beside(name, "low"), beside(name, "high")) {
            (Some(low), Some(high)) => format!("{} to {}", number(low), number(high)),
            _ => String::new(),
        };
        let raw = beside(name, "raw").filter(|raw| raw.to_bits() != metrics[name].to_bits());
        let or_empty = |value: Option<f64>| value.map_or_else(|| Cell::from(""), Cell::from);
        list.push(vec![
            name.into(),
            metrics[name].into(),
            interval.into(),
            or_empty(beside(name, "sd")),
            or_empty(raw),
        ]);
    }
    list
}

/// The metrics of a recommender, popularity and the order that was given beside its own.
fn beside_popularity(names: &[&str], metrics: &BTreeMap<String, f64>) -> Option<List> {
    const TWINS: [&str; 2] = ["popularity", "order"];
    let twin = |word: &str, name: &str| metrics.get(&format!("{word}_{name}")).copied();
    let there: Vec<&str> = TWINS
        .into_iter()
        .filter(|word| names.iter().any(|name| twin(word, name).is_some()))
        .collect();
    if there.is_empty() {
        return None;
    }
    let mut columns = vec!["metric", "value", "95% interval"];
    columns.extend(&there);
    let mut list = List::new(&columns);
    let is_twin = |name: &str| {
        let of = |word: &&str| name.strip_prefix(word)?.strip_prefix('_');
        let mut of = TWINS.iter().filter_map(of);
        of.any(|of| metrics.contains_key(of))
    };
    for name in names.iter().filter(|name| !is_twin(name)) {
        let bound = |word: &str| metrics.get(&format!("{name}_{word}"));
        let interval = match (bound("low"), bound("high")) {
            (Some(low), Some(high)) => format!("{} to {}", number(*low), number(*high)),
            _ => String::new(),
        };
        let mut row: Vec<Cell> = vec![(*name).into(), metrics[*name].into(), interval.into()];
        for word in &there {
            row.push(twin(word, name).map_or_else(|| "".into(), Cell::from));
        }
        list.push(row);
    }
    Some(list)
}

/// "Contact 38% to reach 80%", where a job found that.
pub(super) fn contact_line(metrics: &BTreeMap<String, f64>) -> Option<String> {
    let percent = |share: f64| format!("{:.1} %", share * 100.0);
    let share = metrics.get("contact_to_reach_80")?;
    let low = metrics.get("contact_to_reach_80_low");
    let interval = match (low, metrics.get("contact_to_reach_80_high")) {
        (Some(low), Some(high)) => format!(" ({} to {})", percent(*low), percent(*high)),
        _ => String::new(),
    };
    Some(format!(
        "contact the best {}{interval} to reach 80 % of them",
        percent(*share)
    ))
}

/// Whether a metric is shown beside another one.
fn is_beside(name: &str, metrics: &BTreeMap<String, f64>) -> bool {
    let words = ["_low", "_high", "_sd", "_raw"];
    let of = words.iter().find_map(|word| name.strip_suffix(word));
    of.is_some_and(|of| metrics.contains_key(of))
}

#[cfg(test)]
mod tests {
    use super::contact_line;
    use super::table;

    #[test]
    fn a_measure_has_one_line_with_all_about_it() {
        let metrics = [
            ("auc", 0.84),
            ("auc_high", 0.85),
            ("auc_low", 0.83),
            ("auc_sd", 0.01),
            ("contact_to_reach_80", 0.382),
            ("folds", 5.0),
            ("log_loss", 0.41),
            ("log_loss_raw", 0.45),
        ];
        let metrics = metrics.map(|(name, value)| (name.to_owned(), value)).into();
        let shown = table(&metrics).to_table();
        let lines: Vec<&str> = shown.lines().collect();
        let auc = lines.iter().find(|line| line.contains("auc")).unwrap();
        assert!(
            auc.contains("0.83 to 0.85") && auc.contains("0.01"),
            "{shown}"
        );
        assert_eq!(
            lines.iter().filter(|line| line.contains("auc")).count(),
            1,
            "{shown}"
        );
        let loss = lines.iter().find(|line| line.contains("log_loss")).unwrap();
        assert!(loss.contains("0.41") && loss.contains("0.45"), "{shown}");
        let line = contact_line(&metrics).unwrap();
        assert_eq!(line, "contact the best 38.2 % to reach 80 % of them");
    }

    #[test]
    fn a_recommender_stands_beside_popularity() {
        let metrics = [
            ("map", 0.1),
            ("ndcg_10", 0.25),
            ("ndcg_10_high", 0.27),
            ("ndcg_10_low", 0.23),
            ("over_popularity_ndcg_10", 0.125),
            ("popularity_map", 0.0625),
            ("popularity_ndcg_10", 0.125),
        ];
        let metrics = metrics.map(|(name, value)| (name.to_owned(), value)).into();
        let shown = table(&metrics).to_table();
        let line = |name: &str| {
            let mut lines = shown.lines();
            lines.find(|line| line.trim_start().starts_with(name))
        };
        let main = line("ndcg_10").unwrap();
        assert!(
            main.contains("0.23 to 0.27") && main.contains("0.125"),
            "{shown}"
        );
        assert!(line("popularity_").is_none(), "{shown}");
        assert!(line("over_popularity_ndcg_10").is_some(), "{shown}");
    }

    #[test]
    fn plain_metrics_have_two_columns() {
        let metrics = [("inertia".to_owned(), 2.0)].into();
        assert!(!table(&metrics).to_table().contains("interval"));
        assert!(contact_line(&metrics).is_none());
    }
}
