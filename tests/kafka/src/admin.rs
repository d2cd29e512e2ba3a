//! What tests ask of a cluster's topics, over the harness's own protocol client.

use crate::{
    Cluster, Error, Node,
    cluster::wait_for,
    node::PATIENCE,
    wire::{self, Answer, Api, Connection, Request},
};

/// How long a broker may take to do what it is asked, in milliseconds.
const TIMEOUT_MS: i32 = 30_000;
const NOT_THERE: i16 = 3;
const LEADER_NOT_AVAILABLE: i16 = 5;
const NOT_LEADER: i16 = 6;
const NOT_CONTROLLER: i16 = 41;
const ELECTION_NOT_NEEDED: i16 = 84;
/// `ListOffsets`: the time that stands for the first offset, and for the end.
const EARLIEST: i64 = -2;
const LATEST: i64 = -1;
const UNCLEAN: i8 = 1;
const TOPIC_RESOURCE: i8 = 2;
const SET: i8 = 0;

/// One partition of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// Its number.
    pub index: i32,
    /// The id of the broker that leads it.
    pub leader: Option<u32>,
    /// The ids of the brokers that hold it, the preferred leader first.
    pub replicas: Vec<u32>,
    /// Those of them that are in sync.
    pub in_sync: Vec<u32>,
}

impl Cluster {
    /// Makes a topic, and waits until every broker that runs knows the leaders of all its partitions.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with the broker's words.
    pub fn create_topic(
        &self,
        name: &str,
        partitions: i32,
        replicas: i16,
        configs: &[(&str, &str)],
    ) -> Result<(), Error> {
        let mut request = || {
            let mut request = Request::new();
            request.array(&[name], |request, name| {
                request.string(name);
                request.i32(partitions);
                request.i16(replicas);
                request.i32(0); // no assignment by hand
                request.array(configs, |request, (name, value)| {
                    request.string(name);
                    request.string(value);
                });
            });
            request.i32(TIMEOUT_MS);
            request.i8(0); // not only validated
            request
        };
        self.settle(wire::CREATE_TOPICS, name, &mut request, |answer| {
            answer.i32()?; // throttle
            let codes = answer.array(|answer| {
                answer.string()?;
                Ok((answer.i16()?, answer.nullable_string()?))
            })?;
            Ok(codes.into_iter().next().unwrap_or_default())
        })?;
        let wanted = usize::try_from(partitions).unwrap_or(0);
        wait_for(&format!("topic {name} on every broker"), PATIENCE, || {
            Ok(self
                .answering()
                .all(|node| {
                    let known = Connection::open(node.port()).and_then(|mut c| c.metadata(Some(&[name])));
                    known.is_ok_and(|known| {
                        let partitions = known.topics.first().map(|topic| &topic.partitions[..]);
                        partitions.is_some_and(|p| p.len() == wanted && p.iter().all(|p| p.leader >= 0))
                    })
                })
                .then_some(()))
        })
    }

    /// Removes a topic, and waits until no broker that runs knows it.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with the broker's words.
    pub fn delete_topic(&self, name: &str) -> Result<(), Error> {
        let mut request = || {
            let mut request = Request::new();
            request.array(&[name], |request, name| request.string(name));
            request.i32(TIMEOUT_MS);
            request
        };
        self.settle(wire::DELETE_TOPICS, name, &mut request, |answer| {
            answer.i32()?; // throttle
            let codes = answer.array(|answer| {
                answer.string()?;
                answer.i16()
            })?;
            Ok((codes.first().copied().unwrap_or(NOT_THERE), None))
        })?;
        wait_for(&format!("topic {name} to be gone"), PATIENCE, || {
            Ok(self
                .answering()
                .all(|node| {
                    let known = Connection::open(node.port()).and_then(|mut c| c.metadata(Some(&[name])));
                    known.is_ok_and(|known| known.topics.is_empty())
                })
                .then_some(()))
        })
    }

