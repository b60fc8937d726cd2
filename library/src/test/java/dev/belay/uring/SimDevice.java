// SPDX-License-Identifier: Apache-2.0
package dev.belay.uring;

/** What is behind a descriptor of a {@link SimKernel}. */
public interface SimDevice {
  /** An entry was taken: says when it is due, and whether it hangs. */
  void begin(SimKernel kernel, SimEntry entry);

  /**
   * It is due: takes effect, and has its result.
   *
   * @return false if it has to wait for something after all, and is not due any more
   */
  boolean end(SimKernel kernel, SimEntry entry);

  /**
   * It is to be stopped, and is not due yet.
   *
   * @return what the kernel says to whoever asked: 0, -EALREADY or -ENOENT
   */
  int abort(SimKernel kernel, SimEntry entry);

  /** Its descriptor was closed. */
  default void closed(SimKernel kernel) {}
}
