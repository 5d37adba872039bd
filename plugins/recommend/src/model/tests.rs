//! Checks the model's bytes, damaged ones above all, and the index of names.

use lode_numeric::Rng;

use super::Format1;
use super::Known;
use super::codec::Writer;
use super::crowd::Crowd;
use super::from_bytes;
use super::kin::Kin;
use super::names::Index;
use super::names::Names;
use super::popularity::Popularity;
use super::to_bytes;
use crate::attributes::Attributes;
use crate::events::pairs::Pairs;
use crate::method::Method;
use crate::methods::knn::Neighbors;
use crate::methods::popular;

fn known() -> Known {
    let pairs = Pairs::plain(3, vec![2, 2, 3], vec![0, 1, 1]);
    Known {
        customers: Names::of(["", "ann", "zoë"]),
        items: Names::of(["mug", "tea"]),
        popularity: Popularity::of(&pairs, 2, Crowd::default()),
        pairs,
        kin: Kin::default(),
    }
}

/// Neighbors as format 1 and format 2 write them.
fn neighbors(to: &mut Writer) {
    to.u64s(&[1, 2]);
    to.u32s(&[1, 0]);
    to.f64s(&[0.5, 0.5]);
}

fn method() -> Neighbors {
    let mut writer = Writer::default();
    neighbors(&mut writer);
    let bytes = writer.finish();
    Neighbors::read(&mut super::codec::Reader::new(&bytes), 2).unwrap()
}

#[test]
fn models_come_back_from_bytes() {
    let (known, method) = (known(), method());
    let read = from_bytes::<Neighbors>(&to_bytes(&known, &method)).unwrap();
    assert_eq!(read, (known, method));
    assert_eq!(read.0.pairs.history(0).items, [0, 1]);
    assert!(read.0.pairs.history(1).items.is_empty());
    assert_eq!(read.0.popularity.order(), [1, 0]);
    assert_eq!(read.0.customers.get(2), "zoë");
}

#[test]
fn models_of_the_first_format_are_read() {
    let mut writer = Writer::default();
    let known = known();
    known.customers.write(&mut writer);
    known.items.write(&mut writer);
    writer.u64s(&[2, 2, 3]);
    writer.u32s(&[0, 1, 1]);
    let plain = writer.finish();
    let mut writer = Writer::default();
    neighbors(&mut writer);
    let bytes = [plain.clone(), writer.finish()].concat();
    let old = Format1::from_bytes(&bytes).unwrap();
    assert_eq!(old.known, known);
    assert_eq!(Neighbors::of_format_1(&old).unwrap(), method());
    // One of recommend.popular has no neighbors.
    let mut writer = Writer::default();
    writer.u64s(&[]);
    writer.u32s(&[]);
    writer.f64s(&[]);
    let bare = [plain, writer.finish()].concat();
    let old = Format1::from_bytes(&bare).unwrap();
    assert!(Neighbors::of_format_1(&old).is_none());
    assert!(popular::Popularity::of_format_1(&old).is_some());
    for len in 0..bytes.len() {
        assert!(Format1::from_bytes(&bytes[..len]).is_err());
    }
}

#[test]
fn damaged_bytes_are_refused_or_read_within_bounds() {
    let bytes = to_bytes(&known(), &method());
    for len in 0..bytes.len() {
        assert!(from_bytes::<Neighbors>(&bytes[..len]).is_err());
    }
    let mut longer = bytes.clone();
    longer.push(0);
    assert!(from_bytes::<Neighbors>(&longer).is_err());
    let mut rng = Rng::new(6);
    for _ in 0..5_000 {
        let mut damaged = bytes.clone();
        let at = rng.index(damaged.len());
        damaged[at] ^= 1 << rng.below(8);
        if let Ok((known, _)) = from_bytes::<Neighbors>(&damaged) {
            let items: usize = (0..3).map(|c| known.pairs.history(c).items.len()).sum();
            assert_eq!(items, known.pairs.n_pairs());
        }
    }
}

#[test]
fn every_name_is_found_again() {
    let list: Vec<String> = (0..1_000).map(|n| format!("name-{n:04}")).collect();
    let names = Names::of(list.iter().map(String::as_str));
    let index = Index::new(&names);
    for (code, name) in list.iter().enumerate() {
        assert_eq!(index.find(&names, name), Some(code as u32));
        assert_eq!(names.code(name), Some(code as u32));
    }
    assert_eq!(index.find(&names, "name-"), None);
    assert_eq!(names.code("name-"), None);
    let none = Names::default();
    assert_eq!(Index::new(&none).find(&none, ""), None);
}

#[test]
fn damaged_attributes_are_refused_or_read_whole() {
    use lode_plugin::Role;
    use lode_plugin::Table;
    use lode_plugin::arrow_array::Float64Array;
    use lode_plugin::arrow_array::StringArray;
    use lode_plugin::testing;
    use std::sync::Arc;
    let batch = testing::batch(&[
        (
            "id",
            Some(Role::Item),
            Arc::new(StringArray::from(vec!["a", "b", "a", "c"])),
        ),
        (
            "color",
            None,
            Arc::new(StringArray::from(vec![
                Some("red"),
                None,
                Some("blue"),
                Some("red"),
            ])),
        ),
        (
            "price",
            None,
            Arc::new(Float64Array::from(vec![Some(1.0), Some(2.0), None, None])),
        ),
    ]);
    let attributes = Attributes::of(&Table::from(batch), Role::Item).unwrap();
    assert_eq!(attributes.ids.len(), 3);
    // Of two rows of one time the greater counts: red is above blue.
    assert_eq!(attributes.columns[0].word(0).as_deref(), Some("red"));
    let mut writer = Writer::default();
    attributes.write(&mut writer);
    let bytes = writer.finish();
    let read = |bytes: &[u8]| Attributes::read(&mut super::codec::Reader::new(bytes));
    for len in 0..bytes.len() {
        assert!(read(&bytes[..len]).is_none());
    }
    let mut rng = Rng::new(8);
    for _ in 0..3_000 {
        let mut damaged = bytes.clone();
        let at = rng.index(damaged.len());
        damaged[at] ^= 1 << rng.below(8);
        if let Some(read) = read(&damaged) {
            let both = read.merge(attributes.clone());
            assert!(both.ids.len() >= 3 && both.ids.rise());
        }
    }
}
