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
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.Test;

/** Connections that are lost, servers that die, hang, or break the protocol. */
final class NbdReconnectTest {
  private static final long SECOND = 1_000_000_000;

  private static String sentence(Request request) {
    return Objects.requireNonNull(request.result().error()).toString();
  }

  @Test
  void whatWasNotAnsweredIsSentAgain() {
    try (NbdRig rig = NbdRig.of(options -> options.withConnections(3))) {
      rig.stack.run(rig.leaf, Op.WRITE, 0, rig.pattern(9, 4096));
      assertThat(rig.stack.run(rig.leaf, Op.FLUSH, 0, 0).kind()).isEqualTo(Kind.DONE);
      rig.server.hang(true);
      List<Request> writes = new ArrayList<>();
      for (int i = 1; i < 20; i++) {
        writes.add(rig.write(i * 4096L, rig.pattern(i, 4096), new CancelFlag()));
      }
      Request read = rig.read(0, rig.stack.memory(4096), new CancelFlag());
      rig.pass(SECOND);
      rig.server.drop();
      rig.server.hang(false);
      rig.stack.finishAll();
      assertThat(writes).allMatch(each -> each.result().kind() == Kind.DONE);
      assertThat(read.buffer.mismatch(rig.pattern(9, 4096))).isEqualTo(-1);
      for (int i = 1; i < 20; i++) {
        rig.assertHolds(rig.pattern(i, 4096), i * 4096L);
      }
      assertThat(rig.server.received).hasSizeGreaterThan(40);
      assertThat(rig.leaf.status()).contains("lost 3 connections");
    }
  }

  @Test
  void aServerThatIsAwayIsWaitedForAndThenNot() {
    try (NbdRig rig = NbdRig.of(options -> options.withReconnect(2 * SECOND))) {
      rig.stack.run(rig.leaf, Op.READ, 0, rig.stack.memory(4096));
      rig.server.hang(true);
      Request sent = rig.write(0, rig.pattern(1, 4096), new CancelFlag());
      rig.pass(SECOND);
      rig.server.kill();
      rig.pass(SECOND);
      Request parked = rig.write(4096, rig.pattern(1, 4096), new CancelFlag());
      CancelFlag flag = new CancelFlag();
      Request cancelled = rig.write(8192, rig.pattern(1, 4096), flag);
      rig.pass(SECOND / 2);
      flag.raise();
      assertThat(rig.stack.finish(cancelled).cleanBytes()).isEqualTo(4096);
      assertThat(sent.ended() || parked.ended()).isFalse();
      rig.pass(SECOND);
      assertThat(sent.result().kind()).isEqualTo(Kind.FAILED);
      assertThat(sent.result().unknownBytes()).isEqualTo(4096);
      assertThat(parked.result().cleanBytes()).isEqualTo(4096);
      assertThat(sentence(parked)).contains("no connection for 2000 ms", "nobody listens");
      Outcome late = rig.stack.run(rig.leaf, Op.READ, 0, rig.stack.memory(4096));
      assertThat(late.kind()).isEqualTo(Kind.FAILED);
      rig.server.hang(false);
      rig.server.start();
      rig.pass(6 * SECOND);
      assertThat(rig.stack.run(rig.leaf, Op.READ, 0, rig.stack.memory(4096)).kind())
          .isEqualTo(Kind.DONE);
    }
  }

  @Test
  void withoutReconnectNothingIsSentTwice() {
    try (NbdRig rig = NbdRig.of(options -> options.withReconnect(0).withDepth(1))) {
      rig.stack.run(rig.leaf, Op.READ, 0, rig.stack.memory(4096));
      rig.server.hang(true);
      Request sent = rig.write(0, rig.pattern(1, 4096), new CancelFlag());
      Request parked = rig.write(4096, rig.pattern(1, 4096), new CancelFlag());
      rig.pass(SECOND);
      rig.server.drop();
      rig.stack.finishAll();
      assertThat(sent.result().unknownBytes()).isEqualTo(4096);
      assertThat(parked.result().cleanBytes()).isEqualTo(4096);
      assertThat(parked.result().kind()).isEqualTo(Kind.FAILED);
      rig.pass(10 * SECOND);
      assertThat(rig.server.accepted()).isEqualTo(1);
    }
  }

