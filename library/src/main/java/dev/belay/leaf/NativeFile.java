// SPDX-License-Identifier: Apache-2.0
package dev.belay.leaf;

import dev.belay.Errno;
import dev.belay.Limits;
import dev.belay.uring.FileFacts;
import dev.belay.uring.FileSystems;
import dev.belay.uring.Kernel;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * A file or block device by its descriptor and the kernel's own calls. Needs native access; what it
 * opens is used by either engine.
 */
final class NativeFile implements FileCalls {
  static final int LARGEST_TRANSFER_BYTES = 1 << 20;

  private static final int BUFFERED_BLOCK_BYTES = 512;

  /** What every file system that does direct transfers takes, where the kernel does not say. */
  private static final int SAFE_DIRECT_BYTES = 4096;

  private static final int PUNCH = Kernel.FALLOC_PUNCH_HOLE | Kernel.FALLOC_KEEP_SIZE;
  private static final int ZERO = Kernel.FALLOC_ZERO_RANGE | Kernel.FALLOC_KEEP_SIZE;

  private final int fd;
  private boolean isClosed;
  private final boolean isBlockDevice;
  private final boolean isDirect;
  private final Limits limits;
  private final String mayHang;

  /** The file system said that it cannot make a range zeroes but by writing them. */
  private volatile boolean cannotZero;

  private NativeFile(int fd, boolean isBlockDevice, boolean isDirect, Limits limits) {
    this.fd = fd;
    this.isBlockDevice = isBlockDevice;
    this.isDirect = isDirect;
    this.limits = limits;
    mayHang = isBlockDevice ? "" : FileSystems.mayHang(fd);
  }

  /**
   * Opens it, makes it if it is to be made, and finds out how it wants to be used. Any thread.
   *
   * @throws IOException with a sentence that says what is in the way
   */
  static NativeFile open(FileOptions options) throws IOException {
    Path path = FileChecks.checkPath(options);
    int access = options.readOnly() ? Kernel.O_RDONLY : Kernel.O_RDWR;
    boolean mayMake = options.hasSize() && !options.readOnly();
    int fd = Kernel.open(options.path(), access | (mayMake ? Kernel.O_CREAT : 0), 0666);
    if (fd < 0) {
      throw FileChecks.cannotOpen(path, -fd);
    }
    try {
      FileFacts facts = FileFacts.of(fd);
      boolean isBlockDevice = facts.kind() == FileFacts.Kind.BLOCK_DEVICE;
      long actualBytes = facts.sizeBytes();
      if (mayMake && !isBlockDevice && options.sizeBytes() > actualBytes) {
        int result = Kernel.ftruncate(fd, options.sizeBytes());
        if (result < 0) {
          throw new IOException(
              path
                  + " cannot be made "
                  + options.sizeBytes()
                  + " bytes long: "
                  + Errno.describe(-result));
        }
        actualBytes = options.sizeBytes();
      }
      long sizeBytes = FileChecks.checkSize(path, options, actualBytes);
      NativeFile direct = openDirect(path, options, access, facts, sizeBytes);
      if (direct != null) {
        Kernel.close(fd);
        return direct;
      }
      int least = isBlockDevice ? facts.logicalBlockBytes() : 1;
      int usual = Math.max(least, BUFFERED_BLOCK_BYTES);
      int block = options.hasBlock() ? Math.max(least, options.blockBytes()) : usual;
      FileChecks.checkBlocks(path, sizeBytes, block);
      return new NativeFile(fd, isBlockDevice, false, limits(sizeBytes, block, 1));
    } catch (IOException e) {
      Kernel.close(fd);
      throw e;
    }
  }

  /** The file with direct transfers; null if they are not to be or cannot be. */
  private static @Nullable NativeFile openDirect(
      Path path, FileOptions options, int access, FileFacts facts, long sizeBytes)
      throws IOException {
    if (options.direct() == FileOptions.Direct.OFF) {
      return null;
    }
    boolean isBlockDevice = facts.kind() == FileFacts.Kind.BLOCK_DEVICE;
    int least =
        isBlockDevice
            ? facts.logicalBlockBytes()
            : facts.directKnown() ? facts.directOffsetAlignBytes() : SAFE_DIRECT_BYTES;
    int block = options.hasBlock() ? options.blockBytes() : least;
    String obstacle;
    if (least == 0) {
      obstacle = "its file system cannot";
    } else if (block < least) {
      obstacle = "they need blocks of " + least + " bytes or more, and block= is " + block;
    } else if (sizeBytes % block != 0) {
      obstacle = "its " + sizeBytes + " bytes are not a multiple of the block, " + block;
    } else {
      int fd = Kernel.open(options.path(), access | Kernel.O_DIRECT, 0);
      if (fd >= 0) {
        int known = facts.directMemoryAlignBytes();
        int memory = known > 0 ? known : least;
        return new NativeFile(fd, isBlockDevice, true, limits(sizeBytes, block, memory));
      }
      obstacle = "the kernel says " + Errno.describe(-fd);
    }
    if (options.direct() == FileOptions.Direct.ON) {
      throw new IOException(path + " cannot do direct transfers: " + obstacle);
    }
    return null;
  }

