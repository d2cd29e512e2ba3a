//! The rules by which a record is refused or remarked on. Their codes are stable: reports and dashboards count by them.

use std::fmt;

/// What a broken rule means for the record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Severity {
    /// The whole record is refused, alone.
    Refused,
    /// The record is accepted and the emitter is told.
    Finding,
}

macro_rules! rules {
    ($($(#[$doc:meta])* $name:ident $code:literal $severity:ident $message:literal;)*) => {
        /// A rule of this format, with its code, its weight and a sentence that says what was expected and what to do.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[allow(missing_docs, reason = "the message says it")]
        pub enum Rule {
            $($(#[$doc])* $name,)*
        }

        impl Rule {
            /// Every rule there is.
            pub const ALL: &[Rule] = &[$(Rule::$name,)*];

            /// The stable code, in snake case.
            #[must_use]
            pub fn code(self) -> &'static str {
                match self { $(Rule::$name => $code,)* }
            }

            /// Whether breaking it refuses the record.
            #[must_use]
            pub fn severity(self) -> Severity {
                match self { $(Rule::$name => Severity::$severity,)* }
            }

            /// What was expected, and what to do.
            #[must_use]
            pub fn message(self) -> &'static str {
                match self { $(Rule::$name => $message,)* }
            }
        }
    };
}

rules! {
    // The file and its envelope.
    EnvelopeMissing "envelope_missing" Refused
        "the file does not begin with GIAMDINHHS; send the whole envelope, as UTF-8";
    EnvelopeTooLarge "envelope_too_large" Refused
        "more than 64 KiB before the first HOSO; send records inside DANHSACHHOSO";
    EmitterNotACode "emitter_not_a_code" Refused
        "the envelope's MACSKCB is not a facility code (two digits of the province, then three digits or capitals), or comes after the records";
    DoctypeNotAllowed "doctype_not_allowed" Refused "a DOCTYPE is never read; send the XML without it";
    AssertedAtMissing "asserted_at_missing" Finding
        "NGAYLAP is empty: versions of this record are ordered by when they are received";
    AssertedAtImpossible "asserted_at_impossible" Finding
        "NGAYLAP is not a day or time written yyyymmdd or yyyymmddHHMM: versions are ordered by when they are received";
    RecordCountDiffers "record_count_differs" Finding "SOLUONGHOSO is not the number of records in the file";
    ContentAfterEnd "content_after_end" Finding "there is content after </GIAMDINHHS>, which was not read";

    // A record and its tables.
    RecordTooLarge "record_too_large" Refused "the record is larger than 16 MiB; send it in parts or without attachments";
    RecordNotClosed "record_not_closed" Refused "the record has no </HOSO> before the next begins";
    RecordNotUtf8 "record_not_utf8" Refused "the record is not UTF-8; convert the file";
    RecordNotXml "record_not_xml" Refused "the record is not well-formed XML";
    TableNotBase64 "table_not_base64" Refused "NOIDUNGFILE is neither XML nor valid base64";
    TableNotUtf8 "table_not_utf8" Refused "the table inside NOIDUNGFILE is not UTF-8; convert it before encoding";
    TableNotXml "table_not_xml" Refused "the table inside NOIDUNGFILE is not well-formed XML";
    NestedTooDeep "nested_too_deep" Refused "elements are nested more than 32 deep";
    TablesTooMany "tables_too_many" Refused "the record holds more than 64 tables";
    FieldsTooMany "fields_too_many" Refused "a row holds more than 512 fields";
    LinesTooMany "lines_too_many" Refused "the record holds more than 50,000 rows; send the stay in parts";
    ClaimTooLarge "claim_too_large" Refused
        "the bill has more than 200 combinations of card, MUC_HUONG and year; is MUC_HUONG right?";
    SummaryRepeated "summary_repeated" Refused
        "the record holds more than one XML1 summary, so its lines belong to none; send one summary a record";
    SummaryMissing "summary_missing" Refused "the record holds lines (XML2, XML3) without the XML1 they belong to";
    RowMissing "row_missing" Refused "the table holds no row of its kind";
    TableUnknown "table_unknown" Finding "LOAIHOSO is none of XML0 to XML15; the table was passed over";
    TableRepeated "table_repeated" Finding "the record holds this table more than once; all were read";
    NothingToTranslate "nothing_to_translate" Finding "the record holds none of XML0, XML1 and XML13";
    EncodingDeclared "encoding_declared" Finding "the XML declares another encoding than UTF-8 and is UTF-8; it was read as such";
    FieldRepeated "field_repeated" Finding "the field stands more than once in a row; the first that is not empty counts";

    // Fields without which a record says nothing.
    FieldEmpty "field_empty" Refused "the field is empty or missing and the record cannot be understood without it";
    RecordKeyOdd "record_key_odd" Refused
        "MA_LK has control characters, or more than the 100 characters of the format or 120 bytes";
    FacilityNotTheEmitter "facility_not_the_emitter" Refused
        "MA_CSKCB is not the MACSKCB of the envelope; a facility speaks for itself";
    VisitDateImpossible "visit_date_impossible" Refused
        "not a moment between 1990 and 2099 written yyyymmddHHMM";
    EndedBeforeStarted "ended_before_started" Refused "NGAY_RA is before NGAY_VAO";
    AmountNotANumber "amount_not_a_number" Refused
        "not an amount of money: digits, and a point before at most six decimals";
    AmountNegative "amount_negative" Refused "the amount is negative; withdraw or correct the record instead";
    AmountTooLarge "amount_too_large" Refused "the amount is more than ten billion dong; is the unit right?";
    FundNotCoveredLessCopay "fund_not_covered_less_copay" Refused "T_BHTT is not T_TONGCHI_BH less T_BNCCT";
    TotalNotTheSum "total_not_the_sum" Refused "the total is not the sum of the lines of XML2 and XML3";

    // Odd, and accepted.
    FieldWished "field_wished" Finding "the field is empty; the format asks for it";
    FieldTooLong "field_too_long" Finding "the field is longer than the format allows";
    FieldCut "field_cut" Finding "the field is far longer than the format allows; only its beginning was kept";
    CodeUnknown "code_unknown" Finding "the code is not in the list of this field";
    CodeOdd "code_odd" Finding "the code does not have the form of its list";
    ControlCharacter "control_character" Finding "control characters in a code were left out";
    DateImpossible "date_impossible" Finding "not a day between 1900 and 2100; the field was left out";
    BornAfterVisit "born_after_visit" Finding "NGAY_SINH is after NGAY_VAO";
    AdmittedOutsideVisit "admitted_outside_visit" Finding "NGAY_VAO_NOI_TRU is not between NGAY_VAO and NGAY_RA";
    EndedAfterAsserted "ended_after_asserted" Finding "NGAY_RA is after the day the file was made (NGAYLAP)";
    IdentifierUnusable "identifier_unusable" Finding "the number identifies nobody; the person is found by the next identifier";
    CardNumberOdd "card_number_odd" Finding
        "not an insurance number of 15 characters, 12 digits or 10 digits; group and rate are unknown";
    CardListUneven "card_list_uneven" Finding
        "MA_THE_BHYT, MA_DKBD, GT_THE_TU and GT_THE_DEN do not list the same number of cards";
    CardDatesReversed "card_dates_reversed" Finding "GT_THE_DEN is before GT_THE_TU; the card was left out";
    CardWithoutEnd "card_without_end" Finding "GT_THE_DEN is after 2100; the card counts as open";
    CardStartMissing "card_start_missing" Finding "GT_THE_TU is empty; the card counts from NGAY_VAO";
    AmountRounded "amount_rounded" Finding "the amount has more than two decimals and was rounded";
    CostPartsDiffer "cost_parts_differ" Finding "T_TONGCHI_BV is not T_TONGCHI_BH + T_NGUONKHAC + T_BNTT";
    DrugTotalDiffers "drug_total_differs" Finding "T_THUOC is not the sum of THANH_TIEN_BV of XML2";
    LineAmountDiffers "line_amount_differs" Finding "THANH_TIEN_BV is not SO_LUONG times DON_GIA, rounded to two decimals";
    LinesMissing "lines_missing" Finding "the record has no XML2 and no XML3, so its totals could not be checked";
    LinesMerged "lines_merged" Finding
        "more lines than an event holds (2,000, or 200 KiB); those of one code and rate, or else of one rate, were added up, amounts unchanged";
    LineOfAnotherRecord "line_of_another_record" Finding "the row's MA_LK is not that of XML1; it was counted to XML1";
    RateOdd "rate_odd" Finding "MUC_HUONG is not a percentage from 0 to 100";
    FormNumberMissing "form_number_missing" Finding
        "GIAY_CHUYEN_TUYEN is empty; the other end can only be found by facility and day";
    ReferralWithoutReceiver "referral_without_receiver" Finding
        "neither MA_NOI_DEN nor MA_CSKCB_DEN says where the patient was sent; no referral was made";
    ReferralOfAnotherRecord "referral_of_another_record" Finding
        "the MA_LK of XML13 is not that of XML1; its person is looked up by its own";
    FindingsOmitted "findings_omitted" Finding "more findings on this record were left out";
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// Where and why: one fault of a refused record, or one finding on an accepted one. It names positions, codes and rules,
/// and never repeats a value that may be personal.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Remark {
    /// Number of the record in its file, from 1; 0 is the file itself.
    pub record: u64,
    /// MA_LK, as far as it could be read; empty otherwise.
    pub record_key: String,
    /// `XML1` and so on; `GIAMDINHHS` for the envelope, `HOSO` for the record as a whole.
    pub table: String,
    /// Number of the row in its table, from 1; 0 is the table as a whole.
    pub row: u32,
    /// The field, as the format names it; empty where the rule is about no field.
    pub field: &'static str,
    /// The rule that was broken.
    pub rule: Rule,
    /// What was found, where that helps and is not personal; empty otherwise.
    pub detail: String,
}

impl fmt::Display for Remark {
    /// `record 3 (MA_LK 2026-1) XML1.NGAY_RA: NGAY_RA is before NGAY_VAO [ended_before_started]`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.record {
            0 => f.write_str("file")?,
            number => write!(f, "record {number}")?,
        }
        if !self.record_key.is_empty() {
            write!(f, " (MA_LK {})", self.record_key)?;
        }
        write!(f, " {}", self.table)?;
        if self.row > 0 {
            write!(f, "[{}]", self.row)?;
        }
        if !self.field.is_empty() {
            write!(f, ".{}", self.field)?;
        }
        write!(f, ": {}", self.rule.message())?;
        if !self.detail.is_empty() {
            write!(f, " ({})", self.detail)?;
        }
        write!(f, " [{}]", self.rule)
    }
}
