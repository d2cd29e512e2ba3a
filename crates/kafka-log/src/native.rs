//! The calls of librdkafka that rdkafka has no safe form of: messages by the hundred, where the log begins and ends, a
//! topic's id. All `unsafe` of the crate is here.
#![allow(unsafe_code, reason = "the C client is called directly; why each call is sound stands at it")]

use std::{
    ffi::{CStr, CString, c_char, c_int, c_void},
    ptr::{self, NonNull},
    slice,
    sync::atomic::Ordering,
    time::Duration,
};

use rdkafka::bindings as sys;
use rdkafka::{
    ClientConfig,
    client::Client,
    error::{KafkaError, KafkaResult, RDKafkaErrorCode},
    message::BorrowedMessage,
};

use crate::context::Context;

/// What a client's calls come to when it is asked for something and answers with an error.
pub(crate) fn failed(code: sys::rd_kafka_resp_err_t) -> KafkaError {
    KafkaError::Global(code.into())
}

fn millis(patience: Duration) -> c_int {
    c_int::try_from(patience.as_millis()).unwrap_or(c_int::MAX)
}

fn c_string(text: &str) -> KafkaResult<CString> {
    CString::new(text).map_err(KafkaError::from)
}

/// The text behind a pointer that librdkafka gave.
///
/// # Safety
/// It must be null or point to a string that ends with a zero byte and is not changed meanwhile.
unsafe fn text(pointer: *const c_char) -> String {
    if pointer.is_null() {
        return String::new();
    }
    // SAFETY: as the caller says.
    unsafe { CStr::from_ptr(pointer) }.to_string_lossy().into_owned()
}

/// A list of partitions of one topic, with offsets.
struct Partitions(NonNull<sys::rd_kafka_topic_partition_list_t>);

impl Partitions {
    fn new(topic: &CStr, partitions: impl IntoIterator<Item = (u16, i64, Option<u32>)>) -> Partitions {
        // SAFETY: makes a list; it gives null only where there is no memory, where it ends the process itself.
        let list = unsafe { sys::rd_kafka_topic_partition_list_new(8) };
        let list =
            Partitions(NonNull::new(list).expect("the C client ends the process where it has no memory"));
        for (partition, offset, epoch) in partitions {
            // SAFETY: the list is ours; the element stays where it is until the next is added.
            unsafe {
                let added = sys::rd_kafka_topic_partition_list_add(
                    list.0.as_ptr(),
                    topic.as_ptr(),
                    i32::from(partition),
                );
                (*added).offset = offset;
                if let Some(epoch) = epoch.and_then(|epoch| i32::try_from(epoch).ok()) {
                    sys::rd_kafka_topic_partition_set_leader_epoch(added, epoch);
                }
            }
        }
        list
    }
}

impl Drop for Partitions {
    fn drop(&mut self) {
        // SAFETY: made by us, destroyed once.
        unsafe { sys::rd_kafka_topic_partition_list_destroy(self.0.as_ptr()) }
    }
}

/// A queue of a client, given back when it is dropped. It must not outlive the client.
struct Queue(NonNull<sys::rd_kafka_queue_t>);

impl Drop for Queue {
    fn drop(&mut self) {
        // SAFETY: made by us, destroyed once.
        unsafe { sys::rd_kafka_queue_destroy(self.0.as_ptr()) }
    }
}

// SAFETY: librdkafka's queues may be used from any thread.
unsafe impl Send for Queue {}
// SAFETY: the same.
unsafe impl Sync for Queue {}

/// One consumer of one topic, read by one thread at a time.
pub(crate) struct Consumer {
    // Before the client: it is given back first.
    queue: Queue,
    client: Client<Context>,
    topic: CString,
    messages: Vec<*mut sys::rd_kafka_message_t>,
}

// SAFETY: `messages` is empty but while `receive` runs, which takes the consumer for itself.
unsafe impl Send for Consumer {}

/// What came: records, or what keeps one partition from being read.
pub(crate) struct Received<'a> {
    pub(crate) partition: u16,
    /// Of the record; where the partition's end was reached, the next one.
    pub(crate) offset: u64,
    pub(crate) what: What<'a>,
}

pub(crate) enum What<'a> {
    Record(Message<'a>),
    /// Nothing stands from `offset` on, by now.
    End,
    Failed {
        code: RDKafkaErrorCode,
        why: String,
    },
}

/// A record as it stands in Kafka.
pub(crate) struct Message<'a> {
    pub(crate) key: &'a [u8],
    pub(crate) value: &'a [u8],
    message: &'a sys::rd_kafka_message_t,
}

