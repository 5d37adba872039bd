//! Checks the model's bytes, damaged ones above all, and the index of names.

use lode_numeric::Rng;
use lode_numeric::neighbors::Neighbor;

use super::OfferModel;
use super::names::Index;
use super::names::Names;

fn names(list: &[&str]) -> Names {
    let mut names = Names::default();
    for name in list {
        names.push(name);
    }
    names
}

fn model() -> OfferModel {
    let mut model = OfferModel::new(
        names(&["ann", "", "zoë"]),
        names(&["mug", "tea"]),
        &[(0, 0), (0, 1), (2, 1)],
    );
    let near = |item| Neighbor {
        item,
        similarity: 0.5_f64.sqrt(),
        n_both: 1,
    };
    model.set_neighbors(&[vec![near(1)], vec![near(0)]]);
    model
}

#[test]
fn models_come_back_from_bytes() {
    let model = model();
    assert_eq!(OfferModel::from_bytes(&model.to_bytes()).unwrap(), model);
    assert_eq!(model.history(0), [0, 1]);
    assert!(model.history(1).is_empty());
    assert_eq!(model.by_popularity(), [1, 0]);
    assert_eq!(model.customers().get(2), "zoë");
    let bare = OfferModel::new(names(&["a"]), names(&["x"]), &[(0, 0)]);
    assert_eq!(OfferModel::from_bytes(&bare.to_bytes()).unwrap(), bare);
    assert!(!bare.is_personal() && model.is_personal());
}

#[test]
fn damaged_bytes_are_refused_or_read_within_bounds() {
    let bytes = model().to_bytes();
    for len in 0..bytes.len() {
        assert!(OfferModel::from_bytes(&bytes[..len]).is_err());
    }
    let mut longer = bytes.clone();
    longer.push(0);
    assert!(OfferModel::from_bytes(&longer).is_err());
    let mut rng = Rng::new(6);
    for _ in 0..5_000 {
        let mut damaged = bytes.clone();
        let at = rng.index(damaged.len());
        damaged[at] ^= 1 << rng.below(8);
        if let Ok(model) = OfferModel::from_bytes(&damaged) {
            let items: usize = (0..3).map(|c| model.history(c).len()).sum();
            assert_eq!(items, model.n_pairs());
            for item in 0..2 {
                assert_eq!(model.neighbors(item).0.len(), model.neighbors(item).1.len());
            }
        }
    }
}

#[test]
fn every_name_is_found_again() {
    let list: Vec<String> = (0..1_000).map(|n| format!("name-{n:04}")).collect();
    let refs: Vec<&str> = list.iter().map(String::as_str).collect();
    let names = names(&refs);
    let index = Index::new(&names);
    for (code, name) in refs.iter().enumerate() {
        assert_eq!(index.find(&names, name), Some(code as u32));
    }
    assert_eq!(index.find(&names, "name-"), None);
    let none = Names::default();
    assert_eq!(Index::new(&none).find(&none, ""), None);
}
