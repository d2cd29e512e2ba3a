package vertebra.streams;

import java.util.Arrays;

/**
 * One person's history as it stands in the store, and the person's state on a day.
 *
 * <p>A value is the state that was last counted (8 bytes), then the facts in the order of their arrival. A fact begins with its
 * length in bytes and has a fixed part of 40 bytes; then what its event refers to (8 bytes, if it does), what its kind tells, and the
 * links it was carried along (8 bytes each).
 *
 * <p>What counts is decided as the engine decides it: copies of one event id are one event; of the versions of a record the greatest
 * (asserted, recorded, id) counts; an event that one in force takes back does not. Left out: conflicts of content under one id,
 * operators' authority, circles.
 */
final class History {
    private static final int STATE = 8, LENGTH = 0, KIND = 1, FLAGS = 2, ID = 3, RECORD = 11, ASSERTED = 19, RECORDED = 27,
            OCCURRED = 35, LINKS = 39, FIXED = 40;
    private static final int REFERS = 1, WITHDRAWN = 2, NOBODY = 4, CHECK_UP = 8, AWAY = 16;
    private static final int LAYER_BITS = 5;
    /** Longer histories are no people's: the length of a fact is one byte. */
    private static final int PATH_MAX = 12;

    private final int on, year, windowStart;
    private final boolean leap;
    private byte[] bytes = new byte[0];
    private int[] facts = new int[64];
    private byte[] verdict = new byte[64];
    private int count;

    /** Of the day {@code on}, in days since 1970. */
    History(int on) {
        this.on = on;
        java.time.LocalDate day = java.time.LocalDate.ofEpochDay(on);
        year = (int) day.withDayOfYear(1).toEpochDay();
        java.time.LocalDate before = day.minusYears(1);
        // A contact counts until the day before its anniversary; of 29 February that is 1 March.
        leap = day.getMonthValue() == 2 && day.getDayOfMonth() == 28 && before.isLeapYear();
        windowStart = (int) before.toEpochDay() + 1;
    }

    /** The state that a value was counted with; 0 without a value. */
    static long counted(byte[] value) {
        return value == null ? 0 : Bytes8.getLong(value, 0);
    }

    /** The value with what was told, its state evaluated; {@code null}: it holds this already. */
    byte[] append(byte[] value, Told told) {
        int old = value == null ? STATE : value.length;
        for (int at = STATE; at < old; at += value[at + LENGTH] & 0xff) {
            if (Bytes8.getLong(value, at + ID) == told.eventId && samePath(value, at, told)) {
                return null;
            }
        }
        int links = Math.min(told.paths, PATH_MAX);
        int length = FIXED + (told.refers ? 8 : 0) + told(told.kind) + 8 * links;
        byte[] grown = value == null ? new byte[STATE + length] : Arrays.copyOf(value, old + length);
        int flags = (told.refers ? REFERS : 0) | (told.withdrawn ? WITHDRAWN : 0) | (told.isPerson ? 0 : NOBODY)
                | (told.checkUp ? CHECK_UP : 0) | (told.away ? AWAY : 0) | told.layer << LAYER_BITS;
        grown[old + LENGTH] = (byte) length;
        grown[old + KIND] = (byte) told.kind;
        grown[old + FLAGS] = (byte) flags;
        Bytes8.put(grown, old + ID, told.eventId);
        Bytes8.put(grown, old + RECORD, told.record);
        Bytes8.put(grown, old + ASSERTED, told.assertedMs);
        Bytes8.put(grown, old + RECORDED, told.recordedMs);
        Bytes8.put(grown, old + OCCURRED, Told.dayOf(told.occurredMs));
        grown[old + LINKS] = (byte) links;
        int at = old + FIXED;
        if (told.refers) {
            Bytes8.put(grown, at, told.takesBack);
            at += 8;
        }
        switch (told.kind) {
            case Told.RESIDENCE, Told.GRANTED -> {
                Bytes8.put(grown, at, told.from);
                Bytes8.put(grown, at + 4, told.until);
                Bytes8.put(grown, at + 8, told.code);
            }
            case Told.ENDED -> {
                Bytes8.put(grown, at, told.from);
                Bytes8.put(grown, at + 4, told.grant);
            }
            case Told.LINKED, Told.UNLINKED -> Bytes8.put(grown, at, told.grant);
            case Told.REGISTERED, Told.DIED, Told.CHECK_UP, Told.CARE, Told.CLAIM -> {
                boolean contact = told.kind >= Told.CHECK_UP;
                int day = contact && told.from == Integer.MIN_VALUE ? Told.dayOf(told.occurredMs) : told.from;
                Bytes8.put(grown, at, day);
            }
            default -> {}
        }
        for (int link = 0; link < links; link++) {
            Bytes8.put(grown, old + length - 8 * (links - link), told.path[link]);
        }
        Bytes8.put(grown, 0, state(grown));
        return grown;
    }