  @Test
  void aFlushFailsOnceWhereAcknowledgedWritesMayBeLost() {
    try (NbdRig rig = NbdRig.usual()) {
      rig.stack.run(rig.leaf, Op.WRITE, 0, rig.pattern(1, 4096));
      rig.server.kill();
      rig.server.start();
      Outcome flush = rig.stack.run(rig.leaf, Op.FLUSH, 0, 0);
      assertThat(flush.kind()).isEqualTo(Kind.FAILED);
      assertThat(Objects.requireNonNull(flush.error()).errno()).isEqualTo(Errno.EIO);
      assertThat(rig.server.durable[0]).isZero();
      rig.stack.run(rig.leaf, Op.WRITE, 0, rig.pattern(1, 4096));
      assertThat(rig.stack.run(rig.leaf, Op.FLUSH, 0, 0).kind()).isEqualTo(Kind.DONE);
      assertThat(rig.server.durable[0]).isEqualTo(NbdRig.valueAt(1, 0));
    }
  }

  @Test
  void flushesThatAreUnderWayFailToo() {
    try (NbdRig rig = NbdRig.usual()) {
      rig.stack.run(rig.leaf, Op.WRITE, 0, rig.pattern(1, 4096));
      rig.server.hang(true);
      Request first = rig.flush();
      Request second = rig.flush();
      rig.pass(SECOND);
      rig.server.kill();
      rig.server.hang(false);
      rig.server.start();
      rig.stack.finishAll();
      assertThat(first.result().kind()).isEqualTo(Kind.FAILED);
      assertThat(second.result().kind()).isEqualTo(Kind.FAILED);
      assertThat(rig.stack.run(rig.leaf, Op.FLUSH, 0, 0).kind()).isEqualTo(Kind.DONE);
    }
  }

  @Test
  void flushesThatWaitForAPlaceFailToo() {
    try (NbdRig rig = NbdRig.of(options -> options.withDepth(1))) {
      rig.stack.run(rig.leaf, Op.WRITE, 0, rig.pattern(1, 4096));
      rig.server.hang(true);
      List<Request> flushes = new ArrayList<>();
      for (int i = 0; i < 3; i++) {
        flushes.add(rig.flush());
      }
      rig.pass(SECOND);
      rig.server.kill();
      rig.server.hang(false);
      rig.server.start();
      rig.stack.finishAll();
      assertThat(flushes).allMatch(each -> each.result().kind() == Kind.FAILED);
      assertThat(rig.stack.run(rig.leaf, Op.FLUSH, 0, 0).kind()).isEqualTo(Kind.DONE);
    }
  }

  @Test
  void flushesThatWaitForAConnectionFailToo() {
    try (NbdRig rig = NbdRig.usual()) {
      rig.stack.run(rig.leaf, Op.WRITE, 0, rig.pattern(1, 4096));
      rig.server.kill();
      rig.pass(SECOND);
      List<Request> flushes = new ArrayList<>();
      for (int i = 0; i < 3; i++) {
        flushes.add(rig.flush());
      }
      rig.pass(SECOND);
      rig.server.start();
      rig.stack.finishAll();
      assertThat(flushes).allMatch(each -> each.result().kind() == Kind.FAILED);
      assertThat(rig.stack.run(rig.leaf, Op.FLUSH, 0, 0).kind()).isEqualTo(Kind.DONE);
    }
  }

  @Test
  void aFlushThatWasAskedToStopDoesNotSwallowTheNews() {
    for (int steps = 0; steps < 40; steps++) {
      try (NbdRig rig = NbdRig.usual()) {
        rig.stack.run(rig.leaf, Op.WRITE, 0, rig.pattern(1, 4096));
        rig.server.hang(true);
        CancelFlag flag = new CancelFlag();
        Request flush = rig.stack.submit(rig.leaf, Op.FLUSH, 0, 0, MemorySegment.NULL, flag, false);
        rig.pass(1_000_000);
        rig.server.kill();
        for (int i = 0; i < steps; i++) {
          rig.pass(50_000);
        }
        flag.raise();
        rig.stack.finish(flush);
        rig.server.hang(false);
        rig.server.start();
        if (flush.result().kind() != Kind.FAILED) {
          assertThat(rig.stack.run(rig.leaf, Op.FLUSH, 0, 0).kind()).isEqualTo(Kind.FAILED);
        }
        assertThat(rig.stack.run(rig.leaf, Op.FLUSH, 0, 0).kind()).isEqualTo(Kind.DONE);
      }
    }
  }

