// SPDX-License-Identifier: Apache-2.0
package dev.belay.target;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.belay.Bio;
import dev.belay.CancelFlag;
import dev.belay.Extents.State;
import dev.belay.Op;
import dev.belay.Outcome;
import dev.belay.Outcome.Kind;
import dev.belay.md.CopiesLayout;
import dev.belay.md.Member;
import dev.belay.md.Members;
import dev.belay.md.SyncMode;
import dev.belay.testing.DrivenStack;
import dev.belay.testing.DrivenStack.Request;
import dev.belay.testing.Patterns;
import dev.belay.testing.SimClock;
import dev.belay.testing.SimPoller;
import dev.belay.testing.Steps;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

final class MirrorHedgeTest {
  private static final long KIB = 1024;
  private static final long MS = 1_000_000;

  private static MirrorRig rig() {
    MirrorRig rig = new MirrorRig(CopiesLayout.raid1(2, MirrorRig.LEG_BYTES), Hedge.after(2 * MS));
    rig.write(0, 256 * KIB, 1);
    return rig;
  }

  @Test
  void theSecondLegIsAskedLateAndTheLoserIsNeverSentWhereItWaits() {
    try (MirrorRig rig = rig()) {
      rig.leg(0).parks = true;
      Request request = rig.read(0, 4 * KIB);
      rig.pass(2 * MS - 1);
      assertThat(rig.leg(1).reads()).isZero();
      rig.pass(1);
      assertThat(rig.leg(1).reads()).isEqualTo(1);
      rig.isRead(request, 1);
      assertThat(rig.leg(0).parked.isEmpty()).as("its flag went up").isTrue();
      rig.leg(0).unpark();
      assertThat(rig.leg(0).reads()).isZero();
      assertThat(rig.mirror.status()).endsWith("hedges 1 sent, 1 won");
      assertThat(rig.mirror.hedgeBlocksInUse()).isZero();
    }
  }

  @Test
  void aLoserInFlightDoesNotTouchTheCallersBuffer() {
    try (MirrorRig rig = rig()) {
      rig.leg(0).holdAll();
      Request request = rig.read(8 * KIB, 4 * KIB);
      rig.pass(2 * MS);
      rig.isRead(request, 1);
      request.buffer.fill((byte) 7);
      assertThat(rig.mirror.hedgeBlocksInUse()).isEqualTo(1);
      rig.leg(0).release();
      rig.turn();
      assertThat(Patterns.firstOtherByte(request.buffer, (byte) 7)).isEqualTo(-1);
      assertThat(rig.mirror.hedgeBlocksInUse()).isZero();
    }
  }

  @Test
  void theFirstLegStillWinsIfItIsFaster() {
    try (MirrorRig rig = rig()) {
      rig.legs.forEach(LegLeaf::holdAll);
      Request request = rig.read(0, 4 * KIB);
      rig.pass(2 * MS);
      assertThat(rig.leg(1).held).hasSize(1);
      CancelFlag second = rig.leg(1).held.getFirst().flag();
      assertThat(second.isRaised()).isFalse();
      rig.leg(0).release();
      rig.turn();
      rig.isRead(request, 1);
      assertThat(second.isRaised()).isTrue();
      assertThat(request.flag.isRaised()).as("it is a child's flag").isFalse();
      rig.leg(1).release();
      assertThat(rig.mirror.status()).endsWith("hedges 1 sent, 0 won");
    }
  }

  @Test
  void noSecondLegIsAskedWhereLegsMayDisagree() {
    try (MirrorRig rig = rig()) {
      rig.legs.forEach(LegLeaf::holdAll);
      assertThat(rig.array.walk().begin(SyncMode.RESYNC)).isTrue();
      Request request = rig.read(0, 4 * KIB);
      rig.pass(2 * MS);
      assertThat(rig.leg(1).held).isEmpty();
      assertThat(request.ended()).isFalse();
      rig.legs.forEach(LegLeaf::release);
      rig.turn();
      rig.isRead(request, 1);
      rig.walkToItsEnd();
    }
  }

  @Test
  void closingWaitsForTheLoser() {
    try (MirrorRig rig = rig()) {
      rig.leg(0).holdAll();
      Request request = rig.read(0, 4 * KIB);
      rig.pass(2 * MS);
      rig.isRead(request, 1);
      assertThat(rig.stack.loop.openRequests()).as("the loser").isEqualTo(1);
    }
  }

