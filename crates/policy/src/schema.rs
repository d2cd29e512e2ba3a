//! Which facts each table may ask for, and which columns its outcome has. A name that is not here is refused in a file.

/// What a fact or an outcome is. Every value but a text is held as one number.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    /// A code of a list, as `"1.12"`.
    Code,
    /// One of these names; held as its index.
    Choice(&'static [&'static str]),
    /// A whole number.
    Whole,
    /// `"47.5%"`; held in basis points.
    Share,
    /// Whole đồng; held in hundredths.
    Dong,
    /// `true` or `false`.
    YesNo,
    /// Words for people.
    Text,
}

#[derive(Debug)]
pub(crate) struct Schema {
    pub(crate) file: &'static str,
    pub(crate) facts: &'static [(&'static str, Kind)],
    pub(crate) outcome: &'static [(&'static str, Kind)],
    /// Outcome columns that may be left out; a missing yes/no is no.
    pub(crate) optional: &'static [&'static str],
    /// Of these outcome columns exactly one must be there.
    pub(crate) one_of: &'static [&'static str],
}

pub(crate) const TIERS: &[&str] = &["unranked", "initial", "basic", "specialised"];
pub(crate) const FORMER_LEVELS: &[&str] = &["central", "provincial", "district", "commune"];
pub(crate) const ROUTE_KINDS: &[&str] = &[
    "own",
    "station",
    "referred",
    "moved",
    "re-examination",
    "donor",
    "newborn",
    "self-referral",
    "emergency",
    "drugs",
    "withdrawal",
    "uninsured",
];
pub(crate) const MEASURES: &[&str] = &["base-salary", "reference-level"];
pub(crate) const RAISES: &[&str] = &["card-rate", "claim-rate"];
pub(crate) const MID_YEAR: &[&str] = &["remaining-months", "level-in-force"];
pub(crate) const FORMS: &[&str] = &["unspecified", "standard", "one-year", "test-only"];
pub(crate) const PARAMETERS: &[&str] = &[
    "health-management-window-months",
    "child-under-years",
    "elderly-from-years",
    "social-pension-from-years",
    "card-grace-days",
    "arrival-joins-within-days",
    "inferred-arrival-working-days",
    "stale-inpatient-days",
];

pub(crate) static BASE_SALARY: Schema = Schema {
    file: "policy/base_salary.toml",
    facts: &[("measure", Kind::Choice(MEASURES))],
    outcome: &[("amount", Kind::Dong), ("same_as", Kind::Choice(&["base-salary"]))],
    optional: &[],
    one_of: &["amount", "same_as"],
};

pub(crate) static CARD_RATES: Schema = Schema {
    file: "policy/card_rates.toml",
    facts: &[("group", Kind::Code), ("digit", Kind::Code)],
    outcome: &[("rate", Kind::Share), ("ratio_caps", Kind::YesNo)],
    optional: &[],
    one_of: &[],
};

pub(crate) static GROUPS: Schema = Schema {
    file: "policy/groups.toml",
    facts: &[("group", Kind::Code)],
    outcome: &[("name", Kind::Text)],
    optional: &[],
    one_of: &[],
};

pub(crate) static ROUTE_CODES: Schema = Schema {
    file: "policy/route_codes.toml",
    facts: &[("code", Kind::Code)],
    outcome: &[("kind", Kind::Choice(ROUTE_KINDS)), ("name", Kind::Text)],
    optional: &[],
    one_of: &[],
};

pub(crate) static ROUTE: Schema = Schema {
    file: "policy/route.toml",
    facts: &[
        ("code", Kind::Code),
        ("kind", Kind::Choice(ROUTE_KINDS)),
        ("inpatient", Kind::YesNo),
        ("tier", Kind::Choice(TIERS)),
        ("score", Kind::Whole),
        ("former_level", Kind::Choice(FORMER_LEVELS)),
        ("provisional", Kind::YesNo),
        ("station", Kind::YesNo),
    ],
    outcome: &[("factor", Kind::Share), ("flat", Kind::YesNo), ("none", Kind::Text)],
    optional: &["flat"],
    one_of: &["factor", "none"],
};

pub(crate) static SELF_REFERRAL: Schema = Schema {
    file: "policy/self_referral.toml",
    facts: &[
        ("inpatient", Kind::YesNo),
        ("tier", Kind::Choice(TIERS)),
        ("score", Kind::Whole),
        ("former_level", Kind::Choice(FORMER_LEVELS)),
        ("provisional", Kind::YesNo),
        ("station", Kind::YesNo),
    ],
    outcome: &[("code", Kind::Code)],
    optional: &[],
    one_of: &[],
};

pub(crate) static LOW_COST: Schema = Schema {
    file: "policy/low_cost.toml",
    facts: &[],
    outcome: &[("below", Kind::Share), ("raises", Kind::Choice(RAISES))],
    optional: &[],
    one_of: &[],
};

pub(crate) static ANNUAL_EXEMPTION: Schema = Schema {
    file: "policy/annual_exemption.toml",
    facts: &[],
    outcome: &[
        ("years", Kind::Whole),
        ("gap_months", Kind::Whole),
        ("months", Kind::Whole),
        ("strictly_above", Kind::YesNo),
        ("mid_year", Kind::Choice(MID_YEAR)),
    ],
    optional: &[],
    one_of: &[],
};

pub(crate) static COPAY_COUNTING: Schema = Schema {
    file: "policy/copay_counting.toml",
    facts: &[("kind", Kind::Choice(ROUTE_KINDS)), ("factor", Kind::Share)],
    outcome: &[("counts", Kind::YesNo), ("exempts", Kind::YesNo)],
    optional: &[],
    one_of: &[],
};

pub(crate) static REFERRAL_VALIDITY: Schema = Schema {
    file: "policy/referral_validity.toml",
    facts: &[("form", Kind::Choice(FORMS))],
    outcome: &[("working_days", Kind::Whole), ("years", Kind::Whole), ("none", Kind::Text)],
    optional: &[],
    one_of: &["working_days", "years", "none"],
};

pub(crate) static PARAMETERS_SCHEMA: Schema = Schema {
    file: "policy/parameters.toml",
    facts: &[("name", Kind::Choice(PARAMETERS))],
    outcome: &[("value", Kind::Whole)],
    optional: &[],
    one_of: &[],
};
