package vertebra.streams;

import com.google.protobuf.CodedInputStream;
import java.io.IOException;

/**
 * What the figures need of one event, read in place: no message is made, and what is not asked for is skipped. Field numbers are
 * those of {@code proto/vertebra/v1}.
 */
final class Told {
    /** Kinds: the number of the body's field. */
    static final int REGISTERED = 32, RECORD_OPENED = 33, RECORD_CLOSED = 34, RESIDENCE = 35, GRANTED = 36, ENDED = 37,
            LINKED = 40, UNLINKED = 41, CARRIED = 42, DIED = 44, RETRACTION = 45, CHECK_UP = 64, CARE = 65, CLAIM = 97;
    /** A subject made from no identifier is no person. */
    static final int SUBJECT_NONE = 5;
    private static final int FIRST_BODY = 32;
    private static final int PERMANENT = 1, ACTUAL = 3;
    private static final long HANOI_MS = 7 * 3_600_000L, DAY_MS = 86_400_000L;

    long eventId, record, assertedMs, occurredMs, recordedMs, takesBack;
    boolean refers, withdrawn, isPerson;
    int kind;
    /** Of the interval or the event: days since 1970; {@link Integer#MIN_VALUE} and {@link Integer#MAX_VALUE} where open. */
    int from, until;
    /** Of a residence: 0 permanent, 1 another, 2 actual. */
    int layer;
    /** A commune's number, or a group's two letters. */
    int code;
    /** Of an end: the grant, 0 for all. Of a link: its id. */
    long grant;
    boolean away, checkUp;
    /** Links that this was carried along. */
    long[] path = new long[4];
    int paths;

    private long emitterHash, keyHash, subjectHash;

    /** Reads an event; what it carries, where it carries one. */
    void read(byte[] bytes) throws IOException {
        paths = 0;
        readOne(CodedInputStream.newInstance(bytes), true);
    }

    private void readOne(CodedInputStream in, boolean outer) throws IOException {
        eventId = takesBack = emitterHash = keyHash = grant = 0;
        assertedMs = occurredMs = recordedMs = 0;
        refers = withdrawn = away = checkUp = false;
        kind = code = layer = 0;
        from = Integer.MIN_VALUE;
        until = Integer.MAX_VALUE;
        if (outer) {
            isPerson = true;
        }
        byte[] carried = null;
        for (int tag = in.readTag(); tag != 0; tag = in.readTag()) {
            switch (tag >>> 3) {
                case 1 -> eventId = lastEight(in.readByteArray());
                case 2 -> {
                    if (outer) {
                        subjectHash = lastEight(in.readByteArray());
                    } else {
                        in.skipField(tag);
                    }
                }
                case 3 -> {
                    int of = in.readEnum();
                    if (outer) {
                        isPerson = of != SUBJECT_NONE;
                    }
                }
                case 4 -> emitterHash = hash(in.readByteArray(), 0);
                case 5 -> keyHash = hash(in.readByteArray(), 1);
                case 6 -> assertedMs = timestamp(in);
                case 7 -> occurredMs = timestamp(in);
                case 8 -> recordedMs = timestamp(in);
                case 12, 13 -> {
                    refers = true;
                    takesBack = reference(in);
                }
                case 18 -> {
                    withdrawn = true;
                    in.skipField(tag);
                }
                default -> {
                    int field = tag >>> 3;
                    if (field < FIRST_BODY) {
                        in.skipField(tag);
                    } else {
                        kind = field;
                        int limit = in.pushLimit(in.readRawVarint32());
                        carried = body(in);
                        in.popLimit(limit);
                    }
                }
            }
        }
        record = keyHash == 0 ? eventId : mix(emitterHash, keyHash);
        if (grant != 0 && kind == ENDED) {
            grant = mix(emitterHash, grant);
        }
        if (carried != null) {
            readOne(CodedInputStream.newInstance(carried), false);
        }
    }

