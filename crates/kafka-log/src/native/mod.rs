//! The calls of librdkafka that rdkafka has no safe form of: messages by the hundred, where the log begins and ends, a
//! topic's id, its settings, who may do what. All `unsafe` of the crate is here.
#![allow(unsafe_code, reason = "the C client is called directly; why each call is sound stands at it")]

mod admin;
mod consumer;
mod inquiry;
mod producer;

use std::{
    ffi::{CStr, CString, c_char, c_int, c_void},
    ptr::NonNull,
    time::Duration,
};

use rdkafka::{
    ClientConfig, bindings as sys,
    client::Client,
    error::{KafkaError, KafkaResult},
    types::RDKafkaType,
};

pub(crate) use self::{
    admin::Rule,
    consumer::{Consumer, Message, Received, What},
    inquiry::{Bound, Inquiry, Topic},
    producer::{Fate, Headers, Outgoing, Producer, Sent},
};
use crate::context::Context;

/// A code as an error.
fn failed(code: sys::rd_kafka_resp_err_t) -> KafkaError {
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

/// A client that speaks through our callbacks.
fn client(config: &ClientConfig, kind: RDKafkaType) -> KafkaResult<Client<Context>> {
    client_with(config, kind, |_| {})
}

/// The same, with something more set.
fn client_with(
    config: &ClientConfig,
    kind: RDKafkaType,
    set: impl FnOnce(*mut sys::rd_kafka_conf_t),
) -> KafkaResult<Client<Context>> {
    let native = config.create_native_config()?;
    // SAFETY: the configuration is not used by anybody else; the callbacks live as long as the process, and find the context
    // where `Client::new` puts it, for as long as there is a client.
    unsafe {
        sys::rd_kafka_conf_set_log_cb(native.ptr(), Some(on_log));
        sys::rd_kafka_conf_set_error_cb(native.ptr(), Some(on_error));
    }
    set(native.ptr());
    Client::new(config, native, kind, Context::default())
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