impl Message<'_> {
    /// Under which leader of the partition it was written.
    pub(crate) fn epoch(&self) -> Option<u32> {
        // SAFETY: the message is not destroyed before the borrow ends.
        u32::try_from(unsafe { sys::rd_kafka_message_leader_epoch(self.message) }).ok()
    }

    /// Whether it has headers of all these names.
    pub(crate) fn has_headers(&self, names: &[&CStr]) -> bool {
        let mut headers = ptr::null_mut();
        // SAFETY: the message is not destroyed before the borrow ends, and keeps its headers; they are parsed into it by the
        // one thread that holds it.
        let found = unsafe { sys::rd_kafka_message_headers(self.message, &raw mut headers) };
        found == sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR
            && names.iter().all(|name| {
                let (mut value, mut length) = (ptr::null(), 0);
                // SAFETY: the headers are those of the message; what is found is not looked at.
                let found = unsafe {
                    sys::rd_kafka_header_get_last(headers, name.as_ptr(), &raw mut value, &raw mut length)
                };
                found == sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR
            })
    }
}

impl Consumer {
    /// A consumer that reads nothing yet. `config` names a group, of which it is never a member.
    pub(crate) fn new(config: &ClientConfig, topic: &str) -> KafkaResult<Consumer> {
        let native = config.create_native_config()?;
        // SAFETY: the configuration is not used by anybody else; the callbacks live as long as the process, and find the
        // context where `Client::new` puts it, for as long as there is a client.
        unsafe {
            sys::rd_kafka_conf_set_log_cb(native.ptr(), Some(on_log));
            sys::rd_kafka_conf_set_error_cb(native.ptr(), Some(on_error));
        }
        let context = Context::default();
        let kind = sys::rd_kafka_type_t::RD_KAFKA_CONSUMER;
        let client = Client::new(config, native, kind, context)?;
        let topic = c_string(topic)?;
        // SAFETY: the client lives; its queues are one from here on, so that callbacks are served by whoever reads.
        let queue = unsafe {
            sys::rd_kafka_poll_set_consumer(client.native_ptr());
            sys::rd_kafka_queue_get_consumer(client.native_ptr())
        };
        let queue = NonNull::new(queue)
            .ok_or_else(|| KafkaError::ClientCreation("the consumer has no queue".to_owned()))?;
        Ok(Consumer { queue: Queue(queue), client, topic, messages: Vec::new() })
    }

    /// Whether the topic was seen to be another one than before: what comes may be of the other.
    pub(crate) fn saw_another_topic(&self) -> bool {
        self.client.context().another_topic.load(Ordering::Acquire)
    }

    /// Reads these partitions and no others, each from its offset; `epoch`: under which leader the record before it was
    /// written.
    pub(crate) fn assign(&self, from: &[(u16, u64, Option<u32>)]) -> KafkaResult<()> {
        let offset =
            |(partition, offset, epoch): &(u16, u64, Option<u32>)| (*partition, *offset as i64, *epoch);
        let list = Partitions::new(&self.topic, from.iter().map(offset));
        // SAFETY: client and list live.
        let code = unsafe { sys::rd_kafka_assign(self.client.native_ptr(), list.0.as_ptr()) };
        if code == sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR { Ok(()) } else { Err(failed(code)) }
    }

    /// Waits for something, at most `patience`, then takes what is there without waiting, at most `most` records. Says how
    /// many there were.
    pub(crate) fn receive(
        &mut self,
        patience: Duration,
        most: usize,
        take: &mut dyn FnMut(Received<'_>),
    ) -> usize {
        self.messages.clear();
        self.messages.reserve(most);
        let fill = |messages: &mut Vec<*mut sys::rd_kafka_message_t>, patience, most: usize| {
            let spare = messages.spare_capacity_mut();
            let most = most.min(spare.len());
            // SAFETY: the queue lives; there is room for `most` pointers, of which as many are written as it says.
            unsafe {
                let into = spare.as_mut_ptr().cast();
                let count = sys::rd_kafka_consume_batch_queue(self.queue.0.as_ptr(), patience, into, most);
                let count = usize::try_from(count).unwrap_or(0);
                messages.set_len(messages.len() + count);
                count
            }
        };
        // The call waits until all of what is asked for is there: so it is asked for one.
        if fill(&mut self.messages, 0, most) == 0 && !patience.is_zero() {
            fill(&mut self.messages, millis(patience), 1);
            fill(&mut self.messages, 0, most.saturating_sub(1));
        }
        let count = self.messages.len();
        for pointer in self.messages.drain(..) {
            // SAFETY: librdkafka gave the message to us; nobody else has it until it is destroyed, once, below.
            let message = unsafe { &*pointer };
            if let Ok(partition) = u16::try_from(message.partition) {
                let what = what(message);
                take(Received { partition, offset: u64::try_from(message.offset).unwrap_or(0), what });
            }
            // SAFETY: nothing borrows from it any more.
            unsafe { sys::rd_kafka_message_destroy(pointer) }
        }
        count
    }

    /// Tells the cluster how far these partitions are computed, for those who watch; nothing depends on it.
    pub(crate) fn note(&self, positions: &[(u16, u64)]) {
        let offset = |(partition, offset): &(u16, u64)| (*partition, *offset as i64, None);
        let list = Partitions::new(&self.topic, positions.iter().map(offset));
        // SAFETY: client and list live; the call copies the list and does not wait.
        let code = unsafe { sys::rd_kafka_commit(self.client.native_ptr(), list.0.as_ptr(), 1) };
        if code != sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
            tracing::debug!(error = %failed(code), "the cluster was not told how far the figures are");
        }
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        // Without it the client would wait for a last answer of a group that it is not in.
        let _ = self.assign(&[]);
    }
}

