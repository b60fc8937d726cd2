// SPDX-License-Identifier: Apache-2.0
package dev.belay.md;

import dev.belay.Limits;
import java.util.Arrays;
import java.util.function.IntPredicate;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Where the copies of RAID 1 and RAID 10 stand.
 *
 * <p>RAID 10 deals chunks out as a stripe does. <em>Near</em> copies follow each other on the next
 * members, at the same offset or, where the row ends, one chunk on. <em>Far</em> copies are the
 * whole of that once more, in the next part of every member, moved on by some members; as
 * <em>offset</em> copies they stand one chunk on instead. Near and far may be combined. RAID 1 is
 * all members near, without chunks.
 *
 * <p>The layout's number has the near copies in bits 0 to 7, the far copies in bits 8 to 15, offset
 * in bit 16, and in bits 17 and 18 how far copies move on: among all members (0), among sets of
 * {@code members / far} (1), or among sets of {@code near * far} (2).
 *
 * <p>Immutable; safe for all threads. No query allocates. The layouts are those of
 * drivers/md/raid10.c in Linux.
 */
public final class CopiesLayout {
  /** Near 2, as mdadm takes it where no layout is named. */
  public static final int DEFAULT_NUMBER = 0x102;

  private static final int OFFSET_BIT = 1 << 16;
  private static final int SETS_SHIFT = 17;
  private static final Pattern WORD =
      Pattern.compile("(?:n|near=)(\\d{1,3})|(?:f|far=)(\\d{1,3})|(?:o|offset=)(\\d{1,3})");
  private static final Pattern NUMBER = Pattern.compile("0x([0-9a-f]{1,5})");

  private final Level level;
  private final int number;
  private final int members;
  private final int near;
  private final int far;
  private final boolean offset;
  private final long chunkBytes;
  private final long chunks;
  private final long arrayBytes;
  private final long usedBytes;

  /** In chunks: what one set of far copies takes of a member. */
  private final long strideChunks;

  /** By member times far plus far copy: the member on which that copy stands. */
  private final int[] moved;

  /** The other way round: the member from which a far copy came. */
  private final int[] origins;

  private CopiesLayout(
      Level level, int number, int members, long chunkBytes, long chunks, long memberBytes) {
    this.level = level;
    this.number = number;
    this.members = members;
    this.near = number & 0xff;
    this.far = number >> 8 & 0xff;
    this.offset = (number & OFFSET_BIT) != 0;
    this.chunkBytes = chunkBytes;
    this.chunks = chunks;
    this.strideChunks = memberBytes / chunkBytes / far;
    this.arrayBytes = Limits.times("a " + level.word(), chunks, chunkBytes);
    long whole = chunks / members * near * far; // the product of all chunks might not fit
    this.usedBytes = (whole + Math.ceilDiv(chunks % members * near * far, members)) * chunkBytes;
    this.moved = new int[members * far];
    this.origins = new int[members * far];
  }

  /** RAID 1: every member is a copy of the array. */
  public static CopiesLayout raid1(int members, long memberBytes) {
    if (members < 1 || members > 255) {
      throw new IllegalArgumentException("raid1 takes 1 to 255 members, not " + members + ".");
    }
    if (memberBytes <= 0) {
      throw new IllegalArgumentException(
          "The members of a raid1 need room; they have %d bytes.".formatted(memberBytes));
    }
    CopiesLayout layout =
        new CopiesLayout(Level.RAID1, 0x100 | members, members, memberBytes, 1, memberBytes);
    layout.fillMoves();
    return layout;
  }

