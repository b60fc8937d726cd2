// SPDX-License-Identifier: Apache-2.0
package dev.belay.leaf;

import static org.assertj.core.api.Assertions.assertThat;

import dev.belay.CancelFlag;
import dev.belay.Errno;
import dev.belay.Op;
import dev.belay.Outcome;
import dev.belay.Outcome.Kind;
import dev.belay.nbd.Nbd;
import dev.belay.testing.DrivenStack.Request;
import dev.belay.testing.SimNbd;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.Test;

/** What the leaf does with a server that keeps to the protocol, and with the flag. */
final class NbdTest {
  private static final long LONG_NANOS = 1_000_000_000;

  private static List<Integer> types(SimNbd server) {
    return server.received.stream().map(SimNbd.Received::type).toList();
  }

  @Test
  void whatIsWrittenIsRead() {
    try (NbdRig rig = NbdRig.usual()) {
      MemorySegment from = rig.pattern(1, 700_000);
      assertThat(rig.stack.run(rig.leaf, Op.WRITE, 4096, from)).isEqualTo(Outcome.done(700_000));
      rig.assertHolds(from, 4096);
      MemorySegment into = rig.stack.memory(700_000);
      assertThat(rig.stack.run(rig.leaf, Op.READ, 4096, into)).isEqualTo(Outcome.done(700_000));
      assertThat(into.mismatch(from)).isEqualTo(-1);
      assertThat(rig.server.received).allMatch(each -> each.lengthBytes() <= 256 << 10);
      assertThat(rig.stack.run(rig.leaf, Op.WRITE_ZEROES, 4096, 100_000).kind())
          .isEqualTo(Kind.DONE);
      assertThat(rig.server.cache[4096]).isZero();
      assertThat(rig.stack.run(rig.leaf, Op.FLUSH, 0, 0).kind()).isEqualTo(Kind.DONE);
      assertThat(rig.server.durable).isEqualTo(rig.server.cache);
    }
  }

  @Test
  void severalConnectionsShareTheWork() {
    try (NbdRig rig = NbdRig.of(options -> options.withConnections(4).withDepth(2))) {
      List<Request> requests = new ArrayList<>();
      for (int i = 0; i < 64; i++) {
        requests.add(rig.write(i * 4096L, rig.pattern(i, 4096), new CancelFlag()));
      }
      rig.stack.finishAll();
      assertThat(requests).allMatch(each -> each.result().kind() == Kind.DONE);
      assertThat(rig.server.received.stream().mapToInt(SimNbd.Received::connection).distinct())
          .hasSize(4);
      for (int i = 0; i < 64; i++) {
        rig.assertHolds(rig.pattern(i, 4096), i * 4096L);
      }
    }
  }

  @Test
  void withoutMultiConnThereIsOneConnection() {
    try (NbdRig rig =
        new NbdRig(
            1, o -> o.withConnections(4), server -> server.without(Nbd.FLAG_CAN_MULTI_CONN))) {
      rig.stack.run(rig.leaf, Op.WRITE, 0, rig.pattern(1, 65_536));
      rig.pass(LONG_NANOS);
      assertThat(rig.server.accepted()).isEqualTo(1);
      assertThat(rig.leaf.status()).contains("does not allow several connections");
    }
  }

  @Test
  void whatTheServerCannotIsDoneOtherwiseOrNotAtAll() {
    int missing =
        Nbd.FLAG_SEND_FLUSH | Nbd.FLAG_SEND_FUA | Nbd.FLAG_SEND_TRIM | Nbd.FLAG_SEND_WRITE_ZEROES;
    try (NbdRig rig = new NbdRig(1, o -> o, server -> server.without(missing))) {
      rig.stack.run(rig.leaf, Op.WRITE, 0, rig.pattern(1, 600_000));
      assertThat(rig.stack.run(rig.leaf, Op.WRITE_ZEROES, 0, 600_000))
          .isEqualTo(Outcome.done(600_000));
      assertThat(rig.server.cache).containsOnly(0);
      assertThat(rig.stack.run(rig.leaf, Op.DISCARD, 0, 4096)).isEqualTo(Outcome.done(4096));
      assertThat(rig.stack.run(rig.leaf, Op.FLUSH, 0, 0)).isEqualTo(Outcome.done(0));
      assertThat(types(rig.server)).containsOnly(Nbd.CMD_WRITE);
    }
  }

