//! Questions about topics.

use std::{
    ffi::CStr,
    ptr::{self, NonNull},
    time::Duration,
};

use rdkafka::{
    ClientConfig, bindings as sys,
    client::Client,
    error::{KafkaError, KafkaResult, RDKafkaErrorCode},
    types::RDKafkaType,
};

use super::{Partitions, Queue, c_string, client, failed, millis};
use crate::context::Context;

/// A broker that is there describes a topic within this time; one that is not is waited for no longer.
const DESCRIBE: Duration = Duration::from_secs(2);
/// And says as soon who leads.
const LOOK: Duration = Duration::from_secs(1);

/// Which ends of the partitions are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bound {
    /// The first offset that there is.
    First,
    /// Behind the last that may be read: the last stable one.
    Stable,
    /// Behind the last, be it of a transaction that is not ended.
    High,
}

/// A topic as the cluster describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Topic {
    pub(crate) id: [u8; 16],
    /// The number of replicas of each partition, in their order.
    pub(crate) replicas: Vec<usize>,
}

/// Asks a cluster about its topics.
pub(crate) struct Inquiry {
    pub(super) client: Client<Context>,
}

impl Inquiry {
    pub(crate) fn new(config: &ClientConfig) -> KafkaResult<Inquiry> {
        Ok(Inquiry { client: client(config, RDKafkaType::RD_KAFKA_PRODUCER)? })
    }

    /// Asks, and waits for the answer.
    pub(super) fn ask(
        &self,
        operation: sys::rd_kafka_admin_op_t,
        patience: Duration,
        set: impl FnOnce(*mut sys::rd_kafka_AdminOptions_t),
        call: impl FnOnce(*const sys::rd_kafka_AdminOptions_t, *mut sys::rd_kafka_queue_t),
    ) -> KafkaResult<Answer> {
        let mut why = [0; 256];
        // SAFETY: options and queue are made, used and given back here; the call copies what it needs of the options. The
        // event is given back by `Answer`.
        unsafe {
            let client = self.client.native_ptr();
            let queue = sys::rd_kafka_queue_new(client);
            let queue =
                Queue(NonNull::new(queue).expect("the C client ends the process where it has no memory"));
            let options = sys::rd_kafka_AdminOptions_new(client, operation);
            sys::rd_kafka_AdminOptions_set_request_timeout(
                options,
                millis(patience),
                why.as_mut_ptr(),
                why.len(),
            );
            set(options);
            call(options, queue.0.as_ptr());
            sys::rd_kafka_AdminOptions_destroy(options);
            // The request's own time-out answers first.
            let event = sys::rd_kafka_queue_poll(queue.0.as_ptr(), millis(patience + Duration::from_secs(5)));
            // Callbacks wait on the main queue for somebody who serves them.
            sys::rd_kafka_poll(client, 0);
            let event =
                NonNull::new(event).ok_or(KafkaError::AdminOp(RDKafkaErrorCode::OperationTimedOut))?;
            let answer = Answer(event);
            match sys::rd_kafka_event_error(answer.0.as_ptr()) {
                sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR => Ok(answer),
                code => Err(KafkaError::AdminOp(code.into())),
            }
        }
    }

