//! The fields of each kind of event. Every message is taken apart by name, so that the compiler asks about a new field.

use super::{
    FaultCode, LINES_MAX, LIST_MAX, MONEY_MAX, PATH_MAX,
    checker::{Checker, Need},
};
use crate::{
    DecodeError, Millis, event,
    v1::{self, event::Body},
};

/// Checks a body. In a withdrawal it may be empty: what is there is checked, what is not there is not missed.
/// `occurred` is when the event was true, if it says so.
pub(super) fn body(checker: &mut Checker, event: &v1::Event, occurred: Option<Millis>, body: &Body) {
    let need = if event.withdrawal.is_some() { Need::Optional } else { Need::Required };
    match body {
        Body::PersonRegistered(body) => person_registered(checker, body),
        Body::HealthRecordOpened(v1::HealthRecordOpened {}) => {}
        Body::HealthRecordClosed(v1::HealthRecordClosed { reason }) => {
            checker.text("reason", reason, Need::Optional);
        }
        Body::ResidenceChanged(body) => residence_changed(checker, body, need),
        Body::InsuranceGranted(body) => insurance_granted(checker, body, need),
        Body::InsuranceEnded(v1::InsuranceEnded { grant_record_key, ended_on, reason }) => {
            checker.key("grant_record_key", grant_record_key, Need::Optional);
            checker.day("ended_on", ended_on, need);
            checker.text("reason", reason, Need::Optional);
        }
        Body::EntitlementGranted(v1::EntitlementGranted { group, valid_from, valid_until, evidence }) => {
            checker.code("group", group, need);
            checker.interval(("valid_from", valid_from), ("valid_until", valid_until), need);
            checker.text("evidence", evidence, Need::Optional);
        }
        Body::EntitlementEnded(v1::EntitlementEnded { grant_record_key, group, ended_on, reason }) => {
            checker.key("grant_record_key", grant_record_key, Need::Optional);
            checker.code("group", group, if grant_record_key.is_empty() { need } else { Need::Optional });
            checker.day("ended_on", ended_on, need);
            checker.text("reason", reason, Need::Optional);
        }
        Body::IdentityLinked(v1::IdentityLinked { link_id, from_subject, to_subject, evidence }) => {
            link(checker, link_id, from_subject, to_subject, need);
            checker.text("evidence", evidence, Need::Optional);
        }
        Body::IdentityUnlinked(v1::IdentityUnlinked { link_id, from_subject, to_subject, reason }) => {
            link(checker, link_id, from_subject, to_subject, need);
            checker.text("reason", reason, Need::Optional);
        }
        Body::CarriedEvent(body) => carried_event(checker, event, body, need),
        Body::SubjectErased(v1::SubjectErased { legal_basis, key_digest }) => {
            checker.text("legal_basis", legal_basis, need);
            checker.length("key_digest", key_digest, 32, need);
        }
        Body::PersonDied(v1::PersonDied { died_on }) => _ = checker.day("died_on", died_on, need),
        Body::Retraction(v1::Retraction {}) => {}
        Body::CheckUpCompleted(body) => check_up_completed(checker, body, need),
        Body::CareGiven(v1::CareGiven { facility, care }) => {
            checker.code("facility", facility, need);
            checker.code("care", care, Need::Optional);
        }
        Body::ReferralIssued(body) => referral_issued(checker, body, need),
        Body::ReferralAccepted(v1::ReferralAccepted { form_number, from_facility, to_facility }) => {
            referral(checker, form_number);
            checker.code("from_facility", from_facility, Need::Optional);
            checker.code("to_facility", to_facility, need);
        }
        Body::ReferralDeclined(v1::ReferralDeclined { form_number, from_facility, to_facility, reason }) => {
            referral(checker, form_number);
            checker.code("from_facility", from_facility, Need::Optional);
            checker.code("to_facility", to_facility, need);
            checker.text("reason", reason, Need::Optional);
        }
        Body::ReferralArrived(v1::ReferralArrived { form_number, from_facility, at_facility }) => {
            referral(checker, form_number);
            checker.code("from_facility", from_facility, Need::Optional);
            checker.code("at_facility", at_facility, need);
        }
        Body::ReferralReturned(v1::ReferralReturned { form_number, from_facility, to_facility }) => {
            referral(checker, form_number);
            checker.code("from_facility", from_facility, need);
            checker.code("to_facility", to_facility, Need::Optional);
        }
        Body::ReferralCancelled(v1::ReferralCancelled {
            form_number,
            from_facility,
            to_facility,
            reason,
        }) => {
            referral(checker, form_number);
            checker.code("from_facility", from_facility, need);
            checker.code("to_facility", to_facility, Need::Optional);
            checker.text("reason", reason, Need::Optional);
        }
        Body::VisitOpened(v1::VisitOpened { facility, visit_type, route_code, admitted_at }) => {
            checker.code("facility", facility, need);
            checker.code("visit_type", visit_type, Need::Optional);
            checker.code("route_code", route_code, Need::Optional);
            checker.time("admitted_at", admitted_at.as_ref(), Need::Optional);
        }
        Body::ClaimSubmitted(body) => claim_submitted(checker, body, occurred, need),
        Body::ClaimAdjudicated(v1::ClaimAdjudicated {
            facility,
            claim_record_key,
            approved,
            refused,
            reason,
        }) => {
            checker.code("facility", facility, need);
            checker.key("claim_record_key", claim_record_key, need);
            checker.money("approved", *approved);
            checker.money("refused", *refused);
            checker.text("reason", reason, Need::Optional);
        }
        Body::ClaimPaid(v1::ClaimPaid { facility, claim_record_key, amount, paid_on }) => {
            checker.code("facility", facility, need);
            checker.key("claim_record_key", claim_record_key, need);
            checker.money("amount", *amount);
            checker.day("paid_on", paid_on, Need::Optional);
        }
        Body::CopayBalanceReported(v1::CopayBalanceReported { year, copay }) => {
            checker.year("year", *year, need);
            checker.money("copay", *copay);
        }
        Body::ExemptionConfirmed(v1::ExemptionConfirmed { year, exempt_from }) => {
            checker.year("year", *year, need);
            checker.day("exempt_from", exempt_from, need);
        }
    }
}

