//! Lists: who is exempt, who is fully covered, who is near the threshold, which claims were charged wrongly.

use contract::{Code, Day};
use policy::{Bundle, Money, Percent, Rule};
use projection::{Card, List, ListRow, Main, Span};

use crate::{
    claims::{Visit, facility},
    person::{Person, Says},
};

/// Number of the list of people who pay no more copay this year.
pub const EXEMPT_LIST: usize = 0;
/// Number of the list of people whose card pays all.
pub const COVERED_LIST: usize = 1;
/// Number of the list of people near the threshold.
pub const NEAR_LIST: usize = 2;
/// Number of the list of claims charged otherwise than policy says.
pub const MISCHARGED_LIST: usize = 3;

/// Near: this share of the threshold is paid, in hundredths.
const NEAR_SHARE: i64 = 80;

/// The lists. Money is in dong.
pub const LISTS: &[List] = &[
    List {
        name: "exempt",
        about: "Insured people who pay no more copay on the day: five years in a row, and the year's copay above the threshold.",
        columns: &["group", "since", "until", "why", "copay_of_year", "threshold", "confirmed"],
    },
    List {
        name: "covered",
        about: "Insured people whose main group pays all on the day.",
        columns: &["group", "since", "until", "why"],
    },
    List {
        name: "near",
        about: "Insured people, not exempt on the day, who have paid at least 80 % of the year's threshold.",
        columns: &["group", "copay_of_year", "threshold", "remaining", "five_years", "payer_copay"],
    },
    List {
        name: "mischarged",
        about: "Claims of the calendar year up to the day whose copay is not what policy says.",
        columns: &[
            "facility",
            "ended",
            "group",
            "route",
            "covered",
            "copay",
            "due",
            "difference",
            "charged_rate",
        ],
    },
];

pub(crate) fn rows(
    all: &projection::Person<'_>,
    bundle: &Bundle,
    on: Day,
    list: usize,
    rows: &mut Vec<ListRow>,
) {
    let person = Person::read(all, bundle);
    if list == MISCHARGED_LIST {
        return mischarged(&person, bundle, on, rows);
    }
    if !all.view.is_person() || all.insured.at(on).is_none() {
        return;
    }
    let Some(main) = all.mains.iter().find(|main| main.span.contains(on)) else { return };
    match list {
        EXEMPT_LIST => rows.extend(exempt(&person, main, bundle, on)),
        COVERED_LIST => rows.extend(covered(&person, main, bundle, on)),
        NEAR_LIST => rows.extend(near(&person, main, bundle, on)),
        _ => {}
    }
}

fn exempt(person: &Person<'_>, main: &Main, bundle: &Bundle, on: Day) -> Option<ListRow> {
    let annual = person.annual(on, bundle)?;
    let exemption = annual.exemption?;
    let confirmed = person.exemptions(bundle).confirmed.at(on).is_some();
    let values = vec![
        main.group.to_string(),
        exemption.since.to_string(),
        exemption.until.to_string(),
        exemption.rule.id().to_owned(),
        dong(annual.paid),
        dong(exemption.threshold),
        if confirmed { "yes" } else { "no" }.to_owned(),
    ];
    Some(ListRow { values, event: None })
}

/// The group that pays all on a day, since when and until when.
pub(crate) struct PaysAll<'a> {
    pub(crate) span: Span,
    /// The card in force of that group that does, of several the latest begun; `None`: a status gives the group.
    card: Option<&'a Card>,
    pub(crate) rule: &'a Rule,
}

/// Whether `main`, the main group of a day on which the person is insured, pays all.
pub(crate) fn pays_all<'a>(
    person: &'a projection::Person<'_>,
    main: &Main,
    bundle: &'a Bundle,
    on: Day,
) -> Option<PaysAll<'a>> {
    if main.rate != Some(10_000) {
        return None;
    }
    let span = person.insured.at(on)?.and(main.span);
    // Of a group that no table knows the digit decides: somebody may hold two of its cards, and one of them pays less.
    let does = |card: &&Card| {
        let rate = bundle.policy.card_rate(card.group, card.digit, on).map(|rate| rate.basis_points);
        card.group == main.group && card.span.contains(on) && rate == main.rate
    };
    let card = person.holdings.cards.iter().rfind(does);
    let digit = card.map_or(Code::EMPTY, |card| card.digit);
    let rule = bundle.policy.card_rate(main.group, digit, on)?.rule;
    Some(PaysAll { span, card, rule })
}

fn covered(person: &Person<'_>, main: &Main, bundle: &Bundle, on: Day) -> Option<ListRow> {
    let PaysAll { span, card, rule } = pays_all(&person.all, main, bundle, on)?;
    let values =
        vec![main.group.to_string(), span.from.to_string(), last_day(span.until), rule.id().to_owned()];
    Some(ListRow { values, event: card.map(|card| card.event) })
}

/// The last day before `until`.
pub(crate) fn last_day(until: Day) -> String {
    if until == Day::MAX { until } else { until - 1 }.to_string()
}

fn near(person: &Person<'_>, main: &Main, bundle: &Bundle, on: Day) -> Option<ListRow> {
    let annual = person.annual(on, bundle)?;
    let is_near = i128::from(annual.paid.0) * 100 >= i128::from(annual.threshold.0) * i128::from(NEAR_SHARE);
    if annual.exemption.is_some() || !is_near {
        return None;
    }
    let five_years = match person.five_years(on, bundle) {
        Some(known) if known.complete_on <= on => "yes".to_owned(),
        Some(known) => format!("on {}", known.complete_on),
        None => "unknown".to_owned(),
    };
    let reported = person.payer.iter().rev().find_map(|said| match said.says {
        Says::Copay(copay) if said.year == on.year() && said.on <= on => Some(copay),
        _ => None,
    });
    let values = vec![
        main.group.to_string(),
        dong(annual.paid),
        dong(annual.threshold),
        dong(annual.remaining),
        five_years,
        reported.map_or_else(String::new, dong),
    ];
    Some(ListRow { values, event: None })
}

fn mischarged(person: &Person<'_>, bundle: &Bundle, on: Day, rows: &mut Vec<ListRow>) {
    let first = Day::new_year(on.year());
    let exemptions = person.exemptions(bundle);
    let of_year = person.all.claims().filter(|(_, claim)| claim.ended >= first && claim.ended <= on);
    for (fact, claim) in of_year {
        if projection::came(claim.route, bundle).is_none() {
            continue;
        }
        let visit = Visit::new(&person.all, fact, claim, facility(claim, bundle));
        let verdict = visit.verdict(&person.all.view, &exemptions, bundle);
        let difference = verdict.difference(claim.copay);
        if difference == 0 {
            continue;
        }
        let values = vec![
            claim.facility.to_string(),
            claim.ended.to_string(),
            claim.group.to_string(),
            claim.route.to_string(),
            dong(Money(claim.covered)),
            dong(Money(claim.copay)),
            verdict.due.map_or_else(String::new, |due| dong(Money(due))),
            dong(Money(difference)),
            Percent(claim.charged_rate).to_string(),
        ];
        rows.push(ListRow { values, event: Some(fact.id) });
    }
}

/// Dong with what decimals there are and nothing between: `14124444.44`.
pub(crate) fn dong(money: Money) -> String {
    let (whole, hundredths) = (money.0.unsigned_abs() / 100, money.0.unsigned_abs() % 100);
    let sign = if money.0 < 0 { "-" } else { "" };
    if hundredths == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{hundredths:02}") }
}
