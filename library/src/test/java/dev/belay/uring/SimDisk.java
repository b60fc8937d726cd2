// SPDX-License-Identifier: Apache-2.0
package dev.belay.uring;

import dev.belay.testing.SimMedium;
import dev.belay.uring.RingWeather.Knob;
import java.util.Arrays;
import java.util.SplittableRandom;

/**
 * A file of a {@link SimKernel}, over a medium that outlives it. A transfer is with the device, or
 * with a worker that waits or has begun, or waits to be tried again; fallocate and fsync are always
 * with a worker. What follows from being stopped is decided by that, as in Linux.
 */
public final class SimDisk implements SimDevice {
  private static final long GARBAGE = 0x6A6A_6A6A_6A6A_6A6AL;
  private static final int PUNCH = Kernel.FALLOC_PUNCH_HOLE | Kernel.FALLOC_KEEP_SIZE;
  private static final int ZERO = Kernel.FALLOC_ZERO_RANGE | Kernel.FALLOC_KEEP_SIZE;

  private final SimMedium medium;
  private final boolean isDirect;
  private final int blockBytes;
  private final long[] block;

  public SimDisk(SimMedium medium, boolean isDirect) {
    this.medium = medium;
    this.isDirect = isDirect;
    blockBytes = medium.blockGranules() * SimMedium.GRANULE_BYTES;
    block = new long[medium.blockGranules()];
  }

  private static boolean isRead(SimEntry entry) {
    return entry.op == Abi.OP_READ || entry.op == Abi.OP_READ_FIXED;
  }

  private static boolean isTransfer(SimEntry entry) {
    return isRead(entry) || entry.op == Abi.OP_WRITE || entry.op == Abi.OP_WRITE_FIXED;
  }

  /** How many bytes it is about: fallocate has its length where a transfer has its address. */
  private static long bytes(SimEntry entry) {
    return switch (entry.op) {
      case Abi.OP_FSYNC -> 0;
      case Abi.OP_FALLOCATE -> entry.address;
      default -> entry.length;
    };
  }

  private int blocks(SimEntry entry) {
    return (int) (bytes(entry) / blockBytes);
  }

  // --- Down ---

  @Override
  public void begin(SimKernel kernel, SimEntry entry) {
    SplittableRandom random = kernel.random();
    entry.dueNanos = kernel.soonNanos();
    entry.writesBefore = medium.writes();
    int refusal = refusal(kernel, entry);
    boolean isByWorker = !isTransfer(entry) || (entry.sqeFlags & Abi.SQE_ASYNC) != 0;
    if (refusal != 0) {
      entry.result = -refusal;
      entry.beginsNanos = isByWorker ? entry.dueNanos : SimEntry.NEVER;
      return;
    }
    entry.isWithDevice = !isByWorker && random.nextInt(3) > 0;
    if (isByWorker || (!entry.isWithDevice && random.nextBoolean())) {
      long now = kernel.clock().nowNanos();
      entry.beginsNanos = now + random.nextLong(entry.dueNanos - now + 1);
    }
    entry.result = isTransfer(entry) ? entry.length : 0;
    if (isToRepeat(kernel, entry)) {
      entry.result = random.nextInt(4) == 0 ? -Errno.EINTR : -Errno.EAGAIN;
      entry.sent.inexact++;
    } else if (kernel.happens(Knob.FAILS)) {
      entry.result = random.nextBoolean() ? -Errno.EIO : -Errno.ENOSPC;
      entry.sent.failed++;
    } else if (isTransfer(entry) && blocks(entry) > 1 && kernel.happens(Knob.SHORTENS)) {
      entry.result = blockBytes * (1 + random.nextInt(blocks(entry) - 1));
      entry.sent.inexact++;
    } else if (kernel.happens(Knob.HANGS)) {
      kernel.hang(entry);
      entry.beginsNanos = isByWorker ? kernel.clock().nowNanos() : entry.beginsNanos;
    }
    if (isTransfer(entry) && entry.result > 0 && random.nextInt(3) == 0) {
      entry.earlyBlocks = random.nextInt(entry.result / blockBytes + 1);
      takeEffect(entry, 0, entry.earlyBlocks, true);
    }
  }

  private static boolean isToRepeat(SimKernel kernel, SimEntry entry) {
    SimSent sent = entry.sent;
    if (sent.repeats < 0) {
      boolean repeats = kernel.happens(Knob.REPEATS);
      sent.repeats = repeats ? 1 + kernel.random().nextInt(kernel.random().nextInt(1, 40)) : 0;
    }
    return sent.repeats > 0 && sent.repeats-- > 0;
  }

