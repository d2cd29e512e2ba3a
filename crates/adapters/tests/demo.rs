//! The claim files of the demonstration: invented people at real facilities of Hanoi.
//!
//! They are made here, from the annexes' empty tables, and compared with what is in `deploy/demo/claims`; run the test with
//! `UPDATE_EXPECT=1` to write them anew.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod support;

use std::{fs, path::Path};

use adapters::insurance_xml::translate;
use expect_test::expect;

use support::file;

/// Somebody who does not exist.
struct Somebody {
    name: &'static str,
    number: &'static str,
    born: &'static str,
    sex: char,
    card: &'static str,
    registered_at: &'static str,
    commune: &'static str,
    five_years: &'static str,
}

const AN: Somebody = Somebody {
    name: "NGUYỄN_VĂN_THỬ_AN",
    number: "001085990001",
    born: "198503120000",
    sex: '1',
    card: "DN4019900000001",
    registered_at: "01004",
    commune: "00190",
    five_years: "20190101",
};
const BINH: Somebody = Somebody {
    name: "TRẦN_THỊ_THỬ_BÌNH",
    number: "001150990002",
    born: "195000000000",
    sex: '2',
    card: "HN2019900000002",
    registered_at: "01C51",
    commune: "00190",
    five_years: "20150101",
};
const CHI: Somebody = Somebody {
    name: "LÊ_THỬ_CHI",
    number: "~",
    born: "202206010830",
    sex: '2',
    card: "TE1019900000003",
    registered_at: "01003",
    commune: "00004",
    five_years: "~",
};
const DUNG: Somebody = Somebody {
    name: "PHẠM_THỬ_DŨNG",
    number: "001070990004",
    born: "197011020000",
    sex: '1',
    card: "GD4019900000004",
    registered_at: "01006",
    commune: "00070",
    five_years: "20200101",
};
const GIANG: Somebody = Somebody {
    name: "HOÀNG_THỬ_GIANG",
    number: "001060990005",
    born: "196007150000",
    sex: '2',
    card: "HT3019900000005",
    registered_at: "01929",
    commune: "00070",
    five_years: "20100101",
};

/// A visit: record, whose, when, route and type, the rate charged, and what drugs and services cost, in dong.
struct Visit<'a> {
    key: &'a str,
    who: &'a Somebody,
    at: &'a str,
    from: &'a str,
    until: &'a str,
    route: &'a str,
    kind: &'a str,
    rate: i64,
    costs: [i64; 2],
}

impl Visit<'_> {
    fn story(&self) -> String {
        let Visit { key, who, at, from, until, route, kind, rate, costs: [drugs, services] } = self;
        let Somebody { name, number, born, sex, card, registered_at, commune, five_years } = who;
        let copay = |cost: i64| cost * (100 - rate) / 100;
        let line = |table: &str, cost: i64, price: &str| {
            format!(
                "{table} MA_LK={key} SO_LUONG=1 {price}={cost} THANH_TIEN_BV={cost} THANH_TIEN_BH={cost} MUC_HUONG={rate} \
                 T_BNCCT={} T_BHTT={} NGAY_YL={from}\n",
                copay(cost),
                cost - copay(cost)
            )
        };
        let (total, share) = (drugs + services, copay(*drugs) + copay(*services));
        format!(
            "record\n\
             XML1 MA_LK={key} HO_TEN={name} SO_CCCD={number} NGAY_SINH={born} GIOI_TINH={sex} MA_THE_BHYT={card} \
             MA_DKBD={registered_at} MAXA_CU_TRU={commune} NAM_NAM_LIEN_TUC={five_years} MA_BN=BN-{key} DIA_CHI=Phố_Thử \
             DIEN_THOAI=~ MA_CSKCB={at} NGAY_VAO={from} NGAY_RA={until} MA_DOITUONG_KCB={route} MA_LOAI_KCB={kind} \
             T_THUOC={drugs} T_TONGCHI_BV={total} T_TONGCHI_BH={total} T_BNCCT={share} T_BHTT={}\n{}{}",
            total - share,
            line("XML2", *drugs, "DON_GIA"),
            line("XML3", *services, "DON_GIA_BV")
        )
    }
}

