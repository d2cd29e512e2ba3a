//! Who a row is about: identifiers, details, cards.

use contract::{Day, Millis, v1};

use super::{
    remarks::Fields,
    rule::Rule,
    values::{self, birth_date, is_digits, list},
};

/// The person of a row.
pub(crate) struct Person {
    /// With name, address and phone: for the events that tell of the person or the bill.
    pub(crate) full: v1::PersonDetails,
    pub(crate) birth_date: String,
    pub(crate) sex: v1::Sex,
    pub(crate) nationality: String,
    pub(crate) ethnicity: String,
    pub(crate) occupation: String,
}

/// One card of the `;` lists MA_THE_BHYT, MA_DKBD, GT_THE_TU and GT_THE_DEN.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Card {
    /// First two letters; empty where the number has none.
    pub(crate) group: String,
    /// Third character, 1 to 5 on the cards known today.
    pub(crate) rate_digit: String,
    pub(crate) primary_facility: String,
    pub(crate) valid_from: Day,
    pub(crate) valid_until: Option<Day>,
}

/// What the number in MA_THE_BHYT is: the card of 15 characters (group, rate, province, social insurance number), its
/// last ten digits alone (printed since 2021), or the personal number that replaces both (since 2025-07-01).
enum CardNumber<'a> {
    Full { group: &'a str, rate_digit: &'a str },
    Short,
    Personal,
    Odd,
}

fn card_number(text: &str) -> CardNumber<'_> {
    let bytes = text.as_bytes();
    if is_digits(text, 12) {
        CardNumber::Personal
    } else if is_digits(text, 10) {
        CardNumber::Short
    } else if bytes.len() == 15
        && bytes[..2].iter().all(u8::is_ascii_uppercase)
        && bytes[2..].iter().all(u8::is_ascii_digit)
        && (b'1'..=b'5').contains(&bytes[2])
    {
        CardNumber::Full { group: &text[..2], rate_digit: &text[2..3] }
    } else {
        CardNumber::Odd
    }
}

impl Person {
    /// Reads the person of a row of XML0, XML1 or XML13; what the table does not have is empty.
    pub(crate) fn read(fields: &mut Fields<'_>, facility: &str, visited_at: Option<Millis>) -> Person {
        let (birth_date, born) = match birth_date(fields.get("NGAY_SINH")) {
            Some((written, first)) => (written, Some(first)),
            None => {
                if !fields.get("NGAY_SINH").is_empty() {
                    fields.remark(Rule::DateImpossible, "NGAY_SINH", "");
                }
                (String::new(), None)
            }
        };
        if born.zip(visited_at).is_some_and(|(born, visited)| born > visited.day()) {
            fields.remark(Rule::BornAfterVisit, "NGAY_SINH", "");
        }
        let sex = match fields.get("GIOI_TINH") {
            "1" => v1::Sex::Male,
            "2" => v1::Sex::Female,
            "3" | "" => v1::Sex::Unspecified,
            _ => {
                fields.remark(Rule::CodeUnknown, "GIOI_TINH", "1 male, 2 female, 3 unknown");
                v1::Sex::Unspecified
            }
        };
        Person {
            full: v1::PersonDetails {
                full_name: fields.text("HO_TEN", 255),
                address: fields.text("DIA_CHI", 1024),
                phone: fields.key("DIEN_THOAI", 15),
                identifiers: identifiers(fields, facility),
            },
            birth_date,
            sex,
            nationality: fields.code("MA_QUOCTICH", 3),
            ethnicity: fields.code("MA_DANTOC", 2),
            occupation: fields.code("MA_NGHE_NGHIEP", 5),
        }
    }

    /// Only what finds the person: for the other events of the record.
    pub(crate) fn found(&self) -> v1::PersonDetails {
        v1::PersonDetails { identifiers: self.full.identifiers.clone(), ..v1::PersonDetails::default() }
    }
}

