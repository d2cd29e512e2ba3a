//! Where a deployment's topics are.

use std::{fmt, str::FromStr};

/// The first part of the topics' names where the address gives none.
const PREFIX: &str = "vertebra";

/// `kafka://HOST:PORT[,HOST:PORT...][/PREFIX]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// Brokers that are asked first, with commas between; they name the others.
    pub brokers: String,
    /// What the topics' names begin with.
    pub prefix: String,
}

impl Address {
    /// The topic of the events.
    #[must_use]
    pub fn events(&self) -> String {
        format!("{}.events.v1", self.prefix)
    }

    /// The topic that says which bundle was active when.
    #[must_use]
    pub fn control(&self) -> String {
        format!("{}.control.v1", self.prefix)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "kafka://{}", self.brokers)?;
        if self.prefix == PREFIX { Ok(()) } else { write!(f, "/{}", self.prefix) }
    }
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Address, String> {
        let rest = text.strip_prefix("kafka://").ok_or("it does not begin with kafka://")?;
        let (brokers, prefix) = rest.split_once('/').unwrap_or((rest, PREFIX));
        for broker in brokers.split(',') {
            let (host, port) = broker.rsplit_once(':').unwrap_or((broker, ""));
            if host.is_empty() || port.parse::<u16>().ok().filter(|port| *port > 0).is_none() {
                return Err(format!("{broker:?} is not HOST:PORT"));
            }
            // In a list of brokers of the C client a scheme may stand before each, and then says how to speak.
            if host.contains(['@', '=', ' ', '/']) {
                return Err(format!("{host:?} is not the name of a host"));
            }
        }
        let of_a_topic = |at: char| at.is_ascii_alphanumeric() || matches!(at, '.' | '_' | '-');
        if prefix.is_empty() || prefix.len() > 200 || !prefix.chars().all(of_a_topic) {
            return Err(format!(
                "{prefix:?} cannot begin a topic's name: letters, digits, `.`, `_` and `-`, at most 200"
            ));
        }
        Ok(Address { brokers: brokers.to_owned(), prefix: prefix.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_names_brokers_and_topics() {
        let address: Address = "kafka://a.example:9092,[::1]:9093".parse().expect("an address");
        assert_eq!(address.brokers, "a.example:9092,[::1]:9093");
        assert_eq!(address.events(), "vertebra.events.v1");
        let address: Address = "kafka://127.0.0.1:9092/hanoi".parse().expect("an address");
        assert_eq!(
            (address.events().as_str(), address.control().as_str()),
            ("hanoi.events.v1", "hanoi.control.v1")
        );
        assert_eq!(address.to_string(), "kafka://127.0.0.1:9092/hanoi");
        for bad in [
            "127.0.0.1:9092",
            "kafka://",
            "kafka://a",
            "kafka://a:0",
            "kafka://a:1,",
            "kafka://a:1/x y",
            "kafka://u@a:1",
        ] {
            assert!(bad.parse::<Address>().is_err(), "{bad}");
        }
    }
}