fn person_registered(checker: &mut Checker, body: &v1::PersonRegistered) {
    // All of it may be unknown: somebody found unconscious is registered too.
    let v1::PersonRegistered { birth_date, sex, nationality, ethnicity, occupation } = body;
    checker.part_of_day("birth_date", birth_date);
    checker.enumeration::<v1::Sex>("sex", *sex, Need::Optional);
    checker.code("nationality", nationality, Need::Optional);
    checker.code("ethnicity", ethnicity, Need::Optional);
    checker.code("occupation", occupation, Need::Optional);
}

fn residence_changed(checker: &mut Checker, body: &v1::ResidenceChanged, need: Need) {
    let v1::ResidenceChanged { kind, commune, province, valid_from, valid_until } = body;
    checker.enumeration::<v1::ResidenceKind>("kind", *kind, need);
    checker.code("commune", commune, if province.is_empty() { need } else { Need::Optional });
    checker.code("province", province, Need::Optional);
    checker.interval(("valid_from", valid_from), ("valid_until", valid_until), need);
}

fn insurance_granted(checker: &mut Checker, body: &v1::InsuranceGranted, need: Need) {
    let v1::InsuranceGranted {
        group,
        rate_digit,
        valid_from,
        valid_until,
        primary_facility,
        five_years_complete_on,
        area,
    } = body;
    // A card of ten digits prints neither group nor rate.
    checker.code("group", group, Need::Optional);
    checker.code("rate_digit", rate_digit, Need::Optional);
    checker.interval(("valid_from", valid_from), ("valid_until", valid_until), need);
    checker.code("primary_facility", primary_facility, Need::Optional);
    checker.day("five_years_complete_on", five_years_complete_on, Need::Optional);
    checker.code("area", area, Need::Optional);
}

fn link(checker: &mut Checker, link_id: &[u8], from: &[u8], to: &[u8], need: Need) {
    checker.sixteen("link_id", link_id, need);
    checker.sixteen("from_subject", from, need);
    checker.sixteen("to_subject", to, need);
    if !from.is_empty() && from == to {
        checker.fault("to_subject", FaultCode::NotAllowed, || "a subject cannot be linked to itself".into());
    }
}

