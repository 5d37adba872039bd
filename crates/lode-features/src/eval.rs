//! Evaluates a plan for one customer at all times.
//!
//! Times ascend, so the ends of each range only move forward, and what a range needs a pass
//! for is kept while its ends stay. Floats are always added in the order of the events from
//! the range's first on, so that a plain loop gives the same last digit; only integers,
//! decimals and counts, which are exact, are ever taken off again.

use crate::Result;
use crate::cells::Cell;
use crate::cells::Key;
use crate::numbers;
use crate::output::Output;
use crate::output::overflow;
use crate::plan::AccKind;
use crate::plan::DAY;
use crate::plan::Expr;
use crate::plan::Number;
use crate::plan::Plan;
use crate::plan::Value;
use crate::plan::power;
use crate::stream::Events;
use crate::work::Customer;
use crate::work::View;

/// What is kept between customers: buffers.
pub(crate) struct Eval<'a, 'p> {
    plan: &'p Plan,
    views: &'p [View<'a>],
    as_of: &'p [i64],
    streams: Vec<Events<'a>>,
    ranges: Vec<Ends>,
    accs: Vec<Kept>,
    cells: Vec<Cell<'a>>,
    /// Streams whose gaps are asked for.
    steps: Vec<bool>,
    filled: Vec<Filled>,
}

/// Which events the streams of a source hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Filled {
    Nothing,
    /// All; those up to a time are known at it.
    All,
    /// Those that were known at one time.
    Known,
}

/// A range's first event and the one after its last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Ends {
    lo: usize,
    hi: usize,
}

/// A number of a range, and the ends it was made for.
#[derive(Clone, Debug)]
struct Kept {
    ends: Option<Ends>,
    digits: i128,
    float: f64,
    null: bool,
    bins: [u32; 24],
}

impl<'a, 'p> Eval<'a, 'p> {
    pub(crate) fn new(plan: &'p Plan, views: &'p [View<'a>], as_of: &'p [i64]) -> Self {
        let mut steps = vec![false; plan.streams.len()];
        for out in &plan.outs {
            if let Expr::GapMean(range) | Expr::GapLast(range) | Expr::GapCv(_, range) = out.expr {
                steps[plan.ranges[range].stream] = true;
            }
        }
        for acc in &plan.accs {
            if acc.kind == AccKind::GapStd {
                steps[plan.ranges[acc.range].stream] = true;
            }
        }
        let kept = Kept {
            ends: None,
            digits: 0,
            float: 0.0,
            null: true,
            bins: [0; 24],
        };
        Self {
            plan,
            views,
            as_of,
            streams: plan.streams.iter().map(|_| Events::default()).collect(),
            ranges: vec![Ends::default(); plan.ranges.len()],
            accs: vec![kept; plan.accs.len()],
            cells: vec![Cell::Null; plan.outs.len()],
            steps,
            filled: vec![Filled::Nothing; plan.sources.len()],
        }
    }

    /// Adds the customer's rows.
    pub(crate) fn customer(
        &mut self,
        key: Key<'_>,
        customer: &Customer,
        output: &mut Output<'_>,
    ) -> Result<()> {
        self.filled.fill(Filled::Nothing);
        for date in 0..self.as_of.len() {
            let t = self.as_of[date];
            let mut active = false;
            for source in 0..customer.events.len() {
                active |= self.fill(source, customer, t);
            }
            let known = customer
                .found
                .first()
                .is_some_and(|found| found[date].is_some());
            let counts = match self.plan.population {
                crate::spec::Population::Active => active,
                crate::spec::Population::Known => active || known,
            };
            if !counts {
                continue;
            }
            self.advance(t);
            for acc in 0..self.plan.accs.len() {
                self.accumulate(acc);
            }
            for out in 0..self.plan.outs.len() {
                self.cells[out] = self.value(out, date, t, customer)?;
            }
            output.push(key, t, &self.cells)?;
        }
        Ok(())
    }

    /// Has the streams of a source hold what is known at `t`; whether there is any event.
    fn fill(&mut self, source: usize, customer: &Customer, t: i64) -> bool {
        let events = &customer.events[source];
        let before = events.partition_point(|event| event.time <= t);
        let late = self.plan.sources[source].arrival.is_some()
            && events[..before].iter().any(|event| event.arrival > t);
        if !late {
            if self.filled[source] != Filled::All {
                self.refill(source, events.iter());
                self.filled[source] = Filled::All;
            }
            return before > 0;
        }
        let mut any = false;
        let known = events[..before].iter().filter(|event| event.arrival <= t);
        let known = known.inspect(|_| any = true);
        self.refill(source, known);
        self.filled[source] = Filled::Known;
        any
    }

    fn refill<'e>(&mut self, source: usize, events: impl Iterator<Item = &'e crate::work::Event>) {
        let plans = &self.plan.streams;
        for (plan, stream) in plans.iter().zip(&mut self.streams) {
            if plan.source == source {
                stream.clear();
            }
        }
        for event in events {
            for (plan, stream) in plans.iter().zip(&mut self.streams) {
                if plan.source == source {
                    stream.push(plan, self.views, event);
                }
            }
        }
        for (i, plan) in plans.iter().enumerate() {
            if plan.source == source && self.steps[i] {
                self.streams[i].count_steps();
            }
        }
        let own = |range: usize| plans[self.plan.ranges[range].stream].source == source;
        for (range, ends) in self.ranges.iter_mut().enumerate() {
            if own(range) {
                *ends = Ends::default();
            }
        }
        for (acc, kept) in self.plan.accs.iter().zip(&mut self.accs) {
            if own(acc.range) {
                kept.ends = None;
            }
        }
    }

