// SPDX-License-Identifier: Apache-2.0
package dev.belay.md;

import dev.belay.Limits;
import java.util.Arrays;

/**
 * Where the chunks of RAID 0 stand when its members differ in size.
 *
 * <p>The first zone is a stripe over all members, as far as the smallest goes; the next one a
 * stripe over those that are larger, as far as the next smallest goes; and so on. Linux has two
 * layouts of the later zones: in the original one the member of a chunk follows from its number in
 * the array, and in the alternate one, of Linux 3.14 to 5.3, from its number in its zone. Arrays of
 * those years do not say which they have, so neither Linux nor Belay guesses.
 *
 * <p>Immutable; safe for all threads. No query allocates. The layouts are those of
 * drivers/md/raid0.c in Linux.
 */
public final class ZonesLayout {
  /** Not said in the superblock; what mdadm calls dangerous. */
  public static final int UNKNOWN = 0;

  public static final int ORIGINAL = 1;
  public static final int ALTERNATE = 2;

  private final int number;
  private final int members;
  private final long chunkBytes;

  /** By zone: where it ends in the array, and where it begins on its members. */
  private final long[] endBytes;

  private final long[] startBytes;

  /** By zone: its members, in their order. */
  private final int[][] zones;

  /**
   * A layout.
   *
   * @param memberBytes what each member gives; whole chunks of it are used
   * @param number as in the superblock: 0 (unknown), 1 or 2
   * @throws IllegalArgumentException with a sentence; also where the layout is unknown and would
   *     matter
   */
  public ZonesLayout(long[] memberBytes, long chunkBytes, int number) {
    if (memberBytes.length < 1) {
      throw new IllegalArgumentException("raid0 takes at least one member.");
    }
    if (chunkBytes < 512 || chunkBytes % 512 != 0) {
      throw new IllegalArgumentException(
          "A chunk of raid0 is a multiple of 512 bytes, not " + chunkBytes + ".");
    }
    if (number < UNKNOWN || number > ALTERNATE) {
      throw new IllegalArgumentException(
          "raid0 has no layout %d; it has original (1) and alternate (2).".formatted(number));
    }
    this.number = number;
    this.members = memberBytes.length;
    this.chunkBytes = chunkBytes;
    long[] sizes = new long[members];
    for (int member = 0; member < members; member++) {
      sizes[member] = memberBytes[member] / chunkBytes * chunkBytes;
      if (sizes[member] <= 0) {
        throw new IllegalArgumentException(
            "Member %d of the raid0 has %d bytes, less than a chunk of %d."
                .formatted(member, memberBytes[member], chunkBytes));
      }
    }
    long[] steps = Arrays.stream(sizes).sorted().distinct().toArray();
    this.endBytes = new long[steps.length];
    this.startBytes = new long[steps.length];
    this.zones = new int[steps.length][];
    long end = 0;
    for (int zone = 0; zone < steps.length; zone++) {
      long start = zone == 0 ? 0 : steps[zone - 1];
      zones[zone] = larger(sizes, start);
      startBytes[zone] = start;
      end += Limits.times("a raid0", zones[zone].length, steps[zone] - start);
      if (end < 0) {
        throw new IllegalArgumentException(
            "a raid0 has less than 8 EiB, and these %d members have more".formatted(members));
      }
      endBytes[zone] = end;
    }
    if (number == UNKNOWN && isLayoutNeeded()) {
      throw new IllegalArgumentException(
          "The members of this raid0 differ in size, and it does not say which of Linux's two"
              + " layouts it has: name it, original (Linux before 3.14, or mdadm told so) or"
              + " alternate (Linux 3.14 and later).");
    }
  }

  private static int[] larger(long[] sizes, long than) {
    int[] found = new int[sizes.length];
    int count = 0;
    for (int member = 0; member < sizes.length; member++) {
      if (sizes[member] > than) {
        found[count++] = member;
      }
    }
    return Arrays.copyOf(found, count);
  }

