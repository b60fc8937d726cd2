// SPDX-License-Identifier: Apache-2.0
package dev.belay.leaf;

import dev.belay.Errno;
import dev.belay.Limits;
import dev.belay.Loop;
import dev.belay.uring.RingSetupException;
import dev.belay.uring.SimDevice;
import dev.belay.uring.SimKernel;
import java.lang.foreign.MemorySegment;

/** A file of a {@link SimKernel}, for a {@link UringFile}; the calls of threads are none of it. */
public final class SimFile implements FileCalls {
  private final SimKernel kernel;
  private final int fd;
  private final Limits limits;
  private final boolean isDirect;
  private final boolean isBlockDevice;
  private boolean isClosed;

  private SimFile(
      SimKernel kernel, int fd, Limits limits, boolean isDirect, boolean isBlockDevice) {
    this.kernel = kernel;
    this.fd = fd;
    this.limits = limits;
    this.isDirect = isDirect;
    this.isBlockDevice = isBlockDevice;
  }

  /** The loop's ring over the kernel, which is made if there is none yet. */
  public static UringPoller poller(Loop loop, SimKernel kernel) {
    try {
      return UringPoller.of(loop, kernel);
    } catch (RingSetupException e) {
      throw new IllegalStateException(e);
    }
  }

  /** A file by the ring. */
  public static UringFile open(
      Loop loop,
      SimKernel kernel,
      SimDevice device,
      Limits limits,
      boolean isDirect,
      boolean isBlockDevice,
      boolean mayHang,
      UringTuning tuning) {
    int fd = kernel.open(device);
    return new UringFile(
        loop,
        new SimFile(kernel, fd, limits, isDirect, isBlockDevice),
        fd,
        mayHang,
        poller(loop, kernel),
        FileOptions.of("sim"),
        tuning);
  }

  @Override
  public Limits limits() {
    return limits;
  }

  @Override
  public boolean isBlockDevice() {
    return isBlockDevice;
  }

  @Override
  public boolean isDirect() {
    return isDirect;
  }

  @Override
  public long read(
      MemorySegment buffer, long bufferOffsetBytes, long lengthBytes, long offsetBytes) {
    return -Errno.EOPNOTSUPP;
  }

  @Override
  public long write(
      MemorySegment buffer,
      long bufferOffsetBytes,
      long lengthBytes,
      long offsetBytes,
      boolean durable) {
    return -Errno.EOPNOTSUPP;
  }

  @Override
  public int sync() {
    return -Errno.EOPNOTSUPP;
  }

  @Override
  public int discard(long offsetBytes, long lengthBytes) {
    return -Errno.EOPNOTSUPP;
  }

  @Override
  public int zero(long offsetBytes, long lengthBytes) {
    return -Errno.EOPNOTSUPP;
  }

  @Override
  public boolean zeroesFast() {
    return true;
  }

  @Override
  public long nextStored(long offsetBytes) {
    return -Errno.EOPNOTSUPP;
  }

  @Override
  public long nextHole(long offsetBytes) {
    return -Errno.EOPNOTSUPP;
  }

  @Override
  public long currentSizeBytes() {
    return limits.sizeBytes();
  }

  @Override
  public void close() {
    if (!isClosed) {
      isClosed = true;
      kernel.close(fd);
    }
  }
}
