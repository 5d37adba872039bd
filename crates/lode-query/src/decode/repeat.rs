//! Counts rows that equal an earlier row of the same batch in every column.
//!
//! Rows with one hash are compared value by value, so the count is exact whatever the hash
//! does. Two nulls are equal here, and so are 0.0 and -0.0.

use std::hash::BuildHasher;
use std::hash::RandomState;

use arrow_array::Array;
use arrow_array::ArrayRef;
use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::Date32Type;
use arrow_array::types::Decimal128Type;
use arrow_array::types::Float64Type;
use arrow_array::types::Int64Type;
use arrow_array::types::TimestampMicrosecondType;
use arrow_schema::DataType;

/// Rows whose hashes are worked out together, so that they stay near.
const BLOCK_ROWS: usize = 2048;
/// Bits a row of the two maps of hashes; with fewer, more rows are looked at twice.
const BITS_A_ROW: usize = 8;

/// What a place without a value counts as.
const NULL: u64 = 0x6e75_6c6c_6e75_6c6c;

/// How many rows equal an earlier one.
pub(super) fn count(batch: &RecordBatch) -> u64 {
    // A secret start keeps a chunk from being made of rows that all collide.
    let seed = RandomState::new().hash_one(0_u64) | 1;
    let mut hashes = vec![seed; batch.num_rows()];
    for start in (0..hashes.len()).step_by(BLOCK_ROWS) {
        let end = hashes.len().min(start + BLOCK_ROWS);
        for column in batch.columns() {
            let block = column.slice(start, end - start);
            hash_column(&block, seed, &mut hashes[start..end]);
        }
    }
    let doubted = doubted(&hashes);
    let mut seen = Seen::with_capacity(doubted.len());
    let mut repeated = 0;
    for row in doubted {
        let hash = hashes[row as usize];
        let known = seen.insert(hash, row, |other| {
            hashes[other as usize] == hash && equal(batch, other, row)
        });
        repeated += u64::from(known);
    }
    repeated
}

/// The rows that share a place in a map of bits with another: all that equal another row, and
/// of the others about one in eight. The maps are small, and most rows touch nothing else.
fn doubted(hashes: &[u64]) -> Vec<u32> {
    let bits = (hashes.len() * BITS_A_ROW).next_power_of_two().max(64);
    let (mut once, mut twice) = (vec![0_u64; bits / 64], vec![0_u64; bits / 64]);
    let place = |hash: u64| {
        let at = (hash >> 20) as usize & (bits - 1);
        (at / 64, 1_u64 << (at % 64))
    };
    for hash in hashes {
        let (word, bit) = place(*hash);
        twice[word] |= once[word] & bit;
        once[word] |= bit;
    }
    let shares = |hash: u64| {
        let (word, bit) = place(hash);
        twice[word] & bit != 0
    };
    let rows = (0_u32..).zip(hashes);
    rows.filter(|(_, hash)| shares(**hash))
        .map(|(row, _)| row)
        .collect()
}

/// Rows by their hash: one probe sequence in a table twice as large as the rows.
struct Seen {
    /// A row's number plus one; 0 is an empty place.
    places: Vec<u32>,
    mask: usize,
}

impl Seen {
    fn with_capacity(rows: usize) -> Self {
        let places = (rows * 2).next_power_of_two().max(2);
        Self {
            places: vec![0; places],
            mask: places - 1,
        }
    }

    /// Keeps a row unless `same` says of an earlier one of its probe sequence that it is equal;
    /// whether it did.
    fn insert(&mut self, hash: u64, row: u32, same: impl Fn(u32) -> bool) -> bool {
        let mut at = hash as usize & self.mask;
        loop {
            match self.places[at].checked_sub(1) {
                None => {
                    self.places[at] = row + 1;
                    return false;
                }
                Some(other) if same(other) => return true,
                Some(_) => at = (at + 1) & self.mask,
            }
        }
    }
}

/// Both halves of a 128-bit product, so that every bit of `a` reaches every bit of the result.
fn mix(a: u64, b: u64) -> u64 {
    let product = u128::from(a ^ 0x2d35_8dcc_aa6c_78a5) * u128::from(b);
    let [low, high] = [product as u64, (product >> 64) as u64];
    low ^ high
}

