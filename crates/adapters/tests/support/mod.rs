//! Fills the annexes' empty tables with what a story says, and wraps them as facilities do.
//!
//! A story is lines of words. `file` sets the envelope, `record` begins a record, and a table's name fills its fields:
//!
//! ```text
//! file MACSKCB=01004 NGAYLAP=202603031000 wording=3176 as=base64
//! record XML1 XML2 XML3
//! XML1 MA_LK=L1 NGAY_RA=202603021000
//! XML2 STT=1 T_BNCCT=12.50
//! XML2+ STT=2
//! ```
//!
//! `NAME=xN*C` is N times the character C. `record` without tables means XML1, XML2 and XML3 of an ordinary visit; `XML2+` begins another row; `_` in a value is a
//! space and `~` nothing. `raw TEXT` puts text into the record as it is.

use std::fmt::Write;

use base64::Engine;

const TEMPLATES: [(&str, &str, &str); 10] = [
    ("4750", "XML0", include_str!("../../testdata/4750/XML0.xml")),
    ("4750", "XML1", include_str!("../../testdata/4750/XML1.xml")),
    ("4750", "XML2", include_str!("../../testdata/4750/XML2.xml")),
    ("4750", "XML3", include_str!("../../testdata/4750/XML3.xml")),
    ("4750", "XML13", include_str!("../../testdata/4750/XML13.xml")),
    ("3176", "XML0", include_str!("../../testdata/3176/XML0.xml")),
    ("3176", "XML1", include_str!("../../testdata/3176/XML1.xml")),
    ("3176", "XML2", include_str!("../../testdata/3176/XML2.xml")),
    ("3176", "XML3", include_str!("../../testdata/3176/XML3.xml")),
    ("3176", "XML13", include_str!("../../testdata/3176/XML13.xml")),
];

/// An ordinary visit: one drug and one service at 80 %, 600,000 dong, none of it odd.
const DEFAULTS: [(&str, &str); 5] = [
    (
        "XML0",
        "MA_LK=L1 STT=1 MA_BN=BN1 HO_TEN=PHẠM_VĂN_MẪU SO_CCCD=001080000001 NGAY_SINH=198003210000 GIOI_TINH=1 \
         MA_THE_BHYT=GD4010000000001 MA_DKBD=01004 GT_THE_TU=20260101 GT_THE_DEN=20261231 MA_DOITUONG_KCB=1.1 \
         NGAY_VAO=202603020815 MA_LOAI_KCB=01 MA_CSKCB=01004",
    ),
    (
        "XML1",
        "MA_LK=L1 STT=1 MA_BN=BN1 HO_TEN=PHẠM_VĂN_MẪU SO_CCCD=001080000001 NGAY_SINH=198003210000 GIOI_TINH=1 \
         MA_QUOCTICH=000 MA_DANTOC=01 MA_NGHE_NGHIEP=00000 DIA_CHI=Phố_Mẫu MATINH_CU_TRU=01 MAXA_CU_TRU=00070 \
         DIEN_THOAI=0900000001 MA_THE_BHYT=GD4010000000001 MA_DKBD=01004 GT_THE_TU=20260101 GT_THE_DEN=20261231 \
         MA_BENH_CHINH=I10 MA_DOITUONG_KCB=1.1 NGAY_VAO=202603020815 NGAY_RA=202603021030 SO_NGAY_DTRI=0 \
         KET_QUA_DTRI=2 MA_LOAI_RV=1 T_THUOC=200000 T_VTYT=0 T_TONGCHI_BV=600000 T_TONGCHI_BH=600000 T_BNTT=0 \
         T_BNCCT=120000 T_BHTT=480000 T_NGUONKHAC=0 T_BHTT_GDV=0 NAM_QT=2026 THANG_QT=03 MA_LOAI_KCB=01 MA_KHOA=K01 \
         MA_CSKCB=01004 NAM_NAM_LIEN_TUC=20220101 MA_HSBA=H1",
    ),
    (
        "XML2",
        "MA_LK=L1 STT=1 MA_THUOC=40.1 SO_LUONG=10 DON_GIA=20000 TYLE_TT_BH=100 THANH_TIEN_BV=200000 \
         THANH_TIEN_BH=200000 T_NGUONKHAC=0 MUC_HUONG=80 T_BNTT=0 T_BNCCT=40000 T_BHTT=160000 NGAY_YL=202603020900",
    ),
    (
        "XML3",
        "MA_LK=L1 STT=1 MA_DICH_VU=02.0085.1778 SO_LUONG=1 DON_GIA_BV=400000 DON_GIA_BH=400000 TYLE_TT_DV=100 \
         TYLE_TT_BH=100 THANH_TIEN_BV=400000 THANH_TIEN_BH=400000 T_NGUONKHAC=0 MUC_HUONG=80 T_BNTT=0 T_BNCCT=80000 \
         T_BHTT=320000 NGAY_YL=202603020900",
    ),
    (
        "XML13",
        "MA_LK=L1 SO_HOSO=26.1 SO_CHUYENTUYEN=77/2026/GCT GIAY_CHUYEN_TUYEN=77 MA_CSKCB=01004 MA_NOI_DEN=01929 \
         MA_CSKCB_DEN=01929 HO_TEN=PHẠM_VĂN_MẪU MA_THE_BHYT=GD4010000000001 NGAY_VAO=202603020815 \
         NGAY_RA=202603021030 MA_BENH_CHINH=I25.1 MA_LOAI_RV=2 MA_LYDO_CT=1",
    ),
];

