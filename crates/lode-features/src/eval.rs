//! Evaluates a plan for all rows of a block, column by column.
//!
//! Streams are read, then the ends of each range at each row are found, then the numbers that
//! take a pass, then the columns: each a loop over plain vectors.

use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::RecordBatch;
use arrow_array::TimestampMicrosecondArray;
use arrow_schema::SchemaRef;

use crate::Result;
use crate::block::Block;
use crate::cells::Cell;
use crate::cells::Column;
use crate::numbers;
use crate::output;
use crate::plan::AccKind;
use crate::plan::DAY;
use crate::plan::Expr;
use crate::plan::Number;
use crate::plan::Out;
use crate::plan::Plan;
use crate::plan::Value;
use crate::plan::power;
use crate::stream::Events;
use crate::tally;
use crate::tally::Ends;
use crate::tally::Numbers;
use crate::work::View;

/// The rows of a block as a batch.
pub(crate) fn evaluate(
    plan: &Plan,
    schema: &SchemaRef,
    views: &[View<'_>],
    block: &Block<'_, '_>,
) -> Result<RecordBatch> {
    let outs = outs(plan, views, block)?;
    let mut columns = subjects(schema, block);
    columns.extend(plan.columns.iter().map(|&out| Arc::clone(&outs[out])));
    Ok(RecordBatch::try_new(Arc::clone(schema), columns)?)
}

/// All numbers of a block's rows, those that are no columns too.
pub(crate) fn outs(
    plan: &Plan,
    views: &[View<'_>],
    block: &Block<'_, '_>,
) -> Result<Vec<ArrayRef>> {
    let eval = Eval::new(plan, views, block);
    let mut outs: Vec<ArrayRef> = Vec::with_capacity(plan.outs.len());
    for out in &plan.outs {
        let column = eval.column(out, &outs)?;
        outs.push(column);
    }
    Ok(outs)
}

/// The customer and the time of each row of a block.
pub(crate) fn subjects(schema: &SchemaRef, block: &Block<'_, '_>) -> Vec<ArrayRef> {
    let times = TimestampMicrosecondArray::from(block.times.clone());
    let times = times.with_data_type(schema.field(1).data_type().clone());
    let ids = output::keys(schema.field(0).data_type(), block.keys.iter().copied());
    vec![ids, Arc::new(times)]
}

struct Eval<'a, 'p> {
    plan: &'p Plan,
    views: &'p [View<'a>],
    block: &'p Block<'a, 'p>,
    streams: Vec<Events>,
    /// Of each range at each row.
    ranges: Vec<Rc<[Ends]>>,
    accs: Vec<Numbers>,
}

impl<'a, 'p> Eval<'a, 'p> {
    fn new(plan: &'p Plan, views: &'p [View<'a>], block: &'p Block<'a, 'p>) -> Self {
        let gaps = with_gaps(plan);
        let streams = plan.streams.iter().zip(gaps).map(|(stream, has_gaps)| {
            Events::read(stream, views, &block.sources[stream.source], has_gaps)
        });
        let streams: Vec<Events> = streams.collect();
        let segments = |stream: usize| &block.sources[plan.streams[stream].source].segments[..];
        // Streams that leave out no event have the same times.
        let alike = |stream: usize| {
            let source = plan.streams[stream].source;
            let is_whole = streams[stream].times.len() == block.sources[source].events.len();
            if is_whole { Err(source) } else { Ok(stream) }
        };
        let mut ranges: Vec<Rc<[Ends]>> = Vec::with_capacity(plan.ranges.len());
        for range in &plan.ranges {
            let same = plan.ranges[..ranges.len()].iter().position(|other| {
                (other.window, other.ahead) == (range.window, range.ahead)
                    && alike(other.stream) == alike(range.stream)
            });
            ranges.push(match same {
                Some(same) => Rc::clone(&ranges[same]),
                None => {
                    let (events, segments) = (&streams[range.stream], segments(range.stream));
                    let times = later(&block.times, range.ahead);
                    tally::ends(events, range.window, segments, &times).into()
                }
            });
        }
        let accs = plan.accs.iter().map(|acc| {
            let stream = plan.ranges[acc.range].stream;
            let number = match plan.streams[stream].value {
                Value::Number(_, number) | Value::Product(_, _, number) => number,
                _ => Number::Float,
            };
            let ends = &ranges[acc.range];
            tally::numbers(acc.kind, number, &streams[stream], ends, segments(stream))
        });
        let accs = accs.collect();
        Self {
            plan,
            views,
            block,
            streams,
            ranges,
            accs,
        }
    }

    /// A column; `outs` are those before it.
    fn column(&self, out: &Out, outs: &[ArrayRef]) -> Result<ArrayRef> {
        let rows = 0..self.block.times.len();
        let times = &self.block.times;
        let count = |range: usize| {
            let ends = self.ranges[range].iter();
            ends.map(|ends| ends.hi - ends.lo)
        };
        Ok(match out.expr {
            Expr::Count(range) => {
                output::ints(count(range).map(|n| Some(i64::try_from(n).unwrap_or(i64::MAX))))
            }
            Expr::Acc(acc) => self.accumulated(acc, out)?,
            Expr::Mean(acc, range) => {
                let sums = self.floats(acc).into_iter();
                output::floats(sums.zip(count(range)).map(|(sum, n)| match n {
                    0 => None,
                    n => sum.map(|sum| sum / numbers::float(n)),
                }))
            }
            Expr::SinceLast(range) => {
                let (events, ends) = self.range(range);
                output::floats(ends.iter().zip(times).map(|(ends, t)| {
                    (ends.lo < ends.hi).then(|| numbers::days(t - events.times[ends.hi - 1]))
                }))
            }
            Expr::SinceFirst(range) => {
                let (events, ends) = self.range(range);
                output::floats(ends.iter().zip(times).map(|(ends, t)| {
                    (ends.lo < ends.hi).then(|| numbers::days(t - events.times[ends.lo]))
                }))
            }
            Expr::GapMean(range) => {
                let (events, ends) = self.range(range);
                output::floats(ends.iter().map(|ends| gap_mean(events, *ends)))
            }
            Expr::GapLast(range) => {
                let (events, ends) = self.range(range);
                output::floats(ends.iter().map(|ends| {
                    let (_, end) = tally::gaps(events, ends.lo, ends.hi)?;
                    Some(events.gaps[end - 1])
                }))
            }
            Expr::GapCv(acc, range) => {
                let (events, ends) = self.range(range);
                let stds = self.floats(acc).into_iter().zip(ends);
                output::floats(stds.map(|(std, ends)| Some(std? / gap_mean(events, *ends)?)))
            }
            Expr::Last(range) => self.last(range, out),
            Expr::ShareCount(part, whole) => output::floats(count(part).zip(count(whole)).map(
                |(part, whole)| match whole {
                    0 => None,
                    n => Some(numbers::float(part) / numbers::float(n)),
                },
            )),
            Expr::ShareSum(part, whole) => {
                let sums = self.floats(part).into_iter().zip(self.floats(whole));
                output::floats(sums.map(|sums| quotient(sums.0, sums.1)))
            }
            Expr::Bin(acc, bin, range) => {
                let bins = match &self.accs[acc] {
                    Numbers::Bins(bins) => &bins[..],
                    Numbers::Floats(_) | Numbers::Digits(_) => &[],
                };
                output::floats(bins.iter().zip(count(range)).map(|(bins, n)| match n {
                    0 => None,
                    n => Some(f64::from(bins[bin]) / numbers::float(n)),
                }))
            }
            Expr::Lookup(lookup, column) => {
                let places = self.block.found[lookup].iter();
                let found = places.map(|place| match place {
                    None => Cell::Null,
                    Some(place) => {
                        self.views[place.batch as usize].columns[column].cell(place.row as usize)
                    }
                });
                output::cells(&out.data_type, found)
            }
            Expr::Ratio(a, b) => {
                let (a, b) = (Column::new(&outs[a]), Column::new(&outs[b]));
                output::floats(rows.map(|row| quotient(a?.number(row), b?.number(row))))
            }
            Expr::Product(a, b) => {
                let (a, b) = (Column::new(&outs[a]), Column::new(&outs[b]));
                output::floats(rows.map(|row| Some(a?.number(row)? * b?.number(row)?)))
            }
            Expr::Concat(a, b) => {
                let (a, b) = (Column::new(&outs[a]), Column::new(&outs[b]));
                let joined = |row| {
                    let (a, b) = (a?.cell(row).words()?, b?.cell(row).words()?);
                    Some(Cell::Owned(format!("{a}|{b}")))
                };
                let cells = rows.map(|row| joined(row).unwrap_or(Cell::Null));
                output::cells(&out.data_type, cells)
            }
        })
    }

    fn range(&self, range: usize) -> (&Events, &[Ends]) {
        let stream = self.plan.ranges[range].stream;
        (&self.streams[stream], &self.ranges[range])
    }

    /// How the numbers of an acc are kept.
    fn kind(&self, acc: usize) -> Number {
        let plan = &self.plan.accs[acc];
        let stream = self.plan.ranges[plan.range].stream;
        match (plan.kind, &self.plan.streams[stream].value) {
            (
                AccKind::Sum | AccKind::Min | AccKind::Max,
                Value::Number(_, number) | Value::Product(_, _, number),
            ) => *number,
            (AccKind::Distinct, _) => Number::Int,
            _ => Number::Float,
        }
    }

    /// The numbers of an acc as floats.
    fn floats(&self, acc: usize) -> Vec<Option<f64>> {
        match &self.accs[acc] {
            Numbers::Floats(values) => values.clone(),
            Numbers::Digits(digits) => {
                let scale = match self.kind(acc) {
                    Number::Decimal(scale) => power(scale),
                    Number::Int | Number::Float => 1.0,
                };
                let values = digits.iter();
                values.map(|d| d.map(|d| d as f64 / scale)).collect()
            }
            Numbers::Bins(bins) => vec![None; bins.len()],
        }
    }

    fn accumulated(&self, acc: usize, out: &Out) -> Result<ArrayRef> {
        let digits = match &self.accs[acc] {
            Numbers::Floats(values) => return Ok(output::floats(values.iter().copied())),
            Numbers::Digits(digits) => digits,
            Numbers::Bins(bins) => return Ok(output::floats(bins.iter().map(|_| None))),
        };
        let overflow = || output::overflow(&out.name, &out.data_type);
        if let Number::Decimal(_) = self.kind(acc) {
            let mut values = digits.iter().flatten();
            if values.any(|digits| digits.unsigned_abs() >= 10_u128.pow(38)) {
                return Err(overflow());
            }
            return Ok(output::decimals(&out.data_type, digits.iter().copied()));
        }
        let values = digits
            .iter()
            .map(|value| value.map(i64::try_from).transpose());
        let values: Vec<Option<i64>> = values
            .collect::<std::result::Result<_, _>>()
            .map_err(|_| overflow())?;
        Ok(output::ints(values.into_iter()))
    }

    /// The value of each row's last event.
    fn last(&self, range: usize, out: &Out) -> ArrayRef {
        let (events, ends) = self.range(range);
        let last = ends.iter().map(|ends| {
            let last = ends.hi.checked_sub(1);
            last.filter(|_| ends.lo < ends.hi)
        });
        match self.plan.streams[self.plan.ranges[range].stream].value {
            Value::Place(column) => {
                let cell = |at: usize| {
                    let place = events.places[at];
                    self.views[place.batch as usize].columns[column].cell(place.row as usize)
                };
                let cells = last.map(|at| at.map_or(Cell::Null, cell));
                output::cells(&out.data_type, cells)
            }
            Value::Number(_, Number::Float) | Value::Product(_, _, Number::Float) => {
                output::floats(last.map(|at| at.map(|at| events.floats[at])))
            }
            Value::Number(_, Number::Int) | Value::Product(_, _, Number::Int) => {
                output::ints(last.map(|at| i64::try_from(events.ints[at?]).ok()))
            }
            Value::Number(_, Number::Decimal(_)) | Value::Product(_, _, Number::Decimal(_)) => {
                output::decimals(&out.data_type, last.map(|at| at.map(|at| events.ints[at])))
            }
            Value::Time | Value::Code(_) | Value::Day => {
                output::ints(last.map(|at| Some(events.times[at?] / DAY)))
            }
        }
    }
}

/// The times of rows, moved.
pub(crate) fn later(times: &[i64], ahead: i64) -> Cow<'_, [i64]> {
    match ahead {
        0 => Cow::Borrowed(times),
        ahead => times.iter().map(|t| t.saturating_add(ahead)).collect(),
    }
}

/// Which streams have their gaps asked for.
fn with_gaps(plan: &Plan) -> Vec<bool> {
    let mut gaps = vec![false; plan.streams.len()];
    for out in &plan.outs {
        if let Expr::GapMean(range) | Expr::GapLast(range) | Expr::GapCv(_, range) = out.expr {
            gaps[plan.ranges[range].stream] = true;
        }
    }
    for acc in &plan.accs {
        if acc.kind == AccKind::GapStd {
            gaps[plan.ranges[acc.range].stream] = true;
        }
    }
    gaps
}

/// Whole length by number of gaps, which is their mean without adding floats.
fn gap_mean(events: &Events, Ends { lo, hi }: Ends) -> Option<f64> {
    let (first, end) = tally::gaps(events, lo, hi)?;
    let length = numbers::days(events.times[hi - 1] - events.times[lo]);
    Some(length / numbers::float(end - first))
}

/// Null where the divisor is 0.
fn quotient(a: Option<f64>, b: Option<f64>) -> Option<f64> {
    match (a, b) {
        (Some(a), Some(b)) if b != 0.0 => Some(a / b),
        _ => None,
    }
}
