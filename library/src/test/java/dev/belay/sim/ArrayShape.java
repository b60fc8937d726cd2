// SPDX-License-Identifier: Apache-2.0
package dev.belay.sim;

import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;

import dev.belay.md.CopiesLayout;
import dev.belay.md.Creation;
import dev.belay.md.Level;
import dev.belay.md.MadeArrays;
import dev.belay.md.MetadataException;
import dev.belay.md.ParityLayout;
import dev.belay.testing.SimMedium;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.function.IntPredicate;

/**
 * A small array of Linux md: its geometry, and what its members hold at first.
 *
 * @param layout the number in the superblock
 * @param usedBytes of each member
 * @param blockBytes the members' block
 * @param minor of metadata 1.x
 * @param bitmapChunkBytes what a bit of the bitmap covers; 0 for no bitmap
 */
record ArrayShape(
    Level level,
    int layout,
    int members,
    int spares,
    long chunkBytes,
    long usedBytes,
    int blockBytes,
    int minor,
    long bitmapChunkBytes) {

  static final int GRANULE = SimMedium.GRANULE_BYTES;

  // Granules of a superblock: when it was written, and the checksum over that.
  private static final int UPDATED = 192 / GRANULE;
  private static final int CHECKSUM = 216 / GRANULE;

  boolean hasParity() {
    return level.parities() > 0;
  }

  boolean hasBitmap() {
    return bitmapChunkBytes > 0;
  }

  ParityLayout parity() {
    return new ParityLayout(level, layout, members, chunkBytes);
  }

  CopiesLayout copies() {
    return level == Level.RAID1
        ? CopiesLayout.raid1(members, usedBytes)
        : CopiesLayout.raid10(layout, members, chunkBytes, usedBytes);
  }

  long arrayBytes() {
    return hasParity() ? parity().arrayBytes(usedBytes) : copies().arrayBytes();
  }

  /** How much stands in one stripe. */
  long stripeBytes() {
    return switch (level) {
      case RAID1 -> 4096;
      case RAID10 -> chunkBytes * members / copies().copies();
      default -> parity().rowBytes();
    };
  }

  int blocks() {
    return (int) (arrayBytes() / blockBytes);
  }

  int blockGranules() {
    return blockBytes / GRANULE;
  }

  int devices() {
    return members + spares;
  }

  boolean canRunWithout(IntPredicate missing) {
    if (!hasParity()) {
      return copies().canRunWithout(missing);
    }
    int count = 0;
    for (int slot = 0; slot < members; slot++) {
      count += missing.test(slot) ? 1 : 0;
    }
    return count <= level.parities();
  }

  /** What the first contents of a block of the array are. */
  static long firstValue(int block) {
    return Model.mixed(1L << 62 | block);
  }

  /** What a granule of a block holds whose value that is: no two granules hold the same. */
  static long granuleOf(long value, int index) {
    return value == 0 ? 0 : value ^ index * 0x9E37_79B9_7F4A_7C15L;
  }

  /** The members' media, in sync, all that the array holds being known. */
  List<SimMedium> media() {
    List<SimMedium> media = new ArrayList<>();
    int granules = (int) (MadeArrays.deviceBytes(usedBytes) / GRANULE);
    for (int i = 0; i < devices(); i++) {
      media.add(new SimMedium(i, granules, blockGranules()));
    }
    try {
      List<List<Creation.Placed>> heads =
          MadeArrays.make(
              level, layout, members, spares, chunkBytes, usedBytes, minor, bitmapChunkBytes);
      for (int i = 0; i < devices(); i++) {
        for (Creation.Placed placed : heads.get(i)) {
          put(media.get(i), placed);
        }
      }
    } catch (MetadataException e) {
      throw new IllegalArgumentException(this + ": " + e.getMessage(), e);
    }
    int superblock = (int) (MadeArrays.superblockBytes(minor, usedBytes) / GRANULE);
    for (SimMedium medium : media) {
      medium.leaveOut(superblock + UPDATED, superblock + CHECKSUM);
    }
    ArrayImage image = new ArrayImage(this, media);
    for (int block = 0; block < blocks(); block++) {
      image.put(block, firstValue(block));
    }
    image.computeParity();
    return media;
  }

  private static void put(SimMedium medium, Creation.Placed placed) {
    MemorySegment bytes = MemorySegment.ofArray(placed.bytes());
    for (int i = 0; i + GRANULE <= placed.bytes().length; i += GRANULE) {
      medium.put((int) (placed.atBytes() + i) / GRANULE, bytes.get(JAVA_LONG_UNALIGNED, i));
    }
  }

  @Override
  public String toString() {
    return "%s(layout %#x, %d members, %d spares, chunk %d, used %d, block %d, 1.%d, bitmap %d)"
        .formatted(
            level.word(),
            layout,
            members,
            spares,
            chunkBytes,
            usedBytes,
            blockBytes,
            minor,
            bitmapChunkBytes);
  }
}
