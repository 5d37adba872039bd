//! Products of rows of factors, eight numbers at a time: inner products, sums of rows, the gram
//! matrix, turned axes.
//!
//! Does not know who the rows are. Invariant: the order of every sum depends on the numbers of
//! rows and columns alone.

use crate::lanes::Kernel;
use crate::lanes::LANES;
use crate::lanes::Lanes;
use crate::lanes::Octet;
use crate::parallel::Crew;

use super::matrix::Factors;

/// Rows whose products are added in 32 bits before the sum goes on in 64.
const GRAM_ROWS: usize = 128;
/// Rows of a piece of parallel work.
const PIECE_ROWS: usize = 4096;

/// Eight rows of so many octets. Each has a name of its own: the compiler keeps what is added up
/// along them in registers, which it does not for arrays.
macro_rules! eight {
    ($rows:expr, $len:expr) => {{
        let [a, b, c, d, e, f, g, h] = $rows;
        let n = $len;
        (
            &a[..n],
            &b[..n],
            &c[..n],
            &d[..n],
            &e[..n],
            &f[..n],
            &g[..n],
            &h[..n],
        )
    }};
}

/// The inner products of eight rows with one.
#[inline(always)]
pub(super) fn dots<V: Lanes>(rows: &[&[Octet]; LANES], with: &[Octet]) -> V {
    let (a, b, c, d, e, f, g, h) = eight!(rows, with.len());
    let zero = V::splat(0.0);
    let (mut sa, mut sb, mut sc, mut sd) = (zero, zero, zero, zero);
    let (mut se, mut sf, mut sg, mut sh) = (zero, zero, zero, zero);
    for at in 0..with.len() {
        let own = V::load(&with[at]);
        sa = own.fma(V::load(&a[at]), sa);
        sb = own.fma(V::load(&b[at]), sb);
        sc = own.fma(V::load(&c[at]), sc);
        sd = own.fma(V::load(&d[at]), sd);
        se = own.fma(V::load(&e[at]), se);
        sf = own.fma(V::load(&f[at]), sf);
        sg = own.fma(V::load(&g[at]), sg);
        sh = own.fma(V::load(&h[at]), sh);
    }
    V::sums([sa, sb, sc, sd, se, sf, sg, sh])
}

/// Adds eight rows, each times its own number, to `to`.
#[inline(always)]
pub(super) fn add_rows<V: Lanes>(rows: &[&[Octet]; LANES], times: V, to: &mut [Octet]) {
    let (a, b, c, d, e, f, g, h) = eight!(rows, to.len());
    let [ta, tb, tc, td, te, tf, tg, th] = times.octet().0.map(V::splat);
    for at in 0..to.len() {
        let sum = ta.fma(V::load(&a[at]), V::load(&to[at]));
        let sum = tb.fma(V::load(&b[at]), sum);
        let sum = tc.fma(V::load(&c[at]), sum);
        let sum = td.fma(V::load(&d[at]), sum);
        let sum = te.fma(V::load(&e[at]), sum);
        let sum = tf.fma(V::load(&f[at]), sum);
        let sum = tg.fma(V::load(&g[at]), sum);
        to[at] = th.fma(V::load(&h[at]), sum).octet();
    }
}

/// Adds the squares of eight rows, each times its own number, to `to`.
#[inline(always)]
pub(super) fn add_squares<V: Lanes>(rows: &[&[Octet]; LANES], times: V, to: &mut [Octet]) {
    let (a, b, c, d, e, f, g, h) = eight!(rows, to.len());
    let [ta, tb, tc, td, te, tf, tg, th] = times.octet().0.map(V::splat);
    let square = |times: V, row: &Octet, sum: V| {
        let row = V::load(row);
        times.mul(row).fma(row, sum)
    };
    for at in 0..to.len() {
        let sum = square(ta, &a[at], V::load(&to[at]));
        let sum = square(tb, &b[at], sum);
        let sum = square(tc, &c[at], sum);
        let sum = square(td, &d[at], sum);
        let sum = square(te, &e[at], sum);
        let sum = square(tf, &f[at], sum);
        let sum = square(tg, &g[at], sum);
        to[at] = square(th, &h[at], sum).octet();
    }
}

/// Adds the products of the numbers of some rows: of a matrix whose rows are whole octets the
/// upper triangle, in blocks of four rows by two octets. `rows` lie row by row; `scaled` are they,
/// each times its own number.
#[inline(always)]
pub(super) fn add_products<V: Lanes>(
    rows: &[Octet],
    scaled: &[Octet],
    into: &mut [Octet],
    octets: usize,
) {
    for i in 0..octets * 2 {
        let mut j = i / 2;
        while j < octets {
            if j + 1 < octets {
                add_block::<V, 2>(rows, scaled, into, octets, i, j);
            } else {
                add_block::<V, 1>(rows, scaled, into, octets, i, j);
            }
            j += 2;
        }
    }
}

#[inline(always)]
fn add_block<V: Lanes, const N: usize>(
    rows: &[Octet],
    scaled: &[Octet],
    into: &mut [Octet],
    octets: usize,
    i: usize,
    j: usize,
) {
    let (octet, half) = (i / 2, i % 2 * 4);
    let mut sums = [[V::splat(0.0); N]; 4];
    for (row, scaled) in rows.chunks_exact(octets).zip(scaled.chunks_exact(octets)) {
        let own = &scaled[octet].0;
        let row = &row[j..j + N];
        for n in 0..N {
            let row = V::load(&row[n]);
            for m in 0..4 {
                sums[m][n] = V::splat(own[half + m]).fma(row, sums[m][n]);
            }
        }
    }
    for m in 0..4 {
        let line = &mut into[(4 * i + m) * octets + j..][..N];
        for n in 0..N {
            line[n] = V::load(&line[n]).add(sums[m][n]).octet();
        }
    }
}

