// SPDX-License-Identifier: Apache-2.0
package dev.belay.house;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/** Finds the java sources of all modules, from wherever the tests were started. */
final class Sources {
  private Sources() {}

  /**
   * The directory of the repository: the nearest one upwards that holds the launcher's pom and
   * LICENSE.
   */
  static Path root() {
    Path dir = Path.of("").toAbsolutePath();
    while (!Files.exists(dir.resolve("LICENSE")) || !Files.exists(dir.resolve("pom.xml"))) {
      dir = dir.getParent();
      if (dir == null) {
        throw new IllegalStateException(
            "Run the tests inside the repository: no directory above holds LICENSE and pom.xml.");
      }
    }
    return dir;
  }

  /** All java sources below {@code <module>/src/main} and {@code <module>/src/test}, sorted. */
  static List<Path> all() throws IOException {
    List<Path> found = new ArrayList<>(in("main"));
    found.addAll(in("test"));
    return found;
  }

  /** The java sources below {@code <module>/src/<kind>} of every module, sorted. */
  static List<Path> in(String kind) throws IOException {
    List<Path> found = new ArrayList<>();
    try (Stream<Path> modules = Files.list(root())) {
      for (Path module : modules.sorted().toList()) {
        Path sources = module.resolve("src").resolve(kind).resolve("java");
        if (!Files.isDirectory(sources)) {
          continue;
        }
        try (Stream<Path> files = Files.walk(sources)) {
          files.filter(f -> f.toString().endsWith(".java")).sorted().forEach(found::add);
        }
      }
    }
    return found;
  }
}