  @Test
  void anAnswerThatTellsTheSamePartTwiceIsNoAnswer() {
    try (NbdRig rig = new NbdRig(1, o -> o.withReconnect(0), s -> s.tellsOnePartTwice())) {
      rig.server.cache[0] = 1;
      MemorySegment buffer = rig.stack.memory(4096).fill((byte) 0x5E);
      Request read = rig.read(0, buffer, new CancelFlag());
      assertThat(rig.stack.finish(read).kind()).isEqualTo(Kind.FAILED);
      assertThat(sentence(read)).contains("broke the protocol", "twice");
    }
  }

  @Test
  void aFlushAfterALossIsFineWhereNothingWasAtRisk() {
    try (NbdRig rig = NbdRig.usual()) {
      rig.stack.run(rig.leaf, Op.WRITE, 0, rig.pattern(1, 4096));
      assertThat(rig.stack.run(rig.leaf, Op.FLUSH, 0, 0).kind()).isEqualTo(Kind.DONE);
      Request durable =
          rig.stack.submit(
              rig.leaf, Op.WRITE, 4096, 4096, rig.pattern(2, 4096), new CancelFlag(), true);
      rig.stack.finish(durable);
      rig.server.kill();
      rig.server.start();
      assertThat(rig.stack.run(rig.leaf, Op.FLUSH, 0, 0).kind()).isEqualTo(Kind.DONE);
      rig.assertHolds(rig.pattern(1, 4096), 0);
      rig.assertHolds(rig.pattern(2, 4096), 4096);
    }
    try (NbdRig rig = NbdRig.of(options -> options.withTrusted(true))) {
      rig.stack.run(rig.leaf, Op.WRITE, 0, rig.pattern(1, 4096));
      rig.server.drop();
      assertThat(rig.stack.run(rig.leaf, Op.FLUSH, 0, 0).kind()).isEqualTo(Kind.DONE);
    }
  }

  @Test
  void aWriteWhoseFlushWasLostIsWrittenAgain() {
    try (NbdRig rig = new NbdRig(1, o -> o, s -> s.without(Nbd.FLAG_SEND_FUA))) {
      rig.server.answerWith(
          request -> {
            rig.server.hang(request.type() == Nbd.CMD_WRITE && rig.server.accepted() == 1);
            return 0;
          });
      Request write =
          rig.stack.submit(
              rig.leaf, Op.WRITE, 0, 4096, rig.pattern(1, 4096), new CancelFlag(), true);
      rig.pass(SECOND);
      assertThat(rig.server.received.getLast().type()).isEqualTo(Nbd.CMD_FLUSH);
      rig.server.kill();
      rig.server.hang(false);
      rig.server.start();
      assertThat(rig.stack.finish(write)).isEqualTo(Outcome.done(4096));
      assertThat(rig.server.durable[0]).isEqualTo(NbdRig.valueAt(1, 0));
    }
  }

  @Test
  void aServerThatIsSilentForTooLongCountsAsLost() {
    try (NbdRig rig = NbdRig.of(options -> options.withTimeout(SECOND))) {
      rig.server.hang(true);
      Request read = rig.read(0, rig.stack.memory(4096), new CancelFlag());
      rig.pass(SECOND / 2);
      assertThat(rig.server.accepted()).isEqualTo(1);
      rig.pass(2 * SECOND);
      assertThat(rig.server.accepted()).isGreaterThan(1);
      rig.server.hang(false);
      assertThat(rig.stack.finish(read)).isEqualTo(Outcome.done(4096));
      int connections = rig.server.accepted();
      rig.pass(10 * SECOND);
      assertThat(rig.server.accepted()).as("silence is fine when idle").isEqualTo(connections);
    }
  }

