//! Decision trees against naive ones, pruning against all subtrees.

use super::super::grow::{Grown, LEAF, Node};
use super::super::test_data::Data;
use super::super::{Column, ColumnName, Objective, Table, leaf_of, rules};
use super::prune;
use super::{TreeParams, fit};
use crate::{Error, Rng, go_on};

#[test]
fn cuts_are_those_of_least_gini_impurity() {
    let mut rng = Rng::new(1);
    for _ in 0..20 {
        let n = 60;
        let x: Vec<f64> = (0..n).map(|_| rng.index(12) as f64).collect();
        let z: Vec<f64> = (0..n).map(|_| rng.index(9) as f64).collect();
        let chance = |row: usize| if x[row] + z[row] > 11.0 { 0.85 } else { 0.2 };
        let mut yes: Vec<f64> = (0..n)
            .map(|row| f64::from(u8::from(rng.chance(chance(row)))))
            .collect();
        (yes[0], yes[1]) = (0.0, 1.0);
        let table = Table::new(n, vec![Column::Number(&x), Column::Number(&z)]).unwrap();
        let params = TreeParams {
            max_depth: 1,
            min_rows: 4,
            complexity: Some(0.0),
            smoothing: 0.0,
            ..TreeParams::default()
        };
        let found = fit(&table, &yes, None, &params, &go_on).unwrap();
        let gini = |side: &[usize]| {
            let p = side.iter().map(|row| yes[*row]).sum::<f64>() / side.len().max(1) as f64;
            side.len() as f64 * p * (1.0 - p)
        };
        let mut least = f64::INFINITY;
        for column in [&x, &z] {
            for cut in 0..12 {
                let (l, r): (Vec<usize>, Vec<usize>) =
                    (0..n).partition(|row| column[*row] <= f64::from(cut));
                if l.len() >= 4 && r.len() >= 4 {
                    least = least.min(gini(&l) + gini(&r));
                }
            }
        }
        let leaves = leaf_of(&found.model, 0, &table).unwrap();
        let (l, r): (Vec<usize>, Vec<usize>) = (0..n).partition(|row| leaves[*row] == 0);
        assert!((gini(&l) + gini(&r) - least).abs() < 1e-9);
        let means = found.model.means(&table, 1).unwrap();
        let share = l.iter().map(|row| yes[*row]).sum::<f64>() / l.len() as f64;
        assert!((means[l[0]] - share.clamp(0.5 / 61.0, 60.5 / 61.0)).abs() < 1e-9);
    }
}

#[test]
fn pruning_gives_the_cheapest_subtree() {
    let mut rng = Rng::new(2);
    for _ in 0..40 {
        let grown = random_tree(&mut rng);
        for price in [0.0, 0.1, 0.3, 0.5, 1.0, 5.0] {
            let kept = prune::pruned(&grown, price);
            let saved: f64 = kept.gains.iter().sum();
            let cuts = kept.nodes.iter().filter(|node| node.column != LEAF).count();
            let found = price * cuts as f64 - saved;
            assert!((found - cheapest(&grown, 0, price)).abs() < 1e-9);
            // The smallest of the cheapest, and again prunable to itself.
            assert_eq!(prune::pruned(&kept, price).nodes, kept.nodes);
        }
        let candidates = prune::candidates(&grown, 10.0);
        assert!(
            candidates.windows(2).all(|pair| pair[0] <= pair[1]),
            "{candidates:?}"
        );
        let last = candidates[candidates.len() - 1];
        assert_eq!(prune::pruned(&grown, last * 10.0).nodes.len(), 1);
    }
}

/// Cost of the best subtree at a node, by trying to keep and to drop each cut.
fn cheapest(grown: &Grown, at: usize, price: f64) -> f64 {
    let node = &grown.nodes[at];
    if node.column == LEAF {
        return 0.0;
    }
    let below = cheapest(grown, at + 1, price) + cheapest(grown, node.right as usize, price);
    f64::min(0.0, price - grown.gains[at] + below)
}

