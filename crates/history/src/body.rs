//! What each kind of event says, as projections need it.

mod straight;

use contract::{
    Code, Day, Kind, RecordHash, Subject, form_hash,
    v1::{ReferralFormKind, ResidenceKind, Sex},
    wire::{Fields, Value},
};

use crate::fact::{FactError, LinkHash, link_hash};

/// What a fact says. Intervals are half-open here: `until` is the first day outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "fields bear the names of the messages in proto/")]
pub enum Body {
    PersonRegistered {
        birth: Option<Day>,
        sex: Sex,
    },
    HealthRecordOpened,
    HealthRecordClosed,
    ResidenceChanged {
        kind: ResidenceKind,
        commune: Code,
        from: Day,
        until: Day,
    },
    InsuranceGranted {
        group: Code,
        rate_digit: Code,
        from: Day,
        until: Day,
        primary: Code,
        five_years: Option<Day>,
        area: Code,
    },
    /// `grant`: the record of the grant it ends; none: every card. `on`: the first day without.
    InsuranceEnded {
        grant: Option<RecordHash>,
        on: Day,
    },
    EntitlementGranted {
        group: Code,
        from: Day,
        until: Day,
    },
    EntitlementEnded {
        grant: Option<RecordHash>,
        group: Code,
        on: Day,
    },
    /// `away`: this history's subject is the one that counts elsewhere while the link holds.
    IdentityLinked {
        link: LinkHash,
        away: bool,
    },
    IdentityUnlinked {
        link: LinkHash,
    },
    SubjectErased,
    PersonDied {
        on: Day,
    },
    Retraction,
    CheckUpCompleted {
        facility: Code,
        programme: Code,
        payer: Code,
        class: Code,
        follow_up: Option<Day>,
    },
    CareGiven {
        facility: Code,
        care: Code,
    },
    /// `valid_until`: the last valid day where the form itself names it.
    ReferralIssued {
        transfer: Transfer,
        reason: Code,
        form_kind: ReferralFormKind,
        valid_until: Option<Day>,
    },
    ReferralAccepted(Transfer),
    ReferralDeclined(Transfer),
    ReferralArrived(Transfer),
    ReferralReturned(Transfer),
    ReferralCancelled(Transfer),
    VisitOpened {
        facility: Code,
        visit_type: Code,
        route: Code,
        admitted: Option<Day>,
    },
    ClaimSubmitted(Claim),
    ClaimAdjudicated {
        claim: RecordHash,
        approved: i64,
        refused: i64,
    },
    ClaimPaid {
        claim: RecordHash,
        amount: i64,
        on: Option<Day>,
    },
    CopayBalanceReported {
        year: u32,
        copay: i64,
    },
    ExemptionConfirmed {
        year: u32,
        from: Option<Day>,
    },
}

/// A transfer form: its number (0: none; see [`form_hash`]), who sent, who received.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Transfer {
    /// Hash of the form number, 0 where there is none.
    pub form: u64,
    /// The facility that sends.
    pub from: Code,
    /// The facility that receives.
    pub to: Code,
}

/// A claim's sums. Money in hundredths of a dong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Claim {
    /// MA_CSKCB.
    pub facility: Code,
    /// MA_LOAI_KCB.
    pub visit_type: Code,
    /// MA_DOITUONG_KCB.
    pub route: Code,
    /// First day.
    pub started: Day,
    /// Day of admission to a ward.
    pub admitted: Option<Day>,
    /// Last day.
    pub ended: Day,
    /// First letters of the card.
    pub group: Code,
    /// Third character of the card.
    pub rate_digit: Code,
    /// MUC_HUONG in hundredths of a per cent.
    pub charged_rate: u32,
    /// T_TONGCHI_BH.
    pub covered: i64,
    /// T_BNCCT.
    pub copay: i64,
    /// T_BHTT.
    pub fund: i64,
    /// NGAY_MIEN_CCT.
    pub exempt_from: Option<Day>,
    /// Where its segments stand in the history: start and count; a count of 0: the claim itself is the one segment.
    pub(crate) segments: (u32, u32),
}