  /**
   * The number of a layout named as for mdadm.
   *
   * @throws IllegalArgumentException with a sentence
   */
  public static int number(String word) {
    return switch (word) {
      case "original", "1" -> ORIGINAL;
      case "alternate", "2" -> ALTERNATE;
      case "dangerous" -> UNKNOWN;
      default ->
          throw new IllegalArgumentException(
              "'%s' is no layout of raid0; it has: original, alternate.".formatted(word));
    };
  }

  /** The word of a layout. */
  public static String word(int number) {
    return switch (number) {
      case ORIGINAL -> "original";
      case ALTERNATE -> "alternate";
      case UNKNOWN -> "dangerous";
      default -> throw new IllegalArgumentException("raid0 has no layout " + number + ".");
    };
  }

  /** As given: 0 where it is not known. */
  public int number() {
    return number;
  }

  public int members() {
    return members;
  }

  public long chunkBytes() {
    return chunkBytes;
  }

  /** One if all members have the same number of chunks. */
  public int zones() {
    return zones.length;
  }

  public long arrayBytes() {
    return endBytes[endBytes.length - 1];
  }

  /** Whether Linux wants to know the layout: there is a second zone, of more than one member. */
  public boolean isLayoutNeeded() {
    return zones.length > 1 && zones[1].length > 1;
  }

  /** Whether the two layouts would place any chunk of this array differently. */
  public boolean isLayoutSeen() {
    for (int zone = 1; zone < zones.length; zone++) {
      if (endBytes[zone - 1] / chunkBytes % zones[zone].length != 0) {
        return true;
      }
    }
    return false;
  }

  /** How many bytes from an offset of the array on stand together. */
  public long runBytes(long arrayOffsetBytes) {
    return chunkBytes - arrayOffsetBytes % chunkBytes;
  }

  /** The member that holds an offset of the array. */
  public int member(long arrayOffsetBytes) {
    int zone = zone(arrayOffsetBytes);
    long counted = number == ALTERNATE ? arrayOffsetBytes - zoneStart(zone) : arrayOffsetBytes;
    int[] striped = zones[zone];
    return striped[(int) (counted / chunkBytes % striped.length)];
  }

  /** Where on its member an offset of the array stands. */
  public long memberOffset(long arrayOffsetBytes) {
    int zone = zone(arrayOffsetBytes);
    long row = (arrayOffsetBytes - zoneStart(zone)) / (chunkBytes * zones[zone].length);
    return startBytes[zone] + row * chunkBytes + arrayOffsetBytes % chunkBytes;
  }

  /** The offset of the array that stands at a place of a member; -1 where nothing stands. */
  public long arrayOffset(int member, long memberOffsetBytes) {
    int zone = zones.length - 1;
    while (startBytes[zone] > memberOffsetBytes) {
      zone--;
    }
    int place = Arrays.binarySearch(zones[zone], member);
    int width = zones[zone].length;
    long row = (memberOffsetBytes - startBytes[zone]) / chunkBytes;
    if (place < 0 || row >= (endBytes[zone] - zoneStart(zone)) / chunkBytes / width) {
      return -1;
    }
    if (number != ALTERNATE) {
      // The zone's first chunk need not stand on its first member.
      place = (int) Math.floorMod(place - zoneStart(zone) / chunkBytes, (long) width);
    }
    return zoneStart(zone) + (row * width + place) * chunkBytes + memberOffsetBytes % chunkBytes;
  }

  private int zone(long arrayOffsetBytes) {
    int zone = 0;
    while (arrayOffsetBytes >= endBytes[zone]) {
      zone++;
    }
    return zone;
  }

  private long zoneStart(int zone) {
    return zone == 0 ? 0 : endBytes[zone - 1];
  }

  @Override
  public String toString() {
    return "raid0 %s, %d members, chunk %d".formatted(word(number), members, chunkBytes);
  }
}
