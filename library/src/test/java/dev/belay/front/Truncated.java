// SPDX-License-Identifier: Apache-2.0
package dev.belay.front;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/** Memory that maps a file which was cut short since: touching it makes the JVM throw. */
final class Truncated {
  private Truncated() {}

  static MemorySegment memory(Path directory, Arena arena, long sizeBytes) throws IOException {
    Path file = Files.createTempFile(directory, "mapped", ".bin");
    try (FileChannel channel =
        FileChannel.open(file, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
      MemorySegment mapped =
          channel.map(FileChannel.MapMode.READ_WRITE, 0, sizeBytes, arena).fill((byte) 1);
      channel.truncate(0);
      return mapped;
    }
  }
}
