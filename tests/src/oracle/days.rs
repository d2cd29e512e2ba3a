//! Days, counted with jiff and never with the engine's calendar.

use jiff::{ToSpan, civil::Date};
use simulator::truth::{DayNumber, Moment};

/// The day a number of days after 1970-01-01 is.
pub(super) fn date(day: DayNumber) -> Date {
    Date::constant(1970, 1, 1) + i64::from(day).days()
}

pub(super) fn number(date: Date) -> DayNumber {
    (date - Date::constant(1970, 1, 1)).get_days()
}

/// A day as `YYYY-MM-DD` names it.
pub fn day(text: &str) -> DayNumber {
    number(text.parse().expect("a day as YYYY-MM-DD"))
}

/// The civil day of an instant: Hanoi is seven hours ahead of UTC.
pub(super) fn day_of(moment: Moment) -> DayNumber {
    (moment + 7 * 3_600_000).div_euclid(86_400_000) as DayNumber
}

pub(super) fn year(day: DayNumber) -> i32 {
    i32::from(date(day).year())
}

pub(super) fn first_of(year: i32) -> DayNumber {
    number(Date::new(year as i16, 1, 1).expect("a year of four digits"))
}

pub(super) fn last_of(year: i32) -> DayNumber {
    first_of(year + 1) - 1
}

/// The corresponding day some years later; where there is no 29 February, the day after the 28th.
pub(super) fn years_later(day: DayNumber, years: i32) -> DayNumber {
    let date = date(day);
    let year = date.year() + years as i16;
    let same = Date::new(year, date.month(), date.day());
    number(same.unwrap_or_else(|_| Date::new(year, 3, 1).expect("1 March is a day of every year")))
}

/// The same day of the month some months later, or the month's last; never, where the day is never.
pub(super) fn months_later(day: DayNumber, months: i32) -> DayNumber {
    if day == DayNumber::MAX {
        return day;
    }
    number(date(day) + i64::from(months).months())
}

/// Completed years of somebody born on `born`.
pub(super) fn age(born: DayNumber, on: DayNumber) -> i32 {
    let guess = year(on) - year(born);
    if years_later(born, guess) <= on { guess } else { guess - 1 }
}

pub(super) fn is_weekend(day: DayNumber) -> bool {
    date(day).weekday().to_monday_zero_offset() >= 5
}
