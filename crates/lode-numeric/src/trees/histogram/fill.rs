//! The loops that add rows to cells: where training spends its time.
//!
//! Words of packed numbers are first added into short cells, eight columns by 256 bins that
//! stay in the nearest cache, a block of rows at a time; before a field could overflow they are
//! moved to the cells proper. Does not choose rows. Invariant: all sums are of whole numbers.

#![cfg_attr(
    target_arch = "x86_64",
    expect(unsafe_code, reason = "prefetches, which safe code cannot ask for")
)]

use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

use super::Bins;
use super::Group;
use super::Layout;
use super::add;
use crate::parallel::Crew;
use crate::trees::quantize::Fields;
use crate::trees::quantize::Sum;
use crate::wide::wide;

/// Rows whose bytes are gathered, and then pass one group of columns after the other.
const BLOCK: usize = 1024;

/// Words from those of one group to those of the next: not a power of two, or all words of a
/// row would compete for one place of the nearest cache.
const GROUP_WORDS: usize = BLOCK + 8;

/// Rows of a block that are added between two requests for lines of the next block.
const PIECE: usize = 64;

/// Groups whose short cells are kept at a time.
const TILE: usize = 32;

/// Rows times columns from which a second thread pays for itself.
const WORTH_A_THREAD: usize = 1 << 20;

/// Rows that a thread takes at a time, or a multiple.
const STRETCH: usize = 1 << 13;

/// Short cells of eight columns.
type Short = [[u64; 256]; 8];

/// What one thread needs.
#[derive(Debug, Default)]
pub(crate) struct Worker {
    short: Vec<Short>,
    /// Words of a block, those of a group together.
    words: Vec<[u64; GROUP_WORDS]>,
    packed: Vec<u64>,
    /// Short cells of listed columns.
    listed: Vec<u64>,
    cells: Vec<Sum>,
}

/// Rows to add up.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Rows<'a> {
    /// These rows, from the first on, of which all are there.
    All(usize, usize),
    /// These rows, rising.
    Some(&'a [u32]),
}

impl<'a> Rows<'a> {
    fn len(&self) -> usize {
        match self {
            Self::All(begin, end) => end - begin,
            Self::Some(rows) => rows.len(),
        }
    }

    fn part(&self, begin: usize, end: usize) -> Rows<'a> {
        match self {
            Self::All(first, _) => Rows::All(first + begin, first + end),
            Self::Some(rows) => Rows::Some(&rows[begin..end]),
        }
    }
}

/// Fills `cells` with the sums over `rows`; `packed` has an entry for each row of the table,
/// `workers` one for each of the crew.
pub(crate) fn fill(
    table: &Packed<'_>,
    layout: &Layout,
    rows: Rows<'_>,
    crew: &Crew<'_>,
    workers: &mut Vec<Worker>,
    cells: &mut Vec<Sum>,
) {
    cells.clear();
    cells.resize(layout.n_cells(), Sum::default());
    let n = rows.len();
    let n_workers =
        (n.saturating_mul(layout.columns.len()) / WORTH_A_THREAD).clamp(1, crew.threads());
    if workers.len() < n_workers {
        workers.resize_with(n_workers, Worker::default);
    }
    let call = Call { table, layout };
    let workers = &mut workers[..n_workers];
    if let [worker] = workers {
        call.run(rows, worker, cells);
        return;
    }
    // Who comes takes the next stretch of rows; whole numbers do not mind who adds them.
    let stretch = (n / (8 * n_workers)).next_multiple_of(STRETCH);
    let next = AtomicUsize::new(0);
    let came = crew.map_mut(workers, |_, worker| {
        let mut own = std::mem::take(&mut worker.cells);
        own.clear();
        loop {
            let begin = next.fetch_add(1, Ordering::Relaxed).saturating_mul(stretch);
            if begin >= n {
                break;
            }
            own.resize(layout.n_cells(), Sum::default());
            let rows = rows.part(begin, (begin + stretch).min(n));
            call.run(rows, worker, &mut own);
        }
        let came = !own.is_empty();
        worker.cells = own;
        came
    });
    for (worker, came) in workers.iter().zip(came) {
        if came {
            add(cells, &worker.cells);
        }
    }
}

/// A table of bins and the packed numbers of its rows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Packed<'a> {
    pub(crate) bins: &'a Bins<'a>,
    pub(crate) rows: &'a [u64],
    pub(crate) fields: Fields,
}

struct Call<'a> {
    table: &'a Packed<'a>,
    layout: &'a Layout,
}

