//! What went wrong, by what the caller does next.

use std::io;

use event_log::{OpenError, Place, ReadError};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

/// Whether the same may go well in a moment: brokers restart, leaders change, packets are lost.
pub(crate) fn is_passing(error: &KafkaError) -> bool {
    match error {
        // The library does not count these among errors with a code.
        KafkaError::AdminOp(code) => passes(*code),
        error => error.rdkafka_error_code().is_some_and(passes),
    }
}

/// The same, of a code.
pub(crate) fn passes(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        code,
        Code::AllBrokersDown
            | Code::BrokerTransportFailure
            | Code::BrokerNotAvailable
            | Code::FencedLeaderEpoch
            | Code::InvalidFetchSessionEpoch
            | Code::FetchSessionIdNotFound
            | Code::InProgress
            | Code::LeaderNotAvailable
            | Code::MessageTimedOut
            // What the client itself says while a partition has no leader that it knows.
            | Code::NoEnt
            | Code::NetworkException
            | Code::NotLeaderForPartition
            | Code::OffsetNotAvailable
            | Code::OperationTimedOut
            | Code::ReplicaNotAvailable
            | Code::RequestTimedOut
            | Code::Resolve
            | Code::UnknownLeaderEpoch
            | Code::WaitingForCoordinator
    )
}

/// Whether a broker says that it knows no such topic, or no such partition of it.
pub(crate) fn is_unknown(error: &KafkaError) -> bool {
    use RDKafkaErrorCode as Code;
    let code = match error {
        KafkaError::AdminOp(code) => Some(*code),
        error => error.rdkafka_error_code(),
    };
    matches!(code, Some(Code::UnknownTopic | Code::UnknownPartition | Code::UnknownTopicOrPartition))
}

fn source(error: KafkaError) -> io::Error {
    io::Error::other(error)
}

pub(crate) fn cannot_read(place: &str, error: KafkaError) -> ReadError {
    ReadError::Unavailable { place: Place::from(place.to_owned()), source: source(error) }
}

pub(crate) fn cannot_open(place: &str, error: KafkaError) -> OpenError {
    OpenError::Unavailable { place: Place::from(place.to_owned()), source: source(error) }
}
