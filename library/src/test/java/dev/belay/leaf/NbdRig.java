// SPDX-License-Identifier: Apache-2.0
package dev.belay.leaf;

import static org.assertj.core.api.Assertions.assertThat;

import dev.belay.CancelFlag;
import dev.belay.Op;
import dev.belay.nbd.NbdUri;
import dev.belay.net.Address;
import dev.belay.testing.DrivenStack;
import dev.belay.testing.DrivenStack.Request;
import dev.belay.testing.Pipes;
import dev.belay.testing.SimClock;
import dev.belay.testing.SimNbd;
import dev.belay.testing.SimPoller;
import dev.belay.testing.Steps;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.function.UnaryOperator;
import java.util.logging.Level;
import java.util.logging.Logger;

/** A leaf and a server on one loop, on virtual time, with a network in memory between them. */
final class NbdRig implements AutoCloseable {
  static final int SIZE_BYTES = 1 << 20;
  static final NbdUri URI = NbdUri.parse("nbd+unix:///disk?socket=/sim");

  /** Lost connections are what many of these tests are about, and each is worth a line. */
  private static final Logger QUIET = Logger.getLogger("dev.belay");

  static {
    QUIET.setLevel(Level.SEVERE);
  }

  final Steps steps = new Steps();
  final SimClock clock = new SimClock(steps);
  final DrivenStack stack = new DrivenStack(clock);
  final Pipes pipes;
  final SimNbd server;
  final Nbd leaf;

  NbdRig(long seed, UnaryOperator<NbdOptions> options, UnaryOperator<SimNbd> kind) {
    stack.loop.setPoller(new SimPoller(clock, steps));
    pipes = new Pipes(seed);
    server =
        kind.apply(new SimNbd(pipes.of(stack.loop), new Address.Unix("/sim"), SIZE_BYTES, seed));
    leaf =
        new Nbd(
            stack.loop, pipes.of(stack.loop), options.apply(NbdOptions.of(URI)), server.session());
  }

  static NbdRig of(UnaryOperator<NbdOptions> options) {
    return new NbdRig(1, options, server -> server);
  }

  static NbdRig usual() {
    return of(options -> options);
  }

  MemorySegment pattern(int seed, long bytes) {
    MemorySegment memory = stack.memory(bytes);
    for (long i = 0; i < bytes; i++) {
      memory.set(ValueLayout.JAVA_BYTE, i, valueAt(seed, i));
    }
    return memory;
  }

  static byte valueAt(int seed, long at) {
    return (byte) (at * 31 + at / 512 * 7 + seed * 13L + 1);
  }

  Request write(long offset, MemorySegment from, CancelFlag flag) {
    return stack.submit(leaf, Op.WRITE, offset, from, flag);
  }

  Request read(long offset, MemorySegment into, CancelFlag flag) {
    return stack.submit(leaf, Op.READ, offset, into, flag);
  }

  Request flush() {
    return stack.submit(leaf, Op.FLUSH, 0, 0, MemorySegment.NULL, new CancelFlag(), false);
  }

  /** Lets so much time pass. */
  void pass(long nanos) {
    long until = clock.nowNanos() + nanos;
    while (clock.nowNanos() < until) {
      stack.loop.turn(Math.min(1_000_000, until - clock.nowNanos()));
    }
  }

  void assertHolds(MemorySegment expected, long offset) {
    for (long i = 0; i < expected.byteSize(); i++) {
      assertThat(server.cache[(int) (offset + i)])
          .as("byte " + i)
          .isEqualTo(expected.get(ValueLayout.JAVA_BYTE, i));
    }
  }

  @Override
  public void close() {
    server.hang(false);
    stack.close();
    assertThat(pipes.openWires()).as("wires left open").isZero();
  }
}
