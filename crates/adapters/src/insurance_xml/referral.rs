//! XML13: a transfer form (Circular 01/2025, appendix VI).

use contract::{numbered_key, v1};
use v1::event::Body;

use super::{
    Envelope, Translated,
    claim::{Diagnoses, Summary, WITHDRAWN, facility},
    person::Person,
    remarks::{Fields, Remarks},
    rule::Rule,
    table::Row,
};

/// MA_LYDO_CT: by the rules, beyond the facility's capacity, at the patient's request.
const REASONS: &[&str] = &["1", "2", "3"];

/// Translates the forms. `summary` is XML1 of the same record: where it has the same MA_LK, its person is the form's, and
/// what the form leaves out stands there.
pub(crate) fn translate(
    rows: &[Row],
    summary: Option<&Summary>,
    envelope: &Envelope,
    remarks: &mut Remarks,
    out: &mut Vec<Translated>,
) {
    for (at, row) in rows.iter().enumerate() {
        let number = if rows.len() == 1 { 0 } else { at as u32 + 1 };
        let fields = &mut Fields { table: "XML13", number, row, remarks };
        let record_key = super::record_key(fields);
        let own = summary.filter(|summary| summary.record_key == record_key);
        if summary.is_some() && own.is_none() {
            fields.remark(Rule::ReferralOfAnotherRecord, "MA_LK", "");
        }
        let ended_at = match own.and_then(|own| own.ended_at) {
            Some(ended) if fields.get("NGAY_RA").is_empty() => Some(ended),
            _ => fields.visit_moment("NGAY_RA"),
        };
        let started_at = match own.and_then(|own| own.started_at) {
            Some(started) if fields.get("NGAY_VAO").is_empty() => Some(started),
            _ => fields.visit_moment("NGAY_VAO"),
        };
        if started_at.zip(ended_at).is_some_and(|(started, ended)| ended < started) {
            fields.remark(Rule::EndedBeforeStarted, "NGAY_RA", "");
        }
        if own.is_none() || !fields.get("MA_CSKCB").is_empty() {
            fields.of_emitter(&envelope.emitter);
        }
        let to_facility = facility(fields, "MA_NOI_DEN", "MA_CSKCB_DEN");
        if to_facility.is_empty() {
            fields.remark(Rule::ReferralWithoutReceiver, "MA_NOI_DEN", "");
        }
        let form_number = fields.key("GIAY_CHUYEN_TUYEN", 50);
        if form_number.is_empty() {
            fields.remark(Rule::FormNumberMissing, "GIAY_CHUYEN_TUYEN", "");
        }
        let reason = fields.listed("MA_LYDO_CT", REASONS, 1);
        let diagnoses = Diagnoses::read(fields);
        let person = match own {
            Some(own) => own.person.found(),
            None => Person::read(fields, &envelope.emitter, started_at).full,
        };
        let Some(ended_at) = ended_at.filter(|_| !to_facility.is_empty()) else { continue };
        let body = Body::ReferralIssued(v1::ReferralIssued {
            form_number,
            // MA_NOI_DI and MA_CSKCB_DI name earlier facilities, not the one that issued the form.
            from_facility: envelope.emitter.clone(),
            to_facility,
            reason,
            // The table does not say whether the form is one for a year: ten working days are the rule.
            form_kind: v1::ReferralFormKind::Standard as i32,
            valid_until: String::new(),
            diagnosis: diagnoses.main,
        });
        let key = numbered_key(&record_key, at + 1).into_owned();
        let mut said = Translated::new(envelope, "XML13", &record_key, key, ended_at, person, body);
        if !diagnoses.restricted.is_empty() {
            said.submission.restricted = Some(v1::RestrictedDetails { diagnoses: diagnoses.restricted });
        }
        if own.is_none() {
            said.same_person_as = Some(record_key);
        } else if own.is_some_and(|own| own.withdrawn) {
            said.withdraw(WITHDRAWN);
        }
        out.push(said);
    }
}
