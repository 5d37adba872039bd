//! Bytes that go from one process of a check to the next.

use arrow_array::RecordBatch;

/// Parts in one, each behind its length.
pub(crate) fn pack(parts: &[&[u8]]) -> Vec<u8> {
    let mut packed = Vec::new();
    for part in parts {
        packed.extend_from_slice(&(part.len() as u64).to_le_bytes());
        packed.extend_from_slice(part);
    }
    packed
}

/// The parts of [`pack`].
pub(crate) fn unpack(mut bytes: &[u8]) -> Result<Vec<&[u8]>, String> {
    let mut parts = Vec::new();
    while !bytes.is_empty() {
        let (length, rest) = bytes
            .split_first_chunk::<8>()
            .ok_or("the parts end too soon")?;
        let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|e| e.to_string())?;
        let (part, rest) = rest
            .split_at_checked(length)
            .ok_or("the parts end too soon")?;
        parts.push(part);
        bytes = rest;
    }
    Ok(parts)
}

/// A table as bytes.
pub(crate) fn table(batch: &RecordBatch) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let writer = arrow_ipc::writer::StreamWriter::try_new(&mut bytes, &batch.schema());
    let written = writer.and_then(|mut writer| {
        writer.write(batch)?;
        writer.finish()
    });
    written.map_err(|error| error.to_string())?;
    Ok(bytes)
}

/// The table of [`table`].
pub(crate) fn read(bytes: &[u8]) -> Result<RecordBatch, String> {
    let reader = arrow_ipc::reader::StreamReader::try_new(bytes, None);
    let mut reader = reader.map_err(|error| error.to_string())?;
    let batch = reader.next().ok_or("a table without rows")?;
    batch.map_err(|error| error.to_string())
}
