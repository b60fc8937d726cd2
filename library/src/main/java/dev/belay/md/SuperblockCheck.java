// SPDX-License-Identifier: Apache-2.0
package dev.belay.md;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.Locale;
import java.util.OptionalLong;

/**
 * What a superblock must be before anybody believes its numbers: as strict as the kernel's {@code
 * super_1_load} and the levels' own checks. The bytes may be hostile.
 */
final class SuperblockCheck {
  /** No sector number beyond this is believed: the bytes of all members would not fit 63 bits. */
  private static final long MOST_SECTORS = 1L << 42;

  static final long MOST_BYTES = MOST_SECTORS * Superblock.SECTOR;

  private static final int PAGE = 4096;

  private SuperblockCheck() {}

  static Superblock find(byte[][] byMinor, long deviceBytes) throws MetadataException {
    Superblock best = null;
    MetadataException damage = null;
    for (int minor = 0; minor <= 2; minor++) {
      if (!begins(byMinor[minor])) {
        continue;
      }
      try {
        Superblock found = parse(byMinor[minor], minor, Superblock.placeBytes(minor, deviceBytes));
        if (best == null || found.createdSeconds() > best.createdSeconds()) {
          best = found;
        }
      } catch (MetadataException e) {
        damage = e;
      }
    }
    if (best != null) {
      return best;
    }
    if (byMinor.length > 3 && begins(byMinor[3]) && byMinor[3][4] == 0) {
      throw new MetadataException(
          "the device has metadata 0.90, which Belay does not serve: use 1.0, 1.1 or 1.2");
    }
    throw damage != null
        ? damage
        : new MetadataException(
            "there is no md superblock: not at byte %d (1.0), 0 (1.1) or 4096 (1.2)"
                .formatted(Superblock.placeBytes(0, deviceBytes)));
  }

