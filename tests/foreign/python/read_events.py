"""Reads a topic of events as any Python program would, and copies it with this client's own partitioner.

    python read_events.py BOOTSTRAP TOPIC COPY [PARTITIONER]

Prints a line of JSON for each record: what stands around the event, and what was decoded from it. COPY is a topic of as
many partitions; each line says where its record went there. Needs the modules that protoc makes of proto/ on its path.
"""

import json
import sys
import uuid
from datetime import datetime, timedelta, timezone

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from google.protobuf import json_format

from vertebra.v1 import event_pb2

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


# librdkafka's own default, consistent_random, hashes with CRC32; this one does as Java's client.
def main(bootstrap, topic, copy, partitioner="murmur2_random"):
    copied = {}
    records = read(bootstrap, topic)
    producer = Producer(
        {"bootstrap.servers": bootstrap, "enable.idempotence": True, "partitioner": partitioner}
    )
    for record in records:
        place = (record.partition(), record.offset())

        def delivered(error, there, place=place):
            if error is not None:
                raise KafkaException(error)
            copied[place] = there.partition()

        producer.produce(
            copy, key=record.key(), value=record.value(), headers=record.headers(), on_delivery=delivered
        )
    if producer.flush(30) > 0:
        sys.exit("not all records were copied within 30 s")
    for record in records:
        place = (record.partition(), record.offset())
        print(json.dumps(line(record) | {"partition_of_copy": copied[place]}))


def read(bootstrap, topic):
    """Every record that stands in the topic now, each partition in order."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            # The client wants a name, and uses none: partitions are assigned by hand, nothing is committed.
            "group.id": "foreign-python",
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": "error",
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
        }
    )
    partitions = consumer.list_topics(topic, timeout=30).topics[topic].partitions
    consumer.assign([TopicPartition(topic, partition, 0) for partition in partitions])
    records, unread = [], set(partitions)
    while unread:
        record = consumer.poll(30)
        if record is None:
            sys.exit(f"nothing came within 30 s of partitions {sorted(unread)}")
        if record.error() is None:
            records.append(record)
        elif record.error().code() == KafkaError._PARTITION_EOF:
            unread.discard(record.partition())
        else:
            raise KafkaException(record.error())
    consumer.close()
    return records


def line(record):
    """What a foreign reader makes of a record."""
    event = event_pb2.Event.FromString(record.value())
    headers = [[name, value.decode()] for name, value in record.headers() or []]
    return {
        "partition": record.partition(),
        "offset": record.offset(),
        "key": record.key().hex(),
        "headers": headers,
        "time_ms": (datetime.fromisoformat(dict(headers)["ce_time"]) - EPOCH) // timedelta(milliseconds=1),
        "kind": event.WhichOneof("body"),
        "event_id": str(uuid.UUID(bytes=event.event_id)),
        "subject": event.subject.hex(),
        "event": json_format.MessageToDict(event),
        "same_bytes": event.SerializeToString(deterministic=True) == record.value(),
    }


if __name__ == "__main__":
    main(*sys.argv[1:])
