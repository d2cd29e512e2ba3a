//! What one person adds.

use history::PersonView;
use policy::Bundle;
use projection::{Span, Spans, came, facility_on, known_group, tier_code};
use timeline::Sink;

use crate::{
    cells::{
        AGREED, CLAIMS, COMMUNE, CONFIRMED, COPAY, COVERED, DUE, EXEMPT, EXEMPTED, FACILITY, FUND, INSURED,
        LOW_COST, OVERCHARGE, OVERCHARGED, TIER_GROUP, UNDERCHARGE, UNDERCHARGED, UNPRICED, WINDOW,
        rate_code,
    },
    claims::{claims, verdict},
    person::{Exemptions, Person},
};

pub(crate) fn project<S: Sink>(view: &PersonView<'_>, bundle: &Bundle, sink: &mut S) {
    if view.facts.is_empty() {
        return;
    }
    let person = Person::read(view, bundle);
    let exemptions = person.exemptions(bundle);
    charged(view, &exemptions, bundle, sink);
    if view.is_person() {
        people(person, &exemptions, bundle, sink);
    }
}

fn people<S: Sink>(person: Person, exemptions: &Exemptions<'_>, bundle: &Bundle, sink: &mut S) {
    // Only what reaches into the axis is worth a cell.
    let insured = person.insured.within(WINDOW_OPEN).fold(Spans::new(), |mut spans, span| {
        spans.add(span);
        spans
    });
    if insured.is_empty() {
        return;
    }
    let mut exempt = Spans::new();
    exemptions.reckoned.iter().for_each(|(span, _)| exempt.add(*span));
    let confirmed = &exemptions.confirmed;
    let agreed = exempt.and(confirmed);
    let levels = [
        (EXEMPT, exempt.and(&insured)),
        (CONFIRMED, confirmed.and(&insured)),
        (AGREED, agreed.and(&insured)),
    ];
    let mains = person.holdings.main_groups(bundle);
    let places = person.residences.places(person.life, bundle);
    for (place, commune) in places.actual().as_slice() {
        for main in &mains {
            let window = place.and(main.span);
            if insured.within(window).next().is_none() {
                continue;
            }
            let cell = sink.cell(COMMUNE, &[*commune, known_group(main.group, bundle), rate_code(main.rate)]);
            add(sink, cell, INSURED, &insured, window);
            for (measure, spans) in &levels {
                add(sink, cell, *measure, spans, window);
            }
        }
    }
}

/// What reaches into the axis, with what lies behind it left open.
const WINDOW_OPEN: Span = Span { from: WINDOW.from, until: contract::Day::MAX };

fn add<S: Sink>(sink: &mut S, cell: S::Cell, measure: usize, spans: &Spans, window: Span) {
    for span in spans.within(window) {
        sink.level(cell, measure, span.from, span.until, 1);
    }
}

fn charged<S: Sink>(view: &PersonView<'_>, exemptions: &Exemptions<'_>, bundle: &Bundle, sink: &mut S) {
    for (_, claim) in claims(view) {
        let Some(came) = came(claim.route, bundle) else { continue };
        let (facility, span) = facility_on(claim.facility, claim.ended, bundle);
        let verdict = verdict(view, claim, span, exemptions, bundle);
        let difference = verdict.difference(claim.copay);
        let tier = tier_code(span.map(|span| span.tier));
        let cells = [
            sink.cell(FACILITY, &[facility, came]),
            sink.cell(TIER_GROUP, &[tier, known_group(claim.group, bundle)]),
        ];
        let flows = [
            (CLAIMS, 1),
            (COVERED, claim.covered),
            (COPAY, claim.copay),
            (FUND, claim.fund),
            (DUE, verdict.due.unwrap_or(0)),
            (OVERCHARGED, i64::from(difference > 0)),
            (OVERCHARGE, difference.max(0)),
            (UNDERCHARGED, i64::from(difference < 0)),
            (UNDERCHARGE, -difference.min(0)),
            (LOW_COST, i64::from(verdict.low_cost)),
            (EXEMPTED, i64::from(verdict.exempted)),
            (UNPRICED, i64::from(verdict.due.is_none())),
        ];
        for cell in cells {
            for (measure, amount) in flows.into_iter().filter(|(_, amount)| *amount != 0) {
                sink.flow(cell, measure, claim.ended, amount);
            }
        }
    }
}
