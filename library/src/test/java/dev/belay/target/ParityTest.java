// SPDX-License-Identifier: Apache-2.0
package dev.belay.target;

import static org.assertj.core.api.Assertions.assertThat;

import dev.belay.CancelFlag;
import dev.belay.Op;
import dev.belay.Outcome;
import dev.belay.Outcome.Kind;
import dev.belay.md.Level;
import dev.belay.md.ParityLayout;
import dev.belay.testing.Weather;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Contents, parity and the flag, over simulated members. */
final class ParityTest {
  static Stream<ParityLayout> layouts() {
    List<ParityLayout> all = new ArrayList<>();
    all.add(ParityRig.layout(Level.RAID4, 0, 4));
    all.add(ParityRig.layout(Level.RAID5, ParityLayout.LEFT_SYMMETRIC, 3));
    for (int number = 0; number < 6; number++) {
      all.add(ParityRig.layout(Level.RAID5, number, 4));
      all.add(ParityRig.layout(Level.RAID6, number, 5));
      if (number < 5) {
        all.add(ParityRig.layout(Level.RAID6, 16 + number, 5));
      }
    }
    for (int number = 8; number < 11; number++) {
      all.add(ParityRig.layout(Level.RAID6, number, 6));
    }
    return all.stream();
  }

  static Stream<ParityLayout> someLayouts() {
    return Stream.of(
        ParityRig.layout(Level.RAID4, 0, 3),
        ParityRig.layout(Level.RAID5, ParityLayout.LEFT_SYMMETRIC, 3),
        ParityRig.layout(Level.RAID5, ParityLayout.RIGHT_ASYMMETRIC, 5),
        ParityRig.layout(Level.RAID6, ParityLayout.LEFT_SYMMETRIC, 4),
        ParityRig.layout(Level.RAID6, ParityLayout.DDF_ZERO_RESTART, 6));
  }

  @ParameterizedTest
  @MethodSource("layouts")
  void whatIsWrittenIsReadWithAnyToleratedMembersMissing(ParityLayout layout) {
    try (ParityRig rig = new ParityRig(layout, 7, 1)) {
      rig.checkMedia(new BitSet());
      for (int i = 0; i < 30; i++) {
        rig.writeSomewhere(new CancelFlag());
        if (i % 5 == 0) {
          rig.settle();
        }
      }
      rig.settle();
      rig.checkMedia(new BitSet());
      rig.checkReads("whole");
      rig.checkEveryDegradedRead();
    }
  }

