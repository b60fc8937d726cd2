// SPDX-License-Identifier: Apache-2.0
package dev.belay.md;

import static dev.belay.md.SuperblockCheck.require;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.UUID;
import java.util.random.RandomGenerator;

/**
 * Plans the superblocks of a new array: sizes, places and numbers as mdadm 4.2 chooses them, so
 * that Linux assembles what Belay made. It writes nothing.
 *
 * <p>One thing is as mdadm has it only with {@code --force}: a new RAID 4 or 5 is resynced from its
 * beginning, where mdadm would rebuild the last member instead. Both end in the same.
 *
 * <p>Its setters return the plan itself. Not thread-safe.
 */
public final class Creation {
  /** What keeps mirrors and parity right after a crash. */
  public enum Log {
    /** A bitmap if more than 100 GiB of each member are used, otherwise nothing; as mdadm. */
    AUTOMATIC,
    /** Nothing: after a crash all is resynced. */
    NONE,
    /** An internal write-intent bitmap. */
    BITMAP,
    /** A partial parity log, for RAID 5 only. */
    PPL
  }

  /**
   * A member of the new array.
   *
   * @param superblock its superblock, with the array's state right for a first assembly
   * @param bitmap the head of its bitmap; none without one
   */
  public record Member(Superblock superblock, Optional<BitmapHead> bitmap) {
    /**
     * What is to be written, in this order: a superblock comes last, so that what is half written
     * is no member. Superblocks of another minor version, which would be found too, are not in it.
     */
    public List<Placed> writes() {
      List<Placed> writes = new ArrayList<>();
      if (bitmap.isPresent()) {
        BitmapHead head = bitmap.get();
        long length = BitmapHead.lengthBytes(head.syncBytes(), head.chunkBytes());
        byte[] bytes = new byte[(int) ((length + PAGE - 1) / PAGE * PAGE)];
        boolean dirty = superblock.resyncBytes() != Superblock.CLEAN;
        Arrays.fill(bytes, dirty ? (byte) 0xff : 0);
        System.arraycopy(head.encode(), 0, bytes, 0, BitmapHead.BYTES);
        writes.add(new Placed(superblock.bitmapAtBytes().orElseThrow(), bytes));
      }
      if (superblock.pplAtBytes().isPresent()) {
        byte[] bytes = new byte[superblock.pplBytes()];
        byte[] header = PartialParityLog.empty(superblock.uuid(), 0).encode();
        System.arraycopy(header, 0, bytes, 0, header.length);
        writes.add(new Placed(superblock.pplAtBytes().orElseThrow(), bytes));
      }
      writes.add(new Placed(superblock.atBytes(), superblock.encode()));
      return writes;
    }
  }

  /** Bytes and where on the member's device they belong. */
  @SuppressWarnings("ArrayRecordComponent") // A carrier of bytes: nobody compares it.
  public record Placed(long atBytes, byte[] bytes) {}

  private static final int PAGE = 4096;
  private static final long MIB = 1 << 20;
  private static final long USUAL_CHUNK_BYTES = 512 << 10;
  private static final int PPL_BYTES = 1 << 20;
  private static final int BAD_BLOCK_LOG_BYTES = 4096;
  private static final long BITMAP_ABOVE_BYTES = 100L << 30;

  private final Level level;
  private final int raidDevices;
  private int minor = 2;
  private OptionalLong layout = OptionalLong.empty();
  private long chunkBytes;
  private long usedBytes;
  private Log log = Log.AUTOMATIC;
  private long bitmapChunkBytes;
  private String name = "";
  private boolean assumeClean;
  private Optional<UUID> uuid = Optional.empty();

  /** Plans an array of a level with so many members when it is whole; spares not counted. */
  public Creation(Level level, int raidDevices) {
    this.level = level;
    this.raidDevices = raidDevices;
    this.chunkBytes = level == Level.RAID1 ? 0 : USUAL_CHUNK_BYTES;
  }

  /** The metadata: 0 for 1.0, at the end; 1 for 1.1, at the beginning; 2 for 1.2, at 4 KiB. */
  public Creation minor(int minor) {
    this.minor = minor;
    return this;
  }

  /** The number of the layout; if it is not said, mdadm's default for the level. */
  public Creation layout(int layout) {
    this.layout = OptionalLong.of(layout);
    return this;
  }

  /** The length of a chunk; if it is not said, 512 KiB, and none for RAID 1. */
  public Creation chunkBytes(long bytes) {
    this.chunkBytes = bytes;
    return this;
  }

