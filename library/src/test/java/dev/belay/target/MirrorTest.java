// SPDX-License-Identifier: Apache-2.0
package dev.belay.target;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.belay.Bio;
import dev.belay.CancelFlag;
import dev.belay.Errno;
import dev.belay.Extents.State;
import dev.belay.Op;
import dev.belay.Outcome;
import dev.belay.Outcome.Kind;
import dev.belay.leaf.Memory;
import dev.belay.md.Array;
import dev.belay.md.ArrayOptions;
import dev.belay.md.CopiesLayout;
import dev.belay.md.Level;
import dev.belay.testing.DrivenStack.Request;
import dev.belay.testing.Patterns;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.Test;

final class MirrorTest {
  private static final long KIB = 1024;

  @Test
  void aWriteReachesAllLegsShieldedAndReadsBack() {
    try (MirrorRig rig = new MirrorRig(3)) {
      assertThat(rig.mirror.kind()).isEqualTo("raid1");
      assertThat(rig.mirror.limits().sizeBytes()).isEqualTo(MirrorRig.LEG_BYTES);
      assertThat(rig.write(3 * KIB, 8 * KIB, 1)).isEqualTo(Outcome.done(8 * KIB));
      rig.legsAreIdentical();
      for (LegLeaf leg : rig.legs) {
        assertThat(leg.sent)
            .containsExactly(new LegLeaf.Sent(Op.WRITE, 3 * KIB, 8 * KIB, true, false));
      }
      rig.reads(3 * KIB, 8 * KIB, 1);
    }
  }

  @Test
  void aLongWriteIsCutAndFuaAndZeroesGoOn() {
    try (MirrorRig rig = new MirrorRig(2)) {
      long start = 1000 * KIB;
      assertThat(rig.write(start, 1200 * KIB, 2).kind()).isEqualTo(Kind.DONE);
      assertThat(rig.leg(1).sent).hasSize(3);
      rig.reads(start, 1200 * KIB, 2);
      Request fua =
          rig.stack.submit(
              rig.mirror,
              Op.WRITE_ZEROES,
              start,
              4 * KIB,
              rig.stack.memory(8),
              new CancelFlag(),
              true);
      assertThat(rig.ended(fua).kind()).isEqualTo(Kind.DONE);
      assertThat(rig.leg(0).sent.getLast())
          .isEqualTo(new LegLeaf.Sent(Op.WRITE_ZEROES, start, 4 * KIB, true, true));
      rig.legsAreIdentical();
      assertThat(rig.stack.run(rig.mirror, Op.FLUSH, 0, 0)).isEqualTo(Outcome.done(0));
      assertThat(rig.legs).allMatch(leg -> leg.sent.getLast().op() == Op.FLUSH);
    }
  }

  @Test
  void raid10KeepsItsCopiesWhereItsLayoutSays() {
    for (String word : List.of("n2", "f2", "o2")) {
      CopiesLayout layout = MirrorRig.raid10(word, 4);
      try (MirrorRig rig = new MirrorRig(layout, Hedge.NONE)) {
        assertThat(rig.mirror.kind()).isEqualTo("raid10");
        long size = rig.mirror.limits().sizeBytes();
        assertThat(rig.write(0, size, 3)).isEqualTo(Outcome.done(size));
        for (long at = 0; at < size; at += layout.chunkBytes()) {
          for (int copy = 0; copy < 2; copy++) {
            LegLeaf leg = rig.leg(layout.member(at, copy));
            long there = layout.memberOffset(at, copy);
            assertThat(Patterns.firstOther(leg.medium.asSlice(there, layout.chunkBytes()), at, 3))
                .isEqualTo(-1);
          }
        }
        rig.reads(512, size - 512, 3);
      }
    }
  }

  @Test
  void readsGoWhereLeastIsUnderWayAndSequentialOnesStay() {
    try (MirrorRig rig = new MirrorRig(2)) {
      for (int i = 0; i < 8; i++) {
        rig.read(i * 4 * KIB, 4 * KIB);
      }
      assertThat(rig.leg(0).reads()).as("sequential").isEqualTo(8);
      rig.legs.forEach(LegLeaf::holdAll);
      for (int i = 0; i < 8; i++) {
        rig.read((100 + 10 * i) * KIB, 512);
      }
      assertThat(rig.leg(0).held).hasSize(4);
      assertThat(rig.leg(1).held).hasSize(4);
      rig.legs.forEach(LegLeaf::release);
    }
  }

  @Test
  void overlappingWritesReachAllLegsInOneOrder() {
    try (MirrorRig rig = new MirrorRig(2)) {
      rig.legs.forEach(LegLeaf::holdAll);
      Request first = rig.write(0, 8 * KIB, 1, new CancelFlag());
      Request second = rig.write(4 * KIB, 8 * KIB, 2, new CancelFlag());
      Request beside = rig.write(64 * KIB, 4 * KIB, 3, new CancelFlag());
      rig.turn();
      assertThat(rig.leg(0).held).as("the second waits").hasSize(2);
      rig.leg(1).release();
      rig.turn();
      assertThat(first.ended()).isFalse();
      assertThat(rig.leg(1).sent).hasSize(2);
      rig.leg(0).release();
      rig.turn();
      assertThat(List.of(first, second, beside)).allMatch(Request::ended);
      rig.legsAreIdentical();
      rig.reads(4 * KIB, 8 * KIB, 2);
    }
  }

