//! Appending: every record is answered with its offset, or with the plain truth that nobody knows.

use std::{
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use event_log::{Append, AppendError, Completer, PartitionReader, ReadError, Ticket};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::{
    core::Core,
    headers::headers,
    native::{Bound, Fate, Outgoing, Producer, Sent},
    reader::Reader,
};

/// What is under way when a log is closed is waited for; what the client itself gives up after comes first.
const FLUSH: Duration = Duration::from_secs(90);
const READ_BYTES: usize = 1 << 20;
/// How often it is looked whether the topic is still the same.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// And how long that may keep from sending.
const LOOK: Duration = Duration::from_millis(250);

/// A producer, and a thread that finds out what became of records whose fate nobody told.
pub(crate) struct Appending {
    /// Before the thread: what is given up when it goes still wants to be settled.
    producer: Option<Producer<InFlight>>,
    settling: Option<JoinHandle<()>>,
    told: Option<Arc<Told>>,
    core: Arc<Core>,
    looked: Mutex<Instant>,
}

/// Where it is noted what became of records.
struct Told {
    /// Behind the last record of each partition that was delivered: nothing that is under way stands before it.
    delivered: Vec<AtomicU64>,
    unsettled: Sender<Unsettled>,
}

/// A record under way.
struct InFlight {
    batch: Arc<Batch>,
    /// Its place in the batch.
    at: usize,
    /// It cannot stand before this offset.
    low: u64,
    told: Arc<Told>,
}

struct Batch(Mutex<State>);

struct State {
    left: usize,
    offsets: Vec<u64>,
    doubts: Vec<Doubt>,
    completer: Option<Completer>,
}

/// A record that has no offset.
struct Doubt {
    at: usize,
    /// Of what the log has to be searched for: partition, bytes, and from where. `None`: it was never sent.
    sought: Option<(u16, Vec<u8>, u64)>,
    why: KafkaError,
}

/// A batch of which some records have no offset.
struct Unsettled {
    offsets: Vec<u64>,
    doubts: Vec<Doubt>,
    completer: Completer,
}

impl Batch {
    fn settle(&self, at: usize, fate: Result<u64, Doubt>, unsettled: &Sender<Unsettled>) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match fate {
            Ok(offset) => state.offsets[at] = offset,
            Err(doubt) => state.doubts.push(doubt),
        }
        state.left -= 1;
        if state.left > 0 {
            return;
        }
        let Some(completer) = state.completer.take() else { return };
        let (offsets, doubts) = (std::mem::take(&mut state.offsets), std::mem::take(&mut state.doubts));
        drop(state);
        if doubts.is_empty() {
            completer.complete(Ok(offsets));
        } else if let Err(unsent) = unsettled.send(Unsettled { offsets, doubts, completer }) {
            // Nobody searches any more: the completer says that it is not known.
            drop(unsent);
        }
    }
}

impl Sent for InFlight {
    fn told(self: Box<Self>, fate: Fate<'_>) {
        let InFlight { batch, at, low, told } = *self;
        let outcome = match fate.offset {
            Ok(Some(offset)) => {
                if let Some(delivered) = told.delivered.get(usize::from(fate.partition)) {
                    delivered.fetch_max(offset + 1, Ordering::Relaxed);
                }
                Ok(offset)
            }
            // The broker had it already from a try before, and does not say where.
            Ok(None) => {
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::DuplicateSequenceNumber), false))
            }
            Err(why) => Err((why, fate.is_not_stored)),
        };
        let outcome = outcome.map_err(|(why, is_not_stored)| {
            let sought = (!is_not_stored).then(|| (fate.partition, fate.bytes.to_vec(), low));
            Doubt { at, sought, why }
        });
        batch.settle(at, outcome, &told.unsettled);
    }
}

impl Appending {
    pub(crate) fn new(core: &Arc<Core>) -> Result<Appending, AppendError> {
        let unavailable = |source: io::Error| AppendError::Unavailable {
            action: format!("{} does not answer: send it again when it does", core.place()),
            source: Some(Arc::new(source)),
        };
        // What is under way can only stand behind what there is now.
        core.still_the_same(crate::core::PATIENCE).map_err(replaced)?;
        let ends =
            core.offsets(&core.all(), Bound::High).map_err(|error| unavailable(io::Error::other(error)))?;
        let (unsettled, doubts) = channel();
        let told = Told { delivered: ends.into_iter().map(AtomicU64::new).collect(), unsettled };
        let producer = Producer::new(&core.settings.for_appending(&core.address), &core.topic)
            .map_err(|error| unavailable(io::Error::other(error)))?;
        let searched = Arc::clone(core);
        let settling = thread::Builder::new()
            .name("kafka-log-settle".to_owned())
            .spawn(move || settle(&searched, &doubts))
            .map_err(unavailable)?;
        Ok(Appending {
            producer: Some(producer),
            settling: Some(settling),
            told: Some(Arc::new(told)),
            core: Arc::clone(core),
            looked: Mutex::new(Instant::now()),
        })
    }

