// SPDX-License-Identifier: Apache-2.0
package dev.belay;

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
   * Sends what the leaves have prepared and, if {@code waitNanos} is above zero, sleeps until a
   * device finishes something, {@link #wake} is called, or the time is over. On the loop's thread.
   */
  void enter(long waitNanos);

  /** Ends the sleep of {@link #enter}, the running one or else the next one. Any thread. */
  void wake();

  /** Gives back what it holds; nothing is in flight any more. On the loop's thread. */
  @Override
  void close();
}
