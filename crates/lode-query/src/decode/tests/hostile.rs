//! Chunks that lie. Each must be refused, or decode, without a panic and without memory
//! beyond a chunk's bound.

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::DictionaryArray;
use arrow_array::Int32Array;
use arrow_array::Int64Array;
use arrow_array::ListArray;
use arrow_array::NullArray;
use arrow_array::RecordBatch;
use arrow_array::StringArray;
use arrow_array::StringViewArray;
use arrow_array::builder::StringViewBuilder;
use arrow_array::types::Int32Type;
use lode_types::Failure;

use super::arrow::batch;
use super::arrow::stream;
use super::decoder;
use crate::Error;
use crate::Format;
use crate::decode::lz4;

fn refused(data: &[u8]) -> Error {
    decoder(None).decode(Format::ArrowStream, data).unwrap_err()
}

fn good(lz4: bool) -> Vec<u8> {
    let ids = StringArray::from_iter_values((0..20).map(|i| format!("customer {}", i % 7)));
    let numbers = Int64Array::from_iter_values(0..20);
    let codes: DictionaryArray<Int32Type> = (0..20).map(|i| ["x", "y"][i % 2]).collect();
    let views = StringViewArray::from_iter_values((0..20).map(|i| format!("a longer text, {i}")));
    let columns: Vec<(&str, ArrayRef)> = vec![("id", Arc::new(ids)), ("n", Arc::new(numbers))];
    let plain = batch(columns);
    let coded = batch(vec![("id", Arc::new(views)), ("note", Arc::new(codes))]);
    match lz4 {
        true => stream(&[coded], true),
        false => stream(&[plain], false),
    }
}

#[test]
fn every_flipped_byte_and_every_cut_is_survived() {
    for lz4 in [false, true] {
        let data = good(lz4);
        let decoder = decoder(None);
        let kept = decoder.decode(Format::ArrowStream, &data).unwrap();
        assert_eq!(kept.batch.num_rows(), 20);
        for i in 0..data.len() {
            let mut damaged = data.clone();
            damaged[i] ^= [0x01, 0x80, 0xff][i % 3];
            if let Ok(decoded) = decoder.decode(Format::ArrowStream, &damaged) {
                assert!(decoded.batch.num_rows() + decoded.rejected.len() <= 20);
            }
        }
        for len in (0..data.len()).step_by(7) {
            drop(decoder.decode(Format::ArrowStream, &data[..len]));
        }
    }
}

#[test]
fn bytes_that_are_no_stream_are_refused_in_words() {
    for data in [
        &b""[..],
        b"id,n\na,1\n",
        b"\xff\xff\xff\xff",
        b"\xff\xff\xff\xff\xff\xff\xff\x7f",
        b"ARROW1\0\0",
    ] {
        let error = refused(data);
        assert_eq!(error.reason(), "CHUNK_INVALID");
        assert!(error.to_string().starts_with("expected "), "{error}");
    }
    let mut trailing = good(false);
    trailing.extend_from_slice(b"more");
    let text = refused(&trailing).to_string();
    assert_eq!(
        text,
        "expected nothing after the end of the stream; found 4 bytes"
    );
}

#[test]
fn a_claim_of_rows_without_bytes_is_refused() {
    let nulls = NullArray::new(1 << 30);
    let error = refused(&stream(&[batch(vec![("note", Arc::new(nulls))])], false));
    // The dataset's own rule comes first: its id is missing.
    assert_eq!(error.reason(), "MISSING_COLUMN");
    let columns: Vec<(&str, ArrayRef)> = vec![("id", Arc::new(NullArray::new(1 << 30)))];
    let error = refused(&stream(&[batch(columns)], false));
    assert_eq!(error.reason(), "CHUNK_TOO_LARGE");
}

