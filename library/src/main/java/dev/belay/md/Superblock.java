// SPDX-License-Identifier: Apache-2.0
package dev.belay.md;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.UUID;

/**
 * One member's superblock of Linux md, metadata 1.0, 1.1 or 1.2 ({@code struct mdp_superblock_1} of
 * {@code include/uapi/linux/raid/md_p.h}).
 *
 * <p>It keeps the bytes that it was read from and changes them in place, so that whatever is not
 * known here goes back as it came. The getters and setters count in bytes; the bytes themselves
 * have sectors of 512. Not thread-safe: the loop that owns the array owns its superblocks.
 */
public final class Superblock {
  /** The most that a superblock takes; reading this much from its place is always enough. */
  public static final int BYTES = 4096;

  /** The most members, active and spare, that the roles of one superblock have room for. */
  public static final int MOST_MEMBERS = (BYTES - 256) / 2;

  /** The resync offset of an array that needs no resync. */
  public static final long CLEAN = Long.MAX_VALUE;

  /** The role of a spare, and of a slot that nobody has. */
  public static final int SPARE = 0xffff;

  /** The role of a member that has failed. */
  public static final int FAULTY = 0xfffe;

  /** The role of a write journal. */
  public static final int JOURNAL = 0xfffd;

  static final int MAGIC = 0xa92b4efc;
  static final int SECTOR = 512;
  private static final int NAME = 32;
  private static final int NAME_BYTES = 32;
  private static final int ROLES = 256;
  private static final int CHECKSUM = 216;
  private static final long LEAST_DEVICE_BYTES = 24 * SECTOR;
  private static final long OLD_PLACE = 64 << 10;
  private static final long SECONDS = (1L << 40) - 1;
  private static final long NEVER = -1;

  private final int minor;
  private final ByteBuffer image;

  /** Takes over the image: 4096 bytes, already checked. */
  Superblock(int minor, byte[] image) {
    this.minor = minor;
    this.image = ByteBuffer.wrap(image).order(ByteOrder.LITTLE_ENDIAN);
  }

  /** One with nothing in it but magic, version and no roles, for {@link Creation}. */
  static Superblock blank(int minor) {
    var block = new Superblock(minor, new byte[BYTES]);
    Arrays.fill(block.image.array(), ROLES, BYTES, (byte) 0xff);
    block.image.putInt(0, MAGIC).putInt(4, 1);
    return block;
  }

  /**
   * Reads a superblock and checks all that can be checked without its device and its companions.
   *
   * @param bytes {@link #BYTES} from where a superblock of this minor version lies; copied
   * @param minor 0, 1 or 2
   * @param atBytes where on the device the bytes came from
   * @throws MetadataException if there is none, or it is damaged, or no sane number is in it
   */
  public static Superblock parse(byte[] bytes, int minor, long atBytes) throws MetadataException {
    return SuperblockCheck.parse(bytes, minor, atBytes);
  }

  /**
   * The superblock of a device, of whichever minor version; if there are several, which happens
   * when an array is made anew with other metadata, the one that was created last, as mdadm has it.
   *
   * @param byMinor what lies at {@link #placeBytes} of minor 0, 1 and 2, in this order, and, if it
   *     is to be told from nothing at all, what lies at {@link #oldPlaceBytes}
   * @throws MetadataException if there is none, with the reason
   */
  public static Superblock find(byte[][] byMinor, long deviceBytes) throws MetadataException {
    return SuperblockCheck.find(byMinor, deviceBytes);
  }

  /** Where a superblock of metadata 0.90 would lie; negative where the device is too small. */
  public static long oldPlaceBytes(long deviceBytes) {
    return deviceBytes / OLD_PLACE * OLD_PLACE - OLD_PLACE;
  }

  /**
   * Where a superblock lies: 1.0 at least 8 KiB before the end, 1.1 at the beginning, 1.2 at 4 KiB.
   *
   * @throws MetadataException if the device is too small to be a member
   */
  public static long placeBytes(int minor, long deviceBytes) throws MetadataException {
    if (deviceBytes < LEAST_DEVICE_BYTES) {
      throw new MetadataException(
          "a device of %d bytes cannot be a member of an array: it needs at least %d"
              .formatted(deviceBytes, LEAST_DEVICE_BYTES));
    }
    return switch (minor) {
      case 0 -> ((deviceBytes / SECTOR - 16) & ~7L) * SECTOR;
      case 1 -> 0;
      case 2 -> 4096;
      default ->
          throw new MetadataException(
              "there is no metadata 1.%d: use 1.0, 1.1 or 1.2".formatted(minor));
    };
  }

  /** A deep copy. */
  public Superblock copy() {
    return new Superblock(minor, image.array().clone());
  }

