// SPDX-License-Identifier: Apache-2.0
package dev.belay.uring;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(60)
final class RingFileTest {
  private static final int BLOCK = 4096;

  @TempDir Path directory;
  private final Arena arena = Arena.ofAuto();
  private Ring ring;
  private int fd;
  private MemorySegment written;
  private MemorySegment read;

  @BeforeEach
  void open() throws Exception {
    ring = Rings.started(16, 32);
    fd = Kernel.open(path(), Kernel.O_RDWR | Kernel.O_CREAT, 0644);
    assertThat(fd).isNotNegative();
    written = arena.allocate(2 * BLOCK, BLOCK);
    read = arena.allocate(2 * BLOCK, BLOCK);
    Rings.fillPattern(written, 7);
  }

  @AfterEach
  void close() {
    if (ring != null) {
      ring.close();
      Kernel.close(fd);
    }
  }

  private String path() {
    return directory.resolve("blocks").toString();
  }

  @Test
  void whatIsWrittenIsRead() {
    ring.write(fd, written.address(), 2 * BLOCK, 512, Kernel.RWF_DSYNC, 0, 1);
    assertThat(Rings.result(ring, 1)).isEqualTo(2 * BLOCK);
    ring.fsync(fd, Abi.FSYNC_DATASYNC, 0, 2);
    assertThat(Rings.result(ring, 2)).isZero();
    ring.read(fd, read.address(), 2 * BLOCK, 512, 0, 0, 3);
    assertThat(Rings.result(ring, 3)).isEqualTo(2 * BLOCK);
    assertThat(read.mismatch(written)).isEqualTo(-1);
  }

  @Test
  void aReadAcrossTheEndIsShort() {
    ring.write(fd, written.address(), 1000, 0, 0, 0, 1);
    assertThat(Rings.result(ring, 1)).isEqualTo(1000);
    ring.read(fd, read.address(), BLOCK, 900, 0, 0, 2);
    assertThat(Rings.result(ring, 2)).isEqualTo(100);
    ring.read(fd, read.address(), BLOCK, 1000, 0, 0, 3);
    assertThat(Rings.result(ring, 3)).isZero();
  }

  @Test
  void vectorsScatterAndGather() {
    MemorySegment vector = arena.allocate(32, 8);
    vector.set(ValueLayout.JAVA_LONG, 0, written.address() + BLOCK);
    vector.set(ValueLayout.JAVA_LONG, 8, 100);
    vector.set(ValueLayout.JAVA_LONG, 16, written.address());
    vector.set(ValueLayout.JAVA_LONG, 24, 50);
    ring.writev(fd, vector.address(), 2, 0, 0, 0, 1);
    assertThat(Rings.result(ring, 1)).isEqualTo(150);
    vector.set(ValueLayout.JAVA_LONG, 0, read.address() + BLOCK);
    vector.set(ValueLayout.JAVA_LONG, 16, read.address());
    ring.readv(fd, vector.address(), 2, 0, 0, 0, 2);
    assertThat(Rings.result(ring, 2)).isEqualTo(150);
    assertThat(read.asSlice(0, 50).mismatch(written.asSlice(0, 50))).isEqualTo(-1);
    assertThat(read.asSlice(BLOCK, 100).mismatch(written.asSlice(BLOCK, 100))).isEqualTo(-1);
  }

  @Test
  void registeredFilesAndBuffersTransferDirectly() throws Exception {
    int direct = Kernel.open(path(), Kernel.O_RDWR | Kernel.O_DIRECT, 0);
    Assumptions.assumeTrue(direct >= 0, "this file system has no direct I/O");
    assertThat(FileFacts.of(direct).kind()).isEqualTo(FileFacts.Kind.FILE);
    Registry registry = ring.registry();
    assertThat(registry.registerFiles(4)).isZero();
    assertThat(registry.setFile(2, direct)).isZero();
    Kernel.close(direct);
    assertThat(registry.registerBuffers(4)).isZero();
    assertThat(registry.setBuffer(1, written.address(), 2 * BLOCK)).isZero();
    assertThat(registry.setBuffer(3, read.address(), 2 * BLOCK)).isZero();

    int fixed = Abi.SQE_FIXED_FILE;
    ring.writeFixed(2, written.address() + BLOCK, BLOCK, BLOCK, 1, 0, fixed, 1);
    assertThat(Rings.result(ring, 1)).isEqualTo(BLOCK);
    ring.readFixed(2, read.address() + BLOCK, BLOCK, BLOCK, 3, 0, fixed, 2);
    assertThat(Rings.result(ring, 2)).isEqualTo(BLOCK);
    assertThat(read.asSlice(BLOCK).mismatch(written.asSlice(BLOCK))).isEqualTo(-1);

    ring.readFixed(2, read.address() + BLOCK, 2 * BLOCK, 0, 3, 0, fixed, 3);
    assertThat(Rings.result(ring, 3)).as("beyond the buffer").isEqualTo(-Errno.EFAULT);

    assertThat(registry.setFile(2, -1)).isZero();
    ring.readFixed(2, read.address(), BLOCK, 0, 3, 0, fixed, 5);
    assertThat(Rings.result(ring, 5)).isEqualTo(-Errno.EBADF);
    assertThat(registry.setBuffer(3, 0, 0)).isZero();
    ring.readFixed(fd, read.address(), BLOCK, 0, 3, 0, 0, 6);
    assertThat(Rings.result(ring, 6)).isEqualTo(-Errno.EFAULT);
    assertThat(registry.unregisterFiles()).isZero();
    assertThat(registry.unregisterBuffers()).isZero();
    assertThat(registry.unregisterBuffers()).isEqualTo(-Errno.ENXIO);
  }

  @Test
  void rangesAreAllocatedAndFreed() throws Exception {
    ring.fallocate(fd, 0, 0, 4 * BLOCK, 0, 1);
    int allocated = Rings.result(ring, 1);
    Assumptions.assumeTrue(allocated != -Errno.EOPNOTSUPP, "no fallocate on this file system");
    assertThat(allocated).isZero();
    assertThat(FileFacts.of(fd).sizeBytes()).isEqualTo(4 * BLOCK);
    ring.write(fd, written.address(), BLOCK, BLOCK, 0, 0, 2);
    assertThat(Rings.result(ring, 2)).isEqualTo(BLOCK);
    int punch = Kernel.FALLOC_PUNCH_HOLE | Kernel.FALLOC_KEEP_SIZE;
    ring.fallocate(fd, punch, BLOCK, BLOCK, 0, 3);
    assertThat(Rings.result(ring, 3)).isZero();
    read.fill((byte) 1);
    ring.read(fd, read.address(), BLOCK, BLOCK, 0, Abi.SQE_ASYNC, 4);
    assertThat(Rings.result(ring, 4)).isEqualTo(BLOCK);
    assertThat(read.asSlice(0, BLOCK).mismatch(arena.allocate(BLOCK))).isEqualTo(-1);
  }

  @Test
  void anEventfdCountsCompletions() {
    int eventfd = Kernel.eventfd();
    assertThat(ring.registry().registerEventfd(eventfd)).isZero();
    ring.nop(0, 1);
    assertThat(Rings.result(ring, 1)).isZero();
    assertThat(Kernel.eventfdDrain(eventfd)).isPositive();
    assertThat(ring.registry().unregisterEventfd()).isZero();
    assertThat(ring.registry().limitWorkers(2, 2)).isZero();
    Kernel.close(eventfd);
  }
}