fn carried_event(checker: &mut Checker, carrier: &v1::Event, body: &v1::CarriedEvent, need: Need) {
    let v1::CarriedEvent { path, origin_partition: _, origin_offset: _, event: bytes } = body;
    if path.is_empty() && need == Need::Required {
        checker.required("path");
    }
    checker.each("path", path, PATH_MAX, |checker, link| checker.sixteen("", link, Need::Required));
    if bytes.is_empty() {
        if need == Need::Required {
            checker.required("event");
        }
        return;
    }
    let inner = match event::decode(bytes) {
        Ok(inner) => inner,
        Err(DecodeError::UnknownKind(_)) => {
            return checker.fault("event", FaultCode::UnknownValue, || {
                "an event of a kind of a newer version; upgrade to carry it".into()
            });
        }
        Err(_) => {
            return checker.fault("event", FaultCode::Unreadable, || {
                "not an event's bytes; carry the original byte for byte".into()
            });
        }
    };
    if matches!(inner.body, Some(Body::CarriedEvent(_))) {
        checker.fault("event", FaultCode::NotAllowed, || {
            "a carried event inside a carried event; carry the original with the longer path".into()
        });
        return;
    }
    if inner.subject == carrier.subject {
        checker.fault("event", FaultCode::NotAllowed, || {
            "an event of the subject it is carried to; there is nothing to carry".into()
        });
    }
    checker.inside("event", |checker| super::event_in_log(checker, &inner));
}

fn check_up_completed(checker: &mut Checker, body: &v1::CheckUpCompleted, need: Need) {
    let v1::CheckUpCompleted { facility, programme, payer, health_class, conclusions, follow_up_on } = body;
    checker.code("facility", facility, need);
    checker.code("programme", programme, Need::Optional);
    checker.code("payer", payer, Need::Optional);
    checker.code("health_class", health_class, Need::Optional);
    checker.codes("conclusions", conclusions);
    checker.day("follow_up_on", follow_up_on, Need::Optional);
}

fn referral(checker: &mut Checker, form_number: &str) {
    // Without one the two ends are joined by facility and day, and the join is marked inferred.
    checker.key("form_number", form_number, Need::Optional);
}

fn referral_issued(checker: &mut Checker, body: &v1::ReferralIssued, need: Need) {
    let v1::ReferralIssued {
        form_number,
        from_facility,
        to_facility,
        reason,
        form_kind,
        valid_until,
        diagnosis,
    } = body;
    referral(checker, form_number);
    checker.code("from_facility", from_facility, need);
    checker.code("to_facility", to_facility, Need::Optional);
    checker.code("reason", reason, Need::Optional);
    checker.enumeration::<v1::ReferralFormKind>("form_kind", *form_kind, need);
    checker.day("valid_until", valid_until, Need::Optional);
    checker.code("diagnosis", diagnosis, Need::Optional);
}

fn claim_submitted(checker: &mut Checker, body: &v1::ClaimSubmitted, occurred: Option<Millis>, need: Need) {
    let v1::ClaimSubmitted {
        facility,
        visit_type,
        route_code,
        referred_from,
        referred_to,
        form_number,
        started_at,
        admitted_at,
        ended_at,
        main_diagnosis,
        other_diagnoses,
        outcome,
        discharge_type,
        totals,
        segments,
        lines,
        group,
        rate_digit,
        exempt_from,
        paid_on,
        charged_rate,
    } = body;
    checker.code("facility", facility, need);
    checker.code("visit_type", visit_type, need);
    checker.code("route_code", route_code, need);
    checker.code("referred_from", referred_from, Need::Optional);
    checker.code("referred_to", referred_to, Need::Optional);
    checker.key("form_number", form_number, Need::Optional);
    let started = checker.time("started_at", started_at.as_ref(), need);
    checker.time("admitted_at", admitted_at.as_ref(), Need::Optional);
    let ended = checker.time("ended_at", ended_at.as_ref(), need);
    if let (Some(started), Some(ended)) = (started, ended)
        && ended < started
    {
        checker.fault("ended_at", FaultCode::Reversed, || {
            "before started_at; a visit ends after it starts".into()
        });
    } else if need == Need::Required
        && let (Some(occurred), Some(ended)) = (occurred, ended)
        && !is_same_time(occurred, ended)
    {
        checker.fault("ended_at", FaultCode::NotAllowed, || {
            "a claim was true when the visit ended: send ended_at and occurred_at equal".into()
        });
    }
    checker.code("main_diagnosis", main_diagnosis, Need::Optional);
    checker.codes("other_diagnoses", other_diagnoses);
    checker.code("outcome", outcome, Need::Optional);
    checker.code("discharge_type", discharge_type, Need::Optional);
    match totals {
        None if need == Need::Required => checker.required("totals"),
        None => {}
        Some(totals) => checker.inside("totals", |checker| claim_totals(checker, totals)),
    }
    checker.each("segments", segments, LIST_MAX, claim_segment);
    if let (Some(totals), false) = (totals, segments.is_empty()) {
        segments_add_up(checker, segments, totals);
    }
    checker.each("lines", lines, LINES_MAX, claim_line);
    checker.code("group", group, Need::Optional);
    checker.code("rate_digit", rate_digit, Need::Optional);
    checker.day("exempt_from", exempt_from, Need::Optional);
    checker.day("paid_on", paid_on, Need::Optional);
    checker.rate("charged_rate", *charged_rate);
}

