//! A person's history, read once: who they are, where they live, what is in force when.

use contract::{Code, Day, v1::Sex};
use history::{Body, PersonView};
use policy::{Bundle, Parameter};
use projection::{Holdings, Places, Residences, Span, Spans};

use crate::cells::WINDOW;

/// Visit types (MA_LOAI_KCB, QD 1804) whose claim is a check-up: periodic check-up, screening.
const CHECK_UP_TYPES: [&str; 2] = ["15", "16"];

/// What figures and lists need of a person. Cards and places lie inside the life, and the life inside the axis.
#[derive(Debug)]
pub(crate) struct Person {
    pub(crate) life: Span,
    pub(crate) birth: Option<Day>,
    pub(crate) sex: Sex,
    pub(crate) holdings: Holdings,
    pub(crate) insured: Spans,
    pub(crate) record: Spans,
    pub(crate) managed: Spans,
    pub(crate) checked_up: Spans,
    pub(crate) places: Places,
    pub(crate) last_check_up: Option<Day>,
    pub(crate) last_contact: Option<Day>,
}

impl Person {
    /// Reads `view`; contacts and check-ups after `seen` are not looked at.
    pub(crate) fn read(view: &PersonView<'_>, bundle: &Bundle, seen: Day) -> Person {
        let mut window = Window::default();
        let (mut birth, mut sex, mut died) = (None, Sex::Unspecified, Day::MAX);
        let mut known = Day::MAX;
        let (mut residences, mut holdings) = (Residences::default(), Holdings::default());
        let mut record_since = None;
        let (mut record, mut contacts, mut checked_up) = (Spans::new(), Spans::new(), Spans::new());
        let (mut last_check_up, mut last_contact) = (None, None);
        for fact in view.facts {
            let on = fact.occurred.day();
            known = known.min(on);
            let (mut contact, mut check_up) = (false, false);
            match &fact.body {
                Body::PersonRegistered { birth: born, sex: said } => {
                    birth = born.or(birth);
                    sex = if *said == Sex::Unspecified { sex } else { *said };
                }
                Body::ResidenceChanged { .. } => residences.take(fact),
                Body::InsuranceGranted { .. }
                | Body::InsuranceEnded { .. }
                | Body::EntitlementGranted { .. }
                | Body::EntitlementEnded { .. } => holdings.take(fact),
                Body::HealthRecordOpened => record_since = record_since.or(Some(on)),
                Body::HealthRecordClosed => {
                    if let Some(from) = record_since.take() {
                        record.add(Span { from, until: on });
                    }
                }
                Body::PersonDied { on } => died = died.min(*on),
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
                contacts.add(Span { from: on, until: window.closes(on, bundle) });
                if check_up {
                    last_check_up = last_check_up.max(Some(on));
                    checked_up.add(Span { from: on, until: Day::new_year(on.year() + 1) });
                }
            }
        }
        if let Some(from) = record_since {
            record.add(Span { from, until: Day::MAX });
        }
        // Cards and residences may reach back before anything was told.
        let begins = [residences.begins(), holdings.begins()].into_iter().flatten().fold(known, Day::min);
        let life = on_axis(Span { from: birth.unwrap_or(begins), until: died });
        holdings.settle(life);
        Person {
            life,
            birth,
            sex,
            insured: holdings.insured(),
            holdings,
            managed: record.and(&contacts),
            checked_up,
            record,
            places: residences.places(life, bundle),
            last_check_up,
            last_contact,
        }
    }

    /// Where they in fact live.
    pub(crate) fn actual(&self) -> &projection::Layers<Code> {
        self.places.actual()
    }
}

pub(crate) fn is_check_up(visit_type: Code) -> bool {
    CHECK_UP_TYPES.iter().any(|known| Code::new(known) == visit_type)
}

/// The part of an interval that lies on the axis; what ends later stays open.
fn on_axis(span: Span) -> Span {
    Span {
        from: span.from.max(WINDOW.from).min(WINDOW.until),
        until: if span.until >= WINDOW.until { Day::MAX } else { span.until },
    }
}

/// How long a contact counts: the months that policy says, asked for once as long as one row answers.
#[derive(Default)]
struct Window {
    row: Option<(Span, i32)>,
}

impl Window {
    /// The first day on which `on` is no longer within the last months: the corresponding day, where the month has none the
    /// day after its last.
    #[inline]
    fn closes(&mut self, on: Day, bundle: &Bundle) -> Day {
        let months = match self.row {
            Some((span, months)) if span.contains(on) => months,
            _ => self.ask(on, bundle),
        };
        if months == 12 {
            return on.anniversary(1);
        }
        let later = on.add_months(months);
        if later.ymd().2 < on.ymd().2 { later.next() } else { later }
    }

    #[cold]
    fn ask(&mut self, on: Day, bundle: &Bundle) -> i32 {
        let Some(figure) = bundle.policy.number(Parameter::HealthManagementWindowMonths, on) else {
            return 0;
        };
        let months = figure.value as i32;
        let span = Span { from: figure.rule.valid_from(), until: figure.rule.valid_until() };
        self.row = Some((span, months));
        months
    }
}
