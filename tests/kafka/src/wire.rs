//! As much of Kafka's protocol as the harness needs to ask brokers: blocking, one request at a time, loopback only.
//!
//! Versions are the oldest that Kafka 4 speaks: few fields, and they don't change any more. Field by field as on
//! <https://kafka.apache.org/protocol>.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddrV4, TcpStream},
    time::Duration,
};

use crate::Error;

/// A broker on loopback answers in milliseconds, or is held or dead.
const TIMEOUT: Duration = Duration::from_secs(10);
/// An answer longer than this is not one.
const ANSWER_MAX: usize = 64 << 20;

/// A request of the protocol: its name, key and version.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Api {
    pub(crate) name: &'static str,
    key: i16,
    version: i16,
    /// Requests of this version carry tagged fields: compact strings and arrays, a longer header.
    flexible: bool,
}

const fn api(name: &'static str, key: i16, version: i16) -> Api {
    Api { name, key, version, flexible: false }
}

pub(crate) const LIST_OFFSETS: Api = api("ListOffsets", 2, 1);
pub(crate) const METADATA: Api = api("Metadata", 3, 1);
pub(crate) const CREATE_TOPICS: Api = api("CreateTopics", 19, 2);
pub(crate) const DELETE_TOPICS: Api = api("DeleteTopics", 20, 1);
pub(crate) const DELETE_RECORDS: Api = api("DeleteRecords", 21, 0);
pub(crate) const ELECT_LEADERS: Api = api("ElectLeaders", 43, 1);
pub(crate) const ALTER_CONFIGS: Api = api("IncrementalAlterConfigs", 44, 0);
pub(crate) const DESCRIBE_QUORUM: Api = Api { name: "DescribeQuorum", key: 55, version: 0, flexible: true };

/// What one broker knows of its cluster.
#[derive(Clone, Debug, Default)]
pub struct Metadata {
    /// The brokers that serve.
    pub brokers: Vec<KnownBroker>,
    /// The topics that were asked for and are there.
    pub topics: Vec<Topic>,
}

/// One broker, as another knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownBroker {
    /// Its id.
    pub id: i32,
    /// Where it tells clients of this listener to connect.
    pub port: i32,
}

/// One topic, as a broker knows it.
#[derive(Clone, Debug)]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// Its partitions, by number.
    pub partitions: Vec<TopicPartition>,
}

/// One partition, as a broker knows it.
#[derive(Clone, Debug)]
pub struct TopicPartition {
    /// Its number.
    pub index: i32,
    /// The id of the broker that leads it; -1: none.
    pub leader: i32,
    /// The ids of the brokers that hold it.
    pub replicas: Vec<i32>,
    /// Those of them that are in sync.
    pub in_sync: Vec<i32>,
}

/// A connection to one broker.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    correlation: i32,
}