  private static boolean begins(byte[] bytes) {
    return bytes.length > 4
        && ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).getInt(0) == Superblock.MAGIC;
  }

  static Superblock parse(byte[] bytes, int minor, long atBytes) throws MetadataException {
    require(
        bytes.length >= Superblock.BYTES,
        "only %d of the %d bytes of a superblock could be read at byte %d",
        bytes.length,
        Superblock.BYTES,
        atBytes);
    ByteBuffer image = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
    require(
        image.getInt(0) == Superblock.MAGIC,
        "there is no md superblock at byte %d: it begins with %08x, not with %08x",
        atBytes,
        image.getInt(0),
        Superblock.MAGIC);
    require(
        image.getInt(4) == 1,
        "the superblock at byte %d is of major version %d; Belay knows 1",
        atBytes,
        image.getInt(4));
    int slots = image.getInt(220);
    require(
        slots >= 0 && slots <= Superblock.MOST_MEMBERS,
        "the superblock's table of roles has %d entries, and no more than %d fit: it is damaged",
        slots & 0xffffffffL,
        Superblock.MOST_MEMBERS);
    int sum = Superblock.sum(image);
    require(
        sum == image.getInt(216),
        "the superblock's checksum is %08x, but its bytes sum up to %08x: it is damaged",
        image.getInt(216),
        sum);
    require(
        image.getLong(144) == atBytes / Superblock.SECTOR,
        "the superblock says that it lies at sector %s, but it was found at sector %d:"
            + " the device was resized, or another lies inside it",
        Long.toUnsignedString(image.getLong(144)),
        atBytes / Superblock.SECTOR);
    var block = new Superblock(minor, Arrays.copyOf(bytes, Superblock.BYTES));
    int unknown = block.features() & ~Feature.known();
    require(unknown == 0, "the superblock has features %#x, unknown to Belay", unknown);
    numbers(image);
    shape(block);
    places(block);
    return block;
  }

  /** Everything that counts sectors, before any of it is made into bytes. */
  private static void numbers(ByteBuffer image) throws MetadataException {
    sectors("used size", image.getLong(80));
    sectors("start", image.getLong(128));
    sectors("room", image.getLong(136));
    if ((image.getInt(8) & Feature.RECOVERY.mask()) != 0) {
      sectors("recovery offset", image.getLong(152));
    }
    if (image.getLong(208) != -1) {
      // The one number that counts along the whole array, for RAID 10.
      sectors("resync offset", image.getLong(208) / Superblock.MOST_MEMBERS);
    }
    require(
        image.getLong(200) >= 0,
        "the superblock's event count is %s: no array has lived that long",
        Long.toUnsignedString(image.getLong(200)));
  }

  private static void sectors(String what, long value) throws MetadataException {
    require(
        value >= 0 && value <= MOST_SECTORS,
        "the superblock's %s is %s sectors: no device is that large",
        what,
        Long.toUnsignedString(value));
  }

  private static void shape(Superblock block) throws MetadataException {
    Level level =
        Level.of(block.levelNumber())
            .orElseThrow(
                () ->
                    new MetadataException(
                        "the superblock's level is %d; Belay knows 0, 1, 4, 5, 6 and 10"
                            .formatted(block.levelNumber())));
    int count = block.raidDevices();
    int least =
        switch (level) {
          case RAID0, RAID1 -> 1;
          case RAID4, RAID5, RAID10 -> 2;
          case RAID6 -> 4;
        };
    require(
        count >= least && count <= Superblock.MOST_MEMBERS,
        "the superblock says %d members; a %s has from %d to %d",
        count & 0xffffffffL,
        level.word(),
        least,
        Superblock.MOST_MEMBERS);
    chunk(level, block.chunkBytes());
    layout(level, block.layout(), count);
    require(
        level == Level.RAID0 || !block.has(Feature.RAID0_LAYOUT),
        "the superblock has a layout of RAID 0, but its level is %d",
        level.number());
    require(
        block.number() >= 0 && block.number() < Superblock.MOST_MEMBERS,
        "the superblock's number of its member is %d, and there are no more than %d",
        block.number() & 0xffffffffL,
        Superblock.MOST_MEMBERS);
  }

  /** Whether the level may have chunks of this length; used for creation too. */
  static void chunk(Level level, long chunkBytes) throws MetadataException {
    switch (level) {
      case RAID0 ->
          require(
              chunkBytes > 0 && chunkBytes <= Integer.MAX_VALUE,
              "the chunk is %d bytes; a raid0 needs one, below 2 GiB",
              chunkBytes);
      case RAID1 ->
          require(
              chunkBytes <= Integer.MAX_VALUE,
              "the chunk is %d bytes; a raid1 needs none",
              chunkBytes);
      case RAID4, RAID5, RAID6, RAID10 ->
          require(
              chunkBytes >= PAGE && chunkBytes <= 1L << 30 && Long.bitCount(chunkBytes) == 1,
              "the chunk is %d bytes; a %s needs a power of two from 4 KiB to 1 GiB",
              chunkBytes,
              level.word());
    }
  }

  /** Whether the level has a layout of this number; used for creation too. */
  static void layout(Level level, int layout, int count) throws MetadataException {
    boolean known =
        switch (level) {
          case RAID0 -> layout >= 0 && layout <= 2;
          case RAID1, RAID4 -> true;
          case RAID5 -> layout >= 0 && layout <= 5;
          case RAID6 ->
              (layout >= 0 && layout <= 5)
                  || (layout >= 8 && layout <= 10)
                  || (layout >= 16 && layout <= 20);
          case RAID10 -> copies(layout, count);
        };
    require(known, "a %s of %d members has no layout %#x", level.word(), count, layout);
  }

  private static boolean copies(int layout, int count) {
    int near = layout & 0xff;
    int far = layout >> 8 & 0xff;
    int sets = layout >>> 17;
    int copies = near * far;
    boolean setsFit =
        switch (sets) {
          case 0 -> true;
          case 1 -> far > 0 && count / far >= far;
          case 2 -> copies > 0 && copies <= count;
          default -> false;
        };
    return setsFit && copies >= 2 && copies <= count;
  }

  /** That the superblock, its companions and the array's own part do not lie in each other. */
  private static void places(Superblock block) throws MetadataException {
    long headEnd = block.atBytes() + block.lengthBytes();
    if (block.minor() == 0) {
      require(
          block.startBytes() + block.spanBytes() <= block.atBytes(),
          "the superblock at byte %d lies inside the member's part of the array, bytes %d to %d",
          block.atBytes(),
          block.startBytes(),
          block.startBytes() + block.spanBytes());
    } else {
      require(
          block.startBytes() >= headEnd,
          "the member's part of the array begins at byte %d, inside the superblock, which ends at"
              + " %d",
          block.startBytes(),
          headEnd);
    }
    require(
        block.level() == Level.RAID0 || block.usedBytes() > 0,
        "the superblock says that the array uses nothing of its members");
    require(
        block.roomBytes() >= 10 * Superblock.SECTOR,
        "the superblock says that the member has room for only %d bytes",
        block.roomBytes());
    require(
        !(block.pplAtBytes().isPresent()
            && (block.has(Feature.BITMAP) || block.has(Feature.JOURNAL))),
        "the superblock has both a partial parity log and a bitmap or journal; it may have one");
    require(
        !block.has(Feature.BAD_BLOCKS)
            || (block.badBlockLogAtBytes().isPresent() && block.badBlockLogBytes() <= PAGE),
        "the superblock says that there are bad blocks, but its log of them is %d bytes long",
        block.badBlockLogBytes());
    outside(block, "bitmap", block.bitmapAtBytes(), 1);
    outside(block, "partial parity log", block.pplAtBytes(), block.pplBytes());
    outside(block, "bad block log", block.badBlockLogAtBytes(), block.badBlockLogBytes());
  }

  private static void outside(Superblock block, String what, OptionalLong place, int lengthBytes)
      throws MetadataException {
    if (place.isEmpty()) {
      return;
    }
    long atBytes = place.getAsLong();
    long endBytes = atBytes + lengthBytes;
    boolean onHead = atBytes < block.atBytes() + block.lengthBytes() && endBytes > block.atBytes();
    boolean onContents =
        atBytes < block.startBytes() + block.spanBytes() && endBytes > block.startBytes();
    require(
        atBytes >= 0 && !onHead && !onContents,
        "the superblock says that its %s lies at byte %d, which is %s",
        what,
        atBytes,
        onHead
            ? "inside the superblock itself"
            : onContents ? "inside the member's part of the array" : "before the device");
  }

  @SuppressWarnings("AnnotateFormatMethod") // The annotation would be third-party code.
  static void require(boolean holds, String sentence, Object... values) throws MetadataException {
    if (!holds) {
      throw new MetadataException(String.format(Locale.ROOT, sentence, values));
    }
  }
}
