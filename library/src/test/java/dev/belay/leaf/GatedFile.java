// SPDX-License-Identifier: Apache-2.0
package dev.belay.leaf;

import dev.belay.Errno;
import dev.belay.Limits;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.LongUnaryOperator;

/**
 * A file whose transfers are short, are counted, can be held in the call as by a disk that hangs,
 * and can be given another answer.
 */
final class GatedFile implements FileCalls {
  private final FileCalls file;
  private final Limits limits;

  final AtomicInteger transfers = new AtomicInteger();
  final AtomicInteger syncs = new AtomicInteger();
  private final Semaphore mayPass = new Semaphore(0);
  private volatile boolean isOpen = true;
  boolean isClosed;

  /** What becomes of the length of a write, before it is done; negative: an error instead. */
  volatile LongUnaryOperator writes = length -> length;

  volatile boolean knowsRanges = true;

  GatedFile(FileCalls file, int largestBytes) {
    this.file = file;
    Limits all = file.limits();
    limits =
        new Limits(
            all.sizeBytes(), all.logicalBlockBytes(), all.memoryAlignmentBytes(), largestBytes);
  }

  /** From now on calls do not come back. */
  void hang() {
    isOpen = false;
  }

  /** Lets everything come back, from now on. */
  void comeBack() {
    isOpen = true;
    mayPass.release(1000);
  }

  private void pass() {
    transfers.incrementAndGet();
    if (!isOpen) {
      mayPass.acquireUninterruptibly();
    }
  }

  @Override
  public Limits limits() {
    return limits;
  }

  @Override
  public boolean isBlockDevice() {
    return file.isBlockDevice();
  }

  @Override
  public boolean isDirect() {
    return file.isDirect();
  }

  @Override
  public long read(
      MemorySegment buffer, long bufferOffsetBytes, long lengthBytes, long offsetBytes) {
    pass();
    return file.read(buffer, bufferOffsetBytes, lengthBytes, offsetBytes);
  }

  @Override
  public long write(
      MemorySegment buffer,
      long bufferOffsetBytes,
      long lengthBytes,
      long offsetBytes,
      boolean durable) {
    pass();
    long length = writes.applyAsLong(lengthBytes);
    return length <= 0
        ? length
        : file.write(buffer, bufferOffsetBytes, length, offsetBytes, durable);
  }

  @Override
  public int sync() {
    syncs.incrementAndGet();
    return file.sync();
  }

  @Override
  public int discard(long offsetBytes, long lengthBytes) {
    return knowsRanges ? file.discard(offsetBytes, lengthBytes) : -Errno.EOPNOTSUPP;
  }

  @Override
  public int zero(long offsetBytes, long lengthBytes) {
    return knowsRanges ? file.zero(offsetBytes, lengthBytes) : -Errno.EOPNOTSUPP;
  }

  @Override
  public boolean zeroesFast() {
    return knowsRanges && file.zeroesFast();
  }

  @Override
  public long nextStored(long offsetBytes) {
    pass();
    return file.nextStored(offsetBytes);
  }

  @Override
  public long nextHole(long offsetBytes) {
    pass();
    return file.nextHole(offsetBytes);
  }

  @Override
  public long currentSizeBytes() {
    return file.currentSizeBytes();
  }

  @Override
  public void close() {
    isClosed = true;
    file.close();
  }
}
