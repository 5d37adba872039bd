//! One month of a customer: what is used, what happens.
//!
//! Does not decide who leaves. Invariant: what a [`Month`] counts is what its events tell; both
//! hold only what lies between the customer's first and last minute.

use lode_numeric::Rng;

use super::calendar;
use super::event::Event;
use super::event::Usage;
use super::person::DEVICES;
use super::person::Person;
use super::person::TARIFFS;

/// Trouble that lasts for a quarter at most, drawn at its beginning.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Trouble {
    /// Hot-line calls rise in the last two months.
    hotline: bool,
    /// What is left of the data use in the last two months.
    data: Option<f64>,
    /// Calls are forwarded, to another number, in the last two months.
    forwarding: bool,
    complaints: bool,
    /// The month (0 to 2) and the percentage of a price increase.
    price: Option<(i64, i64)>,
}

const INCREASES: [i64; 6] = [5, 8, 10, 12, 15, 20];

impl Trouble {
    pub(super) fn draw(rng: &mut Rng) -> Self {
        Self {
            hotline: rng.chance(0.16),
            data: rng.chance(0.16).then(|| 0.15 + 0.45 * rng.uniform()),
            forwarding: rng.chance(0.12),
            complaints: rng.chance(0.13),
            price: rng.chance(0.16).then(|| {
                let month = rng.below(3) as i64;
                (month, INCREASES[rng.index(INCREASES.len())])
            }),
        }
    }
}

/// What a customer did in a month. Calls are by working day, evening and weekend.
#[derive(Clone, Debug, Default)]
pub(super) struct Month {
    /// Whether the customer was there from its beginning.
    pub(super) is_whole: bool,
    pub(super) calls_in: [i64; 3],
    pub(super) calls_out: [i64; 3],
    pub(super) off_net: i64,
    pub(super) long_distance: i64,
    pub(super) international: i64,
    pub(super) busy_hour: i64,
    pub(super) minutes: i64,
    pub(super) forwarded: i64,
    pub(super) hotline: i64,
    pub(super) complaints: i64,
    pub(super) late: i64,
    pub(super) is_suspended: bool,
    /// Megabytes by 4G, 5G and Wi-Fi.
    pub(super) data: [i64; 3],
    pub(super) cells: i64,
    /// By how many percent the price rose.
    pub(super) price_increase: i64,
    pub(super) cents: i64,
}

impl Month {
    pub(super) fn calls(&self) -> i64 {
        self.outgoing() + self.calls_in.iter().sum::<i64>()
    }

    pub(super) fn outgoing(&self) -> i64 {
        self.calls_out.iter().sum()
    }
}

/// A customer's stay: which of the line, from which minute, until when.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stay {
    pub(super) occupant: usize,
    pub(super) from: i64,
    pub(super) until: i64,
}

/// Lives through a month; none is given back when the customer is gone before its end.
pub(super) fn live(
    person: &mut Person,
    stay: Stay,
    month: i64,
    trouble: &Trouble,
    rng: &mut Rng,
    events: &mut Vec<Event>,
) -> Option<Month> {
    let (start, end) = (calendar::start(month), calendar::start(month + 1));
    let mut made = Month {
        is_whole: stay.from <= start,
        ..Month::default()
    };
    let mut diary = Diary {
        stay,
        start,
        end,
        events,
    };
    happen(person, month, trouble, &mut made, rng, &mut diary);
    consume(person, month, trouble, &mut made, rng, &diary);
    if stay.until < end {
        return None;
    }
    let mut usage = Usage::of(person, month);
    usage.calls_out = made.outgoing();
    usage.off_net_calls = made.off_net;
    usage.forwarded_calls = made.forwarded;
    usage.call_minutes = made.minutes;
    usage.data_mb = made.data.iter().sum();
    diary.events.push(Event {
        minute: (end - 1 - rng.below(120) as i64).max(stay.from),
        occupant: stay.occupant,
        kind: "usage",
        cents: Some(made.cents),
        quantity: Some(made.calls()),
        detail: "",
        usage: Some(usage),
    });
    Some(made)
}

/// Where events of a month go.
struct Diary<'e> {
    stay: Stay,
    start: i64,
    end: i64,
    events: &'e mut Vec<Event>,
}

impl Diary<'_> {
    /// Adds an event at some minute of the day, unless the customer was not there; whether it
    /// was added. The month before the first is not told.
    fn note(&mut self, kind: &'static str, rng: &mut Rng) -> Option<&mut Event> {
        let days = (self.end - self.start) / calendar::DAY;
        let day = rng.below(days as u64) as i64;
        let minute = self.start + day * calendar::DAY + 480 + rng.below(720) as i64;
        if self.start == 0 || minute < self.stay.from || minute >= self.stay.until {
            return None;
        }
        self.events.push(Event {
            minute,
            occupant: self.stay.occupant,
            kind,
            cents: None,
            quantity: None,
            detail: "",
            usage: None,
        });
        self.events.last_mut()
    }
}