  /**
   * RAID 10.
   *
   * @param number as in the superblock
   * @param memberBytes what each member gives; the array uses whole chunks of it
   * @throws IllegalArgumentException with a sentence, where Linux has no such array or could not
   *     keep its copies apart
   */
  public static CopiesLayout raid10(int number, int members, long chunkBytes, long memberBytes) {
    int copies = (number & 0xff) * (number >> 8 & 0xff);
    if (number < 0 || number >> SETS_SHIFT > 2 || copies == 0) {
      throw new IllegalArgumentException("raid10 has no layout 0x%x.".formatted(number));
    }
    if (copies < 2) {
      throw new IllegalArgumentException(
          "A raid10 keeps at least 2 copies; layout 0x%x keeps one.".formatted(number));
    }
    if (members < copies) {
      throw new IllegalArgumentException(
          "The raid10 layout %s needs at least %d members; there are %d."
              .formatted(word(number), copies, members));
    }
    if (chunkBytes < 512 || Long.bitCount(chunkBytes) != 1) {
      throw new IllegalArgumentException(
          "A chunk of raid10 is a power of two of at least 512 bytes, not " + chunkBytes + ".");
    }
    long rows = memberBytes / chunkBytes / (number >> 8 & 0xff);
    if (rows <= 0) {
      throw new IllegalArgumentException(
          "Members of %d bytes are too small for raid10 %s with chunks of %d."
              .formatted(memberBytes, word(number), chunkBytes));
    }
    Limits.times("a raid10", members, rows / (number & 0xff) * chunkBytes);
    long chunks = rows * members / (number & 0xff);
    CopiesLayout layout =
        new CopiesLayout(Level.RAID10, number, members, chunkBytes, chunks, memberBytes);
    layout.fillMoves();
    layout.checkApart();
    return layout;
  }

  /**
   * The number of a raid10 layout: {@code n2}, {@code f2}, {@code o2} as for mdadm, {@code near=2},
   * {@code far=2}, {@code offset=2} as it prints them, or the number itself, {@code 0x202}.
   *
   * @throws IllegalArgumentException with a sentence
   */
  public static int number(String word) {
    Matcher digits = NUMBER.matcher(word);
    if (digits.matches()) {
      return Integer.parseInt(digits.group(1), 16);
    }
    Matcher parts = WORD.matcher(word);
    if (parts.matches()) {
      for (int kind = 1; kind <= 3; kind++) {
        String count = parts.group(kind);
        if (count != null && Integer.parseInt(count) >= 1 && Integer.parseInt(count) <= 200) {
          int copies = Integer.parseInt(count);
          return switch (kind) {
            case 1 -> 0x100 | copies;
            case 2 -> copies << 8 | 1;
            default -> OFFSET_BIT | copies << 8 | 1;
          };
        }
      }
    }
    throw new IllegalArgumentException(
        "'%s' is no layout of raid10; say n, f or o (near, far, offset) and how many copies: n2."
            .formatted(word));
  }

  /** The word that {@link #number(String)} reads back as the same number. */
  public static String word(int number) {
    int near = number & 0xff;
    int far = number >> 8 & 0xff;
    if (number >> 8 == 1) {
      return "n" + near;
    }
    if (near == 1 && number >> 16 == 0) {
      return "f" + far;
    }
    if (near == 1 && number >> 16 == 1) {
      return "o" + far;
    }
    return "0x%x".formatted(number);
  }

  public Level level() {
    return level;
  }

  /** As in the superblock of a raid10. */
  public int number() {
    return number;
  }

  public String word() {
    return word(number);
  }

  public int members() {
    return members;
  }

  /** How many copies of everything there are. */
  public int copies() {
    return near * far;
  }

  /** The bytes of a chunk; for RAID 1, of a member. */
  public long chunkBytes() {
    return chunkBytes;
  }

  public long arrayBytes() {
    return arrayBytes;
  }

  /** What the array uses of every member, at most; the last chunks of some may be left over. */
  public long usedBytes() {
    return usedBytes;
  }

  /** Whether every member holds the whole array at its own offset, so that nothing is split. */
  public boolean isPlain() {
    return near == members && far == 1;
  }

  /** How many bytes from an offset of the array on stand together, on every copy. */
  public long runBytes(long arrayOffsetBytes) {
    return isPlain()
        ? arrayBytes - arrayOffsetBytes
        : chunkBytes - (arrayOffsetBytes & (chunkBytes - 1));
  }

