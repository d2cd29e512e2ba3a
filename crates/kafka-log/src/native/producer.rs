//! Writing.

use std::{
    ffi::{CStr, c_void},
    marker::PhantomData,
    ptr::{self, NonNull},
    slice,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use rdkafka::{
    ClientConfig, bindings as sys,
    client::Client,
    error::{KafkaError, KafkaResult},
    types::RDKafkaType,
};

use super::{c_string, client_with, failed, millis};
use crate::context::Context;

/// How long the thread that hears of deliveries waits at a time.
const POLL: Duration = Duration::from_millis(100);

/// Hears what became of one record.
pub(crate) trait Sent: Send + 'static {
    /// Called once, on another thread.
    fn told(self: Box<Self>, fate: Fate<'_>);
}

/// What became of a record.
pub(crate) struct Fate<'a> {
    pub(crate) partition: u16,
    pub(crate) bytes: &'a [u8],
    /// `None`: the broker has it, and did not say where.
    pub(crate) offset: Result<Option<u64>, KafkaError>,
    /// It cannot be stored: it was never sent, or the broker refused it.
    pub(crate) is_not_stored: bool,
}

/// A record to be sent.
pub(crate) struct Outgoing<'a> {
    pub(crate) partition: u16,
    pub(crate) key: &'a [u8],
    pub(crate) value: &'a [u8],
}

/// Headers of a record.
pub(crate) struct Headers(NonNull<sys::rd_kafka_headers_t>);

impl Headers {
    pub(crate) fn with_capacity(count: usize) -> Headers {
        // SAFETY: makes a list; it gives null only where there is no memory, where it ends the process itself.
        let made = unsafe { sys::rd_kafka_headers_new(count) };
        Headers(NonNull::new(made).expect("the C client ends the process where it has no memory"))
    }

    pub(crate) fn add(&mut self, name: &CStr, value: &str) {
        let length = name.to_bytes().len() as isize;
        // SAFETY: the list is ours; name and value are copied. It fails only for a list that is being read.
        unsafe {
            let (list, value, bytes) = (self.0.as_ptr(), value.as_ptr().cast(), value.len() as isize);
            sys::rd_kafka_header_add(list, name.as_ptr(), length, value, bytes);
        }
    }
}

impl Drop for Headers {
    fn drop(&mut self) {
        // SAFETY: ours, given back once: whoever gives them to a message forgets them.
        unsafe { sys::rd_kafka_headers_destroy(self.0.as_ptr()) }
    }
}

/// A producer for one topic.
pub(crate) struct Producer<T> {
    topic: NonNull<sys::rd_kafka_topic_t>,
    client: Arc<Client<Context>>,
    is_over: Arc<AtomicBool>,
    listening: Option<JoinHandle<()>>,
    sent: PhantomData<fn(T)>,
}

// SAFETY: librdkafka's topics and clients may be used from any thread.
unsafe impl<T> Send for Producer<T> {}
// SAFETY: the same.
unsafe impl<T> Sync for Producer<T> {}

impl<T: Sent> Producer<T> {
    pub(crate) fn new(config: &ClientConfig, topic: &str) -> KafkaResult<Producer<T>> {
        let client = client_with(config, RDKafkaType::RD_KAFKA_PRODUCER, |native| {
            // SAFETY: the configuration is not used by anybody else; every record of this client has a `T` with it.
            unsafe { sys::rd_kafka_conf_set_dr_msg_cb(native, Some(on_delivery::<T>)) }
        })?;
        let name = c_string(topic)?;
        // SAFETY: the client lives; the name is copied.
        let topic = unsafe { sys::rd_kafka_topic_new(client.native_ptr(), name.as_ptr(), ptr::null_mut()) };
        let topic =
            NonNull::new(topic).ok_or_else(|| KafkaError::ClientCreation("the topic's name".to_owned()))?;
        let (client, is_over) = (Arc::new(client), Arc::new(AtomicBool::new(false)));
        let (heard, stop) = (Arc::clone(&client), Arc::clone(&is_over));
        let listen = move || {
            while !stop.load(Ordering::Acquire) {
                // SAFETY: the client lives.
                unsafe { sys::rd_kafka_poll(heard.native_ptr(), millis(POLL)) };
            }
        };
        let listening = thread::Builder::new().name("kafka-log-deliver".to_owned()).spawn(listen);
        let listening = listening.map_err(|error| KafkaError::ClientCreation(error.to_string()))?;
        Ok(Producer { topic, client, is_over, listening: Some(listening), sent: PhantomData })
    }