/// A part of a claim under one card, charged rate and calendar year.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(missing_docs, reason = "as in Claim")]
pub struct Segment {
    pub group: Code,
    pub rate_digit: Code,
    pub charged_rate: u32,
    pub year: u32,
    pub covered: i64,
    pub copay: i64,
    pub fund: i64,
}

/// What decoding a body needs of its envelope.
pub(crate) struct Envelope<'a> {
    pub(crate) emitter: &'a [u8],
    pub(crate) occurred: Day,
    /// The subject of the record in the log: of a carried event the one it was carried to.
    pub(crate) subject: Subject,
}

impl Body {
    /// Becomes the body of a `kind` event. [`Kind::CarriedEvent`] has none of its own: the event inside is the fact.
    #[inline(always)]
    pub(crate) fn read(
        &mut self,
        kind: Kind,
        bytes: &[u8],
        of: &Envelope<'_>,
        segments: &mut Vec<Segment>,
    ) -> Result<(), FactError> {
        if straight::read(self, kind, bytes, of, segments).is_none() {
            *self = Body::read_any(kind, bytes, of, segments)?;
        }
        Ok(())
    }

    fn read_any(
        kind: Kind,
        bytes: &[u8],
        of: &Envelope<'_>,
        segments: &mut Vec<Segment>,
    ) -> Result<Body, FactError> {
        Ok(match kind {
            Kind::PersonRegistered => registered(bytes)?,
            Kind::HealthRecordOpened => Body::HealthRecordOpened,
            Kind::HealthRecordClosed => Body::HealthRecordClosed,
            Kind::ResidenceChanged => residence(bytes)?,
            Kind::InsuranceGranted => insured(bytes)?,
            Kind::InsuranceEnded => ended(bytes, of, false)?,
            Kind::EntitlementGranted => entitled(bytes)?,
            Kind::EntitlementEnded => ended(bytes, of, true)?,
            Kind::IdentityLinked | Kind::IdentityUnlinked => link(kind, bytes, of)?,
            Kind::CarriedEvent => return Err(FactError::CarriedTwice),
            Kind::SubjectErased => Body::SubjectErased,
            Kind::PersonDied => Body::PersonDied { on: single_day(bytes)?.unwrap_or(of.occurred) },
            Kind::Retraction => Body::Retraction,
            Kind::CheckUpCompleted => check_up(bytes)?,
            Kind::CareGiven => care(bytes)?,
            Kind::ReferralIssued => issued(bytes)?,
            Kind::ReferralAccepted => Body::ReferralAccepted(transfer(bytes)?),
            Kind::ReferralDeclined => Body::ReferralDeclined(transfer(bytes)?),
            Kind::ReferralArrived => Body::ReferralArrived(transfer(bytes)?),
            Kind::ReferralReturned => Body::ReferralReturned(transfer(bytes)?),
            Kind::ReferralCancelled => Body::ReferralCancelled(transfer(bytes)?),
            Kind::VisitOpened => visit(bytes)?,
            Kind::ClaimSubmitted => Body::ClaimSubmitted(claim(bytes, of, segments)?),
            Kind::ClaimAdjudicated | Kind::ClaimPaid => settled(kind, bytes)?,
            Kind::CopayBalanceReported | Kind::ExemptionConfirmed => by_year(kind, bytes)?,
        })
    }
}

fn code(value: Value<'_>) -> Result<Code, FactError> {
    Ok(value.as_code()?)
}

fn day(value: Value<'_>) -> Result<Option<Day>, FactError> {
    match value.as_bytes()? {
        [] => Ok(None),
        text => Day::parse(text).map(Some).ok_or(FactError::Day),
    }
}

