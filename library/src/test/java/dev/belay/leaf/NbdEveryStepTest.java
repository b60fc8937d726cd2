// SPDX-License-Identifier: Apache-2.0
package dev.belay.leaf;

import static org.assertj.core.api.Assertions.assertThat;

import dev.belay.Bio;
import dev.belay.CancelFlag;
import dev.belay.Extents.Extent;
import dev.belay.Extents.State;
import dev.belay.Op;
import dev.belay.Outcome;
import dev.belay.Outcome.Kind;
import dev.belay.nbd.Nbd;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.Test;

/**
 * The same requests again and again, and at another step each time something happens: a flag goes
 * up, the connections break, the server dies, hangs, or receives nothing. Buffers are painted over
 * as soon as their request has ended: whoever touches one after that is found.
 */
final class NbdEveryStepTest {
  private static final byte PAINT = (byte) 0xEE;
  private static final int RUNS = 120;
  private static final long SECOND = 1_000_000_000;
  private static final int READ_FROM = 1 << 19;

  /** What happens to a rig at the step. */
  @FunctionalInterface
  private interface Event {
    void on(NbdRig rig, CancelFlag flag);
  }

  private static byte valueAt(int number, long at) {
    byte value = NbdRig.valueAt(number, at);
    return value == PAINT || value == 0 ? 1 : value;
  }

  /** One request that paints its buffer when it ends. */
  private static final class Ask {
    final int number;
    final Op op;
    final long offset;
    final long length;
    final boolean isStopped;
    final MemorySegment buffer;
    final Bio bio;
    int ends;
    Outcome outcome = Outcome.done(0);
    boolean isWrong;

    Ask(NbdRig rig, int number, Op op, long offset, long length, boolean isStopped, Bio[] made) {
      this.number = number;
      this.op = op;
      this.offset = offset;
      this.length = length;
      this.isStopped = isStopped;
      buffer = op.hasBuffer() ? rig.stack.memory(length) : MemorySegment.NULL;
      for (long i = 0; op == Op.WRITE && i < length; i++) {
        buffer.set(ValueLayout.JAVA_BYTE, i, valueAt(number, i));
      }
      bio = new Bio(rig.stack.loop, this::ended);
      made[0] = bio;
    }

    private void ended(Bio ended) {
      ends++;
      outcome = ended.outcome();
      for (Extent each : outcome.extents().list()) {
        for (long i = each.offsetBytes(); op == Op.READ && i < each.endBytes(); i++) {
          byte expected = each.state() == State.CLEAN ? 0 : valueAt(99, offset + i);
          isWrong |=
              each.state() != State.UNKNOWN && buffer.get(ValueLayout.JAVA_BYTE, i) != expected;
        }
      }
      buffer.fill(PAINT);
    }

    void check(NbdRig rig, String when, boolean mayLose) {
      assertThat(ends).as("%s: %s ends once", when, op).isEqualTo(1);
      assertThat(isWrong).as("%s: what the %s says", when, op).isFalse();
      if (op != Op.FLUSH || !mayLose) {
        assertThat(outcome.kind()).as("%s: %s", when, outcome).isNotEqualTo(Kind.FAILED);
      }
      if (!isStopped) {
        assertThat(outcome.kind()).as("%s: a bystander", when).isNotEqualTo(Kind.CANCELLED);
      }
      for (long i = 0; i < buffer.byteSize(); i++) {
        assertThat(buffer.get(ValueLayout.JAVA_BYTE, i) == PAINT)
            .as("%s: byte %d of the buffer of the %s was touched late", when, i, op)
            .isTrue();
      }
      for (Extent each : outcome.extents().list()) {
        for (long i = each.offsetBytes(); op == Op.WRITE && i < each.endBytes(); i++) {
          byte found = rig.server.cache[(int) (offset + i)];
          byte written = valueAt(number, i);
          boolean isTrue =
              switch (each.state()) {
                case DONE -> found == written;
                case CLEAN -> found == 0;
                case UNKNOWN -> found == written || found == 0;
              };
          assertThat(isTrue).as("%s: byte %d, %s, is %d", when, i, each, found).isTrue();
        }
      }
    }
  }

