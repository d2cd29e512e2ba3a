//! Broken, cut and hostile files: whole records are kept, nothing panics, and no report repeats a personal value.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod support;

use adapters::insurance_xml::{Outcome, Rule, translate};
use proptest::prelude::*;

use support::file;

const THREE: &str = "
    record XML0
    XML0 MA_LK=L0
    record
    record XML1 XML2 XML3 XML13
    XML1 MA_LK=L3 MA_THE_BHYT=DN4010000000001;HN2010000000001 MA_BENH_CHINH=B20
    XML2 MA_LK=L3
    XML3 MA_LK=L3
    XML13 MA_LK=L3
";

/// Everything intake would get is fit for it, and what is refused says nothing.
fn check_whole(outcome: &Outcome) {
    for said in &outcome.submissions {
        assert_eq!(contract::validate_submission(&said.submission), [], "{:?}", said.source);
        let refused = outcome.refusals.iter().any(|refusal| refusal.record == said.source.record);
        assert!(!refused, "{:?}", said.source);
    }
    for refusal in &outcome.refusals {
        assert!(!refusal.faults.is_empty());
    }
    let remarks = outcome.refusals.iter().flat_map(|refusal| &refusal.faults).chain(&outcome.findings);
    for remark in remarks {
        let text = remark.to_string();
        for personal in ["MẪU", "001080000001", "4010000000001", "0900000001", "Phố Mẫu", "B20"] {
            assert!(!text.contains(personal), "{text}");
        }
    }
}

#[test]
fn cut_at_any_byte_whole_records_stay_and_the_cut_is_told() {
    for wrap in ["base64lines", "inline", "cdata"] {
        let text = file(&format!("file as={wrap}\n{THREE}"));
        let whole = translate(text.as_bytes());
        assert_eq!(whole.records, 3);
        assert_eq!((whole.truncated, whole.refusals.len()), (None, 0));
        // Every byte of the end and steps before it: each cut reads the file again, and framing tries every byte.
        for cut in (0..text.len()).filter(|cut| cut % 29 == 0 || text.len() - cut < 150) {
            let outcome = translate(&text.as_bytes()[..cut]);
            let expected =
                text.as_bytes()[..cut].windows(7).filter(|window| window == b"</HOSO>").count() as u64;
            assert_eq!(outcome.records, expected, "{wrap} cut at {cut}");
            let kept = whole.submissions.iter().filter(|said| said.source.record <= expected);
            assert!(outcome.submissions.iter().eq(kept), "{wrap} cut at {cut}");
            // White space may be missing at the end.
            let at_end = text.as_bytes()[cut..].trim_ascii().is_empty();
            let told = outcome.truncated.is_some_and(|cut| cut.whole_records == expected)
                || outcome.refusals.iter().any(|refusal| refusal.faults[0].rule == Rule::EnvelopeMissing);
            assert_eq!(told, !at_end, "{wrap} cut at {cut}");
        }
    }
}

#[test]
fn strings_of_ten_million_bytes_are_told_and_not_kept() {
    let long = "x10000000*";
    for (field, text) in [
        ("HO_TEN", "ộ"),
        ("SO_CCCD", "1"),
        ("MA_THE_BHYT", "GD4010000000001;"),
        ("MA_BENH_KT", "1;"),
        ("MA_DOITUONG_KCB", "A"),
        ("GIAY_CHUYEN_TUYEN", "A"),
        ("NGAY_SINH", "1"),
        ("GT_THE_TU", ";"),
    ] {
        let story = format!("file as=inline\nrecord XML1\nXML1 {field}=x{}*{text}", 10_000_000 / text.len());
        let outcome = translate(file(&story).as_bytes());
        assert!(outcome.refusals.is_empty(), "{field}: {:?}", outcome.refusals);
        assert!(!outcome.findings.is_empty(), "{field}");
        check_whole(&outcome);
    }
    for field in ["MA_LK", "MA_CSKCB", "NGAY_VAO", "NGAY_RA", "T_BHTT"] {
        let outcome = translate(file(&format!("file as=inline\nrecord\nXML1 {field}={long}9")).as_bytes());
        assert_eq!(outcome.refusals.len(), 1, "{field}");
        let told: usize =
            outcome.refusals[0].faults.iter().map(|fault| fault.to_string().len()).max().unwrap();
        assert!(told < 1000);
    }
}

