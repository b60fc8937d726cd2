// SPDX-License-Identifier: Apache-2.0
package dev.belay.leaf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.belay.CancelFlag;
import dev.belay.Device;
import dev.belay.Errno;
import dev.belay.Op;
import dev.belay.Outcome;
import dev.belay.Outcome.Kind;
import dev.belay.nbd.NbdUri;
import dev.belay.net.Address;
import dev.belay.net.KeepAlive;
import dev.belay.net.Tls;
import dev.belay.serve.Export;
import dev.belay.serve.NbdServer;
import dev.belay.serve.ServerLog;
import dev.belay.serve.ServerOptions;
import dev.belay.testing.Certificates;
import dev.belay.testing.DrivenStack;
import dev.belay.testing.DrivenStack.Request;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Servers that nobody here wrote. Skipped where they are not installed. */
final class NbdPeersTest {
  private static final long PATIENCE_NANOS = 20_000_000_000L;

  private final List<Process> servers = new ArrayList<>();
  private Path directory = Path.of("");

  @BeforeEach
  void makeRoom() throws IOException {
    directory = Files.createTempDirectory("nbd");
  }

  @AfterEach
  void endAll() throws Exception {
    for (Process server : servers) {
      server.destroyForcibly().waitFor();
    }
    try (Stream<Path> files = Files.walk(directory)) {
      for (Path file : files.sorted((a, b) -> b.compareTo(a)).toList()) {
        Files.delete(file);
      }
    }
  }

  private Path socket() {
    return directory.resolve("sock");
  }

  private NbdOptions options(String export) {
    return NbdOptions.of(NbdUri.parse("nbd+unix:///" + export + "?socket=" + socket()));
  }

  private Process nbdkit(String... arguments) throws Exception {
    List<String> command = new ArrayList<>(List.of("nbdkit", "-f", "-U", socket().toString()));
    command.addAll(Arrays.asList(arguments));
    return start(command);
  }

  private Process start(List<String> command) throws Exception {
    assumeTrue(isInstalled(command.getFirst()), command.getFirst() + " is not installed");
    Files.deleteIfExists(socket());
    Process server =
        new ProcessBuilder(command)
            .redirectErrorStream(true)
            .redirectOutput(directory.resolve("log").toFile())
            .start();
    servers.add(server);
    long start = System.nanoTime();
    while (!Files.exists(socket())) {
      assertThat(server.isAlive()).as(Files.readString(directory.resolve("log"))).isTrue();
      assertThat(System.nanoTime() - start).as("it hangs").isLessThan(PATIENCE_NANOS);
      TimeUnit.MILLISECONDS.sleep(5);
    }
    return server;
  }

  private static boolean isInstalled(String program) {
    return Stream.of(System.getenv("PATH").split(":"))
        .anyMatch(each -> Files.isExecutable(Path.of(each, program)));
  }

  private static byte valueAt(long seed, long at) {
    return (byte) (at * 31 + at / 512 * 7 + seed * 13 + 1);
  }

  private static MemorySegment pattern(DrivenStack stack, long seed, long bytes) {
    MemorySegment memory = stack.memory(bytes);
    for (long i = 0; i < bytes; i++) {
      memory.set(ValueLayout.JAVA_BYTE, i, valueAt(seed, i));
    }
    return memory;
  }

