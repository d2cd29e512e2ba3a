//! XML1 with its lines of XML2 and XML3: the person, a residence, cards, and the bill of a finished visit.

use std::collections::BTreeMap;

use contract::{Day, Kind, LINES_MAX, LIST_MAX, Millis, SUBMISSION_BYTES_MAX, numbered_key, v1};
use v1::event::Body;

use super::{
    Envelope, Translated,
    person::{self, Card, Person},
    remarks::{Fields, Remarks},
    rule::Rule,
    table::Row,
    values::{Decimal, list},
};

/// MA_DOITUONG_KCB: decision 3276/QD-BYT of 2025.
pub(crate) const ROUTE_CODES: &[&str] = &[
    "1.1", "1.2", "1.3", "1.4", "1.5", "1.6", "1.7", "1.11", "1.12", "1.13", "1.14", "1.15", "1.16", "1.17",
    "1.18", "2", "3.1", "3.2", "3.3", "3.6", "7", "7.2", "7.3", "7.4", "8", "9", "10",
];
/// MA_LOAI_KCB: decision 1804/QD-BYT of 2026.
pub(crate) const VISIT_TYPES: &[&str] =
    &["01", "02", "03", "04", "05", "06", "07", "08", "09", "10", "11", "12", "13", "14", "15", "16"];
/// The reason a withdrawal by route code gives.
pub(crate) const WITHDRAWN: &str = "MA_DOITUONG_KCB 8";
/// A correction that drops a card takes back the grant of it, up to this many in one stay.
const CARDS_WATCHED: usize = 4;
const CHECK_UP: &str = "15";
const SCREENING: &str = "16";
/// The patient came with a transfer form.
const ROUTE_TRANSFERRED: &str = "1.3";
/// The request for payment is withdrawn.
const ROUTE_WITHDRAWN: &str = "8";
/// What MA_BENH_KT may list.
const DIAGNOSES_MAX: usize = 64;
/// What the lines of one claim may take in an event, by [`line_bytes`]: what the contract takes of a submission, less far
/// more than everything else in it can.
const LINES_BYTES_MAX: usize = SUBMISSION_BYTES_MAX - (40 << 10);

/// The rows a claim is made of.
pub(crate) struct Tables<'a> {
    pub(crate) summary: &'a Row,
    pub(crate) drugs: &'a [Row],
    pub(crate) services: &'a [Row],
    /// The record has an XML2 or an XML3, be it empty.
    pub(crate) has_lines: bool,
    /// The record has an XML13.
    pub(crate) has_form: bool,
}

/// What XML1 says that XML13 of the same record leans on.
pub(crate) struct Summary {
    pub(crate) record_key: String,
    pub(crate) person: Person,
    pub(crate) started_at: Option<Millis>,
    pub(crate) ended_at: Option<Millis>,
    pub(crate) withdrawn: bool,
}

/// Amounts of XML1 and, by the same names but for `line_field`, of its lines.
struct Total {
    field: &'static str,
    line_field: &'static str,
}

const TOTALS: [Total; 6] = [
    Total { field: "T_TONGCHI_BV", line_field: "THANH_TIEN_BV" },
    Total { field: "T_TONGCHI_BH", line_field: "THANH_TIEN_BH" },
    Total { field: "T_BNTT", line_field: "T_BNTT" },
    Total { field: "T_BNCCT", line_field: "T_BNCCT" },
    Total { field: "T_BHTT", line_field: "T_BHTT" },
    Total { field: "T_NGUONKHAC", line_field: "T_NGUONKHAC" },
];
const TOTAL: usize = 0;
const COVERED: usize = 1;
const COPAY: usize = 3;
const FUND: usize = 4;

/// A line as read: what the event carries, and what the sums need.
struct Line {
    event: v1::ClaimLine,
    amounts: [Decimal; 6],
    on: Option<Day>,
}