  @Test
  void aLegThatFailsIsReplacedAtOnceAndRewritten() {
    try (MirrorRig rig = rig()) {
      rig.leg(0).bad.set(3);
      rig.reads(0, 4 * KIB, 1);
      rig.turn();
      assertThat(rig.leg(0).bad.isEmpty()).isTrue();
      rig.legsAreIdentical();
      rig.leg(0).bad.set(3);
      rig.leg(1).bad.set(3);
      Request request = rig.read(0, 64 * KIB);
      assertThat(request.result().kind()).isEqualTo(Kind.FAILED);
      assertThat(rig.mirror.hedgeBlocksInUse()).isZero();
    }
  }

  @Test
  void theRequestsFlagStopsBothLegs() {
    try (MirrorRig rig = rig()) {
      rig.legs.forEach(leg -> leg.parks = true);
      CancelFlag flag = new CancelFlag();
      Request request = rig.read(0, 4 * KIB, flag);
      rig.pass(2 * MS);
      assertThat(rig.leg(1).parked.size()).isEqualTo(1);
      flag.raise();
      Outcome outcome = rig.ended(request);
      assertThat(outcome.kind()).isEqualTo(Kind.CANCELLED);
      assertThat(outcome.cleanBytes()).isEqualTo(4 * KIB);
      rig.legs.forEach(LegLeaf::unpark);
      assertThat(rig.leg(0).reads() + rig.leg(1).reads()).isZero();
      rig.leg(0).bad.set(0);
      rig.legs.forEach(LegLeaf::holdAll);
      CancelFlag late = new CancelFlag();
      Request failed = rig.read(0, 4 * KIB, late);
      rig.turn();
      late.raise();
      rig.legs.forEach(LegLeaf::release);
      assertThat(rig.ended(failed).kind()).as("not tried again").isEqualTo(Kind.CANCELLED);
    }
  }

  @Test
  void longReadsAreCutAndFewAreSentTwice() {
    try (MirrorRig rig = rig()) {
      rig.reads(0, 256 * KIB, 1);
      assertThat(rig.leg(0).reads() + rig.leg(1).reads()).isEqualTo(2);
      rig.leg(0).delayNanos = bio -> 10 * MS;
      rig.leg(1).delayNanos = bio -> 10 * MS;
      for (int i = 0; i < 1000; i++) {
        Request request = rig.read(i % 50 * 4 * KIB, 4 * KIB);
        for (int j = 0; j < 30 && !request.ended(); j++) {
          rig.pass(MS);
        }
        rig.isRead(request, 1);
      }
      long sent = rig.leg(0).reads() + rig.leg(1).reads();
      assertThat(sent).isBetween(1002L, 1002 + 40 + 17L);
    }
  }

  @Test
  void withoutMemoryForHedgingReadsGoStraight() {
    try (MirrorRig rig = rig()) {
      rig.legs.forEach(LegLeaf::holdAll);
      List<Request> requests =
          java.util.stream.IntStream.range(0, 100)
              .mapToObj(i -> rig.read(i % 2 * 128 * KIB, 128 * KIB, new CancelFlag()))
              .toList();
      rig.pass(2 * MS);
      assertThat(rig.mirror.hedgeBlocksInUse()).isLessThanOrEqualTo(64);
      rig.legs.forEach(LegLeaf::release);
      rig.turn();
      requests.forEach(each -> rig.isRead(each, 1));
      rig.pass(100 * MS);
      assertThat(rig.mirror.hedgeBlocksInUse()).isZero();
    }
  }

  @Test
  void aLegThatStallsNowAndThenIsHiddenForFewMoreReads() {
    double[] without = latencies(Hedge.NONE);
    assertThat(without[0]).as("p99.9 in ms").isGreaterThan(40);
    for (Hedge hedge : List.of(Hedge.after(2 * MS), Hedge.afterPercentile(95))) {
      double[] with = latencies(hedge);
      assertThat(with[0]).as("p99.9 in ms, %s", hedge).isLessThan(5);
      assertThat(with[1]).as("reads sent for each asked for, %s", hedge).isLessThan(1.05);
    }
  }