  /**
   * The bytes to be written at {@link #atBytes}, with the checksum made right: {@link
   * #lengthBytes}, not {@link #BYTES}, because a bitmap or a log may follow close behind.
   */
  public byte[] encode() {
    image.putInt(CHECKSUM, sum(image));
    return Arrays.copyOf(image.array(), lengthBytes());
  }

  /** The kernel's sum: of 32-bit words over head and roles, with the carry added once. */
  static int sum(ByteBuffer image) {
    int end = ROLES + 2 * image.getInt(220);
    long sum = -(image.getInt(CHECKSUM) & 0xffffffffL);
    int at = 0;
    for (; at + 4 <= end; at += 4) {
      sum += image.getInt(at) & 0xffffffffL;
    }
    if (at < end) {
      sum += image.getShort(at) & 0xffff;
    }
    return (int) sum + (int) (sum >>> 32);
  }

  /** How long it is on disk: head and roles, to whole sectors. */
  public int lengthBytes() {
    return (ROLES + 2 * slots() + SECTOR - 1) / SECTOR * SECTOR;
  }

  /** 0, 1 or 2: of metadata 1.x. */
  public int minor() {
    return minor;
  }

  /** Whether the feature map has it. */
  public boolean has(Feature feature) {
    return (image.getInt(8) & feature.mask()) != 0;
  }

  /** Sets or clears a bit of the feature map. */
  public void set(Feature feature, boolean present) {
    int map = image.getInt(8);
    image.putInt(8, present ? map | feature.mask() : map & ~feature.mask());
  }

  int features() {
    return image.getInt(8);
  }

  /** The array's. */
  public UUID uuid() {
    return new UUID(bigEndian(16), bigEndian(24));
  }

  void setUuid(UUID uuid) {
    putUuid(16, uuid);
  }

  /** The member's own. */
  public UUID deviceUuid() {
    return new UUID(bigEndian(168), bigEndian(176));
  }

  void setDeviceUuid(UUID uuid) {
    putUuid(168, uuid);
  }

  /** A uuid in mdadm's words: four groups of eight digits, with colons between them. */
  public static String text(UUID uuid) {
    return "%08x:%08x:%08x:%08x"
        .formatted(
            (int) (uuid.getMostSignificantBits() >>> 32),
            (int) uuid.getMostSignificantBits(),
            (int) (uuid.getLeastSignificantBits() >>> 32),
            (int) uuid.getLeastSignificantBits());
  }

  /** The array's name, often {@code host:name}; at most 32 bytes on disk. */
  public String name() {
    int length = 0;
    while (length < NAME_BYTES && image.get(NAME + length) != 0) {
      length++;
    }
    return new String(image.array(), NAME, length, StandardCharsets.UTF_8);
  }

  void setName(byte[] name) {
    Arrays.fill(image.array(), NAME, NAME + NAME_BYTES, (byte) 0);
    image.put(NAME, name, 0, Math.min(name.length, NAME_BYTES - 1));
  }

  /** When the array was made, in seconds since 1970. */
  public long createdSeconds() {
    return image.getLong(64) & SECONDS;
  }

  void setCreatedSeconds(long seconds) {
    image.putLong(64, seconds & SECONDS);
  }

  /** The time of creation with its microseconds: all companions have the same. */
  long createdExactly() {
    return image.getLong(64);
  }

  /** When this superblock was written last, in seconds since 1970. */
  public long updatedSeconds() {
    return image.getLong(192) & SECONDS;
  }

  /** See {@link #updatedSeconds}. */
  public void setUpdatedSeconds(long seconds) {
    image.putLong(192, seconds & SECONDS);
  }

  /** The array's level. */
  public Level level() {
    return Level.of(levelNumber()).orElseThrow();
  }

  int levelNumber() {
    return image.getInt(72);
  }

  void setLevel(Level level) {
    image.putInt(72, level.number());
  }

  /**
   * The number of the layout: what it means depends on the level; 0 for RAID 1 and 4, and for a
   * RAID 0 whose superblock does not say that it has one.
   */
  public int layout() {
    return levelNumber() == 0 && !has(Feature.RAID0_LAYOUT) ? 0 : image.getInt(76);
  }

  void setLayout(int layout) {
    image.putInt(76, layout);
  }

  /** How much of each member the array uses; 0 for RAID 0, which uses all of {@link #roomBytes}. */
  public long usedBytes() {
    return image.getLong(80) * SECTOR;
  }

  void setUsedBytes(long bytes) {
    image.putLong(80, bytes / SECTOR);
  }

  /** The length of a chunk; 0 for RAID 1. */
  public long chunkBytes() {
    return (image.getInt(88) & 0xffffffffL) * SECTOR;
  }

  void setChunkBytes(long bytes) {
    image.putInt(88, (int) (bytes / SECTOR));
  }