    /// Sets one property of a topic.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with the broker's words.
    pub fn set_topic_config(&self, topic: &str, property: &str, value: &str) -> Result<(), Error> {
        let mut request = || {
            let mut request = Request::new();
            request.array(&[topic], |request, topic| {
                request.i8(TOPIC_RESOURCE);
                request.string(topic);
                request.array(&[(property, value)], |request, (property, value)| {
                    request.string(property);
                    request.i8(SET);
                    request.string(value);
                });
            });
            request.i8(0); // not only validated
            request
        };
        self.settle(wire::ALTER_CONFIGS, topic, &mut request, |answer| {
            answer.i32()?; // throttle
            let codes = answer.array(|answer| {
                let code = (answer.i16()?, answer.nullable_string()?);
                answer.i8()?;
                answer.string()?;
                Ok(code)
            })?;
            Ok(codes.into_iter().next().unwrap_or_default())
        })
    }

    /// A topic's partitions as a broker that runs knows them; none if there is no such topic.
    ///
    /// # Errors
    ///
    /// [`Error::NoBroker`] if none answers.
    pub fn partitions(&self, topic: &str) -> Result<Vec<Partition>, Error> {
        let metadata = self.ask(|connection| connection.metadata(Some(&[topic])))?;
        let ids = |ids: Vec<i32>| ids.into_iter().filter_map(|id| u32::try_from(id).ok()).collect();
        let topic = metadata.topics.into_iter().next();
        let partitions = topic.map(|topic| topic.partitions).unwrap_or_default();
        Ok(partitions
            .into_iter()
            .map(|partition| Partition {
                index: partition.index,
                leader: u32::try_from(partition.leader).ok(),
                replicas: ids(partition.replicas),
                in_sync: ids(partition.in_sync),
            })
            .collect())
    }

    /// The id of the broker that leads a partition; `None` while there is no leader.
    ///
    /// # Errors
    ///
    /// [`Error::NoPartition`], [`Error::NoBroker`].
    pub fn leader_of(&self, topic: &str, partition: i32) -> Result<Option<u32>, Error> {
        let partitions = self.partitions(topic)?;
        let found = partitions.into_iter().find(|found| found.index == partition);
        found.map(|found| found.leader).ok_or_else(|| Error::NoPartition { topic: topic.into(), partition })
    }

    /// Waits until another broker than `old` leads a partition, and gives its id.
    ///
    /// # Errors
    ///
    /// [`Error::Late`], and those of [`Cluster::leader_of`].
    pub fn wait_for_other_leader(&self, topic: &str, partition: i32, old: u32) -> Result<u32, Error> {
        wait_for(&format!("another leader of {topic}-{partition} than {old}"), PATIENCE, || {
            Ok(self.leader_of(topic, partition)?.filter(|leader| *leader != old))
        })
    }

    /// Waits until all replicas of a topic are in sync: after a broker came back, before the next one goes.
    ///
    /// # Errors
    ///
    /// [`Error::Late`], and those of [`Cluster::partitions`].
    pub fn wait_in_sync(&self, topic: &str) -> Result<(), Error> {
        wait_for(&format!("all replicas of {topic} to be in sync"), PATIENCE, || {
            let partitions = self.partitions(topic)?;
            let whole = |p: &Partition| p.leader.is_some() && p.in_sync.len() == p.replicas.len();
            Ok((!partitions.is_empty() && partitions.iter().all(whole)).then_some(()))
        })
    }

    /// The id of the controller that leads the others.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] while they elect one, [`Error::NoBroker`].
    pub fn controller(&self) -> Result<u32, Error> {
        let topic = "__cluster_metadata";
        self.ask(|connection| {
            let mut request = Request::new();
            request.compact(1);
            request.compact_string(topic);
            request.compact(1);
            request.i32(0);
            request.no_tags();
            request.no_tags();
            request.no_tags();
            let mut answer = connection.call(wire::DESCRIBE_QUORUM, request)?;
            let refused = |code| refused(wire::DESCRIBE_QUORUM, topic.into(), code);
            match answer.i16()? {
                0 => {}
                code => return Err(refused(code)),
            }
            // One topic with one partition was asked for.
            answer.varint()?;
            answer.compact_string()?;
            answer.varint()?;
            answer.i32()?;
            match answer.i16()? {
                0 => {}
                code => return Err(refused(code)),
            }
            let leader = answer.i32()?;
            u32::try_from(leader).map_err(|_| refused(LEADER_NOT_AVAILABLE))
        })
    }

