// SPDX-License-Identifier: Apache-2.0
package dev.belay.uring;

import org.jspecify.annotations.Nullable;

/** An entry that a {@link SimKernel} has taken and not answered for good. */
public final class SimEntry {
  /** Not due: it hangs, or waits for something. */
  static final long NEVER = Long.MAX_VALUE;

  // What it says.
  int op;
  int sqeFlags;
  int fd;
  long offset;
  long address;
  int length;
  int opFlags;
  long token;
  int buffer;
  int priority;

  /** Who does it; null where the kernel does it itself. */
  @Nullable SimDevice device;

  /** What its sender wants to know of it. */
  SimSent sent = new SimSent();

  // What becomes of it.
  long dueNanos;
  int result;
  int flags;

  /** Whether it hangs until it is stopped, or let go. */
  boolean hangs;

  /** From when on a worker has begun with it; NEVER for what no worker does. */
  long beginsNanos = NEVER;

  /** Whether it is with a device, which nobody can take it from. */
  boolean isWithDevice;

  /** Whether it was stopped: then the result says so, and only a part may have taken effect. */
  boolean isStopped;

  /** How many of its first blocks took effect when it was taken. */
  int earlyBlocks;

  long writesBefore;

  /** Where on its file it begins, bytes. */
  public long offsetBytes() {
    return offset;
  }

  /** Of an fallocate its mode, else how many bytes it moves. */
  public int length() {
    return length;
  }

  /** How many bytes it is about. */
  public long lengthBytes() {
    return op == Abi.OP_FALLOCATE ? address : length;
  }

  /** Whether it is an fallocate. */
  public boolean isRange() {
    return op == Abi.OP_FALLOCATE;
  }

  /** It is answered so at that time; for ever never. */
  public void answer(int with, long atNanos) {
    result = with;
    dueNanos = atNanos;
  }
}