/// Translates the claim. Faults in `remarks` refuse all that is returned.
pub(crate) fn translate(
    tables: &Tables<'_>,
    envelope: &Envelope,
    remarks: &mut Remarks,
    out: &mut Vec<Translated>,
) -> Summary {
    let record_key =
        super::record_key(&mut Fields { table: "XML1", number: 0, row: tables.summary, remarks });
    let mut lines = Vec::with_capacity(tables.drugs.len() + tables.services.len());
    for (table, kind, rows) in [
        ("XML2", v1::ClaimLineKind::Drug, tables.drugs),
        ("XML3", v1::ClaimLineKind::Service, tables.services),
    ] {
        for (at, row) in rows.iter().enumerate() {
            let number = at as u32 + 1;
            lines.push(line(&mut Fields { table, number, row, remarks }, kind, number, &record_key));
        }
    }

    let fields = &mut Fields { table: "XML1", number: 0, row: tables.summary, remarks };
    let started_at = fields.visit_moment("NGAY_VAO");
    let ended_at = fields.visit_moment("NGAY_RA");
    let admitted_at = fields.other_moment("NGAY_VAO_NOI_TRU");
    check_order(fields, envelope, started_at, admitted_at, ended_at);
    fields.of_emitter(&envelope.emitter);
    fields.needed("MA_DOITUONG_KCB");
    fields.needed("MA_LOAI_KCB");
    let route_code = fields.listed("MA_DOITUONG_KCB", ROUTE_CODES, 4);
    let visit_type = fields.listed("MA_LOAI_KCB", VISIT_TYPES, 2);
    let totals = totals(fields, &lines, tables);

    let person = Person::read(fields, &envelope.emitter, started_at);
    let withdrawn = route_code == ROUTE_WITHDRAWN;
    let cards = person::cards(fields, started_at);
    let (commune, province) = residence(fields);
    let diagnoses = Diagnoses::read(fields);
    let (referred_from, referred_to) =
        (sent_by(fields, "MA_NOI_DI", "MA_CSKCB_DI"), facility(fields, "MA_NOI_DEN", "MA_CSKCB_DEN"));
    let form_number = fields.key("GIAY_CHUYEN_TUYEN", 50);
    let five_years = day_text(fields, "NAM_NAM_LIEN_TUC");
    let area = fields.listed("MA_KHUVUC", &["K1", "K2", "K3"], 2);
    let exempt_from = day_text(fields, "NGAY_MIEN_CCT");
    let paid_on = day_text(fields, "NGAY_TTOAN");
    let follow_up = list(fields.get("NGAY_TAI_KHAM")).next().unwrap_or_default();
    let follow_up_on = fields.day("NGAY_TAI_KHAM", follow_up).map_or(String::new(), |day| day.to_string());
    let outcome = fields.listed("KET_QUA_DTRI", &["1", "2", "3", "4", "5", "6", "7", "8"], 1);
    let discharge_type = fields.listed("MA_LOAI_RV", &["1", "2", "3", "4", "5"], 1);
    for field in
        ["HO_TEN", "NGAY_SINH", "GIOI_TINH", "MAXA_CU_TRU", "MA_BENH_CHINH", "KET_QUA_DTRI", "MA_LOAI_RV"]
    {
        fields.wish(field);
    }
    if route_code == ROUTE_TRANSFERRED && form_number.is_empty() && !referred_from.is_empty() {
        fields.remark(Rule::FormNumberMissing, "GIAY_CHUYEN_TUYEN", "");
    }
    let (Some(started_at), Some(ended_at)) = (started_at, ended_at) else {
        return Summary { record_key, person, started_at, ended_at, withdrawn };
    };
    let (segments, charged_rate) = segments(&lines, &cards, started_at.day(), ended_at.day());
    let lines = merged(lines, fields);
    // Where these are within the limit, so are the lines: added up, there are at most two for each rate.
    if segments.len() > LIST_MAX {
        fields.remark(Rule::ClaimTooLarge, "", "");
    }
    let said_before = out.len();
    let say = |suffix: usize, occurred_at: Millis, full: bool, body: Body| {
        let key = numbered_key(&record_key, suffix).into_owned();
        let details = if full { person.full.clone() } else { person.found() };
        Translated::new(envelope, "XML1", &record_key, key, occurred_at, details, body)
    };
    // A withdrawal takes back what was asked for on the strength of the bill: the claim, and the arrival and the
    // check-up that only it told of. That the person exists, lives there and holds these cards stays true; those facts
    // are not said again, so that they keep the version that told of them.
    if !withdrawn {
        out.push(say(
            1,
            started_at,
            true,
            Body::PersonRegistered(v1::PersonRegistered {
                birth_date: person.birth_date.clone(),
                sex: person.sex as i32,
                nationality: person.nationality.clone(),
                ethnicity: person.ethnicity.clone(),
                occupation: person.occupation.clone(),
            }),
        ));
        if !commune.is_empty() {
            let body = Body::ResidenceChanged(v1::ResidenceChanged {
                kind: v1::ResidenceKind::Actual as i32,
                commune,
                province,
                valid_from: started_at.day().to_string(),
                valid_until: String::new(),
            });
            out.push(say(1, started_at, false, body));
        }
        for (at, card) in cards.iter().enumerate() {
            let body = Body::InsuranceGranted(v1::InsuranceGranted {
                group: card.group.clone(),
                rate_digit: card.rate_digit.clone(),
                valid_from: card.valid_from.to_string(),
                valid_until: card.valid_until.map_or(String::new(), |day| day.to_string()),
                primary_facility: card.primary_facility.clone(),
                five_years_complete_on: five_years.clone(),
                area: area.clone(),
            });
            out.push(say(at + 1, card.valid_from.start(), false, body));
        }
    }
    let mut bill_of = out.len();
    if !referred_from.is_empty() && (route_code == ROUTE_TRANSFERRED || withdrawn) {
        let body = Body::ReferralArrived(v1::ReferralArrived {
            form_number: form_number.clone(),
            from_facility: referred_from.clone(),
            at_facility: envelope.emitter.clone(),
        });
        out.push(say(1, started_at, false, body));
    }
    if visit_type == CHECK_UP || visit_type == SCREENING {
        let body = Body::CheckUpCompleted(v1::CheckUpCompleted {
            facility: envelope.emitter.clone(),
            conclusions: diagnoses.open.clone(),
            follow_up_on,
            ..v1::CheckUpCompleted::default()
        });
        out.push(say(1, ended_at, false, body));
    }
    let first = cards.first();
    let body = Body::ClaimSubmitted(v1::ClaimSubmitted {
        facility: envelope.emitter.clone(),
        visit_type,
        route_code,
        referred_from,
        referred_to,
        form_number,
        started_at: Some(started_at.to_timestamp()),
        admitted_at: admitted_at.map(Millis::to_timestamp),
        ended_at: Some(ended_at.to_timestamp()),
        main_diagnosis: diagnoses.main,
        other_diagnoses: diagnoses.others,
        outcome,
        discharge_type,
        totals,
        segments,
        lines,
        group: first.map_or(String::new(), |card| card.group.clone()),
        rate_digit: first.map_or(String::new(), |card| card.rate_digit.clone()),
        exempt_from,
        paid_on,
        charged_rate,
    });
    let mut claim = say(1, ended_at, true, body);
    if !diagnoses.restricted.is_empty() {
        claim.submission.restricted = Some(v1::RestrictedDetails { diagnoses: diagnoses.restricted });
    }
    out.push(claim);
    while withdrawn && bill_of < out.len() {
        out[bill_of].withdraw(WITHDRAWN);
        bill_of += 1;
    }
    let holds: Vec<(Kind, usize)> = out[said_before..].iter().filter_map(Translated::names).collect();
    let not_any_more = |kind: Body, number: usize, occurred_at: Millis| {
        let mut said = say(number, occurred_at, false, kind);
        said.submission.person = None;
        said.withdraw(if withdrawn { WITHDRAWN } else { "the record does not hold it any more" });
        said.just_in_case = true;
        said
    };
    let bill = [
        (Body::ReferralArrived(v1::ReferralArrived::default()), 1),
        (Body::CheckUpCompleted(v1::CheckUpCompleted::default()), 1),
    ];
    let of_bill = bill.into_iter();
    let of_person = (1..=CARDS_WATCHED)
        .map(|number| (Body::InsuranceGranted(v1::InsuranceGranted::default()), number))
        .chain([(Body::ResidenceChanged(v1::ResidenceChanged::default()), 1)]);
    let of_form = [(Body::ReferralIssued(v1::ReferralIssued::default()), 1)];
    let of_visit = [(Body::VisitOpened(v1::VisitOpened::default()), 1)];
    for (body, number) in of_bill
        .chain(of_person.filter(|_| !withdrawn))
        .chain(of_form.into_iter().filter(|_| withdrawn && !tables.has_form))
        .chain(of_visit.into_iter().filter(|_| withdrawn))
        .filter(|(body, number)| !holds.contains(&(Kind::of(body), *number)))
    {
        out.push(not_any_more(body, number, started_at));
    }
    Summary { record_key, person, started_at: Some(started_at), ended_at: Some(ended_at), withdrawn }
}