  /** The 99.9th percentile in ms, and how many reads were sent for each, on virtual time. */
  private static double[] latencies(Hedge hedge) {
    SimClock clock = new SimClock(new Steps());
    try (DrivenStack stack = new DrivenStack(clock)) {
      stack.loop.setPoller(new SimPoller(clock, new Steps()));
      SplittableRandom random = new SplittableRandom(5);
      LegLeaf stalls = new LegLeaf(stack.loop, stack.memory(1 << 20));
      LegLeaf steady = new LegLeaf(stack.loop, stack.memory(1 << 20));
      stalls.delayNanos =
          bio -> random.nextInt(100) == 0 ? 50 * MS : 50_000 + random.nextInt(100_000);
      steady.delayNanos = bio -> 50_000 + random.nextInt(100_000);
      Mirror mirror = Mirror.raid1(stack.loop, List.of(stalls, steady), hedge);
      int count = 20_000;
      long[] nanos = new long[count];
      MemorySegment[] buffers = new MemorySegment[4];
      Arrays.setAll(buffers, i -> stack.memory(4096));
      for (int i = 0; i < count; i += 4) {
        long began = clock.nowNanos();
        Request[] four = new Request[4];
        for (int j = 0; j < 4; j++) {
          long at = random.nextInt(256) * 4096L;
          four[j] = stack.submit(mirror, Op.READ, at, buffers[j], new CancelFlag());
        }
        for (int j = 0; j < 4; j++) {
          Request one = four[j];
          int index = i + j;
          stack.turnUntil(
              () -> {
                for (int k = 0; k < 4; k++) {
                  if (four[k].ended() && nanos[index - (index & 3) + k] == 0) {
                    nanos[index - (index & 3) + k] = clock.nowNanos() - began;
                  }
                }
                return one.ended();
              });
        }
      }
      Arrays.sort(nanos);
      double sent = stalls.reads() + steady.reads();
      return new double[] {nanos[(int) (count * 0.999)] / 1e6, sent / count};
    }
  }

  @Test
  void theSecondLegIsAnotherOneHoweverBusyItIs() {
    try (MirrorRig rig = rig()) {
      Member busy = Objects.requireNonNull(rig.array.member(1));
      for (int i = 0; i < 8; i++) {
        busy.began();
      }
      rig.leg(0).holdAll();
      Request request = rig.read(0, 4 * KIB);
      assertThat(rig.leg(0).reads()).isEqualTo(1);
      rig.pass(2 * MS);
      assertThat(rig.leg(0).reads()).isEqualTo(1);
      assertThat(rig.leg(1).reads()).isEqualTo(1);
      rig.isRead(request, 1);
      for (int i = 0; i < 8; i++) {
        busy.ended(0);
      }
    }
  }

  @Test
  void aLoserThatWasStoppedIsNoErrorOfItsLeg() {
    try (MirrorRig rig = rig()) {
      long written = rig.leg(0).writes() + rig.leg(1).writes();
      // More of them than the read errors that put a member out.
      for (int i = 0; i < 60; i++) {
        for (int j = 0; j < 25; j++) {
          rig.read(4 * KIB, 4 * KIB); // they pay for a second read
        }
        LegLeaf slow = rig.leg(i % 2);
        slow.parks = i % 3 == 0;
        slow.holds = bio -> true;
        Request request = rig.read(0, 4 * KIB);
        for (int j = 0; j < 40 && !request.ended(); j++) {
          rig.pass(2 * MS);
        }
        rig.isRead(request, 1);
        request.buffer.fill((byte) 7);
        for (Bio loser : List.copyOf(slow.held)) {
          slow.held.remove(loser);
          assertThat(loser.flag().isRaised()).isTrue();
          boolean isClean = i % 2 == 0;
          loser.recordCancelled(isClean ? State.CLEAN : State.UNKNOWN);
          loser.complete();
        }
        slow.unpark();
        slow.holds = bio -> false;
        rig.pass(100 * MS);
        assertThat(Patterns.firstOtherByte(request.buffer, (byte) 7)).isEqualTo(-1);
      }
      assertThat(rig.array.status()).isEqualTo("[2/2] [UU]");
      assertThat(rig.array.writable()).allMatch(member -> Members.readErrors(member) == 0);
      assertThat(rig.leg(0).writes() + rig.leg(1).writes())
          .as("nothing is put right")
          .isEqualTo(written);
      assertThat(rig.mirror.hedgeBlocksInUse()).isZero();
    }
  }

  @Test
  void whatIsNoTimeIsRefused() {
    assertThatThrownBy(() -> new Hedge(-1, 0)).hasMessageContaining("not after -1 ns");
    assertThatThrownBy(() -> Hedge.afterPercentile(100)).hasMessageContaining("p100");
    assertThatThrownBy(() -> new Hedge(1, 1)).hasMessageContaining("not both");
  }
}