/// The products of some rows, in 32 bits.
struct Products<'a> {
    rows: &'a [Octet],
    octets: usize,
}

impl Kernel for Products<'_> {
    type Out = Vec<Octet>;

    #[inline(always)]
    fn run<V: Lanes>(self) -> Vec<Octet> {
        let mut sums = vec![Octet::default(); self.octets * LANES * self.octets];
        add_products::<V>(self.rows, self.rows, &mut sums, self.octets);
        sums
    }
}

/// The gram matrix of the rows, `(width, width)`, whole.
pub(super) fn gram(factors: &Factors, crew: &Crew<'_>) -> Vec<f64> {
    let (octets, width) = (factors.n_octets(), factors.width());
    let mut pieces: Vec<&[Octet]> = factors.all().chunks(PIECE_ROWS * octets).collect();
    let parts = crew.map_mut(&mut pieces, |_, piece| {
        let mut sums = vec![0.0_f64; width * width];
        for rows in piece.chunks(GRAM_ROWS * octets) {
            let products = crate::lanes::run(Products { rows, octets });
            for i in 0..width {
                let line = &products[i * octets..(i + 1) * octets];
                let line = line.iter().flat_map(|octet| octet.0);
                let own = &mut sums[i * width + i..(i + 1) * width];
                for (sum, product) in own.iter_mut().zip(line.skip(i)) {
                    *sum += f64::from(product);
                }
            }
        }
        sums
    });
    let mut gram = vec![0.0; width * width];
    for part in parts {
        for (sum, part) in gram.iter_mut().zip(part) {
            *sum += part;
        }
    }
    for i in 0..width {
        for j in 0..i {
            gram[i * width + j] = gram[j * width + i];
        }
    }
    gram
}

/// Rows of `width` numbers, each in whole octets.
pub(super) fn in_octets(values: &[f64], width: usize) -> Vec<Octet> {
    let octets = values.chunks_exact(width).flat_map(|line| {
        line.chunks(LANES).map(|values| {
            let mut octet = Octet::default();
            for (to, from) in octet.0.iter_mut().zip(values) {
                *to = *from as f32;
            }
            octet
        })
    });
    octets.collect()
}

/// New axes for rows of factors.
pub(super) struct Turn {
    /// Row by row, each in whole octets.
    axes: Vec<Octet>,
    octets: usize,
}

impl Turn {
    /// Column `k` of `axes`, `(width, width)`, becomes number `k`.
    pub(super) fn new(axes: &[f64], width: usize) -> Self {
        Self {
            axes: in_octets(axes, width),
            octets: width.div_ceil(LANES),
        }
    }

    /// Turns every row.
    pub(super) fn apply(&self, factors: &mut Factors, crew: &Crew<'_>) {
        let width = factors.width();
        let rows = factors.all_mut().chunks_mut(PIECE_ROWS * self.octets);
        crew.map_mut(&mut rows.collect::<Vec<_>>(), |_, rows| {
            crate::lanes::run(Turned {
                rows,
                turn: self,
                width,
            });
        });
    }
}

struct Turned<'a> {
    rows: &'a mut [Octet],
    turn: &'a Turn,
    width: usize,
}

impl Kernel for Turned<'_> {
    type Out = ();

    #[inline(always)]
    fn run<V: Lanes>(self) {
        let octets = self.turn.octets;
        // Four rows by two octets at a time stay in registers.
        let mut old = vec![Octet::default(); 4 * octets];
        for rows in self.rows.chunks_mut(4 * octets) {
            let n_rows = rows.len() / octets;
            old[..rows.len()].copy_from_slice(rows);
            let mut j = 0;
            while j < octets {
                if j + 1 < octets {
                    turn_block::<V, 2>(&old, rows, n_rows, self.turn, self.width, j);
                } else {
                    turn_block::<V, 1>(&old, rows, n_rows, self.turn, self.width, j);
                }
                j += 2;
            }
        }
    }
}

#[inline(always)]
fn turn_block<V: Lanes, const N: usize>(
    old: &[Octet],
    rows: &mut [Octet],
    n_rows: usize,
    turn: &Turn,
    width: usize,
    j: usize,
) {
    let octets = turn.octets;
    let mut sums = [[V::splat(0.0); N]; 4];
    let own: [&[Octet]; 4] = std::array::from_fn(|k| &old[k * octets..(k + 1) * octets]);
    for (d, axes) in turn.axes.chunks_exact(octets).take(width).enumerate() {
        let axes: [V; N] = std::array::from_fn(|k| V::load(&axes[j + k]));
        for (sums, own) in sums.iter_mut().zip(&own) {
            let own = V::splat(own[d / LANES].0[d % LANES]);
            for (sum, axes) in sums.iter_mut().zip(&axes) {
                *sum = own.fma(*axes, *sum);
            }
        }
    }
    for (row, sums) in rows.chunks_exact_mut(octets).take(n_rows).zip(&sums) {
        for (to, sum) in row[j..].iter_mut().zip(sums) {
            *to = sum.octet();
        }
    }
}