  private static Limits limits(long sizeBytes, int blockBytes, int memoryAlignmentBytes) {
    int largest = Math.max(blockBytes, LARGEST_TRANSFER_BYTES);
    return new Limits(sizeBytes, blockBytes, memoryAlignmentBytes, largest);
  }

  /** The descriptor, for an engine of its own; {@link #close} closes it. */
  int fd() {
    return fd;
  }

  @Override
  public boolean isBlockDevice() {
    return isBlockDevice;
  }

  /**
   * Why a call on it may wait for somebody else's program or machine: the name of its file system;
   * empty if it is local. A loop makes no such call itself.
   */
  String mayHang() {
    return mayHang;
  }

  @Override
  public Limits limits() {
    return limits;
  }

  @Override
  public boolean isDirect() {
    return isDirect;
  }

  @Override
  public long read(
      MemorySegment buffer, long bufferOffsetBytes, long lengthBytes, long offsetBytes) {
    return Kernel.pread(fd, buffer, bufferOffsetBytes, lengthBytes, offsetBytes);
  }

  @Override
  public long write(
      MemorySegment buffer,
      long bufferOffsetBytes,
      long lengthBytes,
      long offsetBytes,
      boolean durable) {
    if (durable) {
      long result =
          Kernel.pwrite(fd, buffer, bufferOffsetBytes, lengthBytes, offsetBytes, Kernel.RWF_DSYNC);
      if (result != -Errno.EOPNOTSUPP) {
        return result;
      }
    }
    long result = Kernel.pwrite(fd, buffer, bufferOffsetBytes, lengthBytes, offsetBytes);
    if (!durable) {
      return result;
    }
    int synced = result > 0 ? Kernel.fdatasync(fd) : 0;
    return synced < 0 ? synced : result;
  }

  @Override
  public int sync() {
    return Kernel.fdatasync(fd);
  }

  @Override
  public int discard(long offsetBytes, long lengthBytes) {
    return isBlockDevice
        ? Kernel.blockDiscard(fd, offsetBytes, lengthBytes)
        : Kernel.fallocate(fd, PUNCH, offsetBytes, lengthBytes);
  }

  @Override
  public int zero(long offsetBytes, long lengthBytes) {
    if (isBlockDevice) {
      return Kernel.blockZeroOut(fd, offsetBytes, lengthBytes);
    }
    // A hole reads as zeroes, and takes no room: a copy of a sparse image stays one.
    int result = Kernel.fallocate(fd, PUNCH, offsetBytes, lengthBytes);
    if (result == -Errno.EOPNOTSUPP) {
      result = Kernel.fallocate(fd, ZERO, offsetBytes, lengthBytes);
      cannotZero |= result == -Errno.EOPNOTSUPP;
    }
    return result;
  }

  /** Of a block device nobody knows: the kernel writes the zeroes itself where the disk cannot. */
  @Override
  public boolean zeroesFast() {
    return !isBlockDevice && !cannotZero;
  }

  @Override
  public long nextStored(long offsetBytes) {
    return Kernel.lseek(fd, offsetBytes, Kernel.SEEK_STORED);
  }

  @Override
  public long nextHole(long offsetBytes) {
    return Kernel.lseek(fd, offsetBytes, Kernel.SEEK_HOLE);
  }

  @Override
  public long currentSizeBytes() {
    try {
      return FileFacts.of(fd).sizeBytes();
    } catch (IOException e) {
      return -Errno.EIO;
    }
  }

  @Override
  public void close() {
    // Once: the number may be somebody else's file by now.
    if (!isClosed) {
      isClosed = true;
      Kernel.close(fd);
    }
  }
}
