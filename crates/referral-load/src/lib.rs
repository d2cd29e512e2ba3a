//! Referral load: who sends whom where, what arrives, what is open.
