//! Coverage: who is insured, under health management, checked up.
