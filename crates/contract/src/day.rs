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
        let [word @ .., d0, d1]: [u8; 10] = text.try_into().ok()?;
        // Each byte as what it is more than a zero or, where one belongs, than a dash.
        let digits = u64::from_le_bytes(word) ^ u64::from_le_bytes(*b"0000-00-");
        let [d0, d1] = [d0, d1].map(|byte| u32::from(byte ^ b'0'));
        // What is too much for a digit reaches the highest bit; after a dash anything does.
        const TOO_MUCH: u64 = u64::from_le_bytes([0x76, 0x76, 0x76, 0x76, 0x7f, 0x76, 0x76, 0x7f]);
        const HIGHEST: u64 = 0x8080_8080_8080_8080;
        if (((digits & !HIGHEST) + TOO_MUCH) | digits) & HIGHEST != 0 || d0 > 9 || d1 > 9 {
            return None;
        }
        // Ten times each digit and the next one; of two digits this stands at the first.
        let [century, _, year, _, _, month, ..] = (digits * 10 + (digits >> 8)).to_le_bytes();
        Day::from_ymd(i32::from(century) * 100 + i32::from(year), u32::from(month), d0 * 10 + d1)
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
    // 31 in odd months up to July and in even ones from August on.
    if month == 2 { 28 + u32::from(is_leap(year)) } else { 30 | (month ^ month >> 3) }
}

/// Moves what counts in days and years far enough up that no day of [`Day::MIN`] to [`Day::MAX`] is below zero: whole
/// turns of the calendar, which repeats every 400 years of 146,097 days.
const TURNS: i64 = 8_000;
const DAYS_BEFORE: i64 = TURNS * 146_097 + 719_468;
const YEARS_BEFORE: i64 = TURNS * 400;

/// Days since 1970-01-01. Years count from March, so that the leap day comes last; a month of such a year begins on day
/// (979 * month - 2919) / 32 of it. This and the inverse are those of C. Neri and L. Schneider, "Euclidean affine functions
/// and their application to calendar algorithms" (2022), which need few divisions.
const fn days_from_civil(year: i32, month: u32, day: u32) -> i32 {
    let early = month <= 2;
    let year = (year as i64 + YEARS_BEFORE) as u64 - early as u64;
    let month = month + if early { 12 } else { 0 };
    let century = year / 100;
    let before_year = 1461 * year / 4 - century + century / 4;
    let before_month = (979 * month - 2919) / 32;
    ((before_year + (before_month + day - 1) as u64) as i64 - DAYS_BEFORE) as i32
}

#[inline]
fn civil_from_days(days: i32) -> (i32, u32, u32) {
    let quarters = 4 * (i64::from(days) + DAYS_BEFORE) as u64 + 3;
    let (century, day_of_century) = (quarters / 146_097, quarters % 146_097 / 4);
    // A year of a century in 2^32ths; the fraction is the part of the year gone by.
    let years = 2_939_745 * (4 * day_of_century + 3);
    let (year_of_century, gone_by) = (years >> 32, years as u32);
    let day_of_year = gone_by / 2_939_745 / 4;
    // The same for months of 2141 / 2^16 days.
    let months = 2141 * day_of_year + 197_913;
    let (month, day) = (months >> 16, (months & 0xffff) / 2141 + 1);
    let early = day_of_year >= 306;
    let year = (100 * century + year_of_century) as i64 - YEARS_BEFORE + i64::from(early);
    (year as i32, if early { month - 12 } else { month }, day)
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
            assert_eq!(Day::parse(date.to_string().as_bytes()), Some(day));
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
    fn whatever_byte_stands_anywhere_only_days_are_read() {
        for (at, byte) in (0..10).flat_map(|at| (0..=255).map(move |byte| (at, byte))) {
            let mut text = *b"2024-12-29";
            text[at] = byte;
            let digits = text.iter().enumerate().all(|(at, byte)| match at {
                4 | 7 => *byte == b'-',
                _ => byte.is_ascii_digit(),
            });
            let number =
                |text: &[u8]| text.iter().fold(0, |number, byte| 10 * number + i32::from(byte - b'0'));
            let plain = |text: &[u8]| {
                Day::from_ymd(number(&text[..4]), number(&text[5..7]) as u32, number(&text[8..]) as u32)
            };
            let expected = if digits { plain(&text) } else { None };
            assert_eq!(Day::parse(&text), expected, "{text:?}");
        }
    }

    #[test]
    fn months_end_early_and_anniversaries_late() {
        let day = |text: &str| text.parse::<Day>().unwrap();
        assert_eq!(
            (Day::MAX - Day::MIN, Day::MIN.year() < -2_000_000, Day::MAX.year() > 2_000_000),
            (i32::MAX, true, true)
        );
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