  @ParameterizedTest
  @MethodSource("someLayouts")
  void degradedWritesAreReadBack(ParityLayout layout) {
    for (BitSet missing : ParityRig.combinations(layout)) {
      try (ParityRig first = new ParityRig(layout, 5, 2);
          ParityRig rig = new ParityRig(first, missing)) {
        for (int i = 0; i < 40; i++) {
          CancelFlag flag = new CancelFlag();
          rig.writeSomewhere(flag);
          if (rig.random.nextInt(4) == 0) {
            rig.steps.plan(rig.steps.count() + rig.random.nextInt(40), flag::raise);
          }
          if (i % 4 == 0) {
            rig.settle();
          }
        }
        rig.settle();
        rig.checkMedia(missing);
        rig.checkReads("without " + missing);
        for (BitSet more : ParityRig.combinations(layout)) {
          BitSet both = (BitSet) more.clone();
          both.or(missing);
          if (both.cardinality() <= layout.parities()) {
            try (ParityRig degraded = new ParityRig(rig, both)) {
              degraded.checkReads("without " + both);
            }
          }
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("someLayouts")
  void parityHoldsAfterRandomCancels(ParityLayout layout) {
    for (int seed = 0; seed < 30; seed++) {
      try (ParityRig rig = new ParityRig(layout, 4, seed)) {
        for (int batch = 0; batch < 12; batch++) {
          for (int i = rig.random.nextInt(1, 12); i > 0; i--) {
            CancelFlag flag = new CancelFlag();
            rig.writeSomewhere(flag);
            if (rig.random.nextInt(3) == 0) {
              rig.steps.plan(rig.steps.count() + rig.random.nextInt(150), flag::raise);
            }
            for (int turns = rig.random.nextInt(3); turns > 0; turns--) {
              rig.stack.loop.turn(1000);
            }
          }
          rig.settle();
          rig.checkMedia(new BitSet());
        }
        assertThat(rig.parity.array().faulty()).isEmpty();
      }
    }
  }

  @ParameterizedTest
  @MethodSource("someLayouts")
  void nothingIsLostWhileMembersFail(ParityLayout layout) {
    int degraded = 0;
    for (int seed = 0; seed < 24; seed++) {
      Weather weather = new Weather(3, 1000, 1 + seed % 8, 0, 0, Weather.Abort.EVERYTHING, 0, 1);
      try (ParityRig rig = new ParityRig(layout, 4, seed)) {
        boolean hasLost = false;
        for (int batch = 0; batch < 15 && !hasLost; batch++) {
          rig.setWeather(weather);
          List<ParityRig.Request> writes = new ArrayList<>();
          for (int i = rig.random.nextInt(1, 10); i > 0; i--) {
            CancelFlag flag = new CancelFlag();
            if (rig.random.nextInt(3) == 0) {
              rig.readSomewhere(flag);
            } else {
              writes.add(rig.writeSomewhere(flag));
            }
            if (rig.random.nextInt(4) == 0) {
              rig.steps.plan(rig.steps.count() + rig.random.nextInt(150), flag::raise);
            }
            for (int turns = rig.random.nextInt(3); turns > 0; turns--) {
              rig.stack.loop.turn(1000);
            }
          }
          rig.settle();
          rig.setWeather(ParityRig.CALM);
          // A write that failed may have left its stripe torn, and says so.
          hasLost = writes.stream().anyMatch(write -> write.outcome().kind() == Kind.FAILED);
          if (!hasLost) {
            rig.checkMedia(rig.faulty());
            rig.checkReads("seed " + seed + ", without " + rig.faulty());
          }
        }
        degraded += rig.faulty().isEmpty() ? 0 : 1;
        assertThat(rig.faulty().cardinality()).isLessThanOrEqualTo(layout.parities());
      }
    }
    assertThat(degraded).isPositive();
  }

  /** Writes a range, with its flag raised at a step; beside it a bystander, if there is room. */
  private static boolean cancelAt(ParityRig rig, int firstWord, int words, int step) {
    CancelFlag flag = new CancelFlag();
    long before = rig.steps.count();
    boolean[] wasRaised = {false};
    rig.steps.plan(
        before + step,
        () -> {
          wasRaised[0] = true;
          flag.raise();
        });
    ParityRig.Request write = rig.write(firstWord, words, flag);
    ParityRig.Request bystander = rig.write(0, 8, new CancelFlag());
    rig.stack.turnUntil(() -> write.request.ended() && bystander.request.ended());
    rig.steps.forget();
    assertThat(bystander.outcome().kind()).as("the bystander").isEqualTo(Kind.DONE);
    assertThat(write.outcome().unknownBytes()).isZero();
    assertThat(write.outcome().kind()).isNotEqualTo(Kind.FAILED);
    rig.settle();
    assertThat(rig.parity.array().faulty()).as("a cancel is nobody's fault").isEmpty();
    rig.checkMedia(new BitSet());
    return wasRaised[0];
  }

  @ParameterizedTest
  @MethodSource("someLayouts")
  void aCancelAtAnyStepLeavesParityRight(ParityLayout layout) {
    int row = (int) layout.rowBytes() / 8;
    int[][] shapes = {{8, 8}, {8, row - 8}, {8, row}, {16, row + row / 2}, {64, 24}};
    try (ParityRig first = new ParityRig(layout, 3, 1)) {
      for (int[] shape : shapes) {
        int step = 1;
        for (boolean goesOn = true; goesOn; step++) {
          try (ParityRig rig = new ParityRig(first, new BitSet())) {
            goesOn = cancelAt(rig, shape[0], shape[1], step);
          }
        }
        assertThat(step).isGreaterThan(10);
      }
    }
  }

  @Test
  void aFlagThatReachesParityIsNoticed() {
    ParityLayout layout = ParityRig.layout(Level.RAID5, ParityLayout.LEFT_SYMMETRIC, 4);
    int found = 0;
    for (int step = 1; step < 40; step++) {
      ParityRig first = new ParityRig(layout, 3, 1);
      try (first;
          ParityRig rig = new ParityRig(first, new BitSet(), ParityRig.Unshielded::new)) {
        cancelAt(rig, 8, 8, step);
      } catch (AssertionError noticed) {
        found++;
      }
    }
    assertThat(found).isPositive();
  }

  @Test
  void fullStripesReadNothing() {
    ParityLayout layout = ParityRig.layout(Level.RAID6, ParityLayout.LEFT_SYMMETRIC, 6);
    try (ParityRig rig = new ParityRig(layout, 4, 1)) {
      assertThat(rig.sent(Op.READ)).isZero();
      assertThat(rig.parity.cache().fullStripes()).isEqualTo(4);
      // Many small ones that come together are a full stripe, too.
      for (int word = 0; word < rig.words(); word += 8) {
        rig.write(word, 8, new CancelFlag());
      }
      rig.settle();
      assertThat(rig.sent(Op.READ)).isZero();
      assertThat(rig.parity.cache().fullStripes()).isEqualTo(8);
      rig.checkMedia(new BitSet());
    }
  }

  @Test
  void theWayThatReadsLessIsTaken() {
    ParityLayout layout = ParityRig.layout(Level.RAID5, ParityLayout.LEFT_SYMMETRIC, 5);
    ParityRig first = new ParityRig(layout, 4, 1);
    try (first;
        ParityRig rig = new ParityRig(first, new BitSet())) {
      int chunk = 512 / 8;
      rig.write(0, chunk, new CancelFlag());
      rig.settle();
      assertThat(rig.sent(Op.READ)).as("the old chunk, and nothing of parity").isLessThan(3);
      assertThat(rig.parity.cache().readModifyWrites()).isEqualTo(1);
      long before = rig.sent(Op.READ);
      rig.write(4 * chunk, 3 * chunk, new CancelFlag());
      rig.settle();
      assertThat(rig.sent(Op.READ) - before).isLessThanOrEqualTo(1);
      assertThat(rig.parity.cache().reconstructWrites()).isEqualTo(1);
      rig.checkMedia(new BitSet());
    }
  }

  @Test
  void aDiscardChangesNothing() {
    ParityLayout layout = ParityRig.layout(Level.RAID5, ParityLayout.LEFT_SYMMETRIC, 3);
    try (ParityRig rig = new ParityRig(layout, 4, 1)) {
      Outcome outcome = rig.stack.run(rig.parity, Op.DISCARD, 64, 1024);
      assertThat(outcome).isEqualTo(Outcome.done(1024));
      assertThat(rig.sent(Op.DISCARD)).isZero();
      rig.checkMedia(new BitSet());
    }
  }
}
