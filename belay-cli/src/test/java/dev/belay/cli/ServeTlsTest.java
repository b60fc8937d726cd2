// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The certificates that docs/serve.md says how to make, and who gets in with which. */
final class ServeTlsTest {
  private static final Path PAGE = Path.of("docs/serve.md");

  @TempDir Path directory;

  @BeforeEach
  void makeCertificates() throws Exception {
    assumeThat(Path.of("/usr/bin/nbdinfo")).exists();
    assumeThat(Path.of("/usr/bin/certtool")).exists();
    String script =
        page()
            .lines()
            .dropWhile(line -> !line.startsWith("    mkdir -m 700"))
            .takeWhile(line -> !line.startsWith("    ./belay"))
            .map(line -> line.strip().replace("disks.example", "localhost"))
            .collect(Collectors.joining("\n", "set -e\n", "\n"));
    assertThat(sh(script)).isZero();
  }

  private static String page() throws IOException {
    Path root = Path.of("").toAbsolutePath();
    while (!Files.exists(root.resolve(PAGE))) {
      root = root.getParent();
    }
    return Files.readString(root.resolve(PAGE));
  }

  private int sh(String script) throws Exception {
    Process shell =
        new ProcessBuilder("/bin/sh", "-c", script)
            .directory(directory.toFile())
            .redirectErrorStream(true)
            .redirectOutput(directory.resolve("said").toFile())
            .start();
    assertThat(shell.waitFor(60, TimeUnit.SECONDS)).isTrue();
    return shell.exitValue();
  }

  private int nbdinfo(String uri) throws Exception {
    return sh("nbdinfo --size '" + uri + "'");
  }

  @Test
  void onlyClientsWithACertificateGetIn() throws Exception {
    Files.createDirectory(directory.resolve("stranger"));
    Files.copy(directory.resolve("client/ca-cert.pem"), directory.resolve("stranger/ca-cert.pem"));
    try (Serving serving =
        Serving.start(
            directory,
            "memory(size=1M)",
            "--tcp=:0",
            "--tls-certificates=" + directory.resolve("server"))) {
      assertThat(serving.said()).contains("where the client has its own");
      String address = "localhost:" + serving.port() + "/";
      String with = "nbds://" + address + "?tls-certificates=" + directory;
      assertThat(nbdinfo(with + "/client")).as(said()).isZero();
      assertThat(said()).isEqualTo("1048576\n");
      assertThat(nbdinfo(with + "/stranger")).isNotZero();
      assertThat(nbdinfo("nbd://" + address)).isNotZero();
      Program.await(() -> serving.said().contains("showed no certificate"));
      assertThat(serving.said()).containsOnlyOnce("ended after").contains(", TLS: ended after");
    }
  }

  private String said() throws IOException {
    return Files.readString(directory.resolve("said"));
  }

  @Test
  void aCommandFindsTheCertificatesOfClients() throws Exception {
    for (String name : List.of("client-cert.pem", "client-key.pem")) {
      Files.copy(directory.resolve("client/" + name), directory.resolve("server/" + name));
    }
    Path size = directory.resolve("size");
    Run run =
        Run.of(
            "serve",
            "memory(size=1M)",
            "--control=" + directory.resolve("control"),
            "--tcp=localhost:0",
            "--tls-certificates=" + directory.resolve("server"),
            "--run=nbdinfo --size \"$uri\" > " + size);
    assertThat(run.code()).as(run.all()).isZero();
    assertThat(size).hasContent("1048576");
  }
}