/// A time that is midnight may be a day: then any time of that day is the same.
fn is_same_time(one: Millis, other: Millis) -> bool {
    let is_day = |time: Millis| time.day().start() == time;
    one == other || (is_day(one) || is_day(other)) && one.day() == other.day()
}

/// Figures are made of the segments where there are some, and lists of the totals: they must tell of the same money.
fn segments_add_up(checker: &mut Checker, segments: &[v1::ClaimSegment], totals: &v1::ClaimTotals) {
    type Amount<M> = fn(&M) -> i64;
    let sums: [(&str, Amount<v1::ClaimSegment>, Amount<v1::ClaimTotals>); 3] = [
        ("covered_cost", |segment| segment.covered_cost, |totals| totals.covered_cost),
        ("copay", |segment| segment.copay, |totals| totals.copay),
        ("fund", |segment| segment.fund, |totals| totals.fund),
    ];
    for (name, of_segment, of_totals) in sums {
        let (parts, total) = (segments.iter().map(of_segment), of_totals(totals));
        // What no field may hold was told of already.
        let is_money = |amount: i64| (0..=MONEY_MAX).contains(&amount);
        if !is_money(total) || !parts.clone().all(is_money) {
            continue;
        }
        if parts.map(i128::from).sum::<i128>() != i128::from(total) {
            checker.fault("segments", FaultCode::NotTheSum, || {
                format!(
                    "their {name} does not add up to totals.{name}; send segments for the whole bill, or none"
                )
            });
        }
    }
}

fn claim_totals(checker: &mut Checker, totals: &v1::ClaimTotals) {
    let v1::ClaimTotals { total_cost, covered_cost, self_paid, copay, fund, other_sources } = totals;
    checker.money("total_cost", *total_cost);
    checker.money("covered_cost", *covered_cost);
    checker.money("self_paid", *self_paid);
    checker.money("copay", *copay);
    checker.money("fund", *fund);
    checker.money("other_sources", *other_sources);
}

fn claim_segment(checker: &mut Checker, segment: &v1::ClaimSegment) {
    let v1::ClaimSegment { group, rate_digit, charged_rate, year, covered_cost, copay, fund } = segment;
    checker.code("group", group, Need::Optional);
    checker.code("rate_digit", rate_digit, Need::Optional);
    checker.rate("charged_rate", *charged_rate);
    checker.year("year", *year, Need::Required);
    checker.money("covered_cost", *covered_cost);
    checker.money("copay", *copay);
    checker.money("fund", *fund);
}

fn claim_line(checker: &mut Checker, line: &v1::ClaimLine) {
    let v1::ClaimLine { kind, number: _, code, covered_cost, charged_rate, fund, copay } = line;
    checker.enumeration::<v1::ClaimLineKind>("kind", *kind, Need::Required);
    checker.long_code("code", code, Need::Optional);
    checker.money("covered_cost", *covered_cost);
    checker.rate("charged_rate", *charged_rate);
    checker.money("fund", *fund);
    checker.money("copay", *copay);
}