impl Fields<'_> {
    /// MA_CSKCB has to be there and to be the envelope's facility.
    pub(crate) fn of_emitter(&mut self, emitter: &str) {
        let facility = self.needed("MA_CSKCB");
        if !facility.is_empty() && facility != emitter {
            self.remark(Rule::FacilityNotTheEmitter, "MA_CSKCB", "");
        }
    }
}

/// The field of either wording: decision 4750's name, then 3176's.
pub(crate) fn facility(fields: &mut Fields<'_>, old: &'static str, new: &'static str) -> String {
    if fields.get(new).is_empty() { fields.facility(old) } else { fields.facility(new) }
}

/// The facility that sent the patient here: of a `;` list of all earlier ones, the last.
fn sent_by(fields: &mut Fields<'_>, old: &'static str, new: &'static str) -> String {
    if fields.get(new).is_empty() { fields.last_facility(old) } else { fields.last_facility(new) }
}

fn day_text(fields: &mut Fields<'_>, field: &'static str) -> String {
    fields.day(field, fields.get(field)).map_or(String::new(), |day| day.to_string())
}

fn residence(fields: &mut Fields<'_>) -> (String, String) {
    let commune = fields.code("MAXA_CU_TRU", 5);
    if !commune.is_empty() && !super::values::is_digits(&commune, 5) {
        fields.remark(Rule::CodeOdd, "MAXA_CU_TRU", "a commune has five digits");
    }
    (commune, fields.code("MATINH_CU_TRU", 3))
}

