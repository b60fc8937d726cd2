// SPDX-License-Identifier: Apache-2.0
package dev.belay;

import java.lang.foreign.MemorySegment;

/**
 * What a loop turns on: where it sends prepared work, finds finished work, and sleeps. A loop has
 * one; leaves that share a kernel facility (a ring) share its poller.
 */
public interface Poller extends AutoCloseable {
  /**
   * Completes the bios that the device has finished, without a system call where it can. On the
   * loop's thread.
   *
   * @return how many it found
   */
  int reap();

  /**
   * The loop is about to sleep: whoever wants to be asked at the last moment is asked now, and may
   * submit, complete and set timers. On the loop's thread.
   */
  default void gather() {}

  /**
   * Sends what the leaves have prepared and, if {@code waitNanos} is above zero, sleeps until a
   * device finishes something, {@link #wake} is called, or the time is over. On the loop's thread.
   */
  void enter(long waitNanos);

  /** Ends the sleep of {@link #enter}, the running one or else the next one. Any thread. */
  void wake();

  /**
   * Says that requests will often use this memory; a poller may register it with the kernel, which
   * makes each transfer cheaper. A hint: where it cannot be done, nothing changes. The memory must
   * be native, and is unpinned before it is freed. On the loop's thread, or before it starts.
   */
  default void pin(MemorySegment memory) {}

  /** Takes a {@link #pin} of the same memory back. On the loop's thread, with nothing using it. */
  default void unpin(MemorySegment memory) {}

  /** Gives back what it holds; nothing is in flight any more. On the loop's thread. */
  @Override
  void close();
}
