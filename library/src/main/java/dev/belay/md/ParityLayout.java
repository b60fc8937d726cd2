// SPDX-License-Identifier: Apache-2.0
package dev.belay.md;

import dev.belay.Limits;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Where the chunks and the parity of RAID 4, 5 and 6 stand, in every layout that Linux md has.
 *
 * <p>A row is one chunk of every member, all at the same offset. Of the {@code members} chunks of a
 * row one holds P, with RAID 6 another one Q, and the others are the columns: column 0 is what
 * comes first in the array. Which member has which part repeats after a few rows, so it is computed
 * once, for one rotation.
 *
 * <p>Q is the sum of {@code 2^qIndex * column} in GF(2^8) with the polynomial 0x11d. Linux numbers
 * the columns for it by their members, beginning with the member after Q, and leaves P out; that is
 * the order of the array only in some layouts. In the DDF layouts a column has the number of its
 * member.
 *
 * <p>Immutable; safe for all threads. No query allocates. The layouts are those of
 * drivers/md/raid5.c in Linux and restripe.c in mdadm.
 */
public final class ParityLayout {
  public static final int LEFT_ASYMMETRIC = 0;
  public static final int RIGHT_ASYMMETRIC = 1;
  public static final int LEFT_SYMMETRIC = 2;
  public static final int RIGHT_SYMMETRIC = 3;
  public static final int PARITY_FIRST = 4;
  public static final int PARITY_LAST = 5;
  public static final int DDF_ZERO_RESTART = 8;
  public static final int DDF_N_RESTART = 9;
  public static final int DDF_N_CONTINUE = 10;

  /** Added to one of the first five: as RAID 5 with one member less, and Q on the last member. */
  private static final int Q_LAST = 16;

  /** Below the order of 2 in GF(2^8), so that no two columns enter Q with the same factor. */
  private static final int MOST_MEMBERS = 255;

  private static final Map<String, Integer> RAID5_WORDS = new LinkedHashMap<>();
  private static final Map<String, Integer> RAID6_WORDS = new LinkedHashMap<>();

  /* The first word of a number is the one that is printed. */
  static {
    RAID5_WORDS.put("left-asymmetric", LEFT_ASYMMETRIC);
    RAID5_WORDS.put("right-asymmetric", RIGHT_ASYMMETRIC);
    RAID5_WORDS.put("left-symmetric", LEFT_SYMMETRIC);
    RAID5_WORDS.put("right-symmetric", RIGHT_SYMMETRIC);
    RAID5_WORDS.put("parity-first", PARITY_FIRST);
    RAID5_WORDS.put("parity-last", PARITY_LAST);
    RAID5_WORDS.put("la", LEFT_ASYMMETRIC);
    RAID5_WORDS.put("ra", RIGHT_ASYMMETRIC);
    RAID5_WORDS.put("ls", LEFT_SYMMETRIC);
    RAID5_WORDS.put("rs", RIGHT_SYMMETRIC);
    RAID5_WORDS.put("default", LEFT_SYMMETRIC);
    RAID6_WORDS.putAll(RAID5_WORDS);
    RAID5_WORDS.put("ddf-zero-restart", RIGHT_ASYMMETRIC);
    RAID5_WORDS.put("ddf-N-restart", LEFT_ASYMMETRIC);
    RAID5_WORDS.put("ddf-N-continue", LEFT_SYMMETRIC);
    RAID6_WORDS.put("ddf-zero-restart", DDF_ZERO_RESTART);
    RAID6_WORDS.put("ddf-N-restart", DDF_N_RESTART);
    RAID6_WORDS.put("ddf-N-continue", DDF_N_CONTINUE);
    RAID6_WORDS.put("left-asymmetric-6", Q_LAST + LEFT_ASYMMETRIC);
    RAID6_WORDS.put("right-asymmetric-6", Q_LAST + RIGHT_ASYMMETRIC);
    RAID6_WORDS.put("left-symmetric-6", Q_LAST + LEFT_SYMMETRIC);
    RAID6_WORDS.put("right-symmetric-6", Q_LAST + RIGHT_SYMMETRIC);
    RAID6_WORDS.put("parity-first-6", Q_LAST + PARITY_FIRST);
  }

  private final Level level;
  private final int number;
  private final int members;
  private final int columns;
  private final long chunkBytes;

  /** After so many rows the layout repeats. */
  private final int period;

