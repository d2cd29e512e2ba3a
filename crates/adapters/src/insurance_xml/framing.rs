//! Cuts a file into its records without understanding them.
//!
//! ```text
//! <GIAMDINHHS> ... <DANHSACHHOSO> <HOSO> ... </HOSO> <HOSO> ... </HOSO> ... </GIAMDINHHS>
//! |------------ envelope ------- | |--- record --|  |--- record --|
//! ```
//!
//! A scanner that knows only tags, comments, CDATA and processing instructions: what is broken inside one record stays
//! inside it, a file of any size is read in the memory of one record, and a file that ends in the middle has given all
//! its whole records by then. Well-formedness is the next step's business.

use std::{
    collections::VecDeque,
    io::{self, BufRead},
};

/// The largest record that is read, in bytes.
pub const RECORD_BYTES_MAX: usize = 16 << 20;
/// The largest envelope before the first record, in bytes.
pub const ENVELOPE_BYTES_MAX: usize = 64 << 10;
/// The longest name of a tag that can be one of ours; attributes are skipped.
const NAME_BYTES_MAX: usize = 64;

/// A piece of the file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    /// All before the first record, or all there is.
    Envelope(Vec<u8>),
    /// One record, from `<HOSO` to `</HOSO>`.
    Record(Vec<u8>),
    /// A record that was larger than [`RECORD_BYTES_MAX`]; its beginning.
    RecordTooLarge(Vec<u8>),
    /// A record that had not ended when the next began.
    RecordNotClosed(Vec<u8>),
    /// The first tag is not GIAMDINHHS: nothing after it was read.
    NotAnEnvelope,
    /// The envelope is larger than [`ENVELOPE_BYTES_MAX`]: nothing after it was read.
    EnvelopeTooLarge,
    /// A DOCTYPE: nothing after it was read.
    Doctype,
    /// The end of a whole file.
    End {
        /// Something stood after `</GIAMDINHHS>`.
        content_after: bool,
    },
    /// The file ended before `</GIAMDINHHS>`.
    Cut {
        /// Inside a record, which is lost.
        in_record: bool,
        /// Where it ended, in bytes.
        at_byte: u64,
    },
}

enum Lexing {
    Text,
    /// After `<`: the bytes since then, as many as are needed to tell what it is.
    Markup(Vec<u8>),
    /// Inside a tag.
    Tag {
        name: Vec<u8>,
        name_ended: bool,
        closing: bool,
        quote: Option<u8>,
        slash: bool,
    },
    /// Inside a section that ends with these bytes; how many of them have just been seen.
    Section {
        end: &'static [u8],
        matched: usize,
    },
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Envelope,
    Between,
    Record,
    After,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Tag {
    Open,
    Close,
    Empty,
}

/// Cuts what `source` gives into [`Frame`]s.
pub(crate) struct Framing<R> {
    source: R,
    scan: Scan,
}

struct Scan {
    lexing: Lexing,
    place: Place,
    rooted: bool,
    /// Bytes of the envelope or of the record, `<` of the tag being read included.
    kept: Vec<u8>,
    /// Where the tag being read began in `kept`.
    tag_start: usize,
    too_large: bool,
    content_after: bool,
    at_byte: u64,
    ready: VecDeque<Frame>,
    stopped: bool,
}

impl<R: BufRead> Framing<R> {
    pub(crate) fn new(source: R) -> Framing<R> {
        let scan = Scan {
            lexing: Lexing::Text,
            place: Place::Envelope,
            rooted: false,
            kept: Vec::new(),
            tag_start: 0,
            too_large: false,
            content_after: false,
            at_byte: 0,
            ready: VecDeque::new(),
            stopped: false,
        };
        Framing { source, scan }
    }

    /// The next piece; `None` after the last, which is an end, a cut or a reason to stop.
    pub(crate) fn next_frame(&mut self) -> io::Result<Option<Frame>> {
        loop {
            if let Some(frame) = self.scan.ready.pop_front() {
                return Ok(Some(frame));
            }
            if self.scan.stopped {
                return Ok(None);
            }
            let chunk = match self.source.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                chunk => chunk?,
            };
            if chunk.is_empty() {
                self.scan.end_of_file();
                continue;
            }
            let taken = self.scan.take_token(chunk);
            self.source.consume(taken);
            self.scan.at_byte += taken as u64;
        }
    }
}

impl Scan {
    fn stop(&mut self, why: Frame) {
        self.ready.push_back(why);
        self.stopped = true;
    }

