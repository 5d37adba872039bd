//! Checks that the catalog is what its docs say.

use std::collections::BTreeSet;

use super::CATEGORIES;
use super::N_ITEMS;
use super::PAIRS;
use super::PER_CATEGORY;
use super::item;
use super::partners;

#[test]
fn names_are_unique_and_plain() {
    let names: BTreeSet<&str> = (0..N_ITEMS).map(|index| item(index).0).collect();
    assert_eq!(names.len(), 96);
    let plain = |name: &&str| name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
    assert!(names.iter().all(plain));
    assert_eq!(CATEGORIES.iter().map(|c| c.percent).sum::<u32>(), 100);
}

#[test]
fn partners_are_mutual_and_of_one_category() {
    let partners = partners();
    assert_eq!(partners.iter().flatten().count(), 2 * PAIRS.len());
    for (index, partner) in partners.iter().enumerate() {
        if let Some(partner) = partner {
            assert_eq!(partners[*partner], Some(index));
            assert_eq!(partner / PER_CATEGORY, index / PER_CATEGORY);
        }
    }
}
