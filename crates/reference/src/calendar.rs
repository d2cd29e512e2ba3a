//! Days off and working days: the validity of a transfer form counts in working days.

use std::{ops::Range, sync::Arc};

use contract::Day;

use crate::{BundleFault, sheet::Sheet};

/// A weekday on which nobody works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holiday {
    /// The day itself; days in lieu are rows of their own.
    pub day: Day,
    /// What it is for.
    pub name: String,
}

/// Which days are worked. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Calendar {
    /// First day of the table.
    first: Day,
    /// For each day of the table the number of working days in it up to and with that day.
    worked: Arc<[u32]>,
    /// The working days of the table, in order.
    working: Arc<[Day]>,
    known_until: Day,
}

/// Days beyond the listed years that the table covers with weekends only, so that forms near its ends stay fast.
const MARGIN_DAYS: i32 = 400;

impl Calendar {
    /// The calendar of these weekdays off and of all weekends.
    #[must_use]
    pub fn new(holidays: &[Day]) -> Calendar {
        let years = (holidays.iter().min(), holidays.iter().max());
        let (first, known_until) = match years {
            (Some(least), Some(most)) => (Day::new_year(least.year()), Day::new_year(most.year() + 1) - 1),
            _ => (Day(0), Day(0)),
        };
        let (first, last) = (first - MARGIN_DAYS, known_until + MARGIN_DAYS);
        let off: rustc_hash::FxHashSet<Day> = holidays.iter().copied().collect();
        let mut worked = Vec::new();
        let mut working = Vec::new();
        let mut day = first;
        while day <= last {
            if !day.is_weekend() && !off.contains(&day) {
                working.push(day);
            }
            worked.push(working.len() as u32);
            day = day.next();
        }
        Calendar { first, worked: worked.into(), working: working.into(), known_until }
    }

    /// The last day of the last year with holidays listed.
    #[must_use]
    pub fn known_until(&self) -> Day {
        self.known_until
    }

    /// Whether nobody works.
    #[must_use]
    pub fn is_day_off(&self, day: Day) -> bool {
        match self.worked_until(day) {
            Some(0) => self.working.first() != Some(&day),
            Some(worked) => self.working[worked as usize - 1] != day,
            None => day.is_weekend(),
        }
    }

    /// The `n`-th working day after `day`; before it for a negative `n`; `day` itself for 0. Beyond the listed years only
    /// weekends count as off.
    #[must_use]
    #[inline]
    pub fn add_working_days(&self, day: Day, n: i32) -> Day {
        if n == 0 {
            return day;
        }
        if let Some(worked) = self.worked_until(day) {
            // Forward from the working days up to `day`; backward from those before it.
            let at = if n > 0 {
                i64::from(worked) + i64::from(n) - 1
            } else {
                i64::from(worked) - i64::from(!self.is_day_off(day)) + i64::from(n)
            };
            if let Some(found) = usize::try_from(at).ok().and_then(|at| self.working.get(at)) {
                return *found;
            }
        }
        self.walk(day, n)
    }

    /// The days that are at most `n` working days away from `day`, from the first of them to before the end: counted are the
    /// working days after the earlier day up to and with the later one. None for a negative `n`.
    #[must_use]
    pub fn within_working_days(&self, day: Day, n: i32) -> Range<Day> {
        if n < 0 {
            return day..day;
        }
        // One more working day lies between `day` and whatever is beyond these two.
        let beyond = n.saturating_add(1);
        self.add_working_days(day.next(), -beyond)..self.add_working_days(day, beyond)
    }

    #[inline]
    fn worked_until(&self, day: Day) -> Option<u32> {
        usize::try_from(day - self.first).ok().and_then(|at| self.worked.get(at)).copied()
    }

    /// Day by day, where the table ends.
    #[cold]
    fn walk(&self, mut day: Day, n: i32) -> Day {
        let step = n.signum();
        let mut left = n.abs();
        while left > 0 {
            day = day + step;
            left -= i32::from(!self.is_day_off(day));
        }
        day
    }
}

pub(crate) const COLUMNS: &[&str] = &["day", "name", "source", "confidence"];

pub(crate) fn read(sheet: &Sheet, faults: &mut Vec<BundleFault>) -> Vec<Holiday> {
    let mut holidays: Vec<Holiday> = Vec::new();
    for row in sheet.rows() {
        row.check_source(faults);
        let name = row.required("name", faults);
        let Some(day) = row.day("day", faults) else { continue };
        if day.is_weekend() {
            faults.push(row.fault("day", format!("{day} is a weekend: list the weekday off instead of it")));
        }
        if !(1990..=2100).contains(&day.year()) {
            faults.push(row.fault("day", format!("{day} is not between 1990 and 2100")));
            continue;
        }
        if holidays.iter().any(|known| known.day == day) {
            faults.push(row.fault("day", format!("{day} is there twice")));
        }
        holidays.push(Holiday { day, name });
    }
    holidays.sort_by_key(|holiday| holiday.day);
    holidays
}
