//! What the topics of a deployment must be like, so that the log keeps what it promises: making them, and saying what is
//! wrong with them.

use std::{collections::BTreeMap, thread, time::Instant};

use event_log::{OpenError, PARTITIONS_MAX, Place};
use rdkafka::error::KafkaError;

use crate::{
    Address, Settings,
    core::{PATIENCE, PAUSE, ask, look_up},
    native::{Inquiry, Rule},
    trouble::{cannot_open, is_unknown},
};

/// Room for a record of the most bytes with its key, headers and frame.
const MESSAGE_BYTES: u64 = 2 << 20;

/// How the topics are to be.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Into how many partitions the events are cut, for ever.
    pub partitions: u16,
    /// How many brokers hold each record; all but one of them before it is acknowledged.
    pub replicas: u16,
    /// Who may do what, where the cluster has an authorizer.
    pub roles: Roles,
}

/// Principals by role, as `User:intake`; a role may have none.
#[derive(Clone, Debug, Default)]
pub struct Roles {
    /// Who appends: intake.
    pub writers: Vec<String>,
    /// Who only reads: projectors, auditors, others' consumers.
    pub readers: Vec<String>,
}

/// Something about the topics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What it is about: a topic, a rule.
    pub about: String,
    /// What is wrong, what was expected, and what it would cost.
    pub what: String,
}

/// A setting that a topic must have.
struct Demand {
    name: &'static str,
    value: String,
    why: &'static str,
}

/// What every topic of the log must be set to.
fn demands(replicas: u16) -> Vec<Demand> {
    let demand = |name, value: &str, why| Demand { name, value: value.to_owned(), why };
    vec![
        demand(
            "cleanup.policy",
            "delete",
            "compaction removes events, and what is left has no proof of what was there",
        ),
        demand("retention.ms", "-1", "events are kept for ever"),
        demand("retention.bytes", "-1", "events are kept for ever"),
        demand(
            "min.insync.replicas",
            &replicas.saturating_sub(1).max(1).to_string(),
            "an acknowledged event must survive the loss of a broker",
        ),
        demand(
            "unclean.leader.election.enable",
            "false",
            "a leader that lacks records makes others stand at their offsets",
        ),
        demand("compression.type", "producer", "brokers keep the bytes that intake wrote"),
    ]
}

/// Makes, changes and looks at topics.
pub struct Topics {
    address: Address,
    inquiry: Inquiry,
}

