// SPDX-License-Identifier: Apache-2.0
package dev.belay.target;

import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;
import static org.assertj.core.api.Assertions.assertThat;

import dev.belay.Bio;
import dev.belay.CancelFlag;
import dev.belay.Device;
import dev.belay.Op;
import dev.belay.Outcome;
import dev.belay.Verdict;
import dev.belay.leaf.Memory;
import dev.belay.md.Level;
import dev.belay.md.ParityLayout;
import dev.belay.md.SyncMode;
import dev.belay.testing.DrivenStack;
import dev.belay.testing.Recording;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

/** A caller that changes its buffer while it is written: its own affair, and nobody else's. */
final class ParityScribbleTest {
  private static final long CHANGE = 0x5C5C;

  /** A member before which the caller changes what is still to be written. */
  private static final class Scribbled extends Device {
    private final Device lower;

    Scribbled(Device lower) {
      super(lower.loop(), "scribbled", lower.limits(), List.of(lower));
      this.lower = lower;
    }

    @Override
    public Verdict map(Bio bio) {
      MemorySegment buffer = Recording.rootOf(bio).buffer();
      if (bio.op() == Op.WRITE && Recording.rootOf(bio) != bio && buffer.byteSize() > 0) {
        for (long at = 0; at < buffer.byteSize(); at += 8) {
          buffer.set(JAVA_LONG_UNALIGNED, at, buffer.get(JAVA_LONG_UNALIGNED, at) ^ CHANGE);
        }
      }
      bio.remap(lower, bio.offsetBytes());
      return Verdict.REMAPPED;
    }
  }

  @Test
  void parityIsOfWhatTheMembersHoldWhateverTheCallerDoesMeanwhile() {
    for (Level level : List.of(Level.RAID4, Level.RAID5, Level.RAID6)) {
      int number = level == Level.RAID4 ? 0 : ParityLayout.LEFT_SYMMETRIC;
      ParityLayout layout = ParityRig.layout(level, number, 5);
      // A block; a chunk; two chunks and a half; a row and a half; and what shares their stripes.
      for (int[] shape : new int[][] {{0, 8}, {64, 64}, {72, 160}, {0, 400}, {136, 24}}) {
        ParityRig first = new ParityRig(layout, 4, 1);
        try (first;
            ParityRig rig = new ParityRig(first, new BitSet(), Scribbled::new)) {
          rig.write(shape[0], shape[1], new CancelFlag());
          rig.write(shape[0] + shape[1], 8, new CancelFlag());
          rig.zero(shape[0] + shape[1] + 16, 8, new CancelFlag());
          rig.settle();
          for (int word = shape[0]; word < shape[0] + shape[1] + 8; word++) {
            // Its own bytes are what they were at some time, slice by slice.
            rig.model[word] = new long[] {rig.model[word][0], rig.model[word][0] ^ CHANGE};
          }
          rig.checkMedia(new BitSet());
          neighboursAreRightWithoutAnyMember(rig);
        }
      }
    }
  }

  private static void neighboursAreRightWithoutAnyMember(ParityRig rig) {
    for (int lost = 0; lost < rig.layout.members(); lost++) {
      BitSet missing = new BitSet();
      missing.set(lost);
      try (ParityRig degraded = new ParityRig(rig, missing)) {
        degraded.checkReads("without member " + lost);
      }
    }
  }

  @Test
  void aThreadThatScribblesAllTheTimeLeavesParityRight() throws Exception {
    int writes = Integer.getInteger("belay.scribbled.writes", 100);
    SplittableRandom random = new SplittableRandom(7);
    try (DrivenStack stack = new DrivenStack()) {
      List<Device> members = new ArrayList<>();
      for (int i = 0; i < 4; i++) {
        members.add(new Memory(stack.loop, 1 << 20, 512));
      }
      Parity parity =
          Parity.byHand(stack.loop, Level.RAID5, members, 64 << 10, ParityLayout.LEFT_SYMMETRIC);
      MemorySegment buffer = stack.memory(384 << 10);
      Thread scribbler = Thread.ofPlatform().daemon().start(() -> scribble(buffer));
      for (int i = 0; i < writes; i++) {
        long blocks = random.nextBoolean() ? random.nextInt(8) : random.nextInt(768);
        long length = (blocks + 1) * 512;
        long most = (parity.limits().sizeBytes() - length) / 512;
        long at = random.nextBoolean() ? 0 : random.nextLong(most) * 512;
        assertThat(stack.run(parity, Op.WRITE, at, buffer.asSlice(0, length)))
            .isEqualTo(Outcome.done(length));
      }
      scribbler.interrupt();
      scribbler.join();
      assertThat(parity.array().walk().begin(SyncMode.CHECK)).isTrue();
      stack.turnUntil(() -> !parity.array().walk().isRunning());
      assertThat(parity.array().walk().mismatchedBytes()).as("what a scrub finds").isZero();
    }
  }

  private static void scribble(MemorySegment buffer) {
    for (long value = 1; !Thread.currentThread().isInterrupted(); value++) {
      for (long at = 0; at < buffer.byteSize(); at += 64) {
        buffer.set(JAVA_LONG_UNALIGNED, at, value);
      }
    }
  }
}
