// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

import static dev.belay.cli.MdFiles.MIB;
import static dev.belay.cli.MdFiles.done;
import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Arrays whose program was killed while it wrote, and the commands that come after. */
final class MdCrashTest {
  private static final long SIZE = 12 * MIB;

  @TempDir Path directory;

  private MdFiles files;
  private List<String> members;

  @BeforeEach
  void begin() {
    files = new MdFiles(directory);
  }

  /** An array that a program was writing to when it was killed. */
  private void crash(String level, String policy) throws Exception {
    members = files.files(level.equals("6") ? 4 : 3, SIZE);
    done("create", members, "--level=" + level, "--consistency-policy=" + policy, "--assume-clean");
    MdFiles.stamp(members);
    String stack = "throttle(" + MdFiles.expression(members) + ", bandwidth=256k)";
    Process program =
        Program.start(directory.resolve("said.txt"), "io", "write", stack, "--block=4k");
    Program.await(() -> state().contains("active") || !program.isAlive());
    Thread.sleep(200);
    program.destroyForcibly();
    assertThat(program.waitFor(60, TimeUnit.SECONDS)).isTrue();
    String said = Files.readString(directory.resolve("said.txt"));
    assertThat(state()).as(said).contains("active, resyncing");
  }

  private String state() {
    return MdFiles.md("detail", members)
        .out()
        .lines()
        .filter(line -> line.contains(" State : "))
        .findFirst()
        .orElse("");
  }

  @ParameterizedTest
  @CsvSource({
    "1, resync, stop", "1, resync, scrub", "1, bitmap, scrub", "5, resync, scrub",
    "5, bitmap, assemble", "5, bitmap, scrub", "5, ppl, stop", "5, ppl, assemble",
    "5, ppl, scrub", "5, ppl, repair", "6, resync, scrub", "10, resync, repair"
  })
  void whatFinishesACrashLeavesTheArrayClean(String level, String policy, String command)
      throws Exception {
    crash(level, policy);
    done(command, members);
    assertThat(state()).contains("clean").doesNotContain("resyncing");
    assertThat(done("scrub", members)).contains("0 bytes did not agree");
    MdFiles.verify(members, "");
  }

  @Test
  void theAdviceOfARefusalHelps() throws Exception {
    crash("5", "ppl");
    String lost = members.get(1);
    Run refused = MdFiles.md("fail", members, "--member=" + lost);
    assertThat(refused.code()).isEqualTo(1);
    assertThat(refused.err()).contains("run belay md stop first");
    done("stop", members);
    assertThat(done("fail", members, "--member=" + lost)).contains("is out");
    MdFiles.verify(List.of(members.get(0), members.get(2)), "");
  }

  @Test
  void aLogIsReplayedOnceWhoeverOpensTheArray() throws Exception {
    crash("5", "ppl");
    Run read = Run.of("io", "read", MdFiles.expression(members), "--length=4k");
    assertThat(read.code()).as(read.all()).isZero();
    assertThat(state()).contains("clean").doesNotContain("resyncing");
  }

  @ParameterizedTest
  @ValueSource(strings = {"resync", "ppl"})
  void aScrubWithoutSyncOnlyLooks(String policy) throws Exception {
    crash("5", policy);
    Run scrub = MdFiles.md("scrub", members, "--no-sync");
    assertThat(scrub.out()).contains("did not agree");
    String expected = policy.equals("ppl") ? "clean" : "active, resyncing";
    assertThat(state()).contains(expected);
  }

  @Test
  void aScrubFinishesARebuildThatWasKilled() throws Exception {
    members = files.files(3, SIZE);
    done("create", members, "--level=5", "--assume-clean");
    MdFiles.stamp(members);
    String lost = members.get(2);
    done("fail", members, "--member=" + lost);
    done("add", members, "--member=" + lost, "--no-sync");
    Run left = MdFiles.md("scrub", members, "--no-sync");
    assertThat(left.code()).isEqualTo(1);
    assertThat(left.err()).contains("finish the rebuild");
    assertThat(done("scrub", members)).contains("recovery done", "0 bytes did not agree");
    assertThat(state()).contains("clean").doesNotContain("degraded");
  }
}
