// SPDX-License-Identifier: Apache-2.0
package dev.belay.sim;

import dev.belay.Device;
import dev.belay.Loop;
import java.util.List;
import java.util.SplittableRandom;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * A kind of device that a simulated stack can be built of.
 *
 * @param lowersAtLeast how many devices it stands on, at least
 * @param lowersAtMost how many, at most
 * @param mayShield whether it has a commit point, after which it takes the flag away
 * @param mayFail whether it fails requests of its own accord
 */
record Layer(
    String name,
    int lowersAtLeast,
    int lowersAtMost,
    boolean mayShield,
    boolean mayFail,
    Maker maker) {

  /** Makes the device, with options by chance. */
  @FunctionalInterface
  interface Maker {
    /** The device; null if nothing of this kind stands on those. */
    @Nullable Made make(Loop loop, List<Device> lowers, SplittableRandom random);
  }

  /**
   * A device, as it was made.
   *
   * @param calm switches its own faults off, or on again
   * @param release lets go what it would hold for ever
   */
  record Made(Device device, String options, Consumer<Boolean> calm, Runnable release) {
    Made(Device device, String options) {
      this(device, options, isCalm -> {}, () -> {});
    }
  }

  @Override
  public String toString() {
    return name;
  }
}