  /** What the kernel sees at once that is wrong with an entry; 0 for nothing. */
  private int refusal(SimKernel kernel, SimEntry entry) {
    RingWeather weather = kernel.weather();
    long bytes = bytes(entry);
    long end = (long) medium.granules() * SimMedium.GRANULE_BYTES;
    if (entry.offset < 0 || bytes < 0 || entry.offset + bytes > end) {
      kernel.violate("an entry reaches beyond the end of its file");
      return Errno.EINVAL;
    }
    if (((entry.offset | bytes) & (blockBytes - 1)) != 0) {
      kernel.violate("an entry does not begin and end at blocks, direct: " + isDirect);
      return Errno.EINVAL;
    }
    if (isTransfer(entry)) {
      boolean isFixed = entry.op == Abi.OP_READ_FIXED || entry.op == Abi.OP_WRITE_FIXED;
      if (isFixed && !kernel.isRegistered(entry)) {
        kernel.violate("a transfer names registered memory that it is not in");
        return Errno.EFAULT;
      }
      boolean isDurable = (entry.opFlags & Kernel.RWF_DSYNC) != 0;
      if (isDurable && weather.of(Knob.NO_DSYNC) != 0) {
        entry.sent.inexact++;
        return Errno.EOPNOTSUPP;
      }
    } else if (entry.op == Abi.OP_FALLOCATE) {
      if (entry.length != PUNCH && entry.length != ZERO) {
        kernel.violate("an fallocate of mode " + entry.length + " was sent");
      }
      Knob missing = entry.length == PUNCH ? Knob.NO_PUNCH : Knob.NO_ZERO_RANGE;
      if (weather.of(missing) != 0) {
        entry.sent.inexact++;
        return Errno.EOPNOTSUPP;
      }
    } else if (entry.op != Abi.OP_FSYNC) {
      kernel.violate("an unknown operation on a file: " + entry.op);
      return Errno.EINVAL;
    }
    return 0;
  }

  // --- Up ---

  @Override
  public boolean end(SimKernel kernel, SimEntry entry) {
    if (entry.isStopped) {
      return true;
    }
    int blocks = blocks(entry);
    if (entry.result == -Errno.EIO || entry.result == -Errno.ENOSPC) {
      tear(kernel, entry, blocks);
    } else if (entry.result >= 0) {
      int sure = isTransfer(entry) ? entry.result / blockBytes : blocks;
      takeEffect(entry, entry.earlyBlocks, sure, true);
      if (entry.op == Abi.OP_FSYNC) {
        medium.flush(entry.writesBefore);
      }
    }
    return true;
  }

  @Override
  public int abort(SimKernel kernel, SimEntry entry) {
    SplittableRandom random = kernel.random();
    if (entry.isWithDevice || entry.result < 0 || entry.isStopped) {
      return -Errno.ENOENT;
    }
    if (kernel.clock().nowNanos() < entry.beginsNanos) {
      // It waits for a worker, or to be tried again: it is taken out, and never begins.
      stop(kernel, entry, -Errno.ECANCELED);
      return 0;
    }
    switch (random.nextInt(4)) {
      case 0 -> {} // it does not notice
      case 1 -> {
        tear(kernel, entry, blocks(entry));
        stop(kernel, entry, -Errno.EINTR);
      }
      case 2 -> {
        // A worker looks once more before it begins; a transfer can be stopped on its way, too.
        if (isTransfer(entry)) {
          tear(kernel, entry, blocks(entry));
        }
        stop(kernel, entry, -Errno.ECANCELED);
      }
      default -> entry.dueNanos = kernel.soonNanos();
    }
    return -Errno.EALREADY;
  }

  private static void stop(SimKernel kernel, SimEntry entry, int result) {
    entry.isStopped = true;
    entry.hangs = false;
    entry.result = result;
    entry.sent.inexact++;
    entry.dueNanos =
        kernel.random().nextInt(3) == 0 ? kernel.clock().nowNanos() : kernel.soonNanos();
  }

  /** Some of the blocks take effect, nobody knows which. */
  private void tear(SimKernel kernel, SimEntry entry, int blocks) {
    for (int i = entry.earlyBlocks; i < blocks; i++) {
      if (kernel.random().nextBoolean()) {
        takeEffect(entry, i, i + 1, !isRead(entry) || kernel.random().nextBoolean());
      }
    }
  }

  /** Moves whole blocks between memory and medium. */
  private void takeEffect(SimEntry entry, int fromBlock, int toBlock, boolean isTrue) {
    int first = (int) (entry.offset / blockBytes);
    boolean isDurable = isTransfer(entry) && (entry.opFlags & Kernel.RWF_DSYNC) != 0;
    for (int i = fromBlock; i < toBlock; i++) {
      long address = entry.address + (long) i * blockBytes;
      int granule = (first + i) * block.length;
      if (isRead(entry)) {
        for (int j = 0; j < block.length; j++) {
          RawMemory.putLong(address + 8L * j, isTrue ? medium.at(granule + j) : GARBAGE);
        }
      } else if (isTransfer(entry)) {
        for (int j = 0; j < block.length; j++) {
          block[j] = RawMemory.getLong(address + 8L * j);
        }
        medium.write(first + i, block, 0, isDurable);
      } else {
        Arrays.fill(block, 0);
        medium.write(first + i, block, 0, false);
      }
    }
  }
}
