//! One row of `telecom_events.csv`.
//!
//! Does not decide what happens. Invariant: as many fields a row as [`HEADER`] has.

use std::io;
use std::io::Write;

use super::calendar;
use super::person::BROADBAND;
use super::person::PAYMENTS;
use super::person::Person;
use super::person::TARIFFS;

/// Columns of the events.
pub(super) const HEADER: &str = "customer_id,time,kind,amount,quantity,detail,calls_out,\
    off_net_calls,forwarded_calls,call_minutes,data_mb,tenure_months,tariff,payment_method,\
    contract_status,contract_months_left,device_age_months,broadband";

/// Fields that only a month's summary has.
const NO_USAGE: &str = ",,,,,,,,,,,";

/// Something that happened.
#[derive(Clone, Debug)]
pub(super) struct Event {
    pub(super) minute: i64,
    /// Which customer of the line: 0, 1, ...
    pub(super) occupant: usize,
    pub(super) kind: &'static str,
    /// Money, in cents.
    pub(super) cents: Option<i64>,
    pub(super) quantity: Option<i64>,
    pub(super) detail: &'static str,
    pub(super) usage: Option<Usage>,
}

/// What a month's summary says beside its charge and calls.
#[derive(Clone, Debug)]
pub(super) struct Usage {
    pub(super) calls_out: i64,
    pub(super) off_net_calls: i64,
    pub(super) forwarded_calls: i64,
    pub(super) call_minutes: i64,
    pub(super) data_mb: i64,
    pub(super) tenure_months: i64,
    pub(super) tariff: &'static str,
    pub(super) payment: &'static str,
    pub(super) contract_status: &'static str,
    pub(super) contract_months_left: i64,
    pub(super) device_age_months: i64,
    pub(super) broadband: &'static str,
}

impl Usage {
    /// What is known of a customer at the end of a month, with nothing used yet.
    pub(super) fn of(person: &Person, month: i64) -> Self {
        Self {
            calls_out: 0,
            off_net_calls: 0,
            forwarded_calls: 0,
            call_minutes: 0,
            data_mb: 0,
            tenure_months: month - person.open.0,
            tariff: TARIFFS[person.tariff].0,
            payment: PAYMENTS[person.payment].0,
            contract_status: person.contract_status(month),
            contract_months_left: person.months_left(month),
            device_age_months: month - person.device_month,
            broadband: person
                .broadband
                .map_or("none", |(kind, _)| BROADBAND[kind].0),
        }
    }
}

impl Event {
    /// Writes the row of a customer with this id.
    pub(super) fn write(&self, id: &str, events: &mut dyn Write) -> io::Result<()> {
        let number = |value: Option<i64>| value.map_or(String::new(), |value| value.to_string());
        write!(
            events,
            "{id},{},{},{},{},{}",
            calendar::time(self.minute),
            self.kind,
            self.cents.map_or(String::new(), money),
            number(self.quantity),
            self.detail,
        )?;
        let Some(usage) = &self.usage else {
            return writeln!(events, ",{NO_USAGE}");
        };
        writeln!(
            events,
            ",{},{},{},{},{},{},{},{},{},{},{},{}",
            usage.calls_out,
            usage.off_net_calls,
            usage.forwarded_calls,
            usage.call_minutes,
            usage.data_mb,
            usage.tenure_months,
            usage.tariff,
            usage.payment,
            usage.contract_status,
            usage.contract_months_left,
            usage.device_age_months,
            usage.broadband,
        )
    }
}

/// Cents as a decimal number.
pub(super) fn money(cents: i64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}