  /* By the row's place in the period, times columns or members, plus column or member. */
  private final long rowBytes;
  private final int[] parityMembers;
  private final int[] qMembers;
  private final int[] membersOfColumns;
  private final int[] columnsOfMembers;
  private final int[] qIndexes;

  /**
   * A layout; {@code number} is the one of the superblock, and RAID 4 takes any.
   *
   * @throws IllegalArgumentException with a sentence, where Linux would have no such array
   */
  public ParityLayout(Level level, int number, int members, long chunkBytes) {
    if (level.parities() == 0) {
      throw new IllegalArgumentException(
          level.word() + " has no parity: a parity layout is for raid4, raid5 and raid6.");
    }
    if (level != Level.RAID4 && !words(level).containsValue(number)) {
      throw new IllegalArgumentException("%s has no layout %d.".formatted(level.word(), number));
    }
    int fewest = level == Level.RAID6 ? 4 : 2;
    if (members < fewest || members > MOST_MEMBERS) {
      throw new IllegalArgumentException(
          "%s takes %d to %d members, not %d."
              .formatted(level.word(), fewest, MOST_MEMBERS, members));
    }
    if (chunkBytes < 512 || Long.bitCount(chunkBytes) != 1) {
      throw new IllegalArgumentException(
          "A chunk of %s is a power of two of at least 512 bytes, not %d."
              .formatted(level.word(), chunkBytes));
    }
    this.level = level;
    this.number = number;
    this.members = members;
    this.columns = members - level.parities();
    this.chunkBytes = chunkBytes;
    rowBytes = Limits.times("a row of " + level.word(), columns, chunkBytes);
    this.period = periodOf(level, number, members);
    this.parityMembers = new int[period];
    this.qMembers = new int[period];
    this.membersOfColumns = new int[period * columns];
    this.columnsOfMembers = new int[period * members];
    this.qIndexes = new int[period * columns];
    for (int phase = 0; phase < period; phase++) {
      fill(phase);
    }
  }

  /** The layout that mdadm takes for a level where none is named. */
  public static int defaultNumber(Level level) {
    return level == Level.RAID4 ? 0 : LEFT_SYMMETRIC;
  }

  /**
   * The number of a layout that is named as for mdadm: {@code left-symmetric}, {@code ls}, …
   *
   * @throws IllegalArgumentException with a sentence that lists the words of that level
   */
  public static int number(Level level, String word) {
    Integer number = words(level).get(word);
    if (number == null) {
      throw new IllegalArgumentException(
          "%s has no layout '%s'; it has: %s."
              .formatted(level.word(), word, String.join(", ", words(level).keySet())));
    }
    return number;
  }

  /** The word of a layout, as mdadm prints it; {@code default} for RAID 4, which has but one. */
  public static String word(Level level, int number) {
    if (level == Level.RAID4) {
      return "default";
    }
    for (Map.Entry<String, Integer> entry : words(level).entrySet()) {
      if (entry.getValue() == number) {
        return entry.getKey();
      }
    }
    throw new IllegalArgumentException("%s has no layout %d.".formatted(level.word(), number));
  }

  private static Map<String, Integer> words(Level level) {
    return switch (level) {
      case RAID4 -> Map.of("default", 0);
      case RAID5 -> RAID5_WORDS;
      case RAID6 -> RAID6_WORDS;
      case RAID0, RAID1, RAID10 ->
          throw new IllegalArgumentException(level.word() + " has no parity layout.");
    };
  }

  public Level level() {
    return level;
  }

  /** As in the superblock. */
  public int number() {
    return number;
  }

  public String word() {
    return word(level, number);
  }

  public int members() {
    return members;
  }

  /** How many chunks of a row are the array's own: members less parities. */
  public int columns() {
    return columns;
  }

  /** One, or two for RAID 6: so many members may be missing. */
  public int parities() {
    return level.parities();
  }

  public long chunkBytes() {
    return chunkBytes;
  }

  /** How much of the array stands in one row. */
  public long rowBytes() {
    return rowBytes;
  }

  /**
   * The array's size over members of which each gives so many bytes: whole rows only.
   *
   * @throws IllegalArgumentException with a sentence, where no offset could count that far
   */
  public long arrayBytes(long memberBytes) {
    return Limits.times("a " + level.word(), columns, memberBytes / chunkBytes * chunkBytes);
  }