fn check_order(
    fields: &mut Fields<'_>,
    envelope: &Envelope,
    started_at: Option<Millis>,
    admitted_at: Option<Millis>,
    ended_at: Option<Millis>,
) {
    let (Some(started), Some(ended)) = (started_at, ended_at) else { return };
    if ended < started {
        fields.remark(Rule::EndedBeforeStarted, "NGAY_RA", "");
    }
    if admitted_at.is_some_and(|admitted| admitted < started || admitted > ended) {
        fields.remark(Rule::AdmittedOutsideVisit, "NGAY_VAO_NOI_TRU", "");
    }
    if envelope.asserted_at.is_some_and(|asserted| ended.day() > asserted.day()) {
        fields.remark(Rule::EndedAfterAsserted, "NGAY_RA", "");
    }
}

/// Diagnoses, those that the law hides apart.
#[derive(Default)]
pub(crate) struct Diagnoses {
    pub(crate) main: String,
    others: Vec<String>,
    /// Main and others, in this order.
    open: Vec<String>,
    pub(crate) restricted: Vec<String>,
}

impl Diagnoses {
    pub(crate) fn read(fields: &mut Fields<'_>) -> Diagnoses {
        let mut diagnoses = Diagnoses::default();
        let main = fields.code("MA_BENH_CHINH", 7);
        if tells_of_hiv(fields.get("MA_BENH_CHINH")) {
            diagnoses.restricted.push(main);
        } else {
            diagnoses.open.extend((!main.is_empty()).then(|| main.clone()));
            diagnoses.main = main;
        }
        let others = fields.text("MA_BENH_KT", 100);
        let said = list(&others).map(|text| (text, super::remarks::code(text)));
        for (text, code) in said.filter(|(_, code)| !code.is_empty()).take(DIAGNOSES_MAX) {
            if tells_of_hiv(text) {
                diagnoses.restricted.push(code);
            } else {
                diagnoses.open.push(code.clone());
                diagnoses.others.push(code);
            }
        }
        diagnoses
    }
}

