//! What the oracle knows of the world: the reference files, read in its own way, and the law as the sources state it, by hand.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use simulator::truth::{DayNumber, Form, Money};

use super::days;

/// Communes, facilities, days off.
pub struct World {
    communes: BTreeSet<String>,
    facilities: BTreeMap<String, Vec<Span>>,
    days_off: BTreeSet<DayNumber>,
}

/// What a facility is from a day to another.
pub(super) struct Span {
    from: DayNumber,
    until: DayNumber,
    tier: String,
    score: Option<u8>,
    former_level: String,
}

/// The groups in the order of the table of groups: of two that pay the same the first counts.
const GROUPS: [&str; 54] = [
    "CC", "TE", "CK", "CB", "KC", "HN", "DT", "DK", "XD", "BT", "TS", "AK", "CT", "CN", "LH", "QN", "CA",
    "CY", "HT", "TC", "PV", "TG", "DS", "HK", "DN", "HX", "CH", "NN", "TK", "HC", "XK", "TB", "NO", "XB",
    "TN", "CS", "XN", "MS", "HD", "TQ", "TA", "TY", "HG", "LS", "HS", "SV", "GB", "GD", "ND", "TH", "TV",
    "TD", "TU", "BA",
];

impl World {
    /// Reads the repository's `reference/`.
    pub fn read() -> World {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../reference");
        let sheet = |name: &str| rows(&fs::read_to_string(root.join(name)).expect("the file is there"));
        let communes =
            sheet("communes.csv").into_iter().map(|mut row| row.remove("code").expect("a column")).collect();
        let mut facilities: BTreeMap<String, Vec<Span>> = sheet("facilities.csv")
            .into_iter()
            .map(|mut row| (row.remove("code").expect("a column"), Vec::new()))
            .collect();
        for row in sheet("facility_spans.csv") {
            let or = |name: &str, open| if row[name].is_empty() { open } else { days::day(&row[name]) };
            facilities.get_mut(&row["code"]).expect("spans of listed facilities").push(Span {
                from: or("valid_from", DayNumber::MIN),
                until: or("valid_until", DayNumber::MAX),
                tier: row["tier"].clone(),
                score: row["score"].parse().ok(),
                former_level: row["former_level"].clone(),
            });
        }
        let days_off = sheet("holidays.csv").iter().map(|row| days::day(&row["day"])).collect();
        World { communes, facilities, days_off }
    }

    fn known(code: &str, is_known: bool) -> String {
        if is_known {
            code.to_owned()
        } else if code.is_empty() {
            "none".to_owned()
        } else {
            "unknown".to_owned()
        }
    }

    pub(super) fn commune(&self, code: &str) -> String {
        World::known(code, self.communes.contains(code))
    }

    pub(super) fn facility(&self, code: &str) -> String {
        World::known(code, self.facilities.contains_key(code))
    }

    /// One end of a referral: a facility that isn't listed is named too, if what was sent can be a facility's code (five
    /// characters, of which the first two are the province's number and the others no small letters).
    pub(super) fn end_of_referral(&self, code: &str) -> String {
        let is_code = code.len() == 5
            && code
                .chars()
                .enumerate()
                .all(|(place, char)| char.is_ascii_digit() || place > 1 && char.is_ascii_uppercase());
        if is_code { code.to_owned() } else { self.facility(code) }
    }

    pub(super) fn group(code: &str) -> String {
        World::known(code, GROUPS.contains(&code))
    }

    pub(super) fn tier(&self, facility: &str, on: DayNumber) -> String {
        match self.class(facility, on).map(|span| span.tier.as_str()) {
            Some("unranked") => "none",
            Some("initial") => "initial",
            Some("basic") => "basic",
            Some("specialised") => "special",
            _ => "unknown",
        }
        .to_owned()
    }

    /// What a facility is on a day.
    pub(super) fn class(&self, facility: &str, on: DayNumber) -> Option<&Span> {
        self.facilities.get(facility)?.iter().find(|span| span.from <= on && on <= span.until)
    }

    pub(super) fn is_working_day(&self, day: DayNumber) -> bool {
        !days::is_weekend(day) && !self.days_off.contains(&day)
    }

    /// Working days after the earlier day, up to and with the later one.
    pub(super) fn working_days(&self, one: DayNumber, other: DayNumber) -> usize {
        (one.min(other) + 1..=one.max(other)).filter(|day| self.is_working_day(*day)).count()
    }

    /// The last day on which a form can be used (Circular 01/2025: ten working days, or a year).
    pub(super) fn last_day_of(&self, form: Form, issued: DayNumber) -> Option<DayNumber> {
        match form {
            Form::Standard => (issued..).find(|day| self.working_days(issued, *day) == 10),
            Form::OneYear => Some(days::years_later(issued, 1)),
            Form::TestOnly => None,
        }
    }
}

