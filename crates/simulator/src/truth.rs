//! What the simulator knows about its people, in plain types of its own: what a naive oracle reads instead of the log.
//!
//! Nothing here is resolved. A person's [`Told`] are all that was said about them, each with its three times; which of them
//! hold at a moment is for the reader to work out, from the rules of the contract and not from the engine's code.

use crate::{Key, Short};

/// A civil day in Hanoi, in days since 1970-01-01.
pub type DayNumber = i32;
/// An instant, in milliseconds since 1970-01-01T00:00:00Z.
pub type Moment = i64;
/// Hundredths of a đồng.
pub type Money = i64;

/// A person and all that was said about them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Person {
    /// The person's number in the city, from 0.
    pub index: u64,
    /// Under how many identities emitters know the person: subjects in the log. `Told::identity` is below it.
    pub identities: u8,
    /// Bit `n`: identity `n` comes from no identifier but from one record alone, and is no person.
    pub nameless: u8,
    /// In the order the simulator made it up; `recorded_ms` has the order of the log, and differs within a person.
    pub told: Vec<Told>,
}

impl Person {
    /// Whether that identity comes from an identifier.
    #[must_use]
    pub fn is_named(&self, identity: u8) -> bool {
        self.nameless >> identity & 1 == 0
    }
}

/// One thing one emitter said about a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Under which of the person's identities.
    pub identity: u8,
    /// Who said it.
    pub emitter: Short,
    /// The emitter's key of the record this is a version of.
    pub record_key: Key,
    /// When the emitter made this version.
    pub asserted_ms: Moment,
    /// When it was true.
    pub occurred_ms: Moment,
    /// When the backbone learned it.
    pub recorded_ms: Moment,
    /// What it says.
    pub says: Says,
    /// What it takes back.
    pub takes_back: Option<TakesBack>,
    /// Whether this version withdraws the record.
    pub withdraws: bool,
    /// Whether an operator of the backbone spoke for the emitter.
    pub by_operator: bool,
    /// Set: nothing new, but what `told[n]` said, sent once more; the same event in the log. `told[n]` has a lower index and
    /// is no copy itself, but may be recorded later.
    pub copy_of: Option<u32>,
}

impl Told {
    /// Whether `other` is the same event: the same said by the same emitter of the same record at the same time. What goes
    /// with the person's details is about one identity alone.
    pub(crate) fn is_same_event(&self, other: &Told) -> bool {
        self.asserted_ms == other.asserted_ms
            && self.record_key == other.record_key
            && self.emitter == other.emitter
            && self.occurred_ms == other.occurred_ms
            && self.takes_back == other.takes_back
            && self.withdraws == other.withdraws
            && self.says == other.says
            && (self.identity == other.identity
                || !matches!(self.says, Says::Registered { .. } | Says::Claimed(_)))
    }
}

/// A reference to something said before, or that will be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TakesBack {
    /// Index of what is taken back in the same person's `told`.
    pub target: u32,
    /// Whether something is said in its stead (`corrects`), or nothing (`voids`).
    pub instead: bool,
}

/// What was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Says {
    /// The person exists.
    Registered {
        /// The first day the date of birth can be.
        born: DayNumber,
        /// How much of the date is known.
        known: BirthKnown,
        /// `None`: not said.
        male: Option<bool>,
    },
    /// The electronic health record exists.
    RecordOpened,
    /// It exists no more.
    RecordClosed,
    /// Where the person lives.
    Lives {
        /// Permanent, temporary or actual.
        kind: Residence,
        /// Commune code.
        commune: Short,
        /// First day.
        from: DayNumber,
        /// Last day; `None`: open.
        until: Option<DayNumber>,
    },
    /// One card.
    Insured(Card),
    /// A card, or every card, ends.
    InsuranceEnded {
        /// The record key of the grant, of the same emitter; empty: every card of the person.
        grant: Key,
        /// The first day without.
        on: DayNumber,
    },
    /// A status that entitles.
    Entitled {
        /// Insurance group code.
        group: Short,
        /// First day.
        from: DayNumber,
        /// Last day; `None`: open.
        until: Option<DayNumber>,
    },
    /// A status ends.
    EntitlementEnded {
        /// The record key of the grant, of the same emitter; empty: every grant of `group`.
        grant: Key,
        /// Insurance group code.
        group: Short,
        /// The first day without.
        on: DayNumber,
    },
    /// Two of the person's identities are one person: `from` counts as `to`.
    Linked {
        /// Number of the link, within the person.
        link: u32,
        /// The identity that is linked away.
        from: u8,
        /// The identity it counts for.
        to: u8,
    },
    /// That link does not hold.
    Unlinked {
        /// Number of the link, within the person.
        link: u32,
        /// As in the link.
        from: u8,
        /// As in the link.
        to: u8,
    },
    /// The person died.
    Died {
        /// On this day.
        on: DayNumber,
    },
    /// Nothing but the taking back.
    Nothing,
    /// A check-up was completed on the day of `occurred_ms`.
    CheckUp {
        /// Where.
        facility: Short,
        /// Health class, 1 to 5.
        class: u8,
        /// Group of people it was organised for.
        programme: Short,
        /// Who paid.
        payer: Short,
    },
    /// A contact that counts as health management.
    Care {
        /// Where.
        facility: Short,
        /// What kind.
        care: &'static str,
    },
    /// A transfer form was issued, or something happened to one.
    Referral(Referral),
    /// Check-in of a visit; the claim that follows has the same record key.
    VisitOpened {
        /// Where.
        facility: Short,
        /// Kind of visit, 01 to 16.
        visit_type: Short,
        /// Provisional route code.
        route: Short,
        /// When admitted to a ward.
        admitted_ms: Option<Moment>,
    },
    /// The summary of a finished visit.
    Claimed(Box<Claim>),
    /// The payer's verdict on a claim.
    Adjudicated {
        /// Of which facility.
        facility: Short,
        /// Which claim.
        claim: Key,
        /// What the fund pays.
        approved: Money,
        /// What it refuses.
        refused: Money,
    },
    /// The fund paid a claim.
    Paid {
        /// Of which facility.
        facility: Short,
        /// Which claim.
        claim: Key,
        /// How much.
        amount: Money,
        /// When.
        on: DayNumber,
    },
    /// The payer's own sum of the person's copay in a year.
    CopayBalance {
        /// Calendar year.
        year: u32,
        /// The sum.
        copay: Money,
    },
    /// The payer confirms the copay exemption of a year.
    Exempted {
        /// Calendar year.
        year: u32,
        /// From this day.
        from: DayNumber,
    },
}

