//! The tables of the benchmark, and the goals with what was reached.
//!
//! Does not measure.

use super::FASTEST;
use super::LIGHTGBM;
use super::OURS;
use super::learners::Found;
use super::learners::Measured;
use super::learners::Stage;

const MB: f64 = 1e6;

/// Everybody at one size.
pub(super) fn comparison(found: &Found) {
    println!(
        "{:17} {:>15} {:>15} {:>15} {:>15} {:>8} {:>8} {:>8} {:>8}",
        "",
        "binning",
        "training",
        "scoring",
        "contributions",
        "learning",
        "model",
        "AUC",
        "log loss"
    );
    println!(
        "{:17} {:>7} {:>7} {:>7} {:>7} {:>7} {:>7} {:>7} {:>7} {:>8} {:>8}",
        "", "wall s", "CPU s", "wall s", "CPU s", "wall s", "CPU s", "wall s", "CPU s", "MB", "KB"
    );
    for case in &found.cases {
        println!(
            "{:17} {} {} {} {} {:8.1} {:8.1} {:8.5} {:8.5}",
            case.case,
            cells(case.bin),
            cells(Some(case.train)),
            cells(Some(case.score)),
            cells(case.explain),
            case.learn().bytes / MB,
            case.model_bytes / 1e3,
            case.measure("auc"),
            case.measure("log_loss"),
        );
    }
    let truth = |name: &str| found.truth[name].as_f64().unwrap_or(f64::NAN);
    println!(
        "{:17} {:81} {:8.5} {:8.5}",
        "the truth",
        "",
        truth("auc"),
        truth("log_loss")
    );
    println!();
    for case in &found.cases {
        let explained = case.explain.map_or_else(
            || "no contributions".to_owned(),
            |stage| rates("explains", case.explained, stage),
        );
        println!(
            "{:17} {}, {explained}",
            case.case,
            rates("scores", case.scored, case.score)
        );
    }
    goals(&found.cases);
}

/// Rows a second, of wall time and of CPU time.
fn rates(what: &str, rows: f64, stage: Stage) -> String {
    format!(
        "{what} {:.0} rows/s, {:.0} a CPU second",
        rows / stage.seconds,
        rows / stage.cpu_seconds
    )
}

fn cells(stage: Option<Stage>) -> String {
    stage.map_or_else(
        || format!("{:>7} {:>7}", "-", "-"),
        |stage| format!("{:7.3} {:7.3}", stage.seconds, stage.cpu_seconds),
    )
}

/// Each goal, and where we stand.
fn goals(cases: &[Measured]) {
    let Some(ours) = cases.iter().find(|case| case.case == OURS) else {
        return;
    };
    let of = |name: &str| cases.iter().find(|case| case.case == name);
    let peers = || cases.iter().filter(|case| case.case != OURS);
    println!();
    if let Some(off) = ours.off {
        goal(
            "contributions add up to the margin, off by",
            off,
            1e-9,
            "of all explained rows",
        );
    }
    if let Some(fastest) = of(FASTEST) {
        let learn = (ours.learn(), fastest.learn());
        for (what, own, other) in [
            ("training, wall", ours.train.seconds, fastest.train.seconds),
            (
                "training, CPU",
                ours.train.cpu_seconds,
                fastest.train.cpu_seconds,
            ),
            (
                "binning and training, wall",
                learn.0.seconds,
                learn.1.seconds,
            ),
            (
                "binning and training, CPU",
                learn.0.cpu_seconds,
                learn.1.cpu_seconds,
            ),
        ] {
            goal(what, own / other, 1.0, "of LightGBM's fastest");
        }
    }
    for (what, cost) in [
        (
            "scoring, wall",
            (|case| case.score.seconds) as fn(&Measured) -> f64,
        ),
        ("scoring, CPU", |case| case.score.cpu_seconds),
    ] {
        if let Some(best) = peers().min_by(|a, b| cost(a).total_cmp(&cost(b))) {
            let words = format!("of the best peer, {}", best.case);
            goal(what, cost(ours) / cost(best), 0.5, &words);
        }
    }
    let explain = |case: &Measured| case.explain;
    if let (Some(own), Some(other)) = (explain(ours), of(LIGHTGBM).and_then(explain)) {
        let ratio = own.seconds / other.seconds;
        goal("contributions, wall", ratio, 0.2, "of LightGBM");
        let ratio = own.cpu_seconds / other.cpu_seconds;
        goal("contributions, CPU", ratio, 0.2, "of LightGBM");
    }
    if let Some(other) = of(LIGHTGBM) {
        let ratio = ours.learn().bytes / other.learn().bytes;
        goal("memory of learning", ratio, 0.5, "of LightGBM");
    }
    let auc = |case: &Measured| case.measure("auc");
    if let Some(best) = peers().max_by(|a, b| auc(a).total_cmp(&auc(b))) {
        let words = format!("below the best peer, {}", best.case);
        goal("AUC", auc(best) - auc(ours), 0.0005, &words);
    }
    if let Some(other) = of(LIGHTGBM) {
        goal("AUC", auc(other) - auc(ours), 0.0005, "below LightGBM");
    }
}

