// SPDX-License-Identifier: Apache-2.0
package dev.belay.md;

import dev.belay.Bio;
import dev.belay.CancelFlag;
import dev.belay.Device;
import dev.belay.IoError;
import dev.belay.Loop;
import dev.belay.Op;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Reads and writes a device and waits for it, on a driven loop that nobody else turns meanwhile:
 * for looking at members before there is an array. Ranges need not be whole blocks.
 */
public final class DirectIo {
  private static final long PATIENCE_NANOS = 30_000_000_000L;

  private final Loop loop;
  private final Device device;
  private boolean hasEnded;

  /** On the thread that drives {@code loop}, the device's own. */
  public DirectIo(Loop loop, Device device) {
    this.loop = loop;
    this.device = device;
  }

  public long sizeBytes() {
    return device.limits().sizeBytes();
  }

  /**
   * Reads a range.
   *
   * @throws IOException if it is not in the device, or the device fails; with a sentence
   */
  public byte[] read(long offsetBytes, int lengthBytes) throws IOException {
    MemorySegment blocks = readBlocks(offsetBytes, lengthBytes);
    byte[] bytes = new byte[lengthBytes];
    long skip = offsetBytes % block();
    MemorySegment.copy(blocks, skip, MemorySegment.ofArray(bytes), 0, lengthBytes);
    return bytes;
  }

  /**
   * Writes a range, durably; what it covers of a block in part is read first.
   *
   * @throws IOException if it is not in the device, or the device fails; with a sentence
   */
  public void write(long offsetBytes, byte[] bytes) throws IOException {
    MemorySegment blocks = readBlocks(offsetBytes, bytes.length);
    long skip = offsetBytes % block();
    MemorySegment.copy(MemorySegment.ofArray(bytes), 0, blocks, skip, bytes.length);
    run(Op.WRITE, offsetBytes - skip, blocks);
  }

  /** Makes durable what was written. */
  public void flush() throws IOException {
    run(Op.FLUSH, 0, MemorySegment.NULL);
  }

  private long block() {
    return device.limits().logicalBlockBytes();
  }

  private MemorySegment readBlocks(long offsetBytes, int lengthBytes) throws IOException {
    if (offsetBytes < 0 || offsetBytes > sizeBytes() - lengthBytes) {
      throw new IOException(
          "bytes %d to %d are not in a device of %d bytes"
              .formatted(offsetBytes, offsetBytes + lengthBytes, sizeBytes()));
    }
    long start = offsetBytes - offsetBytes % block();
    long length = Math.ceilDiv(offsetBytes + lengthBytes - start, block()) * block();
    long alignment = Math.max(64, device.limits().memoryAlignmentBytes());
    MemorySegment blocks = Arena.ofAuto().allocate(length, alignment);
    run(Op.READ, start, blocks);
    return blocks;
  }

  private void run(Op op, long offsetBytes, MemorySegment blocks) throws IOException {
    Bio bio = new Bio(loop, done -> hasEnded = true);
    hasEnded = false;
    CancelFlag flag = new CancelFlag();
    bio.prepare(op, device, offsetBytes, blocks.byteSize(), blocks, 0, flag);
    bio.setFua(op == Op.WRITE);
    loop.enter(bio);
    long start = loop.clock().nanos();
    while (!hasEnded) {
      long left = PATIENCE_NANOS - (loop.clock().nanos() - start);
      if (left <= 0) {
        flag.raise();
        throw new IOException(
            "%s of %d bytes at %d was not answered within %d s"
                .formatted(op, blocks.byteSize(), offsetBytes, PATIENCE_NANOS / 1_000_000_000));
      }
      loop.turn(left);
    }
    if (!bio.isDone()) {
      IoError error = bio.error();
      throw new IOException(error == null ? op + " was stopped" : error.toString());
    }
  }
}