    fn end_of_file(&mut self) {
        self.stop(match self.place {
            Place::After => Frame::End { content_after: self.content_after },
            Place::Envelope if !self.rooted => Frame::NotAnEnvelope,
            place => Frame::Cut { in_record: place == Place::Record, at_byte: self.at_byte },
        });
    }

    /// Takes a token, or the part of one that is there, and says how long it was.
    fn take_token(&mut self, chunk: &[u8]) -> usize {
        let end = |at: Option<usize>| at.map_or(chunk.len(), |at| at + 1);
        let taken = match &self.lexing {
            Lexing::Text => memchr::memchr(b'<', chunk).map_or(chunk.len(), |at| at.max(1)),
            Lexing::Markup(_) => 1,
            Lexing::Section { end: last, .. } => end(memchr::memchr(last[last.len() - 1], chunk)),
            // A `<` inside a tag is not XML; taking it as the beginning of the next keeps the fault in its record.
            Lexing::Tag { .. } => match memchr::memchr2(b'>', b'<', chunk) {
                Some(0) if chunk[0] == b'<' => {
                    self.finish_tag();
                    1
                }
                Some(at) if chunk[at] == b'<' => at,
                at => end(at),
            },
        };
        let token = &chunk[..taken];
        if token == b"<" && matches!(self.lexing, Lexing::Text) {
            self.tag_start = self.kept.len();
        }
        self.keep(token);
        match &mut self.lexing {
            Lexing::Text if token == b"<" => self.lexing = Lexing::Markup(Vec::with_capacity(16)),
            Lexing::Text => {
                self.content_after |=
                    self.place == Place::After && !token.iter().all(u8::is_ascii_whitespace);
            }
            Lexing::Markup(seen) => {
                seen.push(token[0]);
                self.classify();
            }
            Lexing::Section { end, matched } => {
                for byte in token {
                    // The ends are `]]>`, `-->` and `?>`: after `]]` another `]` keeps the match.
                    *matched = match *matched {
                        seen if *byte == end[seen] => seen + 1,
                        seen if seen + 1 == end.len() && *byte == end[0] => seen,
                        _ => usize::from(*byte == end[0]),
                    };
                }
                if *matched == end.len() {
                    self.lexing = Lexing::Text;
                }
            }
            Lexing::Tag { .. } => self.take_tag(token),
        }
        taken
    }

    /// Keeps bytes of the envelope or the record, within their limits.
    fn keep(&mut self, token: &[u8]) {
        let length = self.kept.len() + token.len();
        match self.place {
            Place::Envelope if length > ENVELOPE_BYTES_MAX => self.stop(Frame::EnvelopeTooLarge),
            Place::Record if self.too_large => {}
            Place::Record if length > RECORD_BYTES_MAX => {
                self.too_large = true;
                // Enough to name it in the report.
                self.kept.truncate(ENVELOPE_BYTES_MAX);
            }
            Place::Envelope | Place::Record => self.kept.extend_from_slice(token),
            Place::Between | Place::After => {}
        }
    }

    /// Tells what `<` and the bytes since then begin.
    fn classify(&mut self) {
        const CDATA: &[u8] = b"![CDATA[";
        const COMMENT: &[u8] = b"!--";
        let is_section = |seen: &[u8]| CDATA.starts_with(seen) || COMMENT.starts_with(seen);
        let Lexing::Markup(seen) = &self.lexing else { return };
        let tag = |name: &[u8], closing| Lexing::Tag {
            name: name.to_vec(),
            name_ended: false,
            closing,
            quote: None,
            slash: false,
        };
        // What a declaration is to a file, is to a record a fault of its own: it is passed over as a tag, and the record is
        // refused when its XML is read.
        let in_record = self.place == Place::Record;
        self.lexing = match seen.as_slice() {
            [b'!', ..] if !in_record && !is_section(seen) => return self.stop(Frame::Doctype),
            [.., b'>'] => Lexing::Text,
            [.., b'<'] => {
                self.tag_start = self.kept.len().saturating_sub(1);
                Lexing::Markup(Vec::with_capacity(16))
            }
            b"?" => Lexing::Section { end: b"?>", matched: 0 },
            COMMENT => Lexing::Section { end: b"-->", matched: 0 },
            CDATA => Lexing::Section { end: b"]]>", matched: 0 },
            partial if is_section(partial) => return,
            b"/" => tag(b"", true),
            name => tag(name, false),
        };
    }

