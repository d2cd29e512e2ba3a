//! `vertebra policy`: the rules, and what they are counted by.

use std::io::Write;

use ::policy::{Bundle, Confidence};
use clap::{Args, Subcommand};
use serde_json::json;

use crate::{
    bundle::Found,
    cli::{FormArgs, Place},
    failure::Exit,
    output::{self, Form, Sheet, Value},
};

/// `vertebra policy ...`.
#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// Read every table of the reference and the policy; name every fault by file, row and column
    #[command(after_help = "\
Examples:
  vertebra policy check                         the tables that would be used
  vertebra policy check --policy drafts/2027    a draft, before it is activated
  vertebra policy check --rules                 every rule with its validity and citation")]
    Check(Check),
}

/// `vertebra policy check`.
#[derive(Debug, Args)]
pub(crate) struct Check {
    /// List every rule
    #[arg(long)]
    rules: bool,
    #[command(flatten)]
    form: FormArgs,
}

impl PolicyCommand {
    pub(crate) fn run(&self, place: &Place) -> anyhow::Result<Exit> {
        let PolicyCommand::Check(check) = self;
        let found = place.sources().find()?;
        let bundle = found.parse()?;
        let mut out = output::stdout();
        match check.form.form() {
            Form::Json => {
                let mut answer = summary(&found, &bundle);
                if check.rules {
                    answer["rules"] = rules(&bundle).to_json();
                }
                writeln!(out, "{answer}")?;
            }
            Form::Csv => rules(&bundle).write_csv(&mut out)?,
            Form::Table => {
                print(&found, &bundle, &mut out)?;
                if check.rules {
                    writeln!(out)?;
                    rules(&bundle).write_table(&mut out)?;
                }
            }
        }
        out.flush()?;
        Ok(Exit::Ok)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// How many rows of `facility_spans.csv` nobody confirmed.
fn assumed(bundle: &Bundle) -> usize {
    let spans = bundle.reference.facilities().iter().flat_map(|facility| facility.spans());
    spans.filter(|span| span.assumed).count()
}

fn summary(found: &Found, bundle: &Bundle) -> serde_json::Value {
    let (reference, policy) = (&bundle.reference, &bundle.policy);
    json!({
        "digest": hex(&bundle.digest()),
        "reference": found.reference,
        "policy": found.policy,
        "communes": reference.communes().len(),
        "districts": reference.districts().len(),
        "facilities": reference.facilities().len(),
        "facility_spans_assumed": assumed(bundle),
        "holidays": reference.holidays().len(),
        "holidays_known_until": reference.holidays_known_until().to_string(),
        "rules_count": policy.rules().count(),
        "rules_uncertain": policy.rules().filter(|rule| !rule.uncertain().is_empty()).count(),
        "switches": policy.switches().len(),
    })
}

fn print(found: &Found, bundle: &Bundle, out: &mut dyn Write) -> anyhow::Result<()> {
    let (reference, policy) = (&bundle.reference, &bundle.policy);
    let count = |number: usize| output::thousands(number as i64);
    writeln!(out, "Every table can be read and agrees with the others.")?;
    writeln!(out)?;
    writeln!(
        out,
        "  reference  {} communes, {} old districts, {} facilities, {} days off known until {} ({})",
        count(reference.communes().len()),
        count(reference.districts().len()),
        count(reference.facilities().len()),
        count(reference.holidays().len()),
        reference.holidays_known_until(),
        found.reference,
    )?;
    writeln!(
        out,
        "  policy     {} rules, {} of them uncertain, {} switches ({})",
        count(policy.rules().count()),
        count(policy.rules().filter(|rule| !rule.uncertain().is_empty()).count()),
        count(policy.switches().len()),
        found.policy,
    )?;
    let assumed = assumed(bundle);
    if assumed > 0 {
        writeln!(
            out,
            "  assumed    {} facility tiers and beds, from names: facility_spans.csv says how",
            count(assumed)
        )?;
    }
    writeln!(out, "  digest     {}", hex(&bundle.digest()))?;
    Ok(())
}

fn rules(bundle: &Bundle) -> Sheet {
    let columns = [
        "rule",
        "in_force",
        "valid_from",
        "valid_until",
        "confidence",
        "file",
        "line",
        "citation",
        "uncertain",
    ];
    let mut sheet = Sheet::new(columns);
    for rule in bundle.policy.rules() {
        let confidence = match rule.confidence() {
            Confidence::High => "H",
            Confidence::Medium => "M",
            Confidence::Low => "L",
        };
        sheet.push(vec![
            Value::text(rule.id()),
            Value::text(if rule.in_force() { "yes" } else { "no" }),
            Value::text(rule.valid_from().to_string()),
            Value::text(rule.valid_until().to_string()),
            Value::text(confidence),
            Value::text(rule.file()),
            Value::Count(rule.line() as i64),
            Value::text(rule.citation()),
            Value::text(rule.uncertain()),
        ]);
    }
    sheet
}