  /** How many roles the array has: its members when it is whole, spares not counted. */
  public int raidDevices() {
    return image.getInt(92);
  }

  void setRaidDevices(int count) {
    image.putInt(92, count);
  }

  /** Where on the device the bitmap's head lies; none without a bitmap. */
  public OptionalLong bitmapAtBytes() {
    return has(Feature.BITMAP)
        ? OptionalLong.of(atBytes() + (long) image.getInt(96) * SECTOR)
        : OptionalLong.empty();
  }

  /** Puts an internal bitmap there, which ends a partial parity log. */
  public void setBitmapAtBytes(long onDeviceBytes) {
    setNoLog();
    set(Feature.BITMAP, true);
    image.putInt(96, (int) ((onDeviceBytes - atBytes()) / SECTOR));
  }

  /** Where on the device the partial parity log lies; none without one. */
  public OptionalLong pplAtBytes() {
    return has(Feature.PPL) || has(Feature.MULTIPLE_PPLS)
        ? OptionalLong.of(atBytes() + (long) image.getShort(96) * SECTOR)
        : OptionalLong.empty();
  }

  /** The room of the partial parity log; meaningless without one. */
  public int pplBytes() {
    return (image.getShort(98) & 0xffff) * SECTOR;
  }

  /** Puts a partial parity log there, which ends a bitmap. */
  public void setPpl(long onDeviceBytes, int lengthBytes) {
    setNoLog();
    set(Feature.PPL, true);
    image.putShort(96, (short) ((onDeviceBytes - atBytes()) / SECTOR));
    image.putShort(98, (short) (lengthBytes / SECTOR));
  }

  /** Takes bitmap and partial parity log away: after a crash all is resynced. */
  public void setNoLog() {
    set(Feature.BITMAP, false);
    set(Feature.PPL, false);
    set(Feature.MULTIPLE_PPLS, false);
    image.putInt(96, 0);
  }

  /** Where on the device the member's part of the array begins. */
  public long startBytes() {
    return image.getLong(128) * SECTOR;
  }

  void setStartBytes(long bytes) {
    image.putLong(128, bytes / SECTOR);
  }

  /** How much the device has for the array from {@link #startBytes} on, used or not. */
  public long roomBytes() {
    return image.getLong(136) * SECTOR;
  }

  void setRoomBytes(long bytes) {
    image.putLong(136, bytes / SECTOR);
  }

  /** How much of the member the array uses: all the room for RAID 0. */
  public long spanBytes() {
    return levelNumber() == 0 ? roomBytes() : usedBytes();
  }

  /** Where on the device the superblock itself lies. */
  public long atBytes() {
    return image.getLong(144) * SECTOR;
  }

  void setAtBytes(long bytes) {
    image.putLong(144, bytes / SECTOR);
  }

  /** Up to where a rebuild has made this member right, from its {@link #startBytes} on. */
  public OptionalLong recoveryBytes() {
    return has(Feature.RECOVERY)
        ? OptionalLong.of(image.getLong(152) * SECTOR)
        : OptionalLong.empty();
  }

  /**
   * Says that this member is being rebuilt and is right before the offset. Where the bitmap guides
   * the rebuild, so that what is clean there is right behind the offset too, {@link
   * Feature#RECOVERY_BITMAP} says so.
   */
  public void setRecovery(long offsetBytes, boolean byBitmap) {
    set(Feature.RECOVERY, true);
    set(Feature.RECOVERY_BITMAP, byBitmap);
    image.putLong(152, offsetBytes / SECTOR);
  }

  /** Says that this member is right, or is nothing yet. */
  public void setNoRecovery() {
    set(Feature.RECOVERY, false);
    set(Feature.RECOVERY_BITMAP, false);
    image.putLong(152, 0);
  }

  /** The member's number, which is the slot of its role; not its role. */
  public int number() {
    return image.getInt(160);
  }

  void setNumber(int number) {
    image.putInt(160, number);
  }

  /** How many failed reads were made good by writing. */
  public int correctedReads() {
    return image.getInt(164);
  }

  /** See {@link #correctedReads}. */
  public void setCorrectedReads(int count) {
    image.putInt(164, count);
  }

  /** Whether reads should go elsewhere if they can. */
  public boolean writeMostly() {
    return (image.get(184) & 1) != 0;
  }

  /** See {@link #writeMostly}. */
  public void setWriteMostly(boolean on) {
    image.put(184, (byte) (on ? image.get(184) | 1 : image.get(184) & ~1));
  }

  /** Whether the member should fail soon rather than try for long. */
  public boolean failFast() {
    return (image.get(184) & 2) != 0;
  }

  /** See {@link #failFast}. */
  public void setFailFast(boolean on) {
    image.put(184, (byte) (on ? image.get(184) | 2 : image.get(184) & ~2));
  }