/// The first day after a last day.
fn after(value: Value<'_>) -> Result<Day, FactError> {
    Ok(day(value)?.map_or(Day::MAX, Day::next))
}

fn first(value: Value<'_>) -> Result<Day, FactError> {
    Ok(day(value)?.unwrap_or(Day::MIN))
}

/// `YYYY-MM-DD`, `YYYY-MM` or `YYYY`; what is missing counts as the first.
fn birth_day(value: Value<'_>) -> Result<Option<Day>, FactError> {
    birth_day_of(value.as_bytes()?).ok_or(FactError::Day)
}

#[inline]
fn birth_day_of(text: &[u8]) -> Option<Option<Day>> {
    let mut whole = *b"0000-01-01";
    match text.len() {
        0 => return Some(None),
        10 => return Day::parse(text).map(Some),
        4 | 7 => whole[..text.len()].copy_from_slice(text),
        _ => return None,
    }
    Day::parse(&whole).map(Some)
}

fn registered(bytes: &[u8]) -> Result<Body, FactError> {
    let (mut birth, mut sex) = (None, Sex::Unspecified);
    for field in Fields::new(bytes) {
        match field? {
            (1, value) => birth = birth_day(value)?,
            (2, value) => sex = Sex::try_from(value.as_i32()?).unwrap_or(Sex::Unspecified),
            _ => {}
        }
    }
    Ok(Body::PersonRegistered { birth, sex })
}

fn residence(bytes: &[u8]) -> Result<Body, FactError> {
    let (mut kind, mut commune, mut from, mut until) =
        (ResidenceKind::Unspecified, Code::EMPTY, Day::MIN, Day::MAX);
    for field in Fields::new(bytes) {
        match field? {
            (1, value) => {
                kind = ResidenceKind::try_from(value.as_i32()?).unwrap_or(ResidenceKind::Unspecified)
            }
            (2, value) => commune = code(value)?,
            (4, value) => from = first(value)?,
            (5, value) => until = after(value)?,
            _ => {}
        }
    }
    Ok(Body::ResidenceChanged { kind, commune, from, until })
}

fn insured(bytes: &[u8]) -> Result<Body, FactError> {
    let (mut group, mut rate_digit, mut primary, mut area) =
        (Code::EMPTY, Code::EMPTY, Code::EMPTY, Code::EMPTY);
    let (mut from, mut until, mut five_years) = (Day::MIN, Day::MAX, None);
    for field in Fields::new(bytes) {
        match field? {
            (1, value) => group = code(value)?,
            (2, value) => rate_digit = code(value)?,
            (3, value) => from = first(value)?,
            (4, value) => until = after(value)?,
            (5, value) => primary = code(value)?,
            (6, value) => five_years = day(value)?,
            (7, value) => area = code(value)?,
            _ => {}
        }
    }
    Ok(Body::InsuranceGranted { group, rate_digit, from, until, primary, five_years, area })
}

/// InsuranceEnded: key, day. EntitlementEnded: key, group, day.
fn ended(bytes: &[u8], of: &Envelope<'_>, entitlement: bool) -> Result<Body, FactError> {
    let (mut grant, mut group, mut on) = (None, Code::EMPTY, of.occurred);
    for field in Fields::new(bytes) {
        match field? {
            (1, value) => {
                let key = value.as_bytes()?;
                grant = (!key.is_empty()).then(|| RecordHash::new(of.emitter, key));
            }
            (2, value) if entitlement => group = code(value)?,
            (2, value) if !entitlement => on = day(value)?.unwrap_or(on),
            (3, value) if entitlement => on = day(value)?.unwrap_or(on),
            _ => {}
        }
    }
    Ok(if entitlement {
        Body::EntitlementEnded { grant, group, on }
    } else {
        Body::InsuranceEnded { grant, on }
    })
}

