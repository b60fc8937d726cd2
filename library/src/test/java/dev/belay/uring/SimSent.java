// SPDX-License-Identifier: Apache-2.0
package dev.belay.uring;

/** What a {@link SimKernel} saw of one request, of which it may have had several entries. */
public final class SimSent {
  /** How many entries the kernel took. */
  public int taken;

  /** How many it answered with an error of the device. */
  public int failed;

  /** How many it answered otherwise than by doing all of it. */
  public int inexact;

  /** How many answers were lost. */
  public int lost;

  /** How often the kernel was asked to stop one of them. */
  public int aborts;

  /** How many entries the kernel has not answered, or keeps the answer back of. */
  public int pending;

  /** How often it is still to be told to try again. */
  int repeats = -1;

  public void clear() {
    taken = 0;
    failed = 0;
    inexact = 0;
    lost = 0;
    aborts = 0;
    pending = 0;
    repeats = -1;
  }
}
