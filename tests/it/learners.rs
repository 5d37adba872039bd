//! The learners that are asked for least, through the engine: a scorecard against evidence, weights
//! and points that the test works out itself, and times against the truth that was planted.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::Context as _;
use anyhow::Result;
use lode_tests::Engine;
use serde_json::Value;
use tempfile::TempDir;

use super::honesty::load;
use super::judge::Draws;

fn rows(engine: &Engine, job: &str, output: &str) -> Result<Vec<Value>> {
    let table = engine.lode(["output", job, output, "-o", "json"])?.json()?;
    Ok(table.as_array().context("rows")?.clone())
}

fn number(row: &Value, name: &str) -> Result<f64> {
    let found = row[name].as_f64();
    found.with_context(|| format!("no {name}: {row}"))
}

/// Scores customers with reasons; base and contributions add up to the margin, and the scores are
/// those of the job's own output.
fn explained(engine: &Engine, job: &str, ids: &[&str]) -> Result<()> {
    let args = ["score", job, "--explain", "-o", "json"];
    let scores = engine.lode(args.iter().chain(ids))?.json()?;
    let scores = scores.as_array().context("scores")?;
    assert_eq!(scores.len(), ids.len());
    let own = rows(engine, job, "scores")?;
    for score in scores {
        let reasons = score["reasons"].as_array().context("reasons")?;
        let parts = reasons.iter().map(|reason| number(reason, "contribution"));
        let sum = parts.sum::<Result<f64>>()?;
        let (base, margin) = (number(score, "base")?, number(score, "margin")?);
        assert!((base + sum - margin).abs() < 1e-9, "{score}");
        let same = own
            .iter()
            .find(|row| row["customer_id"] == score["customer"]);
        let same = same.context("the customer among the job's scores")?;
        assert!(
            (number(same, "margin")? - margin).abs() < 1e-12,
            "{same} {score}"
        );
        assert!((number(same, "score")? - number(score, "score")?).abs() < 1e-12);
    }
    Ok(())
}

