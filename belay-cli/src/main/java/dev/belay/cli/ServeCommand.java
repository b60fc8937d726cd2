// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

import dev.belay.net.Address;
import java.io.IOException;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/** The command of {@code belay serve --run}, in a shell, with the address in its environment. */
final class ServeCommand {
  private static final long PATIENCE_SECONDS = 5;

  private final String command;
  private final String uri;
  private final Address address;

  ServeCommand(String command, String uri, Address address) {
    this.command = command;
    this.uri = uri;
    this.address = address;
  }

  /**
   * Runs it to its end, or until the program is told to stop, when it is told so too.
   *
   * @return its exit code
   */
  int run(CountDownLatch told) throws IOException {
    ProcessBuilder builder = new ProcessBuilder("/bin/sh", "-c", command).inheritIO();
    Map<String, String> environment = builder.environment();
    environment.put("uri", uri);
    environment.put("unixsocket", address instanceof Address.Unix unix ? unix.path() : "");
    environment.put("port", address instanceof Address.Tcp tcp ? String.valueOf(tcp.port()) : "");
    Process child = builder.start();
    var _ = child.onExit().thenRun(told::countDown);
    try {
      told.await();
      if (child.isAlive()) {
        stop(child);
      }
      return child.waitFor();
    } catch (InterruptedException e) {
      child.destroyForcibly();
      return Main.FAILED;
    }
  }

  private static void stop(Process child) throws InterruptedException {
    child.descendants().forEach(ProcessHandle::destroy);
    child.destroy();
    if (!child.waitFor(PATIENCE_SECONDS, TimeUnit.SECONDS)) {
      child.descendants().forEach(ProcessHandle::destroyForcibly);
      child.destroyForcibly();
    }
  }
}
