// SPDX-License-Identifier: Apache-2.0
package dev.belay.testing;

import static org.assertj.core.api.Assertions.assertThat;

import dev.belay.Loop;
import dev.belay.net.Gather;
import dev.belay.net.Sender;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** The network in memory replays from its seed. */
final class PipesTest {
  private static final int BYTES = 100_000;

  @Test
  void oneSeedGivesTheSamePiecesAtTheSameTimes() {
    assertThat(pieces(7)).isEqualTo(pieces(7)).isNotEqualTo(pieces(8)).hasSizeGreaterThan(10);
  }

  /** Sends BYTES through a pair, and says when which piece arrived. */
  private static List<String> pieces(long seed) {
    Steps steps = new Steps();
    SimClock clock = new SimClock(steps);
    Loop loop = Loop.driven(clock);
    loop.setPoller(new SimPoller(clock, steps));
    List<String> pieces = new ArrayList<>();
    try (Arena arena = Arena.ofShared()) {
      MemorySegment from = arena.allocate(BYTES);
      MemorySegment to = arena.allocate(BYTES);
      for (int i = 0; i < BYTES; i++) {
        from.set(ValueLayout.JAVA_BYTE, i, (byte) (i * 31 + (i >> 8)));
      }
      PipeWire[] both = new Pipes(seed).withPieces(4096).withBuffer(10_000).pair(loop);
      both[0].wantSend(
          new Sender() {
            @Override
            public void gather(Gather into) {
              into.add(from.address(), 28);
              into.add(from.address() + 28, BYTES - 28);
            }

            @Override
            public void sent(int result) {
              pieces.add("sent " + result);
            }
          });
      long got = receive(loop, both[1], to, pieces);
      assertThat(got).isEqualTo(BYTES);
      assertThat(from.mismatch(to)).isEqualTo(-1);
      assertThat(loop.close(0)).isZero();
    }
    return pieces;
  }

  private static long receive(Loop loop, PipeWire wire, MemorySegment to, List<String> pieces) {
    long[] got = {0};
    boolean[] isUnderWay = {false};
    while (got[0] < BYTES || pieces.stream().noneMatch(piece -> piece.startsWith("sent"))) {
      if (!isUnderWay[0] && got[0] < BYTES) {
        isUnderWay[0] = true;
        wire.receive(
            to.address() + got[0],
            (int) (BYTES - got[0]),
            result -> {
              isUnderWay[0] = false;
              got[0] += result;
              pieces.add(result + " at " + loop.clock().nanos());
            });
      }
      loop.turn(1_000_000_000L);
    }
    return got[0];
  }
}
