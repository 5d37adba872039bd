//! Which sets are made and who learns from them: the comparison at one size, growth, objectives.
//!
//! Does not measure; `learners` does.

use anyhow::Result;

use super::Args;
use super::FASTEST;
use super::LIGHTGBM;
use super::OURS;
use super::PEERS;
use super::learners::Learners;
use super::learners::Set;
use super::report;

/// Of a tenth of the rows that growth in other directions is measured at.
const COLUMNS: [u64; 3] = [10, 50, 200];
const LEAVES: [u64; 5] = [2, 8, 31, 127, 255];
/// Levels of a category with many.
const MANY_LEVELS: u64 = 10_000;

/// Objectives other than yes or no, as the peers' script calls them, with the measure that they
/// are judged by and whether more of it is better.
const OBJECTIVES: [(&str, &str, bool); 6] = [
    ("squared", "rmse", false),
    ("poisson", "deviance", false),
    ("gamma", "deviance", false),
    ("tweedie", "deviance", false),
    ("quantile", "pinball", false),
    ("rank", "ndcg_10", true),
];

/// One size, everybody.
pub(super) fn compare(learners: &Learners, args: &Args) -> Result<()> {
    let set = Set {
        explain: args.explain,
        ..Set::plain(args.rows, args.columns, args.leaves)
    };
    println!(
        "\n{} rows of {} columns and {} held out, {} trees of {} leaves, {} threads, medians of {}",
        set.rows,
        set.columns,
        set.rows / 5,
        learners.rounds,
        set.leaves,
        learners.threads,
        learners.repeat
    );
    let cases = wanted(args, &PEERS);
    report::comparison(&learners.measure(&set, &cases)?);
    Ok(())
}

/// Rows, columns, leaves and what makes columns special, each by itself.
pub(super) fn growth(learners: &Learners, args: &Args) -> Result<()> {
    let some = (args.rows / 10).max(1_000);
    let few = (args.rows / 100).max(1_000);
    let plain = Set::plain(some, args.columns, args.leaves);
    let mut sets = Vec::new();
    for rows in [few, some, args.rows.max(some)] {
        let name = format!("{rows} rows");
        sets.push((
            name,
            Set {
                rows,
                ..plain.clone()
            },
        ));
    }
    for columns in COLUMNS.into_iter().filter(|n| *n != args.columns) {
        let name = format!("{columns} columns");
        sets.push((
            name,
            Set {
                columns,
                ..plain.clone()
            },
        ));
    }
    for leaves in LEAVES.into_iter().filter(|n| *n != args.leaves) {
        let name = format!("{leaves} leaves");
        sets.push((
            name,
            Set {
                leaves,
                ..plain.clone()
            },
        ));
    }
    let gaps = Set {
        missing: 0.5,
        ..plain.clone()
    };
    sets.push(("half of all missing".to_owned(), gaps));
    let categories = Set {
        categories: (args.columns / 5).max(1),
        levels: MANY_LEVELS,
        ..plain.clone()
    };
    let name = format!("{} x {MANY_LEVELS} levels", categories.categories);
    sets.push((name, categories));
    let sparse = Set {
        sparse: 0.99,
        columns: 200,
        ..plain.clone()
    };
    sets.push(("200 columns, 99% zeros".to_owned(), sparse));
    if args.huge {
        let rows = args.rows * 10;
        let huge = Set {
            rows,
            columns: 20,
            ..plain
        };
        sets.push((format!("{rows} rows of 20"), huge));
    }
    println!(
        "\ngrowth; where nothing else is said {some} rows of {} columns, {} trees of {} leaves, \
         {} threads, medians of {}",
        args.columns, learners.rounds, args.leaves, learners.threads, learners.repeat
    );
    report::growth_heading();
    let cases = wanted(args, &[LIGHTGBM, FASTEST]);
    for (name, set) in sets {
        report::growth_rows(&name, &learners.measure(&set, &cases)?);
    }
    Ok(())
}

/// What else can be learned.
pub(super) fn objectives(learners: &Learners, args: &Args) -> Result<()> {
    let rows = (args.rows / 10).max(1_000);
    println!(
        "\nobjectives; {rows} rows of {} columns, {} trees of {} leaves, {} threads, medians of {}",
        args.columns, learners.rounds, args.leaves, learners.threads, learners.repeat
    );
    let ours = learners.objectives()?;
    report::objectives_heading();
    for (objective, measure, is_gain) in OBJECTIVES {
        let mut cases = wanted(args, &[LIGHTGBM]);
        if !ours.iter().any(|own| own == objective) {
            println!("NOT MEASURED: Lode has no objective {objective}");
            cases.retain(|case| *case != OURS);
        }
        if cases.is_empty() {
            continue;
        }
        let set = Set {
            objective: objective.to_owned(),
            ..Set::plain(rows, args.columns, args.leaves)
        };
        let found = learners.measure(&set, &cases)?;
        report::objective_rows(objective, measure, is_gain, &found);
    }
    Ok(())
}

/// Ours, and those of the peers that were asked for.
fn wanted<'a>(args: &Args, peers: &[&'a str]) -> Vec<&'a str> {
    let asked = |peer: &str| args.peer.is_empty() || args.peer.iter().any(|own| own == peer);
    let peers = peers.iter().copied().filter(|peer| asked(peer));
    std::iter::once(OURS).chain(peers).collect()
}
