//! Which rows each member learns from, and which judge it.
//!
//! Does not learn. Invariant: within one cut each row of weight judges exactly one member.

use std::sync::Arc;

use super::super::Objective;
use super::super::Table;
use super::super::objective::Targets;
use super::GbdtParams;
use crate::Rng;
use crate::folds;

/// The rows of a member, both rising.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) index: u64,
    pub(super) learn: Arc<Vec<u32>>,
    pub(super) held_out: Vec<u32>,
}

/// One plan a member; a single one without held-out rows when one member is asked for, or when
/// there are too few rows (of a class) to hold some out.
pub(super) fn plans(table: &Table<'_>, data: &Targets, params: &GbdtParams) -> Vec<Plan> {
    let groups = table.groups_of(&data.rows);
    let deal = |seed: u64| folds_of(data, groups.as_deref(), params.members, seed);
    dealt(&data.rows, telling_rows(data), params, &deal)
}

/// The same for `classes`, the class of each row of the table: each part of the rows has its
/// share of all.
pub(super) fn class_plans(
    table: &Table<'_>,
    rows: &[u32],
    classes: &[u32],
    params: &GbdtParams,
) -> Vec<Plan> {
    let groups = table.groups_of(rows);
    let k = params.members.min(rows.len() / 2);
    let deal = |seed: u64| {
        if k < 2 {
            return None;
        }
        if let Some(groups) = &groups {
            let folds = |k: usize| folds::grouped(None, groups, k, seed).ok();
            return (2..=k).rev().find_map(|k| Some((folds(k)?, k as u32)));
        }
        let mut order: Vec<usize> = (0..rows.len()).collect();
        Rng::new(seed).shuffle(&mut order);
        order.sort_by_key(|at| classes[rows[*at] as usize]);
        let mut folds = vec![0; rows.len()];
        for (place, at) in order.into_iter().enumerate() {
            folds[at] = (place % k) as u32;
        }
        Some((folds, k as u32))
    };
    dealt(&Arc::new(rows.to_vec()), rows.len(), params, &deal)
}

/// Plans of as many cuts as `telling` rows ask for.
fn dealt(
    rows: &Arc<Vec<u32>>,
    telling: usize,
    params: &GbdtParams,
    deal: &dyn Fn(u64) -> Option<(Vec<u32>, u32)>,
) -> Vec<Plan> {
    let mut plans: Vec<Plan> = Vec::new();
    for repeat in 0..params.repeats_for(telling) as u64 {
        let seed = Rng::stream(params.seed, repeat).next_u64();
        let Some((folds, k)) = deal(seed) else {
            break;
        };
        for fold in 0..k {
            let side = |held: bool| -> Vec<u32> {
                let rows = rows.iter().zip(&folds);
                rows.filter(|(_, own)| (**own == fold) == held)
                    .map(|(row, _)| *row)
                    .collect()
            };
            plans.push(Plan {
                index: plans.len() as u64,
                learn: Arc::new(side(false)),
                held_out: side(true),
            });
        }
    }
    if plans.is_empty() {
        plans.push(Plan {
            index: 0,
            learn: Arc::clone(rows),
            held_out: Vec::new(),
        });
    }
    plans
}

/// Rows that tell something: with few of one class the many of the other add little.
fn telling_rows(data: &Targets) -> usize {
    if data.objective != Objective::Logistic {
        return data.rows.len();
    }
    let rows = data.rows.iter();
    let n_yes = rows
        .filter(|row| data.targets[**row as usize] > 0.5)
        .count();
    let n_rarer = n_yes.min(data.rows.len() - n_yes);
    data.rows.len().min(8 * n_rarer)
}

/// The fold of each row in use, and how many there are; none below two rows a fold.
fn folds_of(
    data: &Targets,
    groups: Option<&[u32]>,
    members: usize,
    seed: u64,
) -> Option<(Vec<u32>, u32)> {
    let n = data.rows.len();
    if members < 2 {
        return None;
    }
    if let Some(groups) = groups {
        return grouped(data, groups, members, seed);
    }
    if data.objective == Objective::Logistic {
        let rows = data.rows.iter();
        let labels: Vec<bool> = rows.map(|row| data.targets[*row as usize] > 0.5).collect();
        let n_yes = labels.iter().filter(|label| **label).count();
        // At most 64 members.
        let k = members.min(n_yes).min(n - n_yes);
        return folds::stratified(&labels, k, seed)
            .ok()
            .map(|folds| (folds, k as u32));
    }
    let k = members.min(n / 2);
    if k < 2 {
        return None;
    }
    let mut order: Vec<usize> = (0..n).collect();
    Rng::new(seed).shuffle(&mut order);
    let mut folds = vec![0; n];
    for (place, index) in order.into_iter().enumerate() {
        folds[index] = (place % k) as u32;
    }
    Some((folds, k as u32))
}

/// The same with the rows of a group in one fold.
fn grouped(data: &Targets, groups: &[u32], members: usize, seed: u64) -> Option<(Vec<u32>, u32)> {
    let rows = data.rows.iter();
    let labels: Vec<bool> = rows.map(|row| data.targets[*row as usize] > 0.5).collect();
    let labels = (data.objective == Objective::Logistic).then_some(labels.as_slice());
    let of = |k: usize| folds::grouped(labels, groups, k, seed).ok();
    let (folds, k) = (2..=members)
        .rev()
        .find_map(|k| of(k).map(|folds| (folds, k as u32)))?;
    // Each member needs both classes to learn from, and the rows to judge it.
    let whole = |labels: &[bool]| {
        (0..k).all(|fold| {
            let rest = folds.iter().zip(labels).filter(|(own, _)| **own != fold);
            let (yes, no): (Vec<_>, Vec<_>) = rest.partition(|(_, label)| **label);
            !yes.is_empty() && !no.is_empty()
        })
    };
    labels.is_none_or(whole).then_some((folds, k))
}