/// What happens on single days.
fn happen(
    person: &mut Person,
    month: i64,
    trouble: &Trouble,
    made: &mut Month,
    rng: &mut Rng,
    diary: &mut Diary<'_>,
) {
    const TOPICS: [&str; 4] = ["bill", "network", "device", "contract"];
    let in_quarter = (month - 1).rem_euclid(3);
    let is_late_quarter = in_quarter > 0;
    let rate = if trouble.hotline && is_late_quarter {
        1.6
    } else {
        0.1
    };
    for _ in 0..rng.poisson(rate) {
        let (minutes, topic) = (2 + rng.below(25) as i64, TOPICS[rng.index(TOPICS.len())]);
        if let Some(event) = diary.note("hotline_call", rng) {
            event.quantity = Some(minutes);
            event.detail = topic;
            made.hotline += 1;
        }
    }
    for _ in 0..rng.poisson(if trouble.complaints { 0.7 } else { 0.03 }) {
        let topic = TOPICS[rng.index(TOPICS.len())];
        if let Some(event) = diary.note("complaint", rng) {
            event.detail = topic;
            made.complaints += 1;
        }
    }
    if rng.chance(person.habits.late) {
        let days = 3 + rng.below(40) as i64;
        let blocked = rng.chance(0.35);
        if let Some(event) = diary.note("late_payment", rng) {
            event.cents = Some(person.charge());
            event.quantity = Some(days);
            made.late += 1;
            made.is_suspended = blocked;
        }
    }
    made.cents = person.charge();
    for _ in 0..rng.poisson(person.habits.top_ups) {
        if let Some(event) = diary.note("top_up", rng) {
            event.cents = Some(500);
            event.quantity = Some(1000);
            made.cents += 500;
        }
    }
    if let Some((_, percent)) = trouble.price.filter(|price| price.0 == in_quarter)
        && let Some(event) = diary.note("price_increase", rng)
    {
        let more = person.charge() * percent / 100;
        event.cents = Some(more);
        event.quantity = Some(percent);
        person.surcharge += more;
        made.price_increase = percent;
        made.cents += more;
    }
    if rng.chance(0.012) {
        let tariff = rng.index(TARIFFS.len());
        if tariff != person.tariff
            && let Some(event) = diary.note("tariff_change", rng)
        {
            event.cents = Some(TARIFFS[tariff].2);
            event.detail = TARIFFS[tariff].0;
            person.tariff = tariff;
        }
    }
    let is_old = month - person.device_month >= 24;
    if rng.chance(if is_old { 0.03 } else { 0.005 }) {
        let device = rng.index(DEVICES.len());
        if let Some(event) = diary.note("device_change", rng) {
            event.detail = DEVICES[device];
            person.device = device;
            person.device_month = month;
        }
    }
    contract(person, month, rng, diary);
}

/// Contracts that end go on for one or two years, or from month to month.
fn contract(person: &mut Person, month: i64, rng: &mut Rng, diary: &mut Diary<'_>) {
    let renews = match person.contract_end {
        Some(end) if end > month => return,
        Some(_) => rng.chance(0.85),
        None => rng.chance(0.06),
    };
    if renews && let Some(event) = diary.note("contract_renewal", rng) {
        event.quantity = Some(person.renew(month, rng));
    } else {
        person.contract_end = None;
    }
}

/// What is used all month long.
fn consume(
    person: &Person,
    month: i64,
    trouble: &Trouble,
    made: &mut Month,
    rng: &mut Rng,
    diary: &Diary<'_>,
) {
    let habits = &person.habits;
    let is_late_quarter = (month - 1).rem_euclid(3) > 0;
    let from = diary.stay.from.clamp(diary.start, diary.end);
    let part = (diary.end - from) as f64 / (diary.end - diary.start) as f64;
    let times = [
        1.0 - habits.evening - habits.weekend,
        habits.evening,
        habits.weekend,
    ];
    for (i, time) in times.into_iter().enumerate() {
        let calls = habits.calls * part * time;
        made.calls_in[i] = rng.poisson(calls * habits.incoming) as i64;
        made.calls_out[i] = rng.poisson(calls * (1.0 - habits.incoming)) as i64;
    }
    let outgoing = made.outgoing();
    made.off_net = about(outgoing, habits.off_net, rng);
    made.long_distance = about(outgoing, habits.long_distance, rng);
    made.international = about(outgoing - made.long_distance, habits.international, rng);
    made.busy_hour = about(made.calls(), habits.busy_hour, rng);
    let length = habits.minutes_per_call * (0.8 + 0.4 * rng.uniform());
    made.minutes = (made.calls() as f64 * length).round() as i64;
    let rate = if trouble.forwarding && is_late_quarter {
        7.0
    } else {
        0.2
    };
    let incoming: i64 = made.calls_in.iter().sum();
    made.forwarded = (rng.poisson(rate * part) as i64).min(incoming);
    let left = trouble.data.filter(|_| is_late_quarter).unwrap_or(1.0);
    let megabytes = habits.data_mb * part * left * rng.gamma(40.0) / 40.0;
    let wifi = (megabytes * habits.wifi).round() as i64;
    let by_air = (megabytes * (1.0 - habits.wifi)).round() as i64;
    let fast = if person.has_5g() {
        about(by_air, 0.7, rng)
    } else {
        0
    };
    made.data = [by_air - fast, fast, wifi];
    made.cells = 1 + rng.poisson(habits.cells * part) as i64;
}

/// About this share of a count, at most all of it.
fn about(count: i64, share: f64, rng: &mut Rng) -> i64 {
    if share <= 0.0 {
        return 0;
    }
    let share = (share + 0.04 * rng.normal()).clamp(0.0, 1.0);
    (count as f64 * share).round() as i64
}
