// SPDX-License-Identifier: Apache-2.0
package dev.belay.target;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.belay.CancelFlag;
import dev.belay.Clock;
import dev.belay.Op;
import dev.belay.Outcome;
import dev.belay.leaf.Null;
import dev.belay.testing.DrivenStack;
import dev.belay.testing.DrivenStack.Request;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

final class ThrottleTest {
  private static final long MILLI = 1_000_000L;
  private static final long SECOND = 1000 * MILLI;

  private final Clock.Manual clock = new Clock.Manual();

  private void pass(DrivenStack stack, long nanos) {
    for (long left = nanos; left > 0; left -= MILLI) {
      clock.advance(Math.min(left, MILLI));
      stack.loop.turn(0);
    }
  }

  private static long ended(List<Request> requests) {
    return requests.stream().filter(Request::ended).count();
  }

  @Test
  void operationsKeepToTheRateAndWhatIsSavedUp() {
    try (DrivenStack stack = new DrivenStack(clock)) {
      Null lower = new Null(stack.loop, 1 << 20, 512);
      Throttle throttle = new Throttle(stack.loop, lower, 1000, 0, 10 * MILLI);
      List<Request> requests = new ArrayList<>();
      MemorySegment buffer = stack.memory(512);
      for (int i = 0; i < 2000; i++) {
        requests.add(stack.submit(throttle, Op.READ, 0, buffer, new CancelFlag()));
      }
      assertThat(ended(requests)).as("the burst").isEqualTo(11);
      pass(stack, SECOND);
      assertThat(ended(requests)).isEqualTo(1011);
      assertThat(requests.subList(0, 1011)).as("first come, first served").allMatch(Request::ended);
      pass(stack, SECOND);
      assertThat(ended(requests)).isEqualTo(2000);
      pass(stack, SECOND);
      assertThat(throttle.bios()).isEqualTo(2000);
    }
  }

  @Test
  void theNewestFirstServesThoseWhoStillHaveTime() {
    try (DrivenStack stack = new DrivenStack(clock)) {
      Null lower = new Null(stack.loop, 1 << 20, 512);
      Throttle throttle = new Throttle(stack.loop, lower, 1000, 0, MILLI, true);
      MemorySegment buffer = stack.memory(512);
      List<Request> requests = new ArrayList<>();
      for (int i = 0; i < 20; i++) {
        CancelFlag flag =
            new CancelFlag().withDeadline(clock, clock.nanos() + (i < 10 ? 4 : 100) * MILLI);
        requests.add(stack.submit(throttle, Op.READ, 0, buffer, flag));
      }
      assertThat(ended(requests)).as("the burst").isEqualTo(2);
      pass(stack, 3 * MILLI);
      assertThat(requests.subList(17, 20)).as("the newest").allMatch(Request::ended);
      assertThat(ended(requests)).isEqualTo(5);
      pass(stack, 2 * MILLI);
      assertThat(requests.subList(2, 10)).allMatch(r -> r.result().cleanBytes() == 512);
      pass(stack, 20 * MILLI);
      assertThat(requests.subList(10, 20)).allMatch(r -> r.result().doneBytes() == 512);
    }
  }

  @Test
  void aLongBioGoesInPiecesAndIsStoppedBetweenThem() {
    try (DrivenStack stack = new DrivenStack(clock)) {
      Null lower = new Null(stack.loop, 1L << 30, 512);
      Throttle throttle = new Throttle(stack.loop, lower, 0, 1_000_000, MILLI);
      CancelFlag flag = new CancelFlag();
      Request request = stack.submit(throttle, Op.WRITE, 0, stack.memory(64 << 20), flag);
      pass(stack, SECOND);
      assertThat(lower.bytes()).isBetween(980_000L, 1_021_000L);
      assertThat(request.ended()).isFalse();
      flag.raise();
      stack.loop.turn(0);
      Outcome outcome = request.result();
      assertThat(outcome.kind()).isEqualTo(Outcome.Kind.CANCELLED);
      assertThat(outcome.doneBytes()).isEqualTo(lower.bytes());
      assertThat(outcome.extents().list()).hasSize(2);
      assertThat(throttle.bios()).isEqualTo(1);
      assertThat(throttle.bytes()).isEqualTo(64 << 20);
    }
  }

  @Test
  void aLongBioDoesNotHoldUpAShortOne() {
    try (DrivenStack stack = new DrivenStack(clock)) {
      Null lower = new Null(stack.loop, 1L << 30, 512);
      Throttle throttle = new Throttle(stack.loop, lower, 0, 1_000_000, MILLI);
      stack.submit(throttle, Op.WRITE, 0, stack.memory(64 << 20), new CancelFlag());
      Request brief = stack.submit(throttle, Op.READ, 0, stack.memory(512), new CancelFlag());
      pass(stack, 120 * MILLI);
      assertThat(brief.ended()).isTrue();
    }
  }

  @Test
  void whoIsCancelledTakesNoTokens() {
    try (DrivenStack stack = new DrivenStack(clock)) {
      Null lower = new Null(stack.loop, 1 << 20, 512);
      Throttle throttle = new Throttle(stack.loop, lower, 10, 0, MILLI);
      MemorySegment buffer = stack.memory(512);
      CancelFlag flag = new CancelFlag();
      Request first = stack.submit(throttle, Op.READ, 0, buffer, new CancelFlag());
      List<Request> cancelled = new ArrayList<>();
      for (int i = 0; i < 1000; i++) {
        cancelled.add(stack.submit(throttle, Op.READ, 0, buffer, flag));
      }
      Request last = stack.submit(throttle, Op.READ, 0, buffer, new CancelFlag());
      assertThat(first.ended()).isTrue();
      flag.raise();
      stack.loop.turn(0);
      assertThat(cancelled).allMatch(r -> r.result().cleanBytes() == 512);
      pass(stack, 100 * MILLI);
      assertThat(last.ended()).isTrue();
      assertThat(lower.bios()).isEqualTo(2);
    }
  }

  @Test
  void aFlushNeverWaitsAndADiscardCostsNoBytes() {
    try (DrivenStack stack = new DrivenStack(clock)) {
      Null lower = new Null(stack.loop, 1L << 30, 512);
      Throttle throttle = new Throttle(stack.loop, lower, 0, 1000, MILLI);
      assertThat(stack.run(throttle, Op.DISCARD, 0, 1 << 30)).isEqualTo(Outcome.done(1 << 30));
      stack.run(throttle, Op.READ, 0, stack.memory(512));
      stack.submit(throttle, Op.READ, 0, stack.memory(512), new CancelFlag());
      assertThat(stack.run(throttle, Op.FLUSH, 0, 0)).isEqualTo(Outcome.done(0));
      assertThat(throttle.status()).isEqualTo("1000 bytes a second, 1 wait");
    }
  }

  @Test
  void ratesThatMakeNoSenseAreRefused() {
    try (DrivenStack stack = new DrivenStack(clock)) {
      Null lower = new Null(stack.loop, 1 << 20, 512);
      double[][] rates = {{0, 0}, {-1, 10}, {10, -1}, {Double.NaN, 10}};
      for (double[] rate : rates) {
        assertThatThrownBy(() -> new Throttle(stack.loop, lower, rate[0], (long) rate[1], SECOND))
            .isInstanceOf(IllegalArgumentException.class)
            .hasMessageContaining("needs a rate above zero");
      }
      assertThatThrownBy(() -> new Throttle(stack.loop, lower, 1, 1, 0))
          .hasMessageContaining("a time above zero, not for 0 ns");
    }
  }
}