impl Connection {
    /// Connects to a port of 127.0.0.1.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] when nobody listens.
    pub fn open(port: u16) -> Result<Self, Error> {
        let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, port);
        let stream = TcpStream::connect_timeout(&address.into(), TIMEOUT)
            .and_then(|stream| {
                stream.set_read_timeout(Some(TIMEOUT))?;
                stream.set_write_timeout(Some(TIMEOUT))?;
                stream.set_nodelay(true)?;
                Ok(stream)
            })
            .map_err(Error::io(format!("connect to {address}")))?;
        Ok(Self { stream, correlation: 0 })
    }

    /// Brokers and topics; of all topics with `None`.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] when the broker doesn't answer, [`Error::Answer`] when it answers something else.
    pub fn metadata(&mut self, topics: Option<&[&str]>) -> Result<Metadata, Error> {
        let mut request = Request::new();
        match topics {
            Some(topics) => request.array(topics, |request, topic| request.string(topic)),
            None => request.i32(-1),
        }
        let mut answer = self.call(METADATA, request)?;
        let brokers = answer.array(|answer| {
            let id = answer.i32()?;
            answer.string()?; // host
            let port = answer.i32()?;
            answer.nullable_string()?; // rack
            Ok(KnownBroker { id, port })
        })?;
        answer.i32()?; // the controller: any broker, since KRaft
        let topics = answer.array(|answer| {
            let code = answer.i16()?;
            let name = answer.string()?;
            answer.i8()?; // internal
            let mut partitions = answer.array(|answer| {
                answer.i16()?; // code: without a leader, or a replica that doesn't serve; the ids say it
                Ok(TopicPartition {
                    index: answer.i32()?,
                    leader: answer.i32()?,
                    replicas: answer.array(Answer::i32)?,
                    in_sync: answer.array(Answer::i32)?,
                })
            })?;
            partitions.sort_by_key(|partition| partition.index);
            Ok((code == 0).then_some(Topic { name, partitions }))
        })?;
        Ok(Metadata { brokers, topics: topics.into_iter().flatten().collect() })
    }

    pub(crate) fn call(&mut self, api: Api, request: Request) -> Result<Answer, Error> {
        self.correlation += 1;
        let mut header = Request::new();
        header.i16(api.key);
        header.i16(api.version);
        header.i32(self.correlation);
        header.string("kafka-harness");
        if api.flexible {
            header.no_tags();
        }
        let failed = |source: std::io::Error| Error::io(format!("ask a broker for {}", api.name))(source);
        let length = header.bytes.len() + request.bytes.len();
        let length =
            i32::try_from(length).map_err(|_| Error::Answer { request: api.name, what: "asked too much" })?;
        let message = [&length.to_be_bytes()[..], &header.bytes, &request.bytes].concat();
        self.stream.write_all(&message).map_err(failed)?;
        let mut length = [0; 4];
        self.stream.read_exact(&mut length).map_err(failed)?;
        let length = usize::try_from(i32::from_be_bytes(length)).unwrap_or(usize::MAX);
        if length > ANSWER_MAX {
            return Err(Error::Answer { request: api.name, what: "its length" });
        }
        let mut bytes = vec![0; length];
        self.stream.read_exact(&mut bytes).map_err(failed)?;
        let mut answer = Answer { request: api.name, bytes, at: 0 };
        if answer.i32()? != self.correlation {
            return Err(answer.wrong("it belongs to another request"));
        }
        if api.flexible {
            answer.tags()?;
        }
        Ok(answer)
    }
}

/// A request's bytes.
#[derive(Debug)]
pub(crate) struct Request {
    bytes: Vec<u8>,
}

impl Request {
    pub(crate) fn new() -> Self {
        Self { bytes: Vec::new() }
    }

    pub(crate) fn i8(&mut self, value: i8) {
        self.bytes.extend(value.to_be_bytes());
    }

    pub(crate) fn i16(&mut self, value: i16) {
        self.bytes.extend(value.to_be_bytes());
    }

    pub(crate) fn i32(&mut self, value: i32) {
        self.bytes.extend(value.to_be_bytes());
    }

    pub(crate) fn i64(&mut self, value: i64) {
        self.bytes.extend(value.to_be_bytes());
    }

    pub(crate) fn string(&mut self, value: &str) {
        self.i16(i16::try_from(value.len()).expect("names and values of tests are short"));
        self.bytes.extend(value.as_bytes());
    }

    pub(crate) fn array<T>(&mut self, items: &[T], mut one: impl FnMut(&mut Self, &T)) {
        self.i32(i32::try_from(items.len()).expect("lists of tests are short"));
        for item in items {
            one(self, item);
        }
    }

    /// The count of a compact array, one more than it holds; also the length of a compact string.
    pub(crate) fn compact(&mut self, count: u8) {
        assert!(count < 0x7f, "one byte of a variable-length number");
        self.bytes.push(count + 1);
    }

    pub(crate) fn compact_string(&mut self, value: &str) {
        self.compact(u8::try_from(value.len()).expect("names of Kafka's own topics are short"));
        self.bytes.extend(value.as_bytes());
    }

