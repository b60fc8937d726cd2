// SPDX-License-Identifier: Apache-2.0
package dev.belay.target;

import dev.belay.Bio;
import dev.belay.Device;
import dev.belay.Errno;
import dev.belay.Extents.State;
import dev.belay.Limits;
import dev.belay.Loop;
import dev.belay.Op;
import dev.belay.Verdict;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;

/**
 * A device of native memory that does what it was given in any order: a bio takes effect in one
 * step and completes in another, with others in between. At will it sees a flag before the effect,
 * fails, or forgets whether it did.
 */
final class Shuffle extends Device {
  final MemorySegment medium;
  final List<Bio> waiting = new ArrayList<>();
  final List<Bio> effective = new ArrayList<>();
  private final SplittableRandom random;

  /** How many in a thousand fail: some clean, some unknown. */
  int failures;

  Shuffle(Loop loop, Arena arena, long sizeBytes, int blockBytes, int alignment, long seed) {
    super(loop, "shuffle", new Limits(sizeBytes, blockBytes, alignment, 1 << 20), List.of());
    medium = arena.allocate(sizeBytes, 8);
    random = new SplittableRandom(seed);
  }

  @Override
  public Verdict map(Bio bio) {
    waiting.add(bio);
    return Verdict.TAKEN;
  }

  /** One step; false if there was nothing to do. */
  boolean step() {
    int count = waiting.size() + effective.size();
    if (count == 0) {
      return false;
    }
    int chosen = random.nextInt(count);
    if (chosen >= waiting.size()) {
      effective.remove(chosen - waiting.size()).complete();
      return true;
    }
    Bio bio = waiting.remove(chosen);
    if (bio.flag().isRaised() && random.nextBoolean()) {
      bio.cancelClean();
    } else if (random.nextInt(1000) < failures) {
      fail(bio);
    } else {
      take(bio);
      effective.add(bio);
    }
    return true;
  }

  private void fail(Bio bio) {
    if (random.nextBoolean()) {
      bio.fail(Errno.EIO, "the shuffle device failed it", State.CLEAN);
      return;
    }
    if (bio.op() != Op.READ && random.nextBoolean()) {
      take(bio);
    }
    bio.fail(Errno.EIO, "the shuffle device forgot it", State.UNKNOWN);
  }

  private void take(Bio bio) {
    MemorySegment range = medium.asSlice(bio.offsetBytes(), bio.lengthBytes());
    switch (bio.op()) {
      case READ -> bio.buffer().asSlice(bio.bufferOffsetBytes(), bio.lengthBytes()).copyFrom(range);
      case WRITE ->
          range.copyFrom(bio.buffer().asSlice(bio.bufferOffsetBytes(), bio.lengthBytes()));
      case WRITE_ZEROES, DISCARD -> range.fill((byte) 0);
      case FLUSH, FIND_HOLES -> {}
    }
  }

  void finishAll() {
    while (step()) {
      loop().turn(0);
    }
  }
}
