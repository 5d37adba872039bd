//! Checks that folds share rows and classes out evenly, by seed.

use super::stratified;

#[test]
fn each_fold_has_its_share_of_both_classes() {
    for (n, every, k) in [(100, 4, 5), (103, 7, 5), (31, 3, 10), (57, 2, 3)] {
        let labels: Vec<bool> = (0..n).map(|row| row % every == 0).collect();
        let folds = stratified(&labels, k, 9).unwrap();
        let count = |fold: usize, class: Option<bool>| {
            (0..n)
                .filter(|row| folds[*row] as usize == fold)
                .filter(|row| class.is_none_or(|class| labels[*row] == class))
                .count()
        };
        for class in [None, Some(true), Some(false)] {
            let counts: Vec<usize> = (0..k).map(|fold| count(fold, class)).collect();
            let spread = counts.iter().max().unwrap() - counts.iter().min().unwrap();
            assert!(spread <= 1, "{class:?}: {counts:?}");
        }
    }
}

#[test]
fn the_seed_decides() {
    let labels: Vec<bool> = (0..200).map(|row| row % 3 == 0).collect();
    let folds = |seed| stratified(&labels, 5, seed).unwrap();
    assert_eq!(folds(1), folds(1));
    assert_ne!(folds(1), folds(2));
}

#[test]
fn too_few_rows_of_a_class_are_refused() {
    let mut labels = vec![false; 50];
    labels[3] = true;
    assert!(stratified(&labels, 2, 0).is_err());
    assert!(stratified(&[true, false, true, false], 1, 0).is_err());
}

#[test]
fn shuffled_folds_are_even_and_hang_on_the_seed() {
    let folds = super::shuffled(103, 5, 4).unwrap();
    for fold in 0..5 {
        let rows = folds.iter().filter(|of| **of == fold).count();
        assert!((20..=21).contains(&rows), "{rows}");
    }
    assert_eq!(super::shuffled(103, 5, 4).unwrap(), folds);
    assert_ne!(super::shuffled(103, 5, 5).unwrap(), folds);
    assert!(super::shuffled(3, 4, 0).is_err() && super::shuffled(3, 1, 0).is_err());
}

#[test]
fn rows_of_a_group_share_a_fold() {
    let mut rng = crate::Rng::new(5);
    let groups: Vec<u32> = (0..600).map(|_| rng.below(90) as u32).collect();
    let labels: Vec<bool> = groups.iter().map(|group| group % 3 == 0).collect();
    let folds = super::grouped(Some(&labels), &groups, 5, 1).unwrap();
    assert_eq!(folds, super::grouped(Some(&labels), &groups, 5, 1).unwrap());
    for group in 0..90 {
        let of_group = folds.iter().zip(&groups).filter(|(_, own)| **own == group);
        let different: std::collections::BTreeSet<u32> = of_group.map(|(fold, _)| *fold).collect();
        assert!(different.len() <= 1, "group {group}: {different:?}");
    }
    for fold in 0..5 {
        let of_fold = folds.iter().zip(&labels).filter(|(own, _)| **own == fold);
        let yes: Vec<bool> = of_fold.map(|(_, label)| *label).collect();
        let share = yes.iter().filter(|yes| **yes).count() as f64 / yes.len() as f64;
        assert!((share - 1.0 / 3.0).abs() < 0.15, "fold {fold}: {share}");
    }
    assert!(super::grouped(Some(&labels[1..]), &groups, 5, 1).is_err());
}

#[test]
fn each_fold_has_its_share_of_every_class() {
    let classes: Vec<u32> = (0..103).map(|row| [0, 0, 1, 2, 0][row % 5]).collect();
    let folds = super::by_class(&classes, 4, 9).unwrap();
    for class in 0..3 {
        let all = classes.iter().filter(|own| **own == class).count();
        for fold in 0..4 {
            let both = classes.iter().zip(&folds);
            let n = both.filter(|both| *both == (&class, &fold)).count();
            assert!(
                (all / 4..=all / 4 + 1).contains(&n),
                "{class} {fold}: {n} of {all}"
            );
        }
    }
    assert_ne!(folds, super::by_class(&classes, 4, 10).unwrap());
    assert!(super::by_class(&classes, 1, 9).is_err());
    assert!(super::by_class(&classes[..3], 4, 9).is_err());
}