/// How much of a date of birth is known; the rest counts as the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BirthKnown {
    /// The day.
    Day,
    /// Month and year.
    Month,
    /// The year.
    Year,
}

/// Which residence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Residence {
    /// Registered for good.
    Permanent,
    /// Registered for a time.
    Temporary,
    /// Where the person in fact lives.
    Actual,
}

/// One insurance card.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Card {
    /// First two letters.
    pub group: Short,
    /// Third character; empty where the card prints none.
    pub digit: Short,
    /// First day.
    pub from: DayNumber,
    /// Last day; `None`: open.
    pub until: Option<DayNumber>,
    /// Facility of initial registration.
    pub primary: Short,
    /// The day five consecutive years complete; `None`: not said.
    pub five_years_on: Option<DayNumber>,
    /// K1, K2, K3 or nothing.
    pub area: Short,
}

/// What happened to a transfer form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Referral {
    /// Which step.
    pub step: ReferralStep,
    /// The form's number as this end wrote it.
    pub form: Key,
    /// Who sends.
    pub from: Short,
    /// Who receives (for an arrival: where the person arrived).
    pub to: Short,
}

/// A step of a referral.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReferralStep {
    /// By the sender.
    Issued {
        /// Kind of form.
        kind: Form,
        /// Last day; `None`: by its kind.
        valid_until: Option<DayNumber>,
        /// 1 by the rules, 2 beyond capacity, 3 at the patient's request.
        reason: u8,
        /// ICD-10.
        diagnosis: Short,
    },
    /// The receiver will take the person.
    Accepted,
    /// The receiver will not.
    Declined,
    /// The person is there.
    Arrived,
    /// Back to the grassroots.
    Returned,
    /// The sender takes the form back.
    Cancelled,
}

/// Kind of transfer form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Ten working days.
    Standard,
    /// A year.
    OneYear,
    /// For a test only: no referral.
    TestOnly,
}

/// The summary of a finished visit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Claim {
    /// Where.
    pub facility: Short,
    /// 01 to 16.
    pub visit_type: Short,
    /// Route code.
    pub route: Short,
    /// The facility that sent the patient.
    pub referred_from: Short,
    /// The facility the patient was sent to.
    pub referred_to: Short,
    /// Number of the transfer form.
    pub form: Key,
    /// Begin.
    pub started_ms: Moment,
    /// Admission to a ward.
    pub admitted_ms: Option<Moment>,
    /// End; also `occurred_ms`.
    pub ended_ms: Moment,
    /// ICD-10.
    pub diagnosis: Short,
    /// ICD-10; empty: none.
    pub other_diagnosis: Short,
    /// 1 to 8.
    pub outcome: u8,
    /// 1 to 5.
    pub discharge: u8,
    /// All cost.
    pub total: Money,
    /// Within the scope of insurance.
    pub covered: Money,
    /// Paid by the patient, out of scope.
    pub self_paid: Money,
    /// The patient's share in scope.
    pub copay: Money,
    /// The fund's share.
    pub fund: Money,
    /// First two letters of the card shown.
    pub group: Short,
    /// Its third character.
    pub digit: Short,
    /// From when the copay exemption was applied.
    pub exempt_from: Option<DayNumber>,
    /// When the fund paid.
    pub paid_on: Option<DayNumber>,
    /// In hundredths of a per cent, where one rate holds.
    pub charged_rate: u32,
    /// By card, rate and year; both empty: the totals are the one segment.
    pub segments: [Option<Segment>; 2],
}

/// A part of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// First two letters of the card.
    pub group: Short,
    /// Its third character.
    pub digit: Short,
    /// In hundredths of a per cent.
    pub charged_rate: u32,
    /// Calendar year of the care.
    pub year: u32,
    /// Within the scope of insurance.
    pub covered: Money,
    /// The patient's share.
    pub copay: Money,
    /// The fund's share.
    pub fund: Money,
}