    /// Moves the ends of all ranges to `t`.
    fn advance(&mut self, t: i64) {
        for (range, ends) in self.plan.ranges.iter().zip(&mut self.ranges) {
            let times = &self.streams[range.stream].times;
            while ends.hi < times.len() && times[ends.hi] <= t {
                ends.hi += 1;
            }
            if let Some(window) = range.window {
                let open = t.saturating_sub(window);
                while ends.lo < ends.hi && times[ends.lo] <= open {
                    ends.lo += 1;
                }
            }
        }
    }

    fn accumulate(&mut self, acc: usize) {
        let plan = &self.plan.accs[acc];
        let ends = self.ranges[plan.range];
        let stream = self.plan.ranges[plan.range].stream;
        let number = match self.plan.streams[stream].value {
            Value::Number(_, number) | Value::Product(_, _, number) => number,
            _ => Number::Float,
        };
        let events = &self.streams[stream];
        let kept = &mut self.accs[acc];
        if kept.ends == Some(ends) {
            return;
        }
        let before = kept.ends.replace(ends);
        let Ends { lo, hi } = ends;
        // What was added already, when the range only grew.
        let grown = before
            .filter(|before| before.lo == lo)
            .map(|before| before.hi);
        let set = |kept: &mut Kept, value: Option<f64>| {
            kept.null = value.is_none();
            kept.float = value.unwrap_or(0.0);
        };
        match (plan.kind, number) {
            (AccKind::Sum, Number::Float) => {
                let (mut sum, from) = match grown {
                    Some(hi) => (kept.float, hi),
                    None => (0.0, lo),
                };
                for value in &events.floats[from..hi] {
                    sum += value;
                }
                set(kept, Some(sum));
            }
            (AccKind::Sum, _) => {
                let old = before.unwrap_or(Ends { lo, hi: lo });
                if before.is_none() {
                    kept.digits = 0;
                }
                kept.null = false;
                if old.hi <= lo {
                    kept.digits = events.ints[lo..hi].iter().sum();
                } else {
                    kept.digits -= events.ints[old.lo..lo].iter().sum::<i128>();
                    kept.digits += events.ints[old.hi..hi].iter().sum::<i128>();
                }
            }
            (AccKind::Min | AccKind::Max, Number::Float) => {
                let is_min = plan.kind == AccKind::Min;
                set(kept, numbers::extreme(&events.floats[lo..hi], is_min));
            }
            (AccKind::Min | AccKind::Max, _) => {
                let values = events.ints[lo..hi].iter().copied();
                let found = match plan.kind {
                    AccKind::Min => values.min(),
                    _ => values.max(),
                };
                kept.null = found.is_none();
                kept.digits = found.unwrap_or(0);
            }
            (AccKind::Std, Number::Float) => set(kept, numbers::std(&events.floats[lo..hi])),
            (AccKind::Std, _) => {
                let values = floats(number, &events.ints[lo..hi]);
                set(kept, numbers::std(&values));
            }
            (AccKind::Trend, Number::Float) => {
                let values = &events.floats[lo..hi];
                set(kept, numbers::slope(&events.times[lo..hi], values));
            }
            (AccKind::Trend, _) => {
                let values = floats(number, &events.ints[lo..hi]);
                set(kept, numbers::slope(&events.times[lo..hi], &values));
            }
            (AccKind::Distinct, _) => {
                let from = if let Some(hi) = grown {
                    hi
                } else {
                    kept.digits = 0;
                    lo
                };
                let is_new = |before: u32| before == crate::stream::NEVER || (before as usize) < lo;
                let new = events.before[from..hi]
                    .iter()
                    .filter(|&&b| is_new(b))
                    .count();
                kept.digits += i128::try_from(new).unwrap_or(0);
                kept.null = false;
            }
            (AccKind::GapStd, _) => set(kept, numbers::gap_std(&events.times[lo..hi])),
            (AccKind::Hours | AccKind::Weekdays, _) => {
                let old = match before {
                    Some(old) if old.hi > lo => old,
                    _ => {
                        kept.bins = [0; 24];
                        Ends { lo, hi: lo }
                    }
                };
                let bin = match plan.kind {
                    AccKind::Hours => numbers::hour,
                    _ => numbers::weekday,
                };
                for &time in &events.times[old.lo..lo] {
                    kept.bins[bin(time)] -= 1;
                }
                for &time in &events.times[old.hi..hi] {
                    kept.bins[bin(time)] += 1;
                }
            }
        }
    }