    /** How many bytes a kind tells. */
    private static int told(int kind) {
        return switch (kind) {
            case Told.RESIDENCE, Told.GRANTED, Told.ENDED -> 12;
            case Told.LINKED, Told.UNLINKED -> 8;
            case Told.REGISTERED, Told.DIED, Told.CHECK_UP, Told.CARE, Told.CLAIM -> 4;
            default -> 0;
        };
    }

    private static boolean samePath(byte[] value, int at, Told told) {
        int links = value[at + LINKS];
        if (links != Math.min(told.paths, PATH_MAX)) {
            return false;
        }
        int first = at + (value[at + LENGTH] & 0xff) - 8 * links;
        for (int link = 0; link < links; link++) {
            if (Bytes8.getLong(value, first + 8 * link) != told.path[link]) {
                return false;
            }
        }
        return true;
    }

    /** The state of a history on the day. */
    private long state(byte[] value) {
        bytes = value;
        if ((value[STATE + FLAGS] & NOBODY) != 0) {
            return 0;
        }
        count = 0;
        for (int at = STATE; at < value.length; at += value[at + LENGTH] & 0xff) {
            if (count == facts.length) {
                facts = Arrays.copyOf(facts, 2 * count);
                verdict = Arrays.copyOf(verdict, 2 * count);
            }
            int place = count++;
            // Nearly always they arrive in order.
            while (place > 0 && isBefore(at, facts[place - 1])) {
                facts[place] = facts[place - 1];
                place--;
            }
            facts[place] = at;
        }
        Arrays.fill(verdict, 0, count, (byte) 0);
        int known = Integer.MAX_VALUE, birth = Integer.MIN_VALUE, died = Integer.MAX_VALUE;
        int recordSince = Integer.MAX_VALUE;
        int contact = Integer.MIN_VALUE, checkUp = Integer.MIN_VALUE;
        boolean any = false;
        for (int number = 0; number < count; number++) {
            if (!inForce(number)) {
                continue;
            }
            any = true;
            int at = facts[number];
            int occurred = Bytes8.getInt(bytes, at + OCCURRED);
            known = Math.min(known, occurred);
            int tells = tells(at);
            switch (bytes[at + KIND] & 0xff) {
                case Told.REGISTERED -> {
                    int day = Bytes8.getInt(bytes, tells);
                    birth = day == Integer.MIN_VALUE ? birth : day;
                }
                case Told.DIED -> died = Math.min(died, Bytes8.getInt(bytes, tells));
                case Told.RECORD_OPENED -> recordSince = occurred <= on ? Math.min(recordSince, occurred) : recordSince;
                case Told.RECORD_CLOSED -> recordSince = occurred <= on ? Integer.MAX_VALUE : recordSince;
                case Told.RESIDENCE, Told.GRANTED -> {
                    int from = Bytes8.getInt(bytes, tells);
                    known = from == Integer.MIN_VALUE ? known : Math.min(known, from);
                }
                case Told.LINKED -> {
                    if ((bytes[at + FLAGS] & AWAY) != 0) {
                        return 0;
                    }
                }
                case Told.CHECK_UP, Told.CARE, Told.CLAIM -> {
                    int day = Bytes8.getInt(bytes, tells);
                    if (day <= on) {
                        contact = Math.max(contact, day);
                        checkUp = (bytes[at + FLAGS] & CHECK_UP) == 0 ? checkUp : Math.max(checkUp, day);
                    }
                }
                default -> {}
            }
        }
        int begins = birth == Integer.MIN_VALUE ? known : birth;
        if (!any || begins > on || died <= on) {
            return 0;
        }
        int card = latestInForce(Told.GRANTED, -1);
        int home = latestInForce(Told.RESIDENCE, 2);
        home = home < 0 ? latestInForce(Told.RESIDENCE, 1) : home;
        home = home < 0 ? latestInForce(Told.RESIDENCE, 0) : home;
        int measures = Figures.PEOPLE | (card < 0 ? 0 : Figures.INSURED);
        if (recordSince <= on) {
            boolean recent = contact >= windowStart - (leap ? 1 : 0);
            measures |= Figures.RECORD | (recent ? Figures.MANAGED : 0);
        }
        measures |= checkUp >= year ? Figures.CHECKED_UP : 0;
        int commune = home < 0 ? Figures.NOWHERE : Bytes8.getInt(bytes, tells(home) + 8);
        return Figures.state(commune, card < 0 ? 0 : Bytes8.getInt(bytes, tells(card) + 8), measures);
    }