  @Test
  void fuaIsAFlagOrAFlushBehindTheWrite() {
    try (NbdRig rig = NbdRig.usual()) {
      writeDurably(rig);
      assertThat(rig.server.received.getLast().flags() & Nbd.CMD_FLAG_FUA).isNotZero();
      assertThat(types(rig.server)).containsExactly(Nbd.CMD_WRITE);
    }
    try (NbdRig rig = new NbdRig(1, o -> o, server -> server.without(Nbd.FLAG_SEND_FUA))) {
      writeDurably(rig);
      assertThat(types(rig.server)).containsExactly(Nbd.CMD_WRITE, Nbd.CMD_FLUSH);
    }
  }

  private static void writeDurably(NbdRig rig) {
    MemorySegment from = rig.pattern(1, 4096);
    Request write = rig.stack.submit(rig.leaf, Op.WRITE, 0, 4096, from, new CancelFlag(), true);
    assertThat(rig.stack.finish(write)).isEqualTo(Outcome.done(4096));
    assertThat(MemorySegment.ofArray(rig.server.durable).asSlice(0, 4096).mismatch(from))
        .isEqualTo(-1);
  }

  @Test
  void aReadOnlyExportRefusesToBeChanged() {
    try (NbdRig rig =
        new NbdRig(1, o -> o, s -> s.withFlags(Nbd.FLAG_HAS_FLAGS | Nbd.FLAG_READ_ONLY))) {
      Outcome outcome = rig.stack.run(rig.leaf, Op.WRITE, 0, rig.pattern(1, 4096));
      assertThat(Objects.requireNonNull(outcome.error()).errno()).isEqualTo(Errno.EROFS);
      assertThat(outcome.cleanBytes()).isEqualTo(4096);
    }
  }

  @Test
  void holesAreAskedFor() {
    try (NbdRig rig = NbdRig.usual()) {
      rig.stack.run(rig.leaf, Op.WRITE, 65_536, rig.pattern(1, 8192));
      Request find =
          rig.stack.submit(
              rig.leaf,
              Op.FIND_HOLES,
              0,
              NbdRig.SIZE_BYTES,
              MemorySegment.NULL,
              new CancelFlag(),
              false);
      assertThat(rig.stack.finish(find).kind()).isEqualTo(Kind.DONE);
      assertThat(find.bio.holes().toString()).isEqualTo("[0+65536, 73728+974848]");
    }
  }

  @Test
  void anErrorOfTheServerIsToldWithItsSentence() {
    try (NbdRig rig = NbdRig.usual()) {
      rig.server.answerWith(request -> request.type() == Nbd.CMD_READ ? Nbd.EIO : Nbd.ENOSPC);
      Outcome read = rig.stack.run(rig.leaf, Op.READ, 0, rig.stack.memory(4096));
      assertThat(String.valueOf(read.error()))
          .contains("READ of 4096 bytes at 0", "EIO", "the test wants it");
      Outcome write = rig.stack.run(rig.leaf, Op.WRITE, 0, rig.pattern(1, 4096));
      assertThat(Objects.requireNonNull(write.error()).errno()).isEqualTo(Errno.ENOSPC);
      assertThat(write.unknownBytes()).isEqualTo(4096);
    }
  }

  @Test
  void whatIsBeyondTheDepthWaitsAndStaysClean() {
    try (NbdRig rig = NbdRig.of(options -> options.withDepth(2))) {
      rig.server.hang(true);
      CancelFlag flag = new CancelFlag();
      List<Request> requests = new ArrayList<>();
      for (int i = 0; i < 6; i++) {
        requests.add(rig.write(i * 4096L, rig.pattern(i, 4096), flag));
      }
      rig.pass(LONG_NANOS);
      assertThat(rig.server.received).hasSize(2);
      flag.raise();
      rig.stack.finishAll();
      for (int i = 0; i < 6; i++) {
        Outcome outcome = requests.get(i).result();
        assertThat(outcome.kind()).isEqualTo(Kind.CANCELLED);
        assertThat(i < 2 ? outcome.unknownBytes() : outcome.cleanBytes()).isEqualTo(4096);
      }
      rig.server.hang(false);
      rig.pass(LONG_NANOS);
      assertThat(rig.server.received).hasSize(2);
    }
  }

