// SPDX-License-Identifier: Apache-2.0
package dev.belay.uring;

import java.lang.foreign.MemorySegment;

/**
 * The system calls that stand below a ring: Linux's, or those of a simulated kernel, so that all
 * that is above them can be proved against failures that Linux shows once in a year.
 *
 * <p>They answer as {@link Kernel} does: a count or a descriptor from 0 up, or a negated error
 * number ({@link Errno}). A program has one class of them, so that a call costs what it cost
 * without the seam; the queues themselves are memory, and are not behind it.
 */
public abstract class RingCalls {
  /** The kernel's own. */
  public static final RingCalls LINUX = new Linux();

  /** Makes a ring with what struct io_uring_params at that address asks for: its descriptor. */
  protected abstract int setUp(int sqEntries, long paramsAddress);

  /**
   * io_uring_enter(2).
   *
   * @param errno where the call may leave errno; the caller's alone
   * @param argument for IORING_ENTER_EXT_ARG, the address of a struct io_uring_getevents_arg
   */
  protected abstract int enter(
      MemorySegment errno,
      int fd,
      int count,
      int minComplete,
      int flags,
      long argument,
      int argumentBytes);

  /** io_uring_register(2). */
  protected abstract int register(int fd, int operation, long argument, int count);

  /** Maps a part of a ring: its address. */
  protected abstract long map(int fd, long lengthBytes, long offsetBytes);

  protected abstract int unmap(long address, long lengthBytes);

  /** Closes any descriptor that these calls, or entries of a ring, have made. */
  public abstract int close(int fd);

  /** A new eventfd with count 0, non-blocking. */
  public abstract int eventfd();

  /** Adds 1 to an eventfd, which wakes whoever waits for it. Any thread; does not block. */
  public abstract int signal(int eventfd);

  /**
   * Sleeps until an eventfd has a count, which it takes, or the time is over: for when a ring
   * cannot be slept on.
   *
   * @return 1 if it had one, 0 if the time was over, or a negated error number
   */
  public abstract int await(int eventfd, long atMostNanos);

  private static final class Linux extends RingCalls {
    @Override
    protected int setUp(int sqEntries, long paramsAddress) {
      return (int) Kernel.call(Kernel.IO_URING_SETUP, sqEntries, paramsAddress, 0, 0, 0, 0);
    }

    /** Linked as an ordinary call, never a critical one: it may sleep, and a submit takes 20 us. */
    @Override
    protected int enter(
        MemorySegment errno,
        int fd,
        int count,
        int minComplete,
        int flags,
        long argument,
        int argumentBytes) {
      return (int)
          Kernel.call(
              errno, Kernel.IO_URING_ENTER, fd, count, minComplete, flags, argument, argumentBytes);
    }

    @Override
    protected int register(int fd, int operation, long argument, int count) {
      return (int) Kernel.call(Kernel.IO_URING_REGISTER, fd, operation, argument, count, 0, 0);
    }

    @Override
    protected long map(int fd, long lengthBytes, long offsetBytes) {
      return Kernel.mmapShared(fd, lengthBytes, offsetBytes);
    }

    @Override
    protected int unmap(long address, long lengthBytes) {
      return Kernel.munmap(address, lengthBytes);
    }

    @Override
    public int close(int fd) {
      return Kernel.close(fd);
    }

    @Override
    public int eventfd() {
      return Kernel.eventfd();
    }

    @Override
    public int signal(int eventfd) {
      return Kernel.eventfdSignal(eventfd);
    }

    @Override
    public int await(int eventfd, long atMostNanos) {
      int result = Kernel.pollIn(eventfd, atMostNanos);
      if (result > 0) {
        Kernel.eventfdDrain(eventfd);
      }
      return result;
    }
  }
}
