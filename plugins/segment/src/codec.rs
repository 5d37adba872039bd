//! Numbers and names of a state to bytes and back, little-endian.
//!
//! Does not know what they mean. Invariant: reading never allocates much more than the bytes
//! that are there, and gives none rather than panicking.

/// Collects bytes.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    pub(crate) fn u64(&mut self, value: u64) {
        self.bytes.extend(value.to_le_bytes());
    }

    pub(crate) fn time(&mut self, time: Option<i64>) {
        self.bytes.push(u8::from(time.is_some()));
        if let Some(time) = time {
            self.bytes.extend(time.to_le_bytes());
        }
    }

    pub(crate) fn u32s(&mut self, values: impl ExactSizeIterator<Item = u32>) {
        self.u64(values.len() as u64);
        self.bytes.extend(values.flat_map(u32::to_le_bytes));
    }

    pub(crate) fn f64s(&mut self, values: &[f64]) {
        self.u64(values.len() as u64);
        self.bytes
            .extend(values.iter().flat_map(|value| value.to_le_bytes()));
    }

    pub(crate) fn names(&mut self, names: &[String]) {
        // Ids are far shorter than this; a longer one is refused by the reader.
        let lengths = names.iter().map(|name| u32::try_from(name.len()));
        self.u32s(lengths.map(|length| length.unwrap_or(u32::MAX)));
        for name in names {
            self.bytes.extend_from_slice(name.as_bytes());
        }
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

/// Takes what a [`Writer`] wrote off the front of bytes.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        let (word, rest) = self.rest.split_first_chunk::<8>()?;
        self.rest = rest;
        Some(u64::from_le_bytes(*word))
    }

    /// None when there are not the bytes of one; a time that is not known is an inner none.
    #[expect(clippy::option_option, reason = "the outer one is that of the reader")]
    pub(crate) fn time(&mut self) -> Option<Option<i64>> {
        let (known, rest) = self.rest.split_first()?;
        self.rest = rest;
        match known {
            0 => Some(None),
            1 => self.u64().map(|word| Some(word.cast_signed())),
            _ => None,
        }
    }

    pub(crate) fn u32s(&mut self) -> Option<Vec<u32>> {
        let (words, _) = self.list(4)?.as_chunks::<4>();
        Some(words.iter().map(|word| u32::from_le_bytes(*word)).collect())
    }

    pub(crate) fn f64s(&mut self) -> Option<Vec<f64>> {
        let (words, _) = self.list(8)?.as_chunks::<8>();
        Some(words.iter().map(|word| f64::from_le_bytes(*word)).collect())
    }

    /// Names, which have to rise.
    pub(crate) fn names(&mut self) -> Option<Vec<String>> {
        let lengths = self.u32s()?;
        let mut names: Vec<String> = Vec::with_capacity(lengths.len());
        for length in lengths {
            let (name, rest) = self.rest.split_at_checked(length as usize)?;
            self.rest = rest;
            names.push(str::from_utf8(name).ok()?.to_owned());
        }
        names.is_sorted_by(|a, b| a < b).then_some(names)
    }

    pub(crate) fn is_done(&self) -> bool {
        self.rest.is_empty()
    }

    /// The bytes of a list whose entries have `width` bytes.
    fn list(&mut self, width: usize) -> Option<&'a [u8]> {
        let n = usize::try_from(self.u64()?).ok()?;
        let (list, rest) = self.rest.split_at_checked(n.checked_mul(width)?)?;
        self.rest = rest;
        Some(list)
    }
}