    /** The body up to its limit; the event inside, of one that carries another. */
    private byte[] body(CodedInputStream in) throws IOException {
        byte[] carried = null;
        String route = null, visit = null;
        long ended = Long.MIN_VALUE;
        boolean days = kind == RESIDENCE || kind == GRANTED;
        for (int tag = in.readTag(); tag != 0; tag = in.readTag()) {
            int field = tag >>> 3;
            if (kind == REGISTERED && field == 1 || kind == DIED && field == 1 || kind == ENDED && field == 2) {
                from = day(in.readByteArray(), from);
            } else if (kind == RESIDENCE && field == 1) {
                int of = in.readEnum();
                layer = of == PERMANENT ? 0 : of == ACTUAL ? 2 : 1;
            } else if (kind == RESIDENCE && field == 2) {
                code = commune(in.readByteArray());
            } else if (kind == RESIDENCE && field == 4 || kind == GRANTED && field == 3) {
                from = day(in.readByteArray(), Integer.MIN_VALUE);
            } else if (days && field == (kind == RESIDENCE ? 5 : 4)) {
                int last = day(in.readByteArray(), Integer.MAX_VALUE);
                until = last == Integer.MAX_VALUE ? last : last + 1;
            } else if (kind == GRANTED && field == 1) {
                byte[] group = in.readByteArray();
                code = group.length == 2 && isLetter(group[0]) && isLetter(group[1]) ? group[0] << 8 | group[1] : 0;
            } else if (kind == ENDED && field == 1) {
                grant = hash(in.readByteArray(), 1);
            } else if ((kind == LINKED || kind == UNLINKED) && field == 1) {
                grant = lastEight(in.readByteArray());
            } else if (kind == LINKED && field == 2) {
                away = lastEight(in.readByteArray()) == subjectHash;
            } else if (kind == CARRIED && field == 1) {
                if (paths == path.length) {
                    path = java.util.Arrays.copyOf(path, 2 * paths);
                }
                path[paths++] = lastEight(in.readByteArray());
            } else if (kind == CARRIED && field == 4) {
                carried = in.readByteArray();
            } else if (kind == CLAIM && field == 2) {
                visit = in.readString();
            } else if (kind == CLAIM && field == 3) {
                route = in.readString();
            } else if (kind == CLAIM && field == 9) {
                ended = timestamp(in);
            } else {
                in.skipField(tag);
            }
        }
        if (kind == CHECK_UP || kind == CARE || kind == CLAIM) {
            // The day that a contact counts on; none of a withdrawn payment request, which is no visit.
            from = "8".equals(route) ? Integer.MAX_VALUE : ended == Long.MIN_VALUE ? Integer.MIN_VALUE : dayOf(ended);
            checkUp = kind == CHECK_UP || "15".equals(visit) || "16".equals(visit);
        }
        return carried;
    }

    private static long timestamp(CodedInputStream in) throws IOException {
        int limit = in.pushLimit(in.readRawVarint32());
        long seconds = 0, nanos = 0;
        for (int tag = in.readTag(); tag != 0; tag = in.readTag()) {
            switch (tag >>> 3) {
                case 1 -> seconds = in.readInt64();
                case 2 -> nanos = in.readInt32();
                default -> in.skipField(tag);
            }
        }
        in.popLimit(limit);
        return seconds * 1000 + nanos / 1_000_000;
    }

    private static long reference(CodedInputStream in) throws IOException {
        int limit = in.pushLimit(in.readRawVarint32());
        long id = 0;
        for (int tag = in.readTag(); tag != 0; tag = in.readTag()) {
            if (tag >>> 3 == 1) {
                id = lastEight(in.readByteArray());
            } else {
                in.skipField(tag);
            }
        }
        in.popLimit(limit);
        return id;
    }

    /** The civil day in Hanoi, in days since 1970. */
    static int dayOf(long ms) {
        return (int) Math.floorDiv(ms + HANOI_MS, DAY_MS);
    }

    /** The day of YYYY-MM-DD, YYYY-MM or YYYY: an unknown part counts as the first. */
    static int day(byte[] text, int without) {
        if (text.length < 4) {
            return without;
        }
        int year = number(text, 0, 4);
        int month = text.length >= 7 ? number(text, 5, 7) : 1;
        int day = text.length >= 10 ? number(text, 8, 10) : 1;
        return daysBefore(year, month) + day - 1;
    }

    /** Days from 1970-01-01 to the first of a month. */
    static int daysBefore(int year, int month) {
        int shifted = month <= 2 ? year - 1 : year;
        int era = Math.floorDiv(shifted, 400);
        int ofEra = shifted - era * 400;
        int ofYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5;
        return era * 146_097 + ofEra * 365 + ofEra / 4 - ofEra / 100 + ofYear - 719_468;
    }

    private static int commune(byte[] text) {
        return text.length == 5 ? number(text, 0, 5) : Figures.UNKNOWN;
    }

    private static boolean isLetter(byte letter) {
        return letter >= 'A' && letter <= 'Z';
    }

    private static int number(byte[] text, int from, int until) {
        int number = 0;
        for (int at = from; at < until; at++) {
            number = number * 10 + text[at] - '0';
        }
        return number;
    }

    /** Of an id the half that differs. */
    private static long lastEight(byte[] id) {
        long half = 0;
        for (int at = Math.max(0, id.length - 8); at < id.length; at++) {
            half = half << 8 | id[at] & 0xff;
        }
        return half;
    }

    private static long hash(byte[] text, long seed) {
        long hash = seed ^ 0xcbf29ce484222325L;
        for (byte each : text) {
            hash = (hash ^ each & 0xff) * 0x100000001b3L;
        }
        return text.length == 0 ? 0 : hash;
    }

    private static long mix(long emitter, long key) {
        long mixed = (emitter * 31 + key) * 0x9e3779b97f4a7c15L;
        return mixed ^ mixed >>> 29;
    }
}