#[test]
fn deep_and_wide_records_end_in_a_refusal() {
    for text in [
        "<A>".repeat(1_000_000),
        format!(
            "<FILEHOSO><LOAIHOSO>XML1</LOAIHOSO><NOIDUNGFILE>{}</NOIDUNGFILE></FILEHOSO>",
            "<A>".repeat(100_000) + &"</A>".repeat(100_000)
        ),
        "&lol;".repeat(100_000),
        "<FILEHOSO>".repeat(100_000),
        "<![CDATA[".repeat(100_000),
    ] {
        let file = format!("<GIAMDINHHS><MACSKCB>01004</MACSKCB><HOSO>{text}</HOSO></GIAMDINHHS>");
        let outcome = translate(file.as_bytes());
        assert!(outcome.submissions.is_empty());
        assert!(outcome.refusals.len() == 1 || outcome.truncated.is_some());
    }
}

#[test]
fn names_may_be_composed_or_decomposed_and_have_either_tone_mark() {
    for name in ["Nguyễn Thị Hoà", "Nguyễn Thị Hòa", "Nguye\u{302}\u{303}n Thi\u{323} Ho\u{300}a"] {
        let story = format!("record\nXML1 HO_TEN={}", name.replace(' ', "_"));
        let outcome = translate(file(&story).as_bytes());
        assert_eq!(outcome.submissions[0].submission.person.as_ref().unwrap().full_name, name);
        assert_eq!((outcome.refusals.len(), outcome.findings.len()), (0, 0));
    }
}

#[test]
fn namespaces_case_order_and_byte_order_marks_do_not_matter() {
    let plain = translate(file("file as=inline\nrecord").as_bytes());
    let text = file("file as=inline\nrecord");
    let prefixed =
        text.replace("</", "</\u{1}").replace('<', "<x:").replace("<x:/\u{1}", "</x:").replace("<x:?", "<?");
    for other in [
        format!("\u{feff}{text}"),
        prefixed,
        text.replace("XML1<", " xml1\n<"),
        text.replace("<MA_LK>", "<ma_lk>").replace("</MA_LK>", "</ma_lk>"),
        text.replace('\n', "\r\n\t"),
    ] {
        assert_eq!(translate(other.as_bytes()).submissions, plain.submissions);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn changed_bytes_never_panic_and_never_reach_intake_unfit(
        wrap in prop::sample::select(vec!["base64", "inline", "cdata", "escaped"]),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut bytes = file(&format!("file as={wrap}\n{THREE}")).into_bytes();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        check_whole(&translate(&bytes));
    }

    #[test]
    fn fields_of_any_content_never_panic_and_never_reach_intake_unfit(
        values in prop::collection::vec((0usize..66, "[-0-9A-Za-z;.,_ộ\u{1}\u{7f} ]{0,40}"), 1..12),
    ) {
        let fields = fields();
        let mut text = file("file as=inline\nrecord XML0 XML1 XML2 XML3 XML13");
        for (at, value) in values {
            let field = &fields[at % fields.len()];
            let (open, close) = (format!("<{field}>"), format!("</{field}>"));
            if let Some(from) = text.find(&open) {
                let until = from + text[from..].find(&close).unwrap();
                text.replace_range(from + open.len()..until, &value);
            }
        }
        check_whole(&translate(text.as_bytes()));
    }

    #[test]
    fn any_bytes_are_an_answer(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        check_whole(&translate(&bytes));
    }
}

fn fields() -> Vec<String> {
    let template = include_str!("../testdata/4750/XML1.xml");
    template
        .lines()
        .filter_map(|line| line.trim().strip_prefix('<')?.split_once("></").map(|(name, _)| name.to_string()))
        .collect()
}
