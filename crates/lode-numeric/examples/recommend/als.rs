//! Factors by alternating least squares: fit, the best for everybody, the best for one.

use std::path::Path;

use lode_numeric::factors;
use lode_numeric::factors::AlsParams;
use lode_numeric::factors::Excluded;
use lode_numeric::factors::FoldIn;
use lode_numeric::factors::Form;
use lode_numeric::factors::Pairs;
use lode_numeric::factors::Shelf;
use lode_numeric::factors::Solver;

use crate::Result;
use crate::arguments::Arguments;
use crate::file::Table;
use crate::judge::Judged;
use crate::judge::judge;
use crate::measure::Meter;

/// Places of a list.
const TOP: usize = 10;

pub(crate) fn run(given: &Arguments) -> Result<()> {
    let Table { learn, held_out } = Table::read(Path::new(given.text("file")?))?;
    let defaults = AlsParams::default();
    let params = AlsParams {
        width: given.number_or("width", defaults.width)?,
        rounds: given.number_or("rounds", defaults.rounds)?,
        regularization: given.number_or("regularization", defaults.regularization)?,
        frequency: given.number_or("frequency", defaults.frequency)?,
        unobserved: given.number_or("unobserved", defaults.unobserved)?,
        confidence: given.number_or("confidence", defaults.confidence)?,
        form: match given.text_or("form", "everywhere") {
            "everywhere" => Form::Everywhere,
            "elsewhere" => Form::Elsewhere,
            other => return Err(format!("--form: found {other}").into()),
        },
        solver: match given.text_or("solver", "auto") {
            "auto" => Solver::Auto,
            "cholesky" => Solver::Cholesky,
            steps => Solver::Gradient {
                steps: steps.parse()?,
            },
        },
        seed: given.number_or("seed", defaults.seed)?,
        threads: given.number_or("threads", defaults.threads)?,
    };
    let learn = weighted(&learn, given.text_or("weighting", "linear"), usize::MAX)?;
    // The others are strangers: factors of theirs come from their histories alone.
    let first = given.number_or("first", usize::MAX)?;
    let fitted = match first < learn.n_rows() {
        true => Some(weighted(&learn, "linear", first)?),
        false => None,
    };

    let meter = Meter::start()?;
    let go_on = &lode_numeric::go_on;
    let mut model = factors::als(fitted.as_ref().unwrap_or(&learn), &params, go_on)?;
    model.people = factors::people_of_items(&learn, &model.items, &params)?;
    let fit = meter.stop()?;

    let meter = Meter::start()?;
    let shelf = Shelf::new(&model.items);
    let best = shelf.best_of_all(&model.people, &learn, TOP, params.threads, go_on)?;
    let top = meter.stop()?;

    let n_asked = given.number_or("ask", 2000)?.min(learn.n_rows());
    let fold = FoldIn::new(&model.items, &params)?;
    let meter = Meter::start()?;
    for (person, expected) in best.iter().enumerate().take(n_asked) {
        let (items, weights) = learn.row(person);
        let own = fold.factors(&model.items, items, weights)?;
        let found = shelf.best(&own, Excluded::Items(items), TOP)?;
        if found != *expected {
            return Err(format!("person {person} alone gets other items").into());
        }
    }
    let ask = meter.stop()?;

    let judged_people = given.number_or("judge", learn.n_rows())?;
    let lists = best.iter().take(judged_people);
    let items = lists.map(|list| list.iter().map(|scored| scored.item).collect());
    let Judged {
        n_people,
        ndcg,
        hits,
    } = judge(&items.collect::<Vec<Vec<u32>>>(), &held_out);
    println!(
        r#"{{{},{},{},"asked":{n_asked},"judged":{n_people},"ndcg_10":{ndcg},"hits_10":{hits}}}"#,
        fit.json("fit"),
        top.json("top"),
        ask.json("ask"),
    );
    Ok(())
}

/// The first rows of a table, their weights as `weighting` says.
fn weighted(table: &Pairs, weighting: &str, first: usize) -> Result<Pairs> {
    let weigh: fn(f32) -> f32 = match weighting {
        "binary" => |_| 1.0,
        "log" => |weight| (1.0 + weight).log2(),
        "linear" => |weight| weight,
        other => return Err(format!("--weighting: found {other}").into()),
    };
    let mut starts = vec![0];
    let (mut columns, mut weights) = (Vec::new(), Vec::new());
    for row in 0..table.n_rows() {
        if row < first {
            let (own, own_weights) = table.row(row);
            columns.extend_from_slice(own);
            weights.extend(own_weights.iter().map(|weight| weigh(*weight)));
        }
        starts.push(columns.len());
    }
    Ok(Pairs::from_rows(starts, columns, weights, table.n_cols())?)
}
