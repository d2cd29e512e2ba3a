//! XML0: a check-in, sent at the first cost of a visit and again at the first cost in the ward.

use std::collections::BTreeMap;

use contract::{Millis, v1};
use v1::event::Body;

use super::{
    Envelope, Translated,
    claim::{ROUTE_CODES, VISIT_TYPES},
    person::Person,
    remarks::{Fields, Remarks},
    table::Row,
};

/// Translates the rows of XML0. Rows of one MA_LK are one visit as it stood at the last of them.
pub(crate) fn translate(rows: &[Row], envelope: &Envelope, remarks: &mut Remarks, out: &mut Vec<Translated>) {
    let mut visits: BTreeMap<String, Translated> = BTreeMap::new();
    for (at, row) in rows.iter().enumerate() {
        let number = if rows.len() == 1 { 0 } else { at as u32 + 1 };
        let fields = &mut Fields { table: "XML0", number, row, remarks };
        let record_key = super::record_key(fields);
        let started_at = fields.visit_moment("NGAY_VAO");
        let admitted_at = fields.other_moment("NGAY_VAO_NOI_TRU");
        fields.of_emitter(&envelope.emitter);
        fields.needed("MA_DOITUONG_KCB");
        fields.needed("MA_LOAI_KCB");
        let person = Person::read(fields, &envelope.emitter, started_at);
        let visit = v1::VisitOpened {
            facility: envelope.emitter.clone(),
            visit_type: fields.listed("MA_LOAI_KCB", VISIT_TYPES, 2),
            route_code: fields.listed("MA_DOITUONG_KCB", ROUTE_CODES, 4),
            admitted_at: admitted_at.map(Millis::to_timestamp),
        };
        let Some(started_at) = started_at else { continue };
        let mut said = Translated::new(
            envelope,
            "XML0",
            &record_key,
            record_key.clone(),
            started_at,
            person.full,
            Body::VisitOpened(visit),
        );
        if let Some(earlier) = visits.remove(&record_key) {
            said.keep_admission_of(&earlier);
        }
        visits.insert(record_key, said);
    }
    out.extend(visits.into_values());
}

impl Translated {
    fn keep_admission_of(&mut self, earlier: &Translated) {
        let (Some(event), Some(before)) = (&mut self.submission.event, &earlier.submission.event) else {
            return;
        };
        if let (Some(Body::VisitOpened(now)), Some(Body::VisitOpened(before))) =
            (&mut event.body, &before.body)
        {
            now.admitted_at = now.admitted_at.or(before.admitted_at);
        }
    }
}