/// What a card pays, in hundredths of a per cent (DOMAIN: Law on Health Insurance, art. 22; from 2026 CN and LH in full).
pub(super) fn card_rate(group: &str, digit: &str, on: DayNumber) -> Option<i64> {
    let from_2026 = on >= days::day("2026-01-01");
    Some(match group {
        "CC" | "TE" | "CK" | "CB" | "KC" | "HN" | "DT" | "DK" | "XD" | "BT" | "TS" | "AK" | "CT" | "QN"
        | "CA" | "CY" => 10_000,
        "CN" if from_2026 => 10_000,
        "LH" if from_2026 => 10_000,
        "CN" | "HT" | "TC" | "PV" | "TG" | "DS" | "HK" => 9_500,
        known if GROUPS.contains(&known) => 8_000,
        _ => match digit {
            "1" | "2" | "5" => 10_000,
            "3" => 9_500,
            "4" => 8_000,
            _ => return None,
        },
    })
}

/// The row of `policy/card_rates.toml` that says so of a card that pays all.
pub(super) fn full_card_rule(group: &str, digit: &str) -> String {
    match group {
        "CC" | "TE" => "card-digit-1".to_owned(),
        "CN" => "card-near-poor".to_owned(),
        "LH" => "card-social-pension".to_owned(),
        "QN" | "CA" | "CY" => "card-digit-5".to_owned(),
        known if GROUPS.contains(&known) => "card-digit-2".to_owned(),
        _ => format!("card-unknown-group-digit-{digit}"),
    }
}

/// Of what is held on a day, the group that counts, with its digit: the highest rate, then the table's order.
pub(super) fn main_group(held: &[(String, String)], on: DayNumber) -> Option<(String, String)> {
    let place = |group: &str| GROUPS.iter().position(|known| *known == group).unwrap_or(usize::MAX);
    let mut held = held.to_vec();
    held.sort_by_key(|(group, digit)| {
        let rate = card_rate(group, digit, on).unwrap_or(-1);
        (-rate, place(group), group.clone(), digit.clone())
    });
    held.into_iter().next()
}

/// How somebody came, by the route code; `None`: a withdrawn request.
pub(super) fn came(route: &str) -> Option<&'static str> {
    Some(match route {
        "1.1" | "1.2" | "1.4" => "own",
        "1.3" => "form",
        "1.5" => "slip",
        "1.11" | "1.12" | "1.13" | "1.14" | "1.15" | "1.16" | "1.17" | "1.18" | "3.1" | "3.2" | "3.3"
        | "3.6" => "self",
        "2" => "urgent",
        "1.6" | "1.7" | "7" | "7.2" | "7.3" | "7.4" | "10" => "other",
        "9" => "unused",
        "8" => return None,
        _ => "unknown",
    })
}

/// The route's share in hundredths of a per cent, at a facility that is this; `None`: no rule says. For care since 2025.
pub(super) fn route_factor(
    route: &str,
    facility: Option<&Span>,
    inpatient: bool,
    on: DayNumber,
) -> Option<i64> {
    assert!(on >= days::day("2025-01-01") || came(route).is_none(), "the oracle knows the routes since 2025");
    let half_from_july = if on >= days::day("2026-07-01") { 5_000 } else { 0 };
    // A former district hospital with 50 to under 70 points fits 1.13 too, which is above 3.3 in the list.
    let fits_1_13 = facility.is_some_and(|facility| {
        facility.tier == "basic"
            && facility.former_level == "district"
            && facility.score.is_some_and(|score| (50..70).contains(&score))
    });
    Some(match route {
        "1.13" | "1.14" | "1.18" => half_from_july,
        "3.3" if fits_1_13 && !inpatient => half_from_july,
        "3.1" => {
            if inpatient {
                4_000
            } else {
                0
            }
        }
        "9" => 0,
        "7.2" | "7.3" | "7.4" | "8" | "10" => return None,
        known if came(known) == Some("unknown") => return None,
        _ => 10_000,
    })
}

/// Whether copay on this route, of which this share is paid, counts toward the year's, and the exemption covers it: not where
/// insurance isn't used, nor for self-referral that isn't paid in full.
pub(super) fn copay_counts(route: &str, factor: i64) -> bool {
    route != "9" && !(came(route) == Some("self") && factor < 10_000)
}

/// The base salary, in hundredths of a đồng.
pub(super) fn base_salary(on: DayNumber) -> Money {
    100 * if on >= days::day("2026-07-01") { 2_530_000 } else { 2_340_000 }
}

/// The rows of a sheet, by column.
fn rows(text: &str) -> Vec<BTreeMap<String, String>> {
    let mut lines = text.lines().filter(|line| !line.is_empty()).map(cells);
    let names = lines.next().expect("a line of names");
    lines.map(|cells| names.iter().cloned().zip(cells).collect()).collect()
}

/// The cells of a line; a cell in quotes may hold commas and doubled quotes.
fn cells(line: &str) -> Vec<String> {
    let mut cells = vec![String::new()];
    let mut quoted = false;
    let mut chars = line.chars().peekable();
    while let Some(char) = chars.next() {
        let cell = cells.last_mut().expect("there is always one");
        match char {
            '"' if quoted && chars.peek() == Some(&'"') => {
                cell.push('"');
                chars.next();
            }
            '"' => quoted = !quoted,
            ',' if !quoted => cells.push(String::new()),
            other => cell.push(other),
        }
    }
    cells
}
