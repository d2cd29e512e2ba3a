//! Civil days.

use std::{
    fmt,
    ops::{Add, Sub},
    str::FromStr,
};

use crate::{
    Millis,
    time::{DAY_MS, HANOI_OFFSET_MS},
};

/// A civil day (proleptic Gregorian), as days since 1970-01-01. Events' days are days in Hanoi.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Day(pub i32);

impl Day {
    /// Before every day that can be written.
    pub const MIN: Day = Day(i32::MIN / 2);
    /// After every day that can be written: the end of what is open.
    pub const MAX: Day = Day(i32::MAX / 2);

    /// The day of a year (1..=9999), month and day of month, if there is one.
    #[must_use]
    pub fn from_ymd(year: i32, month: u32, day: u32) -> Option<Day> {
        ((1..=9999).contains(&year)
            && (1..=12).contains(&month)
            && (1..=days_in_month(year, month)).contains(&day))
        .then(|| Day(days_from_civil(year, month, day)))
    }

    /// Year, month and day of month.
    #[must_use]
    #[inline]
    pub fn ymd(self) -> (i32, u32, u32) {
        civil_from_days(self.0)
    }

    /// The calendar year.
    #[must_use]
    #[inline]
    pub fn year(self) -> i32 {
        self.ymd().0
    }

    /// The first of January of `year`.
    #[must_use]
    #[inline]
    pub const fn new_year(year: i32) -> Day {
        Day(days_from_civil(year, 1, 1))
    }

    /// The first day of this day's month.
    #[must_use]
    pub fn month_start(self) -> Day {
        Day(self.0 - self.ymd().2 as i32 + 1)
    }

    /// The same day of the month `months` later, or the last day of that month where it is shorter.
    #[must_use]
    pub fn add_months(self, months: i32) -> Day {
        let (year, month, day) = self.ymd();
        let count = year * 12 + month as i32 - 1 + months;
        let (year, month) = (count.div_euclid(12), count.rem_euclid(12) as u32 + 1);
        Day(days_from_civil(year, month, day.min(days_in_month(year, month))))
    }

    /// The same day `years` later; 29 February becomes 1 March where there is none, so that an age completes on it
    /// (Civil Code 2015, art. 148: a term in years ends with the corresponding day).
    #[must_use]
    #[inline]
    pub fn anniversary(self, years: i32) -> Day {
        let (year, month, day) = self.ymd();
        if month == 2 && day == 29 && days_in_month(year + years, 2) == 28 {
            return Day(days_from_civil(year + years, 3, 1));
        }
        Day(days_from_civil(year + years, month, day))
    }

    /// The day after.
    #[must_use]
    #[inline]
    pub fn next(self) -> Day {
        Day(self.0 + 1)
    }

    /// Whether it is a Saturday or a Sunday.
    #[must_use]
    pub fn is_weekend(self) -> bool {
        // 1970-01-01 was a Thursday.
        matches!((self.0 + 3).rem_euclid(7), 5 | 6)
    }

    /// The first instant of the day in Hanoi.
    #[must_use]
    pub fn start(self) -> Millis {
        Millis(i64::from(self.0) * DAY_MS - HANOI_OFFSET_MS)
    }

    /// Reads `YYYY-MM-DD` from bytes; `None` where it is anything else.
    #[must_use]
    #[inline]
    pub fn parse(text: &[u8]) -> Option<Day> {
        let digit = |at: usize| text[at].is_ascii_digit().then(|| u32::from(text[at] - b'0'));
        if text.len() != 10 || text[4] != b'-' || text[7] != b'-' {
            return None;
        }
        let year = digit(0)? * 1000 + digit(1)? * 100 + digit(2)? * 10 + digit(3)?;
        Day::from_ymd(year as i32, digit(5)? * 10 + digit(6)?, digit(8)? * 10 + digit(9)?)
    }
}

/// A text that is not a day written `YYYY-MM-DD`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a day: write it as YYYY-MM-DD")]
pub struct DayError;

impl FromStr for Day {
    type Err = DayError;

    fn from_str(text: &str) -> Result<Day, DayError> {
        Day::parse(text.as_bytes()).ok_or(DayError)
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Day::MIN => f.pad("always"),
            Day::MAX => f.pad("open"),
            _ => {
                let (year, month, day) = self.ymd();
                f.pad(&format!("{year:04}-{month:02}-{day:02}"))
            }
        }
    }
}

impl fmt::Debug for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Add<i32> for Day {
    type Output = Day;
    fn add(self, days: i32) -> Day {
        Day(self.0 + days)
    }
}

impl Sub<i32> for Day {
    type Output = Day;
    fn sub(self, days: i32) -> Day {
        Day(self.0 - days)
    }
}

impl Sub for Day {
    type Output = i32;
    fn sub(self, other: Day) -> i32 {
        self.0 - other.0
    }
}

fn is_leap(year: i32) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_in_month(year: i32, month: u32) -> u32 {
    match month {
        2 => 28 + u32::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01, counting years from March so that the leap day comes last.
const fn days_from_civil(year: i32, month: u32, day: u32) -> i32 {
    let year = year - (month <= 2) as i32;
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_from_march = (month as i32 + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day as i32 - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

fn civil_from_days(days: i32) -> (i32, u32, u32) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + i32::from(month <= 2), month as u32, day as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_of_ten_thousand_years_agrees_with_jiff() {
        let mut date = jiff::civil::date(1, 1, 1);
        let mut day = Day::from_ymd(1, 1, 1).unwrap();
        loop {
            let expected = (i32::from(date.year()), date.month() as u32, date.day() as u32);
            assert_eq!(day.ymd(), expected);
            assert_eq!(Day::from_ymd(expected.0, expected.1, expected.2), Some(day));
            assert_eq!(day.is_weekend(), date.weekday().to_monday_zero_offset() >= 5);
            match date.tomorrow() {
                Ok(next) => date = next,
                Err(_) => break,
            }
            day = day.next();
        }
    }

    #[test]
    fn what_is_no_day_is_not_read() {
        for text in [
            "",
            "2026-02-29",
            "2026-13-01",
            "0000-01-01",
            "2026-1-01",
            "20260101",
            "2026-01-01T",
            "2026-04-31",
        ] {
            assert_eq!(Day::parse(text.as_bytes()), None, "{text}");
        }
        assert_eq!("2028-02-29".parse::<Day>().unwrap().to_string(), "2028-02-29");
    }

    #[test]
    fn months_end_early_and_anniversaries_late() {
        let day = |text: &str| text.parse::<Day>().unwrap();
        assert_eq!(day("2026-01-31").add_months(1), day("2026-02-28"));
        assert_eq!(day("2026-01-31").add_months(-2), day("2025-11-30"));
        assert_eq!(day("2024-02-29").anniversary(1), day("2025-03-01"));
        assert_eq!(day("2024-02-29").anniversary(4), day("2028-02-29"));
    }

    #[test]
    fn a_day_begins_at_midnight_in_hanoi() {
        let day = "2026-03-02".parse::<Day>().unwrap();
        assert_eq!(day.start().day(), day);
        assert_eq!(Millis(day.start().0 - 1).day(), day - 1);
        assert_eq!(day.start().to_string(), "2026-03-02T00:00:00.000+07:00");
    }
}
