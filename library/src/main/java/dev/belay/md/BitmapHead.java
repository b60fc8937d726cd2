// SPDX-License-Identifier: Apache-2.0
package dev.belay.md;

import static dev.belay.md.SuperblockCheck.require;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.UUID;

/**
 * The head of a write-intent bitmap ({@code bitmap_super_t} of Linux md, version 3 and 4, little
 * endian) and the arithmetic of the bits behind it.
 *
 * <p>The bits begin right behind the {@link #BYTES} of the head, one for each chunk of the array's
 * sync range, the lowest bit of a byte first. What lies behind the last bit means nothing; mdadm
 * leaves ones there. It keeps the bytes that it was read from and changes them in place. Not
 * thread-safe.
 */
public final class BitmapHead {
  /** The length of the head on disk. */
  public static final int BYTES = 256;

  /** Bit of the {@link #state}: what the bits say cannot be relied upon. */
  public static final int STALE = 1 << 1;

  /** Bit of the {@link #state}: a write to the bitmap has failed. */
  public static final int WRITE_ERROR = 1 << 2;

  private static final int MAGIC = 0x6d746962;
  private static final int SECTOR = Superblock.SECTOR;
  private static final int MOST_WRITE_BEHIND = 16383;
  private static final int CLUSTERED = 5;
  private static final int LOCKLESS = 6;
  private static final long USUAL_CHUNK_BYTES = 64 << 20;
  private static final long MOST_ROOM_BYTES = 128 << 10;

  private final ByteBuffer image;

  private BitmapHead(byte[] image) {
    this.image = ByteBuffer.wrap(image).order(ByteOrder.LITTLE_ENDIAN);
  }

  /**
   * One for an array that is being made.
   *
   * @param syncBytes the range that the bits cover, see {@link #syncBytes(Superblock)}
   * @param chunkBytes what one bit covers: a power of two, at least 512
   */
  public static BitmapHead create(UUID uuid, long syncBytes, long chunkBytes) {
    if (Long.bitCount(chunkBytes) != 1 || chunkBytes < SECTOR || chunkBytes > 1L << 31) {
      throw new IllegalArgumentException(
          "a bit covers a power of two from 512 bytes to 2 GiB, not " + chunkBytes);
    }
    var head = new BitmapHead(new byte[BYTES]);
    head.image.putInt(0, MAGIC).putInt(4, 4);
    head.image.putLong(8, Long.reverseBytes(uuid.getMostSignificantBits()));
    head.image.putLong(16, Long.reverseBytes(uuid.getLeastSignificantBits()));
    head.image.putInt(52, (int) chunkBytes).putInt(56, 5);
    head.setSyncBytes(syncBytes);
    return head;
  }

  /**
   * Reads a head and checks it as the kernel does.
   *
   * @param bytes {@link #BYTES} or more, from where the superblock says; copied
   * @throws MetadataException if there is none, or it is of a kind that Belay does not serve
   */
  public static BitmapHead parse(byte[] bytes) throws MetadataException {
    require(bytes.length >= BYTES, "the bitmap's head has only %d bytes", bytes.length);
    var head = new BitmapHead(Arrays.copyOf(bytes, BYTES));
    require(
        head.image.getInt(0) == MAGIC,
        "there is no bitmap where the superblock says: it begins with %08x, not with %08x",
        head.image.getInt(0),
        MAGIC);
    int version = head.image.getInt(4);
    require(version != CLUSTERED, "the bitmap belongs to a cluster, which Belay does not serve");
    require(version != LOCKLESS, "the bitmap is a lockless one, which Belay does not serve");
    require(
        version == 3 || version == 4,
        "the bitmap is of version %d; Belay knows 3 and 4",
        version & 0xffffffffL);
    long chunkBytes = head.chunkBytes();
    require(
        chunkBytes >= SECTOR && Long.bitCount(chunkBytes) == 1,
        "a bit of the bitmap covers %d bytes; it must be a power of two, at least 512",
        chunkBytes);
    require(
        head.image.getInt(56) >= 1,
        "the bitmap's delay is %d s; it must be at least 1",
        head.image.getInt(56));
    require(
        head.writeBehind() >= 0 && head.writeBehind() <= MOST_WRITE_BEHIND,
        "the bitmap allows %d writes behind; it may be 0 to 16383",
        head.writeBehind() & 0xffffffffL);
    long sectors = head.image.getLong(40);
    require(
        sectors >= 0 && sectors < 1L << 53,
        "the bitmap covers %s sectors: no array is that large",
        Long.toUnsignedString(sectors));
    require(
        head.events() >= 0 && head.eventsCleared() >= 0,
        "the bitmap's event counts are %s and %s: no array has lived that long",
        Long.toUnsignedString(head.events()),
        Long.toUnsignedString(head.eventsCleared()));
    return head;
  }

  /**
   * Checks that the bitmap belongs to the array, and that its bits fit before what lies behind it.
   *
   * @throws MetadataException if it does not, with both values
   */
  public void requireFor(Superblock block) throws MetadataException {
    require(
        uuid().equals(block.uuid()),
        "the bitmap belongs to the array %s, but the superblock to %s",
        Superblock.text(uuid()),
        Superblock.text(block.uuid()));
    long roomBytes = roomBytes(block);
    long needBytes = lengthBytes(syncBytes(block), chunkBytes());
    require(
        needBytes <= roomBytes,
        "the bitmap needs %d bytes, but there are only %d before what lies behind it",
        needBytes,
        roomBytes);
  }

  /** A deep copy. */
  public BitmapHead copy() {
    return new BitmapHead(image.array().clone());
  }

  /** The {@link #BYTES} of the head. */
  public byte[] encode() {
    return image.array().clone();
  }