fn goal(what: &str, found: f64, at_most: f64, of: &str) {
    let verdict = if found <= at_most {
        "reached"
    } else {
        "MISSED"
    };
    let found = match found.abs() < 1e-6 {
        true => format!("{found:.1e}"),
        false => format!("{found:.4}"),
    };
    println!("{verdict}  {what:42} {found:>9} {of}; goal at most {at_most}");
}

pub(super) fn growth_heading() {
    println!(
        "{:24} {:17} {:>7} {:>7} {:>7} {:>7} {:>7} {:>8} {:>8} {:>6} {:>6}",
        "", "", "bin", "bin", "train", "train", "score", "learning", "AUC", "wall", "CPU"
    );
    println!(
        "{:24} {:17} {:>7} {:>7} {:>7} {:>7} {:>7} {:>8} {:>8} {:>6} {:>6}",
        "", "", "wall s", "CPU s", "wall s", "CPU s", "CPU s", "MB", "", "ratio", "ratio"
    );
}

/// Each case a line; ratios are of ours to that case, binning and training together.
pub(super) fn growth_rows(name: &str, found: &Found) {
    let ours = found.cases.iter().find(|case| case.case == OURS);
    for (at, case) in found.cases.iter().enumerate() {
        let name = if at == 0 { name } else { "" };
        let mut line = format!(
            "{name:24} {:17} {} {} {:7.3} {:8.1} {:8.5}",
            case.case,
            cells(case.bin),
            cells(Some(case.train)),
            case.score.cpu_seconds,
            case.learn().bytes / MB,
            case.measure("auc"),
        );
        if let Some(ours) = ours.filter(|_| case.case != OURS) {
            let (own, other) = (ours.learn(), case.learn());
            line.push_str(&format!(
                " {:6.2} {:6.2}",
                own.seconds / other.seconds,
                own.cpu_seconds / other.cpu_seconds
            ));
        }
        println!("{line}");
    }
}

pub(super) fn objectives_heading() {
    println!(
        "{:10} {:10} {:>7} {:>7} {:>10} {:>9}",
        "", "", "wall s", "CPU s", "", "held out"
    );
}

/// Each case a line, the truth last; binning and training together.
pub(super) fn objective_rows(objective: &str, measure: &str, is_gain: bool, found: &Found) {
    for case in &found.cases {
        println!(
            "{objective:10} {:10} {} {measure:>10} {:9.5}",
            case.case,
            cells(Some(case.learn())),
            case.measure(measure)
        );
    }
    let truth = found.truth[measure].as_f64().unwrap_or(f64::NAN);
    println!(
        "{objective:10} {:26} {measure:>10} {truth:9.5}",
        "the truth"
    );
    let of = |name: &str| found.cases.iter().find(|case| case.case == name);
    if let (Some(ours), Some(other)) = (of(OURS), of(LIGHTGBM)) {
        let ratio = ours.measure(measure) / other.measure(measure);
        let (found, words) = match is_gain {
            true => (1.0 / ratio, "LightGBM's over ours"),
            false => (ratio, "of LightGBM"),
        };
        goal(&format!("{objective}, {measure}"), found, 1.002, words);
    }
}
