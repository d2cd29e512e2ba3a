//! What registers know: birth, residence, the electronic record, cards, statuses, death.

use contract::Day;

use crate::{
    Key, Short,
    billing::digit,
    city::City,
    dice::Dice,
    person::{Traits, at, working_hours},
    teller::{Teller, Word},
    truth::{Card, DayNumber, Moment, Residence, Says},
};

/// The payer, as an emitter: social insurance of the city.
pub(crate) const PAYER: &str = "BHXH01";

type Group = &'static str;

const PUPILS: &[(u32, Group)] =
    &[(930, "HS"), (20, "GD"), (6, "HN"), (12, "CN"), (10, "DT"), (6, "BT"), (6, "CA"), (10, "GB")];
const STUDENTS: &[(u32, Group)] = &[
    (480, "SV"),
    (250, "DN"),
    (210, "GD"),
    (5, "HN"),
    (9, "CN"),
    (15, "QN"),
    (10, "CA"),
    (5, "HX"),
    (16, "GB"),
];
const WORKERS: &[(u32, Group)] = &[
    (510, "DN"),
    (70, "HC"),
    (45, "CH"),
    (270, "GD"),
    (15, "GB"),
    (10, "HX"),
    (12, "TN"),
    (4, "HN"),
    (9, "CN"),
    (10, "BT"),
    (14, "QN"),
    (16, "CA"),
    (5, "CB"),
    (6, "NN"),
    (4, "XK"),
];
const ELDERS: &[(u32, Group)] = &[
    (480, "HT"),
    (250, "GD"),
    (50, "CB"),
    (50, "KC"),
    (25, "BT"),
    (20, "TC"),
    (8, "HN"),
    (12, "CN"),
    (10, "CC"),
    (80, "DN"),
    (15, "TS"),
];
const OLDEST: &[(u32, Group)] = &[
    (400, "HT"),
    (200, "LH"),
    (80, "KC"),
    (25, "CC"),
    (120, "GD"),
    (60, "CT"),
    (40, "BT"),
    (10, "HN"),
    (15, "CN"),
    (30, "TS"),
    (20, "TC"),
];

/// Groups that are a status of their own, told by the commune as well as printed on the card.
const STATUSES: [Group; 6] = ["HN", "CN", "BT", "CC", "DT", "LH"];

/// Loads a person's register entries: into the log before the year begins, or soon after birth.
pub(crate) fn registers(city: &City, traits: &Traits, teller: &mut Teller, dice: &mut Dice) -> Vec<Card> {
    let register = traits.register(city);
    let newborn = traits.age < 0;
    let loaded = if newborn {
        working_hours(traits.born + dice.between(1, 30) as DayNumber, dice)
    } else {
        // December: the registers of a whole city take a month to load.
        at(city.first_day - 31 + dice.below(28) as DayNumber, dice.below(86_000_000) as Moment)
    };
    teller.tell(
        Word::new(register, key("DK", traits.index, 0), loaded),
        Says::Registered { born: traits.born, known: traits.birth_known, male: Some(traits.male) },
    );
    residences(city, traits, teller, dice, register, loaded);
    let insured = dice.permille(match traits.age {
        ..=5 => 990,
        6..=17 => 988,
        18..=22 => 960,
        23..=59 => 945,
        60..=74 => 975,
        _ => 992,
    });
    let cards = if insured { cards(city, traits, teller, dice, loaded) } else { Vec::new() };
    if dice.permille(820) {
        let opened = if dice.permille(800) || newborn {
            loaded + 40_000
        } else {
            working_hours(
                dice.between(traits.first_day(city).into(), traits.last_day(city).into()) as DayNumber,
                dice,
            )
        };
        teller.tell(Word::new(register, key("SK", traits.index, 0), opened), Says::RecordOpened);
    }
    if let Some(died) = traits.died {
        let recorded = working_hours(died + dice.below(12) as DayNumber, dice) + 86_400_000;
        teller.tell(
            Word {
                occurred_ms: at(died, 43_200_000),
                ..Word::new(register, key("KT", traits.index, 0), recorded)
            },
            Says::Died { on: died },
        );
    }
    cards
}

fn residences(
    city: &City,
    traits: &Traits,
    teller: &mut Teller,
    dice: &mut Dice,
    register: Short,
    loaded: Moment,
) {
    let mut live = |word: Word, kind, commune: u16, from: DayNumber, until| {
        let commune = city.places.commune(commune).code;
        teller.tell(word, Says::Lives { kind, commune, from, until });
    };
    // Where somebody lives has been so for a while: since birth, or for some years.
    let since = traits.born.max(city.first_day - 400 - dice.below(7000) as DayNumber);
    live(
        Word::new(register, key("CT", traits.index, 0), loaded + 10_000),
        Residence::Permanent,
        traits.commune,
        since,
        None,
    );
    let first = i64::from(traits.first_day(city));
    let last = i64::from(traits.last_day(city));
    if dice.permille(90) {
        let commune = city.places.some_commune(dice);
        live(
            Word::new(register, key("TT", traits.index, 0), loaded + 15_000),
            Residence::Actual,
            commune,
            since.max(city.first_day - 900),
            None,
        );
    }
    if dice.permille(30) && first < last {
        let moved = dice.between(first, last) as DayNumber;
        let commune = city.places.some_commune(dice);
        let recorded = working_hours(moved + dice.below(20) as DayNumber, dice);
        let (kind, until) = if dice.permille(700) {
            (Residence::Permanent, None)
        } else {
            (Residence::Temporary, Some(moved + dice.between(30, 700) as DayNumber))
        };
        live(Word::new(register, key("CT", traits.index, 1), recorded), kind, commune, moved, until);
    }
}

