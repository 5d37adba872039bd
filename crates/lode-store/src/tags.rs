//! What jobs wrote onto customers: scores, labels, segments, each with its job.
//!
//! Kept beside the customers' rows, in 65,536 buckets by the hash of the id, which stands in
//! the value and never in a key. Invariant: one tag a customer and key; the last one wins.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::collections::VecDeque;

use lode_types::CustomerId;
use lode_types::TagKind;
use lode_types::Timestamp;
use lode_types::Value;

use crate::Error;
use crate::Result;
use crate::bucket::hash;
use crate::codec::Reader;
use crate::codec::Writer;
use crate::committer::Committer;
use crate::committer::Pending;
use crate::key;
use crate::kv::Read;
use crate::kv::Tree;
use crate::kv::Txn;
use crate::long;

/// Tags of one transaction, give or take a bucket.
const TAGS_AT_ONCE: usize = 4096;
/// Transactions that may be under way.
const IN_FLIGHT: usize = 2;
const FORM: u8 = 1;
const WHAT: &str = "tags";

/// One thing that a job wrote onto a customer.
#[derive(Clone, Debug, PartialEq)]
pub struct Tag {
    /// Which, e.g. `segment.rfm/tier`; one a customer.
    pub key: String,
    /// What it is.
    pub kind: TagKind,
    /// A float for a score, a text for a label or a segment.
    pub value: Value,
    /// The job that wrote it.
    pub job: String,
    /// When.
    pub time: Timestamp,
}

/// All tags of a bucket, by customer, then key.
type Bucket = BTreeMap<String, BTreeMap<String, Tag>>;

pub(crate) fn bucket_of(id: &CustomerId) -> u16 {
    u16::try_from(hash(id.as_str()) >> 48).unwrap_or(u16::MAX)
}

pub(crate) fn get(read: &dyn Read, id: &CustomerId) -> Result<Vec<Tag>> {
    let key = key::tags(bucket_of(id));
    let Some(bytes) = long::get(read, Tree::Tags, &key)? else {
        return Ok(Vec::new());
    };
    let tags = decode(&bytes)?.remove(id.as_str());
    Ok(tags.map_or_else(Vec::new, |tags| tags.into_values().collect()))
}

/// Writes tags bucket by bucket; all are durable when it returns.
pub(crate) fn write(committer: &Committer, tags: Vec<(CustomerId, Tag)>) -> Result<()> {
    let mut keyed: Vec<(u16, (CustomerId, Tag))> = tags
        .into_iter()
        .map(|tag| (bucket_of(&tag.0), tag))
        .collect();
    keyed.sort_by_key(|(bucket, _)| *bucket);
    let mut rest = keyed.into_iter().peekable();
    let mut pending: VecDeque<Pending<()>> = VecDeque::new();
    while rest.peek().is_some() {
        let mut buckets: Vec<(u16, Vec<(CustomerId, Tag)>)> = Vec::new();
        let mut n = 0;
        while let Some((bucket, tag)) = rest.next_if(|(bucket, _)| {
            n < TAGS_AT_ONCE || buckets.last().is_some_and(|(last, _)| last == bucket)
        }) {
            n += 1;
            match buckets.last_mut() {
                Some((last, tags)) if *last == bucket => tags.push(tag),
                _ => buckets.push((bucket, vec![tag])),
            }
        }
        // The last is durable, and with it all before.
        let is_last = rest.peek().is_none();
        if pending.len() >= IN_FLIGHT
            && let Some(first) = pending.pop_front()
        {
            first.wait()?;
        }
        pending.push_back(committer.begin(is_last, move |txn| {
            for (bucket, written) in buckets {
                put(txn, bucket, written)?;
            }
            Ok(())
        }));
    }
    pending.into_iter().try_for_each(|pending| pending.wait())
}

/// Writes tags that all lie in `bucket`.
fn put(txn: &mut Txn<'_>, bucket: u16, tags: Vec<(CustomerId, Tag)>) -> Result<()> {
    let key = key::tags(bucket);
    let mut all = match long::get(txn, Tree::Tags, &key)? {
        Some(bytes) => decode(&bytes)?,
        None => Bucket::new(),
    };
    for (id, tag) in tags {
        all.entry(String::from(id))
            .or_default()
            .insert(tag.key.clone(), tag);
    }
    long::put(txn, Tree::Tags, &key, &encode(&all)?)
}