fn random_tree(rng: &mut Rng) -> Grown {
    let mut grown = Grown::default();
    let mut open: Vec<(Option<usize>, usize)> = vec![(None, 0)];
    while let Some((right_of, depth)) = open.pop() {
        let at = grown.nodes.len();
        if let Some(parent) = right_of {
            grown.nodes[parent].right = at as u32;
        }
        let leaf = depth > 4 || (depth > 0 && rng.chance(0.35));
        grown.nodes.push(Node {
            column: if leaf { LEAF } else { 0 },
            right: 0,
            bin: 1,
            missing_left: false,
            cover: 1.0,
            value: rng.normal(),
        });
        grown.gains.push(if leaf { 0.0 } else { rng.uniform() });
        if !leaf {
            open.push((Some(at), depth + 1));
            open.push((None, depth + 1));
        }
    }
    grown
}

#[test]
fn every_row_falls_under_its_rule() {
    let data = Data::mixed(2000, 3);
    let params = TreeParams {
        complexity: Some(0.001),
        ..TreeParams::default()
    };
    let found = fit(
        &data.table(),
        &data.yes,
        Some(&data.weights),
        &params,
        &go_on,
    )
    .unwrap();
    let levels: [Vec<String>; 2] = [4, 12].map(|n| (0..n).map(|code| format!("l{code}")).collect());
    let name = |name, levels| ColumnName { name, levels };
    let names = [
        name("a", &[][..]),
        name("b", &[]),
        name("c", &[]),
        name("d", &levels[0]),
        name("e", &levels[1]),
    ];
    let rules = rules(&found.model, 0, &names).unwrap();
    assert!(rules.len() > 8, "only {} rules", rules.len());
    let leaves = leaf_of(&found.model, 0, &data.table()).unwrap();
    let margins = found.model.margins(&data.table(), 1).unwrap();
    let mut weights = vec![0.0; rules.len()];
    let mean_weight = data.weights.iter().sum::<f64>() / 2000.0;
    for row in 0..2000 {
        let own = leaves[row] as usize;
        weights[own] += data.weights[row] / mean_weight;
        assert!((rules[own].margin - margins[row]).abs() < 1e-12);
        // Read each rule as a person would: exactly one holds.
        let holding: Vec<usize> = (0..rules.len())
            .filter(|rule| {
                rules[*rule]
                    .conditions
                    .iter()
                    .all(|words| holds(words, &data, row))
            })
            .collect();
        assert_eq!(holding, [own], "row {row}: {:?}", rules[own].conditions);
    }
    for (rule, weight) in rules.iter().zip(&weights) {
        assert!((rule.weight / weight - 1.0).abs() < 1e-5);
    }
    assert!((rules.iter().map(|rule| rule.share).sum::<f64>() - 1.0).abs() < 1e-9);
    assert!(super::super::rules(&found.model, 1, &names).is_err());
    assert!(super::super::rules(&found.model, 0, &names[1..]).is_err());
}

/// Whether "a > 1 and <= 2 or missing", "d is one of [l0, l1]" and the like are true of a row.
fn holds(words: &str, data: &Data, row: usize) -> bool {
    let (name, rest) = words.split_once(' ').unwrap();
    let column = "abcde".find(name).unwrap();
    let (missing, called, number) = if column < 3 {
        let value = data.numbers[column][row];
        (value.is_nan(), String::new(), value)
    } else {
        let (codes, n_levels) = &data.levels[column - 3];
        (codes[row] >= *n_levels, format!("l{}", codes[row]), 0.0)
    };
    if rest == "is missing" || rest == "is not missing" {
        return missing == (rest == "is missing");
    }
    let (rest, or_missing) = match rest.strip_suffix(" or missing") {
        Some(rest) => (rest, true),
        None => (rest, false),
    };
    if missing {
        return or_missing;
    }
    let listed = |list: &str| {
        list.trim_matches(['[', ']'])
            .split(", ")
            .any(|level| level == called)
    };
    if let Some(list) = rest.strip_prefix("is one of ") {
        listed(list)
    } else if let Some(list) = rest.strip_prefix("is none of ") {
        !listed(list)
    } else if let Some(level) = rest.strip_prefix("is not ") {
        level != called
    } else if let Some(level) = rest.strip_prefix("is ") {
        level == called
    } else {
        rest.split(" and ").all(|part| {
            let (sign, cut) = part.split_once(' ').unwrap();
            let cut: f64 = cut.parse().unwrap();
            if sign == ">" {
                number > cut
            } else {
                sign == "<=" && number <= cut
            }
        })
    }
}