  /** How much to use of each member; 0 or not said: all of the smallest. */
  public Creation usedBytes(long bytes) {
    this.usedBytes = bytes;
    return this;
  }

  /** What keeps it right after a crash. */
  public Creation log(Log log) {
    this.log = log;
    return this;
  }

  /** What a bit of the bitmap covers; 0 or not said: mdadm's choice. */
  public Creation bitmapChunkBytes(long bytes) {
    this.bitmapChunkBytes = bytes;
    return this;
  }

  /** The name, {@code host:name} by custom; what is beyond 31 bytes of UTF-8 is cut off. */
  public Creation name(String name) {
    this.name = name;
    return this;
  }

  /** Whether mirrors are equal and parity is right already, so that no resync is needed. */
  public Creation assumeClean(boolean assumeClean) {
    this.assumeClean = assumeClean;
    return this;
  }

  /** The array's uuid; if it is not said, a random one. */
  public Creation uuid(UUID uuid) {
    this.uuid = Optional.of(uuid);
    return this;
  }

  /**
   * Plans the superblocks.
   *
   * @param memberBytes the sizes of the devices in the order of their roles, empty where a member
   *     is missing; those behind the last role become spares
   * @return a member for each size that there was
   * @throws MetadataException if there can be no such array, with what would be right
   */
  public List<Optional<Member>> plan(
      List<OptionalLong> memberBytes, RandomGenerator random, long nowSeconds)
      throws MetadataException {
    check(memberBytes);
    long[] sizes = memberBytes.stream().mapToLong(s -> s.orElse(0)).toArray();
    SuperblockCheck.layout(level, layoutNumber(), raidDevices);
    long startBytes = startBytes(sizes);
    long used = used(sizes, startBytes);
    Superblock common = common(sizes, used, startBytes, nowSeconds);
    common.setUuid(uuid.orElseGet(() -> randomUuid(random)));
    Optional<BitmapHead> bitmap = bitmap(common);
    List<Optional<Member>> members = new ArrayList<>();
    int rebuilt = rebuilt(sizes);
    for (int number = 0; number < sizes.length; number++) {
      if (sizes[number] == 0) {
        members.add(Optional.empty());
        continue;
      }
      Superblock block = common.copy();
      block.setNumber(number);
      block.setDeviceUuid(randomUuid(random));
      place(block, sizes[number], bitmap);
      if (number == rebuilt) {
        block.setRecovery(0, false);
      }
      SuperblockCheck.parse(
          Arrays.copyOf(block.encode(), Superblock.BYTES), minor, block.atBytes());
      members.add(Optional.of(new Member(block, bitmap.map(BitmapHead::copy))));
    }
    return members;
  }

  private void check(List<OptionalLong> memberBytes) throws MetadataException {
    int given = memberBytes.size();
    require(
        given >= raidDevices,
        "%s needs %d members, and only %d are given: say \"missing\" for those not there yet",
        level.word(),
        raidDevices,
        given);
    require(
        given <= Superblock.MOST_MEMBERS,
        "%d members are given; a superblock has room for %d",
        given,
        Superblock.MOST_MEMBERS);
    require(level != Level.RAID0 || given == raidDevices, "a raid0 can have no spares");
    int missing = 0;
    for (int i = 0; i < given; i++) {
      missing += memberBytes.get(i).isEmpty() ? 1 : 0;
      require(
          i < raidDevices || memberBytes.get(i).isPresent(), "a spare cannot be a missing member");
      require(
          memberBytes.get(i).orElse(0) <= SuperblockCheck.MOST_BYTES,
          "a member has %d bytes, and no array is made of more than 2 PiB a member",
          memberBytes.get(i).orElse(0));
    }
    int most = most(missing);
    require(
        missing <= most,
        "%d members are missing; a %s of %d can be made with at most %d missing",
        missing,
        level.word(),
        raidDevices,
        most);
    require(level != Level.RAID1 || chunkBytes == 0, "a raid1 has no chunks: do not say how long");
    SuperblockCheck.chunk(level, chunkBytes);
    require(log != Log.PPL || level == Level.RAID5, "only a raid5 can have a partial parity log");
    require(
        level != Level.RAID0 || log == Log.NONE || log == Log.AUTOMATIC,
        "a raid0 has nothing to keep right, so it can have no bitmap");
    require(minor >= 0 && minor <= 2, "there is no metadata 1.%d: use 1.0, 1.1 or 1.2", minor);
  }

