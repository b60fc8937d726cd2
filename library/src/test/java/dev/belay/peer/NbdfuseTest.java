// SPDX-License-Identifier: Apache-2.0
package dev.belay.peer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.belay.CancelFlag;
import dev.belay.Outcome;
import dev.belay.front.IoFuture;
import dev.belay.front.IoOptions;
import dev.belay.front.Volume;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** A real file that hangs: nbdkit's delay filter, mounted by nbdfuse. */
final class NbdfuseTest {
  private static final int SIZE = 16 << 20;
  private static final int BLOCK = 4096;
  private static final int CROWD = 64;
  private static final int THREADS = 16;

  @TempDir Path directory;

  private final Deque<Process> programs = new ArrayDeque<>();
  private final List<Path> mounts = new ArrayList<>();

  @AfterEach
  void unmount() throws IOException, InterruptedException {
    for (Path each : mounts) {
      Programs.run(directory, "fusermount3", "-u", "-z", each.toString());
    }
    for (Process each : programs) {
      Programs.end(each);
    }
  }

  private Process start(String name, String... command) throws IOException {
    Path said = directory.resolve(name + ".said");
    Process program = Programs.start(directory, said, said, command);
    programs.push(program);
    return program;
  }

  private static boolean await(BooleanSupplier met) throws InterruptedException {
    for (int i = 0; i < 2000 && !met.getAsBoolean(); i++) {
      Thread.sleep(10);
    }
    return met.getAsBoolean();
  }

  /** The program that serves a file which answers a read after so many seconds. */
  private Process serve(Path file, int delaySeconds) throws IOException, InterruptedException {
    String name = file.getFileName().toString();
    Path socket = directory.resolve(name + ".sock");
    Process server =
        start(
            name + "-nbdkit",
            ("nbdkit -f -U " + socket + " --filter=delay memory 16M rdelay=" + delaySeconds)
                .split(" "));
    assertThat(await(() -> Files.exists(socket))).as("nbdkit listens").isTrue();
    Files.createFile(file);
    start(name + "-nbdfuse", "nbdfuse", file.toString(), "--unix", socket.toString());
    boolean isMounted = await(() -> file.toFile().length() == SIZE);
    String said = Files.readString(directory.resolve(name + "-nbdfuse.said"));
    assumeTrue(isMounted, () -> "nbdfuse cannot mount here: " + said);
    mounts.add(file);
    return server;
  }

  private static MemorySegment block() {
    return Arena.ofAuto().allocate(BLOCK, BLOCK);
  }

  @Test
  @Timeout(120)
  void aServerThatHangsStopsNeitherItsNeighbourNorDeadlines() throws Exception {
    Programs.need("nbdkit", "nbdfuse", "fusermount3");
    assumeTrue(Files.isWritable(Path.of("/dev/fuse")), "there is no /dev/fuse to write to");
    Path healthy = directory.resolve("healthy");
    serve(healthy, 0);
    Path hung = directory.resolve("hung");
    Process hanging = serve(hung, 3600);
    Volume volume = Volume.open("concat(%s, %s)".formatted(hung, healthy));
    try {
      List<IoFuture> crowd = new ArrayList<>();
      for (int i = 0; i < CROWD; i++) {
        IoOptions options = IoOptions.NONE.withDeadline(Duration.ofMillis(100));
        crowd.add(volume.readAsync((long) i * BLOCK, List.of(block()), options));
      }
      assertThat(await(() -> crowd.stream().filter(IoFuture::isDone).count() == CROWD - THREADS))
          .as("the deadlines of what waits are answered")
          .isTrue();
      assertThat(crowd.stream().filter(IoFuture::isDone).map(IoFuture::outcome))
          .allMatch(it -> it.kind() == Outcome.Kind.CANCELLED && it.cleanBytes() == BLOCK)
          .allMatch(it -> it.reason() == CancelFlag.Reason.DEADLINE);
      volume.readAsync(SIZE, block()).get(20, TimeUnit.SECONDS);
      volume.writeAsync(SIZE, block()).get(20, TimeUnit.SECONDS);

      Programs.end(hanging); // and its requests fail
      assertThat(await(() -> crowd.stream().allMatch(IoFuture::isDone))).isTrue();
      assertThat(crowd.stream().filter(it -> it.outcome().kind() == Outcome.Kind.FAILED))
          .hasSize(THREADS)
          .allMatch(it -> it.outcome().unknownBytes() == BLOCK);
    } finally {
      hanging.destroyForcibly();
      volume.close();
    }
  }
}