fn visit<'a>(key: &'a str, who: &'a Somebody, at: &'a str, from: &'a str, until: &'a str) -> Visit<'a> {
    Visit { key, who, at, from, until, route: "1.1", kind: "01", rate: 80, costs: [150_000, 350_000] }
}

/// March at Dong Da: an ordinary visit, somebody poor, a periodic check-up.
fn dong_da_in_march() -> String {
    format!(
        "file MACSKCB=01004 NGAYLAP=202603310900 as=base64lines\n{}{}{}",
        visit("DD-26-0301", &AN, "01004", "202603100815", "202603101030").story(),
        Visit { rate: 100, ..visit("DD-26-0302", &BINH, "01004", "202603110900", "202603111130") }.story(),
        Visit { kind: "15", rate: 80, ..visit("DD-26-0303", &DUNG, "01004", "202603121400", "202603121500") }
            .story(),
    )
}

/// To the byte: the line ends inside base64 are part of what the files show.
fn compare(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/demo/claims").join(name);
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(&path, text).unwrap();
    }
    assert!(fs::read(&path).unwrap() == text.as_bytes(), "{name} is not what its story makes");
}

#[test]
fn the_demonstrations_files_are_what_their_stories_make() {
    let mut told = String::new();
    let mut make = |name: &str, path: &str, text: String| {
        compare(path, &text);
        let outcome = translate(text.as_bytes());
        let said = outcome.submissions.iter().filter(|said| !said.just_in_case).count();
        told += &format!("{name}: {} records, {said} events\n", outcome.records);
        for fault in outcome.refusals.iter().flat_map(|refusal| &refusal.faults) {
            told += &format!("  refused: {fault}\n");
        }
        for finding in &outcome.findings {
            told += &format!("  finding: {finding}\n");
        }
        if let Some(cut) = outcome.truncated {
            told += &format!("  cut after {} records\n", cut.whole_records);
        }
    };

    make(
        "a commune's station",
        "01-cat-linh-station.xml",
        file(&format!(
            "file MACSKCB=01C51 NGAYLAP=20260305\n{}{}",
            Visit {
                route: "1.2",
                rate: 100,
                costs: [40_000, 60_000],
                ..visit("CL-1", &BINH, "01C51", "202603020800", "202603020830")
            }
            .story(),
            Visit {
                route: "1.2",
                rate: 100,
                costs: [30_000, 36_500],
                ..visit("CL-2", &AN, "01C51", "202603030800", "202603030840")
            }
            .story(),
        )),
    );
    make("a month", "02-dong-da-march.xml", file(&dong_da_in_march()));
    // A referral, as the sender tells it, in the wording of 2024: an inpatient whose card changed on 1 April.
    let two_cards = Visit {
        kind: "03",
        costs: [2_000_000, 6_000_000],
        ..visit("DD-26-0401", &AN, "01004", "202603280800", "202604051000")
    };
    make(
        "two cards and a transfer",
        "03-dong-da-april.xml",
        file(&format!(
            "file MACSKCB=01004 NGAYLAP=202604301700 wording=3176\n{}\
             XML1 MA_THE_BHYT=DN4019900000001;HN2019900000001 MA_DKBD=01004;01004 GT_THE_TU=20260101;20260401 \
             GT_THE_DEN=20260331;20261231 NGAY_VAO_NOI_TRU=202603280900 MA_LOAI_RV=2 MA_NOI_DEN=01929 MA_BENH_CHINH=I25.1 \
             T_BNCCT=400000 T_BHTT=7600000\n\
             XML3 NGAY_YL=202604020900 MUC_HUONG=100 T_BNCCT=0 T_BHTT=6000000\n\
             {}",
            two_cards.story().replace("record\n", "record XML1 XML2 XML3 XML13\n"),
            "XML13 MA_LK=DD-26-0401 GIAY_CHUYEN_TUYEN=0077/2026 MA_CSKCB_DEN=01929 MA_CSKCB=01004 NGAY_VAO=202603280800 \
             NGAY_RA=202604051000 MA_THE_BHYT=HN2019900000001 HO_TEN=NGUYỄN_VĂN_THỬ_AN\n"
        )),
    );
    make(
        "arrivals and an emergency",
        "04-bach-mai-april.xml",
        file(&format!(
            "file MACSKCB=01929 NGAYLAP=202604301800 as=inline\n{}XML1 MA_NOI_DI=01004 GIAY_CHUYEN_TUYEN=0077/2026 \
             MA_THE_BHYT=HN2019900000001 GT_THE_TU=20260401\n{}",
            Visit {
                route: "1.3",
                kind: "03",
                rate: 100,
                costs: [12_000_000, 48_000_000],
                ..visit("BM-9001", &AN, "01929", "202604061000", "202604201000")
            }
            .story(),
            Visit {
                route: "2",
                kind: "03",
                rate: 95,
                ..visit("BM-9002", &GIANG, "01929", "202604102300", "202604151000")
            }
            .story(),
        )),
    );
    make(
        "check-ins",
        "05-bach-mai-check-ins.xml",
        file(
            "file MACSKCB=01929 NGAYLAP=202611201200\n\
             record XML0\n\
             XML0 MA_LK=BM-9900 HO_TEN=PHẠM_THỬ_DŨNG SO_CCCD=001070990004 NGAY_SINH=197011020000 MA_THE_BHYT=GD4019900000004 \
             MA_DOITUONG_KCB=2 NGAY_VAO=202611192200 NGAY_VAO_NOI_TRU=202611200100 MA_LOAI_KCB=03 MA_CSKCB=01929 MA_BN=BN-9900\n\
             record XML0\n\
             XML0 MA_LK=BM-9901 HO_TEN=HOÀNG_THỬ_GIANG SO_CCCD=001060990005 NGAY_SINH=196007150000 MA_THE_BHYT=HT3019900000005 \
             MA_DOITUONG_KCB=1.1 NGAY_VAO=202611200800 MA_LOAI_KCB=01 MA_CSKCB=01929 MA_BN=BN-9901 GIOI_TINH=2\n",
        ),
    );
    // More than six months' base salary of copay in a year, after five years of insurance: the rest of it is free.
    make(
        "a year's copay",
        "06-thanh-nhan-first-half.xml",
        file(&format!(
            "file MACSKCB=01006 NGAYLAP=202607010900 as=cdata\n{}{}{}XML1 NGAY_MIEN_CCT=20260520\n",
            Visit {
                kind: "03",
                costs: [10_000_000, 40_000_000],
                ..visit("TN-1", &DUNG, "01006", "202602020800", "202602161000")
            }
            .story(),
            Visit {
                kind: "03",
                costs: [6_000_000, 15_000_000],
                ..visit("TN-2", &DUNG, "01006", "202605040800", "202605191000")
            }
            .story(),
            Visit { rate: 100, ..visit("TN-3", &DUNG, "01006", "202606080800", "202606081000") }.story(),
        )),
    );
    make("the same file again", "07-dong-da-march-sent-again.xml", file(&dong_da_in_march()));
    // One visit cost less than was told, and one was another person's.
    make(
        "corrections",
        "08-dong-da-march-corrected.xml",
        file(&format!(
            "file MACSKCB=01004 NGAYLAP=202604071000\n{}{}",
            Visit {
                costs: [150_000, 300_000],
                ..visit("DD-26-0301", &AN, "01004", "202603100815", "202603101030")
            }
            .story(),
            Visit { rate: 95, ..visit("DD-26-0302", &GIANG, "01004", "202603110900", "202603111130") }
                .story(),
        )),
    );
    let of_child = Visit { rate: 100, ..visit("XP-1", &CHI, "01003", "202605050800", "202605050930") };
    let other =
        Visit { route: "1.18", rate: 0, ..visit("XP-2", &AN, "01003", "202605060800", "202605061030") };
    make(
        "before a withdrawal",
        "09-xanh-pon-may.xml",
        file(&format!(
            "file MACSKCB=01003 NGAYLAP=20260531 as=escaped\n{}{}",
            of_child.story(),
            other.story()
        )),
    );
    make(
        "a withdrawal",
        "10-xanh-pon-may-withdrawn.xml",
        file(&format!("file MACSKCB=01003 NGAYLAP=20260604\n{}XML1 MA_DOITUONG_KCB=8\n", other.story())),
    );
    make(
        "faults",
        "11-thanh-nhan-faulty.xml",
        file(&format!(
            "file MACSKCB=01006 NGAYLAP=202608311000\n\
             {}XML1 NGAY_RA=~ T_BHTT=400000.50\n\
             {}XML1 MA_CSKCB=01929\n\
             {}XML1 NGAY_VAO=202602300800 SO_CCCD=000000000000\n\
             {}XML1 HO_TEN=~ MA_DOITUONG_KCB=1.99\n\
             record XML7\n\
             raw <FILEHOSO><LOAIHOSO>XML1</LOAIHOSO><NOIDUNGFILE>not base64!</NOIDUNGFILE></FILEHOSO>\n",
            visit("TN-81", &DUNG, "01006", "202608030800", "202608030900").story(),
            visit("TN-82", &DUNG, "01006", "202608040800", "202608040900").story(),
            visit("TN-83", &DUNG, "01006", "202608050800", "202608050900").story(),
            visit("TN-84", &DUNG, "01006", "202608060800", "202608060900").story(),
        )),
    );
    let mut cut = file(&format!(
        "file MACSKCB=01006 NGAYLAP=202609301000\n{}{}",
        visit("TN-91", &DUNG, "01006", "202609030800", "202609030900").story(),
        visit("TN-92", &DUNG, "01006", "202609040800", "202609040900").story(),
    ));
    cut.truncate(cut.rfind("<LOAIHOSO>XML3").unwrap() + 600);
    make("cut in the middle", "12-thanh-nhan-cut.xml", cut);

    expect![[r#"
        a commune's station: 2 records, 8 events
        a month: 3 records, 13 events
        two cards and a transfer: 1 records, 6 events
        arrivals and an emergency: 2 records, 9 events
        check-ins: 2 records, 2 events
        a year's copay: 3 records, 12 events
        the same file again: 3 records, 13 events
        corrections: 2 records, 8 events
        before a withdrawal: 2 records, 8 events
        a withdrawal: 1 records, 1 events
        faults: 5 records, 4 events
          refused: record 1 (MA_LK TN-81) XML1.NGAY_RA: the field is empty or missing and the record cannot be understood without it [field_empty]
          refused: record 1 (MA_LK TN-81) XML1.T_BHTT: the total is not the sum of the lines of XML2 and XML3 (of T_BHTT in XML2 and XML3) [total_not_the_sum]
          refused: record 1 (MA_LK TN-81) XML1.T_BHTT: T_BHTT is not T_TONGCHI_BH less T_BNCCT [fund_not_covered_less_copay]
          refused: record 2 (MA_LK TN-82) XML1.MA_CSKCB: MA_CSKCB is not the MACSKCB of the envelope; a facility speaks for itself [facility_not_the_emitter]
          refused: record 3 (MA_LK TN-83) XML1.NGAY_VAO: not a moment between 1990 and 2099 written yyyymmddHHMM [visit_date_impossible]
          refused: record 5 XML1.NOIDUNGFILE: NOIDUNGFILE is neither XML nor valid base64 [table_not_base64]
          finding: record 3 (MA_LK TN-83) XML1.SO_CCCD: the number identifies nobody; the person is found by the next identifier (one character all through: not an identifier, leave it out) [identifier_unusable]
          finding: record 4 (MA_LK TN-84) XML1.MA_DOITUONG_KCB: the code is not in the list of this field [code_unknown]
          finding: record 4 (MA_LK TN-84) XML1.HO_TEN: the field is empty; the format asks for it [field_wished]
        cut in the middle: 1 records, 4 events
          cut after 1 records
    "#]].assert_eq(&told);
}