  /** The member that has copy {@code copy} of an offset of the array. */
  public int member(long arrayOffsetBytes, int copy) {
    if (isPlain()) {
      return copy;
    }
    long place = place(arrayOffsetBytes, copy);
    return moved[(int) (place % members) * far + copy % far];
  }

  /** Where on its member copy {@code copy} of an offset of the array stands. */
  public long memberOffset(long arrayOffsetBytes, int copy) {
    if (isPlain()) {
      return arrayOffsetBytes;
    }
    return row(arrayOffsetBytes / chunkBytes, copy) * chunkBytes
        + (arrayOffsetBytes & (chunkBytes - 1));
  }

  /** The offset of the array that stands at a place of a member; -1 where nothing stands. */
  public long arrayOffset(int member, long memberOffsetBytes) {
    if (isPlain()) {
      return memberOffsetBytes < arrayBytes ? memberOffsetBytes : -1;
    }
    long row = memberOffsetBytes / chunkBytes;
    long copy = offset ? row % far : row / strideChunks;
    if (copy >= far) {
      return -1;
    }
    long first = offset ? row / far : row % strideChunks;
    long chunk = (first * members + origins[member * far + (int) copy]) / near;
    return chunk < chunks ? chunk * chunkBytes + (memberOffsetBytes & (chunkBytes - 1)) : -1;
  }

  /** How many bytes from a place of a member on belong together. */
  public long memberRunBytes(long memberOffsetBytes) {
    return isPlain()
        ? arrayBytes - memberOffsetBytes
        : chunkBytes - (memberOffsetBytes & (chunkBytes - 1));
  }

  /** Whether every chunk has a copy on a member that is not missing. */
  public boolean canRunWithout(IntPredicate missing) {
    // Where copies stand repeats after so many chunks as there are members.
    long kinds = Math.min(chunks, members);
    for (long chunk = 0; chunk < kinds; chunk++) {
      boolean found = false;
      for (int copy = 0; copy < copies() && !found; copy++) {
        found = !missing.test(member(chunk * chunkBytes, copy));
      }
      if (!found) {
        return false;
      }
    }
    return true;
  }

  /** Counts members over rows: where a copy would stand without far copies. */
  private long place(long arrayOffsetBytes, int copy) {
    return arrayOffsetBytes / chunkBytes * near + copy / far;
  }

  private long row(long chunk, int copy) {
    long start = chunk * near / members;
    // As Linux: a near copy that does not fit into the row stands one chunk on, also with offset.
    long wrapped = (chunk * near + copy / far) / members - start;
    return offset
        ? start * far + wrapped + copy % far
        : start + wrapped + copy % far * strideChunks;
  }

  /** As the loop of __raid10_find_phys in Linux goes from one far copy to the next. */
  private void fillMoves() {
    int set =
        switch (number >> SETS_SHIFT) {
          case 1 -> members / far;
          case 2 -> far * near;
          default -> members;
        };
    int lastStart = (members / set - 1) * set;
    int lastSize = set + members % set;
    Arrays.fill(origins, -1);
    for (int member = 0; member < members; member++) {
      int at = member;
      for (int copy = 0; copy < far; copy++) {
        moved[member * far + copy] = at;
        origins[at * far + copy] = member;
        int start = at / set * set;
        at += near;
        if (members % set != 0 && at > lastStart) {
          at = (at - lastStart) % lastSize + lastStart;
        } else {
          at = at % set + start;
        }
      }
    }
  }

  /** Some combinations, which Linux accepts, have it write two chunks to one place. */
  private void checkApart() {
    boolean clash = offset && near > 1 && members % near != 0;
    for (int origin : origins) {
      clash |= origin < 0;
    }
    if (clash) {
      throw new IllegalArgumentException(
          "The raid10 layout %s over %d members puts two chunks into one place, in Linux too; use"
                  .formatted(word(number), members)
              + " another number of members, or near, far or offset alone.");
    }
  }

  @Override
  public String toString() {
    return level == Level.RAID1
        ? "raid1, %d members".formatted(members)
        : "raid10 %s, %d members, chunk %d".formatted(word(), members, chunkBytes);
  }
}
