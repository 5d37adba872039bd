//! Which rows a recommender's fits do not see, whom it is asked about, and what is to be found.
//!
//! Windows: the fit sees what was before a window, and is asked about those who came in it. Last:
//! the last visit of each customer is kept back. Strangers: some customers are kept back whole,
//! but for the history that the question tells. Given: the caller says what is to be found.
//! Invariant: what is to be found is in no row that the fit sees and in no question.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use lode_numeric::Rng;
use lode_types::Timestamp;

use super::events::Events;
use super::events::TIMELESS;
use super::names::NONE;
use crate::Error;
use crate::OfferProtocol;
use crate::Result;

pub(super) const DAY: i64 = 24 * 60 * 60 * 1_000_000;
/// Windows that judge, where nothing else is said.
const WINDOWS: usize = 3;
/// Of customers with two items or more, one in so many is a stranger.
const STRANGERS: usize = 10;
/// Of what known customers have, one in so many is hidden.
const HIDDEN: usize = 10;
/// Longest history that a question tells.
const MOST_SESSION: usize = 1000;

/// How to judge, defaults filled in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asking {
    /// None: windows where the times allow it, else strangers.
    pub(super) protocol: Option<Way>,
    /// Microseconds.
    pub(super) window: i64,
    /// 0: as many as there are, up to three.
    pub(super) n_windows: usize,
    pub(super) repeats: bool,
    /// Customers asked, in all windows together.
    pub(super) most: usize,
    pub(super) seed: u64,
}

/// What is held out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Windows,
    Last,
    Strangers,
    Given,
    /// Some items of known customers, without times: for searches before a given holdout.
    Hidden,
}

/// Whether visits can be told apart in a way, the word for it, and the visit of a row.
type Visits<'a> = (bool, &'a str, &'a dyn Fn(u32) -> i64);

impl Way {
    /// None where it is not said.
    pub(super) fn of(protocol: OfferProtocol) -> Option<Self> {
        match protocol {
            OfferProtocol::Auto => None,
            OfferProtocol::Windows => Some(Self::Windows),
            OfferProtocol::Last => Some(Self::Last),
            OfferProtocol::Strangers => Some(Self::Strangers),
            OfferProtocol::Given => Some(Self::Given),
        }
    }
}

/// One fit and its questions.
pub(super) struct Split {
    /// e.g. `2011-09-01`, `strangers`.
    pub(super) name: String,
    /// The start of its window.
    pub(super) start: Option<i64>,
    /// Rows that the fit sees.
    pub(super) train: Vec<bool>,
    pub(super) asked: Vec<Asked>,
}

/// A customer that is asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) customer: u32,
    /// Liked items that the question tells, oldest first.
    pub(super) session: Vec<u32>,
    /// Items that the question tells never to offer.
    pub(super) barred: Vec<u32>,
    /// Items to be found, ascending.
    pub(super) relevant: Vec<u32>,
    /// Items that the customer has when asked, ascending, told ones with them.
    pub(super) owned: Vec<u32>,
}

/// All fits of a judging.
pub(super) struct Plan {
    pub(super) way: Way,
    pub(super) splits: Vec<Split>,
    pub(super) notes: Vec<String>,
}

/// Why nothing can be judged.
pub(super) struct Nothing {
    pub(super) field: &'static str,
    pub(super) why: String,
}

impl From<Nothing> for Error {
    fn from(nothing: Nothing) -> Self {
        Self::invalid("NOTHING_TO_JUDGE", nothing.field, nothing.why)
    }
}

/// What can be planned, or why nothing can.
pub(super) type Planned = std::result::Result<Plan, Nothing>;

/// Plans the judging over the rows of `scope`.
///
/// # Errors
/// `Ok(Err(_))` says why nothing can be judged.
pub(super) fn plan(events: &Events, scope: &[bool], asking: &Asking) -> Result<Planned> {
    let planner = Planner {
        events,
        scope,
        asking,
    };
    Ok(match asking.protocol {
        Some(Way::Windows) => planner.windows(),
        Some(Way::Last) => planner.last(),
        Some(Way::Strangers) => planner.strangers(),
        Some(Way::Given) => planner.given(),
        Some(Way::Hidden) => planner.hidden(),
        None => planner.windows().or_else(|no_windows| {
            planner.strangers().map_err(|no_strangers| Nothing {
                field: "spec.evaluation.protocol",
                why: format!("{}; {}", no_windows.why, no_strangers.why),
            })
        }),
    })
}

struct Planner<'a> {
    events: &'a Events,
    scope: &'a [bool],
    asking: &'a Asking,
}