  /** Writes and reads all over the place, many at a time, and compares with a plain array. */
  private static void exercise(DrivenStack stack, Device leaf, long seed) {
    int size = (int) leaf.limits().sizeBytes();
    int block = Math.max(512, leaf.limits().logicalBlockBytes());
    MemorySegment model = stack.memory(size);
    assertThat(stack.run(leaf, Op.WRITE_ZEROES, 0, size).kind()).isEqualTo(Kind.DONE);
    Random random = new Random(seed);
    for (int round = 0; round < 8; round++) {
      List<Request> requests = new ArrayList<>();
      int at = 0;
      while (at < size) {
        int length = Math.min(size - at, block * (1 + random.nextInt(200)));
        switch (random.nextInt(6)) {
          case 0, 1 -> {
            MemorySegment from = pattern(stack, random.nextLong(), length);
            MemorySegment.copy(from, 0, model, at, length);
            requests.add(stack.submit(leaf, Op.WRITE, at, from, new CancelFlag()));
          }
          case 2 -> {
            model.asSlice(at, length).fill((byte) 0);
            requests.add(
                stack.submit(
                    leaf,
                    Op.WRITE_ZEROES,
                    at,
                    length,
                    MemorySegment.NULL,
                    new CancelFlag(),
                    false));
          }
          case 3 ->
              requests.add(
                  stack.submit(leaf, Op.FLUSH, 0, 0, MemorySegment.NULL, new CancelFlag(), false));
          default ->
              requests.add(stack.submit(leaf, Op.READ, at, stack.memory(length), new CancelFlag()));
        }
        at += length;
      }
      stack.finishAll();
      assertThat(requests).allMatch(each -> each.result().kind() == Kind.DONE);
      for (Request each : requests) {
        if (each.op == Op.READ) {
          long length = each.buffer.byteSize();
          assertThat(each.buffer.mismatch(model.asSlice(each.offsetBytes, length))).isEqualTo(-1);
        }
      }
    }
    MemorySegment all = stack.memory(size);
    assertThat(stack.run(leaf, Op.READ, 0, all)).isEqualTo(Outcome.done(size));
    assertThat(all.mismatch(model)).isEqualTo(-1);
  }

  private void exercise(NbdOptions options) throws IOException {
    try (DrivenStack stack = new DrivenStack()) {
      exercise(stack, Nbd.open(stack.loop, options), 7);
    }
  }

  @Test
  void nbdkitByManyConnections() throws Exception {
    nbdkit("memory", "4M");
    exercise(options("").withConnections(4));
  }

  @Test
  void nbdkitBehindADelay() throws Exception {
    nbdkit("--filter=delay", "memory", "4M", "rdelay=1ms", "wdelay=1ms");
    exercise(options("").withConnections(2).withDepth(16));
  }

  @Test
  void nbdkitWithSimpleReplies() throws Exception {
    nbdkit("--no-sr", "memory", "4M");
    exercise(options(""));
    exercise(options("").withReconnect(0).withConnections(2));
  }

  @Test
  void nbdkitWithoutZeroes() throws Exception {
    nbdkit("--filter=nozero", "memory", "4M", "zeromode=none");
    exercise(options(""));
  }

  @Test
  void nbdkitThatTakesOnlyWholeBlocks() throws Exception {
    nbdkit(
        "--filter=blocksize-policy",
        "memory",
        "4M",
        "blocksize-error-policy=error",
        "blocksize-minimum=4096",
        "blocksize-preferred=4096",
        "blocksize-maximum=64k");
    try (DrivenStack stack = new DrivenStack()) {
      Nbd leaf = Nbd.open(stack.loop, options(""));
      assertThat(leaf.limits().logicalBlockBytes()).isEqualTo(4096);
      assertThat(leaf.limits().largestTransferBytes()).isEqualTo(64 << 10);
      exercise(stack, leaf, 3);
    }
  }

  @Test
  void qemu() throws Exception {
    Path image = directory.resolve("image");
    Files.write(image, new byte[4 << 20]);
    start(
        List.of(
            "qemu-nbd",
            "-k",
            socket().toString(),
            "-f",
            "raw",
            "-x",
            "disk",
            "-e",
            "8",
            image.toString()));
    exercise(options("disk").withConnections(4));
  }

  @Test
  void errorsOfAServerComeWithItsWords() throws Exception {
    nbdkit("--filter=error", "memory", "4M", "error-pread=ENOSPC", "error-pread-rate=100%");
    try (DrivenStack stack = new DrivenStack()) {
      Nbd leaf = Nbd.open(stack.loop, options(""));
      Outcome read = stack.run(leaf, Op.READ, 0, stack.memory(4096));
      assertThat(Objects.requireNonNull(read.error()).errno()).isEqualTo(Errno.ENOSPC);
      assertThat(stack.run(leaf, Op.WRITE, 0, stack.memory(4096)).kind()).isEqualTo(Kind.DONE);
    }
  }

