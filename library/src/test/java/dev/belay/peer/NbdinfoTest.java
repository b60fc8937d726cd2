// SPDX-License-Identifier: Apache-2.0
package dev.belay.peer;

import static org.assertj.core.api.Assertions.assertThat;

import dev.belay.serve.Export;
import dev.belay.serve.ServerOptions;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** All that nbdinfo of libnbd can ask. */
final class NbdinfoTest {
  @TempDir Path directory;

  @BeforeAll
  static void needPrograms() {
    Programs.need("nbdinfo");
  }

  @ParameterizedTest
  @EnumSource(Stacks.class)
  void everyQuestionIsAnswered(Stacks stack) throws Exception {
    try (Ship ship = new Ship(directory, stack)) {
      String size = ship.run("nbdinfo", "--size", ship.uri()).good().out().strip();
      assertThat(Long.parseLong(size)).isGreaterThanOrEqualTo(Stacks.BYTES);
      String told = ship.run("nbdinfo", ship.uri()).good().out();
      assertThat(told)
          .contains("protocol: newstyle-fixed without TLS")
          .contains("structured")
          .contains("export-size: " + size)
          .contains("base:allocation")
          .contains("is_read_only: false")
          .contains("can_flush: true", "can_fua: true", "can_trim: true", "can_zero: true")
          .contains("can_multi_conn: true", "can_df: true", "can_cache: true")
          .contains("block_size_minimum: 1\n");
      String json = ship.run("nbdinfo", "--json", ship.uri()).good().out();
      assertThat(json).contains("\"export-size\": " + size, "\"can_multi_conn\": true");
      assertThat(ship.run("nbdinfo", "--map", ship.uri()).good().out())
          .contains(size.substring(0, 1));
      assertThat(ship.run("nbdinfo", "--map", "--totals", ship.uri()).good().out()).contains("%");
      for (String what :
          List.of("cache", "df", "fast-zero", "flush", "fua", "multi-conn", "trim", "zero")) {
        int exit = ship.run("nbdinfo", "--can", what, ship.uri()).exit();
        assertThat(exit)
            .as(what)
            .isIn(what.equals("fast-zero") ? new Integer[] {0, 2} : new Integer[] {0});
      }
      ship.run("nbdinfo", "--can", "structured-reply", ship.uri()).good();
      ship.run("nbdinfo", "--can", "connect", ship.uri()).good();
      assertThat(ship.run("nbdinfo", "--is", "read-only", ship.uri()).exit()).isEqualTo(2);
      assertThat(ship.run("nbdinfo", "--is", "tls", ship.uri()).exit()).isEqualTo(2);
      ship.stop();
    }
  }

  @Test
  void severalExportsAreListed() throws IOException, InterruptedException {
    Programs.need("nbdcopy");
    List<Export> exports =
        List.of(
            new Export("", "memory(size=1M)", false, null, "no name"),
            new Export("second", "memory(size=3M)", true, null, "to be read"),
            new Export("été/3 %", "memory(size=5120)", false, null, ""));
    try (Ship ship = new Ship(directory, exports, ServerOptions.DEFAULTS)) {
      String listed = ship.run("nbdinfo", "--list", ship.uri("")).good().out();
      assertThat(listed)
          .contains("export=\"\"", "export=\"second\"", "export=\"été/3 %\"")
          .contains("description: no name", "description: to be read")
          .contains("export-size: 1048576", "export-size: 3145728", "export-size: 5120");
      assertThat(ship.run("nbdinfo", "--list", "--json", ship.uri("")).good().out())
          .contains("\"export-name\": \"second\"");
      assertThat(ship.run("nbdinfo", "--size", ship.uri("%C3%A9t%C3%A9/3%20%25")).good().out())
          .isEqualTo("5120\n");
      ship.run("nbdinfo", "--is", "read-only", ship.uri("second")).good();
      assertThat(ship.run("nbdinfo", ship.uri("third")).exit()).isEqualTo(1);
      Path something = ship.random("something", 1000, 1);
      var refused = ship.run("nbdcopy", something.toString(), ship.uri("second"));
      assertThat(refused.exit()).isNotZero();
      ship.stop();
    }
  }
}
