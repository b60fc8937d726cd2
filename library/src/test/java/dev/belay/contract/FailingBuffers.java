// SPDX-License-Identifier: Apache-2.0
package dev.belay.contract;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;

/** Memory of a caller's that cannot be read or written any more, or never could. */
final class FailingBuffers {
  /**
   * A kind of it.
   *
   * @param failsWrites whether a write from it fails as well, and not only a read into it
   */
  record Kind(String name, boolean failsWrites, Maker maker) {
    MemorySegment make(Path directory, long bytes) {
      try {
        return maker.make(directory, bytes);
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }

    @Override
    public String toString() {
      return name;
    }
  }

  /** Makes memory of so many bytes, in a file of the directory if that is needed. */
  @FunctionalInterface
  interface Maker {
    MemorySegment make(Path directory, long bytes) throws IOException;
  }

  static final List<Kind> KINDS =
      List.of(
          new Kind("mapped and cut short", true, (dir, bytes) -> cutTo(0, dir, bytes)),
          new Kind(
              "mapped and cut short in the middle",
              true,
              (dir, bytes) -> cutTo(bytes / 2 / 4096 * 4096, dir, bytes)),
          new Kind("closed", true, (dir, bytes) -> closed(bytes)),
          new Kind("of another thread", true, (dir, bytes) -> foreign(bytes)),
          new Kind(
              "read-only", false, (dir, bytes) -> Arena.ofAuto().allocate(bytes).asReadOnly()));

  private FailingBuffers() {}

  private static MemorySegment cutTo(long left, Path directory, long bytes) throws IOException {
    Path file = directory.resolve("cut-short-" + System.nanoTime());
    try (FileChannel channel =
        FileChannel.open(
            file,
            StandardOpenOption.CREATE_NEW,
            StandardOpenOption.READ,
            StandardOpenOption.WRITE,
            StandardOpenOption.DELETE_ON_CLOSE)) {
      MemorySegment mapped = channel.map(MapMode.READ_WRITE, 0, bytes, Arena.ofAuto());
      channel.truncate(left);
      return mapped;
    }
  }

  private static MemorySegment closed(long bytes) {
    try (Arena arena = Arena.ofShared()) {
      return arena.allocate(bytes, 4096);
    }
  }

  @SuppressWarnings("MustBeClosedChecker") // the thread that could close it has ended
  private static MemorySegment foreign(long bytes) {
    MemorySegment[] made = new MemorySegment[1];
    Thread owner =
        Thread.ofPlatform().start(() -> made[0] = Arena.ofConfined().allocate(bytes, 4096));
    try {
      owner.join();
    } catch (InterruptedException e) {
      throw new AssertionError(e);
    }
    return made[0];
  }
}