fn encode(bucket: &Bucket) -> Result<Vec<u8>> {
    let mut words = Words::default();
    let mut body = Writer::default();
    body.int(bucket.len() as u64);
    for (id, tags) in bucket {
        body.text(id);
        body.int(tags.len() as u64);
        for tag in tags.values() {
            body.int(words.number(&tag.key));
            body.int(words.number(&tag.job));
            body.u8(match tag.kind {
                TagKind::Score => 1,
                TagKind::Label => 2,
                TagKind::Segment => 3,
            });
            body.signed(tag.time.0);
            encode_value(&mut body, &tag.value, &mut words)?;
        }
    }
    let mut out = Writer::version(FORM);
    out.int(words.list.len() as u64);
    for word in &words.list {
        out.text(word);
    }
    out.0.extend_from_slice(&body.0);
    Ok(out.0)
}

fn encode_value(out: &mut Writer, value: &Value, words: &mut Words) -> Result<()> {
    match value {
        Value::Null => out.u8(0),
        Value::Bool(value) => {
            out.u8(1);
            out.u8(u8::from(*value));
        }
        Value::Int(value) => {
            out.u8(2);
            out.signed(*value);
        }
        Value::Float(value) => {
            out.u8(3);
            out.0.extend_from_slice(&value.to_le_bytes());
        }
        Value::Text(text) => {
            out.u8(4);
            out.int(words.number(text));
        }
        Value::Time(time) => {
            out.u8(5);
            out.signed(time.0);
        }
        Value::List(_) | Value::Map(_) => {
            out.u8(6);
            let json = serde_json::to_vec(value).map_err(|error| Error::bug(error.to_string()))?;
            out.bytes(&json);
        }
    }
    Ok(())
}

fn decode(bytes: &[u8]) -> Result<Bucket> {
    let mut read = Reader::versioned(bytes, WHAT, FORM)?;
    let n_words = read.len()?;
    let mut words = Vec::new();
    for _ in 0..n_words {
        words.push(read.text()?);
    }
    let word = |n: usize| -> Result<String> {
        words
            .get(n)
            .map(|word| (*word).to_owned())
            .ok_or_else(|| Error::damaged(WHAT, "a word without a text"))
    };
    let mut bucket = Bucket::new();
    for _ in 0..read.len()? {
        let id = read.text()?.to_owned();
        let mut tags = BTreeMap::new();
        for _ in 0..read.len()? {
            let tag = Tag {
                key: word(read.len()?)?,
                job: word(read.len()?)?,
                kind: match read.u8()? {
                    1 => TagKind::Score,
                    2 => TagKind::Label,
                    3 => TagKind::Segment,
                    other => return Err(Error::damaged(WHAT, format!("kind {other}"))),
                },
                time: Timestamp(read.signed()?),
                value: decode_value(&mut read, &word)?,
            };
            tags.insert(tag.key.clone(), tag);
        }
        bucket.insert(id, tags);
    }
    read.end()?;
    Ok(bucket)
}

fn decode_value(read: &mut Reader<'_>, word: &dyn Fn(usize) -> Result<String>) -> Result<Value> {
    Ok(match read.u8()? {
        0 => Value::Null,
        1 => Value::Bool(read.u8()? != 0),
        2 => Value::Int(read.signed()?),
        3 => {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(read.take(8)?);
            Value::Float(f64::from_le_bytes(bytes))
        }
        4 => Value::Text(word(read.len()?)?),
        5 => Value::Time(Timestamp(read.signed()?)),
        6 => serde_json::from_slice(read.bytes()?)
            .map_err(|error| Error::damaged(WHAT, error.to_string()))?,
        other => return Err(Error::damaged(WHAT, format!("value {other}"))),
    })
}

/// Texts that repeat, once each.
#[derive(Default)]
struct Words {
    list: Vec<String>,
    numbers: HashMap<String, u64>,
}

impl Words {
    fn number(&mut self, word: &str) -> u64 {
        if let Some(number) = self.numbers.get(word) {
            return *number;
        }
        let number = self.list.len() as u64;
        self.list.push(word.to_owned());
        self.numbers.insert(word.to_owned(), number);
        number
    }
}

#[cfg(test)]
mod tests;
