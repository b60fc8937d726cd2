// SPDX-License-Identifier: Apache-2.0
package dev.belay.target;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.belay.CancelFlag;
import dev.belay.Clock;
import dev.belay.Extents;
import dev.belay.Extents.State;
import dev.belay.Op;
import dev.belay.Outcome;
import dev.belay.leaf.Null;
import dev.belay.target.Fault.Effect;
import dev.belay.target.Fault.Rule;
import dev.belay.testing.DrivenStack;
import dev.belay.testing.DrivenStack.Request;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

final class FaultTest {
  private final Clock.Manual clock = new Clock.Manual();
  private final DrivenStack stack = new DrivenStack(clock);
  private final Null lower = new Null(stack.loop, 1 << 20, 512);
  private final MemorySegment buffer = stack.memory(512);

  private Fault fault(Rule... rules) {
    return new Fault(stack.loop, lower, List.of(rules), 7);
  }

  private Request submit(Fault fault, Op op, CancelFlag flag) {
    return stack.submit(fault, op, 4096, buffer, flag);
  }

  @Test
  void errorsHitTheirRangeAndOperationOnlyAndNothingReachesTheDevice() {
    try (stack) {
      Fault fault = fault(Rule.of(Effect.ERROR).on(Op.WRITE).within(4096, 512));
      Outcome outcome = submit(fault, Op.WRITE, new CancelFlag()).result();
      assertThat(outcome.kind()).isEqualTo(Outcome.Kind.FAILED);
      assertThat(outcome.extents()).isEqualTo(Extents.whole(512, State.CLEAN));
      assertThat(outcome.error()).asString().contains("WRITE of 512 bytes at 4096", "EIO");
      assertThat(lower.bios()).isZero();
      assertThat(stack.run(fault, Op.WRITE, 4608, buffer)).isEqualTo(Outcome.done(512));
      assertThat(stack.run(fault, Op.WRITE, 3584, buffer)).isEqualTo(Outcome.done(512));
      assertThat(stack.run(fault, Op.READ, 4096, buffer)).isEqualTo(Outcome.done(512));
      assertThat(stack.run(fault, Op.FLUSH, 0, 0)).isEqualTo(Outcome.done(0));
    }
  }

  @Test
  void theDiceAreThoseOfTheSeed() {
    try (stack) {
      List<Boolean> failed = new ArrayList<>();
      for (int round = 0; round < 2; round++) {
        Fault fault = fault(Rule.of(Effect.ERROR).withRate(0.25));
        for (int i = 0; i < 1000; i++) {
          failed.add(submit(fault, Op.READ, new CancelFlag()).result().error() != null);
        }
      }
      assertThat(failed.subList(0, 1000)).isEqualTo(failed.subList(1000, 2000));
      assertThat(failed.stream().filter(f -> f).count()).isBetween(400L, 600L);
    }
  }

  @Test
  void aLostAnswerIsUnknownThoughTheDeviceDidIt() {
    try (stack) {
      Outcome outcome = submit(fault(Rule.of(Effect.LOST)), Op.WRITE, new CancelFlag()).result();
      assertThat(lower.bios()).isEqualTo(1);
      assertThat(outcome.kind()).isEqualTo(Outcome.Kind.FAILED);
      assertThat(outcome.unknownBytes()).isEqualTo(512);
    }
  }

  @Test
  void whatHangsSoftlyIsCancelledAndTheRestGoesOnWhenReleased() {
    try (stack) {
      Fault fault = fault(Rule.of(Effect.HANG));
      CancelFlag flag = new CancelFlag();
      Request cancelled = submit(fault, Op.READ, flag);
      Request released = submit(fault, Op.READ, new CancelFlag());
      flag.raise();
      stack.loop.turn(0);
      assertThat(cancelled.result().cleanBytes()).isEqualTo(512);
      assertThat(released.ended()).isFalse();
      stack.loop.execute(fault::release);
      assertThat(stack.finish(released)).isEqualTo(Outcome.done(512));
      assertThat(lower.bios()).isEqualTo(1);
    }
  }

  @Test
  void whatIsStuckIgnoresItsFlagUntilReleased() {
    try (stack) {
      Fault fault = fault(Rule.of(Effect.STUCK));
      CancelFlag flag = new CancelFlag();
      Request flagged = submit(fault, Op.READ, flag);
      Request other = submit(fault, Op.READ, new CancelFlag());
      flag.raise();
      stack.loop.turn(0);
      assertThat(flagged.ended()).isFalse();
      assertThat(fault.status()).isEqualTo("1 rules, 2 faults; 0 hang, 2 stuck, 0 slow");
      assertThat(stack.loop.close(0)).as("left with the device").isEqualTo(2);
      assertThat(other.ended()).isFalse();
      fault.release();
      assertThat(stack.finish(flagged).cleanBytes()).isEqualTo(512);
      assertThat(stack.finish(other).cleanBytes()).isEqualTo(512);
      assertThat(lower.bios()).isZero();
    }
  }

  @Test
  void slowBiosWaitTheirTimeOrForTheirFlag() {
    try (stack) {
      Fault fault = fault(Rule.of(Effect.SLOW).withDelay(100));
      CancelFlag flag = new CancelFlag();
      Request cancelled = submit(fault, Op.READ, flag);
      Request slow = submit(fault, Op.READ, new CancelFlag());
      flag.raise();
      stack.loop.turn(0);
      assertThat(cancelled.result().cleanBytes()).isEqualTo(512);
      clock.advance(99);
      stack.loop.turn(0);
      assertThat(slow.ended()).isFalse();
      clock.advance(1);
      stack.loop.turn(0);
      assertThat(slow.result()).isEqualTo(Outcome.done(512));
    }
  }

  @Test
  void rulesChangeWhileItRuns() {
    try (stack) {
      Fault fault = fault();
      assertThat(submit(fault, Op.READ, new CancelFlag()).result().error()).isNull();
      stack.loop.execute(() -> fault.setRules(List.of(Rule.of(Effect.ERROR))));
      stack.loop.turn(0);
      assertThat(submit(fault, Op.READ, new CancelFlag()).result().error()).isNotNull();
    }
  }

  @Test
  void rulesThatMakeNoSenseAreRefused() {
    try (stack) {
      Rule rule = Rule.of(Effect.ERROR);
      assertThatThrownBy(() -> rule.withRate(1.5)).hasMessageContaining("from 0 to 1, not 1.5");
      assertThatThrownBy(() -> rule.within(-1, 1)).hasMessageContaining("offset -1");
      assertThatThrownBy(() -> rule.withDelay(-1)).hasMessageContaining("delay -1 ns");
    }
  }
}