#[test]
fn chosen_complexity_drops_noise_and_keeps_what_is_there() {
    let mut rng = Rng::new(4);
    let n = 2000;
    let x: Vec<f64> = (0..n).map(|_| rng.index(30) as f64).collect();
    let noise: Vec<f64> = (0..n).map(|_| rng.normal()).collect();
    let coin: Vec<f64> = (0..n)
        .map(|_| f64::from(u8::from(rng.chance(0.4))))
        .collect();
    let amount: Vec<f64> = (0..n)
        .map(|row| if x[row] < 9.5 { 5.0 } else { 20.0 } + rng.normal())
        .collect();
    let table = Table::new(n, vec![Column::Number(&x), Column::Number(&noise)]).unwrap();
    let nothing = fit(&table, &coin, None, &TreeParams::default(), &go_on).unwrap();
    let names = ["months", "noise"].map(|name| ColumnName { name, levels: &[] });
    assert!(rules(&nothing.model, 0, &names).unwrap().len() < 4);
    let params = TreeParams {
        objective: Objective::Squared,
        ..TreeParams::default()
    };
    let found = fit(&table, &amount, None, &params, &go_on).unwrap();
    let leaves = rules(&found.model, 0, &names).unwrap();
    assert_eq!(leaves[0].conditions[0], "months <= 9.5");
    assert!(leaves.len() < 5);
    assert!(
        (leaves[0].mean - 5.0).abs() < 0.3 && (leaves[leaves.len() - 1].mean - 20.0).abs() < 0.3
    );
    assert!(found.gains[0] > 50.0 * found.gains[1]);
}

#[test]
fn bits_do_not_depend_on_threads_and_contributions_add_up() {
    let data = Data::mixed(3000, 5);
    let tree = |threads| {
        let params = TreeParams {
            threads,
            ..TreeParams::default()
        };
        fit(&data.table(), &data.yes, None, &params, &go_on).unwrap()
    };
    let one = tree(1);
    assert_eq!(one, tree(7));
    let found = one.model.contributions(&data.table(), 2).unwrap();
    let margins = one.model.margins(&data.table(), 1).unwrap();
    for (row, margin) in margins.iter().enumerate() {
        assert!((found.margin(row) - margin).abs() < 1e-9);
    }
}

#[test]
fn bad_arguments_are_errors() {
    let x = [1.0, 2.0, 3.0, 4.0];
    let table = Table::new(4, vec![Column::Number(&x)]).unwrap();
    let yes = [0.0, 1.0, 0.0, 1.0];
    let with = |params: TreeParams| fit(&table, &yes, None, &params, &go_on);
    let of = |objective| TreeParams {
        objective,
        ..TreeParams::default()
    };
    assert!(matches!(
        with(of(Objective::Gamma)),
        Err(Error::OutOfRange { .. })
    ));
    let deep = TreeParams {
        max_depth: 33,
        ..TreeParams::default()
    };
    assert!(matches!(
        with(deep),
        Err(Error::OutOfRange {
            what: "max_depth",
            ..
        })
    ));
    let stop = fit(&table, &yes, None, &TreeParams::default(), &|_| false);
    assert_eq!(stop, Err(Error::Cancelled));
    let one = fit(&table, &[1.0; 4], None, &TreeParams::default(), &go_on);
    assert_eq!(one, Err(Error::OneClass { class: true }));
    // Too few rows for any cut: one leaf.
    let found = with(TreeParams::default()).unwrap();
    assert_eq!(found.model.means(&table, 1).unwrap(), vec![0.5; 4]);
}