/// How NOIDUNGFILE holds a table.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum As {
    Base64,
    Base64Lines,
    Inline,
    Cdata,
    Escaped,
}

pub(crate) const EVERY_AS: [As; 5] = [As::Base64, As::Base64Lines, As::Inline, As::Cdata, As::Escaped];

struct Table {
    name: String,
    rows: Vec<Vec<(String, String)>>,
}

/// The file a story tells of, in UTF-8.
pub(crate) fn file(story: &str) -> String {
    let mut envelope: Vec<(String, String)> = Vec::new();
    let (mut wording, mut wrap) = ("4750".to_string(), As::Base64);
    let mut records: Vec<(Vec<Table>, String)> = Vec::new();
    for line in story.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "file" => {
                for (name, value) in pairs(rest) {
                    match name.as_str() {
                        "wording" => wording = value,
                        "as" => {
                            wrap = EVERY_AS
                                .into_iter()
                                .find(|each| format!("{each:?}").eq_ignore_ascii_case(&value))
                                .unwrap();
                        }
                        _ => set(&mut envelope, name, value),
                    }
                }
            }
            "record" => {
                let names = if rest.is_empty() { "XML1 XML2 XML3" } else { rest };
                let tables = names
                    .split_whitespace()
                    .map(|name| Table { name: name.to_string(), rows: vec![defaults(name)] });
                records.push((tables.collect(), String::new()));
            }
            "raw" => records.last_mut().unwrap().1.push_str(rest),
            _ => {
                let (tables, _) = records.last_mut().unwrap();
                let name = word.trim_end_matches('+');
                let table = tables.iter_mut().find(|table| table.name == name).unwrap();
                if word.ends_with('+') {
                    table.rows.push(defaults(name));
                }
                for (field, value) in pairs(rest) {
                    set(table.rows.last_mut().unwrap(), field, value);
                }
            }
        }
    }
    let of = |name: &str, default: &str| {
        envelope
            .iter()
            .find(|(field, _)| field == name)
            .map_or(default.to_string(), |(_, value)| value.clone())
    };
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<GIAMDINHHS>\n<THONGTINDONVI>\n<MACSKCB>{}</MACSKCB>\n</THONGTINDONVI>\n\
         <THONGTINHOSO>\n<NGAYLAP>{}</NGAYLAP>\n<SOLUONGHOSO>{}</SOLUONGHOSO>\n<DANHSACHHOSO>\n",
        of("MACSKCB", "01004"),
        of("NGAYLAP", "202603031000"),
        of("SOLUONGHOSO", &records.len().to_string()),
    );
    for (tables, raw) in &records {
        text.push_str("<HOSO>\n");
        for table in tables {
            let content = wrapped(&filled(&wording, table), wrap);
            write!(
                text,
                "<FILEHOSO>\n<LOAIHOSO>{}</LOAIHOSO>\n<NOIDUNGFILE>{content}</NOIDUNGFILE>\n</FILEHOSO>\n",
                table.name
            )
            .unwrap();
        }
        text.push_str(raw);
        text.push_str("</HOSO>\n");
    }
    text.push_str("</DANHSACHHOSO>\n</THONGTINHOSO>\n<CHUKYDONVI></CHUKYDONVI>\n</GIAMDINHHS>\n");
    text
}

