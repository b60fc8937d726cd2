// SPDX-License-Identifier: Apache-2.0
package dev.belay;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.concurrent.FutureTask;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Callers' memory that fails under one's hands is an error of the request, and never a throw. */
final class CallersMemoryTest {
  private static final int BYTES = 1 << 16;

  private final Loop loop = Loop.driven();
  private final MemorySegment own = Arena.ofAuto().allocate(BYTES, 8);
  @TempDir private Path directory;

  @AfterEach
  void close() {
    assertThat(loop.close(Long.MAX_VALUE)).isZero();
  }

  private Bio bio(MemorySegment buffer) {
    Device sink =
        new Device(loop, "sink", new Limits(1L << 40, 1, 1, Long.MAX_VALUE), List.of()) {
          @Override
          public Verdict map(Bio bio) {
            bio.complete();
            return Verdict.TAKEN;
          }
        };
    Bio bio = new Bio(loop, done -> {});
    bio.prepare(Op.READ, sink, 0, buffer.byteSize(), buffer, 0, CancelFlag.NEVER);
    return bio;
  }

  @Test
  void bytesGoBothWays() {
    MemorySegment buffer = MemorySegment.ofArray(new byte[100]);
    Bio bio = bio(buffer);
    own.set(ValueLayout.JAVA_BYTE, 7, (byte) 42);
    assertThat(bio.copyToBuffer(30, own, 5, 10)).isNull();
    assertThat(buffer.get(ValueLayout.JAVA_BYTE, 32)).isEqualTo((byte) 42);
    assertThat(bio.copyFromBuffer(32, own, 99, 1)).isNull();
    assertThat(own.get(ValueLayout.JAVA_BYTE, 99)).isEqualTo((byte) 42);
  }

  @Test
  void memoryThatIsGoneReadOnlyOrSomebodyElsesIsAnErrorWithASentence() throws Exception {
    MemorySegment closed;
    try (Arena arena = Arena.ofShared()) {
      closed = arena.allocate(100);
    }
    MemorySegment readOnly = MemorySegment.ofArray(new byte[100]).asReadOnly();
    for (MemorySegment bad : List.of(closed, readOnly)) {
      assertUnusable(bio(bad).copyToBuffer(0, own, 0, 100));
    }
    assertUnusable(bio(closed).copyFromBuffer(0, own, 0, 100));
    try (Arena confined = Arena.ofConfined()) {
      Bio bio = bio(confined.allocate(100));
      FutureTask<IoError> elsewhere = new FutureTask<>(() -> bio.copyToBuffer(0, own, 0, 100));
      Thread.ofPlatform().start(elsewhere);
      assertUnusable(elsewhere.get());
    }
  }

  private static void assertUnusable(IoError error) {
    assertThat(error).isNotNull();
    assertThat(error.errno()).isEqualTo(Errno.EFAULT);
    assertThat(error.sentence()).startsWith("the buffer of a READ of 100 bytes is not usable: ");
  }

  @Test
  void aFileThatIsCutShortUnderItsMappingIsAnErrorHereAndNotLater() throws Exception {
    Path file = directory.resolve("mapped");
    try (FileChannel channel =
        FileChannel.open(
            file, StandardOpenOption.CREATE, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
      for (int length : new int[] {8, 40, 64, 512, 4096, BYTES}) {
        tryCutShort(channel, length);
      }
    }
    Files.delete(file);
  }

  /** Often enough that it is compiled: there the JVM is free to throw later than it failed. */
  private void tryCutShort(FileChannel channel, int length) throws IOException {
    channel.truncate(BYTES);
    channel.write(own.asByteBuffer().duplicate(), 0);
    MemorySegment mapped =
        channel.map(FileChannel.MapMode.READ_WRITE, 0, BYTES, Arena.ofAuto()).asSlice(0, length);
    Bio bio = bio(mapped);
    for (int i = 0; i < 3000; i++) {
      assertThat(bio.copyFromBuffer(0, own, 0, length)).isNull();
      assertThat(bio.copyToBuffer(0, own, 0, length)).isNull();
    }
    channel.truncate(0);
    int failures = 0;
    for (int i = 0; i < 3000; i++) {
      failures += bio.copyFromBuffer(0, own, 0, length) == null ? 0 : 1;
      failures += bio.copyToBuffer(0, own, 0, length) == null ? 0 : 1;
    }
    assertThat(failures).as("copies of %d bytes that failed", length).isEqualTo(6000);
  }
}
