package vertebra.streams;

import java.time.Duration;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Repartitioned;
import org.apache.kafka.streams.processor.PunctuationType;
import org.apache.kafka.streams.processor.api.ContextualProcessor;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.ProcessorSupplier;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.StoreBuilder;
import org.apache.kafka.streams.state.Stores;
import org.apache.kafka.common.utils.Bytes;

/**
 * The two sub-topologies.
 *
 * <pre>
 *  events ──▶ history per person (RocksDB) ──▶ state changed? ──▶ old -1, new +1 ──▶ repartition by cell ──▶ counts by cell
 * </pre>
 *
 * With {@code --combine} the changes are summed up within each partition of events first, in a store of their own, and what goes to
 * the counts is, a few times a second, what each partition now has in each cell: fewer records for the same figures.
 */
final class Counting {
    static final String HISTORIES = "histories", PARTS = "parts", COUNTS = "counts";
    private static final Serde<byte[]> BYTES = Serdes.ByteArray();
    private static final Serde<Bytes> KEYS = Serdes.Bytes();

    private Counting() {}

    static Topology topology(Options options, Progress progress) {
        StreamsBuilder builder = new StreamsBuilder();
        builder.stream(options.events(), Consumed.with(BYTES, BYTES))
                .process(new Stage<>(() -> options.combine ? new Combining(options, progress) : new Histories(options, progress),
                        options.combine
                                ? Set.of(store(HISTORIES, options.cacheHistories), store(PARTS, true))
                                : Set.of(store(HISTORIES, options.cacheHistories))))
                .repartition(Repartitioned.<Bytes, byte[]>as("cells")
                        .withKeySerde(KEYS).withValueSerde(BYTES).withNumberOfPartitions(options.cellPartitions))
                .process(new Stage<Bytes, byte[], Void, Void>(() -> new Counts(progress), Set.of(store(COUNTS, true))));
        return builder.build();
    }

    /** A processor and its stores. */
    private record Stage<A, B, C, D>(java.util.function.Supplier<Processor<A, B, C, D>> processor, Set<StoreBuilder<?>> stores)
            implements ProcessorSupplier<A, B, C, D> {
        @Override
        public Processor<A, B, C, D> get() {
            return processor.get();
        }
    }

