// SPDX-License-Identifier: Apache-2.0
package dev.belay.scenario;

import static org.assertj.core.api.Assertions.assertThat;

import dev.belay.scenario.PlainNbd.Reply;
import java.io.IOException;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * A crowd of clients that are silent, slow, greedy or malformed, each in its own way, and one that
 * is well-behaved: its bytes are right and it does not wait; the server's memory stays within its
 * limits; and all of the crowd are shown out when their time is over.
 *
 * <p>{@code -Dbelay.crowd=500} for so many instead of 64.
 */
@Timeout(300)
final class ServerCrowdTest {
  private static final int CROWD = Integer.getInteger("belay.crowd", 64);
  private static final long PATIENCE_MILLIS = CROWD > 100 ? 5000 : 1500;

  /** The limits of the server, and what a JVM needs. */
  private static final long MOST_RESIDENT_BYTES = (128L + 128 + 300) << 20;

  private static final int BLOCK = 4096;
  private static final int MIB = 1 << 20;

  @TempDir Path directory;

  /** What a client of the crowd does until it is shown out. */
  private enum Manner {
    SILENT_AT_FIRST,
    GREETS_BYTE_BY_BYTE,
    SILENT_AFTER_ITS_CHOICE,
    NEVER_READS_REPLIES,
    SENDS_HALF_A_PAYLOAD,
    SENDS_HALF_A_HEADER,
    SENDS_NOISE,
    SENDS_NOISE_AT_FIRST
  }

  private UnixDomainSocketAddress address() {
    return UnixDomainSocketAddress.of(directory.resolve("socket"));
  }

  @Test
  void aCrowdOfBadClientsHarmsNobody() throws Exception {
    Process server =
        KilledServer.start(address(), PATIENCE_MILLIS, List.of("", "memory(size=64M)"));
    Map<String, Integer> ends = new ConcurrentSkipListMap<>();
    AtomicInteger shownOut = new AtomicInteger();
    List<SocketChannel> crowd = new ArrayList<>();
    try (PlainNbd good = PlainNbd.connect(address(), "")) {
      Thread.ofVirtual()
          .start(
              () ->
                  server
                      .inputReader()
                      .lines()
                      .forEach(
                          line -> {
                            ends.merge(line.replaceAll(": 0x.*", ""), 1, Integer::sum);
                            shownOut.incrementAndGet();
                          }));
      Random random = new Random(5);
      int[] versions = new int[(int) (good.sizeBytes / BLOCK)];
      List<Long> alone = new ArrayList<>();
      behave(good, versions, random, alone, System.nanoTime() + 1_000_000_000L);
      long residentAlone = residentBytes(server);

      List<SocketChannel> slow = new ArrayList<>();
      List<Long> meanwhile = new ArrayList<>();
      for (int i = 0; i < CROWD; i++) {
        Manner manner = Manner.values()[i % Manner.values().length];
        SocketChannel bad = enter(manner, random);
        crowd.add(bad);
        if (manner == Manner.GREETS_BYTE_BY_BYTE) {
          slow.add(bad);
        }
        behave(good, versions, random, meanwhile, 0);
      }
      long until = System.nanoTime() + 60_000_000_000L;
      while (shownOut.get() < CROWD && System.nanoTime() < until) {
        behave(good, versions, random, meanwhile, System.nanoTime() + 100_000_000L);
        slow.removeIf(each -> !sendByte(each));
      }
      report(ends, alone, meanwhile, residentAlone, residentBytes(server));
      assertThat(shownOut).as("all are shown out: " + ends).hasValue(CROWD);
      assertThat(residentBytes(server)).as("resident memory").isLessThan(MOST_RESIDENT_BYTES);
      assertThat(percentile(meanwhile, 99)).as("ns").isLessThan(1_000_000_000L);
      assertThat(percentile(meanwhile, 100)).as("ns").isLessThan(10_000_000_000L);
    } finally {
      for (SocketChannel each : crowd) {
        each.close();
      }
      server.destroyForcibly();
      assertThat(server.waitFor(30, TimeUnit.SECONDS)).isTrue();
    }
  }

  // --- The well-behaved one ---