  /** Of the array that the bitmap belongs to. */
  public UUID uuid() {
    return new UUID(Long.reverseBytes(image.getLong(8)), Long.reverseBytes(image.getLong(16)));
  }

  /** The event count of the array when the head was written last. */
  public long events() {
    return image.getLong(24);
  }

  /** See {@link #events}. */
  public void setEvents(long events) {
    image.putLong(24, events);
  }

  /**
   * The event count up to which bits have been cleared. They are cleared only while the array is
   * whole, so a member with fewer events than this cannot be caught up by the bits.
   */
  public long eventsCleared() {
    return image.getLong(32);
  }

  /** See {@link #eventsCleared}. */
  public void setEventsCleared(long events) {
    image.putLong(32, events);
  }

  /** The range that the bits cover, as the head has it. */
  public long syncBytes() {
    return image.getLong(40) * SECTOR;
  }

  /** See {@link #syncBytes()}. */
  public void setSyncBytes(long bytes) {
    image.putLong(40, bytes / SECTOR);
  }

  /** {@link #STALE}, {@link #WRITE_ERROR}, and whatever else was there. */
  public int state() {
    return image.getInt(48);
  }

  /** See {@link #state}. */
  public void setState(int state) {
    image.putInt(48, state);
  }

  /** What one bit covers. */
  public long chunkBytes() {
    return image.getInt(52) & 0xffffffffL;
  }

  /** How long a bit stays after the last write that it stands for. */
  public int delaySeconds() {
    return image.getInt(56);
  }

  /** How many writes a write-mostly member may be behind. */
  public int writeBehind() {
    return image.getInt(60);
  }

  /** The room that is set aside for the bitmap; 0 where the head does not say. */
  public long reservedBytes() {
    return (image.getInt(64) & 0xffffffffL) * SECTOR;
  }

  /**
   * Whether the bits may be relied upon for an array with this event count: not where they were
   * written before others went on without them, and not after an error.
   */
  public boolean isCurrent(long arrayEvents) {
    return events() >= arrayEvents && (state() & (STALE | WRITE_ERROR)) == 0;
  }

  /** Whether a member that was away since these events can be caught up by the bits alone. */
  public boolean canCatchUp(long memberEvents) {
    return memberEvents >= eventsCleared() && (state() & STALE) == 0;
  }

  /** How many bits it takes to cover a range. */
  public static long bits(long syncBytes, long chunkBytes) {
    return syncBytes / chunkBytes + (syncBytes % chunkBytes == 0 ? 0 : 1);
  }

  /** The length of head and bits, to whole bytes. */
  public static long lengthBytes(long syncBytes, long chunkBytes) {
    return BYTES + (bits(syncBytes, chunkBytes) + 7) / 8;
  }

  /** Where the byte with a bit lies, from the beginning of the head on. */
  public static long byteOf(long bit) {
    return BYTES + bit / 8;
  }

  /** The bit in its byte. */
  public static int maskOf(long bit) {
    return 1 << (int) (bit % 8);
  }

  /** The range that an array's bits cover: its own size for RAID 10, a member's for the others. */
  public static long syncBytes(Superblock block) {
    return block.level() == Level.RAID10
        ? copiedBytes(block.layout(), block.raidDevices(), block.usedBytes(), block.chunkBytes())
        : block.usedBytes();
  }

  /** The size of a RAID 10, as the kernel reckons it: in whole chunks at every step. */
  static long copiedBytes(int layout, int members, long usedBytes, long chunkBytes) {
    int near = layout & 0xff;
    int far = layout >> 8 & 0xff;
    return usedBytes / chunkBytes / far * members / near * chunkBytes;
  }

  /** The room between the bitmap's beginning and what lies behind it; 0 without a bitmap. */
  public static long roomBytes(Superblock block) {
    if (block.bitmapAtBytes().isEmpty()) {
      return 0;
    }
    long atBytes = block.bitmapAtBytes().getAsLong();
    long endBytes = block.minor() == 0 ? block.atBytes() + Superblock.BYTES : block.startBytes();
    if (block.atBytes() > atBytes) {
      endBytes = Math.min(endBytes, block.atBytes());
    }
    long badBlocks = block.badBlockLogAtBytes().orElse(-1);
    return (badBlocks > atBytes ? Math.min(endBytes, badBlocks) : endBytes) - atBytes;
  }

  /** The room that mdadm sets aside on a device, or beside a range, of this size. */
  static long spaceBytes(long sizeBytes) {
    if (sizeBytes < 64 << 10) {
      return 0;
    }
    if (sizeBytes - (64 << 10) >= 200L << 30) {
      return 128 << 10;
    }
    return sizeBytes - (4 << 10) > 8L << 30 ? 64 << 10 : 4 << 10;
  }

  /** What a bit covers if nobody says: 64 MiB, or more where the bits would not fit the room. */
  static long chooseChunkBytes(long syncBytes, long roomBytes) throws MetadataException {
    require(
        roomBytes > SECTOR,
        "there is no room for a bitmap: make the members larger, or use bitmap=none");
    return Math.max(
        USUAL_CHUNK_BYTES, leastChunkBytes(syncBytes, Math.min(roomBytes, MOST_ROOM_BYTES)));
  }

  /** The least that a bit must cover so that all bits fit the room. */
  static long leastChunkBytes(long syncBytes, long roomBytes) {
    long mostBits = (roomBytes - BYTES) * 8;
    long chunkBytes = 4096;
    for (long bits = syncBytes / chunkBytes + 1; bits > mostBits; bits = (bits + 1) / 2) {
      chunkBytes *= 2;
    }
    return chunkBytes;
  }
}
