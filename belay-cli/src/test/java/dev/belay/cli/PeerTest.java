// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.belay.stack.Expression;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;

/** What stands beside Belay in a comparison. */
final class PeerTest {
  private static final Workload WORKLOAD =
      new Workload(
          Workload.Pattern.RANDREAD,
          50,
          4096,
          4,
          1,
          10_000_000,
          100_000_000,
          1 << 20,
          0,
          0,
          0,
          0,
          1,
          false);

  @Test
  void fiosOwnAccountIsRead() throws IOException {
    Peer.Figures figures =
        Peer.fioFigures(
            JsonReader.parseObject(
                """
                note: something on a line before
                {
                  "fio version" : "fio-3.33",
                  "jobs" : [ {
                    "error" : 0, "job_runtime" : 2000, "usr_cpu" : 20.0, "sys_cpu" : 30.0,
                    "read" : { "iops" : 750.5, "total_ios" : 1500 },
                    "write" : { "iops" : 250.0, "total_ios" : 500 }
                  } ]
                }
                """));
    assertThat(figures.iops()).isEqualTo(1000.5);
    assertThat(figures.cpuNanosPerIo()).isCloseTo(500_000, Offset.offset(1.0));
  }

  @Test
  void fiosFailureIsSaid() {
    assertThatThrownBy(
            () -> Peer.fioFigures(JsonReader.parseObject("{\"jobs\": [{\"error\": 5}]}")))
        .isInstanceOf(IOException.class)
        .hasMessageContaining("errno 5");
  }

  @Test
  void fioIsGivenItsFastestSettings() {
    assertThat(Peer.fio(Path.of("/tmp/a:b"), WORKLOAD).command())
        .contains("--ioengine=io_uring", "--fixedbufs", "--registerfiles", "--direct=1")
        .contains("--gtod_reduce=1", "--iodepth=4", "--bs=4096", "--filename=/tmp/a\\:b");
    assertThat(Peer.fio(null, WORKLOAD).command()).contains("--ioengine=null");
  }

  @Test
  void pairsRunInTurnAndGiveRatios() throws Exception {
    Assumptions.assumeTrue(Peer.isInstalled("fio"), "fio is not installed");
    Peer belay = Peer.belay(Expression.parse("null()"), WORKLOAD, BenchRun.Way.CONTEXT);
    StringWriter talk = new StringWriter();
    Against against = new Against(belay, Peer.fio(null, WORKLOAD), 1, new PrintWriter(talk));
    List<Against.Pair> pairs = against.run();
    assertThat(pairs).hasSize(1);
    assertThat(pairs.getFirst().iopsRatio()).isPositive().isFinite();
    assertThat(against.text(pairs)).contains("IOPS, belay / fio: median");
    Map<String, Object> json = JsonReader.parseObject(Json.print(against.json(pairs)));
    assertThat(JsonReader.number(json, "iopsRatio", "median")).isPositive();
    assertThat(talk.toString()).contains("--ioengine=null", "dev.belay.cli.Main bench");
  }

  @Test
  void theMiddleOfThePairsIsTaken() {
    List<Against.Pair> pairs = List.of(pairOf(3, 1), pairOf(1, 1), pairOf(2, 1), pairOf(100, 1));
    assertThat(Against.Spread.of(pairs, Against.Pair::iopsRatio))
        .isEqualTo(new Against.Spread(2.5, 1, 100));
  }

  private static Against.Pair pairOf(double ours, double theirs) {
    return new Against.Pair(
        new Peer.Figures(ours, 1, Map.of()), new Peer.Figures(theirs, 1, Map.of()), 0);
  }
}