    /// Looks now and then whether the topic is still the one that was opened: the client appends to whichever has its name.
    pub(crate) fn look(&self) -> Result<(), AppendError> {
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        if looked.elapsed() < LOOK_EVERY {
            return Ok(());
        }
        // Brokers that do not answer now are waited for by what is sent; what one says in a hurry is asked again.
        if let Err(ReadError::Replaced { .. }) = self.core.still_the_same(LOOK)
            && let Err(error @ ReadError::Replaced { .. }) = self.core.still_the_same(crate::core::PATIENCE)
        {
            return Err(replaced(error));
        }
        *looked = Instant::now();
        Ok(())
    }

    /// The producer cannot be used any more; what is under way is still told.
    pub(crate) fn is_broken(&self) -> bool {
        self.producer.as_ref().is_none_or(Producer::is_broken)
    }

    pub(crate) fn append(&self, batch: &[Append<'_>]) -> Ticket {
        let (completer, ticket) = Ticket::pair();
        if batch.is_empty() {
            completer.complete(Ok(Vec::new()));
            return ticket;
        }
        let state = State {
            left: batch.len(),
            offsets: vec![0; batch.len()],
            doubts: Vec::new(),
            completer: Some(completer),
        };
        let shared = Arc::new(Batch(Mutex::new(state)));
        let (Some(producer), Some(told)) = (&self.producer, &self.told) else { return ticket };
        for (at, Append { partition, key, bytes }) in batch.iter().enumerate() {
            let low = told.delivered[usize::from(*partition)].load(Ordering::Relaxed);
            let in_flight = InFlight { batch: Arc::clone(&shared), at, low, told: Arc::clone(told) };
            let outgoing = Outgoing { partition: *partition, key, value: bytes };
            producer.send(&outgoing, headers(self.core.contents, bytes), Box::new(in_flight));
        }
        ticket
    }
}

/// The log is not the one that was opened.
fn replaced(error: ReadError) -> AppendError {
    match error {
        ReadError::Replaced { .. } => AppendError::Refused(error.to_string()),
        error => AppendError::Unavailable {
            action: "send it again when the brokers answer".to_owned(),
            source: Some(Arc::new(io::Error::other(error))),
        },
    }
}

impl Drop for Appending {
    fn drop(&mut self) {
        if self.producer.take().is_some_and(|producer| !producer.flush(FLUSH)) {
            tracing::warn!(topic = %self.core.topic, "records were still under way when the log was closed");
        }
        // With the last of it the settling ends.
        self.told = None;
        if self.settling.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("a thread of the Kafka log panicked");
        }
    }
}

/// Finds out what became of records without an offset, until nobody sends any more.
fn settle(core: &Core, unsettled: &Receiver<Unsettled>) {
    for Unsettled { mut offsets, doubts, completer } in unsettled {
        let records = offsets.len();
        let (mut never, mut unknown) = (Vec::new(), Vec::new());
        for Doubt { at, sought, why } in doubts {
            let found = match &sought {
                None => None,
                Some((partition, bytes, low)) => match find(core, *partition, *low, bytes) {
                    Ok(found) => found,
                    Err(error) => {
                        tracing::info!(partition, %error, "what became of a record cannot be looked up now");
                        None
                    }
                },
            };
            match found {
                Some(offset) => offsets[at] = offset,
                None if sought.is_none() => never.push(why),
                None => unknown.push(why),
            }
        }
        let source = |why: &KafkaError| Some(Arc::new(io::Error::other(why.clone())));
        completer.complete(match (never.first(), unknown.first()) {
            (None, None) => Ok(offsets),
            (Some(why), None) if never.len() == records => Err(AppendError::Unavailable {
                action: format!("send it again when {} takes records", core.place()),
                source: source(why),
            }),
            (Some(why), _) | (_, Some(why)) => Err(AppendError::Unknown {
                action: "records that may be stored are found by their event ids: send the batch again, what is stored is \
                         known then"
                    .to_owned(),
                source: source(why),
            }),
        });
    }
}

/// Where these bytes stand in a partition, at `low` or after it.
fn find(core: &Core, partition: u16, low: u64, bytes: &[u8]) -> Result<Option<u64>, ReadError> {
    let mut reader = Reader::new(core, partition, low)?;
    while let Some(batch) = reader.next_batch(READ_BYTES)? {
        if let Some(record) = batch.iter().find(|record| record.bytes == bytes) {
            return Ok(Some(record.offset));
        }
    }
    Ok(None)
}
