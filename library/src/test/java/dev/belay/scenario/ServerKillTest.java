// SPDX-License-Identifier: Apache-2.0
package dev.belay.scenario;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.belay.md.Creation;
import dev.belay.md.Level;
import dev.belay.md.MadeArrays;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.net.UnixDomainSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.Random;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * A server is killed by SIGKILL under clients that write, again and again: whatever was
 * acknowledged and then covered by a flush of any connection, or acknowledged with FUA, is there
 * when it is started again. Over a file, a stripe, and arrays of Linux md, all in one server.
 *
 * <p>{@code -Dbelay.kills=50} for so many kills instead of 3.
 */
@Timeout(600)
final class ServerKillTest {
  private static final int SIGKILLED = 128 + 9;
  private static final int KILLS = Integer.getInteger("belay.kills", 3);
  private static final int CLIENTS = 3;
  private static final long USED_BYTES = 32L << 20;
  private static final int BLOCKS = 900 / CLIENTS * CLIENTS;

  @TempDir Path directory;

  private UnixDomainSocketAddress address() {
    return UnixDomainSocketAddress.of(directory.resolve("socket"));
  }

  private List<String> exports() throws Exception {
    String raid5 = array("r5", Level.RAID5, 2, 3, 64 << 10);
    String raid1 = array("r1", Level.RAID1, 0, 2, 0);
    return List.of(
        "file",
        file("f"),
        "stripe",
        "stripe(%s, %s, chunk=16k)".formatted(file("s0"), file("s1")),
        "raid5",
        raid5,
        "raid1",
        raid1);
  }

  @Test
  void whatWasFlushedIsThereAfterAKill() throws Exception {
    List<String> exports = exports();
    List<WrittenBlocks> written = new ArrayList<>();
    for (int i = 0; i < exports.size(); i += 2) {
      written.add(new WrittenBlocks(exports.get(i), BLOCKS));
    }
    Random random = new Random(11);
    for (int kill = 1; kill <= KILLS; kill++) {
      writeAndKill(exports, written, random, "kill " + kill);
    }
    writeAndKill(exports, written, null, "the end");
    written.forEach(System.out::println);
  }

  /** The same with fio, which pulls the trigger itself and then knows what was acknowledged. */
  @Test
  void whatFioWroteIsThereAfterAKill() throws Exception {
    assumeTrue(hasFio(), "fio with its engine nbd is not installed");
    List<String> exports = exports();
    int kills = Math.max(2, KILLS / 3);
    for (int kill = 1; kill <= kills; kill++) {
      Process server = KilledServer.start(address(), 0, exports);
      drain(server);
      List<String> trigger =
          List.of("--do_verify=0", "--trigger-timeout=1", "--trigger=kill -9 " + server.pid());
      try {
        fio(kill, exports, trigger);
        assertThat(server.waitFor(30, TimeUnit.SECONDS)).as("fio kills it").isTrue();
        assertThat(server.exitValue()).isEqualTo(SIGKILLED);
        server = KilledServer.start(address(), 0, exports);
        drain(server);
        List<String> verify =
            List.of("--do_verify=1", "--verify_only", "--verify_state_load=1", "--verify_fatal=1");
        String said = fio(kill, exports, verify);
        assertThat(said).as("kill " + kill).endsWith("exit code 0").doesNotContain("verify: bad");
      } finally {
        server.destroyForcibly();
        server.waitFor(30, TimeUnit.SECONDS);
      }
    }
  }

  private static boolean hasFio() throws InterruptedException {
    try {
      return new ProcessBuilder("fio", "--enghelp=nbd")
              .redirectErrorStream(true)
              .redirectOutput(ProcessBuilder.Redirect.DISCARD)
              .start()
              .waitFor()
          == 0;
    } catch (IOException e) {
      return false;
    }
  }