/// Adds the bits of each row's value to the rows' hashes.
fn add(column: &ArrayRef, seed: u64, hashes: &mut [u64], bits: impl Iterator<Item = u64>) {
    let rows = hashes.iter_mut().zip(bits);
    match column.nulls() {
        None => rows.for_each(|(hash, bits)| *hash = mix(hash.rotate_left(5) ^ bits, seed)),
        Some(nulls) => {
            for ((hash, bits), valid) in rows.zip(nulls) {
                let bits = if valid { bits } else { NULL };
                *hash = mix(hash.rotate_left(5) ^ bits, seed);
            }
        }
    }
}

fn hash_column(column: &ArrayRef, seed: u64, hashes: &mut [u64]) {
    match column.data_type() {
        DataType::Boolean => {
            let values = column.as_boolean().values().iter();
            add(column, seed, hashes, values.map(u64::from));
        }
        DataType::Int64 => {
            let values = column.as_primitive::<Int64Type>().values().iter();
            add(
                column,
                seed,
                hashes,
                values.map(|value| value.cast_unsigned()),
            );
        }
        DataType::Float64 => {
            let values = column.as_primitive::<Float64Type>().values().iter();
            add(
                column,
                seed,
                hashes,
                values.map(|value| (value + 0.0).to_bits()),
            );
        }
        DataType::Timestamp(_, _) => {
            let values = column.as_primitive::<TimestampMicrosecondType>();
            let values = values.values().iter();
            add(
                column,
                seed,
                hashes,
                values.map(|value| value.cast_unsigned()),
            );
        }
        DataType::Date32 => {
            let values = column.as_primitive::<Date32Type>().values().iter();
            let bits = values.map(|value| u64::from(value.cast_unsigned()));
            add(column, seed, hashes, bits);
        }
        DataType::Decimal128(_, _) => {
            let values = column.as_primitive::<Decimal128Type>().values().iter();
            let bits = values.map(|value| {
                let digits = value.cast_unsigned();
                (digits as u64) ^ ((digits >> 64) as u64).rotate_left(32)
            });
            add(column, seed, hashes, bits);
        }
        _ => {
            let values = column.as_string::<i32>();
            let bits = (0..values.len()).map(|row| hash_text(values.value(row).as_bytes(), seed));
            add(column, seed, hashes, bits);
        }
    }
}

fn hash_text(text: &[u8], seed: u64) -> u64 {
    let mut hash = text.len() as u64 ^ seed;
    let (words, rest) = text.as_chunks::<8>();
    for word in words {
        hash = mix(hash ^ u64::from_le_bytes(*word), seed);
    }
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    mix(hash ^ u64::from_le_bytes(last), seed)
}

fn equal(batch: &RecordBatch, a: u32, b: u32) -> bool {
    let (a, b) = (a as usize, b as usize);
    batch.columns().iter().all(|column| {
        match (column.is_null(a), column.is_null(b)) {
            (true, true) => return true,
            (false, false) => {}
            _ => return false,
        }
        match column.data_type() {
            DataType::Boolean => {
                let values = column.as_boolean();
                values.value(a) == values.value(b)
            }
            DataType::Int64 => {
                let values = column.as_primitive::<Int64Type>();
                values.value(a) == values.value(b)
            }
            DataType::Float64 => {
                let values = column.as_primitive::<Float64Type>();
                (values.value(a) + 0.0).to_bits() == (values.value(b) + 0.0).to_bits()
            }
            DataType::Timestamp(_, _) => {
                let values = column.as_primitive::<TimestampMicrosecondType>();
                values.value(a) == values.value(b)
            }
            DataType::Date32 => {
                let values = column.as_primitive::<Date32Type>();
                values.value(a) == values.value(b)
            }
            DataType::Decimal128(_, _) => {
                let values = column.as_primitive::<Decimal128Type>();
                values.value(a) == values.value(b)
            }
            _ => {
                let values = column.as_string::<i32>();
                values.value(a) == values.value(b)
            }
        }
    })
}
