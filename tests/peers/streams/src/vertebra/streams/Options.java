package vertebra.streams;

import java.time.LocalDate;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;

/** What the program was told. */
final class Options {
    static final String USAGE = """
            streams --bootstrap HOST:PORT,... --prefix PREFIX --state-dir FOLDER [OPTION VALUE]...
              --application-id ID      PREFIX.streams
              --threads N              2
              --guarantee eos|alo      eos: exactly_once_v2
              --on YYYY-MM-DD          the day that is counted (2026-06-30)
              --until-offsets P:O,...  where to stop instead of at the ends as they are at the start
              --commit-ms N            commit interval (1000)
              --cache-mb N             record caches (64)
              --cache-histories yes|no whether histories have one (no)
              --block-cache-mb N       RocksDB's block cache (384)
              --write-buffers-mb N     RocksDB's write buffers (256)
              --cells N                partitions of the counts (2)
              --combine yes|no         sum up changes within a partition before they are sent (yes)
              --exit-when-caught-up    end in order then
              --end-with-input         end at once when standard input does: with whoever started this
              --report                 the counts by commune and by commune and group, when caught up""";

    private static final Set<String> FLAGS = Set.of("--exit-when-caught-up", "--end-with-input", "--report");

    private final Map<String, String> values = new HashMap<>();
    final int on, threads, cellPartitions;
    final boolean exactlyOnce, combine, cacheHistories, exit, endWithInput, report;

    Options(String[] arguments) {
        for (int at = 0; at < arguments.length; at++) {
            String name = arguments[at];
            if (!name.startsWith("--") || !USAGE.contains(" " + name + " ")) {
                throw new IllegalArgumentException("no such option: " + name);
            }
            boolean flag = FLAGS.contains(name);
            if (!flag && at + 1 == arguments.length) {
                throw new IllegalArgumentException(name + " needs a value");
            }
            values.put(name, flag ? "yes" : arguments[++at]);
        }
        on = (int) LocalDate.parse(text("--on", "2026-06-30")).toEpochDay();
        threads = number("--threads", 2);
        cellPartitions = number("--cells", 2);
        exactlyOnce = one("--guarantee", "eos", "alo");
        combine = one("--combine", "yes", "no");
        cacheHistories = !one("--cache-histories", "no", "yes");
        exit = values.containsKey("--exit-when-caught-up");
        endWithInput = values.containsKey("--end-with-input");
        report = values.containsKey("--report");
    }

    String events() {
        return needed("--prefix") + ".events.v1";
    }

    String text(String name, String without) {
        return values.getOrDefault(name, without);
    }

    String needed(String name) {
        String value = values.get(name);
        if (value == null) {
            throw new IllegalArgumentException(name + " is missing");
        }
        return value;
    }

    int number(String name, int without) {
        return Integer.parseInt(text(name, Integer.toString(without)));
    }

    /** Whether the first of two words was said; it is what holds if none was. */
    private boolean one(String name, String first, String second) {
        String said = text(name, first);
        if (!said.equals(first) && !said.equals(second)) {
            throw new IllegalArgumentException(name + " is " + first + " or " + second + ", not " + said);
        }
        return said.equals(first);
    }
}