  /** How many may be missing; which of a RAID 10 is checked when it is assembled. */
  private int most(int missing) {
    return switch (level) {
      case RAID0 -> 0;
      case RAID1 -> raidDevices - 1;
      case RAID4, RAID5, RAID6 -> level.parities();
      case RAID10 -> Math.min(missing, raidDevices - 1);
    };
  }

  private int layoutNumber() {
    return (int)
        layout.orElse(
            switch (level) {
              case RAID0 -> 1;
              case RAID1, RAID4 -> 0;
              case RAID5, RAID6 -> ParityLayout.LEFT_SYMMETRIC;
              case RAID10 -> CopiesLayout.DEFAULT_NUMBER;
            });
  }

  /**
   * Where the members' part begins: behind superblock, log and a headroom for a later reshape, at a
   * whole MiB. As in mdadm the first device decides it for all.
   */
  private long startBytes(long[] sizes) throws MetadataException {
    if (minor == 0) {
      return 0;
    }
    long first = Arrays.stream(sizes).filter(s -> s > 0).findFirst().orElse(0);
    long headroom = 128 * MIB;
    while (headroom * 1024 > first && (chunkBytes == 0 || headroom / 2 >= chunkBytes * 2)) {
      headroom /= 2;
    }
    long space = log == Log.PPL ? PPL_BYTES : BitmapHead.spaceBytes(first);
    long startBytes = (12 * 1024 + space + headroom + MIB - 1) / MIB * MIB;
    for (long size : sizes) {
      require(
          size == 0 || size > startBytes,
          "a member has %d bytes, but %d are needed for metadata alone: make it larger",
          size,
          startBytes);
    }
    return startBytes;
  }

  private long used(long[] sizes, long startBytes) throws MetadataException {
    long least = Long.MAX_VALUE;
    for (long size : sizes) {
      if (size > 0) {
        long overhead = 24 * Superblock.SECTOR;
        overhead += log == Log.PPL ? PPL_BYTES : BitmapHead.spaceBytes(size);
        long room = minor == 0 ? size / PAGE * PAGE - overhead : size - startBytes;
        least = Math.min(least, rounded(room));
      }
    }
    require(least > 0, "the smallest member has no room for a chunk of %d bytes", chunkBytes);
    if (level == Level.RAID0) {
      require(usedBytes == 0, "a raid0 uses all of its members: do not say how much");
      return 0;
    }
    long used = usedBytes == 0 ? least : rounded(usedBytes);
    require(
        used > 0 && used <= least,
        "%d bytes of each member are to be used; the smallest has room for %d",
        usedBytes,
        least);
    // A RAID 1 may become a RAID 5 one day, and then it has chunks.
    return switch (level) {
      case RAID1 -> usedBytes == 0 && used >= 64 << 10 ? used / (64 << 10) * (64 << 10) : used;
      case RAID10 -> copied(used);
      case RAID0, RAID4, RAID5, RAID6 -> used;
    };
  }

  /** As much as whole copies need: the kernel writes this into the superblock when it starts. */
  private long copied(long used) {
    int copies = (layoutNumber() & 0xff) * (layoutNumber() >> 8 & 0xff);
    long arrayBytes = BitmapHead.copiedBytes(layoutNumber(), raidDevices, used, chunkBytes);
    long chunks = arrayBytes / chunkBytes * copies;
    return (chunks / raidDevices + (chunks % raidDevices == 0 ? 0 : 1)) * chunkBytes;
  }

  private long rounded(long bytes) {
    return chunkBytes > 0 ? bytes / chunkBytes * chunkBytes : bytes / 1024 * 1024;
  }

  private Superblock common(long[] sizes, long used, long startBytes, long nowSeconds)
      throws MetadataException {
    Superblock block = Superblock.blank(minor);
    block.setLevel(level);
    block.setLayout(layoutNumber());
    block.setRaidDevices(raidDevices);
    block.setChunkBytes(chunkBytes);
    block.setUsedBytes(used);
    block.setStartBytes(startBytes);
    block.setName(name.getBytes(StandardCharsets.UTF_8));
    block.setCreatedSeconds(nowSeconds);
    block.setUpdatedSeconds(nowSeconds);
    block.setSlots((256 + 2 * sizes.length + 511) / 512 * 256 - 128);
    boolean equal = true;
    for (int number = 0; number < sizes.length; number++) {
      boolean active = number < raidDevices && sizes[number] > 0;
      block.setRole(number, active ? number : Superblock.SPARE);
      equal &= sizes[number] == sizes[0];
    }
    block.set(Feature.RAID0_LAYOUT, level == Level.RAID0 && !equal);
    block.setResyncBytes(isClean(sizes) ? Superblock.CLEAN : 0);
    return block;
  }