fn cards(city: &City, traits: &Traits, teller: &mut Teller, dice: &mut Dice, loaded: Moment) -> Vec<Card> {
    let mut cards = Vec::with_capacity(3);
    let sixth = Day(traits.born).anniversary(6).0;
    let (year_first, year_last) = (city.first_day, city.end_day - 1);
    // The year five years complete counts from when the person joined; some registers do not know.
    let joined = traits.born.max(city.first_day - dice.below(11_000) as DayNumber);
    let five_years_on = dice.permille(930).then(|| Day(joined).anniversary(5).0);
    let mut grant =
        |teller: &mut Teller, group: &str, from: DayNumber, until: Option<DayNumber>, recorded: Moment| {
            let card = Card {
                group: group.into(),
                digit: digit(group).into(),
                from,
                until,
                primary: city.places.facility(traits.primary).code,
                five_years_on,
                area: Short::EMPTY,
            };
            let word = Word::new(PAYER.into(), key("BH", traits.index, cards.len() as u64), recorded);
            if teller.tell(word, Says::Insured(card)).is_some() {
                cards.push(card);
            }
        };
    if traits.age < 6 {
        // A card for children under six lasts to the day before the sixth birthday, or to the end of September of that
        // year for those who start school.
        let september = Day::from_ymd(Day(sixth).year(), 9, 30).map_or(sixth, |day| day.0);
        let until = if dice.permille(600) { (sixth - 1).max(september) } else { sixth - 1 };
        grant(teller, "TE", traits.born, Some(until), loaded + 20_000);
        if until < year_last && dice.permille(950) {
            let recorded = working_hours(until - dice.below(15) as DayNumber, dice);
            grant(teller, "HS", until + 1, Some(year_last), recorded);
        }
        return cards;
    }
    let groups = match traits.age {
        ..=17 => PUPILS,
        18..=22 => STUDENTS,
        23..=59 => WORKERS,
        60..=74 => ELDERS,
        _ => OLDEST,
    };
    let group = *dice.weighted(groups);
    match group {
        "GD" | "GB" | "HX" | "TN" | "NN" => {
            // Bought for twelve months at a time, from any day.
            let from = year_first - dice.below(365) as DayNumber;
            let until = Day(from).add_months(12).0 - 1;
            grant(teller, group, from, Some(until), loaded + 20_000);
            if until < year_last {
                let late = match dice.below(1000) {
                    0..=859 => Some(0),
                    860..=949 => Some(dice.between(1, 75) as DayNumber),
                    _ => None,
                };
                if let Some(late) = late {
                    let from = until + 1 + late;
                    let lead = if late == 0 { dice.below(20) as DayNumber } else { 0 };
                    let recorded = working_hours(from - lead, dice);
                    grant(teller, group, from, Some(Day(from).add_months(12).0 - 1), recorded);
                }
            }
        }
        "HT" | "CC" | "CB" | "KC" | "TS" | "TC" | "CT" | "QN" | "CA" | "HC" => {
            let since = year_first - dice.below(1500) as DayNumber;
            grant(teller, group, since.max(traits.born), None, loaded + 20_000);
        }
        _ => grant(teller, group, year_first, Some(year_last), loaded + 20_000),
    }
    if group == "DN" && dice.permille(25) {
        // Out of work: the card ends, and a household's follows, or none.
        let on = dice.between(i64::from(year_first) + 20, i64::from(year_last)) as DayNumber;
        let recorded = working_hours(on + dice.below(25) as DayNumber, dice);
        let told = teller.tell(
            Word::new(PAYER.into(), key("BX", traits.index, 0), recorded),
            Says::InsuranceEnded { grant: key("BH", traits.index, 0), on },
        );
        if told.is_some() {
            cards[0].until = Some(on - 1);
            if dice.permille(800) {
                let from = on + dice.below(30) as DayNumber;
                let card = Card {
                    group: "GD".into(),
                    digit: digit("GD").into(),
                    from,
                    until: Some(Day(from).add_months(12).0 - 1),
                    ..cards[0]
                };
                let word = Word::new(PAYER.into(), key("BH", traits.index, 1), working_hours(from, dice));
                if teller.tell(word, Says::Insured(card)).is_some() {
                    cards.push(card);
                }
            }
        }
    }
    if STATUSES.contains(&group) {
        statuses(city, traits, teller, dice, group, loaded);
    }
    cards
}

fn statuses(
    city: &City,
    traits: &Traits,
    teller: &mut Teller,
    dice: &mut Dice,
    group: Group,
    loaded: Moment,
) {
    let register = traits.register(city);
    let granted = key("DT", traits.index, 0);
    let until = (group != "CC").then_some(city.end_day - 1);
    teller.tell(
        Word::new(register, granted, loaded + 30_000),
        Says::Entitled { group: group.into(), from: city.first_day, until },
    );
    if matches!(group, "CN" | "HN") && dice.permille(60) {
        let on = dice.between(i64::from(city.first_day) + 60, i64::from(city.end_day) - 1) as DayNumber;
        let recorded = working_hours(on + dice.below(15) as DayNumber, dice);
        teller.tell(
            Word::new(register, key("DX", traits.index, 0), recorded),
            Says::EntitlementEnded { grant: granted, group: group.into(), on },
        );
    }
}

/// A register's key: letters, the person's number, a serial number.
pub(crate) fn key(letters: &str, index: u64, serial: u64) -> Key {
    let mut key = Key::new(letters);
    key.push_number(index, 8);
    key.push(b".");
    key.push_number(serial, 1);
    key
}
