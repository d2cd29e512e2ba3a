//! Bodies as intake writes them, read straight: the kinds that make up nearly all of a log. See [`Straight`]; whatever is
//! unexpected is left to the general readers, which read the same and find the words for what is broken.

use contract::{
    Day, Kind,
    v1::{ResidenceKind, Sex},
    wire::Straight,
};

use super::{Body, Claim, Envelope, Segment, birth_day_of};

/// `body` becomes what the bytes say; `None`: they are to be read by the general reader.
#[inline(always)]
pub(super) fn read(
    body: &mut Body,
    kind: Kind,
    bytes: &[u8],
    of: &Envelope<'_>,
    segments: &mut Vec<Segment>,
) -> Option<()> {
    let mut rest = Straight::new(bytes);
    match kind {
        Kind::PersonRegistered => *body = registered(&mut rest)?,
        Kind::HealthRecordOpened => *body = Body::HealthRecordOpened,
        Kind::ResidenceChanged => *body = residence(&mut rest)?,
        Kind::InsuranceGranted => *body = insured(&mut rest)?,
        Kind::CheckUpCompleted => *body = check_up(&mut rest)?,
        Kind::CareGiven => *body = care(&mut rest)?,
        Kind::VisitOpened => *body = visit(&mut rest)?,
        Kind::ClaimSubmitted => {
            let before = segments.len();
            match claim(&mut rest, of, segments) {
                Some(claim) if rest.ends() => *body = Body::ClaimSubmitted(claim),
                _ => {
                    segments.truncate(before);
                    return None;
                }
            }
        }
        _ => return None,
    }
    rest.ends().then_some(())
}

#[inline(always)]
fn registered(rest: &mut Straight<'_>) -> Option<Body> {
    let birth = birth_day_of(rest.bytes::<1>()?)?;
    let sex = Sex::try_from(rest.number::<2>()? as i32).unwrap_or(Sex::Unspecified);
    // Nationality, ethnicity, occupation.
    rest.skip::<3>()?;
    rest.skip::<4>()?;
    rest.skip::<5>()?;
    Some(Body::PersonRegistered { birth, sex })
}

#[inline(always)]
fn residence(rest: &mut Straight<'_>) -> Option<Body> {
    let kind = ResidenceKind::try_from(rest.number::<1>()? as i32).unwrap_or(ResidenceKind::Unspecified);
    let commune = rest.code::<2>()?;
    // Province.
    rest.skip::<3>()?;
    let (from, until) = interval(rest.day::<4>()?, rest.day::<5>()?);
    Some(Body::ResidenceChanged { kind, commune, from, until })
}

#[inline(always)]
fn insured(rest: &mut Straight<'_>) -> Option<Body> {
    let (group, rate_digit) = (rest.code::<1>()?, rest.code::<2>()?);
    let (from, until) = interval(rest.day::<3>()?, rest.day::<4>()?);
    let (primary, five_years, area) = (rest.code::<5>()?, rest.day::<6>()?, rest.code::<7>()?);
    Some(Body::InsuranceGranted { group, rate_digit, from, until, primary, five_years, area })
}

#[inline(always)]
fn interval(first: Option<Day>, last: Option<Day>) -> (Day, Day) {
    (first.unwrap_or(Day::MIN), last.map_or(Day::MAX, Day::next))
}

#[inline(always)]
fn check_up(rest: &mut Straight<'_>) -> Option<Body> {
    let (facility, programme) = (rest.code::<1>()?, rest.code::<2>()?);
    let (payer, class) = (rest.code::<3>()?, rest.code::<4>()?);
    // Conclusions.
    rest.skip::<5>()?;
    Some(Body::CheckUpCompleted { facility, programme, payer, class, follow_up: rest.day::<6>()? })
}

#[inline(always)]
fn care(rest: &mut Straight<'_>) -> Option<Body> {
    Some(Body::CareGiven { facility: rest.code::<1>()?, care: rest.code::<2>()? })
}

#[inline(always)]
fn visit(rest: &mut Straight<'_>) -> Option<Body> {
    let (facility, visit_type, route) = (rest.code::<1>()?, rest.code::<2>()?, rest.code::<3>()?);
    let admitted = rest.millis::<4>()?.map(|time| time.day());
    Some(Body::VisitOpened { facility, visit_type, route, admitted })
}

#[inline(always)]
fn claim(rest: &mut Straight<'_>, of: &Envelope<'_>, segments: &mut Vec<Segment>) -> Option<Claim> {
    let first_segment = segments.len();
    let (facility, visit_type, route) = (rest.code::<1>()?, rest.code::<2>()?, rest.code::<3>()?);
    // Referred from, referred to, form number.
    rest.skip::<4>()?;
    rest.skip::<5>()?;
    rest.skip::<6>()?;
    let started = rest.millis::<7>()?.map(|time| time.day());
    let admitted = rest.millis::<8>()?.map(|time| time.day());
    let ended = rest.millis::<9>()?.map_or(of.occurred, |time| time.day());
    // Diagnoses, outcome, discharge.
    rest.skip::<10>()?;
    rest.skip::<11>()?;
    rest.skip::<12>()?;
    rest.skip::<13>()?;
    let (covered, copay, fund) = rest.message::<14, _>(totals)?.unwrap_or_default();
    while let Some(segment) = rest.message::<15, _>(segment)? {
        segments.push(segment);
    }
    // Lines.
    rest.skip::<16>()?;
    let (group, rate_digit, exempt_from) = (rest.code::<17>()?, rest.code::<18>()?, rest.day::<19>()?);
    // The day it was paid on.
    rest.skip::<20>()?;
    let charged_rate = rest.number::<21>()? as u32;
    Some(Claim {
        facility,
        visit_type,
        route,
        started: started.unwrap_or(ended),
        admitted,
        ended,
        group,
        rate_digit,
        charged_rate,
        covered,
        copay,
        fund,
        exempt_from,
        segments: (first_segment as u32, (segments.len() - first_segment) as u32),
    })
}

/// Covered, copay, fund.
#[inline(always)]
fn totals(rest: &mut Straight<'_>) -> Option<(i64, i64, i64)> {
    // What it cost in all, and what the patient paid outside the insurance.
    rest.number::<1>()?;
    let covered = rest.number::<2>()? as i64;
    rest.number::<3>()?;
    let (copay, fund) = (rest.number::<4>()? as i64, rest.number::<5>()? as i64);
    // Other sources.
    rest.number::<6>()?;
    Some((covered, copay, fund))
}

#[inline(always)]
fn segment(rest: &mut Straight<'_>) -> Option<Segment> {
    Some(Segment {
        group: rest.code::<1>()?,
        rate_digit: rest.code::<2>()?,
        charged_rate: rest.number::<3>()? as u32,
        year: rest.number::<4>()? as u32,
        covered: rest.number::<5>()? as i64,
        copay: rest.number::<6>()? as i64,
        fund: rest.number::<7>()? as i64,
    })
}

#[cfg(test)]
mod tests;
