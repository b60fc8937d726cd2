// SPDX-License-Identifier: Apache-2.0
package dev.belay.md;

import static dev.belay.md.SuperblockCheck.require;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * The bad blocks of one member: where it could not be written, or lost what it had, while the
 * member as a whole stayed. Its log on disk has 8 bytes for each range, little endian: 54 bits for
 * the place and 10 for the length, in units of {@code 1 << shift} sectors; ones behind the last.
 *
 * <p>Offsets count on the device, as the log has them: the member's {@link Superblock#startBytes}
 * is in them. Not thread-safe.
 */
public final class BadBlocks {
  /** A range of bytes. */
  public record Range(long offsetBytes, long lengthBytes) {
    private long endBytes() {
      return offsetBytes + lengthBytes;
    }
  }

  /** The kernel splits what is longer, so that its own table has nine bits for a length. */
  private static final long MOST_UNITS = 512;

  private static final int LENGTH_BITS = 10;
  private static final long MOST_SECTORS = 1L << 53;
  private static final int MOST_SHIFT = 30;

  private final int shift;
  private final TreeMap<Long, Long> ends = new TreeMap<>();

  /** Has none yet; the shift is the superblock's, from 0 to 30. */
  public BadBlocks(int shift) {
    if (shift < 0 || shift > MOST_SHIFT) {
      throw new IllegalArgumentException("the shift is 0 to 30, not " + shift);
    }
    this.shift = shift;
  }

  /**
   * Reads a log.
   *
   * @param log the whole of it, as long as the superblock says
   * @throws MetadataException if it says what cannot be
   */
  public static BadBlocks parse(byte[] log, int shift) throws MetadataException {
    require(
        shift >= 0 && shift <= MOST_SHIFT,
        "the bad block log counts in units of 2^%d sectors; it may be 0 to 30",
        shift);
    var blocks = new BadBlocks(shift);
    ByteBuffer image = ByteBuffer.wrap(log).order(ByteOrder.LITTLE_ENDIAN);
    while (image.remaining() >= 8) {
      long entry = image.getLong();
      if (entry == -1) {
        break;
      }
      long units = entry & ((1 << LENGTH_BITS) - 1);
      long at = entry >>> LENGTH_BITS;
      require(
          at + units <= MOST_SECTORS >> shift,
          "the bad block log names the sector %d, and no device is that large: it is damaged",
          at);
      if (units > 0) {
        blocks.put(at * blocks.unitBytes(), (at + units) * blocks.unitBytes());
      }
    }
    return blocks;
  }

  /**
   * The log, or as much of it as there is room for.
   *
   * @param logBytes the length of the log on disk
   * @throws MetadataException if there are more than it has room for: then the member has failed
   */
  public byte[] encode(int logBytes) throws MetadataException {
    ByteBuffer image = ByteBuffer.allocate(logBytes).order(ByteOrder.LITTLE_ENDIAN);
    Arrays.fill(image.array(), (byte) 0xff);
    for (Range range : ranges()) {
      long left = range.lengthBytes() / unitBytes();
      long at = range.offsetBytes() / unitBytes();
      while (left > 0) {
        require(
            image.remaining() >= 8,
            "the member has more bad blocks than the %d that its log has room for: replace it",
            logBytes / 8);
        long units = Math.min(left, MOST_UNITS);
        image.putLong(at << LENGTH_BITS | units);
        at += units;
        left -= units;
      }
    }
    return image.array();
  }

  /** Marks a range, rounded outwards to whole units. */
  public void add(long offsetBytes, long lengthBytes) {
    if (lengthBytes > 0) {
      long from = offsetBytes / unitBytes() * unitBytes();
      put(from, (offsetBytes + lengthBytes + unitBytes() - 1) / unitBytes() * unitBytes());
    }
  }

  private void put(long from, long to) {
    long first = from;
    long last = to;
    Map.Entry<Long, Long> left = ends.floorEntry(from);
    if (left != null && left.getValue() >= from) {
      first = left.getKey();
    }
    for (Map.Entry<Long, Long> one : List.copyOf(ends.subMap(first, true, to, true).entrySet())) {
      last = Math.max(last, one.getValue());
      ends.remove(one.getKey());
    }
    ends.put(first, last);
  }

  /** Clears a range that has been written, rounded inwards to whole units. */
  public void remove(long offsetBytes, long lengthBytes) {
    long from = (offsetBytes + unitBytes() - 1) / unitBytes() * unitBytes();
    long to = (offsetBytes + lengthBytes) / unitBytes() * unitBytes();
    if (from >= to) {
      return;
    }
    Map.Entry<Long, Long> left = ends.lowerEntry(from);
    Map.Entry<Long, Long> right = ends.lowerEntry(to);
    long end = right == null ? 0 : right.getValue();
    if (left != null && left.getValue() > from) {
      ends.put(left.getKey(), from);
    }
    ends.subMap(from, true, to, false).clear();
    if (end > to) {
      ends.put(to, end);
    }
  }

  /** Whether any byte of a range is bad. */
  public boolean hits(long offsetBytes, long lengthBytes) {
    Map.Entry<Long, Long> left = ends.lowerEntry(offsetBytes + lengthBytes);
    return lengthBytes > 0 && left != null && left.getValue() > offsetBytes;
  }

  /** Whether there are none: then the superblock must not have {@link Feature#BAD_BLOCKS}. */
  public boolean isEmpty() {
    return ends.isEmpty();
  }

  /** All of them, in order and apart from each other. */
  public List<Range> ranges() {
    List<Range> ranges = new ArrayList<>();
    ends.forEach((from, to) -> ranges.add(new Range(from, to - from)));
    return ranges;
  }

  /** The bad parts of a range, in order. */
  public List<Range> within(long offsetBytes, long lengthBytes) {
    List<Range> found = new ArrayList<>();
    for (Range range : ranges()) {
      long from = Math.max(offsetBytes, range.offsetBytes());
      long to = Math.min(offsetBytes + lengthBytes, range.endBytes());
      if (from < to) {
        found.add(new Range(from, to - from));
      }
    }
    return found;
  }

  private long unitBytes() {
    return (long) Superblock.SECTOR << shift;
  }
}