  @Test
  void aSlowServerDoesNotHoldUpACancelledRequest() throws Exception {
    nbdkit("--filter=delay", "memory", "4M", "rdelay=3");
    try (DrivenStack stack = new DrivenStack()) {
      Nbd leaf = Nbd.open(stack.loop, options(""));
      stack.run(leaf, Op.WRITE, 0, stack.memory(4096));
      CancelFlag flag = new CancelFlag();
      Request read = stack.submit(leaf, Op.READ, 0, stack.memory(65_536), flag);
      for (int i = 0; i < 5; i++) {
        stack.loop.turn(2_000_000);
      }
      flag.raise();
      assertThat(stack.finish(read).unknownBytes()).isEqualTo(65_536);
    }
  }

  @Test
  void holesOfASparseExport() throws Exception {
    nbdkit("memory", "4M");
    try (DrivenStack stack = new DrivenStack()) {
      Nbd leaf = Nbd.open(stack.loop, options(""));
      stack.run(leaf, Op.WRITE, 1 << 20, pattern(stack, 1, 65_536));
      Request find =
          stack.submit(
              leaf, Op.FIND_HOLES, 0, 4 << 20, MemorySegment.NULL, new CancelFlag(), false);
      assertThat(stack.finish(find).kind()).isEqualTo(Kind.DONE);
      assertThat(find.bio.holes().bytes()).isEqualTo((4 << 20) - 65_536);
    }
  }

  @Test
  void aServerThatDiesAndComesBackIsWaitedFor() throws Exception {
    Path image = directory.resolve("image");
    Files.write(image, new byte[4 << 20]);
    Process first = nbdkit("file", image.toString());
    try (DrivenStack stack = new DrivenStack()) {
      Nbd leaf = Nbd.open(stack.loop, options("").withConnections(2));
      MemorySegment from = pattern(stack, 1, 65_536);
      assertThat(stack.run(leaf, Op.WRITE, 0, from).kind()).isEqualTo(Kind.DONE);
      assertThat(stack.run(leaf, Op.FLUSH, 0, 0).kind()).isEqualTo(Kind.DONE);
      first.destroyForcibly().waitFor();
      Request read = stack.submit(leaf, Op.READ, 0, stack.memory(65_536), new CancelFlag());
      stack.loop.turn(1_000_000);
      nbdkit("file", image.toString());
      assertThat(stack.finish(read)).isEqualTo(Outcome.done(65_536));
      assertThat(read.buffer.mismatch(from)).isEqualTo(-1);
      assertThat(stack.run(leaf, Op.FLUSH, 0, 0).kind()).isEqualTo(Kind.DONE);
    }
  }

  @Test
  void withoutARing() throws Exception {
    nbdkit("memory", "4M");
    try (DrivenStack stack = new DrivenStack()) {
      NbdOptions options = options("").withConnections(2);
      exercise(
          stack,
          NbdOpening.open(stack.loop, options, loop -> new ChannelSockets(loop, KeepAlive.DEFAULT)),
          5);
    }
  }

  @Test
  void ourOwnServer() throws Exception {
    Path image = directory.resolve("image");
    List<Export> exports =
        List.of(
            new Export("disk", "memory(size=4M)", false, null, ""),
            new Export("file", "file(" + image + ", size=4M)", false, null, ""));
    try (NbdServer server = NbdServer.open(exports, ServerOptions.DEFAULTS, ServerLog.NONE)) {
      server.listen(new Address.Unix(socket().toString()));
      exercise(options("disk").withConnections(3));
      exercise(options("file"));
      try (DrivenStack stack = new DrivenStack()) {
        assertThatThrownBy(() -> Nbd.open(stack.loop, options("other")))
            .hasMessageContaining("It has \"disk\", \"file\"");
      }
    }
  }

