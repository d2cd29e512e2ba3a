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
    claims::verdict,
    person::{Exemptions, Person},
};

pub(crate) fn project<S: Sink>(view: &PersonView<'_>, bundle: &Bundle, sink: &mut S) {
    if view.facts.is_empty() {
        return;
    }
    let mut person = Person::default();
    person.read_for_sums(view, bundle);
    let exemptions = person.exemptions(bundle);
    charged(view, &person, &exemptions, bundle, sink);
    if view.is_person() {
        people(&mut person, &exemptions, bundle, sink);
    }
}

fn people<S: Sink>(person: &mut Person<'_>, exemptions: &Exemptions<'_>, bundle: &Bundle, sink: &mut S) {
    // Only what reaches into the axis is worth a cell.
    if person.insured.within(WINDOW_OPEN).next().is_none() {
        return;
    }
    let levels = (!exemptions.is_empty()).then(|| {
        let mut exempt = Spans::new();
        exemptions.reckoned.iter().for_each(|(span, _)| exempt.add(*span));
        let confirmed = exemptions.confirmed.and(&person.insured);
        let exempt = exempt.and(&person.insured);
        let agreed = exempt.and(&confirmed);
        [(EXEMPT, exempt), (CONFIRMED, confirmed), (AGREED, agreed)]
    });
    let mains = person.holdings.main_groups(bundle);
    let places = person.residences.places(person.life, bundle);
    for (place, commune) in places.actual().as_slice() {
        let place = place.and(WINDOW_OPEN);
        for main in &mains {
            let window = place.and(main.span);
            if person.insured.within(window).next().is_none() {
                continue;
            }
            let cell = sink.cell(COMMUNE, &[*commune, known_group(main.group, bundle), rate_code(main.rate)]);
            add(sink, cell, INSURED, &person.insured, window);
            for (measure, spans) in levels.iter().flatten() {
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

fn charged<S: Sink>(
    view: &PersonView<'_>,
    person: &Person<'_>,
    exemptions: &Exemptions<'_>,
    bundle: &Bundle,
    sink: &mut S,
) {
    for claim in &person.claims {
        let Some(came) = came(claim.route, bundle) else { continue };
        let (facility, class) = facility_on(claim.facility, claim.ended, bundle);
        let verdict = verdict(view, claim, class, exemptions, bundle);
        let difference = verdict.difference(claim.copay);
        let tier = tier_code(class.map(|class| class.tier));
        let cells = [
            sink.cell(FACILITY, &[facility, came]),
            sink.cell(TIER_GROUP, &[tier, known_group(claim.group, bundle)]),
        ];
        let mut flow = |measure: usize, amount: i64| {
            if amount != 0 {
                cells.into_iter().for_each(|cell| sink.flow(cell, measure, claim.ended, amount));
            }
        };
        flow(CLAIMS, 1);
        flow(COVERED, claim.covered);
        flow(COPAY, claim.copay);
        flow(FUND, claim.fund);
        flow(DUE, verdict.due.unwrap_or(0));
        if difference != 0 {
            flow(OVERCHARGED, i64::from(difference > 0));
            flow(OVERCHARGE, difference.max(0));
            flow(UNDERCHARGED, i64::from(difference < 0));
            flow(UNDERCHARGE, -difference.min(0));
        }
        flow(LOW_COST, i64::from(verdict.low_cost));
        flow(EXEMPTED, i64::from(verdict.exempted));
        flow(UNPRICED, i64::from(verdict.due.is_none()));
    }
}
