// SPDX-License-Identifier: Apache-2.0
package dev.belay.scenario;

import static org.assertj.core.api.Assertions.assertThat;

import dev.belay.scenario.PlainNbd.Reply;
import java.io.IOException;
import java.net.SocketAddress;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;

/**
 * What clients wrote to one export, block by block and version by version, while somebody kills the
 * server: what was sent, acknowledged, and made durable by a flush or by FUA. Afterwards every
 * block must hold what was durable, or something that was written later.
 */
final class WrittenBlocks {
  /** Not a divisor of anything, so that blocks share sectors and lie across chunks. */
  static final int BLOCK = 3000;

  private static final int MOST_AT_ONCE = 12;

  final String export;
  final int blocks;

  // Versions, from 1; 0 for what was there at first, which is zeroes. Under this object's lock.
  private final int[] acknowledged;
  private final int[] durable;
  private final int[] underWay;

  /** Whether nobody knows what it holds: a write that tore, since when none was made durable. */
  private final boolean[] isTorn;

  private int version;

  long acknowledgedWrites;
  private long durableWrites;
  long flushes;
  long lostUnflushed;
  long torn;

  WrittenBlocks(String export, int blocks) {
    this.export = export;
    this.blocks = blocks;
    acknowledged = new int[blocks];
    durable = new int[blocks];
    underWay = new int[blocks];
    isTorn = new boolean[blocks];
  }

  /** How many writes were made durable. */
  synchronized long durableWrites() {
    return durableWrites;
  }

  private byte[] content(int block, int version) {
    byte[] bytes = new byte[BLOCK];
    if (version > 0) {
      new Random((long) version << 32 | block).nextBytes(bytes);
    }
    return bytes;
  }

  /** Writes blocks, of which each client has its own, until the server is gone. */
  void writeUntilItDies(SocketAddress address, int client, int clients, Random random)
      throws IOException {
    try (PlainNbd nbd = PlainNbd.connect(address, export)) {
      for (; ; ) {
        if (random.nextInt(4) == 0) {
          flush(nbd);
        } else {
          writeSome(nbd, client, clients, random);
        }
      }
    }
  }

  private void writeSome(PlainNbd nbd, int client, int clients, Random random) throws IOException {
    boolean isFua = random.nextInt(5) == 0;
    List<Integer> chosen = new ArrayList<>();
    for (int i = 1 + random.nextInt(MOST_AT_ONCE); i > 0; i--) {
      int block = random.nextInt(blocks / clients) * clients + client;
      if (!chosen.contains(block)) {
        chosen.add(block);
      }
    }
    for (int block : chosen) {
      int now;
      synchronized (this) {
        now = ++version;
        underWay[block] = now;
      }
      nbd.write(isFua ? PlainNbd.FUA : 0, block, (long) block * BLOCK, content(block, now));
    }
    for (int i = 0; i < chosen.size(); i++) {
      Reply reply = nbd.receive();
      assertThat(reply.error()).as("the answer to a write").isZero();
      int block = (int) reply.cookie();
      synchronized (this) {
        acknowledged[block] = underWay[block];
        underWay[block] = 0;
        acknowledgedWrites++;
        if (isFua) {
          isDurable(block, acknowledged[block]);
        }
      }
    }
  }

  private void isDurable(int block, int which) {
    if (which > durable[block]) {
      durable[block] = which;
      isTorn[block] = false;
      durableWrites++;
    }
  }

  /** It makes durable what was acknowledged before it was sent, on whichever connection. */
  private void flush(PlainNbd nbd) throws IOException {
    int[] before;
    synchronized (this) {
      before = acknowledged.clone();
    }
    nbd.flush(-1);
    assertThat(nbd.receive().error()).as("the answer to a flush").isZero();
    synchronized (this) {
      flushes++;
      for (int block = 0; block < blocks; block++) {
        isDurable(block, before[block]);
      }
    }
  }

  /** Reads everything back from a server that was started again. */
  void check(SocketAddress address, String when) throws IOException {
    try (PlainNbd nbd = PlainNbd.connect(address, export)) {
      for (int block = 0; block < blocks; block++) {
        nbd.read(block, (long) block * BLOCK, BLOCK);
        Reply reply = nbd.receive();
        String which = "%s: block %d of %s".formatted(when, block, export);
        assertThat(reply.error()).as(which).isZero();
        check(block, reply.bytes(), which);
      }
      nbd.send(PlainNbd.DISC, 0, 0, 0, 0, new byte[0]);
    }
  }

  private void check(int block, byte[] found, String which) {
    int last = acknowledged[block];
    int sent = underWay[block];
    underWay[block] = 0;
    if (sent > 0 && Arrays.equals(found, content(block, sent))) {
      acknowledged[block] = sent;
    } else if (Arrays.equals(found, content(block, last))) {
      return;
    } else if (sent > 0) {
      if (!isTorn[block]) {
        isMixed(found, content(block, last), content(block, sent), which);
      }
      isTorn[block] = true;
      acknowledged[block] = 0;
      durable[block] = 0;
      torn++;
    } else if (!isTorn[block]) {
      assertThat(last).as(which + " does not hold what was durable").isGreaterThan(durable[block]);
      lostUnflushed++;
    }
  }

  /** A write that was never acknowledged may have been done in part, byte by byte. */
  private void isMixed(byte[] found, byte[] before, byte[] after, String which) {
    for (int i = 0; i < found.length; i++) {
      assertThat(found[i] == before[i] || found[i] == after[i])
          .as("%s holds at byte %d what nobody wrote", which, i)
          .isTrue();
    }
  }

  @Override
  public String toString() {
    return ("%s: %d writes acknowledged, %d of them made durable by %d flushes and FUA;"
            + " %d acknowledged ones lost, %d interrupted ones torn")
        .formatted(export, acknowledgedWrites, durableWrites, flushes, lostUnflushed, torn);
  }
}
