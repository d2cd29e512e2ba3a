//! `vertebra policy`: the rules, and what they are counted by.

use std::{
    fs,
    io::Write,
    path::{Component, Path, PathBuf},
};

use ::policy::{Bundle, Confidence};
use anyhow::Context;
use clap::{Args, Subcommand};
use projector::hex;
use query::Activation;
use serde_json::json;

use crate::{
    bundle::Found,
    cli::{FormArgs, Place},
    data,
    failure::{Exit, Failure},
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
  vertebra policy check --rules                 every rule with its validity and citation
  vertebra policy check --bundle 2f695d8f925e --export seen    the tables that a receipt names")]
    Check(Check),
}

/// `vertebra policy check`.
#[derive(Debug, Args)]
pub(crate) struct Check {
    /// List every rule
    #[arg(long)]
    rules: bool,
    /// The bundle of this digest, or of one that begins so, as it was active in the data folder
    #[arg(long, value_name = "DIGEST")]
    bundle: Option<String>,
    /// Write the tables into this folder, as they are to the byte
    #[arg(long, value_name = "DIR")]
    export: Option<PathBuf>,
    #[command(flatten)]
    form: FormArgs,
}

impl PolicyCommand {
    pub(crate) fn run(&self, place: &Place) -> anyhow::Result<Exit> {
        let PolicyCommand::Check(check) = self;
        let found = check.find(place)?;
        let bundle = found.parse()?;
        if let Some(folder) = &check.export {
            export(&bundle, folder)?;
        }
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

impl Check {
    /// The tables that would be used in the data folder, or those of the bundle asked for.
    fn find(&self, place: &Place) -> anyhow::Result<Found> {
        let sources = place.sources();
        let Some(wanted) = &self.bundle else {
            let is_made = data::is_made(place)?;
            let active = if is_made { data::active_bundle(&data::open(place)?.control()?)? } else { None };
            return sources.find(active.as_ref());
        };
        if sources.are_named() {
            let what = "--bundle names both halves of a bundle: leave out --reference and --policy";
            return Err(Failure::Usage(what.to_owned()).into());
        }
        let control = data::open(place)?.control()?;
        let begins = |activation: &&Activation| hex(&activation.digest).starts_with(&wanted.to_lowercase());
        let mut digests: Vec<[u8; 32]> =
            control.activations.iter().filter(begins).map(|activation| activation.digest).collect();
        digests.sort_unstable();
        digests.dedup();
        let [digest] = digests[..] else {
            let known: Vec<String> =
                control.activations.iter().map(|activation| hex(&activation.digest)).collect();
            let what = format!(
                "{} bundles begin with {wanted}; active here were {}",
                digests.len(),
                known.join(", ")
            );
            return Err(Failure::Usage(what).into());
        };
        let activation = control.by_digest(&digest).expect("the digest is one of an activation");
        let files = control.bundle(activation)?.files().clone();
        let origin = format!("active in the data folder since {}", activation.known);
        Ok(Found { files, reference: origin.clone(), policy: origin })
    }
}

/// Writes every table into `folder`, which has to be new or empty.
fn export(bundle: &Bundle, folder: &Path) -> anyhow::Result<()> {
    let cannot = || format!("cannot write the tables to {}", folder.display());
    fs::create_dir_all(folder).with_context(cannot)?;
    if fs::read_dir(folder).with_context(cannot)?.next().is_some() {
        let what = format!("{} is not empty: name a new folder for the tables", folder.display());
        return Err(Failure::Usage(what).into());
    }
    for (path, content) in bundle.files() {
        let is_plain = |part: Component<'_>| matches!(part, Component::Normal(_));
        if !Path::new(path).components().all(is_plain) {
            return Err(Failure::Refused(format!("{path} leads out of the folder: it is not written")).into());
        }
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap_or(folder)).with_context(cannot)?;
        fs::write(path, content).with_context(cannot)?;
    }
    Ok(())
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