    fn take_tag(&mut self, token: &[u8]) {
        let Lexing::Tag { name, name_ended, closing: _, quote, slash } = &mut self.lexing else { return };
        for byte in token {
            if let Some(open) = *quote {
                if *byte == open {
                    *quote = None;
                }
                continue;
            }
            match byte {
                b'>' => return self.finish_tag(),
                b'"' | b'\'' if *name_ended => *quote = Some(*byte),
                b'/' => *name_ended = true,
                _ if byte.is_ascii_whitespace() => *name_ended = true,
                _ if !*name_ended && name.len() < NAME_BYTES_MAX => name.push(*byte),
                _ => {}
            }
            *slash = *byte == b'/';
        }
    }

    fn finish_tag(&mut self) {
        let Lexing::Tag { name, closing, slash, .. } = std::mem::replace(&mut self.lexing, Lexing::Text)
        else {
            return;
        };
        let tag = match (closing, slash) {
            (true, _) => Tag::Close,
            (false, true) => Tag::Empty,
            (false, false) => Tag::Open,
        };
        self.end_tag(&name, tag);
    }

    fn end_tag(&mut self, name: &[u8], tag: Tag) {
        let local = name.rsplit(|byte| *byte == b':').next().unwrap_or(name);
        let is = |wanted: &str| local.eq_ignore_ascii_case(wanted.as_bytes());
        if !self.rooted {
            self.rooted = true;
            if !is("GIAMDINHHS") {
                return self.stop(Frame::NotAnEnvelope);
            }
        }
        let (record, root) = (is("HOSO"), is("GIAMDINHHS"));
        match (self.place, tag) {
            (Place::After, _) => self.content_after = true,
            (_, Tag::Open | Tag::Empty) if record => {
                self.end_place(Frame::RecordNotClosed);
                self.place = Place::Record;
                // Without its attributes, and with its prefix, which the closing tag has too.
                self.kept.extend_from_slice(&[b"<", name, b">"].concat());
                if tag == Tag::Empty {
                    self.kept.extend_from_slice(&[b"</", name, b">"].concat());
                    self.tag_start = self.kept.len();
                    self.end_place(Frame::Record);
                }
            }
            (Place::Record, Tag::Close) if record => {
                self.tag_start = self.kept.len();
                self.end_place(Frame::Record);
            }
            (_, Tag::Close | Tag::Empty) if root => {
                self.end_place(Frame::RecordNotClosed);
                self.place = Place::After;
            }
            _ => {}
        }
    }