  @Test
  void ourOwnServerThatIsStartedAgain() throws Exception {
    List<Export> exports =
        List.of(
            new Export("", "file(" + directory.resolve("image") + ", size=4M)", false, null, ""));
    Address.Unix at = new Address.Unix(socket().toString());
    try (DrivenStack stack = new DrivenStack();
        NbdServer second = NbdServer.open(exports, ServerOptions.DEFAULTS, ServerLog.NONE)) {
      MemorySegment from = pattern(stack, 1, 65_536);
      Nbd leaf;
      try (NbdServer first = NbdServer.open(exports, ServerOptions.DEFAULTS, ServerLog.NONE)) {
        first.listen(at);
        leaf = Nbd.open(stack.loop, options("").withConnections(2));
        assertThat(stack.run(leaf, Op.WRITE, 0, from).kind()).isEqualTo(Kind.DONE);
        assertThat(stack.run(leaf, Op.FLUSH, 0, 0).kind()).isEqualTo(Kind.DONE);
      }
      Request read = stack.submit(leaf, Op.READ, 0, stack.memory(65_536), new CancelFlag());
      stack.loop.turn(1_000_000);
      second.listen(at);
      assertThat(stack.finish(read)).isEqualTo(Outcome.done(65_536));
      assertThat(read.buffer.mismatch(from)).isEqualTo(-1);
    }
  }

  @Test
  void nbdkitOverTls() throws Exception {
    Path keys = Files.createDirectory(directory.resolve("keys"));
    Certificates authority = new Certificates("the disks").writeAuthority(keys);
    Duration ago = Duration.ofDays(-1);
    Duration ahead = Duration.ofDays(30);
    // GnuTLS does not read keys of elliptic curves as Java writes them.
    Certificates.write(keys, "server", authority.sign("server", "localhost", "RSA", ago, ahead));
    Certificates.write(keys, "client", authority.sign("client", "client", "RSA", ago, ahead));
    nbdkit("--tls=require", "--tls-verify-peer", "--tls-certificates=" + keys, "memory", "4M");
    exercise(options("").withTls(Tls.client(keys, "")).withConnections(3));
    exercise(options("").withTls(Tls.client(keys, "localhost")));
    try (DrivenStack stack = new DrivenStack()) {
      assertThatThrownBy(() -> Nbd.open(stack.loop, options("")))
          .isInstanceOf(IOException.class)
          .hasMessageContaining("The server wants TLS");
      NbdOptions wrongHost = options("").withTls(Tls.client(keys, "elsewhere.example"));
      assertThatThrownBy(() -> Nbd.open(stack.loop, wrongHost))
          .isInstanceOf(IOException.class)
          .hasMessageContaining("elsewhere.example");
      Path others = Files.createDirectory(directory.resolve("others"));
      new Certificates("somebody else").writeAuthority(others);
      NbdOptions stranger = options("").withTls(Tls.client(others, ""));
      assertThatThrownBy(() -> Nbd.open(stack.loop, stranger))
          .isInstanceOf(IOException.class)
          .hasMessageContaining("TLS");
    }
  }

  @Test
  void whatCannotBeOpenedIsSaid() throws Exception {
    try (DrivenStack stack = new DrivenStack()) {
      assertThatThrownBy(() -> Nbd.open(stack.loop, options("")))
          .isInstanceOf(IOException.class)
          .hasMessageContaining(socket().toString());
      Path image = directory.resolve("image");
      Files.write(image, new byte[4096]);
      start(
          List.of(
              "qemu-nbd",
              "-t",
              "-k",
              socket().toString(),
              "-f",
              "raw",
              "-x",
              "disk",
              image.toString()));
      assertThatThrownBy(() -> Nbd.open(stack.loop, options("other")))
          .isInstanceOf(IOException.class)
          .hasMessageContaining("\"other\"")
          .hasMessageContaining("It has \"disk\"");
    }
  }
}
