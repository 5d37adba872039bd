//! The table of one set, Lode's rows first.
//!
//! Does not compute measures; scikit-learn did.

use anyhow::Result;
use serde_json::Value;

use super::Cost;
use super::number;

/// Measures: name, heading, whether higher is better.
const MEASURES: [(&str, &str, bool); 4] = [
    ("auc", "AUC", true),
    ("log_loss", "log loss", false),
    ("lift_top_decile", "lift 10%", true),
    ("average_precision", "avg prec", true),
];

pub(super) fn table(costs: &[Cost], measures: &Value, ours: &[String]) -> Result<()> {
    let headings = MEASURES.map(|measure| format!("{:>9}", measure.1));
    println!(
        "{:20} {} {:>8} {:>8}",
        "",
        headings.join(" "),
        "seconds",
        "CPU s"
    );
    for cost in costs {
        let of = &measures[&cost.model];
        let mut line = format!("{:20}", cost.model);
        for (name, _, _) in MEASURES {
            line.push_str(&format!(" {:9.5}", number(of, name)?));
        }
        println!("{line} {:8.2} {:8.2}", cost.seconds, cost.cpu_seconds);
    }
    let peers: Vec<&Cost> = costs.iter().filter(|c| !ours.contains(&c.model)).collect();
    if peers.is_empty() {
        return Ok(());
    }
    for model in ours {
        let mut line = format!("{model} against the best peer:");
        for (name, heading, higher) in MEASURES {
            let sign = if higher { 1.0 } else { -1.0 };
            let mut best: Option<(f64, &str)> = None;
            for peer in &peers {
                let found = number(&measures[&peer.model], name)?;
                if best.is_none_or(|best| sign * found > sign * best.0) {
                    best = Some((found, &peer.model));
                }
            }
            let own = number(&measures[model], name)?;
            if let Some((found, peer)) = best {
                line.push_str(&format!(" {heading} {:+.5} ({peer})", own - found));
            }
        }
        println!("{line}");
    }
    Ok(())
}