/// ICD-10 codes that say or suggest HIV: the disease (B20-B24), the carrier (Z21), the laboratory finding (R75), in
/// pregnancy (O98.7), dementia (F02.4), contact and exposure (Z20.6), the test (Z11.4), counselling (Z71.7). Law on HIV/AIDS
/// prevention, art. 8 and 30: a closed list of people may know.
const TELLS_OF_HIV: [&str; 12] =
    ["B20", "B21", "B22", "B23", "B24", "Z21", "R75", "O987", "F024", "Z206", "Z114", "Z717"];

/// Whether a text of one code, or of several however they are set apart, holds one of them.
fn tells_of_hiv(text: &str) -> bool {
    let written = text.bytes().filter(u8::is_ascii_alphanumeric);
    let codes: String = written.map(|byte| byte.to_ascii_uppercase() as char).collect();
    TELLS_OF_HIV.iter().any(|hidden| codes.contains(hidden))
}

fn line(fields: &mut Fields<'_>, kind: v1::ClaimLineKind, number: u32, record_key: &str) -> Line {
    let amounts = TOTALS.each_ref().map(|total| fields.amount(total.line_field, false).unwrap_or_default());
    let key = fields.get("MA_LK");
    if !key.is_empty() && !record_key.is_empty() && key != record_key {
        fields.remark(Rule::LineOfAnotherRecord, "MA_LK", "");
    }
    let charged_rate = match Decimal::parse(fields.get("MUC_HUONG")).map(Decimal::hundredths) {
        Ok((rate @ 0..=10_000, _)) => rate as u32,
        Err(_) if fields.get("MUC_HUONG").is_empty() => 0,
        _ => {
            fields.remark(Rule::RateOdd, "MUC_HUONG", "");
            0
        }
    };
    let code = match kind {
        v1::ClaimLineKind::Drug => fields.long_code("MA_THUOC", 255),
        _ if fields.get("MA_DICH_VU").is_empty() => fields.long_code("MA_VAT_TU", 255),
        _ => fields.long_code("MA_DICH_VU", 50),
    };
    check_line_amount(fields, kind, amounts[TOTAL]);
    let on = super::values::day(fields.get("NGAY_YL"));
    let hundredths = |at: usize| amounts[at].hundredths().0;
    let event = v1::ClaimLine {
        kind: kind as i32,
        number: fields.get("STT").parse().unwrap_or(number),
        code,
        covered_cost: hundredths(COVERED),
        charged_rate,
        fund: hundredths(FUND),
        copay: hundredths(COPAY),
    };
    Line { event, amounts, on }
}