impl Planner<'_> {
    fn windows(&self) -> Planned {
        let events = self.events;
        if !events.has_times() {
            return nothing(
                "spec.evaluation.protocol",
                "windows need events with times, and no column has the role event_time",
            );
        }
        let timed = |row: &usize| self.sees(*row) && events.time[*row] != TIMELESS;
        let times = || {
            (0..events.n_rows())
                .filter(timed)
                .map(|row| events.time[row])
        };
        let (Some(first), Some(last)) = (times().min(), times().max()) else {
            return nothing("spec.evaluation.protocol", "no event has a time");
        };
        let length = self.asking.window;
        // Windows of whole days are whole days (UTC).
        let end = match length % DAY {
            0 => (last.div_euclid(DAY) + 1) * DAY,
            _ => last + 1,
        };
        let span = last - first;
        // Before the start of each there is something to learn from.
        let fits = usize::try_from((end - first - 1) / length).unwrap_or(0);
        // Unasked, no window is judged behind less than two others of history.
        let most = match self.asking.protocol {
            Some(_) => fits,
            None => fits.saturating_sub(2),
        };
        let wanted = match self.asking.n_windows {
            0 => WINDOWS.min(most),
            wanted => wanted.min(most),
        };
        if wanted == 0 {
            return nothing(
                "spec.evaluation.window",
                format!(
                    "expected windows shorter than the events, which span {}, with history before \
                     them, found windows of {}",
                    length_words(span),
                    length_words(length)
                ),
            );
        }
        let mut notes = Vec::new();
        if wanted < self.asking.n_windows {
            notes.push(format!(
                "{} of {} windows judge: the events span {}",
                wanted,
                self.asking.n_windows,
                length_words(span)
            ));
        }
        let timeless = (0..events.n_rows()).filter(|row| self.sees(*row) && !timed(row));
        match timeless.count() {
            0 => {}
            n => notes.push(format!("{n} events without a time neither teach nor judge")),
        }
        let mut splits = Vec::new();
        for window in (0..wanted).rev() {
            let end = end - window as i64 * length;
            let start = end - length;
            let is_known = |row: usize| timed(&row) && events.time[row] < start;
            let train: Vec<bool> = (0..events.n_rows()).map(is_known).collect();
            let within = |row: usize| timed(&row) && (start..end).contains(&events.time[row]);
            let asked = self.asked(&train, within);
            let asked = self.drawn(asked, self.asking.most.div_ceil(wanted), window);
            splits.push(Split {
                name: date(start),
                start: Some(start),
                train,
                asked,
            });
        }
        splits.retain(|split| !split.asked.is_empty());
        if splits.is_empty() {
            return nothing(
                "spec.evaluation.window",
                format!(
                    "expected customers with something to find in the last {wanted} windows of {}, \
                     found none",
                    length_words(length)
                ),
            );
        }
        Ok(Plan {
            way: Way::Windows,
            splits,
            notes,
        })
    }

    /// The last visit: the last order, or else the last day, or of one-day histories the last
    /// moment.
    fn last(&self) -> Planned {
        let events = self.events;
        if !events.has_times() {
            return nothing(
                "spec.evaluation.protocol",
                "the last visit of a customer needs a column of role event_time",
            );
        }
        let by_order = |row: u32| i64::from(events.order[row as usize]);
        let by_day = |row: u32| events.time[row as usize].div_euclid(DAY);
        let by_moment = |row: u32| events.time[row as usize];
        let ways: [Visits<'_>; 3] = [
            (events.has_orders(), "order", &by_order),
            (true, "day", &by_day),
            (true, "moment", &by_moment),
        ];
        for (_, word, visit) in ways.into_iter().filter(|(there, ..)| *there) {
            let mut train = self.scope.to_vec();
            let mut held = vec![false; events.n_rows()];
            for customer in 0..events.customers.len() as u32 {
                let rows = events.of(customer).iter().copied();
                let rows: Vec<u32> = rows
                    .filter(|row| {
                        self.scope[*row as usize] && events.time[*row as usize] != TIMELESS
                    })
                    .collect();
                let Some(&newest) = rows.last() else { continue };
                let of_last = |row: &&u32| visit(**row) == visit(newest);
                if rows.iter().filter(of_last).count() == rows.len() {
                    continue;
                }
                for row in rows.iter().filter(of_last) {
                    train[*row as usize] = false;
                    held[*row as usize] = true;
                }
            }
            let asked = self.asked(&train, |row| held[row]);
            let asked = self.drawn(asked, self.asking.most, 0);
            if !asked.is_empty() {
                return Ok(Plan {
                    way: Way::Last,
                    splits: vec![Split {
                        name: format!("last {word}"),
                        start: None,
                        train,
                        asked,
                    }],
                    notes: Vec::new(),
                });
            }
        }
        let why = match self.asking.repeats {
            true => "expected customers with two visits or more, found none",
            false => {
                "expected customers whose last of two visits or more has an item that is new to \
                 them, found none; repeats make known items count"
            }
        };
        nothing("spec.evaluation.protocol", why)
    }

    fn strangers(&self) -> Planned {
        let events = self.events;
        let mut eligible: Vec<u32> = (0..events.customers.len() as u32)
            .filter(|customer| {
                let liked = self.liked(*customer);
                liked.first() != liked.last()
            })
            .collect();
        if eligible.len() < 2 {
            return nothing(
                "spec.evaluation.protocol",
                format!(
                    "expected at least two customers with two items or more, found {}",
                    eligible.len()
                ),
            );
        }
        let n = (eligible.len() / STRANGERS).clamp(1, self.asking.most.max(1));
        Rng::stream(self.asking.seed, 0).shuffle(&mut eligible);
        eligible.truncate(n);
        eligible.sort_unstable();
        let mut is_stranger = vec![false; events.customers.len()];
        for customer in &eligible {
            is_stranger[*customer as usize] = true;
        }
        let knows = |row: usize| {
            let customer = events.customer[row];
            self.scope[row] && (customer == NONE || !is_stranger[customer as usize])
        };
        let train = (0..events.n_rows()).map(knows).collect();
        let asked = eligible.into_iter().map(|customer| {
            let own = self.liked(customer);
            let distinct: Vec<u32> = own
                .iter()
                .copied()
                .collect::<BTreeSet<u32>>()
                .into_iter()
                .collect();
            let stream = u64::from(customer) + 1;
            let hidden = distinct[Rng::stream(self.asking.seed, stream).index(distinct.len())];
            self.stranger(customer, hidden)
        });
        Ok(Plan {
            way: Way::Strangers,
            splits: vec![Split {
                name: "strangers".to_owned(),
                start: None,
                train,
                asked: asked.collect(),
            }],
            notes: Vec::new(),
        })
    }

    /// A customer whom the fit does not know, all but one item told.
    fn stranger(&self, customer: u32, hidden: u32) -> Asked {
        let events = self.events;
        let rows = events.of(customer).iter().map(|row| *row as usize);
        let rows = rows.filter(|row| self.scope[*row] && events.item[*row] != hidden);
        let (liked, other): (Vec<usize>, Vec<usize>) = rows.partition(|row| events.liked[*row]);
        let mut session: Vec<u32> = liked.iter().map(|row| events.item[*row]).collect();
        session.drain(..session.len().saturating_sub(MOST_SESSION));
        let barred = other.iter().map(|row| events.item[*row]);
        let barred: BTreeSet<u32> = barred.filter(|item| !session.contains(item)).collect();
        let owned: BTreeSet<u32> = session.iter().chain(&barred).copied().collect();
        Asked {
            customer,
            session,
            barred: barred.into_iter().collect(),
            relevant: vec![hidden],
            owned: owned.into_iter().collect(),
        }
    }

    fn given(&self) -> Planned {
        let events = self.events;
        let mut by_customer: BTreeMap<u32, (Vec<u32>, BTreeSet<u32>)> = BTreeMap::new();
        for (customer, item, wanted) in &events.given {
            let entry = by_customer.entry(*customer).or_default();
            match wanted {
                true => drop(entry.1.insert(*item)),
                false => entry.0.push(*item),
            }
        }
        let train = self.scope.to_vec();
        let mut n_known = 0;
        let mut asked = Vec::new();
        for (customer, (mut session, mut relevant)) in by_customer {
            session.drain(..session.len().saturating_sub(MOST_SESSION));
            let mut owned = self.owned(customer, &train);
            owned.extend(&session);
            if !self.asking.repeats {
                let before = relevant.len();
                relevant.retain(|item| !owned.contains(item));
                n_known += before - relevant.len();
            }
            if !relevant.is_empty() {
                asked.push(Asked {
                    customer,
                    session,
                    barred: Vec::new(),
                    relevant: relevant.into_iter().collect(),
                    owned: owned.into_iter().collect(),
                });
            }
        }
        let mut notes = Vec::new();
        if n_known > 0 {
            notes.push(format!(
                "{n_known} items of the holdout are what their customers have in the events: they \
                 are not to be found"
            ));
        }
        let asked = self.drawn(asked, self.asking.most, 0);
        if asked.is_empty() {
            return nothing(
                "spec.evaluation.holdout",
                "expected customers with an item of label 1 that they do not have, found none",
            );
        }
        Ok(Plan {
            way: Way::Given,
            splits: vec![Split {
                name: "holdout".to_owned(),
                start: None,
                train,
                asked,
            }],
            notes,
        })
    }

    /// A tenth of what each customer has, without regard to time.
    fn hidden(&self) -> Planned {
        let events = self.events;
        let mut train = self.scope.to_vec();
        let mut held = vec![false; events.n_rows()];
        for customer in 0..events.customers.len() as u32 {
            let liked: BTreeSet<u32> = self.liked(customer).into_iter().collect();
            if liked.len() < 2 {
                continue;
            }
            let mut items: Vec<u32> = liked.into_iter().collect();
            let n = (items.len() / HIDDEN).max(1);
            Rng::stream(self.asking.seed, u64::from(customer) + 1).shuffle(&mut items);
            items.truncate(n);
            for row in events.of(customer).iter().map(|row| *row as usize) {
                if self.scope[row] && items.contains(&events.item[row]) {
                    train[row] = false;
                    held[row] = true;
                }
            }
        }
        let asked = self.asked(&train, |row| held[row]);
        let asked = self.drawn(asked, self.asking.most, 0);
        if asked.is_empty() {
            let why = "expected customers with two items or more, found none";
            return nothing("spec.evaluation.protocol", why);
        }
        Ok(Plan {
            way: Way::Hidden,
            splits: vec![Split {
                name: "hidden items".to_owned(),
                start: None,
                train,
                asked,
            }],
            notes: Vec::new(),
        })
    }

    fn sees(&self, row: usize) -> bool {
        self.scope[row] && self.events.says(row)
    }

    /// The items that a customer liked, of each event, ascending.
    fn liked(&self, customer: u32) -> Vec<u32> {
        let rows = self.events.of(customer).iter().map(|row| *row as usize);
        let liked = rows.filter(|row| self.scope[*row] && self.events.liked[*row]);
        let mut items: Vec<u32> = liked.map(|row| self.events.item[row]).collect();
        items.sort_unstable();
        items
    }

    /// The items of a customer that a fit sees.
    fn owned(&self, customer: u32, train: &[bool]) -> BTreeSet<u32> {
        let rows = self.events.of(customer).iter().map(|row| *row as usize);
        let known = rows.filter(|row| train[*row]);
        known.map(|row| self.events.item[row]).collect()
    }

    /// Everybody with a liked item among the held rows, less what they have already.
    fn asked(&self, train: &[bool], held: impl Fn(usize) -> bool) -> Vec<Asked> {
        let events = self.events;
        let asked = (0..events.customers.len() as u32).filter_map(|customer| {
            let rows = events.of(customer).iter().map(|row| *row as usize);
            let held = rows.filter(|row| events.liked[*row] && held(*row));
            let mut relevant: BTreeSet<u32> = held.map(|row| events.item[row]).collect();
            if relevant.is_empty() {
                return None;
            }
            let owned = self.owned(customer, train);
            if !self.asking.repeats {
                relevant.retain(|item| !owned.contains(item));
            }
            (!relevant.is_empty()).then(|| Asked {
                customer,
                session: Vec::new(),
                barred: Vec::new(),
                relevant: relevant.into_iter().collect(),
                owned: owned.into_iter().collect(),
            })
        });
        asked.collect()
    }

    /// At most so many of them, by the seed.
    fn drawn(&self, mut asked: Vec<Asked>, most: usize, stream: usize) -> Vec<Asked> {
        if asked.len() > most {
            // Streams of customers begin at 1.
            let mut rng = Rng::stream(!self.asking.seed, stream as u64);
            rng.shuffle(&mut asked);
            asked.truncate(most);
            asked.sort_unstable_by_key(|asked| asked.customer);
        }
        asked
    }
}

fn nothing(field: &'static str, why: impl Into<String>) -> Planned {
    Err(Nothing {
        field,
        why: why.into(),
    })
}

/// A date, or a time where it is no midnight.
pub(super) fn date(micros: i64) -> String {
    let text = Timestamp(micros).to_rfc3339();
    match text.split_once("T00:00:00") {
        Some((day, _)) => day.to_owned(),
        None => text
            .split_once('.')
            .map_or(text.clone(), |(whole, _)| format!("{whole}Z")),
    }
}

/// A length in days, or in hours where it is less than two.
pub(super) fn length_words(micros: i64) -> String {
    match micros {
        short if short < 2 * DAY => format!("{:.1} hours", short as f64 / (DAY as f64 / 24.0)),
        long if long % DAY == 0 => format!("{} days", long / DAY),
        long => format!("{:.1} days", long as f64 / DAY as f64),
    }
}