impl Call<'_> {
    fn run(&self, rows: Rows<'_>, worker: &mut Worker, cells: &mut [Sum]) {
        wide(|| {
            for tile in self.layout.groups.chunks(TILE) {
                self.tile(tile, rows, worker, cells);
            }
            for (part, slots) in &self.layout.lists {
                self.list(*part, slots, rows, worker, cells);
            }
        });
    }

    #[inline(always)]
    fn tile(&self, tile: &[Group], rows: Rows<'_>, worker: &mut Worker, cells: &mut [Sum]) {
        let Worker {
            short,
            words,
            packed,
            ..
        } = worker;
        if short.len() < tile.len() {
            short.resize(tile.len(), [[0; 256]; 8]);
            words.resize(tile.len(), [0; GROUP_WORDS]);
        }
        let n = rows.len();
        let most = self.table.fields.rows();
        let block = BLOCK.min(most);
        let (mut begin, mut filled) = (0, 0);
        while begin < n {
            let end = (begin + block).min(n);
            let own = rows.part(begin, end);
            packed.clear();
            match own {
                Rows::All(first, last) => packed.extend_from_slice(&self.table.rows[first..last]),
                Rows::Some(rows) => {
                    packed.extend(rows.iter().map(|row| self.table.rows[*row as usize]));
                }
            }
            self.gather(tile, own, words);
            // The lines of the rows that come next are asked for while these are added.
            let mut ahead = match rows {
                Rows::All(..) => &[][..],
                Rows::Some(rows) => &rows[end..(end + block).min(n)],
            };
            let pieces = tile.len() * packed.len().div_ceil(PIECE);
            let share = ahead.len().div_ceil(pieces.max(1));
            for ((group, words), short) in tile.iter().zip(words.iter()).zip(short.iter_mut()) {
                for (words, packed) in words.chunks(PIECE).zip(packed.chunks(PIECE)) {
                    let (now, later) = ahead.split_at(share.min(ahead.len()));
                    ahead = later;
                    self.ask(tile, now);
                    add_group(group, &words[..packed.len()], packed, short);
                }
            }
            filled += end - begin;
            if filled + block > most || end == n {
                for (group, short) in tile.iter().zip(short.iter_mut()) {
                    self.flush(group, short, cells);
                }
                filled = 0;
            }
            begin = end;
        }
    }

    /// Copies the words of a block's rows, so that those of a group lie side by side.
    #[inline(always)]
    fn gather(&self, tile: &[Group], rows: Rows<'_>, out: &mut [[u64; GROUP_WORDS]]) {
        let mut rest = tile;
        let mut out = out;
        while let Some(first) = rest.first() {
            let n = rest
                .iter()
                .take_while(|group| group.part == first.part)
                .count();
            let (own, others) = rest.split_at(n);
            let (own_out, others_out) = out.split_at_mut(n);
            (rest, out) = (others, others_out);
            let (words, stride) = self.table.bins.parts[first.part].words();
            match rows {
                Rows::All(begin, end) => {
                    let lines = words[begin * stride..end * stride].chunks_exact(stride);
                    for (at, line) in lines.enumerate().take(BLOCK) {
                        copy(own, line, at, own_out);
                    }
                }
                Rows::Some(rows) => {
                    for (at, row) in rows.iter().enumerate().take(BLOCK) {
                        let begin = (*row as usize).wrapping_mul(stride);
                        copy(own, &words[begin..begin.wrapping_add(stride)], at, own_out);
                    }
                }
            }
        }
    }

    /// Asks for the lines of rows.
    #[inline(always)]
    fn ask(&self, tile: &[Group], rows: &[u32]) {
        let Some(first) = tile.first() else { return };
        let (words, stride) = self.table.bins.parts[first.part].words();
        for row in rows {
            prefetch(words, (*row as usize).wrapping_mul(stride));
        }
    }

    /// Moves short cells to the cells proper, and leaves zeros.
    #[inline(always)]
    fn flush(&self, group: &Group, short: &mut Short, cells: &mut [Sum]) {
        for (lane, short) in group.lanes.iter().zip(short.iter_mut()) {
            for reading in &lane.readings {
                let cells = &mut cells[self.layout.range(reading.slot)];
                match &reading.bins {
                    None => {
                        for (cell, word) in cells.iter_mut().zip(short.iter()) {
                            *cell = cell.plus(self.table.fields.unpack(*word));
                        }
                    }
                    Some(bins) => {
                        for (word, bin) in short.iter().zip(bins.iter()) {
                            if *word != 0 {
                                let cell = &mut cells[usize::from(*bin)];
                                *cell = cell.plus(self.table.fields.unpack(*word));
                            }
                        }
                    }
                }
            }
            *short = [0; 256];
        }
    }

    /// Adds the listed bins of a part; what they leave of all rows is in the usual bins.
    #[inline(always)]
    fn list(
        &self,
        part: usize,
        slots: &[Option<usize>],
        rows: Rows<'_>,
        worker: &mut Worker,
        cells: &mut [Sum],
    ) {
        let sparse = &self.table.bins.parts[part].sparse;
        let short = &mut worker.listed;
        short.clear();
        short.resize(slots.len() * 256, 0);
        let (n, most) = (rows.len(), self.table.fields.rows());
        let mut begin = 0;
        while begin < n {
            let end = (begin + most).min(n);
            let mut total = 0_u64;
            let mut count = |row: usize| {
                let own = self.table.rows[row];
                total = total.wrapping_add(own);
                for entry in sparse.row(row) {
                    let cell = &mut short[*entry as usize];
                    *cell = cell.wrapping_add(own);
                }
            };
            match rows.part(begin, end) {
                Rows::All(first, last) => (first..last).for_each(&mut count),
                Rows::Some(rows) => rows.iter().for_each(|row| count(*row as usize)),
            }
            let total = self.table.fields.unpack(total);
            let columns = short.chunks_exact_mut(256).zip(slots).zip(&sparse.usual);
            for ((short, slot), usual) in columns {
                if let Some(slot) = slot {
                    let cells = &mut cells[self.layout.range(*slot)];
                    let mut rest = total;
                    for (cell, word) in cells.iter_mut().zip(short.iter()) {
                        let own = self.table.fields.unpack(*word);
                        *cell = cell.plus(own);
                        rest = rest.minus(own);
                    }
                    let usual = &mut cells[usize::from(*usual)];
                    *usual = usual.plus(rest);
                }
                short.fill(0);
            }
            begin = end;
        }
    }
}