    /// Gives away what was kept before the tag just read; `record` says what a record is that ends here.
    fn end_place(&mut self, record: fn(Vec<u8>) -> Frame) {
        let mut kept = std::mem::take(&mut self.kept);
        kept.truncate(self.tag_start);
        if std::mem::take(&mut self.too_large) {
            self.ready.push_back(Frame::RecordTooLarge(kept));
        } else if self.place == Place::Envelope {
            self.ready.push_back(Frame::Envelope(kept));
        } else if self.place == Place::Record {
            self.ready.push_back(record(kept));
        }
        self.place = Place::Between;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(file: &[u8]) -> Vec<Frame> {
        let mut framing = Framing::new(file);
        std::iter::from_fn(|| framing.next_frame().unwrap()).collect()
    }

    fn told(file: &str) -> Vec<String> {
        frames(file.as_bytes())
            .into_iter()
            .map(|frame| match frame {
                Frame::Envelope(bytes) => format!("envelope {}", String::from_utf8(bytes).unwrap()),
                Frame::Record(bytes) => format!("record {}", String::from_utf8(bytes).unwrap()),
                Frame::RecordNotClosed(bytes) => format!("not closed {}", String::from_utf8(bytes).unwrap()),
                other => format!("{other:?}"),
            })
            .collect()
    }

    #[test]
    fn records_are_cut_out_whatever_is_inside_them() {
        assert_eq!(
            told(
                "<?xml version='1.0'?><GIAMDINHHS><A/><HOSO>1</HOSO> <x:hoso a='>'><![CDATA[</HOSO>]]]></x:hoso ><HOSO/></GIAMDINHHS>\n"
            ),
            [
                "envelope <?xml version='1.0'?><GIAMDINHHS><A/>",
                "record <HOSO>1</HOSO>",
                "record <x:hoso><![CDATA[</HOSO>]]]></x:hoso >",
                "record <HOSO></HOSO>",
                "End { content_after: false }",
            ]
        );
    }

    #[test]
    fn a_fault_stays_in_its_record() {
        assert_eq!(
            told(
                "<GIAMDINHHS><HOSO>1<HOSO>2</A></HOSO><HOSO a=\"><B></HOSO><HOSO><!-- </HOSO> --><<a></HOSO><HOSO></GIAMDINHHS>?"
            ),
            [
                "envelope <GIAMDINHHS>",
                "not closed <HOSO>1",
                "record <HOSO>2</A></HOSO>",
                "record <HOSO><B></HOSO>",
                "record <HOSO><!-- </HOSO> --><<a></HOSO>",
                "not closed <HOSO>",
                "End { content_after: true }",
            ]
        );
    }

    #[test]
    fn a_declaration_inside_a_record_stays_in_it() {
        for inside in
            ["<!x>", "<!>", "<!DOCTYPE a [<!ENTITY b 'c'>]>", "<!x", "<!", "<![CDATA", "<!-", "<!-->-->"]
        {
            assert_eq!(
                told(&format!("<GIAMDINHHS><HOSO>{inside}</HOSO><HOSO>2</HOSO></GIAMDINHHS>")),
                [
                    "envelope <GIAMDINHHS>".to_string(),
                    format!("record <HOSO>{inside}</HOSO>"),
                    "record <HOSO>2</HOSO>".to_string(),
                    "End { content_after: false }".to_string(),
                ],
                "{inside}"
            );
        }
        assert_eq!(told("<GIAMDINHHS><HOSO></HOSO><!x><HOSO></HOSO>").last().unwrap(), "Doctype");
    }

    #[test]
    fn what_is_no_envelope_is_not_read() {
        assert_eq!(told("<TONG_HOP><HOSO></HOSO></TONG_HOP>"), ["NotAnEnvelope"]);
        assert_eq!(told(""), ["NotAnEnvelope"]);
        assert_eq!(told("PK\u{3}\u{4}"), ["NotAnEnvelope"]);
        assert_eq!(told("<!DOCTYPE GIAMDINHHS [<!ENTITY a 'b'>]><GIAMDINHHS/>"), ["Doctype"]);
        assert_eq!(told("<GIAMDINHHS/>"), ["envelope ", "End { content_after: false }"]);
        let long = format!("<GIAMDINHHS>{}", " ".repeat(ENVELOPE_BYTES_MAX));
        assert_eq!(told(&long), ["EnvelopeTooLarge"]);
    }

    #[test]
    fn a_record_too_large_is_passed_over_in_bounded_memory() {
        let text = "x".repeat(RECORD_BYTES_MAX);
        let file = format!("<GIAMDINHHS><HOSO>{text}{text}</HOSO><HOSO>{text}<HOSO></HOSO></GIAMDINHHS>");
        let mut framing = Framing::new(io::BufReader::new(file.as_bytes()));
        let mut sizes = Vec::new();
        while let Some(frame) = framing.next_frame().unwrap() {
            assert!(framing.scan.kept.capacity() <= 2 * RECORD_BYTES_MAX);
            sizes.push(match frame {
                Frame::RecordTooLarge(bytes) => format!("too large, {} kept", bytes.len()),
                Frame::Record(bytes) => format!("record of {}", bytes.len()),
                other => format!("{other:?}").chars().take(12).collect(),
            });
        }
        assert_eq!(
            sizes,
            [
                "Envelope([60",
                "too large, 65536 kept",
                "too large, 65536 kept",
                "record of 13",
                "End { conten"
            ]
        );
    }

    #[test]
    fn cut_at_any_byte_whole_records_stay() {
        let file =
            "<GIAMDINHHS>\u{feff}<HOSO><A>ộ</A></HOSO><HOSO><![CDATA[]]></HOSO></GIAMDINHHS>".as_bytes();
        let whole =
            |frames: &[Frame]| frames.iter().filter(|frame| matches!(frame, Frame::Record(_))).count();
        for cut in 0..file.len() {
            let found = frames(&file[..cut]);
            let expected = file[..cut].windows(7).filter(|window| window == b"</HOSO>").count();
            assert_eq!(whole(&found), expected, "cut at {cut}");
            assert!(!matches!(found.last(), Some(Frame::End { .. })), "cut at {cut}");
        }
        assert!(matches!(frames(file).last(), Some(Frame::End { content_after: false })));
    }
}
