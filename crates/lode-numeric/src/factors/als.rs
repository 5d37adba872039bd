//! Fits factors of people and items by alternating least squares on what people have.
//!
//! Does not choose the weights. Invariant: the same table, parameters and seed give the same bits
//! for any number of threads.

use crate::Error;
use crate::Progress;
use crate::Result;
use crate::lanes::Octet;
use crate::parallel::Crew;
use crate::parallel::with_crew;

use super::dense::Turn;
use super::dense::gram;
use super::dense::in_octets;
use super::direct::Direct;
use super::gradient::Gradient;
use super::matrix::Factors;
use super::pairs::Pairs;
use super::params::AlsParams;
use super::side::Side;
use super::spectrum::axes;

/// Entries and rows of a piece of parallel work.
const PIECE_ENTRIES: usize = 1 << 14;
const PIECE_ROWS: usize = 1024;

/// Factors of people and of items; the inner product of two rows says how much a person wants
/// an item.
#[derive(Clone, Debug, PartialEq)]
pub struct Als {
    /// One row a person.
    pub people: Factors,
    /// One row an item.
    pub items: Factors,
}

/// Factors of people and of items from what people have.
///
/// For "what does this person want next" on purchases, visits, plays: any kind of weights of
/// having. Not for a handful of items, nor for people with one item each: there counts do better.
///
/// # Input
/// `people`: shape `(n_people, n_items)`, weights above 0 where a person has an item, the more
/// the surer; below 0 where a person has it and did not like it; 0 says no more than that
/// [`Form::Elsewhere`](super::Form::Elsewhere) does not count the pair among those not seen.
///
/// # Output
/// One row of factors a person and an item; zeros for who has nothing. The axes are the principal
/// ones of the side that was solved from, by falling length, unless the solver is Cholesky's.
///
/// # Parameters
/// [`AlsParams`].
///
/// # Method
/// Least is made, with `w = confidence * weight`, of
/// `sum_seen w_ui (1 - x_u y_i)^2 + alpha_0 sum_all (x_u y_i)^2
/// + lambda sum_u (n_u + alpha_0 |I|)^nu |x_u|^2 + lambda sum_i (n_i + alpha_0 |U|)^nu |y_i|^2`
/// ([`Form::Everywhere`]); a weight below 0 asks for 0 in place of 1. In turn one side stands
/// still and each row `x` of the other solves `A x = b`,
/// `A = alpha_0 Y^T Y + sum_h w_h y_h y_h^T + ridge`, `b = sum_h w_h y_h` over its entries `h`.
///
/// [`Solver::Gradient`](super::Solver::Gradient) first turns both sides to the axes of `Y^T Y`, which changes no product of
/// a person and an item: there what all pairs add is a diagonal, so that a step costs only the
/// entries of the row, and the diagonal of `A` is a preconditioner that suffices for two steps.
///
/// # Determinism and cost
/// Items start from small random numbers of the seed. Rows of a side are independent; the gram
/// matrix is added up in blocks that do not depend on threads. A round takes
/// `O(entries * width * steps + rows * width^2 + width^3)`, with Cholesky
/// `O(entries * width^2 + rows * width^3)`. Memory: the table again, transposed, and the factors.
///
/// # Errors
/// [`Error::OutOfRange`] for a parameter; [`Error::Cancelled`].
///
/// # Source
/// Y. Hu, Y. Koren, C. Volinsky, "Collaborative filtering for implicit feedback datasets", ICDM
/// 2008, doi:10.1109/ICDM.2008.22 ([`Form::Elsewhere`](super::Form::Elsewhere)); S. Rendle, W. Krichene, L. Zhang, Y.
/// Koren, "Revisiting the performance of iALS on item recommendation benchmarks", RecSys 2022,
/// arXiv:2110.14037, equations 1 to 4; conjugate gradients: G. Takacs, I. Pilaszy, D. Tikk,
/// "Applications of the conjugate gradient method for implicit feedback collaborative
/// filtering", RecSys 2011, doi:10.1145/2043932.2043987. Deviation: the axes and the
/// preconditioner.
///
/// # Example
/// ```
/// use lode_numeric::factors::{self, AlsParams, Excluded, Pairs, Shelf};
/// // Two tastes; the third person has one item of the first.
/// let entries = vec![(0, 0, 1.0), (0, 1, 1.0), (1, 2, 1.0), (1, 3, 1.0), (2, 0, 1.0)];
/// let people = Pairs::from_entries(entries, 3, 4)?;
/// let params = AlsParams { width: 2, ..AlsParams::default() };
/// let model = factors::als(&people, &params, &lode_numeric::go_on)?;
/// let person: Vec<f32> = model.people.row(2).collect();
/// let best = Shelf::new(&model.items).best(&person, Excluded::Items(&[0]), 1)?;
/// assert_eq!(best[0].item, 1);
/// # Ok::<(), lode_numeric::Error>(())
/// ```
pub fn als(people: &Pairs, params: &AlsParams, progress: Progress<'_>) -> Result<Als> {
    params.check()?;
    let items = people.transposed();
    let mut model = Als {
        people: Factors::zeros(people.n_rows(), params.width),
        items: Factors::random(people.n_cols(), params.width, params.seed),
    };
    with_crew(params.threads, |crew| {
        for half in 0..2 * params.rounds {
            if !progress(half as f64 / (2 * params.rounds) as f64) {
                return Err(Error::Cancelled);
            }
            let Als {
                people: x,
                items: y,
            } = &mut model;
            match half % 2 {
                0 => solve_side(people, x, y, params, crew),
                _ => solve_side(&items, y, x, params, crew),
            }
        }
        Ok(())
    })?;
    Ok(model)
}

