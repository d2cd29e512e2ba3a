//! A person's history, read once: who they are, where they live, what is in force when.

use contract::{
    Code, Day, IdHash, Millis, RecordHash,
    v1::{ResidenceKind, Sex},
};
use history::{Body, Fact, PersonView};
use policy::{Bundle, Parameter};
use projection::{Layers, Span, Spans};
use smallvec::SmallVec;

use crate::cells::{NONE, UNKNOWN, WINDOW};

/// Visit types (MA_LOAI_KCB, QD 1804) whose claim is a check-up: periodic check-up, screening.
const CHECK_UP_TYPES: [&str; 2] = ["15", "16"];

/// What figures and lists need of a person. Every interval lies inside the life, and the life inside the axis.
#[derive(Debug)]
pub(crate) struct Person {
    pub(crate) life: Span,
    pub(crate) birth: Option<Day>,
    pub(crate) sex: Sex,
    pub(crate) cards: SmallVec<[Card; 3]>,
    pub(crate) insured: Spans,
    pub(crate) record: Spans,
    pub(crate) managed: Spans,
    pub(crate) checked_up: Spans,
    /// The commune by permanent registration, [`NONE`] where there is none.
    pub(crate) permanent: Layers<Code>,
    /// The commune where they in fact live, where it differs from the permanent one on some day.
    pub(crate) actual: Option<Layers<Code>>,
    /// Statuses that entitle, with their group.
    pub(crate) entitlements: SmallVec<[(Code, Span); 2]>,
    pub(crate) last_check_up: Option<Day>,
    pub(crate) last_contact: Option<Day>,
}

/// A card: in force for as long as nothing ended it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Card {
    pub(crate) group: Code,
    pub(crate) digit: Code,
    pub(crate) primary: Code,
    pub(crate) span: Span,
    pub(crate) event: IdHash,
    record: RecordHash,
    /// Which of several holds: the latest begun, then the latest asserted.
    order: (Day, Millis, Millis, IdHash),
}

struct Residence {
    kind: ResidenceKind,
    commune: Code,
    span: Span,
    order: (Day, Millis, Millis, IdHash),
}

struct Entitlement {
    group: Code,
    record: RecordHash,
    span: Span,
}

fn order(from: Day, fact: &Fact) -> (Day, Millis, Millis, IdHash) {
    (from, fact.asserted, fact.recorded, fact.id)
}

impl Person {
    /// Reads `view` as known until `seen`: contacts after that day are not looked at.
    pub(crate) fn read(view: &PersonView<'_>, bundle: &Bundle, seen: Day) -> Person {
        let months = |on| {
            bundle.policy.number(Parameter::HealthManagementWindowMonths, on).map_or(0, |f| f.value as i32)
        };
        let (mut birth, mut sex, mut died) = (None, Sex::Unspecified, Day::MAX);
        let mut first_known = Day::MAX;
        let mut residences: SmallVec<[Residence; 4]> = SmallVec::new();
        let mut cards: SmallVec<[Card; 3]> = SmallVec::new();
        let mut entitlements: SmallVec<[Entitlement; 2]> = SmallVec::new();
        let mut record_since = None;
        let (mut record, mut contacts, mut checked_up) = (Spans::new(), Spans::new(), Spans::new());
        let (mut last_check_up, mut last_contact) = (None, None);
        let mut ended = false;
        for fact in view.facts {
            let on = fact.occurred.day();
            first_known = first_known.min(on);
            let mut contact = false;
            let mut check_up = false;
            match fact.body {
                Body::PersonRegistered { birth: born, sex: said } => {
                    birth = born.or(birth);
                    sex = if said == Sex::Unspecified { sex } else { said };
                }
                Body::ResidenceChanged { kind, commune, from, until } => {
                    residences.push(Residence {
                        kind,
                        commune,
                        span: Span { from, until },
                        order: order(from, fact),
                    });
                }
                Body::InsuranceGranted { group, rate_digit, from, until, primary, .. } => cards.push(Card {
                    group,
                    digit: rate_digit,
                    primary,
                    span: Span { from, until },
                    event: fact.id,
                    record: fact.record,
                    order: order(from, fact),
                }),
                Body::EntitlementGranted { group, from, until } => {
                    entitlements.push(Entitlement { group, record: fact.record, span: Span { from, until } });
                }
                Body::InsuranceEnded { .. } | Body::EntitlementEnded { .. } => ended = true,
                Body::HealthRecordOpened => record_since = record_since.or(Some(on)),
                Body::HealthRecordClosed => {
                    if let Some(from) = record_since.take() {
                        record.add(Span { from, until: on });
                    }
                }
                Body::PersonDied { on } => died = died.min(on),
                Body::CheckUpCompleted { .. } => check_up = true,
                Body::CareGiven { .. } => contact = true,
                Body::ClaimSubmitted(claim) => {
                    contact = true;
                    check_up = is_check_up(claim.visit_type);
                }
                _ => {}
            }
            if (contact | check_up) && on <= seen {
                last_contact = last_contact.max(Some(on));
                contacts.add(Span { from: on, until: months_later(on, months(on)) });
                if check_up {
                    last_check_up = last_check_up.max(Some(on));
                    checked_up.add(Span { from: on, until: Day::new_year(on.year() + 1) });
                }
            }
        }
        if ended {
            end_early(view, &mut cards, &mut entitlements);
        }
        if let Some(from) = record_since {
            record.add(Span { from, until: Day::MAX });
        }

        // Cards and residences may reach back before anything was told.
        let begins =
            residences.iter().map(|residence| residence.span).chain(cards.iter().map(|card| card.span));
        let known = begins.map(|span| span.from).filter(|from| *from > Day::MIN).fold(first_known, Day::min);
        let life = window(Span { from: birth.unwrap_or(known), until: died });
        let inside = |spans: &Spans| spans.and(&Spans::from(life));
        let mut insured = Spans::new();
        for card in &mut cards {
            card.span = card.span.and(life);
            insured.add(card.span);
        }
        cards.retain(|card| !card.span.is_empty());
        cards.sort_unstable_by_key(|card| card.order);
        let record = inside(&record);
        let (permanent, actual) = places(&mut residences, bundle, life);
        let entitled = entitlements.iter().map(|entitlement| (entitlement.group, entitlement.span.and(life)));
        Person {
            life,
            birth,
            sex,
            managed: record.and(&contacts),
            checked_up: inside(&checked_up),
            record,
            insured,
            cards,
            permanent,
            actual,
            entitlements: entitled.filter(|(_, span)| !span.is_empty()).collect(),
            last_check_up,
            last_contact,
        }
    }

