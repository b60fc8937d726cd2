// SPDX-License-Identifier: Apache-2.0
package dev.belay.leaf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIOException;
import static org.junit.jupiter.api.Assumptions.assumeFalse;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.belay.Bio;
import dev.belay.CancelFlag;
import dev.belay.Device;
import dev.belay.Errno;
import dev.belay.Limits;
import dev.belay.Loop;
import dev.belay.Op;
import dev.belay.Outcome;
import dev.belay.leaf.FileOptions.Direct;
import dev.belay.testing.DrivenStack;
import dev.belay.testing.Patterns;
import dev.belay.uring.Kernel;
import java.io.File;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.net.URISyntaxException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** How files are opened, made and turned down. */
final class FileOpeningTest {
  @TempDir Path directory;

  private FileOptions options(String name) {
    return FileOptions.of(directory.resolve(name).toString());
  }

  private static void refused(FileOptions options, String sentence) {
    for (ThreadFileTest.Calls calls : ThreadFileTest.Calls.values()) {
      assertThatIOException()
          .as(calls.name())
          .isThrownBy(() -> calls.open(options))
          .withMessageContaining(sentence);
    }
  }

  @Test
  void whatCannotBeUsedIsTurnedDownWithASentence() throws IOException {
    refused(options("missing"), "missing: to have it made, say how large, as in size=1G");
    refused(options("no/a").withSize(4096), "there is no directory " + directory.resolve("no"));
    refused(FileOptions.of(directory.toString()), "is a directory: name a file in it");
    refused(FileOptions.of("/dev/null"), "/dev/null is neither a file nor a block device");
    refused(FileOptions.of("a\0b"), "cannot be a path");
    refused(options("a").withSize(0), "a file of 0 bytes is no device");
    refused(options("a").withSize(4096).withBlock(1000), "a block is a power of two, not 1000");
    Files.createFile(directory.resolve("empty"));
    refused(options("empty"), "empty is empty: say how large it is to be, as in size=1G");
    Files.write(directory.resolve("odd"), new byte[1000]);
    refused(
        options("odd"), "has 1000 bytes, which is not a multiple of its block, 512: give size=");
    refused(
        options("odd").withSize(4096).withReadOnly(true),
        "has 1000 bytes and is not made longer to the 4096 of size=");
    assertThat(Files.size(directory.resolve("odd"))).isEqualTo(1000);
  }

  @Test
  void whatMayNotBeWrittenIsTurnedDownAndReadAllTheSame() throws IOException {
    Path path = Files.write(directory.resolve("a"), new byte[4096]);
    assumeTrue(path.toFile().setWritable(false));
    assumeFalse(Files.isWritable(path), "this user may write everything");
    refused(options("a"), "may not be written by this user: open it with read-only=on");
    ThreadFileTest.Calls.CHANNEL.open(options("a").withReadOnly(true)).close();
  }

  @ParameterizedTest
  @EnumSource
  void aFileIsMadeAndMadeLongerAndNeverCutOff(ThreadFileTest.Calls calls) throws IOException {
    FileOptions options = options("a").withDirect(Direct.OFF);
    for (long[] step : new long[][] {{8192, 8192}, {1 << 20, 1 << 20}, {4096, 1 << 20}}) {
      FileCalls file = calls.open(options.withSize(step[0]));
      assertThat(file.limits()).isEqualTo(new Limits(step[0], 512, 1, 1 << 20));
      file.close();
      assertThat(Files.size(directory.resolve("a"))).isEqualTo(step[1]);
    }
    FileCalls bytes = calls.open(options.withBlock(1).withSize(1001));
    assertThat(bytes.limits().logicalBlockBytes()).isEqualTo(1);
    bytes.close();
  }

  @Test
  void directTransfersWhereTheyCanBe() throws IOException {
    assumeTrue(Kernel.available(), Kernel.unavailableReason());
    FileOptions options = options("a").withSize(4 << 20);
    try (DrivenStack stack = new DrivenStack()) {
      ThreadFile device;
      try {
        device = ThreadFile.open(stack.loop, options.withDirect(Direct.ON), 8, 2);
      } catch (IOException e) {
        assertThat(e).hasMessageContaining("cannot do direct transfers: ");
        device = ThreadFile.open(stack.loop, options, 8, 2);
        assertThat(device.status()).contains("buffered");
        return;
      }
      assertThat(device.status()).contains("direct");
      MemorySegment buffer = stack.memory(2 << 20);
      Patterns.fill(buffer, 0, 4);
      assertThat(stack.run(device, Op.WRITE, 1 << 20, buffer)).isEqualTo(Outcome.done(2 << 20));
      buffer.fill((byte) 0);
      assertThat(stack.run(device, Op.READ, 1 << 20, buffer)).isEqualTo(Outcome.done(2 << 20));
      assertThat(Patterns.firstOther(buffer, 0, 4)).isEqualTo(-1);
      int block = device.limits().logicalBlockBytes();
      Outcome odd = stack.run(device, Op.READ, block / 2, buffer.asSlice(0, block));
      assertThat(odd.result()).isEqualTo(-Errno.EINVAL);
    }
  }