  /** Writes and reads blocks until then, at least one of each. */
  private static void behave(
      PlainNbd good, int[] versions, Random random, List<Long> nanos, long until)
      throws IOException {
    do {
      int block = random.nextInt(versions.length);
      long start = System.nanoTime();
      good.write(0, 1, (long) block * BLOCK, content(block, ++versions[block]));
      assertThat(good.receive().error()).isZero();
      long between = System.nanoTime();
      int other = random.nextInt(versions.length);
      good.read(2, (long) other * BLOCK, BLOCK);
      Reply read = good.receive();
      nanos.add(between - start);
      nanos.add(System.nanoTime() - between);
      assertThat(read.error()).isZero();
      assertThat(read.bytes()).isEqualTo(content(other, versions[other]));
    } while (System.nanoTime() < until);
  }

  private static byte[] content(int block, int version) {
    byte[] bytes = new byte[BLOCK];
    if (version > 0) {
      new Random((long) version << 32 | block).nextBytes(bytes);
    }
    return bytes;
  }

  // --- The others ---

  private SocketChannel enter(Manner manner, Random random) throws IOException {
    boolean greets =
        switch (manner) {
          case SILENT_AT_FIRST, GREETS_BYTE_BY_BYTE, SENDS_NOISE_AT_FIRST -> false;
          default -> true;
        };
    SocketChannel channel =
        greets ? PlainNbd.connect(address(), "").channel() : PlainNbd.dial(address());
    channel.configureBlocking(false);
    switch (manner) {
      case SILENT_AT_FIRST, GREETS_BYTE_BY_BYTE, SILENT_AFTER_ITS_CHOICE -> {}
      case NEVER_READS_REPLIES -> {
        ByteBuffer requests = ByteBuffer.allocate(32 * 28);
        for (int i = 0; i < 32; i++) {
          requests.put(header(PlainNbd.READ, i, MIB));
        }
        write(channel, requests.flip());
      }
      case SENDS_HALF_A_PAYLOAD -> {
        write(channel, header(PlainNbd.WRITE, 1, MIB));
        write(channel, ByteBuffer.allocate(100_000));
      }
      case SENDS_HALF_A_HEADER -> write(channel, header(PlainNbd.WRITE, 1, MIB).limit(11));
      case SENDS_NOISE, SENDS_NOISE_AT_FIRST -> {
        byte[] noise = new byte[200];
        random.nextBytes(noise);
        write(channel, ByteBuffer.wrap(noise));
      }
    }
    return channel;
  }

  private static ByteBuffer header(int type, long cookie, int lengthBytes) {
    return ByteBuffer.allocate(28)
        .putInt(0x25609513)
        .putShort((short) 0)
        .putShort((short) type)
        .putLong(cookie)
        .putLong(32 << 20)
        .putInt(lengthBytes)
        .flip();
  }

  /** As much as goes; the server may have closed it already. */
  private static void write(SocketChannel channel, ByteBuffer bytes) {
    try {
      int unused = channel.write(bytes);
    } catch (IOException e) {
      // It was shown out.
    }
  }

  private static boolean sendByte(SocketChannel channel) {
    try {
      return channel.write(ByteBuffer.allocate(1)) == 1;
    } catch (IOException e) {
      return false;
    }
  }

  // --- Figures ---

  private static long residentBytes(Process server) throws IOException {
    return Files.readAllLines(Path.of("/proc/" + server.pid() + "/status")).stream()
        .filter(line -> line.startsWith("VmHWM:"))
        .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", "")) << 10)
        .findFirst()
        .orElse(0);
  }

  private static long percentile(List<Long> nanos, int percent) {
    long[] sorted = nanos.stream().mapToLong(Long::longValue).sorted().toArray();
    return sorted[Math.min(sorted.length - 1, sorted.length * percent / 100)];
  }

  private static String micros(List<Long> nanos) {
    return Arrays.stream(new int[] {50, 99, 100})
        .mapToObj(each -> "p" + each + " " + percentile(nanos, each) / 1000 + " us")
        .reduce((a, b) -> a + ", " + b)
        .orElse("");
  }

  private static void report(
      Map<String, Integer> ends,
      List<Long> alone,
      List<Long> meanwhile,
      long residentAlone,
      long resident) {
    System.out.printf("alone: %d requests, %s%n", alone.size(), micros(alone));
    System.out.printf(
        "in a crowd of %d: %d requests, %s%n", CROWD, meanwhile.size(), micros(meanwhile));
    System.out.printf(
        "the server's resident memory: %d MiB alone, %d MiB at most%n",
        residentAlone >> 20, resident >> 20);
    new TreeMap<>(ends).forEach((end, count) -> System.out.println(count + " " + end));
  }
}
