//! Reading.

use std::{
    ffi::{CStr, CString, c_void},
    ptr::{self, NonNull},
    slice,
    sync::atomic::Ordering,
    time::Duration,
};

use rdkafka::{
    ClientConfig, bindings as sys,
    client::Client,
    error::{KafkaError, KafkaResult, RDKafkaErrorCode},
    types::RDKafkaType,
};

use super::{Partitions, Queue, c_string, client, failed, millis, text};
use crate::context::Context;

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
        let client = client(config, RDKafkaType::RD_KAFKA_CONSUMER)?;
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
        self.let_it_stop();
        if code == sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR { Ok(()) } else { Err(failed(code)) }
    }

    /// Waits until what was read before is not read any more. The client stops a partition on its own thread, in two steps, and
    /// ends the whole process where the partition is taken away once more in between (librdkafka issue 5573). Its thread takes
    /// one thing after the other: whatever is asked and answered twice comes behind both steps.
    fn let_it_stop(&self) {
        for _ in 0..2 {
            let mut list = ptr::null_mut();
            // SAFETY: the client lives; the list, where there is one, is given back once.
            unsafe {
                sys::rd_kafka_assignment(self.client.native_ptr(), &raw mut list);
                if !list.is_null() {
                    sys::rd_kafka_topic_partition_list_destroy(list);
                }
            }
        }
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
