// SPDX-License-Identifier: Apache-2.0
package dev.belay.front;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.belay.CancelFlag;
import dev.belay.Loop;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
final class CancelScopeTest {
  private final Loop loop = Loop.threaded("test");
  private final Gate gate = new Gate(loop, false);

  private static MemorySegment memory(Volume volume) {
    return volume.newBuffers(512, 1).take().segment();
  }

  @Test
  void aScopeEndsWhatItLeftRunningAlsoWhenItThrows() throws Exception {
    try (Volume volume = Volume.start(loop, gate)) {
      MemorySegment buffer = Arena.ofAuto().allocate(512, 512);
      List<IoFuture> left = new ArrayList<>();
      CancelFlag above = new CancelFlag();
      assertThatThrownBy(
              () ->
                  CancelScope.call(
                      above,
                      () -> {
                        CancelScope.call(
                            () -> {
                              left.add(volume.readAsync(0, buffer));
                              assertThat(left.getFirst().flag().isRaised()).isFalse();
                              throw new IOException("the body's own");
                            });
                        return null;
                      }))
          .hasMessage("the body's own");
      assertThat(left.getFirst().flag().reason()).isEqualTo(CancelFlag.Reason.SCOPE);
      assertThat(above.isRaised()).as("the scope around it goes on").isFalse();
      assertThat(CancelScope.current()).isNull();
      gate.open();
    }
  }

  @Test
  void aScopeInsideIsStoppedWithTheOneAround() throws Exception {
    try (Volume volume = Volume.start(loop, gate)) {
      MemorySegment buffer = Arena.ofAuto().allocate(512, 512);
      CancelFlag outer = new CancelFlag();
      CancelFlag own = new CancelFlag();
      IoFuture inside =
          CancelScope.call(
              outer,
              () ->
                  CancelScope.call(
                      () -> {
                        IoFuture read = volume.readAsync(0, buffer);
                        IoFuture elsewhere =
                            volume.readAsync(0, List.of(buffer), IoOptions.NONE.withFlag(own));
                        outer.raise(CancelFlag.Reason.DISCONNECT);
                        assertThat(elsewhere.flag().isRaised())
                            .as("a flag that is given counts instead of the scope's")
                            .isFalse();
                        return read;
                      }));
      assertThat(inside.flag().reason()).isEqualTo(CancelFlag.Reason.DISCONNECT);
      gate.open();
    }
  }

  @Test
  void theEndOfAScopeDoesNotHideWhyItWasStopped() {
    CancelFlag outer = new CancelFlag();
    CancelFlag inner =
        CancelScope.call(
            outer,
            () ->
                CancelScope.call(
                    () -> {
                      outer.raise(CancelFlag.Reason.DISCONNECT);
                      return CancelScope.current();
                    }));
    assertThat(inner.reason()).isEqualTo(CancelFlag.Reason.DISCONNECT);
  }

  /** Pooled buffers, which devices are given as they are, are no way round the scope. */
  @Test
  void aDeadScopeStopsRequestsOnPooledBuffersToo() throws Exception {
    gate.isOpen = true;
    try (Volume volume = Volume.start(loop, gate);
        BufferPool pool = volume.newBuffers(512, 1);
        BufferPool.Buffer buffer = pool.take()) {
      CancelFlag dead = new CancelFlag();
      dead.raise(CancelFlag.Reason.DISCONNECT);
      CancelScope.call(
          dead,
          () -> {
            assertThatThrownBy(() -> volume.read(0, buffer.segment()))
                .isInstanceOf(CancelledException.class)
                .hasMessageContaining("DISCONNECT");
            IoFuture write = volume.writeAsync(0, buffer.segment());
            assertThatThrownBy(() -> write.get(20, TimeUnit.SECONDS))
                .isInstanceOf(CancellationException.class);
            assertThat(write.outcome().cleanBytes()).isEqualTo(512);
            return null;
          });
      assertThat(gate.arrived).as("nothing was sent").isZero();
      volume.read(0, buffer.segment());
      assertThat(gate.arrived).isEqualTo(1);
    }
  }

  @Test
  void optionsComeWithTheCallAndNotWithTheScope() throws Exception {
    gate.isOpen = true;
    try (Volume volume = Volume.start(loop, gate)) {
      CancelFlag dead = new CancelFlag();
      dead.raise();
      MemorySegment buffer = memory(volume);
      CancelScope.call(
          dead,
          () -> {
            IoOptions own = IoOptions.NONE.withFlag(new CancelFlag());
            assertThat(volume.read(0, List.of(buffer), own).doneBytes()).isEqualTo(512);
            return null;
          });
    }
  }
}
