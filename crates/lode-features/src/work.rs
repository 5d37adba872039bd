//! Computes one task: merges its runs customer by customer and evaluates them together.

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use arrow_select::concat::concat_batches;

use crate::Result;
use crate::block::Block;
use crate::cells::Column;
use crate::cells::Key;
use crate::eval::evaluate;
use crate::plan::Plan;
use crate::rows::Data;
use crate::rows::Owner;
use crate::rows::Place;
use crate::rows::Run;
use crate::scan::Piece;
use crate::scan::Task;
use crate::scan::counts;
use crate::training;
use crate::training::TrainingInput;

/// An event of the customer at hand.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Event {
    pub(crate) time: i64,
    pub(crate) arrival: i64,
    pub(crate) place: Place,
}

/// The columns of a batch.
#[derive(Debug)]
pub(crate) struct View<'a> {
    pub(crate) columns: Vec<Column<'a>>,
}

/// One customer's rows: events by source in the order of time, and their row in each lookup
/// at each time.
#[derive(Debug, Default)]
pub(crate) struct Customer {
    pub(crate) events: Vec<Vec<Event>>,
    pub(crate) found: Vec<Vec<Option<Place>>>,
}

/// Events of a block at most: where many are late, a customer's rows see one segment each.
const EVENTS: usize = if cfg!(test) { 500 } else { 1 << 22 };

/// What all tasks of a computation have.
#[derive(Clone, Copy)]
pub(crate) struct Work<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) schema: &'a SchemaRef,
    pub(crate) runs: &'a [Run],
    pub(crate) as_of: &'a [i64],
    pub(crate) training: &'a TrainingInput,
}

/// The rows of a task; none when no customer of it gets one.
pub(crate) fn work(of: Work<'_>, task: &Task) -> Result<Option<RecordBatch>> {
    let mut done = Vec::new();
    blocks(of, task, &mut |views, block| {
        done.extend(rows(of, views, block)?);
        Ok(())
    })?;
    Ok(match done.len() {
        // Where a batch ends must not depend on what is not known yet.
        2.. => Some(concat_batches(of.schema, &done)?),
        _ => done.pop(),
    })
}

/// Goes through the rows of a task, some thousand at a time.
pub(crate) fn blocks(
    of: Work<'_>,
    task: &Task,
    each: &mut dyn FnMut(&[View<'_>], &Block<'_, '_>) -> Result<()>,
) -> Result<()> {
    let Work {
        plan, runs, as_of, ..
    } = of;
    let batches = batches(runs, task)?;
    let views: Vec<View<'_>> = batches.iter().map(view).collect();
    let mut walks = walks(plan, runs, task, &views);
    let mut customer = Customer {
        events: vec![Vec::new(); plan.sources.len()],
        found: vec![vec![None; as_of.len()]; plan.lookups.len()],
    };
    let mut block = Block::new(plan);
    while let Some(key) = gather(plan, &views, &mut walks, &mut customer) {
        if of.training.excluded.contains(key) {
            continue;
        }
        block.next_customer();
        for (date, &t) in as_of.iter().enumerate() {
            block.push(key, &customer, date, t);
            if block.n_events() >= EVENTS {
                each(&views, &block)?;
                block.clear();
            }
        }
    }
    if block.times.is_empty() {
        return Ok(());
    }
    each(&views, &block)
}

fn rows(of: Work<'_>, views: &[View<'_>], block: &Block<'_, '_>) -> Result<Option<RecordBatch>> {
    if block.times.is_empty() {
        return Ok(None);
    }
    match &of.plan.training {
        None => evaluate(of.plan, of.schema, views, block).map(Some),
        Some(training) => training::rows(of, training, views, block),
    }
}

/// All batches of a task, run by run.
fn batches(runs: &[Run], task: &Task) -> Result<Vec<RecordBatch>> {
    let mut all = Vec::new();
    for (run, piece) in runs.iter().zip(&task.pieces) {
        match (piece, &run.data) {
            (Piece::Batches { slots, .. }, _) => {
                for slot in slots {
                    all.push(slot.get()?);
                }
            }
            (Piece::Order { first, end }, Data::Ordered { batches, .. }) if first < end => {
                all.extend(batches.iter().cloned());
            }
            (Piece::Order { .. }, _) => {}
        }
    }
    Ok(all)
}

fn view(batch: &RecordBatch) -> View<'_> {
    // Types were checked when the rows came in, and all of them have a column.
    View {
        columns: batch.columns().iter().filter_map(Column::new).collect(),
    }
}

/// Goes along the rows of a piece.
struct Walk<'a> {
    owner: Owner,
    id: usize,
    /// Number of the piece's first batch among the task's.
    base: u32,
    form: Form<'a>,
    counts: bool,
}

