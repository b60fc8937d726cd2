// SPDX-License-Identifier: Apache-2.0
package dev.belay.leaf;

import dev.belay.Errno;
import dev.belay.Limits;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.FileChannel;
import java.nio.file.OpenOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.HashSet;
import java.util.Set;

/**
 * A file by Java's own channel: for systems other than Linux, and where native access is denied.
 * Transfers go through the page cache; ranges are not given back, and zeroes are sent.
 */
final class ChannelFile implements FileCalls {
  private static final int BLOCK_BYTES = 512;

  private final FileChannel channel;
  private final Limits limits;

  private ChannelFile(FileChannel channel, Limits limits) {
    this.channel = channel;
    this.limits = limits;
  }

  /**
   * Opens it, and makes it if it is to be made.
   *
   * @param whyNotNative why it is not opened by the kernel's own calls
   * @throws IOException with a sentence that says what is in the way
   */
  static ChannelFile open(FileOptions options, String whyNotNative) throws IOException {
    Path path = FileChecks.checkPath(options);
    if (options.direct() == FileOptions.Direct.ON) {
      throw new IOException(path + " cannot do direct transfers: " + whyNotNative);
    }
    boolean mayMake = options.hasSize() && !options.readOnly();
    Set<OpenOption> how = new HashSet<>();
    how.add(StandardOpenOption.READ);
    if (!options.readOnly()) {
      how.add(StandardOpenOption.WRITE);
    }
    if (mayMake) {
      how.add(StandardOpenOption.CREATE);
    }
    FileChannel channel;
    try {
      channel = FileChannel.open(path, how);
    } catch (IOException e) {
      throw new IOException(path + " cannot be opened: " + e.getMessage(), e);
    }
    try {
      if (mayMake && channel.size() < options.sizeBytes()) {
        channel.write(ByteBuffer.allocate(1), options.sizeBytes() - 1);
      }
      long sizeBytes = FileChecks.checkSize(path, options, channel.size());
      int block = options.hasBlock() ? options.blockBytes() : BLOCK_BYTES;
      FileChecks.checkBlocks(path, sizeBytes, block);
      int largest = Math.max(block, NativeFile.LARGEST_TRANSFER_BYTES);
      return new ChannelFile(channel, new Limits(sizeBytes, block, 1, largest));
    } catch (IOException e) {
      channel.close();
      throw e;
    }
  }

  @Override
  public Limits limits() {
    return limits;
  }

  @Override
  public boolean isBlockDevice() {
    return false;
  }

  @Override
  public boolean isDirect() {
    return false;
  }

  @Override
  public long read(
      MemorySegment buffer, long bufferOffsetBytes, long lengthBytes, long offsetBytes) {
    try {
      ByteBuffer target = buffer.asSlice(bufferOffsetBytes, lengthBytes).asByteBuffer();
      return Math.max(0, channel.read(target, offsetBytes));
    } catch (IOException e) {
      return -errno(e);
    }
  }

  @Override
  public long write(
      MemorySegment buffer,
      long bufferOffsetBytes,
      long lengthBytes,
      long offsetBytes,
      boolean durable) {
    try {
      ByteBuffer source = buffer.asSlice(bufferOffsetBytes, lengthBytes).asByteBuffer();
      long written = channel.write(source, offsetBytes);
      // It was written, even where the channel was closed before it could be made durable.
      return durable && sync() < 0 ? -Errno.EIO : written;
    } catch (IOException e) {
      return -errno(e);
    }
  }

  @Override
  public int sync() {
    try {
      channel.force(false);
      return 0;
    } catch (IOException e) {
      return -errno(e);
    }
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
    return false;
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
    try {
      return channel.size();
    } catch (IOException e) {
      return -errno(e);
    }
  }

  @Override
  public void close() {
    try {
      channel.close();
    } catch (IOException e) {
      System.getLogger("dev.belay").log(System.Logger.Level.WARNING, "closing a file", e);
    }
  }

  /** The number behind the C library's words, which are all that a channel passes on. */
  static int errno(IOException e) {
    // A channel that is closed during a call, by an interrupt, throws a kind of its own.
    if (e.getClass() == ClosedChannelException.class) {
      return Errno.EBADF;
    }
    String words = String.valueOf(e.getMessage());
    if (words.contains("No space left")) {
      return Errno.ENOSPC;
    }
    if (words.contains("quota exceeded")) {
      return Errno.EDQUOT;
    }
    if (words.contains("File too large")) {
      return Errno.EFBIG;
    }
    if (words.contains("Bad address")) {
      return Errno.EFAULT;
    }
    if (words.contains("Read-only file system")) {
      return Errno.EROFS;
    }
    return Errno.EIO;
  }
}
