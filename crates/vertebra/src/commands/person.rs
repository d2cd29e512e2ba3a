//! `vertebra person`: one person's history, and what policy says.

use std::io::{BufRead, Read, Write};

use anyhow::Context;
use clap::Args;
use fee_exemption::{Explanation, RuleCited};
use intake::{Intake, keys};
use query::{Desk, FACTS_MAX, Known, PersonAnswer, PersonQuestion, QueryError, Standpoint, subjects_of};

use crate::{
    cli::{FormArgs, Place, WhenArgs, count},
    commands::answer::write_stand,
    data,
    failure::{Exit, Failure},
    output::{self, Form, Sheet, Value, printable, thousands},
};

/// So many facts are shown unless somebody says otherwise.
const FACTS_USUAL: usize = 200;

/// `vertebra person`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  vertebra person --id 001090012345                        by personal number, card or passport
  vertebra person --id C1234567 --country USA              by a passport sent with its country
  vertebra person --id 0f3a...                             by subject, as lists name people
  vertebra person --id 0f3a... --on 2026-07-01             what held on that day
  vertebra person --id 0f3a... --known-at 2026-04-01       as it was known then
  vertebra person --id 0f3a... --json                      with all that the events say

Others on the machine can see command lines: `--id -` reads the number from standard input.
A number is turned into a subject with the deployment's key, which has to be in the data folder; it is printed nowhere.")]
pub(crate) struct Person {
    /// A personal number, card or passport, or a subject (32 hex digits); `-` reads it from standard input
    #[arg(long, value_name = "NUMBER")]
    id: String,
    /// Of a passport of another country: which, if and as it was sent
    #[arg(long, value_name = "CODE", default_value = "", hide_default_value = true)]
    country: String,
    #[command(flatten)]
    when: WhenArgs,
    /// Leave out so many facts at the beginning
    #[arg(long, value_name = "COUNT", default_value_t = 0)]
    skip: usize,
    /// Show at most so many facts [default: 200, in CSV all]
    #[arg(long, value_name = "COUNT", value_parser = count)]
    limit: Option<usize>,
    #[command(flatten)]
    form: FormArgs,
}

impl Person {
    pub(crate) fn run(self, place: &Place) -> anyhow::Result<Exit> {
        let folder = data::open(place)?;
        let log = folder.log()?;
        let mut desk = data::open_desk(&folder, &*log)?;
        let key = keys::read_deployment_key(&Intake::deployment_key_path(folder.root()))?;
        let subjects = subjects_of(&self.id()?, &self.country, key.as_ref())?;
        let on = self.when.on.unwrap_or_else(|| data::usual_day(&desk));
        let known = self.when.known_at.map_or(Known::Latest, Known::At);
        let standpoint = Standpoint { known, bundle: data::asked_bundle(place, &mut desk)? };
        let is_csv = self.form.form() == Form::Csv;
        let limit = self.limit.unwrap_or(if is_csv { usize::MAX } else { FACTS_USUAL });
        let mut answers = Vec::new();
        let mut unknown = None;
        for subject in subjects {
            let question =
                PersonQuestion { subject, on, standpoint: standpoint.clone(), skip: self.skip, limit };
            match with_facts(&desk, question) {
                Ok(answer) => answers.push(answer),
                // A number may be a card's or a personal one: that one of them is nobody's is no failure.
                Err(error @ QueryError::Refused(_)) => unknown = Some(error),
                Err(error) => return Err(error.into()),
            }
        }
        if let (true, Some(unknown)) = (answers.is_empty(), unknown) {
            return Err(unknown.into());
        }
        let mut out = output::stdout();
        for answer in &answers {
            match self.form.form() {
                Form::Json => writeln!(out, "{}", serde_json::to_string(answer)?)?,
                Form::Csv => facts(answer).write_csv(&mut out)?,
                Form::Table => print(answer, self.skip, &mut out)?,
            }
        }
        out.flush()?;
        if answers.is_empty() {
            return Err(Failure::Refused("nobody is known by this number".to_owned()).into());
        }
        Ok(Exit::Ok)
    }
}

impl Person {
    /// The number as given, or from standard input: what stands on a command line, others on the machine can see.
    fn id(&self) -> anyhow::Result<String> {
        if self.id != "-" {
            return Ok(self.id.clone());
        }
        const BYTES_MAX: u64 = 200;
        let mut line = String::new();
        std::io::stdin()
            .lock()
            .take(BYTES_MAX)
            .read_line(&mut line)
            .context("cannot read the number from standard input")?;
        Ok(line.trim().to_owned())
    }
}

/// The answer with as many facts as were asked for, also more than come at once; all stand on the same.
fn with_facts(desk: &Desk<'_>, mut question: PersonQuestion) -> Result<PersonAnswer, QueryError> {
    let mut answer = desk.person(&question)?;
    let wanted = question.limit.min(answer.facts_total.saturating_sub(question.skip));
    question.standpoint = answer.stand.standpoint();
    while answer.facts.len() < wanted {
        (question.skip, question.limit) =
            (question.skip + question.limit.min(FACTS_MAX), wanted - answer.facts.len());
        answer.facts.extend(desk.person(&question)?.facts);
    }
    Ok(answer)
}