  @Test
  void theTimeOfSilenceBeginsWithTheFirstRequest() {
    try (NbdRig rig = NbdRig.of(options -> options.withTimeout(10 * SECOND))) {
      rig.stack.run(rig.leaf, Op.READ, 0, rig.stack.memory(4096));
      rig.pass(9 * SECOND);
      rig.server.hang(true);
      Request read = rig.read(0, rig.stack.memory(4096), new CancelFlag());
      rig.pass(8 * SECOND);
      assertThat(rig.server.accepted()).isEqualTo(1);
      rig.server.hang(false);
      assertThat(rig.stack.finish(read)).isEqualTo(Outcome.done(4096));
    }
  }

  @Test
  void anotherExportInItsPlaceIsNotUsed() {
    try (NbdRig rig = NbdRig.usual()) {
      rig.stack.run(rig.leaf, Op.READ, 0, rig.stack.memory(4096));
      rig.server.hang(true);
      Request read = rig.read(0, rig.stack.memory(4096), new CancelFlag());
      rig.pass(SECOND);
      rig.server.pretendLarger(4096);
      rig.server.drop();
      rig.server.hang(false);
      rig.stack.finish(read);
      assertThat(sentence(read)).contains("has 1052672 bytes now, and had 1048576");
      rig.server.pretendLarger(0);
      rig.pass(10 * SECOND);
      assertThat(rig.stack.run(rig.leaf, Op.READ, 0, rig.stack.memory(4096)).kind())
          .isEqualTo(Kind.DONE);
    }
  }

  @Test
  void aRequestThatKillsEachConnectionFailsInTheEnd() {
    try (NbdRig rig = NbdRig.of(options -> options.withReconnect(3600 * SECOND))) {
      rig.server.answerWith(
          request -> {
            if (request.offsetBytes() == 8192) {
              rig.server.drop();
            }
            return 0;
          });
      Request poison = rig.read(8192, rig.stack.memory(4096), new CancelFlag());
      Request other = rig.read(0, rig.stack.memory(4096), new CancelFlag());
      rig.stack.finishAll();
      assertThat(sentence(poison)).contains("lost 16 times in a row");
      assertThat(other.result().kind()).isEqualTo(Kind.DONE);
    }
  }

  @Test
  void aServerThatShutsDownIsWaitedFor() {
    try (NbdRig rig = NbdRig.usual()) {
      rig.server.answerWith(request -> rig.server.accepted() == 1 ? Nbd.ESHUTDOWN : 0);
      assertThat(rig.stack.run(rig.leaf, Op.READ, 0, rig.stack.memory(4096)).kind())
          .isEqualTo(Kind.DONE);
    }
  }

  @Test
  void brokenRepliesCostTheConnectionAndTouchNothing() {
    for (int how = 0; how < 6; how++) {
      int kind = how;
      try (NbdRig rig = NbdRig.usual()) {
        boolean[] isBroken = {false};
        rig.server.mangle(
            reply -> {
              if (!isBroken[0]) {
                isBroken[0] = true;
                mangle(reply, kind);
              }
              return reply;
            });
        MemorySegment around = rig.stack.memory(16_384).fill((byte) 0x5E);
        rig.server.cache[4096] = 1;
        Request read = rig.read(4096, around.asSlice(4096, 4096), new CancelFlag());
        assertThat(rig.stack.finish(read)).as("kind " + kind).isEqualTo(Outcome.done(4096));
        assertThat(rig.server.accepted()).isEqualTo(2);
        MemorySegment expected = rig.stack.memory(4096).fill((byte) 0x5E);
        assertThat(around.asSlice(0, 4096).mismatch(expected)).isEqualTo(-1);
        assertThat(around.asSlice(8192, 4096).mismatch(expected)).isEqualTo(-1);
      }
    }
  }

  /** With extended headers: magic 4, flags 2, type 2, cookie 8, offset 8, length 8, payload. */
  private static void mangle(byte[] reply, int kind) {
    switch (kind) {
      case 0 -> reply[0] ^= 1; // no reply at all
      case 1 -> reply[15] ^= 1; // to something else
      case 2 -> reply[28] ^= 1; // 16 MiB more than was asked for
      case 3 -> reply[39] ^= 8; // in another place
      case 4 -> reply[38] ^= 16; // just behind its end
      default -> reply[7] = 5; // an answer to another question
    }
  }
}