  /** The unit of the bad block log as a power of two of sectors. */
  public int badBlockShift() {
    return image.get(185) & 0xff;
  }

  /** The room of the bad block log; 0 where there is none. */
  public int badBlockLogBytes() {
    return (image.getShort(186) & 0xffff) * SECTOR;
  }

  /** Where on the device the bad block log lies; none without one. */
  public OptionalLong badBlockLogAtBytes() {
    return badBlockLogBytes() > 0 && image.getInt(188) != 0
        ? OptionalLong.of(atBytes() + (long) image.getInt(188) * SECTOR)
        : OptionalLong.empty();
  }

  void setBadBlockLog(long onDeviceBytes, int lengthBytes) {
    image.putShort(186, (short) (lengthBytes / SECTOR));
    image.putInt(188, (int) ((onDeviceBytes - atBytes()) / SECTOR));
  }

  /** How often the superblocks of the array have been written: the freshest have the most. */
  public long events() {
    return image.getLong(200);
  }

  /** See {@link #events}. */
  public void setEvents(long events) {
    image.putLong(200, events);
  }

  /**
   * Up to where the array is known to be in sync; {@link #CLEAN} where all of it is. In bytes of a
   * member, for RAID 10 in bytes of the array. A kernel writes 0 while the array is being written.
   */
  public long resyncBytes() {
    long sectors = image.getLong(208);
    return sectors == NEVER ? CLEAN : sectors * SECTOR;
  }

  /** See {@link #resyncBytes}. */
  public void setResyncBytes(long offsetBytes) {
    image.putLong(208, offsetBytes == CLEAN ? NEVER : offsetBytes / SECTOR);
  }

  /** How many slots the table of roles has. */
  public int slots() {
    return image.getInt(220);
  }

  void setSlots(int count) {
    image.putInt(220, count);
  }

  /** The role of a member by its number; {@link #SPARE} beyond the table. */
  public int role(int number) {
    return number >= 0 && number < slots() ? image.getShort(ROLES + 2 * number) & 0xffff : SPARE;
  }

  /** This member's own role, as it knows it. */
  public int role() {
    return role(number());
  }

  /** Whether a role is one in the array: neither spare nor faulty nor journal. */
  public boolean isActive(int role) {
    return role >= 0 && role < raidDevices();
  }

  /**
   * Gives a number a role, and makes the table longer if it must.
   *
   * @param number below {@link #MOST_MEMBERS}
   */
  public void setRole(int number, int role) {
    for (int slot = slots(); slot <= number; slot++) {
      image.putShort(ROLES + 2 * slot, (short) SPARE);
    }
    setSlots(Math.max(slots(), number + 1));
    image.putShort(ROLES + 2 * number, (short) role);
  }

  /** The number of the member that has a role; none where it is missing. */
  public OptionalInt numberOf(int role) {
    for (int number = 0; number < slots(); number++) {
      if (role(number) == role) {
        return OptionalInt.of(number);
      }
    }
    return OptionalInt.empty();
  }

  /** How many roles have a member, rebuilding ones included; one with its replacement is one. */
  public int activeRoles() {
    var roles = new BitSet(raidDevices());
    for (int number = 0; number < slots(); number++) {
      if (isActive(role(number))) {
        roles.set(role(number));
      }
    }
    return roles.cardinality();
  }

  /** Why Belay cannot serve an array with this superblock, sound as it is; none where it can. */
  public Optional<String> unserved() {
    for (Feature feature : List.of(Feature.RESHAPE, Feature.JOURNAL, Feature.CLUSTERED)) {
      if (has(feature)) {
        return Optional.of(
            "the array has %s, which Belay does not serve: %s"
                .formatted(
                    feature.words(),
                    feature == Feature.RESHAPE
                        ? "let Linux finish it first"
                        : "use it with Linux, or take that out there first"));
      }
    }
    return Optional.empty();
  }

  /**
   * Checks that the device still has all that the superblock says.
   *
   * @throws MetadataException if it was cut off, with both sizes
   */
  public void requireRoom(long deviceBytes) throws MetadataException {
    long endBytes = startBytes() + Math.max(roomBytes(), usedBytes());
    if (minor == 0) {
      endBytes = Math.max(startBytes() + usedBytes(), atBytes() + lengthBytes());
    }
    if (deviceBytes < endBytes) {
      throw new MetadataException(
          "the device has %d bytes, but its superblock needs %d: it was cut off"
              .formatted(deviceBytes, endBytes));
    }
  }

  private long bigEndian(int at) {
    return Long.reverseBytes(image.getLong(at));
  }

  private void putUuid(int at, UUID uuid) {
    image.putLong(at, Long.reverseBytes(uuid.getMostSignificantBits()));
    image.putLong(at + 8, Long.reverseBytes(uuid.getLeastSignificantBits()));
  }
}
