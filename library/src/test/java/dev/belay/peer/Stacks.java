// SPDX-License-Identifier: Apache-2.0
package dev.belay.peer;

import dev.belay.md.Creation;
import dev.belay.md.Creation.Log;
import dev.belay.md.Level;
import dev.belay.md.MetadataException;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Path;
import java.util.Collections;
import java.util.List;
import java.util.OptionalLong;
import java.util.Random;

/** The stacks that peers are shown, each of some files in a directory. */
enum Stacks {
  /** One file: holes stay holes. */
  FILE,
  /** Three files side by side. */
  STRIPE,
  /** Three files with parity, no metadata. */
  RAID5,
  /** An array of Linux md with superblocks and a write-intent bitmap. */
  MD;

  private static final long MIB = 1L << 20;

  /** How large exports are; {@code -Dbelay.peers.mib=1024} runs the same at another size. */
  static final long BYTES = Long.getLong("belay.peers.mib", 64) * MIB;

  /** Makes the files, and answers the expression of a stack of at least {@link #BYTES}. */
  String make(Path directory) throws IOException {
    return switch (this) {
      case FILE -> file(directory, "whole.img", BYTES);
      case STRIPE -> "stripe(" + files(directory, "stripe", 3, BYTES / 2) + ", chunk=64k)";
      case RAID5 -> "raid5(" + files(directory, "raid", 3, BYTES / 2) + ", chunk=64k)";
      case MD -> "md(" + md(directory, BYTES / 2 + 2 * MIB) + ")";
    };
  }

  private static String md(Path directory, long bytes) throws IOException {
    String all = files(directory, "md", 3, bytes);
    try {
      Creation creation = new Creation(Level.RAID5, 3).chunkBytes(64 << 10).log(Log.BITMAP);
      List<OptionalLong> sizes = Collections.nCopies(3, OptionalLong.of(bytes));
      var members = creation.assumeClean(true).plan(sizes, new Random(1), 1_700_000_000);
      for (int i = 0; i < members.size(); i++) {
        Path path = directory.resolve("md" + i + ".img");
        try (var file = new RandomAccessFile(path.toFile(), "rw")) {
          for (Creation.Placed placed : members.get(i).orElseThrow().writes()) {
            file.seek(placed.atBytes());
            file.write(placed.bytes());
          }
        }
      }
    } catch (MetadataException e) {
      throw new IOException(e);
    }
    return all;
  }

  private static String files(Path directory, String name, int count, long bytes)
      throws IOException {
    StringBuilder all = new StringBuilder();
    for (int i = 0; i < count; i++) {
      all.append(i == 0 ? "" : ", ").append(file(directory, name + i + ".img", bytes));
    }
    return all.toString();
  }

  private static String file(Path directory, String name, long bytes) throws IOException {
    Path path = directory.resolve(name);
    try (var file = new RandomAccessFile(path.toFile(), "rw")) {
      file.setLength(bytes);
    }
    return path.toString();
  }
}