    /// Where they in fact live.
    pub(crate) fn actual(&self) -> &Layers<Code> {
        self.actual.as_ref().unwrap_or(&self.permanent)
    }
}

pub(crate) fn is_check_up(visit_type: Code) -> bool {
    CHECK_UP_TYPES.iter().any(|known| Code::new(known) == visit_type)
}

/// The part of an interval that lies on the axis; what ends later stays open.
fn window(span: Span) -> Span {
    Span {
        from: span.from.max(WINDOW.from).min(WINDOW.until),
        until: if span.until >= WINDOW.until { Day::MAX } else { span.until },
    }
}

/// The first day on which `on` is no longer within the last `months`: the corresponding day, where the month has none the
/// day after its last.
fn months_later(on: Day, months: i32) -> Day {
    if months == 12 {
        return on.anniversary(1);
    }
    let later = on.add_months(months);
    if later.ymd().2 < on.ymd().2 { later.next() } else { later }
}

fn end_early(view: &PersonView<'_>, cards: &mut [Card], entitlements: &mut [Entitlement]) {
    for fact in view.facts {
        match fact.body {
            Body::InsuranceEnded { grant, on } => {
                // Without a grant named it ends what had begun by then: a card begun later is a new one.
                let meant =
                    |card: &&mut Card| grant.map_or(card.span.from < on, |record| record == card.record);
                for card in cards.iter_mut().filter(meant) {
                    card.span.until = card.span.until.min(on);
                }
            }
            Body::EntitlementEnded { grant, group, on } => {
                let meant = |entitlement: &&mut Entitlement| {
                    let named = entitlement.group == group && entitlement.span.from < on;
                    grant.map_or(named, |record| record == entitlement.record)
                };
                for entitlement in entitlements.iter_mut().filter(meant) {
                    entitlement.span.until = entitlement.span.until.min(on);
                }
            }
            _ => {}
        }
    }
}

/// Where the person lives by permanent registration, and in fact if that differs.
fn places(residences: &mut [Residence], bundle: &Bundle, life: Span) -> (Layers<Code>, Option<Layers<Code>>) {
    residences.sort_unstable_by_key(|residence| residence.order);
    let mut permanent = Layers::over(life, Code::new(NONE));
    let mut only_permanent = true;
    for residence in residences.iter() {
        if residence.kind == ResidenceKind::Permanent {
            permanent.paint(residence.span, commune(residence.commune, bundle));
        } else {
            only_permanent = false;
        }
    }
    if only_permanent {
        return (permanent, None);
    }
    let mut actual = permanent.clone();
    // What doesn't say its kind says less than an actual residence.
    for stronger in [false, true] {
        for residence in residences.iter() {
            let is_actual = residence.kind == ResidenceKind::Actual;
            if residence.kind != ResidenceKind::Permanent && is_actual == stronger {
                actual.paint(residence.span, commune(residence.commune, bundle));
            }
        }
    }
    (permanent, Some(actual))
}

fn commune(code: Code, bundle: &Bundle) -> Code {
    if bundle.reference.commune(code).is_some() {
        code
    } else {
        Code::new(if code.is_empty() { NONE } else { UNKNOWN })
    }
}