impl std::fmt::Debug for Topics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Topics").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Topics {
    /// Those at `address`.
    ///
    /// # Errors
    /// When the client cannot be made with these settings.
    pub fn new(address: &Address, settings: &Settings) -> Result<Topics, OpenError> {
        let inquiry = Inquiry::new(&settings.for_questions(address))
            .map_err(|error| cannot_open(&address.to_string(), error))?;
        Ok(Topics { address: address.clone(), inquiry })
    }

    fn failed(&self, topic: &str) -> impl Fn(KafkaError) -> OpenError + use<> {
        let place = format!("the topic {topic} at {}", self.address.brokers);
        move |error| match error {
            KafkaError::AdminOpCreation(what) => {
                OpenError::Refused { place: Place::from(place.clone()), what }
            }
            error => cannot_open(&place, error),
        }
    }

    /// Both topics, each with how many partitions it must have.
    fn both(&self, plan: &Plan) -> [(String, u16); 2] {
        [(self.address.events(), plan.partitions), (self.address.control(), 1)]
    }

    /// Makes the topics that are missing and mends the settings of those that are there. Never changes how many partitions or
    /// replicas one has, and never takes a rule away: `check` says what is left. Gives back what was done, in words.
    ///
    /// # Errors
    /// When the cluster does not answer, or refuses.
    pub fn apply(&self, plan: &Plan) -> Result<Vec<Finding>, OpenError> {
        let most = u32::from(PARTITIONS_MAX);
        if !(1..=most).contains(&u32::from(plan.partitions)) || plan.replicas == 0 {
            let what = format!("a topic has 1 to {most} partitions, each with at least one replica");
            return Err(OpenError::Refused { place: Place::from(self.address.to_string()), what });
        }
        let mut done = Vec::new();
        for (topic, partitions) in self.both(plan) {
            let failed = self.failed(&topic);
            let mut settings: Vec<(&str, String)> =
                demands(plan.replicas).into_iter().map(|demand| (demand.name, demand.value)).collect();
            settings.push(("max.message.bytes", MESSAGE_BYTES.to_string()));
            // Only asked once: if it is there, making it says so.
            let there = ask(PATIENCE, |patience| self.inquiry.topic(&topic, patience)).map_err(&failed)?;
            if there.is_none() {
                let made = ask(PATIENCE, |patience| {
                    self.inquiry.create(&topic, partitions, plan.replicas, &settings, patience)
                });
                let made = made.map_err(&failed)?;
                self.wait_for(&topic).map_err(&failed)?;
                if made {
                    let what = format!("made, with {partitions} partitions of {} replicas", plan.replicas);
                    done.push(Finding { about: topic, what });
                    continue;
                }
            }
            let found = self.settings(&topic).map_err(&failed)?;
            settings.retain(|(name, value)| !is_met(name, value, &found));
            if !settings.is_empty() {
                ask(PATIENCE, |patience| self.inquiry.change(&topic, &settings, patience))
                    .map_err(&failed)?;
                let names: Vec<&str> = settings.iter().map(|(name, _)| *name).collect();
                done.push(Finding { about: topic, what: format!("set {}", names.join(", ")) });
            }
        }
        done.extend(self.add_rules(&plan.roles)?);
        Ok(done)
    }

    /// A topic that was just made is not known to every broker at once.
    fn wait_for(&self, topic: &str) -> Result<(), KafkaError> {
        let deadline = Instant::now() + PATIENCE;
        while look_up(&self.inquiry, topic, PATIENCE)?.is_none() && Instant::now() < deadline {}
        Ok(())
    }

    /// The settings of a topic that is there, whether or not the broker that is asked knows it yet.
    fn settings(&self, topic: &str) -> Result<BTreeMap<String, String>, KafkaError> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match ask(PATIENCE, |patience| self.inquiry.settings(topic, patience)) {
                Err(error) if is_unknown(&error) && Instant::now() < deadline => thread::sleep(PAUSE),
                answer => return answer,
            }
        }
    }

    /// What is wrong with the topics and with who may do what; changes nothing.
    ///
    /// # Errors
    /// When the cluster does not answer.
    pub fn check(&self, plan: &Plan) -> Result<Vec<Finding>, OpenError> {
        let mut findings = Vec::new();
        for (topic, partitions) in self.both(plan) {
            let mut find = |what: String| findings.push(Finding { about: topic.clone(), what });
            let Some(found) = look_up(&self.inquiry, &topic, PATIENCE).map_err(self.failed(&topic))? else {
                find("there is no such topic: make it with `vertebra topics apply`".to_owned());
                continue;
            };
            let has = found.replicas.len();
            if has != usize::from(partitions) {
                find(format!(
                    "it has {has} partitions, {partitions} were expected; the number is fixed when a topic is made, for people's \
                     events stay in one partition"
                ));
            }
            if let Some((partition, replicas)) = found
                .replicas
                .iter()
                .enumerate()
                .find(|(_, replicas)| **replicas < usize::from(plan.replicas))
            {
                find(format!(
                    "partition {partition} has {replicas} replicas, {} were expected: the loss of so many brokers loses events",
                    plan.replicas
                ));
            }
            let settings = self.settings(&topic).map_err(self.failed(&topic))?;
            for Demand { name, value, why } in demands(plan.replicas) {
                if !is_met(name, &value, &settings) {
                    let is = settings.get(name).map_or("not told", String::as_str);
                    find(format!("{name} is {is}, expected {value}: {why}"));
                }
            }
            let bytes = settings.get("max.message.bytes").and_then(|bytes| bytes.parse::<u64>().ok());
            if bytes.is_some_and(|bytes| bytes < MESSAGE_BYTES) {
                find(format!(
                    "max.message.bytes is {}, expected {MESSAGE_BYTES} or more: a large event could not be stored",
                    bytes.unwrap_or_default()
                ));
            }
        }
        findings.extend(self.check_rules(&plan.roles)?);
        Ok(findings)
    }

    fn rules(&self) -> Result<Option<Vec<Rule>>, OpenError> {
        ask(PATIENCE, |patience| self.inquiry.rules(patience))
            .map_err(|error| cannot_open(&format!("the authorizer at {}", self.address.brokers), error))
    }

    /// What these roles need to be allowed.
    fn needed(&self, roles: &Roles) -> Vec<Rule> {
        let rule = |resource, name: &str, is_prefix, principal: &str, operation| Rule {
            resource,
            name: name.to_owned(),
            is_prefix,
            principal: principal.to_owned(),
            host: "*".to_owned(),
            operation,
            allows: true,
        };
        let topics = [self.address.events(), self.address.control()];
        let mut rules = Vec::new();
        for (principals, operations) in [
            (&roles.writers, &["Read", "Write", "Describe", "DescribeConfigs"][..]),
            (&roles.readers, &["Read", "Describe", "DescribeConfigs"][..]),
        ] {
            for principal in principals {
                for topic in &topics {
                    rules.extend(
                        operations.iter().map(|operation| rule("Topic", topic, false, principal, operation)),
                    );
                }
                let group = format!("{}.", self.address.prefix);
                rules.push(rule("Group", &group, true, principal, "Read"));
            }
        }
        rules
    }

    fn add_rules(&self, roles: &Roles) -> Result<Vec<Finding>, OpenError> {
        let needed = self.needed(roles);
        if needed.is_empty() {
            return Ok(Vec::new());
        }
        let Some(there) = self.rules()? else { return Ok(Vec::new()) };
        let mut done = Vec::new();
        for rule in needed.into_iter().filter(|rule| !there.contains(rule)) {
            ask(PATIENCE, |patience| self.inquiry.add_rule(&rule, patience)).map_err(|error| {
                cannot_open(&format!("the authorizer at {}", self.address.brokers), error)
            })?;
            done.push(Finding {
                about: rule.principal.clone(),
                what: format!("allowed: {}", in_words(&rule)),
            });
        }
        Ok(done)
    }

    fn check_rules(&self, roles: &Roles) -> Result<Vec<Finding>, OpenError> {
        let asked_for = !roles.writers.is_empty() || !roles.readers.is_empty();
        let Some(rules) = self.rules()? else {
            let what = "the cluster has no authorizer: whoever reaches a broker may delete records, and write with transactions";
            let finding = Finding { about: self.address.brokers.clone(), what: what.to_owned() };
            return Ok(if asked_for { vec![finding] } else { Vec::new() });
        };
        let mut findings: Vec<Finding> = rules.iter().filter_map(|rule| self.harm_of(rule)).collect();
        for rule in self.needed(roles).into_iter().filter(|rule| !rules.contains(rule)) {
            let what = format!("is not allowed: {}", in_words(&rule));
            findings.push(Finding { about: rule.principal.clone(), what });
        }
        Ok(findings)
    }

    /// What a rule allows that nobody may do with the log.
    fn harm_of(&self, rule: &Rule) -> Option<Finding> {
        if !rule.allows {
            return None;
        }
        let is_ours = |topic: &String| {
            rule.name == "*"
                || if rule.is_prefix { topic.starts_with(&rule.name) } else { rule.name == *topic }
        };
        let concerns = [self.address.events(), self.address.control()].iter().any(is_ours);
        let why = match (rule.resource, rule.operation) {
            ("Topic", "Delete" | "All") if concerns => "may delete records of the log, or the whole of it",
            ("Topic", "Alter" | "AlterConfigs") if concerns => {
                "may change retention, compaction or the number of partitions"
            }
            ("TransactionalId", "Write" | "All") => {
                "may write with transactions, whose marks take offsets, so that a missing event cannot be told from one"
            }
            _ => return None,
        };
        Some(Finding { about: rule.principal.clone(), what: format!("{why}: {}", in_words(rule)) })
    }
}

fn is_met(name: &str, value: &str, settings: &BTreeMap<String, String>) -> bool {
    match name {
        // More is as good.
        "max.message.bytes" | "min.insync.replicas" => {
            let number = |text: &str| text.parse::<u64>().ok();
            settings.get(name).and_then(|is| number(is)) >= number(value)
        }
        _ => settings.get(name).is_some_and(|is| is == value),
    }
}

fn in_words(rule: &Rule) -> String {
    let Rule { resource, name, is_prefix, host, operation, .. } = rule;
    let prefix = if *is_prefix { " and all that begin so" } else { "" };
    let host = if host == "*" { String::new() } else { format!(" from {host}") };
    format!("{operation} of {resource} {name}{prefix}{host}")
}