    pub(crate) fn no_tags(&mut self) {
        self.bytes.push(0);
    }
}

/// An answer that is being read.
#[derive(Debug)]
pub(crate) struct Answer {
    request: &'static str,
    bytes: Vec<u8>,
    at: usize,
}

impl Answer {
    fn wrong(&self, what: &'static str) -> Error {
        Error::Answer { request: self.request, what }
    }

    fn take(&mut self, count: usize) -> Result<&[u8], Error> {
        let end = self.at.saturating_add(count);
        let Some(taken) = self.bytes.get(self.at..end) else {
            return Err(Error::Answer { request: self.request, what: "it ends too soon" });
        };
        self.at = end;
        Ok(taken)
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let mut bytes = [0; N];
        bytes.copy_from_slice(self.take(N)?);
        Ok(bytes)
    }

    pub(crate) fn i8(&mut self) -> Result<i8, Error> {
        self.fixed().map(i8::from_be_bytes)
    }

    pub(crate) fn i16(&mut self) -> Result<i16, Error> {
        self.fixed().map(i16::from_be_bytes)
    }

    pub(crate) fn i32(&mut self) -> Result<i32, Error> {
        self.fixed().map(i32::from_be_bytes)
    }

    pub(crate) fn i64(&mut self) -> Result<i64, Error> {
        self.fixed().map(i64::from_be_bytes)
    }

    pub(crate) fn nullable_string(&mut self) -> Result<Option<String>, Error> {
        let Ok(length) = usize::try_from(self.i16()?) else { return Ok(None) };
        let text = self.take(length)?.to_vec();
        String::from_utf8(text).map(Some).map_err(|_| self.wrong("a string that is not UTF-8"))
    }

    pub(crate) fn string(&mut self) -> Result<String, Error> {
        Ok(self.nullable_string()?.unwrap_or_default())
    }

    pub(crate) fn array<T>(
        &mut self,
        mut one: impl FnMut(&mut Self) -> Result<T, Error>,
    ) -> Result<Vec<T>, Error> {
        let count = usize::try_from(self.i32()?).unwrap_or(0);
        // Not reserved: a wrong count must cost no memory.
        let mut items = Vec::new();
        for _ in 0..count {
            items.push(one(self)?);
        }
        Ok(items)
    }

    pub(crate) fn varint(&mut self) -> Result<usize, Error> {
        let mut value = 0;
        for shift in (0..35).step_by(7) {
            let byte = self.fixed::<1>()?[0];
            value |= usize::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(self.wrong("a number that doesn't end"))
    }

    pub(crate) fn compact_string(&mut self) -> Result<(), Error> {
        let length = self.varint()?;
        self.take(length.saturating_sub(1)).map(|_| ())
    }

    pub(crate) fn tags(&mut self) -> Result<(), Error> {
        for _ in 0..self.varint()? {
            self.varint()?;
            let length = self.varint()?;
            self.take(length)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Answer;
    use crate::Error;

    fn answer(bytes: &[u8]) -> Answer {
        Answer { request: "Test", bytes: bytes.to_vec(), at: 0 }
    }

    #[test]
    fn an_answer_that_ends_too_soon_is_an_error() {
        assert_eq!(answer(&[0, 0, 0, 1, 0, 7]).array(Answer::i16).unwrap(), [7]);
        let cut = answer(&[0x7f, 0xff, 0xff, 0xff, 0, 7]).array(Answer::i16);
        assert!(matches!(cut, Err(Error::Answer { request: "Test", .. })));
        assert!(answer(&[0, 9, b'a']).string().is_err());
        assert!(answer(&[0, 1, 0xff]).string().is_err());
        assert_eq!(answer(&[0xff, 0xff]).nullable_string().unwrap(), None);
    }

    #[test]
    fn numbers_of_variable_length_end() {
        assert_eq!(answer(&[0x96, 0x01]).varint().unwrap(), 150);
        assert!(answer(&[0x80; 9]).varint().is_err());
    }
}