fn what(message: &sys::rd_kafka_message_t) -> What<'_> {
    let bytes = |pointer: *mut c_void, length: usize| -> &[u8] {
        if pointer.is_null() || length == 0 {
            return &[];
        }
        // SAFETY: librdkafka says that so many bytes are there, and keeps them as long as the message.
        unsafe { slice::from_raw_parts(pointer.cast(), length) }
    };
    match message.err {
        sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR => What::Record(Message {
            key: bytes(message.key, message.key_len),
            value: bytes(message.payload, message.len),
            message,
        }),
        sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR__PARTITION_EOF => What::End,
        code => What::Failed {
            code: code.into(),
            // SAFETY: of a message with an error it is a text.
            why: unsafe { text(sys::rd_kafka_message_errstr(message)) },
        },
    }
}

unsafe extern "C" fn on_log(
    client: *const sys::rd_kafka_t,
    level: c_int,
    facility: *const c_char,
    line: *const c_char,
) {
    // SAFETY: librdkafka calls with texts, and with a client whose opaque `Client::new` made the context; the context
    // outlives the client.
    unsafe {
        let context = sys::rd_kafka_opaque(client).cast::<Context>();
        if let Some(context) = context.as_ref() {
            context.heard(level, &text(facility), &text(line));
        }
    }
}

unsafe extern "C" fn on_error(
    _client: *mut sys::rd_kafka_t,
    code: c_int,
    reason: *const c_char,
    context: *mut c_void,
) {
    // SAFETY: as in `on_log`.
    unsafe {
        if let Some(context) = context.cast::<Context>().as_ref() {
            context.troubled(code, &text(reason));
        }
    }
}

/// Whether a record that was not delivered was never sent, or refused by the broker: it cannot be stored.
pub(crate) fn was_not_stored(undelivered: &BorrowedMessage<'_>) -> bool {
    // SAFETY: the message lives as long as the borrow.
    let status = unsafe { sys::rd_kafka_message_status(undelivered.ptr()) };
    status == sys::rd_kafka_msg_status_t::RD_KAFKA_MSG_STATUS_NOT_PERSISTED
}

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
    client: Client<Context>,
}

impl Inquiry {
    pub(crate) fn new(config: &ClientConfig) -> KafkaResult<Inquiry> {
        let native = config.create_native_config()?;
        // SAFETY: as in `Consumer::new`.
        unsafe {
            sys::rd_kafka_conf_set_log_cb(native.ptr(), Some(on_log));
            sys::rd_kafka_conf_set_error_cb(native.ptr(), Some(on_error));
        }
        let kind = sys::rd_kafka_type_t::RD_KAFKA_PRODUCER;
        Ok(Inquiry { client: Client::new(config, native, kind, Context::default())? })
    }

    pub(crate) fn client(&self) -> &Client<Context> {
        &self.client
    }

    fn ask(
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

    /// The topic of this name; `None`: there is none.
    pub(crate) fn topic(&self, name: &str, patience: Duration) -> KafkaResult<Option<Topic>> {
        let name = c_string(name)?;
        let mut names = [name.as_ptr()];
        // SAFETY: the names are copied.
        let topics = unsafe { sys::rd_kafka_TopicCollection_of_topic_names(names.as_mut_ptr(), 1) };
        let answer = self.ask(
            sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS,
            patience,
            |_| {},
            // SAFETY: client, collection, options and queue live.
            |options, queue| unsafe {
                sys::rd_kafka_DescribeTopics(self.client.native_ptr(), topics, options, queue);
            },
        );
        // SAFETY: made above, given back once.
        unsafe { sys::rd_kafka_TopicCollection_destroy(topics) };
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
        let asked = match bound {
            Bound::First => sys::rd_kafka_OffsetSpec_t::RD_KAFKA_OFFSET_SPEC_EARLIEST as i32,
            Bound::Stable | Bound::High => sys::rd_kafka_OffsetSpec_t::RD_KAFKA_OFFSET_SPEC_LATEST as i32,
        };
        let list = Partitions::new(&name, partitions.iter().map(|at| (*at, i64::from(asked), None)));
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
struct Answer(NonNull<sys::rd_kafka_event_t>);

impl Drop for Answer {
    fn drop(&mut self) {
        // SAFETY: ours, given back once.
        unsafe { sys::rd_kafka_event_destroy(self.0.as_ptr()) }
    }
}