/// The header of a record batch of one row without columns, compressed with ZSTD, as arrow-ipc
/// writes it.
const ZSTD_HEADER: [u8; 72] = [
    0x10, 0x00, 0x00, 0x00, 0x00, 0x00, 0x0a, 0x00, 0x0c, 0x00, 0x06, 0x00, 0x05, 0x00, 0x08, 0x00,
    0x0a, 0x00, 0x00, 0x00, 0x00, 0x03, 0x04, 0x00, 0x10, 0x00, 0x00, 0x00, 0x0c, 0x00, 0x12, 0x00,
    0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x04, 0x00, 0x0c, 0x00, 0x00, 0x00, 0x14, 0x00, 0x00, 0x00,
    0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x06, 0x00, 0x08, 0x00, 0x07, 0x00,
    0x06, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01,
];

#[test]
fn zstd_is_refused_by_name() {
    let mut data = good(false);
    let schema_len = 8 + usize::from(data[4]) + 256 * usize::from(data[5]);
    data.truncate(schema_len);
    data.extend_from_slice(&u32::MAX.to_le_bytes());
    data.extend_from_slice(&72_u32.to_le_bytes());
    data.extend_from_slice(&ZSTD_HEADER);
    let error = refused(&data);
    assert_eq!(error.reason(), "CHUNK_INVALID");
    assert_eq!(
        error.to_string(),
        "expected plain or LZ4 buffers; found ZSTD"
    );
}

#[test]
fn text_that_unfolds_beyond_the_bound_is_refused() {
    let long = "x".repeat(1 << 20);
    let keys = Int32Array::from(vec![0; 1000]);
    let values = Arc::new(StringArray::from(vec![long.as_str()]));
    let dictionary: ArrayRef = Arc::new(DictionaryArray::new(keys, values));
    let error = refused(&stream(&[batch(vec![("id", dictionary)])], true));
    assert_eq!(error.reason(), "CHUNK_TOO_LARGE");

    let mut views = StringViewBuilder::new();
    let block = views.append_block(long.into_bytes().into());
    for _ in 0..1000 {
        views.try_append_view(block, 0, 1 << 20).unwrap();
    }
    let views: ArrayRef = Arc::new(views.finish());
    let error = refused(&stream(&[batch(vec![("id", views)])], true));
    assert_eq!(error.reason(), "CHUNK_TOO_LARGE");
}

#[test]
fn nested_types_are_refused_by_name() {
    let lists = ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1)])]);
    let columns: Vec<(&str, ArrayRef)> = vec![("id", Arc::new(lists))];
    let error = refused(&stream(
        &[RecordBatch::try_from_iter(columns).unwrap()],
        false,
    ));
    assert_eq!(error.reason(), "WRONG_TYPE");
}

/// A frame of one block whose checksum bytes do not matter for its length.
fn frame(block: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0];
    frame.extend_from_slice(&u32::try_from(block.len()).unwrap().to_le_bytes());
    frame.extend_from_slice(block);
    frame.extend_from_slice(&[0; 4]);
    frame
}

#[test]
fn lz4_frames_are_sized_without_unpacking() {
    // Three literals, then the end.
    assert_eq!(lz4::frame_len(&frame(&[0x30, 1, 2, 3])), Some(3));
    // One literal, a match of 4 + 15 + 255 + 2, then five literals.
    let block = [0x1f, 7, 1, 0, 255, 2, 0x50, 1, 2, 3, 4, 5];
    assert_eq!(lz4::frame_len(&frame(&block)), Some(1 + 276 + 5));
    // A bomb: each 255 adds 255 bytes.
    let mut bomb = vec![0x1f, 7, 1, 0];
    bomb.extend(std::iter::repeat_n(255, 4 << 20));
    bomb.extend([0, 0x10, 9]);
    assert_eq!(
        lz4::frame_len(&frame(&bomb)),
        Some((4 << 20) * 255 + 1 + 19 + 1)
    );
    let mut cut = frame(&block);
    cut.pop();
    assert_eq!(lz4::frame_len(&cut), None);
    let mut longer = frame(&block);
    longer.push(0);
    assert_eq!(lz4::frame_len(&longer), None);
}
