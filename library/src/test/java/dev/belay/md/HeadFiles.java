// SPDX-License-Identifier: Apache-2.0
package dev.belay.md;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;
import java.util.zip.GZIPInputStream;

/** The first 12 KiB of members that Linux made, and whole ones where there are any. */
final class HeadFiles {
  /** The size of the devices whose heads are kept as resources. */
  static final long DEVICE_BYTES = 16 << 20;

  private HeadFiles() {}

  /** The head of a member: {@code raid1-2-0} and the like. */
  static byte[] head(String name) {
    try (var raw = HeadFiles.class.getResourceAsStream("/md/" + name + ".head.gz");
        var unzipped = new GZIPInputStream(raw)) {
      return unzipped.readAllBytes();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** The superblock in a head. */
  static Superblock superblock(String name) throws MetadataException {
    return Superblock.parse(at(head(name), 4096, Superblock.BYTES), 2, 4096);
  }

  static byte[] at(byte[] bytes, int from, int length) {
    return java.util.Arrays.copyOfRange(bytes, from, from + length);
  }

  /** The whole members that are at hand on this machine; empty where there are none. */
  static List<Path> golden() throws IOException {
    Path directory = Path.of(System.getProperty("belay.golden", "../../shared/golden/md"));
    List<Path> found = new ArrayList<>();
    if (Files.isDirectory(directory)) {
      try (Stream<Path> files = Files.list(directory)) {
        files.filter(f -> f.toString().matches(".*-[0-9]+\\.img(\\.gz)?")).forEach(found::add);
      }
    }
    found.sort(Comparator.naturalOrder());
    return found;
  }

  /** The superblock of a whole member. */
  static Superblock find(byte[] member) throws MetadataException {
    byte[][] candidates = new byte[4][];
    for (int minor = 0; minor <= 2; minor++) {
      int at = (int) Superblock.placeBytes(minor, member.length);
      candidates[minor] = at(member, at, Superblock.BYTES);
    }
    int old = (int) Superblock.oldPlaceBytes(member.length);
    candidates[3] = HeadFiles.at(member, old, Superblock.BYTES);
    return Superblock.find(candidates, member.length);
  }

  static byte[] unzipped(Path file) throws IOException {
    if (!file.toString().endsWith(".gz")) {
      return Files.readAllBytes(file);
    }
    try (var in = new GZIPInputStream(Files.newInputStream(file))) {
      return in.readAllBytes();
    }
  }
}