  @Test
  void whatWaitsForItsRangeCompletesCleanAndThoseBehindGoOn() {
    try (MirrorRig rig = new MirrorRig(2)) {
      rig.legs.forEach(LegLeaf::holdAll);
      CancelFlag flag = new CancelFlag();
      Request first = rig.write(0, 4 * KIB, 1, new CancelFlag());
      Request second = rig.write(0, 4 * KIB, 2, flag);
      Request third = rig.write(0, 4 * KIB, 3, new CancelFlag());
      rig.turn();
      flag.raise();
      assertThat(second.ended()).isFalse();
      Outcome outcome = rig.ended(second);
      assertThat(outcome.kind()).isEqualTo(Kind.CANCELLED);
      assertThat(outcome.cleanBytes()).isEqualTo(4 * KIB);
      assertThat(first.ended() || third.ended()).isFalse();
      rig.legs.forEach(LegLeaf::release);
      assertThat(rig.ended(third)).isEqualTo(Outcome.done(4 * KIB));
      rig.legsAreIdentical();
      rig.reads(0, 4 * KIB, 3);
      assertThat(rig.leg(0).writes()).isEqualTo(2);
    }
  }

  @Test
  void aWriteThatReachedALegIsFinishedOnAll() {
    try (MirrorRig rig = new MirrorRig(2)) {
      rig.leg(0).holdAll();
      rig.leg(1).parks = true;
      CancelFlag flag = new CancelFlag();
      Request request = rig.write(0, 4 * KIB, 1, flag);
      rig.turn();
      flag.raise();
      rig.turn();
      assertThat(request.ended()).isFalse();
      rig.leg(1).unpark();
      rig.leg(0).release();
      assertThat(rig.ended(request).kind()).as("all was done").isEqualTo(Kind.DONE);
      rig.legsAreIdentical();
      assertThat(Patterns.firstOther(rig.leg(1).medium.asSlice(0, 4 * KIB), 0, 1)).isEqualTo(-1);
    }
  }

  @Test
  void aLegThatFailsAWriteIsOutAndTheOthersCount() {
    try (MirrorRig rig = new MirrorRig(2)) {
      rig.leg(1).fails = bio -> bio.op() == Op.WRITE;
      assertThat(rig.write(0, 4 * KIB, 1)).isEqualTo(Outcome.done(4 * KIB));
      assertThat(rig.array.letters()).isEqualTo("[U_]");
      assertThat(rig.array.faulty()).hasSize(1);
      rig.reads(0, 4 * KIB, 1);
      long sent = rig.leg(1).sent.size();
      rig.write(0, 4 * KIB, 2);
      assertThat(rig.leg(1).sent).as("nothing more goes there").hasSize((int) sent);
      rig.leg(0).fails = bio -> bio.op() == Op.WRITE;
      Outcome outcome = rig.write(0, 4 * KIB, 3);
      assertThat(outcome.kind()).isEqualTo(Kind.FAILED);
      assertThat(outcome.unknownBytes()).isEqualTo(4 * KIB);
      assertThat(rig.array.letters()).as("the last one stays").isEqualTo("[U_]");
      rig.leg(0).fails = bio -> false;
      assertThat(rig.write(0, 4 * KIB, 4).kind()).isEqualTo(Kind.DONE);
      rig.reads(0, 4 * KIB, 4);
    }
  }

  @Test
  void aBufferThatIsGoneIsNoFaultOfAMember() {
    try (MirrorRig rig = new MirrorRig(2)) {
      rig.legs.forEach(leg -> leg.fails = bio -> bio.op() == Op.WRITE);
      rig.legs.forEach(leg -> leg.holds = bio -> true);
      Request request = rig.write(0, 4 * KIB, 1, new CancelFlag());
      rig.turn();
      for (LegLeaf leg : rig.legs) {
        leg.held.removeFirst().fail(Errno.EFAULT, "no buffer", State.UNKNOWN);
      }
      assertThat(rig.ended(request).kind()).isEqualTo(Kind.FAILED);
      assertThat(rig.array.letters()).isEqualTo("[UU]");
    }
  }

