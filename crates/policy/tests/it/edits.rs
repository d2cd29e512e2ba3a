//! Every row matters: each outcome of each row is edited in turn, and some answer that figures go by must change, without compiling
//! anything; of what is marked `no_figure` another answer, and none of those.

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::{DefaultHasher, Hash, Hasher},
    sync::LazyLock,
};

use contract::{Code, Day, v1::ReferralFormKind};
use policy::{
    Money, Parameter, Policy, RouteCase,
    testing::{Files, edits, under},
};
use reference::{FacilitySpan, FormerLevel, Organisation, Reference, Tier};

use crate::{code, day, files};

static REFERENCE: LazyLock<Reference> = LazyLock::new(|| Reference::parse(&files()).unwrap());

fn policy(files: &Files) -> Policy {
    Policy::parse(files, &REFERENCE).unwrap_or_else(|faults| panic!("{faults:#?}"))
}

const DAYS: [&str; 17] = [
    "2015-06-01",
    "2018-06-01",
    "2019-07-01",
    "2021-01-01",
    "2023-07-01",
    "2024-07-01",
    "2024-12-31",
    "2025-01-01",
    "2025-06-30",
    "2025-07-01",
    "2025-12-31",
    "2026-01-01",
    "2026-02-13",
    "2026-06-30",
    "2026-07-01",
    "2026-12-31",
    "2027-06-01",
];

/// What happened before is in no figure.
const FIGURES_BEGIN: &str = "2024-01-01";

/// What a facility can be, as far as the tables ask.
fn classes() -> Vec<FacilitySpan> {
    let mut classes = Vec::new();
    for (tier, score, provisional, station) in [
        (Tier::Unranked, None, false, false),
        (Tier::Initial, None, false, true),
        (Tier::Initial, None, false, false),
        (Tier::Basic, None, true, false),
        (Tier::Basic, Some(40), false, false),
        (Tier::Basic, Some(60), false, false),
        (Tier::Basic, Some(70), false, false),
        (Tier::Specialised, Some(80), false, false),
    ] {
        for (_, former_level) in FormerLevel::NAMED {
            classes.push(FacilitySpan {
                valid_from: Day::MIN,
                valid_until: Day::MAX,
                tier,
                score,
                former_level,
                provisional,
                station,
                organisation: Organisation::Hospital,
                beds: 0,
                assumed: true,
                basis: String::new(),
            });
        }
    }
    classes
}

/// An answer, as its hash: there are many, and only a difference is asked for.
fn told(answer: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    answer.hash(&mut hasher);
    hasher.finish()
}

/// What every question answers over a corpus of cases: values only, no ids.
#[derive(PartialEq, Default)]
struct Answers {
    /// To the questions that projections ask.
    figures: Vec<u64>,
    /// To all others.
    others: Vec<u64>,
}

fn answers(policy: &Policy) -> Answers {
    let mut all = Answers::default();
    for on in DAYS.map(day) {
        let mut answers = Answers::default();
        cards(policy, on, &mut answers);
        routes(policy, on, &mut answers);
        copays(policy, on, &mut answers.figures);
        for form in [
            ReferralFormKind::Unspecified,
            ReferralFormKind::Standard,
            ReferralFormKind::OneYear,
            ReferralFormKind::TestOnly,
        ] {
            let validity = policy.referral_validity(form, on);
            answers.figures.push(told(validity.ok().map(|validity| validity.last_day)));
            answers.others.push(told(validity.map(|_| ()).map_err(|none| none.reason)));
        }
        for parameter in Parameter::ALL {
            let answer = told(policy.number(parameter, on).map(|figure| figure.value));
            let of_figures = match parameter {
                Parameter::HealthManagementWindowMonths
                | Parameter::ArrivalJoinsWithinDays
                | Parameter::InferredArrivalWorkingDays
                | Parameter::StaleInpatientDays => true,
                Parameter::ChildUnderYears
                | Parameter::ElderlyFromYears
                | Parameter::SocialPensionFromYears
                | Parameter::CardGraceDays => false,
            };
            if of_figures { &mut answers.figures } else { &mut answers.others }.push(answer);
        }
        if on < day(FIGURES_BEGIN) { &mut all.others } else { &mut all.figures }.extend(answers.figures);
        all.others.extend(answers.others);
    }
    all.others.extend(policy.known_groups().map(|group| told((group.order, group.code, group.name))));
    all.others.extend(policy.route_codes().map(told));
    all
}

