//! Items in two roles by what of a history comes first: fit, the best for everybody, the best
//! for one.

use std::path::Path;

use lode_numeric::factors;
use lode_numeric::factors::Excluded;
use lode_numeric::factors::Factors;
use lode_numeric::factors::OrderLoss;
use lode_numeric::factors::PooledParams;
use lode_numeric::factors::Shelf;

use crate::Result;
use crate::als::weighted;
use crate::arguments::Arguments;
use crate::file::Table;
use crate::judge::Judged;
use crate::judge::judge;
use crate::measure::Meter;

/// Places of a list.
const TOP: usize = 10;

pub(crate) fn run(given: &Arguments) -> Result<()> {
    let Table { learn, held_out } = Table::read(Path::new(given.text("file")?))?;
    let defaults = PooledParams::default();
    let params = PooledParams {
        width: given.number_or("width", defaults.width)?,
        epochs: given.number_or("epochs", defaults.epochs)?,
        negatives: given.number_or("negatives", defaults.negatives)?,
        rate: given.number_or("rate", defaults.rate)?,
        regularization: given.number_or("regularization", defaults.regularization)?,
        pooling: given.number_or("pooling", defaults.pooling)?,
        loss: match given.text_or("solver", "softmax") {
            "pairwise" => OrderLoss::Pairwise,
            "softmax" => OrderLoss::Softmax,
            other => return Err(format!("--solver: found {other}").into()),
        },
        seed: given.number_or("seed", defaults.seed)?,
        threads: given.number_or("threads", defaults.threads)?,
    };
    let learn = weighted(&learn, given.text_or("weighting", "binary"), usize::MAX)?;
    let first = given.number_or("first", usize::MAX)?;
    let fitted = match first < learn.n_rows() {
        true => Some(weighted(&learn, "linear", first)?),
        false => None,
    };

    let meter = Meter::start()?;
    let go_on = &lode_numeric::go_on;
    let model = factors::pooled(fitted.as_ref().unwrap_or(&learn), &params, go_on)?;
    let fit = meter.stop()?;

    let meter = Meter::start()?;
    let shelf = Shelf::new(&model.offered);
    let people: Vec<f32> = (0..learn.n_rows())
        .flat_map(|person| {
            let (items, weights) = learn.row(person);
            model.person(items, weights)
        })
        .collect();
    let people = Factors::from_values(&people, params.width + 1)?;
    let best = shelf.best_of_all(&people, &learn, TOP, params.threads, go_on)?;
    let top = meter.stop()?;

    let n_asked = given.number_or("ask", 2000)?.min(learn.n_rows());
    let meter = Meter::start()?;
    for (person, expected) in best.iter().enumerate().take(n_asked) {
        let (items, weights) = learn.row(person);
        let own = model.person(items, weights);
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
