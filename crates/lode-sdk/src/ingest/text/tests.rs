//! CSV files against a naive reader: chunks join to the text, resume from every position
//! gives the rest, gzip reads as the plain file does.

use std::io::Write;
use std::path::Path;
use std::path::PathBuf;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::TextFile;
use super::TextOptions;
use super::detect_delimiter;
use crate::Error;
use crate::ingest::cut::tests::TEXTS;
use crate::ingest::source::Source;
use crate::ingest::source::SourceChunk;

struct Dir(tempfile::TempDir);

impl Dir {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    fn gzip(&self, name: &str, content: &[u8]) -> PathBuf {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(content).unwrap();
        self.file(name, &encoder.finish().unwrap())
    }
}

fn open(path: &Path) -> TextFile {
    TextFile::open(path, &TextOptions::default()).unwrap()
}

fn chunks(file: &TextFile, position: u64, max_bytes: usize) -> Vec<SourceChunk> {
    let mut reader = file.open(position, max_bytes).unwrap();
    let mut all = Vec::new();
    while let Some(chunk) = reader.next_chunk().unwrap() {
        all.push(chunk);
    }
    all
}

fn joined(chunks: &[SourceChunk]) -> Vec<u8> {
    chunks.iter().flat_map(|chunk| chunk.data.clone()).collect()
}

/// A text with quotes, blank lines and line ends of both kinds, larger than any buffer.
fn long_text(n_records: usize) -> String {
    let mut text = "id,note,amount\n".to_owned();
    for i in 0..n_records {
        match i % 4 {
            0 => text.push_str(&format!("{i},plain,{}.5\r\n", i * 3)),
            1 => text.push_str(&format!("{i},\"two\nlines of \"\"{i}\"\"\",1\n")),
            2 => text.push_str(&format!("{i},{},2\n", "x".repeat(i % 97))),
            _ => text.push_str(&format!("{i},\"\",\n\n")),
        }
    }
    text
}

#[test]
fn chunks_join_to_the_text_and_end_at_records() {
    let dir = Dir::new();
    for (i, text) in TEXTS.iter().enumerate() {
        let text = text.trim_start_matches('\n');
        let file = open(&dir.file(&format!("{i}.csv"), text.as_bytes()));
        let header = usize::try_from(file.first_record).unwrap();
        let whole = file.with_target(1);
        let all = chunks(&whole, 0, 1 << 20);
        assert_eq!(joined(&all), &text.as_bytes()[header..]);
    }
}

#[test]
fn resumes_from_every_position_plain_and_gzip() {
    let dir = Dir::new();
    let text = long_text(3000);
    let plain = open(&dir.file("long.csv", text.as_bytes())).with_target(4000);
    let gzip = open(&dir.gzip("long.csv.gz", text.as_bytes())).with_target(4000);
    let all = chunks(&plain, 0, 1 << 20);
    assert!(all.len() > 10);
    let start = text.find('\n').unwrap() + 1;
    assert_eq!(joined(&all), &text.as_bytes()[start..]);
    assert_eq!(
        joined(&chunks(&gzip, 0, 1 << 20)),
        &text.as_bytes()[start..]
    );
    let mut sent = start;
    for (i, chunk) in all.iter().enumerate() {
        sent += chunk.data.len();
        assert_eq!(chunk.position, sent as u64);
        let rest = &text.as_bytes()[sent..];
        if i % 7 == 0 {
            assert_eq!(joined(&chunks(&plain, chunk.position, 1 << 20)), rest);
            assert_eq!(joined(&chunks(&gzip, chunk.position, 1 << 20)), rest);
        }
    }
}

#[test]
fn chunk_size_is_bounded_by_the_engine() {
    let dir = Dir::new();
    let text = long_text(3000);
    let file = open(&dir.file("long.csv", text.as_bytes()));
    let all = chunks(&file, 0, 3000);
    assert!(all.iter().all(|chunk| chunk.data.len() <= 3000));
    assert_eq!(
        joined(&all).len(),
        text.len() - text.find('\n').unwrap() - 1
    );
}

#[test]
fn byte_order_mark_and_line_ends() {
    let dir = Dir::new();
    let path = dir.file("bom.csv", b"\xEF\xBB\xBFid;name\r\n1;a\r\n2;b\r\n");
    let file = open(&path);
    assert_eq!(file.header, ["id", "name"]);
    assert_eq!(file.delimiter, b';');
    assert_eq!(joined(&chunks(&file, 0, 1 << 20)), b"1;a\r\n2;b\r\n");
}