#[inline(always)]
fn copy(groups: &[Group], line: &[u64], at: usize, out: &mut [[u64; GROUP_WORDS]]) {
    for (group, out) in groups.iter().zip(out) {
        out[at] = line[group.word];
    }
}

/// Adds packed numbers to the cells that the bytes of the words name.
#[inline(always)]
fn add_group(group: &Group, words: &[u64], packed: &[u64], short: &mut Short) {
    macro_rules! lanes {
        ($n:literal) => {{
            let mut shifts = [0_u32; $n];
            for (shift, lane) in shifts.iter_mut().zip(&group.lanes) {
                *shift = 8 * lane.byte;
            }
            if let Some(short) = short.first_chunk_mut::<$n>() {
                add_lanes::<$n>(words, packed, &shifts, short);
            }
        }};
    }
    match group.lanes.len() {
        1 => lanes!(1),
        2 => lanes!(2),
        3 => lanes!(3),
        4 => lanes!(4),
        5 => lanes!(5),
        6 => lanes!(6),
        7 => lanes!(7),
        _ => add_all(words, packed, short),
    }
}

#[inline(always)]
fn add_lanes<const N: usize>(
    words: &[u64],
    packed: &[u64],
    shifts: &[u32; N],
    short: &mut [[u64; 256]; N],
) {
    for (word, own) in words.iter().zip(packed) {
        let (word, own) = (*word, *own);
        for (cells, shift) in short.iter_mut().zip(shifts) {
            let cell = &mut cells[usize::from(word.wrapping_shr(*shift) as u8)];
            *cell = cell.wrapping_add(own);
        }
    }
}

#[inline(always)]
fn add_all(words: &[u64], packed: &[u64], short: &mut Short) {
    for (word, own) in words.iter().zip(packed) {
        // A copy: what is behind the reference would be read again after each store.
        let own = *own;
        for (cells, byte) in short.iter_mut().zip(word.to_le_bytes()) {
            let cell = &mut cells[usize::from(byte)];
            *cell = cell.wrapping_add(own);
        }
    }
}

/// Asks for the line of a word, which changes nothing but when it comes.
#[inline(always)]
fn prefetch(words: &[u64], at: usize) {
    #[cfg(target_arch = "x86_64")]
    {
        let place = words.as_ptr().wrapping_add(at);
        // SAFETY: a prefetch of any address is legal and touches nothing.
        unsafe {
            std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T1 }>(place.cast());
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (words, at);
}