fn cards(policy: &Policy, on: Day, answers: &mut Answers) {
    let groups: Vec<Code> = policy.known_groups().map(|group| group.code).chain([code("ZZ")]).collect();
    for digit in ["", "1", "2", "3", "4", "5"].map(code) {
        for group in &groups {
            let rate = policy.card_rate(*group, digit, on);
            answers.figures.push(told(rate.map(|rate| rate.basis_points)));
            answers.others.push(told(rate.map(|rate| rate.ratio_caps)));
        }
    }
}

fn routes(policy: &Policy, on: Day, answers: &mut Answers) {
    let classes = classes();
    for (route, ..) in policy.route_codes() {
        answers.figures.push(told(policy.route_kind(route)));
        let facilities = classes.iter().map(|span| Some(span.class())).chain([None]);
        for (facility, inpatient) in facilities.flat_map(|facility| [(facility, false), (facility, true)]) {
            let counts = policy.route(&RouteCase { code: route, on, inpatient, facility });
            // Whether it exempts is also said by the explanation of a claim on which nothing is paid.
            let copay = counts.as_ref().ok().map(|rate| (rate.copay.counts, rate.copay.exempts));
            answers.figures.push(told(copay));
            answers.others.push(told(counts.err().map(|none| none.reason)));
            for exempt_since in [None, Some(on)] {
                let case = policy::Case { inpatient, facility, exempt_since, ..claim(route, 10_000_000, on) };
                answers.figures.push(told(policy.rate(&case).ok().map(|rate| rate.basis_points)));
            }
        }
    }
    for (class, inpatient) in classes.iter().flat_map(|class| [(class, false), (class, true)]) {
        answers.others.push(told(policy.self_referral_code(class, inpatient, on).map(|(code, _)| code)));
    }
    // Around 15 % of each base salary, on a route that is paid in full and on one that is not.
    for (cost, route) in [200_000, 223_500, 270_000, 351_000, 379_500]
        .map(|cost| (cost, "1.1"))
        .into_iter()
        .chain([(200_000, "1.18")])
    {
        answers
            .figures
            .push(told(policy.rate(&claim(code(route), cost, on)).ok().map(|rate| rate.basis_points)));
    }
}

/// A claim of somebody whose card pays 80 %, as an outpatient of a facility that nobody knows.
fn claim(route: Code, covered_dong: i64, on: Day) -> policy::Case {
    policy::Case {
        on,
        group: code("GD"),
        digit: code("4"),
        route,
        inpatient: false,
        facility: None,
        covered_cost: Money::dong(covered_dong),
        exempt_since: None,
    }
}

fn copays(policy: &Policy, on: Day, figures: &mut Vec<u64>) {
    figures.push(told(policy.five_years(on).map(|five| (five.years, five.gap_months))));
    for paid in [0, 13_000_000, 14_040_000, 15_000_000] {
        let copays = [(Day::new_year(on.year()), Money::dong(paid))];
        let year = policy.annual_copay(on, &copays, Some(day("2015-01-01")));
        figures.push(told(year.map(|year| {
            (year.threshold, year.remaining, year.passed_on, year.exemption.map(|exemption| exemption.since))
        })));
    }
}

/// The edits of these tables that no answer that should shows, or that one shows that should not; and how many rows were edited.
fn edits_unseen(files: &Files, tables: &[&str]) -> (Vec<String>, usize) {
    let mut before = BTreeMap::new();
    let (mut unseen, mut rows) = (Vec::new(), BTreeSet::new());
    for edit in edits(files, tables) {
        let expected = before.entry(edit.reading).or_insert_with(|| answers(&policy(&edit.before)));
        let after = answers(&policy(&edit.after));
        let is_seen = (after.figures != expected.figures) != edit.no_figure && after != *expected;
        if !is_seen {
            unseen.push(edit.name);
        }
        rows.insert(edit.row);
    }
    (unseen, rows.len())
}

#[test]
fn every_outcome_of_every_row_matters() {
    let tables: Vec<&str> =
        Policy::FILES.into_iter().filter(|path| *path != "policy/switches.toml").collect();
    let (unseen, rows) = edits_unseen(&files(), &tables);
    assert_eq!(unseen, Vec::<String>::new());
    assert_eq!(rows, policy(&files()).rules().count());
}