  /** Whether there is nothing to resync: no redundancy, or all of it is missing. */
  private boolean isClean(long[] sizes) {
    long missing = Arrays.stream(sizes).filter(s -> s == 0).count();
    return assumeClean
        || level == Level.RAID0
        || (level.parities() > 0 && missing == level.parities())
        || rebuilt(sizes) >= 0;
  }

  /**
   * The member that is rebuilt from the others: a RAID 6 with one missing cannot be resynced, as it
   * is dirty and degraded, so another is rebuilt instead. Otherwise -1.
   */
  private int rebuilt(long[] sizes) {
    long missing = Arrays.stream(sizes).filter(s -> s == 0).count();
    if (level != Level.RAID6 || missing != 1 || assumeClean) {
      return -1;
    }
    return sizes[raidDevices - 1] > 0 ? raidDevices - 1 : raidDevices - 2;
  }

  private Optional<BitmapHead> bitmap(Superblock block) throws MetadataException {
    boolean wanted =
        log == Log.BITMAP
            || (log == Log.AUTOMATIC
                && level != Level.RAID0
                && block.usedBytes() > BITMAP_ABOVE_BYTES);
    if (!wanted) {
      return Optional.empty();
    }
    long syncBytes = BitmapHead.syncBytes(block);
    long roomBytes = BitmapHead.spaceBytes(block.usedBytes());
    long chosen = BitmapHead.chooseChunkBytes(syncBytes, roomBytes);
    if (bitmapChunkBytes > 0) {
      long least = BitmapHead.leastChunkBytes(syncBytes, roomBytes);
      require(
          bitmapChunkBytes >= least && Long.bitCount(bitmapChunkBytes) == 1,
          "a bit of the bitmap is to cover %d bytes; it must be a power of two, at least %d",
          bitmapChunkBytes,
          least);
      chosen = bitmapChunkBytes;
    }
    require(
        chosen <= 1L << 31,
        "the array is too large for a bitmap in %d bytes: use bitmap=none",
        roomBytes);
    return Optional.of(BitmapHead.create(block.uuid(), syncBytes, chosen));
  }

  /** Where this device's superblock, log and bad block log lie, and how much room it has. */
  private void place(Superblock block, long deviceBytes, Optional<BitmapHead> bitmap)
      throws MetadataException {
    long atBytes = Superblock.placeBytes(minor, deviceBytes);
    block.setAtBytes(atBytes);
    long space = BitmapHead.spaceBytes(block.usedBytes());
    if (bitmap.isPresent()) {
      BitmapHead head = bitmap.get();
      long length = BitmapHead.lengthBytes(head.syncBytes(), head.chunkBytes());
      space = (length + PAGE - 1) / PAGE * PAGE;
      block.setBitmapAtBytes(
          minor == 0 ? atBytes - space - BAD_BLOCK_LOG_BYTES : atBytes + Superblock.BYTES);
    } else if (log == Log.PPL) {
      space = PPL_BYTES;
      block.setPpl(
          minor == 0 ? atBytes - space - BAD_BLOCK_LOG_BYTES : atBytes + Superblock.BYTES,
          PPL_BYTES);
    }
    if (minor == 0) {
      space = Math.min(space + BAD_BLOCK_LOG_BYTES, atBytes - block.usedBytes());
      block.setRoomBytes(atBytes - space);
      if (space >= BAD_BLOCK_LOG_BYTES) {
        block.setBadBlockLog(atBytes - BAD_BLOCK_LOG_BYTES, BAD_BLOCK_LOG_BYTES);
      }
      return;
    }
    long startBytes = block.startBytes();
    block.setRoomBytes((deviceBytes - startBytes) / Superblock.SECTOR * Superblock.SECTOR);
    long behind = atBytes + Superblock.BYTES + space;
    block.setBadBlockLog(
        startBytes >= behind + BAD_BLOCK_LOG_BYTES ? behind : startBytes - BAD_BLOCK_LOG_BYTES,
        BAD_BLOCK_LOG_BYTES);
  }

  private static UUID randomUuid(RandomGenerator random) {
    long most = (random.nextLong() & ~0xf000L) | 0x4000L;
    long least = (random.nextLong() & ~(3L << 62)) | (1L << 63);
    return new UUID(most, least);
  }
}