  /** Runs all requests; answers how many steps it took from the first of them on. */
  private static long run(long atStep, Event event, boolean mayLose, String name) {
    CancelFlag stop = new CancelFlag();
    try (NbdRig rig = new NbdRig(atStep, o -> o.withConnections(2).withDepth(6), s -> s)) {
      // Every other time so slow that there is time for a flag while a payload is on its way.
      rig.pipes.withBuffer(9000).withPieces(5000).withLatency(atStep % 2 == 0 ? 2_000_000 : 20_000);
      for (int i = 0; i < READ_FROM; i++) {
        rig.server.cache[READ_FROM + i] = valueAt(99, READ_FROM + i);
        rig.server.durable[READ_FROM + i] = rig.server.cache[READ_FROM + i];
      }
      long start = rig.steps.count();
      rig.steps.plan(start + atStep, () -> event.on(rig, stop));
      List<Ask> asks = new ArrayList<>();
      for (int i = 0; i < 18; i++) {
        boolean isStopped = i % 2 == 0;
        Op op = i == 16 ? Op.FLUSH : i % 3 == 0 ? Op.READ : Op.WRITE;
        long length = op == Op.FLUSH ? 0 : i % 4 < 2 ? 24_000 : 3000;
        long offset = (op == Op.READ ? READ_FROM : 0) + (op == Op.FLUSH ? 0 : i * 28_000L);
        Bio[] made = new Bio[1];
        Ask ask = new Ask(rig, i, op, offset, length, isStopped, made);
        CancelFlag flag = isStopped ? stop.child() : new CancelFlag();
        Objects.requireNonNull(made[0]).prepare(op, rig.leaf, offset, length, ask.buffer, 0, flag);
        asks.add(ask);
        rig.stack.loop.enter(ask.bio);
        rig.stack.loop.turn(20_000);
      }
      rig.stack.finishAll();
      long steps = rig.steps.count() - start;
      rig.server.hang(false);
      rig.server.readNothing(false);
      rig.pass(SECOND);
      String when = name + " at step " + atStep;
      for (Ask each : asks) {
        each.check(rig, when, mayLose);
      }
      return steps;
    }
  }

  private static void atEveryStep(String name, boolean mayLose, Event event) {
    long steps = run(Long.MAX_VALUE / 2, event, false, "never");
    assertThat(steps).isGreaterThan(100);
    long stride = Math.max(1, steps / RUNS) | 1;
    for (long step = 1; step <= steps; step += stride) {
      run(step, event, mayLose, name);
    }
  }

  private static void later(NbdRig rig, long delayNanos, Runnable what) {
    rig.stack.loop.timers().newTimer(what).set(rig.clock.nowNanos() + delayNanos);
  }

  @Test
  void aFlagGoesUp() {
    atEveryStep("the flag", false, (rig, flag) -> flag.raise());
  }

  @Test
  void theConnectionsBreak() {
    atEveryStep("a break", true, (rig, flag) -> rig.stack.loop.execute(rig.server::drop));
  }

  @Test
  void theServerIsAwayForAWhileAndTheFlagGoesUp() {
    atEveryStep(
        "an outage and the flag",
        true,
        (rig, flag) ->
            rig.stack.loop.execute(
                () -> {
                  rig.server.deafen();
                  rig.server.drop();
                  later(rig, 100_000_000, flag::raise);
                  later(rig, SECOND, rig.server::start);
                }));
  }

  @Test
  void theServerHangsAndTheFlagGoesUp() {
    atEveryStep(
        "a hang and the flag",
        true,
        (rig, flag) ->
            rig.stack.loop.execute(
                () -> {
                  rig.server.hang(true);
                  later(rig, 100_000_000, flag::raise);
                  later(rig, SECOND, () -> rig.server.hang(false));
                }));
  }

  @Test
  void theServerReceivesNothingAndTheFlagGoesUp() {
    atEveryStep(
        "a blockage and the flag",
        true,
        (rig, flag) ->
            rig.stack.loop.execute(
                () -> {
                  rig.server.readNothing(true);
                  later(rig, 100_000_000, flag::raise);
                  later(rig, SECOND, () -> rig.server.readNothing(false));
                }));
  }

  @Test
  void theServerDiesWithItsCacheAndWhatWasFlushedIsThere() {
    for (long step = 1; step < 400; step += 7) {
      long at = step;
      try (NbdRig rig = new NbdRig(at, o -> o.withConnections(2), s -> s)) {
        rig.steps.plan(
            rig.steps.count() + at,
            () ->
                rig.stack.loop.execute(
                    () -> {
                      rig.server.kill();
                      rig.server.start();
                    }));
        for (int round = 0; round < 6; round++) {
          MemorySegment from = rig.pattern(round + 1, 8192);
          long offset = round * 8192L;
          assertThat(rig.stack.run(rig.leaf, Op.WRITE, offset, from).kind()).isEqualTo(Kind.DONE);
          if (rig.stack.run(rig.leaf, Op.FLUSH, 0, 0).kind() != Kind.DONE) {
            rig.stack.run(rig.leaf, Op.WRITE, offset, from);
            assertThat(rig.stack.run(rig.leaf, Op.FLUSH, 0, 0).kind()).isEqualTo(Kind.DONE);
          }
          assertThat(rig.server.durable[(int) offset])
              .as("round %d, killed at step %d", round, at)
              .isEqualTo(NbdRig.valueAt(round + 1, 0));
        }
      }
    }
  }

  @Test
  void aFlushIsAboutAllConnections() {
    try (NbdRig rig = NbdRig.of(options -> options.withConnections(4))) {
      for (int i = 0; i < 32; i++) {
        rig.write(i * 4096L, rig.pattern(i, 4096), new CancelFlag());
      }
      rig.stack.finishAll();
      assertThat(rig.stack.run(rig.leaf, Op.FLUSH, 0, 0).kind()).isEqualTo(Kind.DONE);
      assertThat(rig.server.durable).isEqualTo(rig.server.cache);
      assertThat(rig.server.received.stream().filter(r -> r.type() == Nbd.CMD_FLUSH)).hasSize(1);
    }
  }
}
