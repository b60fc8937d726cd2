// SPDX-License-Identifier: Apache-2.0
package dev.belay.uring;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * Makes a ring with the kernel: io_uring_setup(2), with less and less asked for while the kernel
 * does not know a flag, and the two mappings. What it found stays here as plain fields; the ring
 * copies what it needs for its hot path.
 *
 * <p>Offsets are those of struct io_uring_params in include/uapi/linux/io_uring.h.
 */
final class RingSetup {
  static final int CQE_BYTES = 16;
  static final int SQE_BYTES = 64;
  private static final int PARAMS_BYTES = 120;
  private static final int SQ_OFFSETS = 40;
  private static final int CQ_OFFSETS = 80;
  private static final long SQES_MAPPING = 0x10000000L;
  private static final int NEEDED_FEATURES =
      Abi.FEAT_SINGLE_MMAP | Abi.FEAT_NODROP | Abi.FEAT_EXT_ARG;

  /** Newest first: what a kernel that answers EINVAL is relieved of, one step after the other. */
  private static final int[] GIVEN_UP_IN_TURN = {
    Abi.SETUP_NO_SQARRAY,
    Abi.SETUP_DEFER_TASKRUN,
    Abi.SETUP_SINGLE_ISSUER,
    Abi.SETUP_COOP_TASKRUN | Abi.SETUP_TASKRUN_FLAG,
    Abi.SETUP_SUBMIT_ALL
  };

  private final RingCalls calls;
  final int fd;
  final int flags;
  final int features;
  final int sqEntries;
  final int cqEntries;
  final long ringsAddress;
  final long ringsBytes;
  final long sqesAddress;
  final long sqesBytes;
  final long sqHead;
  final long sqTail;
  final long sqFlags;
  final long sqDropped;
  final long cqHead;
  final long cqTail;
  final long cqOverflow;
  final long cqes;

  /**
   * @throws RingSetupException with the error number, if there is no ring to be had
   */
  RingSetup(RingCalls calls, int sqEntries, int cqEntries, int wantedFlags)
      throws RingSetupException {
    this.calls = calls;
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment params = arena.allocate(PARAMS_BYTES, 8);
      fd = setUp(calls, params, sqEntries, cqEntries, wantedFlags);
      this.sqEntries = params.get(ValueLayout.JAVA_INT, 0);
      this.cqEntries = params.get(ValueLayout.JAVA_INT, 4);
      flags = params.get(ValueLayout.JAVA_INT, 8);
      features = params.get(ValueLayout.JAVA_INT, 20);
      if ((features & NEEDED_FEATURES) != NEEDED_FEATURES) {
        calls.close(fd);
        throw new RingSetupException(Errno.ENOSYS);
      }
      int array = sqOffset(params, 6);
      ringsBytes =
          Math.max(
              array + (long) this.sqEntries * Integer.BYTES,
              cqOffset(params, 5) + (long) this.cqEntries * CQE_BYTES);
      sqesBytes = (long) this.sqEntries * SQE_BYTES;
      ringsAddress = calls.map(fd, ringsBytes, 0);
      sqesAddress = calls.map(fd, sqesBytes, SQES_MAPPING);
      if (ringsAddress < 0 || sqesAddress < 0) {
        release();
        throw new RingSetupException((int) -(ringsAddress < 0 ? ringsAddress : sqesAddress));
      }
      sqHead = ringsAddress + sqOffset(params, 0);
      sqTail = ringsAddress + sqOffset(params, 1);
      sqFlags = ringsAddress + sqOffset(params, 4);
      sqDropped = ringsAddress + sqOffset(params, 5);
      cqHead = ringsAddress + cqOffset(params, 0);
      cqTail = ringsAddress + cqOffset(params, 1);
      cqOverflow = ringsAddress + cqOffset(params, 4);
      cqes = ringsAddress + cqOffset(params, 5);
      if ((flags & Abi.SETUP_NO_SQARRAY) == 0) {
        for (int i = 0; i < this.sqEntries; i++) {
          RawMemory.putInt(ringsAddress + array + (long) i * Integer.BYTES, i);
        }
      }
    }
  }

  /** Gives the mappings and the descriptor back; the kernel then drops the ring. */
  void release() {
    if (sqesAddress > 0) {
      calls.unmap(sqesAddress, sqesBytes);
    }
    if (ringsAddress > 0) {
      calls.unmap(ringsAddress, ringsBytes);
    }
    calls.close(fd);
  }

  private static int setUp(
      RingCalls calls, MemorySegment params, int sqEntries, int cqEntries, int wantedFlags)
      throws RingSetupException {
    int asked = wantedFlags;
    int given = 0;
    while (true) {
      params.fill((byte) 0);
      params.set(ValueLayout.JAVA_INT, 4, cqEntries);
      params.set(ValueLayout.JAVA_INT, 8, asked);
      int result = calls.setUp(sqEntries, params.address());
      if (result >= 0) {
        return result;
      }
      while (given < GIVEN_UP_IN_TURN.length && (asked & GIVEN_UP_IN_TURN[given]) == 0) {
        given++;
      }
      if (result != -Errno.EINVAL || given == GIVEN_UP_IN_TURN.length) {
        throw new RingSetupException(-result);
      }
      asked &= ~GIVEN_UP_IN_TURN[given];
      if (GIVEN_UP_IN_TURN[given] == Abi.SETUP_DEFER_TASKRUN) {
        asked |= Abi.SETUP_COOP_TASKRUN;
      }
    }
  }

  private static int sqOffset(MemorySegment params, int field) {
    return params.get(ValueLayout.JAVA_INT, SQ_OFFSETS + (long) field * Integer.BYTES);
  }

  private static int cqOffset(MemorySegment params, int field) {
    return params.get(ValueLayout.JAVA_INT, CQ_OFFSETS + (long) field * Integer.BYTES);
  }
}