    fn value(&self, out: usize, date: usize, t: i64, customer: &Customer) -> Result<Cell<'a>> {
        let outs = &self.plan.outs;
        let days = |micros: i64| Cell::Float(numbers::days(micros));
        let ends = |range: usize| self.ranges[range];
        let count = |range: usize| ends(range).hi - ends(range).lo;
        let times = |range: usize| {
            let Ends { lo, hi } = ends(range);
            &self.streams[self.plan.ranges[range].stream].times[lo..hi]
        };
        Ok(match outs[out].expr {
            Expr::Count(range) => Cell::Int(i64::try_from(count(range)).unwrap_or(i64::MAX)),
            Expr::Acc(acc) => self.accumulated(acc, out)?,
            Expr::Mean(acc, range) => match (count(range), self.float(acc)) {
                (0, _) | (_, None) => Cell::Null,
                (n, Some(sum)) => Cell::Float(sum / numbers::float(n)),
            },
            Expr::SinceLast(range) => match times(range).last() {
                None => Cell::Null,
                Some(last) => days(t - last),
            },
            Expr::SinceFirst(range) => match times(range).first() {
                None => Cell::Null,
                Some(first) => days(t - first),
            },
            Expr::GapMean(range) => match self.gap_mean(range) {
                None => Cell::Null,
                Some(mean) => Cell::Float(mean),
            },
            Expr::GapLast(range) => {
                let times = times(range);
                let last = times.last();
                let before = last.and_then(|last| times.iter().rev().find(|time| *time != last));
                match (last, before) {
                    (Some(last), Some(before)) => days(last - before),
                    _ => Cell::Null,
                }
            }
            Expr::GapCv(acc, range) => match (self.float(acc), self.gap_mean(range)) {
                (Some(std), Some(mean)) => Cell::Float(std / mean),
                _ => Cell::Null,
            },
            Expr::Last(range) => self.last(range),
            Expr::ShareCount(part, whole) => match count(whole) {
                0 => Cell::Null,
                n => Cell::Float(numbers::float(count(part)) / numbers::float(n)),
            },
            Expr::ShareSum(part, whole) => match (self.float(part), self.float(whole)) {
                (Some(part), Some(whole)) if whole != 0.0 => Cell::Float(part / whole),
                _ => Cell::Null,
            },
            Expr::Bin(acc, bin, range) => match count(range) {
                0 => Cell::Null,
                n => Cell::Float(f64::from(self.accs[acc].bins[bin]) / numbers::float(n)),
            },
            Expr::Lookup(lookup, column) => match customer.found[lookup][date] {
                None => Cell::Null,
                Some(place) => {
                    self.views[place.batch as usize].columns[column].cell(place.row as usize)
                }
            },
            Expr::Ratio(a, b) => match (self.number(a), self.number(b)) {
                (Some(a), Some(b)) if b != 0.0 => Cell::Float(a / b),
                _ => Cell::Null,
            },
            Expr::Product(a, b) => match (self.number(a), self.number(b)) {
                (Some(a), Some(b)) => Cell::Float(a * b),
                _ => Cell::Null,
            },
            Expr::Concat(a, b) => match (self.cells[a].words(), self.cells[b].words()) {
                (Some(a), Some(b)) => Cell::Owned(format!("{a}|{b}")),
                _ => Cell::Null,
            },
        })
    }

    /// A column that was made before, as a number.
    fn number(&self, out: usize) -> Option<f64> {
        self.cells[out].number(&self.plan.outs[out].data_type)
    }

    fn kind(&self, acc: usize) -> Number {
        let plan = &self.plan.accs[acc];
        match (
            plan.kind,
            &self.plan.streams[self.plan.ranges[plan.range].stream].value,
        ) {
            (AccKind::Sum | AccKind::Min | AccKind::Max, Value::Number(_, number))
            | (AccKind::Sum | AccKind::Min | AccKind::Max, Value::Product(_, _, number)) => *number,
            (AccKind::Distinct, _) => Number::Int,
            _ => Number::Float,
        }
    }

    fn float(&self, acc: usize) -> Option<f64> {
        let kept = &self.accs[acc];
        (!kept.null).then(|| match self.kind(acc) {
            Number::Float => kept.float,
            Number::Int => kept.digits as f64,
            Number::Decimal(scale) => kept.digits as f64 / power(scale),
        })
    }

    fn accumulated(&self, acc: usize, out: usize) -> Result<Cell<'a>> {
        let kept = &self.accs[acc];
        if kept.null {
            return Ok(Cell::Null);
        }
        let out = &self.plan.outs[out];
        match self.kind(acc) {
            Number::Float => Ok(Cell::Float(kept.float)),
            Number::Int => match i64::try_from(kept.digits) {
                Ok(value) => Ok(Cell::Int(value)),
                Err(_) => Err(overflow(&out.name, &out.data_type)),
            },
            Number::Decimal(_) if kept.digits.unsigned_abs() < 10_u128.pow(38) => {
                Ok(Cell::Decimal(kept.digits))
            }
            Number::Decimal(_) => Err(overflow(&out.name, &out.data_type)),
        }
    }

    /// Whole length by number of gaps, which is their mean without adding floats.
    fn gap_mean(&self, range: usize) -> Option<f64> {
        let Ends { lo, hi } = self.ranges[range];
        if lo == hi {
            return None;
        }
        let events = &self.streams[self.plan.ranges[range].stream];
        let gaps = events.steps[hi - 1] - events.steps[lo];
        let length = numbers::days(events.times[hi - 1] - events.times[lo]);
        (gaps > 0).then(|| length / f64::from(gaps))
    }

    fn last(&self, range: usize) -> Cell<'a> {
        let Ends { lo, hi } = self.ranges[range];
        if lo == hi {
            return Cell::Null;
        }
        let stream = self.plan.ranges[range].stream;
        let events = &self.streams[stream];
        match self.plan.streams[stream].value {
            Value::Place(column) => {
                let place = events.places[hi - 1];
                self.views[place.batch as usize].columns[column].cell(place.row as usize)
            }
            Value::Number(_, Number::Float) | Value::Product(_, _, Number::Float) => {
                Cell::Float(events.floats[hi - 1])
            }
            Value::Number(_, Number::Int) | Value::Product(_, _, Number::Int) => {
                i64::try_from(events.ints[hi - 1]).map_or(Cell::Null, Cell::Int)
            }
            Value::Number(_, Number::Decimal(_)) | Value::Product(_, _, Number::Decimal(_)) => {
                Cell::Decimal(events.ints[hi - 1])
            }
            Value::Time | Value::Code(_) | Value::Day => Cell::Int(events.times[hi - 1] / DAY),
        }
    }
}

fn floats(number: Number, digits: &[i128]) -> Vec<f64> {
    let scale = match number {
        Number::Decimal(scale) => power(scale),
        _ => 1.0,
    };
    digits.iter().map(|&digits| digits as f64 / scale).collect()
}
