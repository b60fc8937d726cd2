// SPDX-License-Identifier: Apache-2.0
package dev.belay.md;

import static dev.belay.md.SuperblockCheck.require;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.UUID;
import java.util.zip.CRC32C;

/**
 * The header of a partial parity log of RAID 5 ({@code struct ppl_header} of Linux md, see {@code
 * raid5-ppl.c}): 4 KiB that say for which writes the partial parity follows, entry after entry.
 *
 * <p>Partial parity is the XOR of those columns of a row that a write does not touch; with it and
 * the written columns as they are, the row's parity is right again, whichever of them arrived.
 *
 * @param signature the array's, see {@link #signature}
 * @param generation greater in every header that is written
 * @param entries at most {@link #MOST_ENTRIES}
 */
public record PartialParityLog(int signature, long generation, List<Entry> entries) {
  /** The length of a header on disk. */
  public static final int BYTES = 4096;

  /** The most entries that a header has room for. */
  public static final int MOST_ENTRIES = 148;

  private static final int RESERVED = 512;
  private static final int ENTRIES = 536;
  private static final int ENTRY = 24;
  private static final long MOST_SECTORS = 1L << 53;

  /**
   * One write, or several to the same row and the neighbours behind it.
   *
   * @param arrayOffsetBytes where in the array the new contents begin
   * @param parityBytes the length of the partial parity; 0 where a whole row was written
   * @param contentBytes the length of the new contents
   * @param parityMember the role of the member with the row's parity
   * @param checksum the {@link PartialParityLog#checksum} of the partial parity
   */
  public record Entry(
      long arrayOffsetBytes, int parityBytes, int contentBytes, int parityMember, int checksum) {}

  /** Keeps its own list. */
  public PartialParityLog {
    if (entries.size() > MOST_ENTRIES) {
      throw new IllegalArgumentException(
          "a header has at most " + MOST_ENTRIES + " entries, not " + entries.size());
    }
    entries = List.copyOf(entries);
  }

  /** A header without entries, as a new or a recovered array has it. */
  public static PartialParityLog empty(UUID uuid, long generation) {
    return new PartialParityLog(signature(uuid), generation, List.of());
  }

  /** The signature of an array's headers: a checksum of its uuid. */
  public static int signature(UUID uuid) {
    var bytes = ByteBuffer.allocate(16);
    bytes.putLong(uuid.getMostSignificantBits()).putLong(uuid.getLeastSignificantBits());
    return checksum(bytes.array());
  }

  /** The kernel's {@code ~crc32c_le(~0, …)}, which is CRC-32C as everybody has it. */
  public static int checksum(byte[] bytes) {
    var crc = new CRC32C();
    crc.update(bytes);
    return (int) crc.getValue();
  }

  /**
   * Reads a header.
   *
   * @param bytes {@link #BYTES} of them
   * @param uuid of the array
   * @param roomBytes how much there is from the header on, for it and its partial parity
   * @throws MetadataException if it is damaged, or another array's, or says what cannot be
   */
  public static PartialParityLog parse(byte[] bytes, UUID uuid, long roomBytes)
      throws MetadataException {
    require(bytes.length >= BYTES, "the partial parity log has only %d bytes", bytes.length);
    ByteBuffer image = ByteBuffer.wrap(Arrays.copyOf(bytes, BYTES)).order(ByteOrder.LITTLE_ENDIAN);
    int stored = image.getInt(532);
    image.putInt(532, 0);
    int sum = checksum(image.array());
    require(
        stored == sum,
        "the partial parity log's checksum is %08x, but its bytes sum up to %08x: it is damaged",
        stored,
        sum);
    int signature = image.getInt(512);
    require(
        signature == signature(uuid),
        "the partial parity log has the signature %08x, but the array's is %08x",
        signature,
        signature(uuid));
    int count = image.getInt(528);
    require(
        count >= 0 && count <= MOST_ENTRIES,
        "the partial parity log says that it has %d entries; %d fit",
        count & 0xffffffffL,
        MOST_ENTRIES);
    List<Entry> entries = new ArrayList<>();
    long needBytes = BYTES;
    for (int i = 0; i < count; i++) {
      int at = ENTRIES + i * ENTRY;
      long sectors = image.getLong(at);
      int parityBytes = image.getInt(at + 8);
      int contentBytes = image.getInt(at + 12);
      int member = image.getInt(at + 16);
      require(
          sectors >= 0
              && sectors < MOST_SECTORS
              && parityBytes >= 0
              && parityBytes % Superblock.SECTOR == 0
              && contentBytes > 0
              && contentBytes % Superblock.SECTOR == 0
              && member >= 0
              && member < Superblock.MOST_MEMBERS,
          "entry %d of the partial parity log makes no sense: it is damaged",
          i);
      needBytes += parityBytes;
      entries.add(
          new Entry(
              sectors * Superblock.SECTOR,
              parityBytes,
              contentBytes,
              member,
              image.getInt(at + 20)));
    }
    require(
        needBytes <= roomBytes,
        "the partial parity log needs %d bytes, but there are only %d for it",
        needBytes,
        roomBytes);
    return new PartialParityLog(signature, image.getLong(520), entries);
  }

  /** The {@link #BYTES} of the header, with its checksum. */
  public byte[] encode() {
    ByteBuffer image = ByteBuffer.allocate(BYTES).order(ByteOrder.LITTLE_ENDIAN);
    Arrays.fill(image.array(), 0, RESERVED, (byte) 0xff);
    image.putInt(512, signature).putLong(520, generation).putInt(528, entries.size());
    for (int i = 0; i < entries.size(); i++) {
      Entry entry = entries.get(i);
      int at = ENTRIES + i * ENTRY;
      image.putLong(at, entry.arrayOffsetBytes() / Superblock.SECTOR);
      image.putInt(at + 8, entry.parityBytes()).putInt(at + 12, entry.contentBytes());
      image.putInt(at + 16, entry.parityMember()).putInt(at + 20, entry.checksum());
    }
    image.putInt(532, checksum(image.array()));
    return image.array();
  }

  /** How far behind this header the next may begin, where several are written in turn. */
  public long lengthBytes() {
    long length = BYTES;
    for (Entry entry : entries) {
      length += entry.parityBytes();
    }
    return length;
  }
}