    /// Hands a record to the client, which copies it; waits while its queue is full. What becomes of it `sent` is told; where
    /// the client does not take it, at once.
    pub(crate) fn send(&self, record: &Outgoing<'_>, headers: Option<Headers>, sent: Box<T>) {
        use sys::rd_kafka_vtype_t as Kind;
        let memory = |bytes: &[u8]| sys::rd_kafka_vu_s__bindgen_ty_1__bindgen_ty_1 {
            ptr: bytes.as_ptr().cast_mut().cast(),
            size: bytes.len(),
        };
        let sent = Box::into_raw(sent);
        let flags = sys::RD_KAFKA_MSG_F_COPY | sys::RD_KAFKA_MSG_F_BLOCK;
        let part = |vtype, u| sys::rd_kafka_vu_t { vtype, u };
        type Of = sys::rd_kafka_vu_s__bindgen_ty_1;
        let mut parts = [
            part(Kind::RD_KAFKA_VTYPE_RKT, Of { rkt: self.topic.as_ptr() }),
            part(Kind::RD_KAFKA_VTYPE_PARTITION, Of { i32_: i32::from(record.partition) }),
            part(Kind::RD_KAFKA_VTYPE_MSGFLAGS, Of { i: flags }),
            part(Kind::RD_KAFKA_VTYPE_KEY, Of { mem: memory(record.key) }),
            part(Kind::RD_KAFKA_VTYPE_VALUE, Of { mem: memory(record.value) }),
            part(Kind::RD_KAFKA_VTYPE_OPAQUE, Of { ptr: sent.cast() }),
            part(Kind::RD_KAFKA_VTYPE_END, Of { i: 0 }),
        ];
        let mut count = parts.len() - 1;
        if let Some(headers) = &headers {
            parts[count] = part(Kind::RD_KAFKA_VTYPE_HEADERS, Of { headers: headers.0.as_ptr() });
            count += 1;
        }
        // SAFETY: client, topic and what the parts point to live; key and value are copied. Headers and `sent` are the
        // client's from here on where it takes the record, ours where it does not.
        let error = unsafe { sys::rd_kafka_produceva(self.client.native_ptr(), parts.as_ptr(), count) };
        if error.is_null() {
            std::mem::forget(headers);
            return;
        }
        // SAFETY: an error that is given back once; `sent` was not taken.
        let (code, sent) = unsafe {
            let code = sys::rd_kafka_error_code(error);
            sys::rd_kafka_error_destroy(error);
            (code, Box::from_raw(sent))
        };
        sent.told(Fate {
            partition: record.partition,
            bytes: record.value,
            offset: Err(failed(code)),
            is_not_stored: true,
        });
    }

    /// Whether it can't send any more.
    pub(crate) fn is_broken(&self) -> bool {
        self.client.fatal_error().is_some()
    }

    /// Waits until all is told, at most `patience`; says whether it is.
    pub(crate) fn flush(&self, patience: Duration) -> bool {
        // SAFETY: the client lives.
        let code = unsafe { sys::rd_kafka_flush(self.client.native_ptr(), millis(patience)) };
        code == sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR
    }
}

impl<T> Drop for Producer<T> {
    fn drop(&mut self) {
        let client = self.client.native_ptr();
        // SAFETY: client and topic live. What is still under way is given up, and told.
        unsafe {
            sys::rd_kafka_purge(client, sys::RD_KAFKA_PURGE_F_QUEUE | sys::RD_KAFKA_PURGE_F_INFLIGHT);
            sys::rd_kafka_flush(client, millis(Duration::from_secs(5)));
        }
        self.is_over.store(true, Ordering::Release);
        if self.listening.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("a thread of the Kafka log panicked");
        }
        // SAFETY: ours, given back once, before the client.
        unsafe { sys::rd_kafka_topic_destroy(self.topic.as_ptr()) };
    }
}

unsafe extern "C" fn on_delivery<T: Sent>(
    _client: *mut sys::rd_kafka_t,
    message: *const sys::rd_kafka_message_t,
    _context: *mut c_void,
) {
    // SAFETY: librdkafka calls with a message that lives until this returns, once for each that `send` gave it, with the
    // pointer that `send` gave along.
    let (message, sent) = unsafe { (&*message, Box::from_raw((*message)._private.cast::<T>())) };
    let bytes: &[u8] = if message.payload.is_null() || message.len == 0 {
        &[]
    } else {
        // SAFETY: so many bytes are there, and live as long as the message.
        unsafe { slice::from_raw_parts(message.payload.cast(), message.len) }
    };
    // SAFETY: the message lives.
    let status = unsafe { sys::rd_kafka_message_status(message) };
    let offset = match message.err {
        sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR => Ok(u64::try_from(message.offset).ok()),
        code => Err(KafkaError::MessageProduction(code.into())),
    };
    sent.told(Fate {
        partition: u16::try_from(message.partition).unwrap_or(u16::MAX),
        bytes,
        offset,
        is_not_stored: status == sys::rd_kafka_msg_status_t::RD_KAFKA_MSG_STATUS_NOT_PERSISTED,
    });
}