    /// Has the client learn anew who the controller is and who leads a topic's partitions. It sends most questions to the broker
    /// that it once heard is the controller, waits for that one where it is gone, and looks for no other; and it asks for offsets
    /// under the leaders that it knows, refused or not.
    fn look_anew(&self, topic: &CStr, patience: Duration) {
        let patience = millis(patience.min(LOOK));
        let (client, mut metadata) = (self.client.native_ptr(), ptr::null());
        // SAFETY: client and name live; topic and metadata are given back once, where there are any. One topic is asked about: of
        // none, the client would ask about all that it has heard of and have those made that are gone.
        unsafe {
            let topic = sys::rd_kafka_topic_new(client, topic.as_ptr(), ptr::null_mut());
            if topic.is_null() {
                return;
            }
            let code = sys::rd_kafka_metadata(client, 0, topic, &raw mut metadata, patience);
            if code == sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
                sys::rd_kafka_metadata_destroy(metadata);
            } else {
                tracing::debug!(error = %failed(code), "no broker says who leads");
            }
            sys::rd_kafka_topic_destroy(topic);
        }
    }

    /// The topic of this name; `None`: there is none.
    pub(crate) fn topic(&self, name: &str, patience: Duration) -> KafkaResult<Option<Topic>> {
        let name = c_string(name)?;
        let mut names = [name.as_ptr()];
        // SAFETY: the names are copied.
        let topics = unsafe { sys::rd_kafka_TopicCollection_of_topic_names(names.as_mut_ptr(), 1) };
        let answer = self.ask(
            sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS,
            patience.min(DESCRIBE),
            |_| {},
            // SAFETY: client, collection, options and queue live.
            |options, queue| unsafe {
                sys::rd_kafka_DescribeTopics(self.client.native_ptr(), topics, options, queue);
            },
        );
        // SAFETY: made above, given back once.
        unsafe { sys::rd_kafka_TopicCollection_destroy(topics) };
        if answer.is_err() {
            self.look_anew(&name, patience);
        }
        let answer = answer?;
        // SAFETY: all of what is read belongs to the event, which lives until the end.
        unsafe {
            let result = sys::rd_kafka_event_DescribeTopics_result(answer.0.as_ptr());
            let mut count = 0;
            let topics = sys::rd_kafka_DescribeTopics_result_topics(result, &raw mut count);
            if result.is_null() || count == 0 {
                return Ok(None);
            }
            let topic = *topics;
            match sys::rd_kafka_error_code(sys::rd_kafka_TopicDescription_error(topic)) {
                sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR => {}
                sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART
                | sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_ID => return Ok(None),
                code => return Err(KafkaError::AdminOp(code.into())),
            }
            let id = sys::rd_kafka_TopicDescription_topic_id(topic);
            let high = sys::rd_kafka_Uuid_most_significant_bits(id).to_be_bytes();
            let low = sys::rd_kafka_Uuid_least_significant_bits(id).to_be_bytes();
            let mut topic_id = [0; 16];
            topic_id[..8].copy_from_slice(&high);
            topic_id[8..].copy_from_slice(&low);
            let mut count = 0;
            let partitions = sys::rd_kafka_TopicDescription_partitions(topic, &raw mut count);
            let mut replicas = vec![0; count];
            for at in 0..count {
                let partition = *partitions.add(at);
                let number = sys::rd_kafka_TopicPartitionInfo_partition(partition);
                let mut of_it = 0;
                sys::rd_kafka_TopicPartitionInfo_replicas(partition, &raw mut of_it);
                if let Some(replicas) = usize::try_from(number).ok().and_then(|at| replicas.get_mut(at)) {
                    *replicas = of_it;
                }
            }
            Ok(Some(Topic { id: topic_id, replicas }))
        }
    }

    /// A bound of each of these partitions, in their order.
    pub(crate) fn offsets(
        &self,
        topic: &str,
        partitions: &[u16],
        bound: Bound,
        patience: Duration,
    ) -> KafkaResult<Vec<u64>> {
        let name = c_string(topic)?;
        let found = self.offsets_by_leaders(&name, partitions, bound, patience);
        if found.is_err() {
            self.look_anew(&name, patience);
        }
        found
    }

    /// The same, under the leaders that the client knows.
    fn offsets_by_leaders(
        &self,
        name: &CStr,
        partitions: &[u16],
        bound: Bound,
        patience: Duration,
    ) -> KafkaResult<Vec<u64>> {
        let asked = match bound {
            Bound::First => sys::rd_kafka_OffsetSpec_t::RD_KAFKA_OFFSET_SPEC_EARLIEST as i32,
            Bound::Stable | Bound::High => sys::rd_kafka_OffsetSpec_t::RD_KAFKA_OFFSET_SPEC_LATEST as i32,
        };
        let list = Partitions::new(name, partitions.iter().map(|at| (*at, i64::from(asked), None)));
        let isolation = match bound {
            Bound::Stable => sys::rd_kafka_IsolationLevel_t::RD_KAFKA_ISOLATION_LEVEL_READ_COMMITTED,
            Bound::First | Bound::High => {
                sys::rd_kafka_IsolationLevel_t::RD_KAFKA_ISOLATION_LEVEL_READ_UNCOMMITTED
            }
        };
        let answer = self.ask(
            sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_LISTOFFSETS,
            patience,
            // SAFETY: the options live; an error, which this level cannot give, would be given back.
            |options| unsafe {
                let error = sys::rd_kafka_AdminOptions_set_isolation_level(options, isolation);
                if !error.is_null() {
                    sys::rd_kafka_error_destroy(error);
                }
            },
            // SAFETY: client, list, options and queue live.
            |options, queue| unsafe {
                sys::rd_kafka_ListOffsets(self.client.native_ptr(), list.0.as_ptr(), options, queue);
            },
        )?;
        let mut found: Vec<Option<u64>> = vec![None; partitions.len()];
        // SAFETY: all of what is read belongs to the event, which lives until the end.
        unsafe {
            let result = sys::rd_kafka_event_ListOffsets_result(answer.0.as_ptr());
            if result.is_null() {
                return Err(KafkaError::AdminOp(RDKafkaErrorCode::BadMessage));
            }
            let mut count = 0;
            let infos = sys::rd_kafka_ListOffsets_result_infos(result, &raw mut count);
            for at in 0..count {
                let partition = &*sys::rd_kafka_ListOffsetsResultInfo_topic_partition(*infos.add(at));
                if partition.err != sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
                    return Err(KafkaError::AdminOp(partition.err.into()));
                }
                let place = partitions.iter().position(|asked| i32::from(*asked) == partition.partition);
                if let (Some(place), Ok(offset)) = (place, u64::try_from(partition.offset)) {
                    found[place] = Some(offset);
                }
            }
        }
        let found: Option<Vec<u64>> = found.into_iter().collect();
        found.ok_or(KafkaError::AdminOp(RDKafkaErrorCode::LeaderNotAvailable))
    }
}

/// The answer to a question, given back when it is dropped.
pub(super) struct Answer(pub(super) NonNull<sys::rd_kafka_event_t>);

impl Drop for Answer {
    fn drop(&mut self) {
        // SAFETY: ours, given back once.
        unsafe { sys::rd_kafka_event_destroy(self.0.as_ptr()) }
    }
}
