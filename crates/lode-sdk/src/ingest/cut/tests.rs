//! The cutter against the `csv` crate: a text cut where it says reads as the whole does.

use super::Cutter;

/// Texts that a naive split at line ends gets wrong.
pub(crate) const TEXTS: &[&str] = &[
    "a,b\n1,2\n3,4\n",
    "a,b\r\n1,2\r\n3,4",
    "id,text\n1,\"two\nlines\"\n2,\"a \"\"quoted\"\" word\"\n3,\"\"\n",
    "id,text\r\n1,\"two\r\nlines, and a comma\"\r\n2,plain\r\n",
    "size,n\n5\" pipe,1\n\"7\" \"pipe,2\n6\",3\n",
    "\n\na,b\n\n1,\"\n\n\n\"\n\n",
    "\"a\",\"b\"\n\"\"\"\",\"\n\"\n\"x\"\n",
    "caf\u{e9},\u{4e2d}\n\"\u{4e2d}\n\u{6587}\",2\n",
];

fn records(text: &[u8]) -> Vec<csv::ByteRecord> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .from_reader(text);
    reader
        .byte_records()
        .collect::<Result<_, _>>()
        .expect("a reader without header or width accepts any text")
}

#[test]
fn every_cut_leaves_whole_records_on_both_sides() {
    for text in TEXTS {
        let text = text.as_bytes();
        for len in 0..=text.len() {
            let mut cutter = Cutter::new(b',');
            let Some(end) = cutter.scan(&text[..len]) else {
                continue;
            };
            let mut both = records(&text[..end]);
            both.extend(records(&text[end..]));
            assert_eq!(both, records(text), "{text:?} cut at {end}");
        }
    }
}

#[test]
fn finds_as_many_ends_as_there_are_records() {
    // Ends at which something has been read since the end before: one a record.
    for text in TEXTS.iter().filter(|text| text.ends_with('\n')) {
        let mut cutter = Cutter::new(b',');
        let (mut rest, mut n_records) = (text.as_bytes(), 0);
        while let Some(end) = cutter.scan_one(rest) {
            n_records += usize::from(rest[..end].iter().any(|byte| !b"\r\n".contains(byte)));
            rest = &rest[end..];
        }
        assert!(rest.is_empty());
        assert_eq!(n_records, records(text.as_bytes()).len(), "{text:?}");
    }
}

#[test]
fn state_does_not_depend_on_the_pieces() {
    for text in TEXTS {
        let text = text.as_bytes();
        let whole = Cutter::new(b',').scan(text);
        for piece in 1..=text.len() {
            let mut cutter = Cutter::new(b',');
            let mut last = None;
            for (i, part) in text.chunks(piece).enumerate() {
                if let Some(end) = cutter.scan(part) {
                    last = Some(i * piece + end);
                }
            }
            assert_eq!(last, whole, "{text:?} in pieces of {piece}");
        }
    }
}

#[test]
fn open_quote_is_seen() {
    let mut cutter = Cutter::new(b',');
    cutter.scan(b"a,\"b\n");
    assert!(cutter.is_inside_quotes());
    cutter.scan(b"\"\n");
    assert!(!cutter.is_inside_quotes());
}
