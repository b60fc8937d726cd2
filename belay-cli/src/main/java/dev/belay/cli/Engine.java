// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

/**
 * A way to do a workload. It is started and stopped by one thread; what it does in between it does
 * on threads of its own.
 */
interface Engine extends AutoCloseable {
  /** Begins to submit, and returns. */
  void start();

  /** How many requests have ended in this phase, about. */
  long ended();

  /** Waits until nobody submits any more, which the phase has to say before, and adds it all up. */
  Tally stop();

  /** Asks what is still under way to stop, waits for it, and gives everything back. */
  @Override
  void close();
}
