// SPDX-License-Identifier: Apache-2.0
package dev.belay.md;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

final class RangeLocksTest {
  private final RangeLocks locks = new RangeLocks();
  private final List<String> granted = new ArrayList<>();

  private RangeLocks.Lock lock(String name) {
    return new RangeLocks.Lock(() -> granted.add(name));
  }

  @Test
  void aHolderThatThrowsKeepsNobodyFromTheRange() {
    RangeLocks.Lock first = lock("first");
    RangeLocks.Lock throwing =
        new RangeLocks.Lock(
            () -> {
              throw new IllegalStateException("a holder threw");
            });
    RangeLocks.Lock beside = lock("beside");
    RangeLocks.Lock behind = lock("behind");
    assertThat(locks.take(first, 0, 8192)).isTrue();
    assertThat(locks.take(throwing, 0, 4096)).isFalse();
    assertThat(locks.take(beside, 4096, 4096)).isFalse();
    assertThat(locks.take(behind, 0, 4096)).isFalse();
    assertThatThrownBy(() -> locks.release(first)).hasMessage("a holder threw");
    assertThat(granted).containsExactly("beside");
    locks.release(throwing);
    assertThat(granted).containsExactly("beside", "behind");
    locks.release(beside);
    locks.release(behind);
    assertThat(locks.size()).isZero();
  }

  @Test
  void locksAreGrantedInTheirOrder() {
    RangeLocks.Lock first = lock("first");
    RangeLocks.Lock second = lock("second");
    RangeLocks.Lock third = lock("third");
    locks.take(first, 0, 4096);
    assertThat(locks.take(second, 0, 8192)).isFalse();
    assertThat(locks.take(third, 4096, 4096)).as("it overlaps the second").isFalse();
    locks.release(first);
    assertThat(granted).containsExactly("second");
    locks.release(second);
    assertThat(granted).containsExactly("second", "third");
    locks.release(third);
  }
}