  @Test
  void anAnswerThatComesTooLateTouchesNothing() {
    try (NbdRig rig = NbdRig.usual()) {
      rig.stack.run(rig.leaf, Op.WRITE, 0, rig.pattern(1, 200_000));
      rig.server.hang(true);
      CancelFlag flag = new CancelFlag();
      MemorySegment into = rig.stack.memory(200_000).fill((byte) 0x5E);
      Request read = rig.read(0, into, flag);
      rig.pass(LONG_NANOS);
      flag.raise();
      assertThat(rig.stack.finish(read).unknownBytes()).isEqualTo(200_000);
      into.fill((byte) 0x77);
      rig.server.hang(false);
      MemorySegment other = rig.stack.memory(4096);
      assertThat(rig.stack.run(rig.leaf, Op.READ, 8192, other).kind()).isEqualTo(Kind.DONE);
      rig.pass(LONG_NANOS);
      for (long i = 0; i < into.byteSize(); i++) {
        assertThat(into.get(ValueLayout.JAVA_BYTE, i)).isEqualTo((byte) 0x77);
      }
      assertThat(rig.server.accepted()).isEqualTo(1);
    }
  }

  @Test
  void whatOverlapsAWriteThatWasGivenUpWaitsForItsAnswer() {
    try (NbdRig rig = NbdRig.usual()) {
      rig.server.hang(true);
      CancelFlag flag = new CancelFlag();
      Request first = rig.write(4096, rig.pattern(1, 8192), flag);
      rig.pass(LONG_NANOS);
      flag.raise();
      assertThat(rig.stack.finish(first).unknownBytes()).isEqualTo(8192);
      MemorySegment newer = rig.pattern(2, 4096);
      Request second = rig.write(8192, newer, new CancelFlag());
      Request beside = rig.write(65_536, newer, new CancelFlag());
      rig.pass(LONG_NANOS);
      assertThat(rig.server.received).hasSize(2);
      rig.server.hang(false);
      assertThat(rig.stack.finish(second)).isEqualTo(Outcome.done(4096));
      assertThat(rig.stack.finish(beside)).isEqualTo(Outcome.done(4096));
      rig.pass(LONG_NANOS);
      rig.assertHolds(newer, 8192);
    }
  }

  @Test
  void aServerThatReceivesNothingDoesNotKeepWhatWasAskedToStop() {
    try (NbdRig rig = NbdRig.usual()) {
      rig.stack.run(rig.leaf, Op.FLUSH, 0, 0);
      rig.server.readNothing(true);
      CancelFlag flag = new CancelFlag();
      List<Request> requests = new ArrayList<>();
      for (int i = 0; i < 8; i++) {
        requests.add(rig.write(i * 65_536L, rig.pattern(i, 65_536), flag));
      }
      rig.pass(LONG_NANOS);
      flag.raise();
      rig.stack.finishAll();
      assertThat(requests).allMatch(each -> each.result().kind() == Kind.CANCELLED);
      rig.server.readNothing(false);
      assertThat(rig.stack.run(rig.leaf, Op.READ, 0, rig.stack.memory(4096)).kind())
          .isEqualTo(Kind.DONE);
    }
  }

  @Test
  void closingDoesNotWaitForAServerThatHangs() {
    try (NbdRig rig = NbdRig.of(options -> options.withConnections(3))) {
      rig.server.hang(true);
      for (int i = 0; i < 20; i++) {
        rig.write(i * 4096L, rig.pattern(i, 4096), new CancelFlag());
        rig.read(i * 4096L, rig.stack.memory(4096), new CancelFlag());
      }
      rig.pass(LONG_NANOS);
      assertThat(rig.stack.loop.close(Long.MAX_VALUE)).isZero();
    }
  }

  @Test
  void nothingIsAllocatedForWhatDoesNotExist() {
    try (NbdRig rig = NbdRig.usual()) {
      assertThat(rig.stack.run(rig.leaf, Op.READ, 0, MemorySegment.NULL))
          .isEqualTo(Outcome.done(0));
      assertThat(rig.server.received).isEmpty();
    }
  }
}
