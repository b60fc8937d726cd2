// SPDX-License-Identifier: Apache-2.0
package dev.belay.scenario;

import static org.assertj.core.api.Assertions.assertThat;

import dev.belay.Device;
import dev.belay.leaf.UringFile;
import dev.belay.scenario.CancelRig.Layout;
import dev.belay.target.Align;
import dev.belay.target.Concat;
import dev.belay.target.Linear;
import dev.belay.target.Stripe;
import dev.belay.target.Throttle;
import dev.belay.uring.UringSupport;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/**
 * Laws 2, 3 and 4 on real files by io_uring: cancels at random moments of requests that split into
 * 64 or more pieces, over three stacks. It takes a few hundred cancels as it is, and all of them by
 *
 * <pre>mvn -pl :belay test -Dtest=TenThousandCancelsTest -Dbelay.cancels=10000</pre>
 *
 * The files are made below the directory of the system property {@code belay.cancels.directory},
 * which is to be on a disk, by default the build's own.
 */
final class TenThousandCancelsTest {
  private static final int CANCELS = Integer.getInteger("belay.cancels", 300);
  private static final int STACKS = 3;
  private static final long CHUNK = 16 << 10;

  /** The stacks by which the requests go. */
  private enum Kind {
    FILE,
    STRIPE,
    ALIGN
  }

  @Test
  @Timeout(1800)
  void nothingIsSentAfterTheFlagAndTheOutcomesAreTrue() throws Exception {
    UringSupport support = UringSupport.look();
    Assumptions.assumeTrue(support.usable(), "no io_uring here: " + support.sentence());
    Path base = Path.of(System.getProperty("belay.cancels.directory", "target"));
    Files.createDirectories(base);
    Tally whole = new Tally();
    long began = System.nanoTime();
    for (Kind kind : Kind.values()) {
      Tally tally =
          cancels(kind, base, CANCELS / STACKS + (kind == Kind.FILE ? CANCELS % STACKS : 0));
      System.out.println(kind + ": " + tally);
      assertThat(tally.wrong).isEmpty();
      assertThat(tally.midway).as("stopped midway, of " + kind).isGreaterThan(tally.raised / 10);
      assertThat(tally.done).as("done, of " + kind).isPositive();
      whole.addAll(tally);
    }
    String store = Files.getFileStore(base).type();
    long seconds = (System.nanoTime() - began) / 1_000_000_000L;
    System.out.println("All, on " + store + ", in " + seconds + " s: " + whole);
    assertThat(whole.wrongs).isZero();
    assertThat(whole.late).isZero();
    assertThat(whole.raised).isGreaterThanOrEqualTo(CANCELS);
    assertThat(whole.leastPieces).isGreaterThanOrEqualTo(CancelRig.LEAST_PIECES);
    assertThat(whole.midway).as("stopped midway").isGreaterThan(whole.raised / 4);
    assertThat(whole.raisedOnLoop).isBetween(whole.raised / 4, whole.raised * 3 / 4);
  }

  private static Tally cancels(Kind kind, Path base, int count) throws Exception {
    Path directory = Files.createTempDirectory(base, "cancels-");
    try (CancelRig rig = new CancelRig(directory)) {
      rig.setLayout(
          switch (kind) {
            case FILE -> file(rig);
            case STRIPE -> stripe(rig);
            case ALIGN -> align(rig);
          });
      for (int i = 0; rig.tally.raised < count; i++) {
        rig.round(kind.name().hashCode() * 1_000_003L + i);
      }
      return rig.tally;
    } finally {
      try (var files = Files.list(directory)) {
        for (Path each : files.toList()) {
          Files.delete(each);
        }
      }
      Files.delete(directory);
    }
  }

  /** {@code file(a, piece=4k, depth=16)}. */
  private static Layout file(CancelRig rig) throws IOException {
    UringFile a = rig.file("a", CancelRig.SIZE);
    return new Layout(a, CancelRig.SIZE, CancelRig.BLOCK, at -> 0, at -> at);
  }

  /** {@code stripe(a, b, c, chunk=16k)}. */
  private static Layout stripe(CancelRig rig) throws IOException {
    long size = CancelRig.SIZE / 3 / CHUNK * CHUNK + CHUNK;
    List<Device> files = List.of(rig.file("a", size), rig.file("b", size), rig.file("c", size));
    return new Layout(
        new Stripe(rig.stack.loop, files, CHUNK),
        (int) CHUNK,
        CancelRig.BLOCK,
        at -> at / CHUNK % 3,
        at -> at / CHUNK / 3 * CHUNK + at % CHUNK);
  }

  /** {@code align(throttle(concat(linear(a, offset=64k, size=S), linear(b)), bandwidth=256M))}. */
  private static Layout align(CancelRig rig) throws IOException {
    long skip = 64 << 10;
    long border = CancelRig.SIZE / 2 + (256 << 10);
    Device a = new Linear(rig.stack.loop, rig.file("a", skip + border), skip, border);
    UringFile fileB = rig.file("b", CancelRig.SIZE - border);
    Device b = new Linear(rig.stack.loop, fileB, 0, CancelRig.SIZE - border);
    Device concat = new Concat(rig.stack.loop, List.of(a, b));
    Device throttle = new Throttle(rig.stack.loop, concat, 0, 256 << 20, 1_000_000);
    return new Layout(
        new Align(rig.stack.loop, throttle, CancelRig.BLOCK, 1 << 20),
        64 << 10,
        8,
        at -> at < border ? 0 : 1,
        at -> at < border ? skip + at : at - border);
  }
}
