//! What figures and lists of coverage ask of a person.

use contract::{Code, Day};
use history::{Body, Fact};
use policy::{Bundle, Parameter};
use projection::{Span, Spans, came};

use crate::cells::WINDOW;

/// Visit types (MA_LOAI_KCB, QD 1804) whose claim is a check-up: periodic check-up, screening.
const CHECK_UP_TYPES: [&str; 2] = ["15", "16"];

/// A person, with what care they had.
#[derive(Debug)]
pub(crate) struct Person<'p> {
    pub(crate) all: projection::Person<'p>,
    /// The days of the life that are asked for.
    pub(crate) life: Span,
    pub(crate) record: Spans,
    pub(crate) managed: Spans,
    pub(crate) checked_up: Spans,
    pub(crate) last_check_up: Option<Day>,
    pub(crate) last_contact: Option<Day>,
}

impl<'p> Person<'p> {
    /// Reads `person` for the days of `window`; contacts and check-ups after `seen` are not looked at. The life is empty where there
    /// is nobody on any of them.
    #[inline]
    pub(crate) fn read(
        person: &projection::Person<'p>,
        bundle: &Bundle,
        window: Span,
        seen: Day,
    ) -> Person<'p> {
        let is_person = person.view.is_person() && !person.view.facts.is_empty();
        let nobody = Span { from: window.from, until: window.from };
        let mut read = Person {
            all: *person,
            life: if is_person { person.life().and(window) } else { nobody },
            record: Spans::new(),
            managed: Spans::new(),
            checked_up: Spans::new(),
            last_check_up: None,
            last_contact: None,
        };
        if !read.life.is_empty() {
            read.records();
            read.contacts(bundle, seen);
        }
        read
    }

    fn records(&mut self) {
        let mut since = None;
        for fact in self.all.others() {
            let on = fact.occurred.day();
            match fact.body {
                Body::HealthRecordOpened => since = since.or(Some(on)),
                Body::HealthRecordClosed => {
                    if let Some(from) = since.take() {
                        self.record.add(Span { from, until: on });
                    }
                }
                _ => {}
            }
        }
        if let Some(from) = since {
            self.record.add(Span { from, until: Day::MAX });
        }
    }

    fn contacts(&mut self, bundle: &Bundle, seen: Day) {
        let mut window = Window::default();
        let mut contacts = Spans::new();
        for fact in self.all.care() {
            let Some(Contact { on, is_check_up: check_up, .. }) = Contact::told_by(fact, bundle) else {
                continue;
            };
            if on > seen {
                continue;
            }
            self.last_contact = self.last_contact.max(Some(on));
            contacts.add(Span { from: on, until: window.closes(on, bundle) });
            if check_up {
                self.last_check_up = self.last_check_up.max(Some(on));
                self.checked_up.add(Span { from: on, until: Day::new_year(on.year() + 1) });
            }
        }
        self.managed = self.record.and(&contacts);
    }

    /// Where they in fact live.
    pub(crate) fn actual(&self) -> &projection::Layers<Code> {
        self.all.places.actual()
    }
}

/// A contact with care.
pub(crate) struct Contact {
    /// The day it counts on: of a claim its last.
    pub(crate) on: Day,
    pub(crate) facility: Code,
    pub(crate) is_check_up: bool,
}

impl Contact {
    /// The contact that a fact tells; `None`: it tells of none, as a withdrawn payment request, which is no visit.
    #[inline]
    pub(crate) fn told_by(fact: &Fact, bundle: &Bundle) -> Option<Contact> {
        let on = fact.occurred.day();
        match &fact.body {
            Body::CheckUpCompleted { facility, .. } => {
                Some(Contact { on, facility: *facility, is_check_up: true })
            }
            Body::CareGiven { facility, .. } => Some(Contact { on, facility: *facility, is_check_up: false }),
            Body::ClaimSubmitted(claim) => {
                came(claim.route, bundle)?;
                let is_check_up = CHECK_UP_TYPES.iter().any(|known| Code::new(known) == claim.visit_type);
                Some(Contact { on: claim.ended, facility: claim.facility, is_check_up })
            }
            _ => None,
        }
    }
}

/// The days of the axis that are asked for.
pub(crate) fn asked_for(days: timeline::Axis) -> Span {
    Span::from(days).and(WINDOW)
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
