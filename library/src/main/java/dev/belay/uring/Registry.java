// SPDX-License-Identifier: Apache-2.0
package dev.belay.uring;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.BitSet;

/**
 * What a ring has registered with the kernel: files and buffers, so that an entry need not look a
 * descriptor up nor pin pages; and the ring's own settings.
 *
 * <p>The rules of {@link Ring} hold: its owner calls, or anyone before it has one. Every method
 * answers 0 or more, or a negated error number ({@link Errno}), and throws IllegalStateException on
 * a closed ring or a foreign thread. Nothing here is meant for the hot path.
 */
public final class Registry {
  private static final int PROBED_OPS = 256;
  private static final int VECTOR_BYTES = 16;

  private final Ring ring;
  private final RingCalls calls;
  private final int ringFd;

  Registry(Ring ring, RingCalls calls, int ringFd) {
    this.ring = ring;
    this.calls = calls;
    this.ringFd = ringFd;
  }

  /** The numbers of the operations (Abi.OP_) that the kernel supports; asked anew each time. */
  public BitSet supportedOps() {
    try (Arena arena = Arena.ofConfined()) {
      BitSet ops = new BitSet();
      MemorySegment probe = arena.allocate(16 + PROBED_OPS * 8L, 8);
      if (register(Abi.REGISTER_PROBE, probe.address(), PROBED_OPS) >= 0) {
        int listed = probe.get(ValueLayout.JAVA_BYTE, 1) & 0xff;
        for (int i = 0; i < listed; i++) {
          int op = probe.get(ValueLayout.JAVA_BYTE, 16 + 8L * i) & 0xff;
          ops.set(op, (probe.get(ValueLayout.JAVA_SHORT, 16 + 8L * i + 2) & 1) != 0);
        }
      }
      return ops;
    }
  }

  /**
   * Makes a table of empty file slots, once a ring.
   *
   * @param slots 1..32768; bounded by the limit on open files (ulimit -n) too
   */
  public int registerFiles(int slots) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment fds = arena.allocate(ValueLayout.JAVA_INT, slots);
      fds.fill((byte) -1);
      return register(Abi.REGISTER_FILES, fds.address(), slots);
    }
  }

  /**
   * Puts a descriptor into a slot. The table keeps the file open: the descriptor may be closed.
   *
   * @param fd the descriptor; -1 empties the slot
   */
  public int setFile(int slot, int fd) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment fds = arena.allocateFrom(ValueLayout.JAVA_INT, fd);
      MemorySegment update = arena.allocate(16, 8);
      update.set(ValueLayout.JAVA_INT, 0, slot);
      update.set(ValueLayout.JAVA_LONG, 8, fds.address());
      return Math.min(0, register(Abi.REGISTER_FILES_UPDATE, update.address(), 1));
    }
  }

  /** Drops the table of files. Entries in flight keep theirs until they complete. */
  public int unregisterFiles() {
    return register(Abi.UNREGISTER_FILES, 0, 0);
  }

  /**
   * Makes a table of empty buffer slots, once a ring.
   *
   * @param slots 1..16384
   */
  public int registerBuffers(int slots) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment table = arena.allocate(32, 8);
      table.set(ValueLayout.JAVA_INT, 0, slots);
      table.set(ValueLayout.JAVA_INT, 4, Abi.RSRC_REGISTER_SPARSE);
      int result = register(Abi.REGISTER_BUFFERS2, table.address(), 32);
      if (result == -Errno.EINVAL && slots > 0) {
        // Before Linux 5.19 there is no flag for it, but empty vectors mean the same.
        table.set(ValueLayout.JAVA_INT, 4, 0);
        table.set(
            ValueLayout.JAVA_LONG, 16, arena.allocate((long) slots * VECTOR_BYTES, 8).address());
        result = register(Abi.REGISTER_BUFFERS2, table.address(), 32);
      }
      return result;
    }
  }

  /**
   * Pins a buffer and puts it into a slot. It must stay mapped until the slot is emptied or the
   * ring is closed; its bytes count against the limit on locked memory.
   *
   * @param lengthBytes up to 1 GiB; 0 with address 0 empties the slot
   * @return 0; -ENOMEM above the limit on locked memory; -EFAULT if it is not mapped
   */
  public int setBuffer(int slot, long address, long lengthBytes) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment vector = arena.allocate(VECTOR_BYTES, 8);
      vector.set(ValueLayout.JAVA_LONG, 0, address);
      vector.set(ValueLayout.JAVA_LONG, 8, lengthBytes);
      MemorySegment update = arena.allocate(32, 8);
      update.set(ValueLayout.JAVA_INT, 0, slot);
      update.set(ValueLayout.JAVA_LONG, 8, vector.address());
      update.set(ValueLayout.JAVA_INT, 24, 1);
      return Math.min(0, register(Abi.REGISTER_BUFFERS_UPDATE, update.address(), 32));
    }
  }

  /** Drops the table of buffers. */
  public int unregisterBuffers() {
    return register(Abi.UNREGISTER_BUFFERS, 0, 0);
  }

  /** Lets the kernel signal an eventfd whenever it posts a completion. */
  public int registerEventfd(int eventfd) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment fds = arena.allocateFrom(ValueLayout.JAVA_INT, eventfd);
      return register(Abi.REGISTER_EVENTFD, fds.address(), 1);
    }
  }

  public int unregisterEventfd() {
    return register(Abi.UNREGISTER_EVENTFD, 0, 0);
  }

  /**
   * Bounds how many threads the kernel keeps for entries that it cannot run inline.
   *
   * @param bounded for regular files and block devices; 0 leaves it as it is
   * @param unbounded for pipes, sockets and the like; 0 leaves it as it is
   */
  public int limitWorkers(int bounded, int unbounded) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment counts = arena.allocateFrom(ValueLayout.JAVA_INT, bounded, unbounded);
      return register(Abi.REGISTER_IOWQ_MAX_WORKERS, counts.address(), 2);
    }
  }

  int enableRing() {
    return register(Abi.REGISTER_ENABLE_RINGS, 0, 0);
  }

  /** The slot that stands for the ring's descriptor on this thread, or a negated error number. */
  int registerRingFd() {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment update = arena.allocate(16, 8);
      update.set(ValueLayout.JAVA_INT, 0, -1);
      update.set(ValueLayout.JAVA_LONG, 8, ringFd);
      int result = register(Abi.REGISTER_RING_FDS, update.address(), 1);
      return result == 1 ? update.get(ValueLayout.JAVA_INT, 0) : -Errno.EINVAL;
    }
  }

  void unregisterRingFd(int slot) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment update = arena.allocate(16, 8);
      update.set(ValueLayout.JAVA_INT, 0, slot);
      register(Abi.UNREGISTER_RING_FDS, update.address(), 1);
    }
  }

  private int register(int operation, long argument, int count) {
    ring.checkMayRegister();
    return calls.register(ringFd, operation, argument, count);
  }
}
