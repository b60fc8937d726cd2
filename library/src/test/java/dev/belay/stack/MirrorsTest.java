// SPDX-License-Identifier: Apache-2.0
package dev.belay.stack;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.belay.Device;
import dev.belay.Loop;
import dev.belay.front.Volume;
import org.junit.jupiter.api.Test;

/** Mirrors in expressions. */
final class MirrorsTest {
  private static final String TWO = "memory(size=1M), memory(size=2M)";

  @Test
  void mirrorsAreReadAndWritten() throws Exception {
    for (String text :
        new String[] {
          "raid1(" + TWO + ")",
          "raid1(" + TWO + ", hedge=2ms)",
          "raid1(" + TWO + ", hedge=p99.9)",
          "raid10(" + TWO + ", layout=f2, chunk=4k, hedge=p95)"
        }) {
      try (Volume volume = Volume.open(text)) {
        byte[] wrote = new byte[300 << 10];
        new java.util.Random(1).nextBytes(wrote);
        byte[] read = new byte[wrote.length];
        volume.write(4096, wrote);
        volume.read(4096, read);
        assertThat(read).as(text).isEqualTo(wrote);
        volume.flush();
      }
    }
  }

  @Test
  void sizesAndStatusAreThoseOfTheLevel() {
    Loop loop = Loop.driven();
    Device raid1 = Stack.build(loop, "raid1(" + TWO + ", hedge=p95)");
    Device raid10 = Stack.build(loop, "raid10(" + TWO + ", " + TWO + ")");
    assertThat(raid1.limits().sizeBytes()).isEqualTo(1 << 20);
    assertThat(raid1.status()).isEqualTo("[2/2] [UU], hedges 0 sent, 0 won");
    assertThat(raid10.limits().sizeBytes()).isEqualTo(2 << 20);
    assertThat(loop.close(0)).isZero();
  }

  @Test
  void mistakesSayWhatWouldBeRight() {
    wrong("raid1(" + TWO + ", hedge=soon)", "duration");
    wrong("raid1(" + TWO + ", hedge=p0)", "p1 to p99.999");
    wrong("raid1(" + TWO + ", hedge=0)", "2ms, or a percentile such as p95");
    wrong("raid10(" + TWO + ", layout=x2)", "no layout of raid10");
    wrong("raid10(" + TWO + ", layout=n3)", "at least 3 members");
    wrong("raid10(" + TWO + ", chunk=3k)", "power of two");
  }

  private static void wrong(String text, String part) {
    Loop loop = Loop.driven();
    assertThatThrownBy(() -> Stack.build(loop, text)).hasMessageContaining(part);
    loop.close(0);
  }
}