#[test]
fn header_without_a_name_gets_one() {
    let dir = Dir::new();
    let file = open(&dir.file("x.csv", b",\"a\nb\", c\n0,1,2\n"));
    assert_eq!(file.header, ["column_1", "a\nb", " c"]);
    assert_eq!(joined(&chunks(&file, 0, 1 << 20)), b"0,1,2\n");
}

#[test]
fn columns_stand_in_for_a_header() {
    let dir = Dir::new();
    let options = TextOptions {
        delimiter: Some(b' '),
        columns: Some(vec!["a".to_owned(), "b".to_owned()]),
    };
    let path = dir.file("x.txt", b"1 2\n3 4\n");
    let file = TextFile::open(&path, &options).unwrap();
    assert_eq!(joined(&chunks(&file, 0, 1 << 20)), b"1 2\n3 4\n");
    assert_eq!(file.csv().unwrap().delimiter, " ");
}

#[test]
fn delimiters() {
    let cases: [(&[u8], u8); 7] = [
        (b"a,b,c\n1,2,3\n", b','),
        (b"a;b;c\n1,5;2,5;3,5\n", b';'),
        (b"a\tb\n\"x,y,z\"\t2\n", b'\t'),
        (b"a|b|c\n1|2|3\n", b'|'),
        (b"alone\n1\n2\n", b','),
        (b"\"age\";\"job\"\n1;\"a,b\"\n2;\"c,d\"\n", b';'),
        (b"a,b;c\n1,2\n", b','),
    ];
    for (text, expected) in cases {
        assert_eq!(
            char::from(detect_delimiter(text)),
            char::from(expected),
            "{}",
            String::from_utf8_lossy(text)
        );
    }
}

#[test]
fn same_content_same_id() {
    let dir = Dir::new();
    let id = |path: &Path| open(path).default_id().unwrap();
    let first = dir.file("my file.csv", b"a,b\n1,2\n");
    // SHA-256 of the content, by sha256sum.
    assert_eq!(id(&first), "my_file.csv-492d5ea496056f1a");
    let edited = dir.file("my file.csv", b"a,b\n1,3\n");
    assert_ne!(id(&edited), "my_file.csv-492d5ea496056f1a");
}

#[test]
fn what_is_no_csv_file_is_refused() {
    let dir = Dir::new();
    let cases: [(&str, &[u8], &str); 4] = [
        ("empty.csv", b"", "an empty file"),
        ("utf16.csv", b"\xFF\xFEa\0,\0b\0", "UTF-16"),
        ("binary.csv", b"PK\x03\x04\0\0\0", "binary data"),
        (
            "bytes.csv",
            b"a,\xFF\n1,2\n",
            "other bytes in header field 2",
        ),
    ];
    for (name, content, found) in cases {
        let error = TextFile::open(&dir.file(name, content), &TextOptions::default());
        let error = error.unwrap_err().to_string();
        assert!(error.contains(found), "{error}");
    }
    let error = TextFile::open(&dir.0.path().join("none.csv"), &TextOptions::default());
    assert!(matches!(error.unwrap_err(), Error::File { .. }));
}

#[test]
fn a_quote_left_open_is_told_and_not_sent() {
    let dir = Dir::new();
    let mut text = "a,b\n1,2\n3,\"open\n".to_owned();
    text.push_str(&"4,5\n".repeat(100));
    let file = open(&dir.file("open.csv", text.as_bytes())).with_target(16);
    let mut reader = file.open(0, 200).unwrap();
    let error = loop {
        match reader.next_chunk() {
            Ok(Some(chunk)) => assert_eq!(chunk.data, b"1,2\n"),
            Ok(None) => panic!("the open quote was passed over"),
            Err(error) => break error.to_string(),
        }
    };
    assert!(
        error.contains("near byte 8; a quote is left open"),
        "{error}"
    );
}

#[test]
fn truncated_gzip_is_an_error() {
    let dir = Dir::new();
    let whole = dir.gzip("whole.csv.gz", long_text(3000).as_bytes());
    let bytes = std::fs::read(whole).unwrap();
    let path = dir.file("cut.csv.gz", &bytes[..bytes.len() / 2]);
    let error = TextFile::open(&path, &TextOptions::default()).unwrap_err();
    assert!(matches!(error, Error::File { .. }));
}
