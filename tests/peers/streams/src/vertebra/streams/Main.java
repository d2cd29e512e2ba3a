package vertebra.streams;

import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AdminClientConfig;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StoreQueryParameters;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.state.QueryableStoreTypes;

/**
 * Counts people by commune on Kafka Streams. Writes lines of JSON: {@code ready} once all state is restored, {@code progress} every
 * second, {@code done} when everything up to the ends was read, counted and committed. Ends in order on SIGTERM.
 */
public final class Main {
    private static final Duration CLOSING = Duration.ofSeconds(60);

    private final Options options;
    private final long started = ManagementFactory.getRuntimeMXBean().getStartTime();

    private Main(Options options) {
        this.options = options;
    }

    public static void main(String[] arguments) throws Exception {
        Options options;
        try {
            options = new Options(arguments);
            options.needed("--bootstrap");
            options.needed("--state-dir");
            options.events();
        } catch (IllegalArgumentException wrong) {
            System.err.println(wrong.getMessage() + "\n\n" + Options.USAGE);
            System.exit(2);
            return;
        }
        if (options.endWithInput) {
            Thread watching = new Thread(Main::haltAtEndOfInput);
            watching.setDaemon(true);
            watching.start();
        }
        new Main(options).run();
        // Kafka's threads are not ours to wait for.
        System.exit(0);
    }

    private static void haltAtEndOfInput() {
        try {
            System.in.transferTo(java.io.OutputStream.nullOutputStream());
        } catch (IOException gone) {
            // As good as its end.
        }
        Runtime.getRuntime().halt(1);
    }

    private void run() throws Exception {
        try (Admin admin = Admin.create(Map.of(AdminClientConfig.BOOTSTRAP_SERVERS_CONFIG, options.needed("--bootstrap")))) {
            Map<TopicPartition, Long> ends = ends(admin);
            Map<TopicPartition, Long> begun = committed(admin);
            Progress progress = new Progress(ends.size());
            KafkaStreams streams = new KafkaStreams(Counting.topology(options, progress), settings());
            CountDownLatch running = new CountDownLatch(1);
            streams.setStateListener((now, before) -> {
                if (now == KafkaStreams.State.RUNNING) {
                    running.countDown();
                }
            });
            streams.setUncaughtExceptionHandler(fault -> {
                fault.printStackTrace();
                Runtime.getRuntime().halt(1);
                return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
            });
            Runtime.getRuntime().addShutdownHook(new Thread(() -> streams.close(CLOSING)));
            streams.start();
            running.await();
            double ready = seconds();
            say("ready", "\"ready_s\":%.3f,\"rss_mb\":%d", ready, rssMb());

            long pending = ends.entrySet().stream().mapToLong(end -> end.getValue() - begun.getOrDefault(end.getKey(), 0L)).sum();
            double counted = Double.NaN, told = ready;
            while (true) {
                boolean read = ends.entrySet().stream().allMatch(end ->
                        progress.hasRead(end.getKey().partition(), begun.getOrDefault(end.getKey(), 0L), end.getValue()));
                if (read && progress.unsent.get() == 0 && progress.counted.sum() >= progress.sent.sum()) {
                    counted = Double.isNaN(counted) ? seconds() : counted;
                    Map<TopicPartition, Long> now = committed(admin);
                    if (ends.entrySet().stream().allMatch(end -> now.getOrDefault(end.getKey(), 0L) >= end.getValue())) {
                        break;
                    }
                }
                if (seconds() - told >= 1) {
                    told = seconds();
                    say("progress", "\"s\":%.1f,\"events\":%d,\"sent\":%d,\"counted\":%d,\"rss_mb\":%d", told,
                            progress.events.sum(), progress.sent.sum(), progress.counted.sum(), rssMb());
                }
                Thread.sleep(20);
            }
            double done = seconds();
            say("done", "\"events\":%d,\"pending\":%d,\"seconds\":%.3f,\"events_per_s\":%.0f,\"counted_s\":%.3f,\"rss_mb\":%d,"
                            + "\"rss_mb_max\":%d,\"cpu_s\":%.1f,\"ready_s\":%.3f,\"copies\":%d,\"set_aside\":%d,\"sent\":%d",
                    progress.events.sum(), pending, done - ready, pending / (done - ready), counted - ready, rssMb(),
                    statusMb("VmHWM"), cpuSeconds(), ready, progress.copies.sum(), progress.setAside.sum(), progress.sent.sum());
            if (options.report) {
                report(streams);
            }
            if (!options.exit) {
                new CountDownLatch(1).await();
            }
        }
    }