  /** The row that holds an offset of the array. */
  public long row(long arrayOffsetBytes) {
    return arrayOffsetBytes / rowBytes();
  }

  /** The column that holds an offset of the array. */
  public int column(long arrayOffsetBytes) {
    return (int) (arrayOffsetBytes % rowBytes() / chunkBytes);
  }

  /** Where a column of a row begins in the array. */
  public long arrayOffset(long row, int column) {
    return row * rowBytes() + column * chunkBytes;
  }

  /** The member that holds P in a row. */
  public int parityMember(long row) {
    return parityMembers[phase(row)];
  }

  /** The member that holds Q in a row; -1 without Q. */
  public int qMember(long row) {
    return qMembers[phase(row)];
  }

  /** The member that holds a column of a row. */
  public int member(long row, int column) {
    return membersOfColumns[phase(row) * columns + column];
  }

  /** The column that a member holds in a row; -1 if it holds parity there. */
  public int columnOf(long row, int member) {
    return columnsOfMembers[phase(row) * members + member];
  }

  /** The exponent of 2 with which a column of a row enters Q; 0 without Q. */
  public int qIndex(long row, int column) {
    return qIndexes[phase(row) * columns + column];
  }

  private int phase(long row) {
    return (int) (row % period);
  }

  private static int periodOf(Level level, int number, int members) {
    int base = number & ~Q_LAST;
    if (level == Level.RAID4 || base == PARITY_FIRST || base == PARITY_LAST) {
      return 1;
    }
    return level == Level.RAID6 && number >= Q_LAST ? members - 1 : members;
  }

  /** Fills the tables of one row. */
  private void fill(int phase) {
    boolean qLast = level == Level.RAID6 && number >= Q_LAST;
    // With Q on the last member the others are a RAID 5 of their own.
    int turning = qLast ? members - 1 : members;
    int p = level == Level.RAID4 ? members - 1 : parityPlace(phase, turning);
    int q = -1;
    if (qLast) {
      q = members - 1;
    } else if (level == Level.RAID6) {
      q = (number == DDF_N_CONTINUE ? p + members - 1 : p + 1) % members;
    }
    parityMembers[phase] = p;
    qMembers[phase] = q;
    for (int member = 0; member < members; member++) {
      columnsOfMembers[phase * members + member] = -1;
    }
    int member = firstMember(p, turning);
    for (int column = 0; column < columns; column++) {
      while (member == p || member == q) {
        member = (member + 1) % turning;
      }
      membersOfColumns[phase * columns + column] = member;
      columnsOfMembers[phase * members + member] = column;
      member = (member + 1) % turning;
    }
    if (q >= 0) {
      fillQIndexes(phase, q);
    }
  }

  private int parityPlace(int phase, int turning) {
    return switch (number & ~Q_LAST) {
      case LEFT_ASYMMETRIC, LEFT_SYMMETRIC, DDF_N_CONTINUE -> turning - 1 - phase;
      case RIGHT_ASYMMETRIC, RIGHT_SYMMETRIC, DDF_ZERO_RESTART -> phase;
      // As left-asymmetric, one row on: the first row ends with P and Q.
      case DDF_N_RESTART -> turning - 1 - (phase + 1) % turning;
      case PARITY_FIRST -> 0;
      case PARITY_LAST -> columns;
      default -> throw new IllegalStateException("The layout was checked when it was made.");
    };
  }

  /** The member from which the columns are dealt out, passing over parity. */
  private int firstMember(int p, int turning) {
    if (level == Level.RAID4) {
      return 0;
    }
    return switch (number & ~Q_LAST) {
      case LEFT_SYMMETRIC, RIGHT_SYMMETRIC, DDF_N_CONTINUE -> (p + 1) % turning;
      default -> 0;
    };
  }

  private void fillQIndexes(int phase, int q) {
    boolean ddf = number >= DDF_ZERO_RESTART && number <= DDF_N_CONTINUE;
    int index = 0;
    for (int step = 1; step <= members; step++) {
      int member = (q + step) % members;
      int column = columnsOfMembers[phase * members + member];
      if (column >= 0) {
        qIndexes[phase * columns + column] = ddf ? member : index++;
      }
    }
  }

  @Override
  public String toString() {
    return "%s %s, %d members, chunk %d".formatted(level.word(), word(), members, chunkBytes);
  }
}
