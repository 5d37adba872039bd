//! Tags of every type come back as written.

use super::*;

fn tag(key: &str, value: Value) -> Tag {
    Tag {
        key: key.to_owned(),
        kind: TagKind::Label,
        value,
        job: "job-1".to_owned(),
        time: Timestamp(1_700_000_000_000_000),
    }
}

#[test]
fn every_value_comes_back() {
    let values = [
        Value::Null,
        Value::Bool(true),
        Value::Int(i64::MIN),
        Value::Float(-0.25),
        Value::Text("champions".to_owned()),
        Value::Time(Timestamp(-1)),
        Value::List(vec![Value::Int(1), Value::Text("x".to_owned())]),
        Value::Map(BTreeMap::from([("a".to_owned(), Value::Float(0.5))])),
    ];
    let mut bucket = Bucket::new();
    for (i, value) in values.into_iter().enumerate() {
        let key = format!("key{i}");
        let tags = bucket.entry(format!("customer {}", i % 3)).or_default();
        tags.insert(key.clone(), tag(&key, value));
    }
    let bytes = encode(&bucket).unwrap();
    assert_eq!(decode(&bytes).unwrap(), bucket);
    for i in 0..bytes.len() {
        assert!(decode(&bytes[..i]).is_err(), "cut at {i}");
    }
}
