//! The table of the benchmark, and the goals with what was reached.
//!
//! Does not measure.

use super::cases::Measured;
use super::cases::Set;

/// The peer that the goals name.
const PEER: &str = "implicit als_cg";
/// At most this share of the peer's time.
const SHARE: f64 = 0.33;

/// Everybody at one size.
pub(super) fn comparison(set: &Set, cases: &[Measured]) {
    println!(
        "\n{} people, {} items, {} events",
        set.people, set.items, set.events
    );
    println!(
        "{:24} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8}",
        "", "fit", "", "", "top 10", "", "", "one", "NDCG", "hits"
    );
    println!(
        "{:24} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8}",
        "", "wall s", "CPU s", "MB", "wall s", "CPU s", "MB", "CPU us", "at 10", "at 10"
    );
    for case in cases {
        let one = case
            .one
            .map_or_else(|| "-".to_owned(), |one| format!("{:.1}", one * 1e6));
        println!(
            "{:24} {:8.2} {:8.2} {:8.0} {:8.2} {:8.2} {:8.0} {one:>8} {:8.4} {:8.4}",
            case.case,
            case.fit.seconds,
            case.fit.cpu_seconds,
            case.fit.bytes / 1e6,
            case.top.seconds,
            case.top.cpu_seconds,
            case.top.bytes / 1e6,
            case.ndcg,
            case.hits,
        );
    }
    let ours = cases.iter().find(|case| case.is_ours);
    let peer = cases.iter().find(|case| case.case == PEER);
    let (Some(ours), Some(peer)) = (ours, peer) else {
        return;
    };
    println!("\n{} beside {PEER}:", ours.case);
    for (what, own, other) in [
        ("fit, wall", ours.fit.seconds, peer.fit.seconds),
        ("fit, CPU", ours.fit.cpu_seconds, peer.fit.cpu_seconds),
        ("top 10, wall", ours.top.seconds, peer.top.seconds),
        ("top 10, CPU", ours.top.cpu_seconds, peer.top.cpu_seconds),
    ] {
        goal(what, own / other, SHARE);
    }
    goal("memory of the fit", ours.fit.bytes / peer.fit.bytes, 1.0);
    let others = cases.iter().filter(|case| !case.is_ours);
    let best = others.max_by(|a, b| a.ndcg.total_cmp(&b.ndcg));
    if let Some(best) = best {
        let what = format!("NDCG of {} in ours", best.case);
        goal(&what, best.ndcg / ours.ndcg, 1.0);
    }
}

fn goal(what: &str, found: f64, at_most: f64) {
    let verdict = if found <= at_most {
        "reached"
    } else {
        "MISSED"
    };
    println!("  {what:40} {found:8.3}, goal at most {at_most:.2}: {verdict}");
}
