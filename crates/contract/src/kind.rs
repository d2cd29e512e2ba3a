//! Kinds of events.

use std::fmt;

use crate::v1::event::Body;

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $number:literal $text:literal,)*) => {
        /// What kind of event it is: the number of its body's field in `Event`, for ever.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u16)]
        pub enum Kind {
            $($(#[$doc])* $name = $number,)*
        }

        impl Kind {
            /// Every kind there is, in the order of their numbers.
            pub const ALL: &'static [Kind] = &[$(Kind::$name,)*];

            /// The kind whose body has this field number; `None`: one of a newer version, or not a body at all.
            #[must_use]
            #[inline]
            pub fn from_number(number: u32) -> Option<Kind> {
                match number {
                    $($number => Some(Kind::$name),)*
                    _ => None,
                }
            }

            /// The kind's name, as the field is called in `Event`.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Kind::$name => $text,)*
                }
            }

            /// The kind of a body.
            #[must_use]
            pub fn of(body: &Body) -> Kind {
                match body {
                    $(Body::$name(_) => Kind::$name,)*
                }
            }
        }
    };
}

kinds! {
    /// A person became known, or known better.
    PersonRegistered = 32 "person_registered",
    /// The person's electronic health record exists from here on.
    HealthRecordOpened = 33 "health_record_opened",
    /// The person's electronic health record was closed.
    HealthRecordClosed = 34 "health_record_closed",
    /// Where the person lives, from a day on.
    ResidenceChanged = 35 "residence_changed",
    /// An insurance card.
    InsuranceGranted = 36 "insurance_granted",
    /// A card, or all of them, ended early.
    InsuranceEnded = 37 "insurance_ended",
    /// A status that entitles, whatever the card prints.
    EntitlementGranted = 38 "entitlement_granted",
    /// Such a status ended early.
    EntitlementEnded = 39 "entitlement_ended",
    /// Two subjects are one person.
    IdentityLinked = 40 "identity_linked",
    /// They are not.
    IdentityUnlinked = 41 "identity_unlinked",
    /// An event of a linked-away subject, again.
    CarriedEvent = 42 "carried_event",
    /// The key of the person's sealed fields was destroyed.
    SubjectErased = 43 "subject_erased",
    /// The person died.
    PersonDied = 44 "person_died",
    /// Takes another event back and says nothing else.
    Retraction = 45 "retraction",
    /// A periodic check-up or screening.
    CheckUpCompleted = 64 "check_up_completed",
    /// A contact that counts as health management.
    CareGiven = 65 "care_given",
    /// A transfer form was issued.
    ReferralIssued = 80 "referral_issued",
    /// The receiver will take the person.
    ReferralAccepted = 81 "referral_accepted",
    /// The receiver will not.
    ReferralDeclined = 82 "referral_declined",
    /// The person arrived.
    ReferralArrived = 83 "referral_arrived",
    /// Sent back to the grassroots.
    ReferralReturned = 84 "referral_returned",
    /// The sender called it off.
    ReferralCancelled = 85 "referral_cancelled",
    /// Check-in.
    VisitOpened = 96 "visit_opened",
    /// The bill of a finished visit.
    ClaimSubmitted = 97 "claim_submitted",
    /// The payer's verdict on it.
    ClaimAdjudicated = 98 "claim_adjudicated",
    /// The payer paid it.
    ClaimPaid = 99 "claim_paid",
    /// The payer's own sum of the person's copay in a year.
    CopayBalanceReported = 100 "copay_balance_reported",
    /// The payer confirms the annual copay exemption.
    ExemptionConfirmed = 101 "exemption_confirmed",
}

impl Kind {
    /// The field number.
    #[must_use]
    #[inline]
    pub fn number(self) -> u32 {
        self as u32
    }

    /// The kind of this [`Kind::name`].
    #[must_use]
    pub fn from_name(name: &str) -> Option<Kind> {
        Kind::ALL.iter().copied().find(|kind| kind.name() == name)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_the_bodies_of_the_proto_file() {
        let event = crate::descriptors().get_message_by_name("vertebra.v1.Event").unwrap();
        let body = event.oneofs().find(|oneof| oneof.name() == "body").unwrap();
        let declared: Vec<_> = body.fields().map(|field| (field.number(), field.name().to_owned())).collect();
        let known: Vec<_> = Kind::ALL.iter().map(|kind| (kind.number(), kind.name().to_owned())).collect();
        assert_eq!(known, declared);
        for &kind in Kind::ALL {
            assert_eq!(Kind::from_number(kind.number()), Some(kind));
            assert_eq!(Kind::from_name(kind.name()), Some(kind));
        }
        assert_eq!(Kind::from_number(31), None);
    }
}