/// One applicant: income, home, whether he defaulted.
type Applicant = (f64, &'static str, bool);

/// Whether an applicant is in a bin, by what the card prints of it.
fn is_in(bin: &Value, applicant: &Applicant) -> bool {
    let (income, home, _) = *applicant;
    if bin["feature"] == "home" {
        let levels = bin["levels"].as_str().unwrap_or_default();
        return levels.split(", ").any(|level| level == home);
    }
    bin["low"].as_f64().is_none_or(|low| income > low)
        && bin["high"].as_f64().is_none_or(|high| income <= high)
}

/// Minimizes `sum ln(1 + exp(-s m)) + |w|^2 / 2` with `m = c + w x` by plain gradient steps on
/// Newton's system of three unknowns.
fn regression(x: &[[f64; 2]], y: &[bool]) -> [f64; 3] {
    let mut at = [0.0_f64; 3];
    for _ in 0..50 {
        let mut gradient = [0.0, at[1], at[2]];
        let mut second = [[0.0; 3], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
        for (x, y) in x.iter().zip(y) {
            let row = [1.0, x[0], x[1]];
            let margin: f64 = row.iter().zip(&at).map(|(x, w)| x * w).sum();
            let chance = 1.0 / (1.0 + (-margin).exp());
            for i in 0..3 {
                gradient[i] += (chance - f64::from(u8::from(*y))) * row[i];
                for j in 0..3 {
                    second[i][j] += chance * (1.0 - chance) * row[i] * row[j];
                }
            }
        }
        // Cramer's rule.
        let det = |m: &[[f64; 3]; 3]| {
            m[0][0] * (m[1][1] * m[2][2] - m[1][2] * m[2][1])
                - m[0][1] * (m[1][0] * m[2][2] - m[1][2] * m[2][0])
                + m[0][2] * (m[1][0] * m[2][1] - m[1][1] * m[2][0])
        };
        let whole = det(&second);
        for i in 0..3 {
            let mut one = second;
            for (row, g) in one.iter_mut().zip(&gradient) {
                row[i] = *g;
            }
            at[i] -= det(&one) / whole;
        }
    }
    at
}

#[test]
fn a_scorecard_is_what_its_figures_say() -> Result<()> {
    let mut draws = Draws(17);
    let mut people: Vec<Applicant> = Vec::new();
    let mut lines = "customer_id,income,home,label\n".to_owned();
    for n in 0..3_000 {
        let income = (draws.next() * 60.0).floor() + 10.0;
        let home = ["own", "rent", "family"][(draws.next() * 3.0) as usize];
        let of_home = f64::from(u8::from(home == "rent")) - f64::from(u8::from(home == "own"));
        let margin = -1.2 - 0.05 * (income - 40.0) + of_home;
        let defaulted = draws.next() < 1.0 / (1.0 + (-margin).exp());
        let word = if defaulted { "yes" } else { "no" };
        writeln!(lines, "c{n},{income},{home},{word}")?;
        people.push((income, home, defaulted));
    }
    let folder = TempDir::new()?;
    let engine = Engine::start()?;
    load(&engine, &folder, "applicants", &lines)?;
    let run = [
        "run",
        "credit.scorecard",
        "-i",
        "applicants",
        "--id",
        "card",
        "-o",
        "json",
    ];
    let job = engine.lode(run)?.json()?;

    let card = rows(&engine, "card", "scorecard")?;
    assert_eq!(card[0]["feature"], "(base)");
    let n = people.len() as f64;
    let all_yes = people.iter().filter(|(.., yes)| *yes).count() as f64;
    let all_no = n - all_yes;
    let mut evidence = vec![[0.0; 2]; people.len()];
    let mut largest: BTreeMap<String, f64> = BTreeMap::new();
    for bin in &card[1..] {
        let feature = bin["feature"].as_str().context("a feature")?;
        let mut counts = [0.0; 2];
        for (at, person) in people.iter().enumerate() {
            if is_in(bin, person) {
                counts[usize::from(person.2)] += 1.0;
                evidence[at][usize::from(feature == "home")] = number(bin, "woe")?;
            }
        }
        let [no, yes] = counts;
        assert!((number(bin, "rows")? - no - yes).abs() < 1e-9, "{bin}");
        assert!(
            (number(bin, "share")? - (no + yes) / n).abs() < 1e-12,
            "{bin}"
        );
        assert!((number(bin, "positives_rate")? - yes / (no + yes)).abs() < 1e-12);
        // One row of average risk is added to each bin.
        let woe = ((yes + all_yes / n) / all_yes / ((no + all_no / n) / all_no)).ln();
        assert!((number(bin, "woe")? - woe).abs() < 1e-12, "{bin} {woe}");
        let iv = (yes / all_yes - no / all_no) * woe;
        assert!((number(bin, "iv")? - iv).abs() < 1e-12, "{bin} {iv}");
        *largest.entry(feature.to_owned()).or_default() += iv;
    }
    assert_eq!(largest.len(), 2);
    let metrics = &job["metrics"];
    let largest = largest.values().copied().fold(0.0, f64::max);
    assert!((number(metrics, "largest_iv")? - largest).abs() < 1e-12);

    let labels: Vec<bool> = people.iter().map(|(.., yes)| *yes).collect();
    let [intercept, of_income, of_home] = regression(&evidence, &labels);
    let factor = 20.0 / 2.0_f64.ln();
    let base = 600.0 - factor * (50.0_f64.ln() + intercept);
    assert!(
        (number(&card[0], "points")? - base.round()).abs() < 1e-9,
        "{base}"
    );
    for bin in &card[1..] {
        let weight = if bin["feature"] == "home" {
            of_home
        } else {
            of_income
        };
        let points = -factor * weight * number(bin, "woe")?;
        assert!(
            (number(bin, "points")? - points.round()).abs() < 1e-9,
            "{bin} {points}"
        );
    }
    // Each one's points are those of the card, added.
    let scores = rows(&engine, "card", "scores")?;
    assert_eq!(scores.len(), people.len());
    for score in &scores {
        let id = score["customer_id"].as_str().context("an id")?;
        let person = &people[id[1..].parse::<usize>()?];
        let mine = card[1..].iter().filter(|bin| is_in(bin, person));
        let sum = mine.map(|bin| number(bin, "points")).sum::<Result<f64>>()?;
        assert!((number(score, "points")? - sum - number(&card[0], "points")?).abs() < 1e-9);
    }

    // Of rows that the card was not made from: Gini and KS by counting, and hardly any shift.
    let held = rows(&engine, "card", "evaluation_scores")?;
    let mut by_fold: BTreeMap<i64, Vec<(f64, bool)>> = BTreeMap::new();
    for row in &held {
        let fold = row["fold"].as_i64().context("a fold")?;
        let pair = (number(row, "margin")?, number(row, "label")? > 0.5);
        by_fold.entry(fold).or_default().push(pair);
    }
    let mut kss = Vec::new();
    for pairs in by_fold.values() {
        let share = |at: f64, class: bool| {
            let of_class = pairs.iter().filter(|(_, yes)| *yes == class);
            let below = of_class.clone().filter(|(margin, _)| *margin <= at).count();
            below as f64 / of_class.count() as f64
        };
        let gaps = pairs
            .iter()
            .map(|(at, _)| (share(*at, true) - share(*at, false)).abs());
        kss.push(gaps.fold(0.0, f64::max));
    }
    let ks = kss.iter().sum::<f64>() / kss.len() as f64;
    assert!((number(metrics, "ks")? - ks).abs() < 1e-9, "{ks} {metrics}");
    let gini = 2.0 * number(metrics, "auc")? - 1.0;
    assert!((number(metrics, "gini")? - gini).abs() < 1e-12);
    let psi = number(metrics, "psi")?;
    assert!((0.0..0.1).contains(&psi), "{psi}");
    explained(&engine, "card", &["c0", "c1", "c77"])
}

/// Customers who leave at a rate of `0.05 exp(0.7 x)` a month, watched for at most 24 months.
fn watched(n: usize) -> Result<String> {
    let mut draws = Draws(23);
    let mut lines = "customer_id,x,plan,duration,label\n".to_owned();
    for at in 0..n {
        let x = 2.0 * draws.next() - 1.0;
        let plan = ["a", "b"][(draws.next() * 2.0) as usize];
        let leaves = -(1.0 - draws.next()).ln() / (0.05 * (0.7 * x).exp());
        let until = 4.0 + 20.0 * draws.next();
        let (time, left) = match leaves < until {
            true => (leaves, "yes"),
            false => (until, "no"),
        };
        writeln!(lines, "c{at},{x},{plan},{time},{left}")?;
    }
    Ok(lines)
}

/// The planted log hazard ratio is found within three standard errors, in the unit of `x`.
fn finds_the_truth(engine: &Engine, job: &str) -> Result<()> {
    let ratios = rows(engine, job, "hazard_ratios")?;
    let of_x = ratios.iter().find(|row| row["feature"] == "x");
    let of_x = of_x.context("a ratio of x")?;
    let (found, error) = (
        number(of_x, "coefficient")?,
        number(of_x, "standard_error")?,
    );
    assert!(error > 0.0 && error < 0.15, "{of_x}");
    assert!((found - 0.7).abs() < 3.0 * error, "{of_x}");
    assert!((number(of_x, "hazard_ratio")? - found.exp()).abs() < 1e-9);
    Ok(())
}

#[test]
fn learners_of_times_find_what_was_planted() -> Result<()> {
    let folder = TempDir::new()?;
    let engine = Engine::start()?;
    load(&engine, &folder, "members", &watched(2_000)?)?;
    for (algorithm, id) in [("churn.cox", "cox"), ("churn.hazard", "hazard")] {
        let run = [
            "run",
            algorithm,
            "-i",
            "members",
            "--id",
            id,
            "-p",
            "horizon=6",
            "-o",
            "json",
        ];
        let job = engine.lode(run)?.json()?;
        let concordance = number(&job["metrics"], "concordance")?;
        assert!((0.55..0.75).contains(&concordance), "{id}: {concordance}");
        finds_the_truth(&engine, id)?;
        explained(&engine, id, &["c0", "c5", "c1999"])?;
        // The chance to leave within six months of one about whom little is said is that of the
        // rate, within a tenth: 1 - exp(-0.3).
        let row = r#"{"x": 0.0, "plan": "a"}"#;
        let score = engine
            .lode(["score", id, "--row", row, "-o", "json"])?
            .json()?;
        let chance = number(&score[0], "score")?;
        assert!(
            (chance - (1.0 - (-0.3_f64).exp())).abs() < 0.04,
            "{id}: {chance}"
        );
    }
    Ok(())
}