/// The mark is checked: of a row that a figure goes by, and of one that none does.
#[test]
fn a_mark_that_is_wrong_is_found() {
    let mut files = files();
    let text = String::from_utf8(files["policy/parameters.toml"].clone()).unwrap();
    let moved = text
        .replacen(
            "confidence = \"H\"\nno_figure = true\nwhen = { name = \"child",
            "confidence = \"H\"\nwhen = { name = \"child",
            1,
        )
        .replacen("when = { name = \"stale", "no_figure = true\nwhen = { name = \"stale", 1);
    assert_ne!(moved, text);
    files.insert("policy/parameters.toml".to_owned(), moved.into_bytes());
    let (unseen, _) = edits_unseen(&files, &["policy/parameters.toml"]);
    let expected = ["child-age", "stale-inpatient"].map(|id| format!("policy/parameters.toml: {id} value"));
    assert_eq!(unseen, expected);
}

/// The test above can fail: a row that others hide together, which no check of pairs sees, is found.
#[test]
fn a_row_that_cannot_matter_is_found() {
    let mut files = files();
    let hidden = "\n[[row]]\nid = \"hidden\"\ncitation = \"none\"\nconfidence = \"L\"\nvalid_from = 2025-01-01\nwhen = { code = \"3.1\" }\nthen = { factor = \"10%\" }\n";
    files.get_mut("policy/route.toml").unwrap().extend(hidden.bytes());
    let (unseen, _) = edits_unseen(&files, &["policy/route.toml"]);
    assert_eq!(unseen, ["policy/route.toml: hidden factor"]);
}

#[test]
fn every_reading_of_every_switch_matters() {
    let files = files();
    for switch in policy(&files).switches() {
        let mut seen: Vec<Answers> = Vec::new();
        for reading in &switch.options {
            let answers = answers(&policy(&under(&files, &switch.id, reading)));
            assert!(!seen.contains(&answers), "{} says the same under {reading}", switch.id);
            let changes_no_figure = seen.iter().any(|other| other.figures == answers.figures);
            assert!(
                seen.is_empty() || changes_no_figure == switch.no_figure,
                "{} under {reading}",
                switch.id
            );
            seen.push(answers);
        }
    }
}

#[test]
fn a_table_edited_on_disk_changes_the_digest_and_the_answer() {
    let before = crate::bundle();
    let after = crate::with("low_cost.toml", "below = \"15%\"", "below = \"20%\"");
    assert_ne!(before.digest(), after.digest());
    assert_eq!(after.policy.low_cost_bound(day("2026-07-01")).unwrap().value, Money::dong(506_000));
    assert_eq!(before.digest(), crate::bundle().digest());
}

/// The guide's own example of a law that changes: it is refused while the old row is open, and holds once that is ended.
#[test]
fn the_example_of_the_guide_works() {
    let guide = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/guides/policy.md");
    let guide = std::fs::read_to_string(guide).unwrap();
    let examples: Vec<&str> = guide.split("```").filter_map(|block| block.strip_prefix("toml\n")).collect();
    let mut files = files();
    let table = files.get_mut("policy/base_salary.toml").unwrap();
    table.extend(examples[1].bytes());
    let faults = Policy::parse(&files, &REFERENCE).expect_err("the row of 2026 is still open");
    let reason = "base-salary-2027 never answers: base-salary-2026 in row";
    assert!(faults[0].to_string().contains(reason), "{faults:?}");

    let text = String::from_utf8(files["policy/base_salary.toml"].clone()).unwrap();
    let ended =
        text.replacen("valid_from = 2026-07-01", "valid_from = 2026-07-01\nvalid_until = 2027-06-30", 1);
    files.insert("policy/base_salary.toml".to_owned(), ended.into_bytes());
    let policy = policy(&files);
    assert_eq!(policy.base_salary(day("2027-06-30")).unwrap().value, Money::dong(2_530_000));
    assert_eq!(policy.base_salary(day("2027-07-01")).unwrap().value, Money::dong(2_700_000));
    assert_eq!(policy.low_cost_bound(day("2027-07-01")).unwrap().value, Money::dong(405_000));
}

/// `sha256sum` and `sort` say the same digest: nobody needs this program to check which bundle a receipt names.
#[test]
fn the_digest_is_that_of_a_list_of_digests() {
    use sha2::{Digest, Sha256};
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let mut lines: Vec<(String, String)> =
        files().into_iter().map(|(path, content)| (path, hex(&Sha256::digest(&content)))).collect();
    lines.sort();
    let list: String = lines.iter().map(|(path, digest)| format!("{digest}  {path}\n")).collect();
    let expected = hex(&Sha256::digest(list.as_bytes()));
    println!("{expected}");
    assert_eq!(hex(&crate::bundle().digest()), expected);
}