  /** Runs it with a job for each export. */
  private String fio(int seed, List<String> exports, List<String> more) throws Exception {
    List<String> command = new ArrayList<>(List.of("fio", "--name=global", "--ioengine=nbd"));
    // One request at a time in each job: of more, fio guesses which of them were answered.
    command.addAll(List.of("--rw=randwrite", "--bs=4k", "--iodepth=1", "--numjobs=4"));
    command.addAll(List.of("--size=7M", "--offset_increment=7M", "--rate_iops=700"));
    command.addAll(List.of("--verify=crc32c", "--fsync=8", "--group_reporting"));
    command.add("--randseed=" + seed);
    command.addAll(more);
    for (int i = 0; i < exports.size(); i += 2) {
      String name = exports.get(i);
      command.add("--name=" + name);
      command.add("--uri=nbd+unix:///" + name + "?socket=" + address());
    }
    Process fio =
        new ProcessBuilder(command).directory(directory.toFile()).redirectErrorStream(true).start();
    String said = new String(fio.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    return said + "\nexit code " + fio.waitFor();
  }

  private String file(String name) {
    return "file(" + directory.resolve(name) + ", size=32M)";
  }

  /** The members of an array that is in sync and holds zeroes, and its expression. */
  private String array(String name, Level level, int layout, int members, long chunkBytes)
      throws Exception {
    List<List<Creation.Placed>> heads =
        MadeArrays.make(level, layout, members, 0, chunkBytes, USED_BYTES, 2, 64 << 10);
    List<String> paths = new ArrayList<>();
    for (int i = 0; i < members; i++) {
      Path path = directory.resolve(name + i);
      paths.add(path.toString());
      try (RandomAccessFile member = new RandomAccessFile(path.toFile(), "rw")) {
        member.setLength(MadeArrays.deviceBytes(USED_BYTES));
        for (Creation.Placed placed : heads.get(i)) {
          member.seek(placed.atBytes());
          member.write(placed.bytes());
        }
      }
    }
    return "md(" + String.join(", ", paths) + ")";
  }

  /**
   * Starts the server, checks what earlier ones left, writes, and kills it.
   *
   * @param random null to check only
   */
  private void writeAndKill(
      List<String> exports, List<WrittenBlocks> written, @Nullable Random random, String when)
      throws Exception {
    Process server = KilledServer.start(address(), 0, exports);
    drain(server);
    try {
      for (WrittenBlocks each : written) {
        each.check(address(), when);
      }
      if (random == null) {
        return;
      }
      long before = durable(written);
      Queue<Throwable> wrong = new ConcurrentLinkedQueue<>();
      List<Thread> clients = new ArrayList<>();
      for (WrittenBlocks each : written) {
        for (int client = 0; client < CLIENTS; client++) {
          clients.add(client(each, client, random.nextLong(), wrong));
        }
      }
      long until = System.nanoTime() + 30_000_000_000L;
      while (durable(written) == before && System.nanoTime() < until) {
        Thread.sleep(5);
      }
      Thread.sleep(random.nextInt(400));
      server.toHandle().destroyForcibly();
      assertThat(server.waitFor(30, TimeUnit.SECONDS)).isTrue();
      assertThat(server.exitValue()).as("it was killed, and did not end").isEqualTo(SIGKILLED);
      for (Thread each : clients) {
        each.join();
      }
      assertThat(wrong).as(when).isEmpty();
      assertThat(durable(written)).as("something was made durable").isGreaterThan(before);
    } finally {
      server.destroyForcibly();
      server.waitFor(30, TimeUnit.SECONDS);
    }
  }

  private static long durable(List<WrittenBlocks> written) {
    return written.stream().mapToLong(WrittenBlocks::durableWrites).sum();
  }

  /** What it says is of no interest, and must not fill the pipe. */
  private static void drain(Process server) {
    Thread.ofVirtual().start(() -> server.inputReader().lines().forEach(line -> {}));
  }

  private Thread client(WrittenBlocks blocks, int number, long seed, Queue<Throwable> wrong) {
    return Thread.ofVirtual()
        .start(
            () -> {
              try {
                blocks.writeUntilItDies(address(), number, CLIENTS, new Random(seed));
              } catch (IOException e) {
                // The server is gone, which is what it is about.
              } catch (RuntimeException | Error e) {
                wrong.add(e);
              }
            });
  }
}