fn pairs(words: &str) -> impl Iterator<Item = (String, String)> {
    words.split_whitespace().map(|word| {
        let (name, value) = word.split_once('=').unwrap_or_else(|| panic!("`{word}` is not NAME=VALUE"));
        let value = match value.strip_prefix('x').and_then(|rest| rest.split_once('*')) {
            Some((count, text)) => text.repeat(count.parse().unwrap()),
            None => value.replace('_', " ").replace('~', ""),
        };
        (name.to_string(), value)
    })
}

fn defaults(table: &str) -> Vec<(String, String)> {
    DEFAULTS.iter().find(|(name, _)| *name == table).map_or(Vec::new(), |(_, words)| pairs(words).collect())
}

fn set(fields: &mut Vec<(String, String)>, name: String, value: String) {
    match fields.iter_mut().find(|(field, _)| *field == name) {
        Some((_, text)) => *text = value,
        None => fields.push((name, value)),
    }
}

/// The annex's table with its fields filled, its row repeated as often as there are rows.
fn filled(wording: &str, table: &Table) -> String {
    let Some((_, _, template)) = TEMPLATES.iter().find(|(of, name, _)| *of == wording && *name == table.name)
    else {
        return format!("<{0}_ROOT><MA_LK>L1</MA_LK></{0}_ROOT>", table.name);
    };
    let row_start = match table.name.as_str() {
        "XML0" => "<TRANG_THAI_KCB>",
        "XML2" => "<CHI_TIET_THUOC>",
        "XML3" => "<CHI_TIET_DVKT>",
        "XML1" => "<TONG_HOP>",
        _ => "<CHI_TIEU_GIAYCHUYENTUYEN>",
    };
    let row_end = row_start.replace('<', "</");
    let from = template.find(row_start).unwrap();
    let until = template.find(&row_end).unwrap() + row_end.len();
    let mut text = template[..from].to_string();
    for fields in &table.rows {
        let mut row = template[from..until].to_string();
        for (name, value) in fields {
            let empty = format!("<{name}></{name}>");
            // Fields of the other wording are not in this one's table.
            row = row.replace(&empty, &format!("<{name}>{}</{name}>", escaped(value)));
        }
        text.push_str(&row);
    }
    text + &template[until..]
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

fn wrapped(xml: &str, wrap: As) -> String {
    let base64 = || base64::engine::general_purpose::STANDARD.encode(xml);
    match wrap {
        As::Base64 => base64(),
        As::Base64Lines => base64()
            .as_bytes()
            .chunks(64)
            .map(|line| format!("{}\r\n", std::str::from_utf8(line).unwrap()))
            .collect(),
        As::Inline => xml.split_once("?>").map_or(xml, |(_, rest)| rest).to_string(),
        As::Cdata => format!("<![CDATA[{xml}]]>"),
        As::Escaped => escaped(xml),
    }
}
