//! Sizes an LZ4 frame without decompressing it.
//!
//! The length that an Arrow buffer declares binds nobody: the decoder writes whatever the
//! frame holds, up to 255 times its bytes. Walking the sequences of each block gives the true
//! size for the price of reading their headers, before any memory is taken.

const MAGIC: u32 = 0x184d_2204;

/// The exact number of bytes that one LZ4 frame decompresses to; none when it is no such
/// frame, is cut short, or has bytes after its end.
pub(super) fn frame_len(frame: &[u8]) -> Option<u64> {
    let mut input = Input(frame);
    if input.u32()? != MAGIC {
        return None;
    }
    let flags = input.u8()?;
    let version = flags >> 6;
    if version != 1 {
        return None;
    }
    let has = |bit: u8| flags & (1 << bit) != 0;
    input.u8()?;
    if has(3) {
        input.take(8)?;
    }
    if has(0) {
        input.take(4)?;
    }
    input.u8()?;
    let mut len = 0_u64;
    loop {
        let size = input.u32()?;
        if size == 0 {
            break;
        }
        let plain = size & 0x8000_0000 != 0;
        let block = input.take(usize::try_from(size & 0x7fff_ffff).ok()?)?;
        let block_len = match plain {
            true => block.len() as u64,
            false => block_len(block)?,
        };
        len = len.checked_add(block_len)?;
        if has(4) {
            input.take(4)?;
        }
    }
    if has(2) {
        input.take(4)?;
    }
    input.0.is_empty().then_some(len)
}

/// Sequences of literals and a match; the last one has no match.
fn block_len(block: &[u8]) -> Option<u64> {
    let mut input = Input(block);
    let mut len = 0_u64;
    loop {
        let token = input.u8()?;
        let literals = input.length(token >> 4)?;
        input.take(usize::try_from(literals).ok()?)?;
        len = len.checked_add(literals)?;
        if input.0.is_empty() {
            return Some(len);
        }
        input.take(2)?;
        let repeats = input.length(token & 15)?;
        len = len.checked_add(repeats)?.checked_add(4)?;
    }
}

struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(taken)
    }

    fn u8(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn u32(&mut self) -> Option<u32> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u32::from_le_bytes(*first))
    }

    /// A length of four bits that further bytes carry on when it is full.
    fn length(&mut self, nibble: u8) -> Option<u64> {
        let mut length = u64::from(nibble);
        if nibble == 15 {
            loop {
                let more = self.u8()?;
                length = length.checked_add(u64::from(more))?;
                if more != 255 {
                    break;
                }
            }
        }
        Some(length)
    }
}
