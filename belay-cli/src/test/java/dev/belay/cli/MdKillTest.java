// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

import static dev.belay.cli.MdFiles.MIB;
import static dev.belay.cli.MdFiles.done;
import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * A rebuild in a program of its own that is killed again and again. {@code -Dbelay.kill.mib=1024
 * -Dbelay.kill.times=10} does it with members of 1 GiB, ten times; by default it is a short one.
 */
final class MdKillTest {
  private static final long MEMBER_MIB = Long.getLong("belay.kill.mib", 24);
  private static final int TIMES = Integer.getInteger("belay.kill.times", 2);
  private static final long SEED = Long.getLong("belay.kill.seed", System.nanoTime());
  private static final Pattern OFFSET = Pattern.compile("Recovery Offset : (\\d+) sectors");

  @TempDir Path directory;

  private MdFiles files;
  private List<String> now;
  private String lost;

  @BeforeEach
  void begin() throws Exception {
    files = new MdFiles(directory);
  }

  private void degrade(String level) throws Exception {
    List<String> members = files.files(3, MEMBER_MIB * MIB);
    done("create", members, "--level=" + level, "--assume-clean");
    MdFiles.stamp(members);
    lost = members.get(1);
    done("fail", members, "--member=" + lost);
    Files.delete(Path.of(lost));
    files.file("b.img", MEMBER_MIB * MIB);
    now = members;
  }

  /** So that a rebuild takes as long as all the kills together. */
  private String limit() {
    return "--speed-limit-max=" + Math.max(8, MEMBER_MIB / TIMES) + "M";
  }

  private Process start(List<String> members, String command, String... options) throws Exception {
    List<String> args = new ArrayList<>(List.of("md", command));
    args.addAll(members);
    args.addAll(List.of(options));
    return Program.start(directory.resolve("said.txt"), args.toArray(String[]::new));
  }

  /** How far the rebuild is, as the member says; -1 where it says nothing of it. */
  private long recoverySectors() {
    Run examine = MdFiles.md("examine", List.of(lost));
    Matcher matcher = OFFSET.matcher(examine.out());
    return matcher.find() ? Long.parseLong(matcher.group(1)) : -1;
  }

  @ParameterizedTest
  @ValueSource(strings = {"1", "5"})
  void aKilledRebuildGoesOnWhereItWas(String level) throws Exception {
    degrade(level);
    Random random = new Random(SEED);
    List<String> rest = List.of(now.get(0), now.get(2));
    Process program = start(rest, "add", "--member=" + lost, limit());
    Program.await(() -> recoverySectors() > 0 || !program.isAlive());
    kill(program);
    long furthest = recoverySectors();
    assertThat(furthest).as("seed %d", SEED).isPositive();
    for (int i = 1; i < TIMES; i++) {
      Process again = start(now, "assemble", limit());
      Thread.sleep(random.nextInt(300, 1500));
      kill(again);
      long offset = recoverySectors();
      assertThat(offset).as("seed %d, kill %d", SEED, i).isGreaterThanOrEqualTo(furthest);
      furthest = offset;
    }
    assertThat(done("detail", now)).contains("degraded, recovering", "Rebuild Status");
    assertThat(done("assemble", now)).contains("is right up to byte", "[UUU]");
    assertThat(recoverySectors()).isEqualTo(-1);
    assertThat(done("scrub", now)).contains("0 bytes did not agree");
    MdFiles.verify(now, "");
    MdFiles.verify(now.subList(1, 3), ", run=on");
    MdFiles.verify(now.subList(0, 2), ", run=on");
  }

  private static void kill(Process program) throws InterruptedException {
    program.destroyForcibly();
    assertThat(program.waitFor(60, TimeUnit.SECONDS)).isTrue();
  }

  @Test
  void anInterruptRecordsHowFarItIs() throws Exception {
    degrade("5");
    List<String> rest = List.of(now.get(0), now.get(2));
    Process program = start(rest, "add", "--member=" + lost, "--speed-limit-max=8M");
    Program.await(() -> recoverySectors() > 0 || !program.isAlive());
    Program.interrupt(program);
    String said = Files.readString(directory.resolve("said.txt"));
    assertThat(said).contains("recovery stopped at", "it goes on from there next time");
    assertThat(done("detail", now)).contains("clean, degraded, recovering");
    assertThat(done("assemble", now)).contains("is right up to byte", "recovery done", "[UUU]");
    MdFiles.verify(now.subList(0, 2), ", run=on");
  }

  @Test
  void anInterruptedReplaceHasChangedNothing() throws Exception {
    List<String> members = files.files(3, MEMBER_MIB * MIB);
    done("create", members, "--level=5", "--assume-clean");
    MdFiles.stamp(members);
    String with = files.file("new.img", MEMBER_MIB * MIB);
    String before = done("examine", members);
    Process program =
        start(
            members,
            "replace",
            "--member=" + members.get(0),
            "--with=" + with,
            "--speed-limit-max=2M");
    Thread.sleep(1500);
    Program.interrupt(program);
    assertThat(done("examine", members)).isEqualTo(before);
    assertThat(MdFiles.md("examine", List.of(with)).err()).contains("no md superblock");
    assertThat(done("scrub", members)).contains("0 bytes did not agree");
  }
}