  @Test
  void aReadThatFailsIsServedByAnotherLegAndTheBadBlockIsRewritten() {
    try (MirrorRig rig = new MirrorRig(2)) {
      rig.write(0, 64 * KIB, 1);
      rig.leg(0).bad.set(9);
      rig.reads(0, 8 * KIB, 1);
      rig.turn();
      assertThat(rig.leg(0).bad.isEmpty()).as("rewritten").isTrue();
      assertThat(rig.array.writable().getFirst().correctedReads()).isEqualTo(1);
      assertThat(rig.leg(0).sent)
          .extracting(LegLeaf.Sent::op)
          .containsExactly(Op.WRITE, Op.READ, Op.WRITE, Op.READ);
      rig.legsAreIdentical();
      assertThat(rig.array.letters()).isEqualTo("[UU]");
    }
  }

  @Test
  void legsWithBadBlocksInDifferentPlacesStillGiveALongRead() {
    try (MirrorRig rig = new MirrorRig(2)) {
      rig.write(0, 2048 * KIB, 1);
      rig.leg(0).bad.set(10);
      rig.leg(1).bad.set(60);
      rig.leg(0).bad.set(3000);
      rig.reads(0, 2048 * KIB, 1);
      rig.turn();
      assertThat(rig.leg(0).bad.isEmpty()).isTrue();
      assertThat(rig.leg(1).bad.isEmpty()).isTrue();
      rig.legsAreIdentical();
    }
  }

  @Test
  void whatNoLegCanReadFailsAndSaysWhich() {
    try (MirrorRig rig = new MirrorRig(2)) {
      rig.write(0, 128 * KIB, 1);
      rig.legs.forEach(leg -> leg.bad.set(20));
      Outcome outcome = rig.ended(rig.read(0, 128 * KIB, new CancelFlag()));
      assertThat(outcome.kind()).isEqualTo(Kind.FAILED);
      assertThat(outcome.extents().at(0)).isEqualTo(State.DONE);
      assertThat(outcome.extents().at(20 * 512)).isEqualTo(State.UNKNOWN);
      assertThat(Objects.requireNonNull(outcome.error()).errno()).isEqualTo(Errno.EIO);
      assertThat(rig.array.letters()).isEqualTo("[UU]");
    }
  }

  @Test
  void aFlaggedReadIsNotTriedOnAnotherLegAndACancelIsNoFault() {
    try (MirrorRig rig = new MirrorRig(2)) {
      rig.write(0, 4 * KIB, 1);
      rig.leg(0).bad.set(0);
      rig.leg(0).holdAll();
      CancelFlag flag = new CancelFlag();
      Request request = rig.read(0, 4 * KIB, flag);
      rig.turn();
      flag.raise();
      rig.leg(0).release();
      assertThat(rig.ended(request).kind()).isEqualTo(Kind.CANCELLED);
      assertThat(request.result().unknownBytes()).isEqualTo(4 * KIB);
      assertThat(rig.leg(1).reads()).isZero();
      rig.legs.forEach(LegLeaf::holdAll);
      Request second = rig.read(64 * KIB, 4 * KIB, new CancelFlag());
      rig.turn();
      long reads = rig.leg(0).reads() + rig.leg(1).reads();
      rig.legs.forEach(leg -> leg.held.forEach(Bio::cancelClean));
      assertThat(rig.ended(second).kind()).isEqualTo(Kind.CANCELLED);
      assertThat(rig.leg(0).reads() + rig.leg(1).reads()).isEqualTo(reads);
      assertThat(rig.array.writable()).hasSize(2);
      rig.legs.forEach(leg -> leg.held.clear());
    }
  }

  @Test
  void anArrayThatIsReadOnlyRefusesWritesClean() {
    try (MirrorRig rig = new MirrorRig(2)) {
      List<Memory> legs =
          List.of(
              new Memory(rig.stack.loop, 1 << 20, 512), new Memory(rig.stack.loop, 1 << 20, 512));
      ArrayOptions options = ArrayOptions.DEFAULT.withReadOnly(true);
      Array array = Array.byHand(rig.stack.loop, Level.RAID1, options, legs);
      Mirror mirror = new Mirror(rig.stack.loop, array, CopiesLayout.raid1(2, 1 << 20), Hedge.NONE);
      Outcome outcome = rig.stack.run(mirror, Op.WRITE, 0, rig.stack.memory(512));
      assertThat(outcome.kind()).isEqualTo(Kind.FAILED);
      assertThat(outcome.cleanBytes()).isEqualTo(512);
      assertThat(Objects.requireNonNull(outcome.error()).errno()).isEqualTo(Errno.EROFS);
    }
  }

  @Test
  void membersThatAreTooSmallAreRefused() {
    try (MirrorRig rig = new MirrorRig(2)) {
      List<Memory> legs =
          List.of(
              new Memory(rig.stack.loop, 1 << 20, 512), new Memory(rig.stack.loop, 1 << 19, 512));
      Array array = Array.byHand(rig.stack.loop, Level.RAID1, ArrayOptions.DEFAULT, legs);
      assertThatThrownBy(
              () -> new Mirror(rig.stack.loop, array, CopiesLayout.raid1(2, 1 << 20), Hedge.NONE))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessage("raid1 needs 1048576 bytes of each member, and member 1 has 524288");
    }
  }
}
