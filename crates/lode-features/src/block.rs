//! The rows that a task will give: customers by times, and which events each row may see.
//!
//! Events lie in segments. A row sees its customer's segment of all events, up to its time, or,
//! where events had not arrived yet, a segment of its own without them.

use crate::cells::Key;
use crate::plan::Plan;
use crate::rows::Place;
use crate::spec::Population;
use crate::work::Customer;
use crate::work::Event;

/// Some rows, ascending by customer and time.
pub(crate) struct Block<'a, 'p> {
    plan: &'p Plan,
    /// The customer of each row.
    pub(crate) keys: Vec<Key<'a>>,
    /// The time of each row.
    pub(crate) times: Vec<i64>,
    /// The number of that time.
    pub(crate) dates: Vec<u32>,
    /// What each row sees of each source.
    pub(crate) sources: Vec<Seen>,
    /// The place of each row in each lookup.
    pub(crate) found: Vec<Vec<Option<Place>>>,
}

/// Events of a source, and the segment that each row sees.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) events: Vec<Event>,
    /// Where each segment ends; it begins where the one before ends.
    pub(crate) ends: Vec<u32>,
    /// The segment of each row.
    pub(crate) segments: Vec<u32>,
    /// The segment of all events of the customer at hand, once it is there.
    all: Option<u32>,
}

impl<'a, 'p> Block<'a, 'p> {
    pub(crate) fn new(plan: &'p Plan) -> Self {
        Self {
            plan,
            keys: Vec::new(),
            times: Vec::new(),
            dates: Vec::new(),
            sources: plan.sources.iter().map(|_| Seen::default()).collect(),
            found: vec![Vec::new(); plan.lookups.len()],
        }
    }

    /// Rows that follow are of another customer.
    pub(crate) fn next_customer(&mut self) {
        for source in &mut self.sources {
            source.all = None;
        }
    }

    /// Adds the customer's row at a time, if it gets one.
    pub(crate) fn push(&mut self, key: Key<'a>, customer: &Customer, date: usize, t: i64) {
        let mut active = false;
        for (source, events) in customer.events.iter().enumerate() {
            let plan = &self.plan.sources[source];
            let arrives = plan.arrival.is_some() && !plan.is_outcome;
            let has_some = self.sources[source].see(events, arrives, t);
            active |= has_some && plan.counts;
        }
        let known = customer
            .found
            .first()
            .is_some_and(|found| found[date].is_some());
        let counts = match self.plan.population {
            Population::Active => active,
            Population::Known => active || known,
        };
        if !counts {
            for source in &mut self.sources {
                source.segments.pop();
            }
            return;
        }
        self.keys.push(key);
        self.times.push(t);
        self.dates.push(short(date));
        for (rows, found) in self.found.iter_mut().zip(&customer.found) {
            rows.push(found[date]);
        }
    }

    /// Events of all segments.
    pub(crate) fn n_events(&self) -> usize {
        self.sources.iter().map(|source| source.events.len()).sum()
    }

    /// Takes out all rows, for those that follow.
    pub(crate) fn clear(&mut self) {
        self.keys.clear();
        self.times.clear();
        self.dates.clear();
        for found in &mut self.found {
            found.clear();
        }
        for source in &mut self.sources {
            source.events.clear();
            source.ends.clear();
            source.segments.clear();
            source.all = None;
        }
    }
}

impl Seen {
    /// Gives the next row its segment; whether there is an event that is known at `t`.
    fn see(&mut self, events: &[Event], arrives: bool, t: i64) -> bool {
        let before = match events.last() {
            Some(last) if last.time <= t => events.len(),
            _ => events.partition_point(|event| event.time <= t),
        };
        let late = arrives && events[..before].iter().any(|event| event.arrival > t);
        if late {
            let first = self.events.len();
            let known = events[..before].iter().filter(|event| event.arrival <= t);
            self.events.extend(known);
            let segment = self.end();
            self.segments.push(segment);
            return self.events.len() > first;
        }
        let segment = match self.all {
            Some(segment) => segment,
            None => {
                self.events.extend_from_slice(events);
                let segment = self.end();
                self.all = Some(segment);
                segment
            }
        };
        self.segments.push(segment);
        before > 0
    }

    /// Ends a segment and gives its number.
    fn end(&mut self) -> u32 {
        self.ends.push(short(self.events.len()));
        short(self.ends.len() - 1)
    }
}

/// An index within a block, whose rows and events `work` bounds far below 2^32.
pub(crate) fn short(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