/// The factors of all rows of `people` where the items are known: each by Cholesky's factor, as
/// [`FoldIn`](super::FoldIn) finds one, in 32 bits.
///
/// After a fit it makes people exact for the items as they are last.
///
/// # Errors
/// [`Error::OutOfRange`] for a parameter; [`Error::Length`] for items of another number or width.
pub fn people_of_items(people: &Pairs, items: &Factors, params: &AlsParams) -> Result<Factors> {
    params.check()?;
    for (what, expected, found) in [
        ("items", people.n_cols(), items.n_rows()),
        ("factors", params.width, items.width()),
    ] {
        if expected != found {
            return Err(Error::Length {
                what,
                expected,
                found,
            });
        }
    }
    let mut rows = Factors::zeros(people.n_rows(), params.width);
    with_crew(params.threads, |crew| {
        let products = gram(items, crew);
        solve_directly(people, &mut rows, items, &products, params, crew);
    });
    Ok(rows)
}

/// What [`als`] makes least of, for any factors: in 64 bits, a row after the other.
///
/// # Panics
/// Where the factors are not of this table and these parameters.
pub fn loss(people: &Pairs, model: &Als, params: &AlsParams) -> f64 {
    let (x, y) = (&model.people, &model.items);
    let mut n_people = vec![0; people.n_cols()];
    let mut sum = 0.0;
    for row in 0..people.n_rows() {
        let (columns, weights) = people.row(row);
        for (column, weight) in columns.iter().zip(weights) {
            n_people[*column as usize] += 1;
            let predicted = f64::from(x.score(row, y, *column as usize));
            let (products, right) = params.weigh(*weight);
            sum += products * predicted * predicted - 2.0 * right * predicted + right;
        }
        sum += params.ridge(columns.len(), y.n_rows()) * square(x, row);
    }
    for (row, n_entries) in n_people.iter().enumerate() {
        sum += params.ridge(*n_entries, x.n_rows()) * square(y, row);
    }
    let products = with_crew(params.threads, |crew| [gram(x, crew), gram(y, crew)]);
    let all: f64 = products[0]
        .iter()
        .zip(&products[1])
        .map(|(a, b)| a * b)
        .sum();
    sum + params.unobserved * all
}

fn square(factors: &Factors, row: usize) -> f64 {
    factors.row(row).map(|x| f64::from(x) * f64::from(x)).sum()
}

/// Solves the rows of one side; the other is at most turned, and so are the rows.
fn solve_side(
    pairs: &Pairs,
    rows: &mut Factors,
    fixed: &mut Factors,
    params: &AlsParams,
    crew: &Crew<'_>,
) {
    let products = gram(fixed, crew);
    match params.solver.steps(params.width) {
        Some(steps) => {
            let (values, vectors) = axes(&products, params.width);
            let turn = Turn::new(&vectors, params.width);
            turn.apply(fixed, crew);
            turn.apply(rows, crew);
            let values = values
                .iter()
                .map(|value| params.unobserved * value.max(0.0));
            let spectrum = in_octets(&values.collect::<Vec<_>>(), params.width);
            let side = Side {
                pairs,
                fixed,
                params,
            };
            for_pieces(pairs, rows, crew, |first, rows| {
                crate::lanes::run(Gradient {
                    side: &side,
                    spectrum: &spectrum,
                    first,
                    rows,
                    steps,
                });
            });
        }
        None => solve_directly(pairs, rows, fixed, &products, params, crew),
    }
}

fn solve_directly(
    pairs: &Pairs,
    rows: &mut Factors,
    fixed: &Factors,
    products: &[f64],
    params: &AlsParams,
    crew: &Crew<'_>,
) {
    let products: Vec<f64> = products.iter().map(|p| params.unobserved * p).collect();
    let gram = in_octets(&products, params.width);
    let side = Side {
        pairs,
        fixed,
        params,
    };
    for_pieces(pairs, rows, crew, |first, rows| {
        crate::lanes::run(Direct {
            side: &side,
            gram: &gram,
            first,
            rows,
        });
    });
}

fn for_pieces(
    pairs: &Pairs,
    rows: &mut Factors,
    crew: &Crew<'_>,
    work: impl Fn(usize, &mut [Octet]) + Sync,
) {
    let octets = rows.n_octets();
    let mut rest = rows.all_mut();
    let mut first = 0;
    let mut pieces = Vec::new();
    for n_rows in pairs.runs(PIECE_ENTRIES, PIECE_ROWS) {
        let (piece, more) = rest.split_at_mut(n_rows * octets);
        pieces.push((first, piece));
        first += n_rows;
        rest = more;
    }
    crew.map_mut(&mut pieces, |_, (first, piece)| work(*first, piece));
}
