//! The leaves of a tree in words.
//!
//! Does not translate: sentences are short English around the caller's names. Invariant: each
//! column stands in a rule once, with all its cuts together.

use super::Forest;
use super::Table;
use super::bins::Binning;
use super::bins::Derived;
use super::grow;
use super::grow::LEAF;
use super::grow::Node;
use crate::Error;
use crate::Result;

/// What a column is called.
#[derive(Clone, Copy, Debug)]
pub struct ColumnName<'a> {
    /// Name of the column.
    pub name: &'a str,
    /// Names of its levels by code; empty for a number. A level without a name is called by
    /// its code.
    pub levels: &'a [String],
}

/// One leaf.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// What a row must be, all of it: "tenure > 2 and <= 12", "contract is one of [month, year]".
    /// Missing values are named where training had some.
    pub conditions: Vec<String>,
    /// Margin the leaf adds, with the model's start when it is the only tree.
    pub margin: f64,
    /// [`super::Objective::mean`] of it.
    pub mean: f64,
    /// Weight of the training rows in it, in units of the mean weight.
    pub weight: f64,
    /// Their share of all rows.
    pub share: f64,
}

/// The leaves of tree number `tree_idx`, left to right.
///
/// # Errors
/// [`Error::OutOfRange`] when there is no such tree; [`Error::Length`] when `names` are not
/// one a column of the model.
pub fn rules(model: &Forest, tree_idx: usize, names: &[ColumnName<'_>]) -> Result<Vec<Rule>> {
    let nodes = tree(model, tree_idx)?;
    if names.len() != model.n_cols() {
        return Err(Error::Length {
            what: "names, one a column",
            expected: model.n_cols(),
            found: names.len(),
        });
    }
    let start = if model.trees.len() == 1 {
        model.start
    } else {
        0.0
    };
    let all: f64 = leaves(nodes).map(|node| f64::from(node.cover)).sum();
    let mut rules = Vec::new();
    let mut open: Vec<(usize, Vec<Allowed>)> = vec![(0, Vec::new())];
    while let Some((at, path)) = open.pop() {
        let node = &nodes[at];
        if node.column != LEAF {
            open.push((node.right as usize, narrowed(&path, node, false)));
            open.push((at + 1, narrowed(&path, node, true)));
            continue;
        }
        let conditions = path.iter().filter_map(|allowed| {
            let derived = &model.derived[allowed.column as usize];
            words(derived, &allowed.bins, &names[derived.source as usize])
        });
        let margin = start + node.value;
        let weight = f64::from(node.cover);
        rules.push(Rule {
            conditions: conditions.collect(),
            margin,
            mean: model.objective.mean(margin),
            weight,
            share: weight / all,
        });
    }
    Ok(rules)
}

/// The rule (its place among [`rules`]) that each row falls under.
///
/// # Errors
/// [`Error::OutOfRange`] when there is no such tree; else as for [`Forest::margins`].
pub fn leaf_of(model: &Forest, tree_idx: usize, table: &Table<'_>) -> Result<Vec<u32>> {
    let nodes = tree(model, tree_idx)?;
    model.check(table)?;
    let mut numbers = vec![0_u32; nodes.len()];
    let mut next = 0;
    for (number, node) in numbers.iter_mut().zip(nodes) {
        *number = next;
        next += u32::from(node.column == LEAF);
    }
    let mut bins = vec![0; model.derived.len()];
    let rows = 0..table.n_rows();
    Ok(rows
        .map(|row| {
            model.bin_row(table, row, &mut bins);
            numbers[grow::leaf(nodes, |column| bins[column as usize])]
        })
        .collect())
}

fn tree(model: &Forest, tree_idx: usize) -> Result<&[Node]> {
    match model.trees.get(tree_idx) {
        Some(nodes) => Ok(nodes),
        None => Err(Error::OutOfRange {
            what: "tree number",
            expected: "below the number of trees",
            found: tree_idx as f64,
        }),
    }
}

fn leaves(nodes: &[Node]) -> impl Iterator<Item = &Node> {
    nodes.iter().filter(|node| node.column == LEAF)
}

/// Bins of a column that a path lets through.
#[derive(Clone)]
struct Allowed {
    column: u32,
    bins: [bool; 256],
}

fn narrowed(path: &[Allowed], node: &Node, left: bool) -> Vec<Allowed> {
    let mut path = path.to_vec();
    let index = path
        .iter()
        .position(|allowed| allowed.column == node.column);
    let index = index.unwrap_or_else(|| {
        path.push(Allowed {
            column: node.column,
            bins: [true; 256],
        });
        path.len() - 1
    });
    for (bin, allowed) in path[index].bins.iter_mut().enumerate() {
        let goes_left = if bin == 0 {
            node.missing_left
        } else {
            bin <= usize::from(node.bin)
        };
        *allowed &= goes_left == left;
    }
    path
}

/// None when the path lets everything through.
fn words(derived: &Derived, bins: &[bool; 256], name: &ColumnName<'_>) -> Option<String> {
    let missing = bins[0] && derived.missing;
    let some = match &derived.binning {
        Binning::Number(cuts) => interval(cuts, bins),
        Binning::Category(levels) => levels_of(levels, bins, name),
    };
    let column = name.name;
    match some {
        Some(Words::All) if bins[0] || !derived.missing => None,
        Some(Words::All) => Some(format!("{column} is not missing")),
        Some(Words::Part(words)) if missing => Some(format!("{column} {words} or missing")),
        Some(Words::Part(words)) => Some(format!("{column} {words}")),
        None => Some(format!("{column} is missing")),
    }
}

enum Words {
    All,
    Part(String),
}

/// None when no number passes.
fn interval(cuts: &[f64], bins: &[bool; 256]) -> Option<Words> {
    let passes = &bins[1..cuts.len() + 2];
    let first = passes.iter().position(|passes| *passes)?;
    let last = passes.iter().rposition(|passes| *passes)?;
    // Bin i + 1 holds numbers above cut i - 1 and up to cut i.
    let low = first.checked_sub(1).map(|cut| cuts[cut]);
    let high = cuts.get(last);
    Some(match (low, high) {
        (None, None) => Words::All,
        (Some(low), None) => Words::Part(format!("> {low}")),
        (None, Some(high)) => Words::Part(format!("<= {high}")),
        (Some(low), Some(high)) => Words::Part(format!("> {low} and <= {high}")),
    })
}

/// None when no level passes.
fn levels_of(levels: &[u8], bins: &[bool; 256], name: &ColumnName<'_>) -> Option<Words> {
    let call = |level: usize| {
        name.levels
            .get(level)
            .cloned()
            .unwrap_or_else(|| format!("level {level}"))
    };
    let known = |passes: bool| -> Vec<usize> {
        let levels = levels.iter().enumerate();
        levels
            .filter(|(_, bin)| **bin > 0 && bins[usize::from(**bin)] == passes)
            .map(|(level, _)| level)
            .collect()
    };
    let (inside, outside) = (known(true), known(false));
    let list = |levels: &[usize]| -> String {
        levels
            .iter()
            .map(|level| call(*level))
            .collect::<Vec<_>>()
            .join(", ")
    };
    match (inside.as_slice(), outside.as_slice()) {
        ([], _) => None,
        (_, []) => Some(Words::All),
        ([only], _) => Some(Words::Part(format!("is {}", call(*only)))),
        (_, [only]) => Some(Words::Part(format!("is not {}", call(*only)))),
        (inside, outside) if inside.len() <= outside.len() => {
            Some(Words::Part(format!("is one of [{}]", list(inside))))
        }
        (_, outside) => Some(Words::Part(format!("is none of [{}]", list(outside)))),
    }
}
