// SPDX-License-Identifier: Apache-2.0
package dev.belay.md;

import static dev.belay.md.SuperblockCheck.require;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.Set;
import java.util.UUID;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/**
 * Plans what is to be written on a device that joins an array which exists: as a spare, in the
 * place of a member that it is a copy of, or as the member that it was before. It writes nothing.
 *
 * <p>The device gets bitmap and logs at the same distance from its superblock as the member that it
 * is planned after, and the same start. Not thread-safe.
 */
public final class Joining {
  private static final int PAGE = 4096;

  private final Superblock array;
  private final @Nullable BitmapHead bitmap;
  private final BitSet bits;
  private final Set<Integer> taken;

  /**
   * An array that others can join.
   *
   * @param array what its freshest member says
   * @param bitmap the head of its bitmap; null without one
   * @param bits the bits of all members together
   * @param taken the numbers of all members that are known
   */
  public Joining(Superblock array, @Nullable BitmapHead bitmap, BitSet bits, Set<Integer> taken) {
    this.array = array;
    this.bitmap = bitmap;
    this.bits = bits;
    this.taken = Set.copyOf(taken);
  }

  /**
   * What a device is to say, and all that has to be written for it.
   *
   * @param superblock its superblock, the last of the writes
   * @param writes bitmap and logs, then the superblock
   */
  public record Joined(Superblock superblock, List<Creation.Placed> writes) {}

  /**
   * A device that is a spare from now on.
   *
   * @throws MetadataException if the array has no room for another, or the device none for it
   */
  public Joined spare(long deviceBytes, RandomGenerator random) throws MetadataException {
    Superblock block = fresh(deviceBytes, random);
    block.setRole(block.number(), Superblock.SPARE);
    return joined(block);
  }

  /**
   * A device that has all that the member of a role has: it takes over.
   *
   * @param old what the member says that it is a copy of
   * @throws MetadataException if the array has no room for another, or the device none for it
   */
  public Joined replacement(Superblock old, long deviceBytes, RandomGenerator random)
      throws MetadataException {
    int role = array.role(old.number());
    Superblock block = fresh(deviceBytes, random);
    block.setRole(old.number(), Superblock.FAULTY);
    block.setRole(block.number(), role);
    if (old.recoveryBytes().isPresent()) {
      block.setRecovery(old.recoveryBytes().getAsLong(), old.has(Feature.RECOVERY_BITMAP));
    }
    return joined(block);
  }

  /**
   * A device that was a member and comes back: only what the bitmap says is to be copied.
   *
   * @param own what it says of itself
   * @param role the seat that it had
   */
  public Joined again(Superblock own, int role) {
    Superblock block = own.copy();
    int number = taken.contains(own.number()) ? freeNumber() : own.number();
    for (int i = 0; i < Math.max(array.slots(), block.slots()); i++) {
      block.setRole(i, array.role(i));
    }
    block.setNumber(number);
    block.setRole(number, role);
    block.setEvents(array.events());
    block.setResyncBytes(array.resyncBytes());
    block.setRecovery(0, true);
    return joined(block);
  }

  /** Whether a device that comes back can keep its superblock: the log is where it was. */
  public boolean fits(Superblock own) {
    return own.has(Feature.BITMAP) == array.has(Feature.BITMAP)
        && own.pplAtBytes().isPresent() == array.pplAtBytes().isPresent()
        && (own.pplAtBytes().isEmpty() || own.pplBytes() >= array.pplBytes())
        && BitmapHead.roomBytes(own) >= bitmapBytes();
  }

  private int freeNumber() {
    int number = array.raidDevices();
    while (taken.contains(number) || array.isActive(array.role(number))) {
      number++;
    }
    return number;
  }

  private Superblock fresh(long deviceBytes, RandomGenerator random) throws MetadataException {
    int number = freeNumber();
    require(
        number < Superblock.MOST_MEMBERS,
        "the superblocks have no room for another member: they name %d already",
        number);
    Superblock block = array.copy();
    block.setNumber(number);
    block.setDeviceUuid(uuid(random));
    block.setNoRecovery();
    block.set(Feature.REPLACEMENT, false);
    block.set(Feature.BAD_BLOCKS, false);
    block.setWriteMostly(false);
    block.setFailFast(false);
    block.setCorrectedReads(0);
    place(block, deviceBytes);
    return block;
  }

  /** All that is counted from the superblock's place keeps its distance: only sizes change. */
  private void place(Superblock block, long deviceBytes) throws MetadataException {
    block.setAtBytes(Superblock.placeBytes(block.minor(), deviceBytes));
    long endBytes = deviceBytes / Superblock.SECTOR * Superblock.SECTOR;
    if (block.minor() == 0) {
      endBytes = block.atBytes();
      endBytes = Math.min(endBytes, block.bitmapAtBytes().orElse(endBytes));
      endBytes = Math.min(endBytes, block.pplAtBytes().orElse(endBytes));
      endBytes = Math.min(endBytes, block.badBlockLogAtBytes().orElse(endBytes));
    }
    long roomBytes = endBytes - block.startBytes();
    require(
        roomBytes >= array.usedBytes(),
        "it has %d bytes, too few: a member of this array needs at least %d",
        deviceBytes,
        deviceBytes - roomBytes + array.usedBytes());
    block.setRoomBytes(roomBytes);
    SuperblockCheck.parse(
        Arrays.copyOf(block.encode(), Superblock.BYTES), block.minor(), block.atBytes());
  }

  private long bitmapBytes() {
    return bitmap == null
        ? 0
        : BitmapHead.lengthBytes(BitmapHead.syncBytes(array), bitmap.chunkBytes());
  }

  private Joined joined(Superblock block) {
    List<Creation.Placed> writes = new ArrayList<>();
    if (block.bitmapAtBytes().isPresent() && bitmap != null) {
      int pages = (int) Math.ceilDiv(bitmapBytes(), PAGE);
      byte[] bytes = new byte[pages * PAGE];
      System.arraycopy(bitmap.encode(), 0, bytes, 0, BitmapHead.BYTES);
      byte[] set = bits.toByteArray();
      System.arraycopy(set, 0, bytes, BitmapHead.BYTES, set.length);
      long room = BitmapHead.roomBytes(block);
      byte[] fitting = room < bytes.length ? Arrays.copyOf(bytes, (int) room) : bytes;
      writes.add(new Creation.Placed(block.bitmapAtBytes().getAsLong(), fitting));
    }
    if (block.pplAtBytes().isPresent()) {
      byte[] header = PartialParityLog.empty(block.uuid(), 0).encode();
      writes.add(new Creation.Placed(block.pplAtBytes().getAsLong(), header));
    }
    if (block.badBlockLogAtBytes().isPresent() && !block.has(Feature.BAD_BLOCKS)) {
      byte[] none = new byte[block.badBlockLogBytes()];
      Arrays.fill(none, (byte) 0xff);
      writes.add(new Creation.Placed(block.badBlockLogAtBytes().getAsLong(), none));
    }
    writes.add(new Creation.Placed(block.atBytes(), block.encode()));
    return new Joined(block, writes);
  }

  private static UUID uuid(RandomGenerator random) {
    return new UUID(
        (random.nextLong() & ~0xf000L) | 0x4000L, (random.nextLong() & ~(3L << 62)) | (1L << 63));
  }
}
