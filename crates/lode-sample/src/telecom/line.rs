//! One line of the operator: the customers who have it one after the other.
//!
//! Does not write. Invariant: at the end of every month of decisions somebody has the line, and
//! whether they leave within the horizon is drawn from the plan's probability and nothing else.

use lode_numeric::Rng;

use super::calendar;
use super::cause;
use super::cause::Plan;
use super::event::Event;
use super::month;
use super::month::Month;
use super::month::Stay;
use super::month::Trouble;
use super::person::Person;
use super::record::MISSING;
use super::record::Record;

/// Days after a decision within which those who go have gone.
const LEAVES_WITHIN: u64 = 85;
/// Days within which the line has its next customer.
const FREE: u64 = 5;

/// What became of a line.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) events: Vec<Event>,
    /// Which customer of the line the record is of.
    pub(super) occupant: usize,
    /// Whoever had it when the table was drawn.
    pub(super) record: Record,
    pub(super) has_left: bool,
}

/// A customer who has the line.
struct Occupant {
    person: Person,
    stay: Stay,
    trouble: Trouble,
    months: Vec<Month>,
}

impl Occupant {
    fn new(number: usize, joins: Option<i64>, rng: &mut Rng) -> Self {
        Self {
            person: Person::new(joins, rng),
            stay: Stay {
                occupant: number,
                from: joins.unwrap_or(0),
                until: i64::MAX,
            },
            trouble: Trouble::draw(rng),
            months: Vec::new(),
        }
    }

    fn live(&mut self, month: i64, rng: &mut Rng, events: &mut Vec<Event>) {
        if self.stay.from >= calendar::start(month + 1) {
            return;
        }
        let trouble = &self.trouble;
        let lived = month::live(&mut self.person, self.stay, month, trouble, rng, events);
        self.months.extend(lived);
    }

    fn note(&self, minute: i64, kind: &'static str) -> Event {
        let is_business = self.person.is_business;
        Event {
            minute,
            occupant: self.stay.occupant,
            kind,
            cents: None,
            quantity: None,
            detail: if is_business { "business" } else { "consumer" },
            usage: None,
        }
    }
}

/// All months of a line.
pub(super) fn live(plan: &Plan, rng: &mut Rng) -> Line {
    let missing = [(); 3].map(|()| rng.chance(MISSING));
    let mut events = Vec::new();
    let mut occupant = Occupant::new(0, None, rng);
    let mut drawn = (0, Record::new(&occupant.person, &[], 0, missing), false);
    for month in 0..=calendar::LAST {
        if month % 3 == 1 {
            occupant.trouble = Trouble::draw(rng);
        }
        occupant.live(month, rng, &mut events);
        if occupant.stay.until < calendar::start(month + 1) {
            events.push(occupant.note(occupant.stay.until, "departure"));
            occupant = successor(&occupant, rng);
            events.push(occupant.note(occupant.stay.from, "join"));
            occupant.live(month, rng, &mut events);
        }
        if !calendar::DECISIONS.contains(&month) {
            continue;
        }
        let record = Record::new(&occupant.person, &occupant.months, month, missing);
        let margin = plan.margin(&cause::values(&record));
        let leaves = rng.chance(cause::sigmoid(margin));
        if leaves {
            let day = 1 + rng.below(LEAVES_WITHIN - 1) as i64;
            let minute = day * calendar::DAY + rng.below(1440) as i64;
            occupant.stay.until = calendar::start(month + 1) + minute;
        }
        if month == calendar::SNAPSHOT {
            drawn = (occupant.stay.occupant, record, leaves);
        }
    }
    let (occupant, record, has_left) = drawn;
    Line {
        events,
        occupant,
        record,
        has_left,
    }
}

/// Whoever gets the line after a customer left, some days later and within the same quarter.
fn successor(before: &Occupant, rng: &mut Rng) -> Occupant {
    let wait = 60 + rng.below(FREE * 1440 - 60) as i64;
    Occupant::new(
        before.stay.occupant + 1,
        Some(before.stay.until + wait),
        rng,
    )
}
