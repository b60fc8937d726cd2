// SPDX-License-Identifier: Apache-2.0
package dev.belay.md;

import static org.assertj.core.api.Assertions.assertThat;

import dev.belay.CancelFlag;
import dev.belay.Outcome;
import dev.belay.testing.DrivenStack;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * The write hole is closed: the power goes at every step of writes to a RAID 5 with partial parity
 * logs, and then a member is lost too; what was not being written reads right.
 */
final class PartialParitySimulationTest {
  private static final long RUNS = Long.getLong("belay.ppl.runs", 25);
  private static final int STRIDE = Integer.getInteger("belay.ppl.stride", 23);

  /** Two writes at a time, and two more on top: first block, blocks; in chunks of 8 blocks. */
  private static final int[][] SHAPES = {
    {0, 1, 9, 1}, {0, 8, 8, 8}, {3, 7, 20, 2}, {0, 4, 12, 2}, {0, 16, 24, 3}, {5, 22, 2, 1},
  };

  @ParameterizedTest
  @CsvSource({"3, true", "3, false", "4, true"})
  void everyStep(int members, boolean hasSeveral) throws Exception {
    int replayed = 0;
    for (int[] shape : SHAPES) {
      for (int at = 1; ; at += STRIDE) {
        PartialParityRig rig = new PartialParityRig(members, hasSeveral, at);
        rig.open(-1);
        rig.write(0, rig.blocks(), new CancelFlag());
        rig.flush();
        rig.loseAt(rig.steps().count() + at);
        for (int i = 0; i < 2 && !rig.isOff(); i++) {
          rig.write(shape[0], shape[1], new CancelFlag());
          rig.write(shape[2], shape[3], new CancelFlag());
          rig.turn(0);
        }
        boolean isOver = !rig.isOff();
        replayed += checkAll(rig, members + " members, step " + at);
        if (isOver) {
          break;
        }
      }
    }
    assertThat(replayed).isPositive();
  }

  /** Loses the power, and looks at it without any member, and with all. */
  private static int checkAll(PartialParityRig rig, String where) throws Exception {
    rig.losePower();
    for (int missing = 0; missing < rig.media.size(); missing++) {
      rig.checkWithout(missing, where);
    }
    rig.open(-1);
    int entries = rig.replay == null ? 0 : rig.replay.entries();
    rig.check(where);
    rig.close();
    rig.checkParity(where);
    return entries > 0 ? 1 : 0;
  }

  @ParameterizedTest
  @CsvSource({"3, true", "4, true", "4, false", "5, true"})
  void anyWritesCancelsAndPowerLosses(int members, boolean hasSeveral) throws Exception {
    int replayed = 0;
    for (long seed = 0; seed < RUNS; seed++) {
      PartialParityRig rig = new PartialParityRig(members, hasSeveral, seed);
      for (int session = 0; session < 3; session++) {
        String where = "seed %d, session %d".formatted(seed, session);
        rig.open(-1);
        rig.check(where);
        play(rig);
        rig.losePower();
        for (int missing = 0; missing < members; missing++) {
          rig.checkWithout(missing, where);
          replayed += rig.replay != null && rig.replay.entries() > 0 ? 1 : 0;
        }
      }
      rig.open(-1);
      rig.check("at the end of seed " + seed);
      rig.close();
      rig.checkParity("at the end of seed " + seed);
    }
    assertThat(replayed).isPositive();
  }

  /** The second write waits until the log of the first is free again: their parity is together. */
  @Test
  void aCancelBeforeTheLogIsSentIsClean() throws Exception {
    int clean = 0;
    int done = 0;
    for (int at = 1; ; at++) {
      PartialParityRig rig = new PartialParityRig(3, true, at);
      rig.open(-1);
      rig.write(0, rig.blocks(), new CancelFlag());
      rig.flush();
      CancelFlag flag = new CancelFlag();
      DrivenStack.Request first = rig.write(2, 1, new CancelFlag());
      DrivenStack.Request second = rig.write(2 + 3 * 16, 1, flag);
      long start = rig.steps().count();
      rig.steps().plan(start + at, flag::raise);
      rig.turn(0);
      assertThat(first.result()).isEqualTo(Outcome.done(512));
      assertThat(second.completions).isEqualTo(1);
      boolean isDone = second.result().result() == 512;
      assertThat(isDone ? second.result().doneBytes() : second.result().cleanBytes())
          .isEqualTo(512);
      clean += isDone ? 0 : 1;
      done += isDone && flag.isRaised() ? 1 : 0;
      rig.flush();
      rig.check("step " + at);
      rig.close();
      rig.checkParity("step " + at);
      if (!flag.isRaised()) {
        break;
      }
    }
    assertThat(clean).isPositive();
    assertThat(done).isPositive();
  }

  private static void play(PartialParityRig rig) {
    int lasts = 1 + rig.random.nextInt(1500);
    rig.loseAt(rig.steps().count() + lasts);
    List<CancelFlag> flags = new ArrayList<>();
    while (!rig.isOff()) {
      for (int i = rig.random.nextInt(1, 6); i > 0; i--) {
        CancelFlag flag = new CancelFlag();
        flags.add(flag);
        rig.writeSomewhere(flag);
        if (rig.random.nextInt(5) == 0) {
          CancelFlag one = flags.get(rig.random.nextInt(flags.size()));
          rig.steps().plan(rig.steps().count() + rig.random.nextInt(60), one::raise);
        }
      }
      rig.turn(rig.random.nextInt(4));
      if (rig.random.nextInt(3) == 0) {
        rig.flush();
      }
    }
  }

  @Test
  void aDegradedArrayLosesNothingEither() throws Exception {
    int replayed = 0;
    for (long seed = 0; seed < RUNS; seed++) {
      int members = 3 + (int) (seed % 3);
      int missing = (int) (seed % members);
      PartialParityRig rig = new PartialParityRig(members, true, seed);
      rig.open(-1);
      rig.write(0, rig.blocks(), new CancelFlag());
      rig.flush();
      rig.losePower();
      rig.open(missing);
      play(rig);
      rig.losePower();
      rig.checkWithout(missing, "seed " + seed);
      replayed += rig.replay != null && rig.replay.entries() > 0 ? 1 : 0;
    }
    assertThat(replayed).isPositive();
  }
}
