//! The dates of a training set: given, or counted back from the last that can be labeled.

use lode_features::Window;
use lode_types::Timestamp;

use super::RollingPlan;
use super::wrong;
use crate::Result;
use crate::judge;

const HOUR: i64 = 3_600_000_000;
const DAY: i64 = 24 * HOUR;
/// Most dates of a set.
const MAX_DATES: usize = 100;
/// Dates of a plan that does not say how many.
const DEFAULT_DATES: usize = 12;
/// From this horizon on, dates are a month apart unless the plan says.
const MONTHLY_FROM: i64 = 14 * DAY;

/// When the first and the last event that is known happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) first: Timestamp,
    pub(super) end: Timestamp,
}

impl Range {
    fn words(self) -> String {
        let days = (self.end.0 - self.first.0) / DAY;
        format!("{} to {} ({days} days)", short(self.first), short(self.end))
    }
}

/// A length of time in weeks, days or hours.
pub(super) fn length(path: &str, text: &str) -> Result<Window> {
    let of_unit = text.ends_with(['w', 'd', 'h']);
    Window::parse(text).filter(|_| of_unit).ok_or_else(|| {
        let found = if text.is_empty() {
            "nothing".to_owned()
        } else {
            format!("{text:?}")
        };
        wrong(path, "a whole number and w, d or h, such as \"90d\"", found)
    })
}

/// The dates, ascending, each with its label window over when the data end.
pub(super) fn dates(
    given: &[Timestamp],
    rolling: Option<&RollingPlan>,
    horizon: Window,
    range: Range,
) -> Result<Vec<Timestamp>> {
    let micros = horizon.micros();
    if range.end.0 - range.first.0 < micros {
        return Err(wrong(
            "horizon",
            format!("at most the length of the data, {}", range.words()),
            format!("{horizon}: no label window is over when the data end"),
        ));
    }
    let last = Timestamp(range.end.0 - micros);
    match (given, rolling) {
        ([], plan) => rolled(plan.cloned().unwrap_or_default(), micros, last, range),
        (given, None) => listed(given, last, range),
        (_, Some(_)) => Err(wrong(
            "rolling",
            "dates in as_of or a rolling plan",
            "both of them",
        )),
    }
}

fn listed(given: &[Timestamp], last: Timestamp, range: Range) -> Result<Vec<Timestamp>> {
    if given.len() > MAX_DATES {
        let expected = format!("at most {MAX_DATES} dates");
        return Err(wrong("as_of", expected, given.len().to_string()));
    }
    for (i, &date) in given.iter().enumerate() {
        let path = format!("as_of[{i}]");
        check(&path, date, last, range)?;
        if given[..i].contains(&date) {
            return Err(wrong(
                path,
                "each date once",
                format!("{} twice", short(date)),
            ));
        }
    }
    let mut dates = given.to_vec();
    dates.sort_unstable();
    Ok(dates)
}

/// That something is known at a date, and its label by the end of the data.
fn check(path: &str, date: Timestamp, last: Timestamp, range: Range) -> Result<()> {
    if (range.first..=last).contains(&date) {
        return Ok(());
    }
    let why = if date < range.first {
        "before the first event"
    } else {
        "whose label window is not over when the data end"
    };
    Err(wrong(
        path,
        format!(
            "a date from {} to {}, a horizon before the end of the data, which are from {}",
            short(range.first),
            short(last),
            range.words()
        ),
        format!("{}, {why}", short(date)),
    ))
}

fn rolled(
    plan: RollingPlan,
    horizon: i64,
    latest: Timestamp,
    range: Range,
) -> Result<Vec<Timestamp>> {
    let step = step(&plan.every, horizon)?;
    let last = match plan.last {
        Some(last) => {
            check("rolling.last", last, latest, range)?;
            last
        }
        None => {
            // On the hour or at midnight, as people name times.
            let whole_days = horizon % DAY == 0 && step.is_whole_days();
            let unit = if whole_days { DAY } else { HOUR };
            let floor = Timestamp(latest.0.div_euclid(unit) * unit);
            if floor < range.first { latest } else { floor }
        }
    };
    let wanted = plan.dates as usize;
    if wanted > MAX_DATES {
        let expected = format!("at most {MAX_DATES} dates");
        return Err(wrong("rolling.dates", expected, wanted.to_string()));
    }
    let count = if wanted == 0 { DEFAULT_DATES } else { wanted };
    let mut dates = Vec::new();
    for i in 0..u32::try_from(count).unwrap_or(0) {
        let Some(date) = step.before(last, i).filter(|date| *date >= range.first) else {
            break;
        };
        dates.push(date);
    }
    if dates.len() < wanted {
        return Err(wrong(
            "rolling.dates",
            format!(
                "at most {} dates, as many as the data from {} give",
                dates.len(),
                range.words()
            ),
            wanted.to_string(),
        ));
    }
    if wanted == 0 {
        // What little is known soon after the data begin teaches features that no later date has.
        let long = |date: &&Timestamp| date.0 - range.first.0 >= horizon;
        let enough = dates.iter().filter(long).count();
        dates.truncate(enough.max(1));
    }
    dates.reverse();
    Ok(dates)
}

/// The distance between dates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Micros(i64),
    Months(u32),
}

impl Step {
    fn is_whole_days(self) -> bool {
        match self {
            Self::Micros(micros) => micros % DAY == 0,
            Self::Months(_) => true,
        }
    }

    /// The date `n` steps before the last.
    fn before(self, last: Timestamp, n: u32) -> Option<Timestamp> {
        match self {
            Self::Micros(micros) => Some(Timestamp(last.0 - micros.checked_mul(i64::from(n))?)),
            Self::Months(months) => last.months_before(months.checked_mul(n)?),
        }
    }
}

