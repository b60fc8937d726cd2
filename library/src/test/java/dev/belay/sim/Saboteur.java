// SPDX-License-Identifier: Apache-2.0
package dev.belay.sim;

import dev.belay.Bio;
import dev.belay.CancelFlag;
import dev.belay.Device;
import dev.belay.Loop;
import dev.belay.Op;
import dev.belay.Verdict;
import dev.belay.md.MadeArrays;
import dev.belay.testing.Recording;
import dev.belay.testing.SimMedium;
import java.util.List;
import java.util.function.Supplier;

/**
 * Makes an array behave as if it had a bug: it stands between the array and its members, and does
 * to some of their requests what a faulty array would have done.
 */
final class Saboteur {
  /** The bugs. */
  enum Bug {
    /** What members get carries the flag of the request that it is for. */
    PASSES_THE_FLAG_ON,
    /** One member does not get some of the writes. */
    SKIPS_A_LEG,
    /** A byte of what one member gets is wrong: parity without one of the columns, for instance. */
    MISCOMPUTES,
    /** Bits of the bitmap are not set. */
    SETS_NO_BIT,
    /** Nothing is flushed before bits are taken away, or a superblock is written. */
    FLUSHES_NOTHING_OF_ITS_OWN,
    /** Failures are not recorded: superblocks do not reach the members. */
    RECORDS_NOTHING,
    /** A rebuild leaves something out. */
    REBUILDS_WITH_A_GAP,
    /** A flush of the caller's reaches one member only. */
    FLUSHES_ONE_MEMBER
  }

  private final Bug bug;
  private final ArrayShape shape;
  private final Supplier<CancelFlag> flag;
  private int count;

  /**
   * @param flag of a request that is open; {@link CancelFlag#NEVER} if none is up
   */
  Saboteur(Bug bug, ArrayShape shape, Supplier<CancelFlag> flag) {
    this.bug = bug;
    this.shape = shape;
    this.flag = flag;
  }

  Device before(Loop loop, Device leaf, SimMedium medium, int number) {
    return new Between(loop, leaf, number);
  }

  /** Before one member. */
  private final class Between extends Device {
    private final Device leaf;
    private final int number;

    Between(Loop loop, Device leaf, int number) {
      super(loop, "sabotage", leaf.limits(), List.of(leaf));
      this.leaf = leaf;
      this.number = number;
    }

    @Override
    public Verdict map(Bio bio) {
      boolean isOwn = Recording.flagOf(bio) == CancelFlag.NEVER;
      switch (bug) {
        case PASSES_THE_FLAG_ON -> {
          if (bio.op() == Op.WRITE && isContents(bio) && flag.get().isRaised()) {
            bio.newClone(Plain::pass).setFlag(flag.get()).remap(leaf, bio.offsetBytes()).submit();
            return Verdict.TAKEN;
          }
        }
        case SKIPS_A_LEG -> {
          if (bio.op() == Op.WRITE && isContents(bio) && number == 1 && ++count % 5 == 1) {
            return skip(bio);
          }
        }
        case MISCOMPUTES -> {
          if (bio.op() == Op.WRITE && isContents(bio) && number == 1 && ++count % 5 == 1) {
            return spoil(bio);
          }
        }
        case SETS_NO_BIT -> {
          if (bio.op() == Op.WRITE && isBitmap(bio)) {
            return skip(bio);
          }
        }
        case FLUSHES_NOTHING_OF_ITS_OWN -> {
          if (bio.op() == Op.FLUSH && isOwn) {
            return skip(bio);
          }
        }
        case RECORDS_NOTHING -> {
          if (bio.op() == Op.WRITE && !isContents(bio) && !isBitmap(bio) && ++count > 8) {
            return skip(bio);
          }
        }
        case REBUILDS_WITH_A_GAP -> {
          if (bio.op() == Op.WRITE && isContents(bio) && number >= shape.members() && isOwn) {
            return ++count % 3 == 0 ? skip(bio) : pass(bio);
          }
        }
        case FLUSHES_ONE_MEMBER -> {
          if (bio.op() == Op.FLUSH && !isOwn && number > 0) {
            return skip(bio);
          }
        }
      }
      return pass(bio);
    }

    private boolean isContents(Bio bio) {
      long start = MadeArrays.startBytes(shape.minor());
      return bio.offsetBytes() >= start && bio.offsetBytes() < start + shape.usedBytes();
    }

    private boolean isBitmap(Bio bio) {
      long superblock = MadeArrays.superblockBytes(shape.minor(), shape.usedBytes());
      long bitmap = shape.minor() == 0 ? superblock - 4096 : superblock + 4096;
      return shape.hasBitmap() && bio.offsetBytes() >= bitmap && bio.offsetBytes() < bitmap + 4096;
    }

    private Verdict pass(Bio bio) {
      bio.remap(leaf, bio.offsetBytes());
      return Verdict.REMAPPED;
    }

    private Verdict skip(Bio bio) {
      bio.complete();
      return Verdict.TAKEN;
    }

    private Verdict spoil(Bio bio) {
      var spoiled = java.lang.foreign.Arena.ofAuto().allocate(bio.lengthBytes(), 4096);
      java.lang.foreign.MemorySegment.copy(
          bio.buffer(), bio.bufferOffsetBytes(), spoiled, 0, bio.lengthBytes());
      Buffers.fill(spoiled, 0, 8, spoiled.get(java.lang.foreign.ValueLayout.JAVA_LONG, 0) ^ 0x40);
      bio.newClone(Plain::pass).setBuffer(spoiled, 0).remap(leaf, bio.offsetBytes()).submit();
      return Verdict.TAKEN;
    }
  }
}
