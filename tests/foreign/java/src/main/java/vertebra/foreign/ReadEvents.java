package vertebra.foreign;

import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import com.google.protobuf.ByteString;
import com.google.protobuf.util.JsonFormat;
import java.io.PrintStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.Future;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import vertebra.v1.EventOuterClass.Event;

/**
 * Reads a topic of events as any Java program would, and copies it with this client's own partitioner.
 *
 * <pre>ReadEvents BOOTSTRAP TOPIC COPY</pre>
 *
 * Prints a line of JSON for each record: what stands around the event, and what was decoded from it. COPY is a topic of as
 * many partitions; each line says where its record went there.
 */
public final class ReadEvents {
    private static final Duration PATIENCE = Duration.ofSeconds(30);

    public static void main(String[] arguments) throws Exception {
        String bootstrap = arguments[0];
        List<ConsumerRecord<byte[], byte[]>> records = read(bootstrap, arguments[1]);
        List<Integer> copies = copy(bootstrap, arguments[2], records);
        PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
        for (int at = 0; at < records.size(); at++) {
            JsonObject line = line(records.get(at));
            line.addProperty("partition_of_copy", copies.get(at));
            out.println(line);
        }
        out.flush();
    }

    /** Every record that stands in the topic now, each partition in order. */
    private static List<ConsumerRecord<byte[], byte[]>> read(String bootstrap, String topic) {
        Map<String, Object> config = Map.of(
                "bootstrap.servers", bootstrap,
                "enable.auto.commit", false,
                "auto.offset.reset", "none",
                "isolation.level", "read_committed");
        List<ConsumerRecord<byte[], byte[]>> records = new ArrayList<>();
        try (var consumer = new KafkaConsumer<>(config, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            List<TopicPartition> partitions = consumer.partitionsFor(topic).stream()
                    .map(partition -> new TopicPartition(topic, partition.partition()))
                    .toList();
            consumer.assign(partitions);
            partitions.forEach(partition -> consumer.seek(partition, 0));
            Map<TopicPartition, Long> ends = consumer.endOffsets(partitions);
            long deadline = System.nanoTime() + PATIENCE.toNanos();
            while (partitions.stream().anyMatch(partition -> consumer.position(partition) < ends.get(partition))) {
                if (System.nanoTime() > deadline) {
                    throw new IllegalStateException("the topic was not read within " + PATIENCE);
                }
                consumer.poll(Duration.ofMillis(200)).forEach(records::add);
            }
        }
        return records;
    }

    /** Copies records, by the client's default partitioner; the partitions that they went to. */
    private static List<Integer> copy(String bootstrap, String topic, List<ConsumerRecord<byte[], byte[]>> records)
            throws Exception {
        Map<String, Object> config = Map.of("bootstrap.servers", bootstrap);
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        try (var producer = new KafkaProducer<>(config, new ByteArraySerializer(), new ByteArraySerializer())) {
            for (var record : records) {
                sent.add(producer.send(
                        new ProducerRecord<>(topic, null, record.key(), record.value(), record.headers())));
            }
        }
        List<Integer> partitions = new ArrayList<>();
        for (var future : sent) {
            partitions.add(future.get().partition());
        }
        return partitions;
    }

    /** What a foreign reader makes of a record. */
    private static JsonObject line(ConsumerRecord<byte[], byte[]> record) throws Exception {
        Event event = Event.parseFrom(record.value());
        JsonObject line = new JsonObject();
        line.addProperty("partition", record.partition());
        line.addProperty("offset", record.offset());
        line.addProperty("key", HexFormat.of().formatHex(record.key()));
        JsonArray headers = new JsonArray();
        for (Header header : record.headers()) {
            JsonArray pair = new JsonArray();
            pair.add(header.key());
            pair.add(new String(header.value(), StandardCharsets.UTF_8));
            headers.add(pair);
        }
        line.add("headers", headers);
        String time = new String(record.headers().lastHeader("ce_time").value(), StandardCharsets.UTF_8);
        line.addProperty("time_ms", OffsetDateTime.parse(time).toInstant().toEpochMilli());
        // The name of the body's field, as proto/ writes it: by the field's number, which is the kind.
        line.addProperty(
                "kind",
                Event.getDescriptor().findFieldByNumber(event.getBodyCase().getNumber()).getName());
        line.addProperty("event_id", uuid(event.getEventId()).toString());
        line.addProperty("subject", HexFormat.of().formatHex(event.getSubject().toByteArray()));
        line.add("event", JsonParser.parseString(JsonFormat.printer().print(event)));
        line.addProperty("same_bytes", Arrays.equals(event.toByteArray(), record.value()));
        return line;
    }

    private static UUID uuid(ByteString bytes) {
        ByteBuffer buffer = bytes.asReadOnlyByteBuffer();
        return new UUID(buffer.getLong(), buffer.getLong());
    }

    private ReadEvents() {}
}
