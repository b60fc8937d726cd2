// SPDX-License-Identifier: Apache-2.0
package dev.belay.target;

import static org.assertj.core.api.Assertions.assertThat;

import dev.belay.Bio;
import dev.belay.CancelFlag;
import dev.belay.Extents.State;
import dev.belay.Outcome.Kind;
import dev.belay.md.CopiesLayout;
import dev.belay.testing.DrivenStack.Request;
import dev.belay.testing.Patterns;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

/** Random writes that overlap, random cancels, answers in random order: mirrors never differ. */
final class MirrorModelTest {
  private static final int BLOCKS = 64;
  private static final int BLOCK = LegLeaf.BLOCK_BYTES;

  @Test
  void mirrorsNeverDifferAndCleanIsUntouched() {
    for (long seed = 1; seed <= 150; seed++) {
      SplittableRandom random = new SplittableRandom(seed);
      Hedge hedge = random.nextBoolean() ? Hedge.NONE : Hedge.after(1000);
      boolean isPlain = random.nextBoolean();
      CopiesLayout layout =
          isPlain
              ? CopiesLayout.raid1(2, MirrorRig.LEG_BYTES)
              : CopiesLayout.raid10(CopiesLayout.number("n2"), 3, 4096, MirrorRig.LEG_BYTES);
      try (MirrorRig rig = new MirrorRig(layout, hedge)) {
        run(rig, random, "seed " + seed);
      }
    }
  }

  private static void run(MirrorRig rig, SplittableRandom random, String what) {
    rig.write(0, (long) BLOCKS * BLOCK, 0);
    rig.legs.forEach(LegLeaf::holdAll);
    rig.legs.forEach(leg -> leg.parks = true);
    boolean withFailure = random.nextInt(3) == 0;
    int broken = random.nextInt(rig.legs.size());
    List<Request> writes = new ArrayList<>();
    List<Request> reads = new ArrayList<>();
    for (int i = 0; i < 150; i++) {
      long at = (long) random.nextInt(BLOCKS - 16) * BLOCK;
      long length = (1L + random.nextInt(16)) * BLOCK;
      switch (random.nextInt(6)) {
        case 0, 1 -> writes.add(rig.write(at, length, writes.size() + 1, new CancelFlag()));
        case 2 -> reads.add(rig.read(at, length, new CancelFlag()));
        case 3 -> {
          List<Request> all = random.nextBoolean() ? writes : reads;
          if (!all.isEmpty()) {
            all.get(random.nextInt(all.size())).flag.raise();
          }
        }
        default -> answerSome(rig, random, withFailure ? broken : -1);
      }
      rig.pass(random.nextInt(600));
    }
    rig.legs.forEach(leg -> leg.holds = bio -> false);
    rig.legs.forEach(LegLeaf::unpark);
    rig.legs.forEach(LegLeaf::release);
    rig.pass(10_000);
    assertThat(writes).as(what).allMatch(Request::ended);
    assertThat(reads).as(what).allMatch(Request::ended);
    if (!rig.array.isDegraded()) {
      rig.array.walk().begin(dev.belay.md.SyncMode.CHECK);
      rig.walkToItsEnd();
      assertThat(rig.array.walk().mismatchedBytes()).as(what + ": mirrors differ").isZero();
    }
    everyBlockIsOfAWriteThatWasNotClean(rig, writes, what);
    everyReadSawAWrite(reads, writes.size(), what);
  }

  private static void answerSome(MirrorRig rig, SplittableRandom random, int broken) {
    int number = random.nextInt(rig.legs.size());
    LegLeaf leg = rig.leg(number);
    if (random.nextBoolean()) {
      leg.unpark();
      leg.parks = random.nextBoolean();
    }
    if (number == broken && random.nextInt(10) == 0) {
      leg.fails = bio -> true;
    }
    for (int i = random.nextInt(4); i > 0 && !leg.held.isEmpty(); i--) {
      Bio bio = leg.held.remove(random.nextInt(leg.held.size()));
      if (bio.flag().isRaised() && random.nextBoolean()) {
        bio.recordCancelled(State.UNKNOWN);
        bio.complete();
      } else {
        leg.answer(bio);
      }
    }
    if (random.nextBoolean()) {
      leg.fails = bio -> false;
    }
  }

  private static void everyBlockIsOfAWriteThatWasNotClean(
      MirrorRig rig, List<Request> writes, String what) {
    Request read = rig.read(0, (long) BLOCKS * BLOCK);
    assertThat(read.result().kind()).as(what).isEqualTo(Kind.DONE);
    for (int block = 0; block < BLOCKS; block++) {
      long at = (long) block * BLOCK;
      int seed = seedOf(read.buffer.asSlice(at, BLOCK), at, writes.size());
      assertThat(seed).as("%s: block %d is torn or foreign", what, block).isNotNegative();
      if (seed > 0) {
        Request write = writes.get(seed - 1);
        assertThat(write.result().extents().at(at - write.offsetBytes))
            .as("%s: block %d of write %d", what, block, seed)
            .isNotEqualTo(State.CLEAN);
      }
    }
  }

  private static void everyReadSawAWrite(List<Request> reads, int writes, String what) {
    BitSet seen = new BitSet();
    for (Request read : reads) {
      for (long i = 0; i < read.buffer.byteSize(); i += BLOCK) {
        State state = read.result().extents().at(i);
        MemorySegment block = read.buffer.asSlice(i, BLOCK);
        if (state == State.DONE) {
          int seed = seedOf(block, read.offsetBytes + i, writes);
          assertThat(seed).as("%s: a block that was read", what).isNotNegative();
          seen.set(seed);
        } else if (state == State.CLEAN) {
          assertThat(Patterns.firstOtherByte(block, (byte) 0)).as(what).isEqualTo(-1);
        }
      }
    }
    assertThat(reads.isEmpty() || !seen.isEmpty() || reads.size() < 20).as(what).isTrue();
  }

  private static int seedOf(MemorySegment block, long at, int writes) {
    for (int seed = 0; seed <= writes; seed++) {
      if (Patterns.firstOther(block, at, seed) < 0) {
        return seed;
      }
    }
    return -1;
  }
}
