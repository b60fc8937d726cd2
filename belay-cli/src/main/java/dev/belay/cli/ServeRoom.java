// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

import dev.belay.net.Address;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Where a server listens: at the addresses it was given, or for a command alone, at a socket in a
 * directory that nobody else may look into and that is gone with it.
 */
final class ServeRoom implements AutoCloseable {
  private final List<Address> addresses;
  private final @Nullable Path directory;

  private ServeRoom(List<Address> addresses, @Nullable Path directory) {
    this.addresses = addresses;
    this.directory = directory;
  }

  static ServeRoom of(ServePlan plan) throws IOException {
    if (!plan.addresses().isEmpty()) {
      return new ServeRoom(plan.addresses(), null);
    }
    Path directory = Files.createTempDirectory("belay");
    return new ServeRoom(List.of(new Address.Unix(directory.resolve("s").toString())), directory);
  }

  List<Address> addresses() {
    return addresses;
  }

  @Override
  public void close() throws IOException {
    if (directory != null) {
      Files.deleteIfExists(directory.resolve("s"));
      Files.deleteIfExists(directory);
    }
  }
}
