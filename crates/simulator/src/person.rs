//! Who somebody is: the traits that a life is made from.

use contract::Day;

use crate::{
    Short,
    city::City,
    dice::Dice,
    truth::{BirthKnown, DayNumber, Moment},
};

/// What is fixed about a person before anything happens.
#[derive(Debug, Clone)]
pub(crate) struct Traits {
    pub(crate) index: u64,
    pub(crate) male: bool,
    pub(crate) born: DayNumber,
    pub(crate) birth_known: BirthKnown,
    /// In whole years on the first of January; newborns of the year have -1.
    pub(crate) age: i32,
    /// Index of the commune of permanent residence.
    pub(crate) commune: u16,
    /// Index of the facility of initial registration.
    pub(crate) primary: u16,
    pub(crate) died: Option<DayNumber>,
}

/// Share of people by age in thousandths: (weight, first year, last year). Newborns of the year first; the shape is that
/// of the 2024 mid-term census for Hanoi, rounded.
const AGES: [(u32, (i32, i32)); 19] = [
    (13, (-1, -1)),
    (66, (0, 4)),
    (82, (5, 9)),
    (78, (10, 14)),
    (65, (15, 19)),
    (68, (20, 24)),
    (76, (25, 29)),
    (84, (30, 34)),
    (85, (35, 39)),
    (75, (40, 44)),
    (64, (45, 49)),
    (57, (50, 54)),
    (52, (55, 59)),
    (48, (60, 64)),
    (39, (65, 69)),
    (24, (70, 74)),
    (13, (75, 79)),
    (7, (80, 84)),
    (4, (85, 99)),
];

impl Traits {
    pub(crate) fn draw(city: &City, index: u64, dice: &mut Dice) -> Traits {
        let (first, last) = *dice.weighted(&AGES);
        let age = dice.between(i64::from(first), i64::from(last)) as i32;
        let new_year = city.first_day;
        // Somebody who is `age` on the first of January had the last birthday within the year before.
        let born = if age < 0 {
            dice.between(i64::from(new_year), i64::from(city.end_day) - 1) as DayNumber
        } else {
            Day(new_year).anniversary(-age).0 - dice.below(365) as DayNumber
        };
        let birth_known = match dice.below(1000) {
            0..=9 if age > 60 => BirthKnown::Year,
            10..=14 if age > 60 => BirthKnown::Month,
            _ => BirthKnown::Day,
        };
        let born = birth_known.first_day(born);
        // Slightly more boys are born; women live longer.
        let male = dice.permille(if age > 70 { 400 } else { 498 });
        let commune = city.places.some_commune(dice);
        let primary = *dice.pick(city.places.near(commune));
        let deaths_per_100_000 = match age {
            ..=0 => 250,
            1..=39 => 90,
            40..=59 => 400,
            60..=74 => 1400,
            _ => 6000,
        };
        let died = (dice.below(100_000) < deaths_per_100_000)
            .then(|| dice.between(i64::from(born.max(new_year)), i64::from(city.end_day) - 1) as DayNumber);
        Traits { index, male, born, birth_known, age, commune, primary, died }
    }

    /// The last day on which something can happen to the person in the year.
    pub(crate) fn last_day(&self, city: &City) -> DayNumber {
        self.died.unwrap_or(city.end_day - 1)
    }

    /// The first day on which something can happen to the person in the year.
    pub(crate) fn first_day(&self, city: &City) -> DayNumber {
        self.born.max(city.first_day)
    }

    /// The commune's own office: the facility that keeps its register.
    pub(crate) fn register(&self, city: &City) -> Short {
        city.places.facility(city.places.near(self.commune)[0]).code
    }
}

/// The instant `ms` milliseconds after midnight in Hanoi on `day`.
pub(crate) fn at(day: DayNumber, ms: i64) -> Moment {
    Day(day).start().0 + ms
}

/// A moment of working hours on `day`: mornings are busiest.
pub(crate) fn working_hours(day: DayNumber, dice: &mut Dice) -> Moment {
    let (first_hour, last_hour) = if dice.permille(650) { (7, 10) } else { (13, 16) };
    let hour = dice.between(first_hour, last_hour);
    at(day, hour * 3_600_000 + dice.below(3_600_000) as i64)
}

impl BirthKnown {
    /// The first day that a date of birth of which so much is known can be.
    pub(crate) fn first_day(self, born: DayNumber) -> DayNumber {
        match self {
            BirthKnown::Day => born,
            BirthKnown::Month => Day(born).month_start().0,
            BirthKnown::Year => Day::new_year(Day(born).year()).0,
        }
    }
}