  @Test
  void directTransfersAreNotForcedOnWhatDoesNotFit() throws IOException {
    assumeTrue(Kernel.available(), Kernel.unavailableReason());
    FileOptions options = options("a").withSize(1001).withBlock(1);
    assertThat(NativeFile.open(options).isDirect()).isFalse();
    assertThatIOException()
        .isThrownBy(() -> NativeFile.open(options.withDirect(Direct.ON)))
        .withMessageContaining("cannot do direct transfers: ");
  }

  /** Set -Dbelay.test.block-device=/dev/loop9 to have its content overwritten by this. */
  @Test
  void blockDevices() throws IOException {
    String path = System.getProperty("belay.test.block-device");
    assumeTrue(path != null, "no block device to write to");
    try (DrivenStack stack = new DrivenStack()) {
      ThreadFile device = ThreadFile.open(stack.loop, FileOptions.of(path), 8, 2);
      MemorySegment buffer = stack.memory(1 << 20);
      Patterns.fill(buffer, 0, 4);
      assertThat(stack.run(device, Op.WRITE, 0, buffer)).isEqualTo(Outcome.done(1 << 20));
      assertThat(stack.run(device, Op.FLUSH, 0, 0).kind()).isEqualTo(Outcome.Kind.DONE);
      assertThat(stack.run(device, Op.WRITE_ZEROES, 0, 8192).doneBytes()).isEqualTo(8192);
      assertThat(stack.run(device, Op.DISCARD, 16384, 8192).doneBytes()).isEqualTo(8192);
      assertThat(stack.run(device, Op.READ, 0, buffer)).isEqualTo(Outcome.done(1 << 20));
      assertThat(Patterns.firstOtherByte(buffer.asSlice(0, 8192), (byte) 0)).isEqualTo(-1);
      assertThat(Patterns.firstOther(buffer.asSlice(8192, 8192), 8192, 4)).isEqualTo(-1);
      assertThat(Patterns.firstOther(buffer.asSlice(24576), 24576, 4)).isEqualTo(-1);
    }
    assertThatIOException()
        .isThrownBy(() -> NativeFile.open(FileOptions.of(path).withSize(1L << 60)))
        .withMessageContaining("is not made longer");
  }

  @Test
  void itWorksWhereNativeAccessIsDenied() throws Exception {
    String java = Path.of(System.getProperty("java.home"), "bin", "java").toString();
    String classes = home(Loop.class) + File.pathSeparator + home(FileOpeningTest.class);
    Process program =
        new ProcessBuilder(
                java,
                "-XX:TieredStopAtLevel=1",
                "--illegal-native-access=deny",
                "-cp",
                classes,
                Denied.class.getName(),
                directory.resolve("a").toString())
            .redirectErrorStream(true)
            .start();
    String said = new String(program.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertThat(program.waitFor(60, TimeUnit.SECONDS)).isTrue();
    assertThat(said)
        .contains("DONE: 4096 of 4096 bytes done")
        .contains("cannot do direct transfers: native access is denied to this code: start java")
        .contains("; by threads, because native access is denied to this code: start java");
    String warning =
        "files are read and written by threads and through the page cache, never direct: native"
            + " access is denied to this code: start java";
    assertThat(said.split(warning, -1)).as("once: %s", said).hasSize(2);
  }

  private static String home(Class<?> type) throws URISyntaxException {
    return Path.of(type.getProtectionDomain().getCodeSource().getLocation().toURI()).toString();
  }

  /** A program of its own, without native access. */
  static final class Denied {
    private Denied() {}

    public static void main(String[] arguments) throws IOException {
      FileOptions options = FileOptions.of(arguments[0]).withSize(1 << 20);
      Loop loop = Loop.driven();
      Device device = FileEngine.AUTO.open(loop, options);
      FileEngine.AUTO.open(loop, options);
      System.out.println(device.status());
      var bio = new Bio(loop, ended -> System.out.println(ended.outcome()));
      MemorySegment buffer = Arena.ofAuto().allocate(4096);
      bio.prepare(Op.WRITE, device, 0, 4096, buffer, 0, new CancelFlag());
      loop.enter(bio);
      while (loop.openRequests() > 0) {
        loop.turn(1_000_000);
      }
      loop.close(Long.MAX_VALUE);
      try {
        FileEngine.AUTO.open(Loop.driven(), options.withDirect(Direct.ON));
      } catch (IOException e) {
        System.out.println(e.getMessage());
      }
    }
  }
}