    /// Each partition's end: the offset that its next record gets (the high watermark).
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] by a partition's leader, [`Error::Late`] if a partition has none.
    pub fn end_offsets(&self, topic: &str) -> Result<Vec<i64>, Error> {
        self.offsets(topic, LATEST)
    }

    /// Each partition's first offset that is still there.
    ///
    /// # Errors
    ///
    /// As [`Cluster::end_offsets`].
    pub fn start_offsets(&self, topic: &str) -> Result<Vec<i64>, Error> {
        self.offsets(topic, EARLIEST)
    }

    fn offsets(&self, topic: &str, at: i64) -> Result<Vec<i64>, Error> {
        wait_for(&format!("{} of {topic}", wire::LIST_OFFSETS.name), PATIENCE, || {
            let partitions = self.partitions(topic)?;
            if partitions.is_empty() {
                return Err(Error::NoPartition { topic: topic.into(), partition: 0 });
            }
            let mut offsets = vec![None; partitions.len()];
            for node in self.answering() {
                let led = |partition: &&Partition| partition.leader == Some(node.id());
                let led: Vec<i32> = partitions.iter().filter(led).map(|partition| partition.index).collect();
                if led.is_empty() {
                    continue;
                }
                // A leader that is going down closes its connections: there will be another.
                let Ok(mut connection) = Connection::open(node.port()) else { return Ok(None) };
                let request = offsets_request(topic, &led, at);
                let Ok(mut answer) = connection.call(wire::LIST_OFFSETS, request) else { return Ok(None) };
                let found = answer.array(|answer| {
                    answer.string()?;
                    answer.array(|answer| {
                        let index = answer.i32()?;
                        let code = answer.i16()?;
                        answer.i64()?; // time
                        Ok((index, code, answer.i64()?))
                    })
                })?;
                for (index, code, offset) in found.into_iter().flatten() {
                    let place = usize::try_from(index).ok().and_then(|index| offsets.get_mut(index));
                    match (code, place) {
                        (0, Some(place)) => *place = Some(offset),
                        (LEADER_NOT_AVAILABLE | NOT_LEADER, _) => {}
                        (code, _) => {
                            return Err(refused(wire::LIST_OFFSETS, format!("{topic}-{index}"), code));
                        }
                    }
                }
            }
            // All, or again: leadership moves.
            Ok(offsets.into_iter().collect())
        })
    }

    /// Removes a partition's records before an offset (-1: all there are), and gives the first offset that is left.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] by the partition's leader.
    pub fn delete_records(&self, topic: &str, partition: i32, before: i64) -> Result<i64, Error> {
        let mut request = || {
            let mut request = Request::new();
            request.array(&[topic], |request, topic| {
                request.string(topic);
                request.array(&[partition], |request, partition| {
                    request.i32(*partition);
                    request.i64(before);
                });
            });
            request.i32(TIMEOUT_MS);
            request
        };
        self.of_leader(wire::DELETE_RECORDS, topic, partition, &mut request, |answer| {
            answer.i32()?; // throttle
            let partitions = answer.array(|answer| {
                answer.string()?;
                answer.array(|answer| {
                    answer.i32()?;
                    let low = answer.i64()?;
                    Ok((answer.i16()?, low))
                })
            })?;
            Ok(partitions.into_iter().flatten().next().unwrap_or((NOT_THERE, 0)))
        })
    }

    /// Forces a leader upon a partition whose replicas in sync are all gone: one that lacks records may lead, and what it lacks
    /// is lost. Allows it for the topic first. Gives the leader's id.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with the controller's words; [`Error::Late`] if nobody leads after it.
    pub fn elect_unclean(&self, topic: &str, partition: i32) -> Result<u32, Error> {
        self.set_topic_config(topic, "unclean.leader.election.enable", "true")?;
        let mut request = || {
            let mut request = Request::new();
            request.i8(UNCLEAN);
            request.array(&[topic], |request, topic| {
                request.string(topic);
                request.array(&[partition], |request, partition| request.i32(*partition));
            });
            request.i32(TIMEOUT_MS);
            request
        };
        self.settle(wire::ELECT_LEADERS, topic, &mut request, |answer| {
            answer.i32()?; // throttle
            match answer.i16()? {
                0 => {}
                code => return Ok((code, None)),
            }
            let results = answer.array(|answer| {
                answer.string()?;
                answer.array(|answer| {
                    answer.i32()?;
                    Ok((answer.i16()?, answer.nullable_string()?))
                })
            })?;
            match results.into_iter().flatten().next() {
                // Allowing it was enough: the controller was faster.
                None | Some((ELECTION_NOT_NEEDED, _)) => Ok((0, None)),
                Some(result) => Ok(result),
            }
        })?;
        wait_for(&format!("a leader of {topic}-{partition}"), PATIENCE, || self.leader_of(topic, partition))
    }

    /// Brokers that can be asked.
    fn answering(&self) -> impl Iterator<Item = &Node> {
        self.nodes().iter().filter(|node| node.can_answer())
    }

    /// Asks one broker after the other until one answers.
    fn ask<T>(&self, mut question: impl FnMut(&mut Connection) -> Result<T, Error>) -> Result<T, Error> {
        let mut failed = Error::NoBroker;
        for node in self.answering() {
            match Connection::open(node.port()).and_then(|mut connection| question(&mut connection)) {
                Ok(answer) => return Ok(answer),
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }

    /// Has any broker do something; again while the cluster is between two controllers.
    fn settle(
        &self,
        api: Api,
        about: &str,
        request: &mut dyn FnMut() -> Request,
        read: impl Fn(&mut Answer) -> Result<(i16, Option<String>), Error>,
    ) -> Result<(), Error> {
        wait_for(&format!("{} of {about}", api.name), PATIENCE, || {
            let (code, message) = self.ask(|connection| read(&mut connection.call(api, request())?))?;
            match code {
                0 => Ok(Some(())),
                NOT_CONTROLLER => Ok(None),
                code => Err(Error::Refused { request: api.name, about: about.into(), code, message }),
            }
        })
    }

    /// Asks the leader of a partition; again while leadership moves.
    fn of_leader<T>(
        &self,
        api: Api,
        topic: &str,
        partition: i32,
        request: &mut dyn FnMut() -> Request,
        read: impl Fn(&mut Answer) -> Result<(i16, T), Error>,
    ) -> Result<T, Error> {
        let about = format!("{topic}-{partition}");
        wait_for(&format!("{} of {about}", api.name), PATIENCE, || {
            let Some(leader) = self.leader_of(topic, partition)? else { return Ok(None) };
            if !self.node(leader).can_answer() {
                return Ok(None);
            }
            // A leader that is going down closes its connections: there will be another.
            let Ok(mut connection) = Connection::open(self.node(leader).port()) else { return Ok(None) };
            let Ok(mut answer) = connection.call(api, request()) else { return Ok(None) };
            match read(&mut answer)? {
                (0, found) => Ok(Some(found)),
                (LEADER_NOT_AVAILABLE | NOT_LEADER, _) => Ok(None),
                (code, _) => {
                    Err(Error::Refused { request: api.name, about: about.clone(), code, message: None })
                }
            }
        })
    }
}

fn offsets_request(topic: &str, partitions: &[i32], at: i64) -> Request {
    let mut request = Request::new();
    request.i32(-1); // not a replica
    request.array(&[topic], |request, topic| {
        request.string(topic);
        request.array(partitions, |request, partition| {
            request.i32(*partition);
            request.i64(at);
        });
    });
    request
}

fn refused(api: Api, about: String, code: i16) -> Error {
    Error::Refused { request: api.name, about, code, message: None }
}