/// THANH_TIEN_BV is SO_LUONG times the price, for services times TYLE_TT_DV too, rounded to two decimals.
fn check_line_amount(fields: &mut Fields<'_>, kind: v1::ClaimLineKind, total: Decimal) {
    let read = |field: &str| Decimal::parse(fields.get(field)).ok();
    let price = if kind == v1::ClaimLineKind::Drug { "DON_GIA" } else { "DON_GIA_BV" };
    let (Some(quantity), Some(price)) = (read("SO_LUONG"), read(price)) else { return };
    let mut expected = quantity.times(price);
    if let (v1::ClaimLineKind::Service, Some(share)) = (kind, read("TYLE_TT_DV").filter(|share| share.0 > 0))
    {
        expected = Decimal(expected.times(share).0 / 100);
    }
    // A price of three decimals is itself rounded: facilities multiply before they round, so a hundredth may differ.
    if (expected.hundredths().0 - total.hundredths().0).abs() > 1 {
        fields.remark(Rule::LineAmountDiffers, "THANH_TIEN_BV", "");
    }
}

/// Reads the totals of XML1 and holds them against the lines.
fn totals(fields: &mut Fields<'_>, lines: &[Line], tables: &Tables<'_>) -> Option<v1::ClaimTotals> {
    let amounts = TOTALS.each_ref().map(|total| fields.amount(total.field, true));
    for (at, total) in TOTALS.iter().enumerate().filter(|_| tables.has_lines) {
        let sum: i128 = lines.iter().map(|line| line.amounts[at].0).sum();
        // To two decimals: lines that carry more are rounded once, in the sum.
        if amounts[at].is_some_and(|amount| amount.hundredths().0 != Decimal(sum).hundredths().0) {
            fields.remark(
                Rule::TotalNotTheSum,
                total.field,
                format!("of {} in XML2 and XML3", total.line_field),
            );
        }
    }
    let drugs: i128 = lines[..tables.drugs.len()].iter().map(|line| line.amounts[TOTAL].0).sum();
    let all_zero = amounts.iter().all(|amount| amount.is_none_or(|amount| amount == Decimal::default()));
    if !tables.has_lines && !all_zero {
        fields.remark(Rule::LinesMissing, "", "");
    }
    let drug_total = Decimal::parse(fields.get("T_THUOC")).ok();
    if tables.has_lines
        && drug_total.is_some_and(|total| total.hundredths().0 != Decimal(drugs).hundredths().0)
    {
        fields.remark(Rule::DrugTotalDiffers, "T_THUOC", "");
    }
    let [total, covered, self_paid, copay, fund, other] =
        amounts.map(|amount| amount.map(|amount| amount.hundredths().0));
    if let (Some(covered), Some(copay), Some(fund)) = (covered, copay, fund)
        && fund != covered - copay
    {
        fields.remark(Rule::FundNotCoveredLessCopay, "T_BHTT", "");
    }
    let totals = v1::ClaimTotals {
        total_cost: total?,
        covered_cost: covered?,
        self_paid: self_paid?,
        copay: copay?,
        fund: fund?,
        other_sources: other?,
    };
    if totals.total_cost != totals.covered_cost + totals.other_sources + totals.self_paid {
        fields.remark(Rule::CostPartsDiffer, "T_TONGCHI_BV", "");
    }
    Some(totals)
}

