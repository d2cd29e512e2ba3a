package vertebra.streams;

import java.nio.charset.StandardCharsets;

/**
 * What is counted. A person is in one cell, a commune and a group, and counts there in some of five measures. A person's state is a
 * long: commune, group, and a bit for each measure; 0 is nobody.
 */
final class Figures {
    /** The commune of who is known to live nowhere, and one that is no code. */
    static final int NOWHERE = 0xfffffe, UNKNOWN = 0xffffff;
    static final String[] MEASURES = {"people", "insured", "record", "managed", "checked_up"};
    static final int PEOPLE = 1, INSURED = 2, RECORD = 4, MANAGED = 8, CHECKED_UP = 16;

    private Figures() {}

    static long state(int commune, int group, int measures) {
        return measures == 0 ? 0 : (long) commune << 32 | (long) (group & 0xffff) << 16 | measures;
    }

    /** The cell of a state: what it is keyed by, without the measures. */
    static long cell(long state) {
        return state & ~0xffffL;
    }

    static String commune(long state) {
        int commune = (int) (state >>> 32);
        return commune == NOWHERE ? "none" : commune == UNKNOWN ? "unknown" : String.format("%05d", commune);
    }

    static String group(long state) {
        int group = (int) (state >>> 16) & 0xffff;
        return group == 0 ? "" : new String(new byte[] {(byte) (group >> 8), (byte) group}, StandardCharsets.US_ASCII);
    }

    static long[] none() {
        return new long[MEASURES.length];
    }

    static void add(long[] counts, long state, int weight) {
        for (int measure = 0; measure < counts.length; measure++) {
            counts[measure] += weight * (state >> measure & 1);
        }
    }
}