    private int tells(int at) {
        return at + FIXED + ((bytes[at + FLAGS] & REFERS) == 0 ? 0 : 8);
    }

    /** By (occurred, asserted, recorded, id). */
    private boolean isBefore(int one, int other) {
        int order = Integer.compare(Bytes8.getInt(bytes, one + OCCURRED), Bytes8.getInt(bytes, other + OCCURRED));
        return order == 0 ? compareVersions(one, other) < 0 : order < 0;
    }

    private int compareVersions(int one, int other) {
        int order = Long.compare(Bytes8.getLong(bytes, one + ASSERTED), Bytes8.getLong(bytes, other + ASSERTED));
        order = order != 0 ? order : Long.compare(Bytes8.getLong(bytes, one + RECORDED), Bytes8.getLong(bytes, other + RECORDED));
        return order != 0 ? order : Long.compareUnsigned(Bytes8.getLong(bytes, one + ID), Bytes8.getLong(bytes, other + ID));
    }

    /** Whether a fact counts; asked once for each, and for what refers to it. */
    private boolean inForce(int number) {
        if (verdict[number] != 0) {
            return verdict[number] == 1;
        }
        // A circle counts on neither side.
        verdict[number] = 2;
        int at = facts[number];
        boolean counts = (bytes[at + FLAGS] & WITHDRAWN) == 0;
        int kind = bytes[at + KIND];
        long record = Bytes8.getLong(bytes, at + RECORD), id = Bytes8.getLong(bytes, at + ID);
        int links = bytes[at + LINKS], first = at + (bytes[at + LENGTH] & 0xff) - 8 * links;
        for (int other = 0; counts && other < count; other++) {
            if (other == number) {
                continue;
            }
            int by = facts[other];
            if (Bytes8.getLong(bytes, by + ID) == id) {
                // The same event, carried along another path: the first that counts is it.
                counts = other > number || !inForce(other);
            } else if (bytes[by + KIND] == kind && kind != Told.RETRACTION && Bytes8.getLong(bytes, by + RECORD) == record) {
                counts = compareVersions(by, at) < 0;
            } else if ((bytes[by + FLAGS] & REFERS) != 0 && Bytes8.getLong(bytes, by + FIXED) == id) {
                counts = !inForce(other);
            } else if (bytes[by + KIND] == Told.UNLINKED) {
                long link = Bytes8.getLong(bytes, tells(by));
                boolean unlinks = kind == Told.LINKED && Bytes8.getLong(bytes, tells(at)) == link;
                for (int along = 0; along < links; along++) {
                    unlinks |= Bytes8.getLong(bytes, first + 8 * along) == link;
                }
                counts = !unlinks || !inForce(other);
            }
        }
        verdict[number] = (byte) (counts ? 1 : 2);
        return counts;
    }

    /** Of the cards, or the residences of a layer, that hold the day the latest begun; -1 without one. */
    private int latestInForce(int kind, int layer) {
        int latest = -1;
        for (int number = 0; number < count; number++) {
            int at = facts[number];
            if (bytes[at + KIND] != kind || !inForce(number)
                    || layer >= 0 && (bytes[at + FLAGS] & 0xff) >> LAYER_BITS != layer) {
                continue;
            }
            int from = Bytes8.getInt(bytes, tells(at)), until = Bytes8.getInt(bytes, tells(at) + 4);
            if (kind == Told.GRANTED) {
                until = Math.min(until, endOf(at, from));
            }
            if (from <= on && on < until) {
                int order = latest < 0 ? 1 : Integer.compare(from, Bytes8.getInt(bytes, tells(latest)));
                latest = order > 0 || order == 0 && compareVersions(at, latest) > 0 ? at : latest;
            }
        }
        return latest;
    }

    /** The first day without, of a card that something ended. */
    private int endOf(int card, int from) {
        int until = Integer.MAX_VALUE;
        for (int number = 0; number < count; number++) {
            int at = facts[number];
            if (bytes[at + KIND] == Told.ENDED && inForce(number)) {
                int day = Bytes8.getInt(bytes, tells(at));
                long grant = Bytes8.getLong(bytes, tells(at) + 4);
                if (grant == 0 ? from < day : grant == Bytes8.getLong(bytes, card + RECORD)) {
                    until = Math.min(until, day);
                }
            }
        }
        return until;
    }
}