fn entitled(bytes: &[u8]) -> Result<Body, FactError> {
    let (mut group, mut from, mut until) = (Code::EMPTY, Day::MIN, Day::MAX);
    for field in Fields::new(bytes) {
        match field? {
            (1, value) => group = code(value)?,
            (2, value) => from = first(value)?,
            (3, value) => until = after(value)?,
            _ => {}
        }
    }
    Ok(Body::EntitlementGranted { group, from, until })
}

fn link(kind: Kind, bytes: &[u8], of: &Envelope<'_>) -> Result<Body, FactError> {
    let (mut link, mut from) = (LinkHash::default(), None);
    for field in Fields::new(bytes) {
        match field? {
            (1, value) => link = link_hash(value.as_bytes()?),
            (2, value) => from = Some(Subject(value.as_sixteen()?)),
            _ => {}
        }
    }
    Ok(match kind {
        Kind::IdentityLinked => Body::IdentityLinked { link, away: from == Some(of.subject) },
        _ => Body::IdentityUnlinked { link },
    })
}

fn single_day(bytes: &[u8]) -> Result<Option<Day>, FactError> {
    let mut on = None;
    for field in Fields::new(bytes) {
        if let (1, value) = field? {
            on = day(value)?;
        }
    }
    Ok(on)
}

fn check_up(bytes: &[u8]) -> Result<Body, FactError> {
    let [mut facility, mut programme, mut payer, mut class] = [Code::EMPTY; 4];
    let mut follow_up = None;
    for field in Fields::new(bytes) {
        match field? {
            (1, value) => facility = code(value)?,
            (2, value) => programme = code(value)?,
            (3, value) => payer = code(value)?,
            (4, value) => class = code(value)?,
            (6, value) => follow_up = day(value)?,
            _ => {}
        }
    }
    Ok(Body::CheckUpCompleted { facility, programme, payer, class, follow_up })
}

fn care(bytes: &[u8]) -> Result<Body, FactError> {
    let [mut facility, mut care] = [Code::EMPTY; 2];
    for field in Fields::new(bytes) {
        match field? {
            (1, value) => facility = code(value)?,
            (2, value) => care = code(value)?,
            _ => {}
        }
    }
    Ok(Body::CareGiven { facility, care })
}

/// Every referral event begins with form number, sender and receiver.
fn transfer(bytes: &[u8]) -> Result<Transfer, FactError> {
    let mut transfer = Transfer::default();
    for field in Fields::new(bytes) {
        match field? {
            (1, value) => transfer.form = form_hash(value.as_str()?),
            (2, value) => transfer.from = code(value)?,
            (3, value) => transfer.to = code(value)?,
            _ => {}
        }
    }
    Ok(transfer)
}

fn issued(bytes: &[u8]) -> Result<Body, FactError> {
    let (mut reason, mut form_kind, mut valid_until) = (Code::EMPTY, ReferralFormKind::Unspecified, None);
    for field in Fields::new(bytes) {
        match field? {
            (4, value) => reason = code(value)?,
            (5, value) => {
                form_kind =
                    ReferralFormKind::try_from(value.as_i32()?).unwrap_or(ReferralFormKind::Unspecified);
            }
            (6, value) => valid_until = day(value)?,
            _ => {}
        }
    }
    Ok(Body::ReferralIssued { transfer: transfer(bytes)?, reason, form_kind, valid_until })
}

fn visit(bytes: &[u8]) -> Result<Body, FactError> {
    let [mut facility, mut visit_type, mut route] = [Code::EMPTY; 3];
    let mut admitted = None;
    for field in Fields::new(bytes) {
        match field? {
            (1, value) => facility = code(value)?,
            (2, value) => visit_type = code(value)?,
            (3, value) => route = code(value)?,
            (4, value) => admitted = Some(value.as_millis()?.day()),
            _ => {}
        }
    }
    Ok(Body::VisitOpened { facility, visit_type, route, admitted })
}

