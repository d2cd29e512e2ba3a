package vertebra.streams;

import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicLongArray;
import java.util.concurrent.atomic.LongAdder;

/** How far the processors of this process are. */
final class Progress {
    /** Events read, copies of events known, records that are no events, changes sent to the counts and counted there. */
    final LongAdder events = new LongAdder(), copies = new LongAdder(), setAside = new LongAdder(), sent = new LongAdder(),
            counted = new LongAdder();
    /** Cells whose change waits to be sent. */
    final AtomicLong unsent = new AtomicLong();
    private final AtomicLongArray next;

    Progress(int partitions) {
        next = new AtomicLongArray(partitions);
    }

    void read(int partition, long offset) {
        next.lazySet(partition, offset + 1);
        events.increment();
    }

    /** Whether everything before {@code end} of a partition was read; by this process or, if it says so, before it. */
    boolean hasRead(int partition, long committed, long end) {
        return Math.max(committed, next.get(partition)) >= end;
    }
}
