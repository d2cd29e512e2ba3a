//! What one person adds.

use contract::Day;
use policy::Bundle;
use projection::{Span, Spans, came, facility_on, known_group, tier_code, within};
use smallvec::SmallVec;
use timeline::{Axis, Sink};

use crate::{
    cells::{
        AGREED, CLAIMS, COMMUNE, CONFIRMED, COPAY, COVERED, DUE, EXEMPT, EXEMPTED, FACILITY, FUND, INSURED,
        LOW_COST, OVERCHARGE, OVERCHARGED, TIER_GROUP, UNDERCHARGE, UNDERCHARGED, UNPRICED, WINDOW,
        rate_code,
    },
    claims::Visit,
    person::{Exemptions, Person},
};

pub(crate) fn project<S: Sink>(person: &projection::Person<'_>, bundle: &Bundle, sink: &mut S) {
    let person = Person::read_for_sums(person, bundle);
    let exemptions = person.exemptions(bundle);
    charged(&person, &exemptions, bundle, sink);
    if person.all.view.is_person() {
        people(&person.all, &exemptions, bundle, sink);
    }
}

fn people<S: Sink>(
    person: &projection::Person<'_>,
    exemptions: &Exemptions<'_>,
    bundle: &Bundle,
    sink: &mut S,
) {
    // Only what reaches into the days that are asked for is worth a cell.
    let days = asked_for(sink.levels());
    let days = if days.until == WINDOW.until { Span { until: Day::MAX, ..days } } else { days };
    if person.insured.within(days).next().is_none() {
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
    for (place, commune) in person.places.actual().within(days) {
        for (window, main) in within(&person.mains, |main| main.span, place) {
            if person.insured.within(window).next().is_none() {
                continue;
            }
            let cell = sink.cell(COMMUNE, &[commune, known_group(main.group, bundle), rate_code(main.rate)]);
            add(sink, cell, INSURED, &person.insured, window);
            for (measure, spans) in levels.iter().flatten() {
                add(sink, cell, *measure, spans, window);
            }
        }
    }
}

/// The days of the axis that are asked for.
fn asked_for(days: Axis) -> Span {
    Span::from(days).and(WINDOW)
}

fn add<S: Sink>(sink: &mut S, cell: S::Cell, measure: usize, spans: &Spans, window: Span) {
    for span in spans.within(window) {
        sink.level(cell, measure, span.from, span.until, 1);
    }
}

fn charged<S: Sink>(person: &Person<'_>, exemptions: &Exemptions<'_>, bundle: &Bundle, sink: &mut S) {
    let days = asked_for(sink.flows());
    for (fact, claim) in person.all.claims().filter(|(_, claim)| days.contains(claim.ended)) {
        let Some(came) = came(claim.route, bundle) else { continue };
        let (facility, class) = facility_on(claim.facility, claim.ended, bundle);
        let visit = Visit::new(&person.all, fact, claim, class);
        let verdict = visit.verdict(&person.all.view, exemptions, bundle);
        let difference = verdict.difference(claim.copay);
        let tier = tier_code(class.map(|class| class.tier));
        let cells = [
            sink.cell(FACILITY, &[facility, came]),
            sink.cell(TIER_GROUP, &[tier, known_group(claim.group, bundle)]),
        ];
        let mut flows: SmallVec<[(usize, i64); 12]> = SmallVec::new();
        let mut flow = |measure: usize, amount: i64| {
            if amount != 0 {
                flows.push((measure, amount));
            }
        };
        flow(CLAIMS, 1);
        flow(COVERED, claim.covered);
        flow(COPAY, claim.copay);
        flow(FUND, claim.fund - (claim.covered - claim.copay));
        flow(DUE, verdict.due.unwrap_or(0) - claim.copay);
        if difference != 0 {
            flow(OVERCHARGED, i64::from(difference > 0));
            flow(OVERCHARGE, difference.max(0));
            flow(UNDERCHARGED, i64::from(difference < 0));
            flow(UNDERCHARGE, -difference.min(0));
        }
        flow(LOW_COST, i64::from(verdict.low_cost));
        flow(EXEMPTED, i64::from(verdict.exempted));
        flow(UNPRICED, i64::from(verdict.due.is_none()));
        cells.into_iter().for_each(|cell| sink.flow_each(cell, claim.ended, &flows));
    }
}