fn claim(bytes: &[u8], of: &Envelope<'_>, segments: &mut Vec<Segment>) -> Result<Claim, FactError> {
    let mut claim = Claim { ended: of.occurred, ..Claim::default() };
    let mut started = None;
    let first_segment = segments.len();
    for field in Fields::new(bytes) {
        match field? {
            (1, value) => claim.facility = code(value)?,
            (2, value) => claim.visit_type = code(value)?,
            (3, value) => claim.route = code(value)?,
            (7, value) => started = Some(value.as_millis()?.day()),
            (8, value) => claim.admitted = Some(value.as_millis()?.day()),
            (9, value) => claim.ended = value.as_millis()?.day(),
            (14, value) => totals(&mut claim, value)?,
            (15, value) => segments.push(segment(value)?),
            (17, value) => claim.group = code(value)?,
            (18, value) => claim.rate_digit = code(value)?,
            (19, value) => claim.exempt_from = day(value)?,
            (21, value) => claim.charged_rate = value.as_u32()?,
            _ => {}
        }
    }
    claim.started = started.unwrap_or(claim.ended);
    claim.segments = (first_segment as u32, (segments.len() - first_segment) as u32);
    Ok(claim)
}

fn totals(claim: &mut Claim, value: Value<'_>) -> Result<(), FactError> {
    for field in value.as_fields()? {
        match field? {
            (2, value) => claim.covered = value.as_i64()?,
            (4, value) => claim.copay = value.as_i64()?,
            (5, value) => claim.fund = value.as_i64()?,
            _ => {}
        }
    }
    Ok(())
}

fn segment(value: Value<'_>) -> Result<Segment, FactError> {
    let mut segment = Segment::default();
    for field in value.as_fields()? {
        match field? {
            (1, value) => segment.group = code(value)?,
            (2, value) => segment.rate_digit = code(value)?,
            (3, value) => segment.charged_rate = value.as_u32()?,
            (4, value) => segment.year = value.as_u32()?,
            (5, value) => segment.covered = value.as_i64()?,
            (6, value) => segment.copay = value.as_i64()?,
            (7, value) => segment.fund = value.as_i64()?,
            _ => {}
        }
    }
    Ok(segment)
}

/// ClaimAdjudicated: facility, key, approved, refused. ClaimPaid: facility, key, amount, day.
fn settled(kind: Kind, bytes: &[u8]) -> Result<Body, FactError> {
    let (mut facility, mut key): (&[u8], &[u8]) = (&[], &[]);
    let (mut amount, mut refused, mut on) = (0, 0, None);
    for field in Fields::new(bytes) {
        match field? {
            (1, value) => facility = value.as_bytes()?,
            (2, value) => key = value.as_bytes()?,
            (3, value) => amount = value.as_i64()?,
            (4, value) if kind == Kind::ClaimAdjudicated => refused = value.as_i64()?,
            (4, value) if kind == Kind::ClaimPaid => on = day(value)?,
            _ => {}
        }
    }
    let claim = RecordHash::new(facility, key);
    Ok(match kind {
        Kind::ClaimAdjudicated => Body::ClaimAdjudicated { claim, approved: amount, refused },
        _ => Body::ClaimPaid { claim, amount, on },
    })
}

/// CopayBalanceReported: year, copay. ExemptionConfirmed: year, day.
fn by_year(kind: Kind, bytes: &[u8]) -> Result<Body, FactError> {
    let (mut year, mut copay, mut from) = (0, 0, None);
    for field in Fields::new(bytes) {
        match field? {
            (1, value) => year = value.as_u32()?,
            (2, value) if kind == Kind::CopayBalanceReported => copay = value.as_i64()?,
            (2, value) if kind == Kind::ExemptionConfirmed => from = day(value)?,
            _ => {}
        }
    }
    Ok(match kind {
        Kind::CopayBalanceReported => Body::CopayBalanceReported { year, copay },
        _ => Body::ExemptionConfirmed { year, from },
    })
}
