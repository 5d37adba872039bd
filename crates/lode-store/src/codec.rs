//! Small records as bytes: varints, zigzag, length-prefixed bytes; and a reader that trusts nothing.

use crate::Error;
use crate::Result;

/// Bytes under construction.
#[derive(Default)]
pub(crate) struct Writer(pub(crate) Vec<u8>);

impl Writer {
    /// Begins a record with the version of its form.
    pub(crate) fn version(version: u8) -> Self {
        Self(vec![version])
    }

    pub(crate) fn u8(&mut self, value: u8) {
        self.0.push(value);
    }

    pub(crate) fn int(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value.to_le_bytes()[0] | 0x80);
            value >>= 7;
        }
        self.0.push(value.to_le_bytes()[0]);
    }

    pub(crate) fn signed(&mut self, value: i64) {
        self.int(((value << 1) ^ (value >> 63)).cast_unsigned());
    }

    pub(crate) fn bytes(&mut self, value: &[u8]) {
        self.int(value.len() as u64);
        self.0.extend_from_slice(value);
    }

    pub(crate) fn text(&mut self, value: &str) {
        self.bytes(value.as_bytes());
    }
}

/// Bytes under inspection.
pub(crate) struct Reader<'a> {
    data: &'a [u8],
    what: &'static str,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(data: &'a [u8], what: &'static str) -> Self {
        Self { data, what }
    }

    /// Reads a record's version and refuses any but `expected`.
    pub(crate) fn versioned(data: &'a [u8], what: &'static str, expected: u8) -> Result<Self> {
        let mut reader = Self::new(data, what);
        let found = reader.u8()?;
        if found != expected {
            return Err(Error::damaged(
                what,
                format!("expected form {expected}, found {found}"),
            ));
        }
        Ok(reader)
    }

    pub(crate) fn u8(&mut self) -> Result<u8> {
        Ok(self.take(1)?[0])
    }

    pub(crate) fn int(&mut self) -> Result<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(self.short())
    }

    pub(crate) fn u32(&mut self) -> Result<u32> {
        u32::try_from(self.int()?).map_err(|_| self.short())
    }

    pub(crate) fn len(&mut self) -> Result<usize> {
        usize::try_from(self.int()?).map_err(|_| self.short())
    }

    pub(crate) fn signed(&mut self) -> Result<i64> {
        let value = self.int()?;
        Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }

    pub(crate) fn take(&mut self, n: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.data.split_at_checked(n).ok_or_else(|| self.short())?;
        self.data = rest;
        Ok(taken)
    }

    pub(crate) fn bytes(&mut self) -> Result<&'a [u8]> {
        let n = self.len()?;
        self.take(n)
    }

    pub(crate) fn text(&mut self) -> Result<&'a str> {
        let bytes = self.bytes()?;
        std::str::from_utf8(bytes).map_err(|_| Error::damaged(self.what, "text that is not utf-8"))
    }

    pub(crate) fn end(self) -> Result<()> {
        if self.data.is_empty() {
            Ok(())
        } else {
            Err(Error::damaged(
                self.what,
                format!("{} bytes too many", self.data.len()),
            ))
        }
    }

    fn short(&self) -> Error {
        Error::damaged(self.what, "an unexpected end")
    }
}