fn facts(answer: &PersonAnswer) -> Sheet {
    let columns =
        ["true_on", "event", "emitter", "record_key", "asserted_at", "recorded_at", "standing", "by", "id"];
    let mut sheet = Sheet::new(columns);
    for fact in &answer.facts {
        let mut standing = fact.standing.replace('_', " ");
        if fact.carried {
            standing.push_str(", carried");
        }
        sheet.push(vec![
            Value::text(minute(&fact.occurred_at)),
            Value::text(fact.kind),
            Value::text(fact.emitter.as_str()),
            Value::text(fact.record_key.as_str()),
            Value::text(minute(&fact.asserted_at)),
            Value::text(minute(&fact.recorded_at)),
            Value::text(standing),
            Value::text(fact.by.as_deref().unwrap_or_default()),
            Value::text(fact.event.as_str()),
        ]);
    }
    sheet
}

/// A moment to the minute, in Hanoi.
fn minute(moment: &str) -> String {
    moment.get(..16).unwrap_or(moment).replace('T', " ")
}

fn print(answer: &PersonAnswer, skip: usize, out: &mut dyn Write) -> anyhow::Result<()> {
    writeln!(
        out,
        "Subject {} (from a {}), {} facts in partition {}",
        answer.subject,
        answer.identified_by.replace('_', " "),
        thousands(answer.facts_total as i64),
        answer.partition
    )?;
    facts(answer).write_table(out)?;
    let left = answer.facts_total.saturating_sub(skip + answer.facts.len());
    if left > 0 {
        writeln!(out, "  and {} more: --skip {}", thousands(left as i64), skip + answer.facts.len())?;
    }
    for said in &answer.set_aside {
        writeln!(out, "  set aside: {said}")?;
    }
    if answer.linked_away {
        writeln!(out, "  Linked away: another subject counts for this person.")?;
    }
    if let Some(explanation) = &answer.explanation {
        explain(explanation, out)?;
    }
    write_stand(&answer.stand, &[], out)?;
    Ok(())
}

fn cited(rule: Option<&RuleCited>) -> String {
    let Some(rule) = rule else { return String::new() };
    let doubt =
        if rule.uncertain.is_empty() { String::new() } else { format!("; uncertain: {}", rule.uncertain) };
    format!(" [{}: {}{doubt}]", rule.id, rule.citation)
}

fn or_unknown(text: &str) -> &str {
    if text.is_empty() { "not known" } else { text }
}

fn explain(said: &Explanation, out: &mut dyn Write) -> std::io::Result<()> {
    writeln!(
        out,
        "\nOn {}: {}",
        said.on,
        match (said.insured, said.exempt) {
            (false, _) => "not insured",
            (true, true) => "insured, pays no copay",
            (true, false) => "insured, pays copay",
        }
    )?;
    let mut told = Vec::new();
    for held in &said.holds {
        // Every claim tells of the card again.
        if told.contains(&held) {
            continue;
        }
        told.push(held);
        let digit = if held.digit.is_empty() { String::new() } else { format!(", digit {}", held.digit) };
        writeln!(
            out,
            "  {} {}{digit}, {} to {}: pays {}{}",
            held.kind,
            printable(&held.group),
            held.from,
            held.until,
            or_unknown(&held.rate),
            cited(held.rule.as_ref())
        )?;
    }
    for why in &said.why {
        writeln!(
            out,
            "  exempt since {} until {}, by {}{}",
            why.since,
            why.until,
            why.kind,
            cited(Some(&why.rule))
        )?;
    }
    let years = &said.five_years;
    let by = if years.by.is_empty() { String::new() } else { format!(" (by the {})", years.by) };
    let on = if years.complete_on.is_empty() {
        String::new()
    } else {
        format!(", complete on {}", years.complete_on)
    };
    writeln!(out, "  five years in a row: {}{on}{by}", years.answer)?;
    let annual = &said.annual;
    writeln!(
        out,
        "  copay of {}: {} as received; the threshold is {}{}{}",
        annual.year,
        grouped(&annual.copay),
        grouped(or_unknown(&annual.threshold)),
        if annual.passed_on.is_empty() {
            format!(", {} to go", grouped(or_unknown(&annual.remaining)))
        } else {
            format!(", passed on {}", annual.passed_on)
        },
        cited(annual.rule.as_ref())
    )?;
    if !said.payer.copay.is_empty() || !said.payer.exempt_from.is_empty() {
        let from = if said.payer.exempt_from.is_empty() {
            String::new()
        } else {
            format!(", exemption confirmed from {}", said.payer.exempt_from)
        };
        writeln!(out, "  the payer says: copay {}{from}", grouped(or_unknown(&said.payer.copay)))?;
    }
    for claim in &said.claims {
        writeln!(
            out,
            "  claim {} at {} until {}, route {} {}",
            claim.event,
            claim.facility,
            claim.ended,
            printable(&claim.route),
            claim.route_name
        )?;
        writeln!(
            out,
            "    covered {}, charged {} of copay, due {}: {}; copay of the year {}",
            grouped(&claim.covered),
            grouped(&claim.copay),
            grouped(or_unknown(&claim.due)),
            claim.verdict,
            grouped(&claim.copay_of_year)
        )?;
        for segment in &claim.segments {
            for step in &segment.steps {
                writeln!(out, "      {}: {}{}", step.what, step.value, cited(step.rule.as_ref()))?;
            }
        }
    }
    Ok(())
}

/// An amount of dong with commas between thousands; anything else as it is.
fn grouped(text: &str) -> String {
    let (whole, rest) = text.split_once('.').map_or((text, None), |(whole, rest)| (whole, Some(rest)));
    match (whole.parse::<i64>(), rest) {
        (Ok(number), None) => thousands(number),
        (Ok(number), Some(rest)) => format!("{}.{rest}", thousands(number)),
        _ => text.to_owned(),
    }
}
