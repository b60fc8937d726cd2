// SPDX-License-Identifier: Apache-2.0
package dev.belay.md;

import java.io.IOException;
import java.util.BitSet;
import java.util.Objects;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * What a device says of the array that it belongs to, as it was read.
 *
 * @param name what reports call the device
 * @param deviceBytes its size
 * @param superblock what it says; null if it says nothing that can be relied upon
 * @param problem why there is no superblock, in a sentence; empty if there is one
 * @param bitmap the head of its write-intent bitmap; null if it has none, or none that is right
 * @param bits the bits of the bitmap that are set
 * @param bitmapProblem why the bitmap cannot be relied upon, though there should be one; else empty
 * @param badBlocks where it is known to be unreadable, counted from the device's first byte
 */
public record MemberContents(
    String name,
    long deviceBytes,
    @Nullable Superblock superblock,
    String problem,
    @Nullable BitmapHead bitmap,
    BitSet bits,
    String bitmapProblem,
    BadBlocks badBlocks) {
  private static final long MOST_BITS = 1 << 28;

  /** As the assembly takes it. */
  public Candidate candidate() {
    return superblock == null
        ? Candidate.without(name, deviceBytes, problem)
        : Candidate.of(name, deviceBytes, superblock, Optional.ofNullable(bitmap));
  }

  /** Reads a device. What is damaged there becomes a sentence. */
  public static MemberContents read(String name, DirectIo io) {
    long deviceBytes = io.sizeBytes();
    Superblock superblock;
    BadBlocks badBlocks;
    try {
      byte[][] places = new byte[4][];
      for (int minor = 0; minor < places.length; minor++) {
        long at =
            minor < 3
                ? Superblock.placeBytes(minor, deviceBytes)
                : Superblock.oldPlaceBytes(deviceBytes);
        int length = (int) Math.min(Superblock.BYTES, deviceBytes - at);
        places[minor] = at < 0 ? new byte[0] : io.read(at, length);
      }
      superblock = Superblock.find(places, deviceBytes);
      superblock.requireRoom(deviceBytes);
      badBlocks = readBadBlocks(io, superblock);
    } catch (MetadataException | IOException e) {
      String why = Objects.requireNonNullElse(e.getMessage(), e.toString());
      return new MemberContents(
          name, deviceBytes, null, why, null, new BitSet(), "", new BadBlocks(0));
    }
    BitSet bits = new BitSet();
    String bitmapProblem = "";
    BitmapHead head = null;
    if (superblock.bitmapAtBytes().isPresent()) {
      try {
        head = readBitmap(io, superblock, bits);
      } catch (MetadataException | IOException e) {
        bitmapProblem = Objects.requireNonNullElse(e.getMessage(), e.toString());
      }
    }
    return new MemberContents(
        name, deviceBytes, superblock, "", head, bits, bitmapProblem, badBlocks);
  }

  private static BadBlocks readBadBlocks(DirectIo io, Superblock superblock)
      throws IOException, MetadataException {
    // Without the feature the log may be anything: nobody has written it yet.
    if (!superblock.has(Feature.BAD_BLOCKS) || superblock.badBlockLogAtBytes().isEmpty()) {
      return new BadBlocks(0);
    }
    long at = superblock.badBlockLogAtBytes().getAsLong();
    return BadBlocks.parse(io.read(at, superblock.badBlockLogBytes()), superblock.badBlockShift());
  }

  private static BitmapHead readBitmap(DirectIo io, Superblock superblock, BitSet bits)
      throws IOException, MetadataException {
    long at = superblock.bitmapAtBytes().orElseThrow();
    BitmapHead head = BitmapHead.parse(io.read(at, BitmapHead.BYTES));
    head.requireFor(superblock);
    long count = BitmapHead.bits(BitmapHead.syncBytes(superblock), head.chunkBytes());
    if (count > MOST_BITS) {
      throw new MetadataException(
          "the bitmap has %d bits, and Belay serves %d at most: make one with a larger chunk"
              .formatted(count, MOST_BITS));
    }
    byte[] bytes = io.read(at + BitmapHead.BYTES, (int) Math.ceilDiv(count, 8L));
    BitSet.valueOf(bytes).stream().filter(bit -> bit < count).forEach(bits::set);
    return head;
  }
}