/// The bill by card, charged rate and calendar year. The first card, one rate and the year in which the visit ended need
/// no segment: then the totals are it, and its rate is the claim's. To two decimals, so that they add up to the totals.
fn segments(lines: &[Line], cards: &[Card], started_on: Day, ended_on: Day) -> (Vec<v1::ClaimSegment>, u32) {
    let mut segments: BTreeMap<(usize, u32, i32), (v1::ClaimSegment, [i128; 3])> = BTreeMap::new();
    let parts = |line: &Line| [COVERED, COPAY, FUND].map(|at| line.amounts[at].0);
    for line in lines.iter().filter(|line| line.event.charged_rate != 0 || parts(line) != [0; 3]) {
        let on = line.on.unwrap_or(ended_on).min(ended_on).max(started_on);
        // The card that began last by that day; what was ordered before any card began is the first card's.
        let begun = (0..cards.len()).filter(|at| cards[*at].valid_from <= on);
        let card = begun.max_by_key(|at| cards[*at].valid_from).unwrap_or(0);
        let rate = line.event.charged_rate;
        let (_, sums) = segments.entry((card, rate, on.year())).or_insert_with(|| {
            let segment = v1::ClaimSegment {
                group: cards.get(card).map_or(String::new(), |card| card.group.clone()),
                rate_digit: cards.get(card).map_or(String::new(), |card| card.rate_digit.clone()),
                charged_rate: rate,
                year: on.year().max(0) as u32,
                ..v1::ClaimSegment::default()
            };
            (segment, [0; 3])
        });
        sums.iter_mut().zip(parts(line)).for_each(|(sum, part)| *sum += part);
    }
    let rate = segments.keys().next().map_or(0, |(_, rate, _)| *rate);
    let charged_rate = if segments.keys().all(|(_, other, _)| *other == rate) { rate } else { 0 };
    if segments.keys().all(|key| *key == (0, rate, ended_on.year())) {
        return (Vec::new(), charged_rate);
    }
    // What all up to here come to is rounded, as the totals are, not each by itself.
    let (mut exact, mut rounded) = ([0; 3], [0; 3]);
    let finish = |(mut segment, sums): (v1::ClaimSegment, [i128; 3])| {
        let parts = [&mut segment.covered_cost, &mut segment.copay, &mut segment.fund];
        for (at, part) in parts.into_iter().enumerate() {
            exact[at] += sums[at];
            let all = Decimal(exact[at]).hundredths().0;
            *part = all - std::mem::replace(&mut rounded[at], all);
        }
        segment
    };
    (segments.into_values().map(finish).collect(), charged_rate)
}

/// The lines as they are, or where they are too many for an event, those of one kind, code and rate added up, or where even
/// these are too many, those of one kind and rate.
fn merged(lines: Vec<Line>, fields: &mut Fields<'_>) -> Vec<v1::ClaimLine> {
    let lines: Vec<v1::ClaimLine> = lines.into_iter().map(|line| line.event).collect();
    if fits(&lines) {
        return lines;
    }
    fields.remark(Rule::LinesMerged, "", format!("{} lines", lines.len()));
    let merged_by = |key: fn(&v1::ClaimLine) -> (i32, &str, u32)| -> Vec<v1::ClaimLine> {
        let mut merged: BTreeMap<(i32, String, u32), v1::ClaimLine> = BTreeMap::new();
        for line in &lines {
            let (kind, code, charged_rate) = key(line);
            let sum = merged.entry((kind, code.to_string(), charged_rate)).or_insert_with(|| v1::ClaimLine {
                kind,
                number: line.number,
                code: code.to_string(),
                charged_rate,
                ..v1::ClaimLine::default()
            });
            sum.covered_cost += line.covered_cost;
            sum.fund += line.fund;
            sum.copay += line.copay;
        }
        merged.into_values().collect()
    };
    let by_code = merged_by(|line| (line.kind, &line.code, line.charged_rate));
    if fits(&by_code) { by_code } else { merged_by(|line| (line.kind, "", line.charged_rate)) }
}

/// Whether an event has room for these lines.
fn fits(lines: &[v1::ClaimLine]) -> bool {
    lines.len() <= LINES_MAX && lines.iter().map(line_bytes).sum::<usize>() <= LINES_BYTES_MAX
}

/// The most a line takes in an event: its code, and 60 bytes for seven fields and their lengths.
fn line_bytes(line: &v1::ClaimLine) -> usize {
    line.code.len() + 60
}