enum Form<'a> {
    Batches {
        batch: u32,
        row: usize,
        last: u32,
        end: usize,
    },
    Order {
        order: &'a [Place],
    },
}

fn walks<'a>(plan: &Plan, runs: &'a [Run], task: &Task, views: &[View<'_>]) -> Vec<Walk<'a>> {
    let mut walks = Vec::new();
    let mut base = 0;
    for (run, piece) in runs.iter().zip(&task.pieces) {
        let id = match run.owner {
            Owner::Source(source) => plan.sources[source].id,
            Owner::Lookup { lookup, .. } => plan.lookups[lookup].id,
        };
        let (n, form) = match (piece, &run.data) {
            (Piece::Batches { slots, first, end }, _) if !slots.is_empty() => {
                let n = u32::try_from(slots.len()).unwrap_or(u32::MAX);
                let form = Form::Batches {
                    batch: base,
                    row: *first,
                    last: base + n - 1,
                    end: *end,
                };
                (n, form)
            }
            (Piece::Order { first, end }, Data::Ordered { batches, order }) if first < end => {
                let n = u32::try_from(batches.len()).unwrap_or(u32::MAX);
                let order = &order[*first..*end];
                (n, Form::Order { order })
            }
            _ => continue,
        };
        walks.push(Walk {
            owner: run.owner,
            id,
            base,
            form,
            counts: counts(plan, run.owner),
        });
        base += n;
    }
    debug_assert_eq!(base as usize, views.len(), "each batch belongs to a piece");
    walks
}

impl Walk<'_> {
    /// The row it stands at, and its customer.
    fn peek<'v>(&mut self, views: &[View<'v>]) -> Option<(Key<'v>, Place)> {
        loop {
            let place = match &mut self.form {
                Form::Order { order } => {
                    let place = order.first()?;
                    Place {
                        batch: self.base + place.batch,
                        row: place.row,
                    }
                }
                Form::Batches {
                    batch,
                    row,
                    last,
                    end,
                } => {
                    if *batch < *last && *row >= views[*batch as usize].columns[self.id].len() {
                        *batch += 1;
                        *row = 0;
                        continue;
                    }
                    if *batch == *last && *row >= *end {
                        return None;
                    }
                    Place {
                        batch: *batch,
                        row: u32::try_from(*row).unwrap_or(u32::MAX),
                    }
                }
            };
            let ids = views[place.batch as usize].columns[self.id];
            if let Some(key) = ids.key(place.row as usize) {
                return Some((key, place));
            }
            self.step();
        }
    }

    fn step(&mut self) {
        match &mut self.form {
            Form::Order { order } => *order = &order[1..],
            Form::Batches { row, .. } => *row += 1,
        }
    }
}

/// Fills in the next customer; none at the end of the task.
fn gather<'v>(
    plan: &Plan,
    views: &[View<'v>],
    walks: &mut [Walk<'_>],
    customer: &mut Customer,
) -> Option<Key<'v>> {
    let counting = walks.iter_mut().filter(|walk| walk.counts);
    let key = counting
        .filter_map(|walk| walk.peek(views).map(|(key, _)| key))
        .min()?;
    for events in &mut customer.events {
        events.clear();
    }
    for found in &mut customer.found {
        found.fill(None);
    }
    for walk in walks {
        match walk.owner {
            Owner::Source(source) => {
                let plan = &plan.sources[source];
                let events = &mut customer.events[source];
                let before = events.last().map(|event| event.time);
                let mut in_order = true;
                let mut last = before.unwrap_or(i64::MIN);
                while let Some((found, place)) = walk.peek(views)
                    && (found == key || !walk.counts && found < key)
                {
                    walk.step();
                    if found != key {
                        continue;
                    }
                    let view = &views[place.batch as usize];
                    let row = place.row as usize;
                    // An event without a time has not happened at any.
                    let Some(time) = view.columns[plan.time].time(row) else {
                        continue;
                    };
                    // One that never arrived is not known at any.
                    let arrival = match plan.arrival {
                        None => i64::MIN,
                        Some(at) => view.columns[at].time(row).unwrap_or(i64::MAX),
                    };
                    if arrival > plan.known_by {
                        continue;
                    }
                    in_order &= time >= last;
                    last = time;
                    events.push(Event {
                        time,
                        arrival,
                        place,
                    });
                }
                if !in_order {
                    events.sort_by_key(|event| event.time);
                }
            }
            Owner::Lookup { lookup, date } => {
                while let Some((found, place)) = walk.peek(views)
                    && found <= key
                {
                    walk.step();
                    if found == key {
                        customer.found[lookup][date] = Some(place);
                    }
                }
            }
        }
    }
    Some(key)
}
