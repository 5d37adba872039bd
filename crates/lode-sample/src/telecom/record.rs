//! What the operator's table says of a customer on the day that it is drawn.
//!
//! Does not say who left. Invariant: the causes of churn are computed from these columns alone,
//! so that a reader of the table can compute them again.

use std::io;
use std::io::Write;

use super::calendar;
use super::event::money;
use super::month::Month;
use super::person::BROADBAND;
use super::person::DEVICES;
use super::person::PAYMENTS;
use super::person::Person;
use super::person::TARIFFS;

/// Columns of the table before `churn`.
pub(super) const HEADER: &str = "customer_id,customer_type,sex,age,open_date,tenure_months,\
    contract_start,contract_end,contract_status,contract_months_left,status,tariff,\
    payment_method,products,add_ons,calls_per_month,calls_in,calls_out,calls_working_day,\
    calls_evening,calls_weekend,on_net_calls,off_net_calls,off_net_percent,long_distance_calls,\
    international_calls,busy_hour_calls,call_minutes,forwarded_calls,hotline_calls,complaints,\
    device_model,device_age_months,cells_used,broadband,broadband_mbps,data_mb_4g,data_mb_5g,\
    data_mb_wifi,data_change_percent,late_payments,price_increase_percent,monthly_charge";

/// Share of values missing from each of three columns.
pub(super) const MISSING: f64 = 0.03;

/// A customer at the end of a month.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) person: Person,
    month: i64,
    is_suspended: bool,
    /// The last six months added up.
    half_year: Month,
    calls_per_month: i64,
    cells: i64,
    cents: i64,
    pub(super) off_net_percent: i64,
    /// Of the last two months, two months, three, three and six.
    pub(super) forwarded_calls: i64,
    pub(super) hotline_calls: i64,
    pub(super) complaints: i64,
    pub(super) price_increase: i64,
    pub(super) late_payments: i64,
    /// Data use of the last two months against the up to four before; none for newcomers.
    pub(super) data_change: Option<i64>,
    /// Whether calls, payment method and charge are missing from the table.
    pub(super) missing: [bool; 3],
}

impl Record {
    /// From the customer's months, the last of which is `month`.
    pub(super) fn new(person: &Person, months: &[Month], month: i64, missing: [bool; 3]) -> Self {
        let last = |n: usize| &months[months.len().saturating_sub(n)..];
        let sum = |n: usize, of: fn(&Month) -> i64| last(n).iter().map(of).sum::<i64>();
        let mut half_year = Month::default();
        for month in last(6) {
            for i in 0..3 {
                half_year.calls_in[i] += month.calls_in[i];
                half_year.calls_out[i] += month.calls_out[i];
                half_year.data[i] += month.data[i];
            }
            half_year.off_net += month.off_net;
            half_year.long_distance += month.long_distance;
            half_year.international += month.international;
            half_year.busy_hour += month.busy_hour;
            half_year.minutes += month.minutes;
        }
        let newest = months.last();
        let outgoing = half_year.outgoing();
        let per_month = half_year.calls() as f64 / last(6).len().max(1) as f64;
        Self {
            person: person.clone(),
            month,
            is_suspended: newest.is_some_and(|month| month.is_suspended),
            calls_per_month: per_month.round() as i64,
            cells: newest.map_or(0, |month| month.cells),
            cents: newest.map_or(0, |month| month.cents),
            off_net_percent: percent(half_year.off_net, outgoing),
            forwarded_calls: sum(2, |month| month.forwarded),
            hotline_calls: sum(2, |month| month.hotline),
            complaints: sum(3, |month| month.complaints),
            price_increase: sum(3, |month| month.price_increase),
            late_payments: sum(6, |month| month.late),
            data_change: data_change(last(6)),
            half_year,
            missing,
        }
    }

    /// Whole months since the first contract.
    pub(super) fn tenure(&self) -> i64 {
        self.month - self.person.open.0
    }

    /// Months since the device was bought.
    pub(super) fn device_age(&self) -> i64 {
        self.month - self.person.device_month
    }

    /// How the customer is bound.
    pub(super) fn contract_status(&self) -> &'static str {
        self.person.contract_status(self.month)
    }

    /// Writes the row, without the line's end.
    pub(super) fn write(&self, id: &str, table: &mut dyn Write) -> io::Result<()> {
        let person = &self.person;
        let [no_calls, no_payment, no_charge] = self.missing;
        let known = |missing: bool, text: String| if missing { String::new() } else { text };
        let half = &self.half_year;
        let by_time = |i: usize| half.calls_in[i] + half.calls_out[i];
        let (open, start) = (person.open, person.contract_start);
        let end = person
            .contract_end
            .map(|end| calendar::date(end, calendar::n_days(end)));
        let fields = [
            id.to_owned(),
            if person.is_business {
                "business"
            } else {
                "consumer"
            }
            .to_owned(),
            person.sex.unwrap_or_default().to_owned(),
            person.age.to_string(),
            calendar::date(open.0, open.1),
            self.tenure().to_string(),
            calendar::date(start.0, start.1),
            end.unwrap_or_default(),
            self.contract_status().to_owned(),
            person.months_left(self.month).to_string(),
            if self.is_suspended {
                "suspended"
            } else {
                "active"
            }
            .to_owned(),
            TARIFFS[person.tariff].0.to_owned(),
            known(no_payment, PAYMENTS[person.payment].0.to_owned()),
            person.products().to_owned(),
            person.add_ons.to_string(),
            known(no_calls, self.calls_per_month.to_string()),
            half.calls_in.iter().sum::<i64>().to_string(),
            half.outgoing().to_string(),
            by_time(0).to_string(),
            by_time(1).to_string(),
            by_time(2).to_string(),
            (half.outgoing() - half.off_net).to_string(),
            half.off_net.to_string(),
            self.off_net_percent.to_string(),
            half.long_distance.to_string(),
            half.international.to_string(),
            half.busy_hour.to_string(),
            half.minutes.to_string(),
            self.forwarded_calls.to_string(),
            self.hotline_calls.to_string(),
            self.complaints.to_string(),
            DEVICES[person.device].to_owned(),
            self.device_age().to_string(),
            self.cells.to_string(),
            person
                .broadband
                .map_or("none", |(kind, _)| BROADBAND[kind].0)
                .to_owned(),
            person
                .broadband
                .map_or(String::new(), |(_, speed)| speed.to_string()),
            half.data[0].to_string(),
            half.data[1].to_string(),
            half.data[2].to_string(),
            self.data_change
                .map_or(String::new(), |change| change.to_string()),
            self.late_payments.to_string(),
            self.price_increase.to_string(),
            known(no_charge, money(self.cents)),
        ];
        table.write_all(fields.join(",").as_bytes())
    }
}

/// The last two of the months against those before, in percent.
fn data_change(months: &[Month]) -> Option<i64> {
    let whole: Vec<i64> = months
        .iter()
        .filter(|month| month.is_whole)
        .map(|month| month.data.iter().sum())
        .collect();
    let split = whole.len().checked_sub(2).filter(|before| *before > 0)?;
    let mean = |part: &[i64]| part.iter().sum::<i64>() as f64 / part.len() as f64;
    let (before, now) = (mean(&whole[..split]), mean(&whole[split..]));
    (before > 0.0).then(|| (100.0 * (now / before - 1.0)).round() as i64)
}

fn percent(part: i64, whole: i64) -> i64 {
    match whole {
        0 => 0,
        whole => (100.0 * part as f64 / whole as f64).round() as i64,
    }
}