fn step(every: &str, horizon: i64) -> Result<Step> {
    if every.is_empty() {
        return Ok(match horizon >= MONTHLY_FROM {
            true => Step::Months(1),
            false => Step::Micros(horizon),
        });
    }
    if let Some(months) = every.strip_suffix("mo") {
        let months = months.parse().ok().filter(|n| (1..=12).contains(n));
        return months.map(Step::Months).ok_or_else(|| {
            let expected = "\"1mo\" to \"12mo\", or a whole number and w, d or h";
            wrong("rolling.every", expected, format!("{every:?}"))
        });
    }
    Ok(Step::Micros(length("rolling.every", every)?.micros()))
}

/// Which dates judge.
pub(super) fn judging(dates: &[Timestamp], horizon: i64, test_dates: u32) -> Vec<bool> {
    let known: Vec<(i64, i64)> = dates
        .iter()
        .map(|date| (date.0, date.0 + horizon))
        .collect();
    let judging = judge::test_dates(&known, test_dates);
    dates.iter().map(|date| judging.contains(&date.0)).collect()
}

/// A date without its time of day at midnight.
pub(super) fn short(time: Timestamp) -> String {
    let text = time.to_rfc3339();
    match text.strip_suffix("T00:00:00.000000Z") {
        Some(date) => date.to_owned(),
        None => text.replace(".000000Z", "Z"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    fn range() -> Range {
        Range {
            first: day("2010-12-01T08:26:00"),
            end: day("2011-12-09T12:50:00"),
        }
    }

    fn words(dates: &[Timestamp]) -> Vec<String> {
        dates.iter().map(|date| short(*date)).collect()
    }

    fn window(text: &str) -> Window {
        Window::parse(text).unwrap()
    }

    #[test]
    fn a_plan_counts_back_from_the_last_date_that_can_be_labeled() {
        let found = dates(&[], None, window("90d"), range()).unwrap();
        assert_eq!(
            words(&found),
            [
                "2011-03-10",
                "2011-04-10",
                "2011-05-10",
                "2011-06-10",
                "2011-07-10",
                "2011-08-10",
                "2011-09-10"
            ]
        );
        let plan = |last: &str, every: &str, dates: u32| RollingPlan {
            last: Some(day(last)),
            every: every.to_owned(),
            dates,
        };
        // The last day of a month stays the last.
        let found = dates(
            &[],
            Some(&plan("2011-08-31", "1mo", 4)),
            window("30d"),
            range(),
        );
        assert_eq!(
            words(&found.unwrap()),
            ["2011-05-31", "2011-06-30", "2011-07-31", "2011-08-31"]
        );
        let found = dates(
            &[],
            Some(&plan("2011-08-31", "2w", 3)),
            window("7d"),
            range(),
        );
        assert_eq!(
            words(&found.unwrap()),
            ["2011-08-03", "2011-08-17", "2011-08-31"]
        );
        // A short horizon is its own distance.
        let found = dates(&[], None, window("7d"), range()).unwrap();
        assert_eq!(found.len(), 12);
        assert_eq!(words(&found)[10..], ["2011-11-25", "2011-12-02"]);
    }

    #[test]
    fn what_cannot_be_labeled_is_refused_with_the_dates_that_can() {
        let refused = |given: &[&str], plan: Option<RollingPlan>, horizon: &str| {
            let given: Vec<Timestamp> = given.iter().map(|text| day(text)).collect();
            dates(&given, plan.as_ref(), window(horizon), range())
                .unwrap_err()
                .to_string()
        };
        assert_eq!(
            refused(&["2011-10-01"], None, "90d"),
            "as_of[0]: expected a date from 2010-12-01T08:26:00Z to 2011-09-10T12:50:00Z, a horizon \
             before the end of the data, which are from 2010-12-01T08:26:00Z to \
             2011-12-09T12:50:00Z (373 days), found 2011-10-01, whose label window is not over when \
             the data end"
        );
        let before = refused(&["2011-01-01", "2010-12-01"], None, "90d");
        assert!(before.starts_with("as_of[1]: "), "{before}");
        assert!(
            before.ends_with("found 2010-12-01, before the first event"),
            "{before}"
        );
        assert_eq!(
            refused(&[], None, "400d"),
            "horizon: expected at most the length of the data, 2010-12-01T08:26:00Z to \
             2011-12-09T12:50:00Z (373 days), found 400d: no label window is over when the data end"
        );
        let plan = |every: &str, dates: u32| {
            Some(RollingPlan {
                every: every.to_owned(),
                dates,
                last: None,
            })
        };
        let many = refused(&[], plan("1mo", 12), "90d");
        assert!(
            many.starts_with("rolling.dates: expected at most 10 dates, as many as"),
            "{many}"
        );
        assert!(refused(&[], plan("13mo", 0), "90d").starts_with("rolling.every: expected"));
        assert!(refused(&[], plan("3s", 0), "90d").starts_with("rolling.every: expected"));
        assert!(refused(&["2011-01-01"], plan("1mo", 0), "90d").ends_with("both of them"));
        assert!(refused(&["2011-01-01", "2011-01-01"], None, "90d").ends_with("2011-01-01 twice"));
    }

    #[test]
    fn the_last_dates_judge_that_have_one_to_learn_from() {
        let found = dates(&[], None, window("90d"), range()).unwrap();
        let judge = |test_dates| judging(&found, 90 * DAY, test_dates);
        let (f, t) = (false, true);
        assert_eq!(judge(0), [f, f, f, f, f, t, t]);
        assert_eq!(judge(1), [f, f, f, f, f, f, t]);
        // Four have a date 90 days before.
        assert_eq!(judge(50), [f, f, f, t, t, t, t]);
        assert_eq!(judging(&found[6..], 90 * DAY, 0), [f]);
    }
}