    private static StoreBuilder<KeyValueStore<Bytes, byte[]>> store(String name, boolean cached) {
        // A changelog of short rows that are written again and again: compacted soon, so that it is short when it is read back.
        Map<String, String> changelog = Map.of("segment.bytes", Integer.toString(64 << 20), "min.cleanable.dirty.ratio", "0.3");
        StoreBuilder<KeyValueStore<Bytes, byte[]>> store =
                Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore(name), KEYS, BYTES).withLoggingEnabled(changelog);
        return cached ? store.withCachingEnabled() : store;
    }

    /** One event: the person's history grows, and what the person counts for changes. */
    private static class Histories extends ContextualProcessor<byte[], byte[], Bytes, byte[]> {
        private final History history;
        private final Told told = new Told();
        private final Progress progress;
        private KeyValueStore<Bytes, byte[]> histories;

        Histories(Options options, Progress progress) {
            history = new History(options.on);
            this.progress = progress;
        }

        @Override
        public void init(ProcessorContext<Bytes, byte[]> context) {
            super.init(context);
            histories = context.getStateStore(HISTORIES);
        }

        @Override
        public void process(Record<byte[], byte[]> event) {
            try {
                told.read(event.value());
                Bytes subject = Bytes.wrap(event.key());
                byte[] before = histories.get(subject);
                byte[] after = history.append(before, told);
                if (after != null) {
                    histories.put(subject, after);
                    long old = History.counted(before), now = History.counted(after);
                    if (old != now) {
                        changed(old, now, event.timestamp());
                    }
                } else {
                    progress.copies.increment();
                }
            } catch (java.io.IOException | RuntimeException cannotBeRead) {
                if (cannotBeRead instanceof org.apache.kafka.common.KafkaException kafkas) {
                    throw kafkas;
                }
                progress.setAside.increment();
            }
            context().recordMetadata().ifPresent(at -> progress.read(at.partition(), at.offset()));
        }

        void changed(long old, long now, long timestamp) {
            if (old != 0 && now != 0 && Figures.cell(old) == Figures.cell(now)) {
                send(Figures.cell(now), Bytes8.of(-1, old, now), timestamp);
                return;
            }
            if (old != 0) {
                send(Figures.cell(old), Bytes8.of(-1, old, 0), timestamp);
            }
            if (now != 0) {
                send(Figures.cell(now), Bytes8.of(-1, 0, now), timestamp);
            }
        }

        void send(long cell, byte[] value, long timestamp) {
            progress.sent.increment();
            context().forward(new Record<>(Bytes.wrap(Bytes8.of(cell)), value, timestamp));
        }
    }

    /** As {@link Histories}; changes are summed up within the partition. */
    private static final class Combining extends Histories {
        private static final Duration PACE = Duration.ofMillis(200);
        private final Progress progress;
        private final Set<Long> dirty = new HashSet<>();
        private KeyValueStore<Bytes, byte[]> parts;

        Combining(Options options, Progress progress) {
            super(options, progress);
            this.progress = progress;
        }

        @Override
        public void init(ProcessorContext<Bytes, byte[]> context) {
            super.init(context);
            parts = context.getStateStore(PARTS);
            // Whether what changed last was sent is not known: what is sent are sums, and may be sent again.
            try (var all = parts.all()) {
                all.forEachRemaining(part -> dirty(Bytes8.getLong(part.key.get(), 0)));
            }
            context.schedule(PACE, PunctuationType.WALL_CLOCK_TIME, this::sendDirty);
        }

        @Override
        public void close() {
            progress.unsent.addAndGet(-dirty.size());
        }

        @Override
        void changed(long old, long now, long timestamp) {
            add(old, -1);
            add(now, 1);
        }

        private void add(long state, int weight) {
            if (state == 0) {
                return;
            }
            long cell = Figures.cell(state);
            Bytes key = Bytes.wrap(Bytes8.of(cell));
            long[] counts = Counts.numbers(parts.get(key), 0);
            Figures.add(counts, state, weight);
            parts.put(key, Bytes8.of(counts));
            dirty(cell);
        }

        private void dirty(long cell) {
            if (dirty.add(cell)) {
                progress.unsent.incrementAndGet();
            }
        }

        private void sendDirty(long now) {
            for (long cell : dirty) {
                long[] counts = Counts.numbers(parts.get(Bytes.wrap(Bytes8.of(cell))), 0);
                byte[] value = new byte[8 * (1 + counts.length)];
                Bytes8.put(value, 0, (long) context().taskId().partition());
                for (int measure = 0; measure < counts.length; measure++) {
                    Bytes8.put(value, 8 + 8 * measure, counts[measure]);
                }
                send(cell, value, now);
            }
            progress.unsent.addAndGet(-dirty.size());
            dirty.clear();
        }
    }

    /** The counts by cell. With combined changes also each partition's share, under (cell, partition): the new replaces it. */
    private static final class Counts implements Processor<Bytes, byte[], Void, Void> {
        private final Progress progress;
        private KeyValueStore<Bytes, byte[]> counts;

        Counts(Progress progress) {
            this.progress = progress;
        }

        @Override
        public void init(ProcessorContext<Void, Void> context) {
            counts = context.getStateStore(COUNTS);
        }

        @Override
        public void process(Record<Bytes, byte[]> change) {
            byte[] value = change.value();
            long[] now = numbers(counts.get(change.key()), 0);
            long partition = Bytes8.getLong(value, 0);
            if (partition < 0) {
                Figures.add(now, Bytes8.getLong(value, 8), -1);
                Figures.add(now, Bytes8.getLong(value, 16), 1);
            } else {
                Bytes share = Bytes.wrap(Bytes8.of(Bytes8.getLong(change.key().get(), 0), partition));
                long[] before = numbers(counts.get(share), 0), after = numbers(value, 8);
                for (int measure = 0; measure < now.length; measure++) {
                    now[measure] += after[measure] - before[measure];
                }
                counts.put(share, Bytes8.of(after));
            }
            counts.put(change.key(), Bytes8.of(now));
            progress.counted.increment();
        }

        static long[] numbers(byte[] bytes, int from) {
            long[] numbers = Figures.none();
            for (int measure = 0; bytes != null && measure < numbers.length; measure++) {
                numbers[measure] = Bytes8.getLong(bytes, from + 8 * measure);
            }
            return numbers;
        }
    }

    /** Counts as they are served: by key, shares of partitions left out. */
    static boolean isSum(Bytes key) {
        return key.get().length == 8;
    }

    static long[] numbers(byte[] bytes) {
        return Counts.numbers(bytes, 0);
    }
}
