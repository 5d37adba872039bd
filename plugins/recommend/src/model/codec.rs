//! Lists of numbers to bytes and back: a length, then the entries, little-endian.
//!
//! Does not know what the lists mean. Invariant: reading never allocates more than the bytes
//! that are there, and gives none rather than panicking.

/// Collects bytes.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    pub(crate) fn u64s(&mut self, values: &[u64]) {
        self.len(values.len());
        self.bytes
            .extend(values.iter().flat_map(|v| v.to_le_bytes()));
    }

    pub(crate) fn u32s(&mut self, values: &[u32]) {
        self.len(values.len());
        self.bytes
            .extend(values.iter().flat_map(|v| v.to_le_bytes()));
    }

    pub(crate) fn f64s(&mut self, values: &[f64]) {
        self.len(values.len());
        self.bytes
            .extend(values.iter().flat_map(|v| v.to_le_bytes()));
    }

    pub(crate) fn f32s(&mut self, values: &[f32]) {
        self.len(values.len());
        self.bytes
            .extend(values.iter().flat_map(|v| v.to_le_bytes()));
    }

    pub(crate) fn i64s(&mut self, values: &[i64]) {
        self.len(values.len());
        self.bytes
            .extend(values.iter().flat_map(|v| v.to_le_bytes()));
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.len(bytes.len());
        self.bytes.extend_from_slice(bytes);
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.bytes
    }

    fn len(&mut self, len: usize) {
        self.bytes.extend((len as u64).to_le_bytes());
    }
}

/// Takes lists off the front of bytes.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn u64s(&mut self) -> Option<Vec<u64>> {
        let (words, _) = self.list(8)?.as_chunks::<8>();
        Some(words.iter().map(|word| u64::from_le_bytes(*word)).collect())
    }

    pub(crate) fn u32s(&mut self) -> Option<Vec<u32>> {
        let (words, _) = self.list(4)?.as_chunks::<4>();
        Some(words.iter().map(|word| u32::from_le_bytes(*word)).collect())
    }

    pub(crate) fn f64s(&mut self) -> Option<Vec<f64>> {
        let (words, _) = self.list(8)?.as_chunks::<8>();
        Some(words.iter().map(|word| f64::from_le_bytes(*word)).collect())
    }

    pub(crate) fn f32s(&mut self) -> Option<Vec<f32>> {
        let (words, _) = self.list(4)?.as_chunks::<4>();
        Some(words.iter().map(|word| f32::from_le_bytes(*word)).collect())
    }

    pub(crate) fn i64s(&mut self) -> Option<Vec<i64>> {
        let (words, _) = self.list(8)?.as_chunks::<8>();
        Some(words.iter().map(|word| i64::from_le_bytes(*word)).collect())
    }

    pub(crate) fn text(&mut self) -> Option<String> {
        let bytes = self.list(1)?;
        std::str::from_utf8(bytes).ok().map(str::to_owned)
    }

    pub(crate) fn is_done(&self) -> bool {
        self.rest.is_empty()
    }

    /// The bytes of a list whose entries have `width` bytes.
    fn list(&mut self, width: usize) -> Option<&'a [u8]> {
        let (len, rest) = self.rest.split_first_chunk::<8>()?;
        let n_bytes = usize::try_from(u64::from_le_bytes(*len)).ok()?;
        let (list, rest) = rest.split_at_checked(n_bytes.checked_mul(width)?)?;
        self.rest = rest;
        Some(list)
    }
}