/// Everything that may find the person, as sent. A number that finds nobody is told of here, by its field, and passed on:
/// intake passes over it, and it stays readable for the emitter.
fn identifiers(fields: &mut Fields<'_>, facility: &str) -> Vec<v1::Identifier> {
    let mut found: Vec<v1::Identifier> = Vec::new();
    let mut push = |fields: &mut Fields<'_>, field, kind: v1::IdentifierKind, value: &str| {
        let facility = if kind == v1::IdentifierKind::Local { facility } else { "" };
        let identifier = v1::Identifier {
            kind: kind as i32,
            value: value.to_string(),
            facility: facility.to_string(),
            ..v1::Identifier::default()
        };
        if let Some(problem) = contract::identifier_problem(&identifier, facility) {
            fields.remark(Rule::IdentifierUnusable, field, problem.to_string());
        }
        if !found.contains(&identifier) {
            found.push(identifier);
        }
    };
    let number = fields.key("SO_CCCD", 15);
    if !number.is_empty() {
        let foreign = !matches!(fields.get("MA_QUOCTICH"), "" | "000");
        let passport =
            !is_digits(&number, 12) && (foreign || number.contains(|char: char| char.is_ascii_alphabetic()));
        // The nine digits of an old identity card are neither, and find nobody. A passport goes without its country: XML0
        // does not say it, and a check-in must find whom its claim finds.
        let kind = if passport { v1::IdentifierKind::Passport } else { v1::IdentifierKind::PersonalNumber };
        push(fields, "SO_CCCD", kind, &number);
    }
    for card in list(fields.get("MA_THE_BHYT")).filter(|card| !card.is_empty()).take(CARDS_MAX) {
        push(fields, "MA_THE_BHYT", v1::IdentifierKind::Card, super::remarks::code(card).as_str());
    }
    let local = fields.key("MA_BN", 100);
    if !local.is_empty() {
        push(fields, "MA_BN", v1::IdentifierKind::Local, &local);
    }
    found
}

/// More cards than anybody is given in one stay.
const CARDS_MAX: usize = 16;

/// The cards of an XML1 row, by their place in the lists. `visited_at` is where a card without a beginning begins.
pub(crate) fn cards(fields: &mut Fields<'_>, visited_at: Option<Millis>) -> Vec<Card> {
    let numbers: Vec<&str> = list(fields.get("MA_THE_BHYT")).take(CARDS_MAX).collect();
    let facilities: Vec<&str> = list(fields.get("MA_DKBD")).collect();
    let starts: Vec<&str> = list(fields.get("GT_THE_TU")).collect();
    let ends: Vec<&str> = list(fields.get("GT_THE_DEN")).collect();
    if list(fields.get("MA_THE_BHYT")).nth(CARDS_MAX).is_some() {
        fields.remark(
            Rule::FieldCut,
            "MA_THE_BHYT",
            format!("more than {CARDS_MAX} cards; the rest was left out"),
        );
    }
    let uneven = [facilities.len(), starts.len(), ends.len()]
        .iter()
        .any(|count| *count != 0 && *count != numbers.len());
    if uneven {
        fields.remark(Rule::CardListUneven, "MA_THE_BHYT", "");
    }
    let mut cards = Vec::new();
    for (at, number) in numbers.iter().enumerate().filter(|(_, number)| !number.is_empty()) {
        let of = |items: &[&str]| items.get(at).map_or(String::new(), |item| (*item).to_string());
        let (group, rate_digit) = match card_number(number) {
            CardNumber::Full { group, rate_digit } => (group, rate_digit),
            CardNumber::Short | CardNumber::Personal => ("", ""),
            CardNumber::Odd => {
                fields.remark(Rule::CardNumberOdd, "MA_THE_BHYT", format!("card {}", at + 1));
                ("", "")
            }
        };
        let primary_facility = of(&facilities);
        let start = fields.day("GT_THE_TU", &of(&starts));
        if of(&starts).is_empty() {
            fields.remark(Rule::CardStartMissing, "GT_THE_TU", format!("card {}", at + 1));
        }
        let Some(valid_from) = start.or(visited_at.map(Millis::day)) else { continue };
        let end = of(&ends);
        let valid_until = if values::is_no_end(&end) {
            fields.remark(Rule::CardWithoutEnd, "GT_THE_DEN", format!("card {}", at + 1));
            None
        } else {
            fields.day("GT_THE_DEN", &end)
        };
        if valid_until.is_some_and(|until| until < valid_from) {
            fields.remark(Rule::CardDatesReversed, "GT_THE_DEN", format!("card {}", at + 1));
            continue;
        }
        cards.push(Card {
            group: group.to_string(),
            rate_digit: rate_digit.to_string(),
            primary_facility: super::remarks::code(&primary_facility),
            valid_from,
            valid_until,
        });
    }
    cards
}