    private Properties settings() {
        Properties settings = new Properties();
        Map<String, Object> ours = new HashMap<>();
        ours.put(StreamsConfig.APPLICATION_ID_CONFIG, applicationId());
        ours.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, options.needed("--bootstrap"));
        ours.put(StreamsConfig.STATE_DIR_CONFIG, options.needed("--state-dir"));
        ours.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, options.threads);
        ours.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG,
                options.exactlyOnce ? StreamsConfig.EXACTLY_ONCE_V2 : StreamsConfig.AT_LEAST_ONCE);
        ours.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, options.number("--commit-ms", 1000));
        ours.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, (long) options.number("--cache-mb", 64) << 20);
        ours.put(StreamsConfig.ROCKSDB_CONFIG_SETTER_CLASS_CONFIG, RocksSettings.class);
        ours.put(RocksSettings.BLOCK_CACHE_MB, options.number("--block-cache-mb", 384));
        ours.put(RocksSettings.WRITE_BUFFERS_MB, options.number("--write-buffers-mb", 256));
        ours.put(StreamsConfig.BUFFERED_RECORDS_PER_PARTITION_CONFIG, 2000);
        ours.put(StreamsConfig.LOG_SUMMARY_INTERVAL_MS_CONFIG, -1L);
        ours.put(StreamsConfig.ENABLE_METRICS_PUSH_CONFIG, false);
        ours.put(StreamsConfig.consumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG), "earliest");
        // A process that comes back, however it ended, is the member that it was: nobody waits for the old one's session to end.
        ours.put(StreamsConfig.consumerPrefix(ConsumerConfig.GROUP_INSTANCE_ID_CONFIG), applicationId());
        ours.put(StreamsConfig.mainConsumerPrefix(ConsumerConfig.MAX_POLL_RECORDS_CONFIG), 10_000);
        ours.put(StreamsConfig.consumerPrefix(ConsumerConfig.FETCH_MAX_BYTES_CONFIG), 16 << 20);
        ours.put(StreamsConfig.consumerPrefix(ConsumerConfig.MAX_PARTITION_FETCH_BYTES_CONFIG), 1 << 20);
        ours.put(StreamsConfig.consumerPrefix(ConsumerConfig.FETCH_MAX_WAIT_MS_CONFIG), 100);
        ours.put(StreamsConfig.consumerPrefix(ConsumerConfig.RECEIVE_BUFFER_CONFIG), 1 << 20);
        ours.put(StreamsConfig.restoreConsumerPrefix(ConsumerConfig.MAX_POLL_RECORDS_CONFIG), 20_000);
        ours.put(StreamsConfig.producerPrefix(ProducerConfig.LINGER_MS_CONFIG), 100);
        ours.put(StreamsConfig.producerPrefix(ProducerConfig.BATCH_SIZE_CONFIG), 256 << 10);
        ours.put(StreamsConfig.producerPrefix(ProducerConfig.BUFFER_MEMORY_CONFIG), 128L << 20);
        ours.put(StreamsConfig.producerPrefix(ProducerConfig.COMPRESSION_TYPE_CONFIG), "lz4");
        settings.putAll(ours);
        return settings;
    }

    private String applicationId() {
        return options.text("--application-id", options.needed("--prefix") + ".streams");
    }

    /** Where each partition of the events ends now, or where the caller says that it does. */
    private Map<TopicPartition, Long> ends(Admin admin) throws ExecutionException, InterruptedException {
        Map<TopicPartition, Long> ends = new HashMap<>();
        var topic = admin.describeTopics(java.util.List.of(options.events())).allTopicNames().get().get(options.events());
        Map<TopicPartition, OffsetSpec> asked = new HashMap<>();
        topic.partitions().forEach(each -> asked.put(new TopicPartition(options.events(), each.partition()), OffsetSpec.latest()));
        admin.listOffsets(asked).all().get().forEach((partition, found) -> ends.put(partition, found.offset()));
        for (String end : options.text("--until-offsets", "").split(",")) {
            if (!end.isEmpty()) {
                String[] parts = end.split(":");
                ends.put(new TopicPartition(options.events(), Integer.parseInt(parts[0])), Long.parseLong(parts[1]));
            }
        }
        return ends;
    }

    /** What the group has committed of the events: of what is committed the state is, too. */
    private Map<TopicPartition, Long> committed(Admin admin) throws InterruptedException {
        Map<TopicPartition, Long> committed = new HashMap<>();
        try {
            admin.listConsumerGroupOffsets(applicationId()).partitionsToOffsetAndMetadata().get(10, TimeUnit.SECONDS)
                    .forEach((partition, offset) -> {
                        if (offset != null && partition.topic().equals(options.events())) {
                            committed.put(partition, offset.offset());
                        }
                    });
        } catch (ExecutionException | java.util.concurrent.TimeoutException notYet) {
            // A group that is not there yet has committed nothing, and one that moves is asked again.
        }
        return committed;
    }

    private void report(KafkaStreams streams) {
        var counts = streams.store(StoreQueryParameters.fromNameAndType(Counting.COUNTS,
                QueryableStoreTypes.<Bytes, byte[]>keyValueStore()));
        TreeMap<String, long[]> communes = new TreeMap<>(), groups = new TreeMap<>();
        try (var all = counts.all()) {
            all.forEachRemaining(row -> {
                if (Counting.isSum(row.key)) {
                    long cell = Bytes8.getLong(row.key.get(), 0);
                    long[] numbers = Counting.numbers(row.value);
                    long[] sums = communes.computeIfAbsent(Figures.commune(cell), commune -> Figures.none());
                    for (int measure = 0; measure < sums.length; measure++) {
                        sums[measure] += numbers[measure];
                    }
                    groups.put(Figures.commune(cell) + "\",\"group\":\"" + Figures.group(cell), numbers);
                }
            });
        }
        communes.forEach((commune, counted) -> say("commune", "\"commune\":\"%s\"%s", commune, measures(counted)));
        groups.forEach((cell, counted) -> say("cell", "\"commune\":\"%s\"%s", cell, measures(counted)));
        say("reported", "\"communes\":%d,\"cells\":%d", communes.size(), groups.size());
    }

    private static String measures(long[] counts) {
        StringBuilder text = new StringBuilder();
        for (int measure = 0; measure < counts.length; measure++) {
            text.append(",\"").append(Figures.MEASURES[measure]).append("\":").append(counts[measure]);
        }
        return text.toString();
    }

    private double seconds() {
        return (System.currentTimeMillis() - started) / 1000.0;
    }

    private static void say(String what, String fields, Object... values) {
        System.out.println("{\"what\":\"" + what + "\"," + String.format(Locale.ROOT, fields, values) + "}");
        System.out.flush();
    }

    /** Time on processors since the process began, of all its threads. */
    private static double cpuSeconds() {
        var system = ManagementFactory.getPlatformMXBean(com.sun.management.OperatingSystemMXBean.class);
        return system.getProcessCpuTime() / 1e9;
    }

    private static long rssMb() {
        return statusMb("VmRSS");
    }

    /** What the system says of this process's memory; 0 where it says nothing. */
    private static long statusMb(String name) {
        try (var lines = Files.lines(Path.of("/proc/self/status"))) {
            return lines.filter(line -> line.startsWith(name + ":")).findFirst()
                    .map(line -> Long.parseLong(line.replaceAll("[^0-9]", "")) >> 10).orElse(0L);
        } catch (IOException unknown) {
            return 0;
        }
    }
}
