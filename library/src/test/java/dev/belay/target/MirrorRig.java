// SPDX-License-Identifier: Apache-2.0
package dev.belay.target;

import static org.assertj.core.api.Assertions.assertThat;

import dev.belay.CancelFlag;
import dev.belay.Clock;
import dev.belay.Op;
import dev.belay.Outcome;
import dev.belay.md.Array;
import dev.belay.md.ArrayOptions;
import dev.belay.md.CopiesLayout;
import dev.belay.md.Member;
import dev.belay.md.Members;
import dev.belay.testing.DrivenStack;
import dev.belay.testing.DrivenStack.Request;
import dev.belay.testing.Patterns;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/** A mirror over legs that do as they are told, on a clock that the test moves. */
final class MirrorRig implements AutoCloseable {
  static final long LEG_BYTES = 4 << 20;

  final Clock.Manual clock = new Clock.Manual();
  final DrivenStack stack = new DrivenStack(clock);
  final List<LegLeaf> legs = new ArrayList<>();
  final Array array;
  final Mirror mirror;

  /** A raid1. */
  MirrorRig(int members) {
    this(CopiesLayout.raid1(members, LEG_BYTES), Hedge.NONE);
  }

  MirrorRig(CopiesLayout layout, Hedge hedge) {
    this(layout, hedge, 0);
  }

  /** With spares, whose legs follow the members'. */
  MirrorRig(CopiesLayout layout, Hedge hedge, int spareCount) {
    for (int i = 0; i < layout.members() + spareCount; i++) {
      legs.add(new LegLeaf(stack.loop, stack.memory(LEG_BYTES)));
    }
    List<Member> spares = new ArrayList<>();
    legs.subList(layout.members(), legs.size()).forEach(leg -> spares.add(Members.spare(leg)));
    Member[] slots = new Member[layout.members()];
    for (int i = 0; i < slots.length; i++) {
      slots[i] = Members.inSync(leg(i), i);
    }
    array = new Array(stack.loop, layout.level(), ArrayOptions.DEFAULT, slots, spares, null, null);
    mirror = new Mirror(stack.loop, array, layout, hedge);
    turn();
  }

  static CopiesLayout raid10(String layout, int members) {
    return CopiesLayout.raid10(CopiesLayout.number(layout), members, 64 << 10, LEG_BYTES);
  }

  LegLeaf leg(int number) {
    return legs.get(number);
  }

  void turn() {
    while (stack.loop.turn(0)) {
      // until it has nothing to do
    }
  }

  void pass(long nanos) {
    clock.advance(nanos);
    turn();
  }

  MemorySegment pattern(long offsetBytes, long lengthBytes, long seed) {
    MemorySegment buffer = stack.memory(lengthBytes);
    Patterns.fill(buffer, offsetBytes, seed);
    return buffer;
  }

  Request write(long offsetBytes, long lengthBytes, long seed, CancelFlag flag) {
    return stack.submit(
        mirror, Op.WRITE, offsetBytes, pattern(offsetBytes, lengthBytes, seed), flag);
  }

  Outcome write(long offsetBytes, long lengthBytes, long seed) {
    return ended(write(offsetBytes, lengthBytes, seed, new CancelFlag()));
  }

  Request read(long offsetBytes, long lengthBytes, CancelFlag flag) {
    return stack.submit(mirror, Op.READ, offsetBytes, stack.memory(lengthBytes), flag);
  }

  Request read(long offsetBytes, long lengthBytes) {
    Request request = read(offsetBytes, lengthBytes, new CancelFlag());
    turn();
    return request;
  }

  Outcome ended(Request request) {
    turn();
    return request.result();
  }

  void reads(long offsetBytes, long lengthBytes, long seed) {
    isRead(read(offsetBytes, lengthBytes), seed);
  }

  /** It is done, and what {@code seed} wrote. */
  void isRead(Request request, long seed) {
    assertThat(request.result()).isEqualTo(Outcome.done(request.buffer.byteSize()));
    assertThat(Patterns.firstOther(request.buffer, request.offsetBytes, seed)).isEqualTo(-1);
  }

  /** Lets the walk go on until it ends. */
  void walkToItsEnd() {
    for (int i = 0; i < 10_000 && array.walk().isRunning(); i++) {
      pass(10_000_000);
    }
    assertThat(array.walk().isRunning()).isFalse();
  }

  /** The law of mirrors, for a raid1. */
  void legsAreIdentical() {
    for (LegLeaf leg : legs) {
      assertThat(leg.medium.mismatch(legs.getFirst().medium)).as("legs differ").isEqualTo(-1);
    }
  }

  @Override
  public void close() {
    legs.forEach(LegLeaf::unpark);
    legs.forEach(LegLeaf::release);
    turn();
    assertThat(legs).as("law 3").allMatch(leg -> leg.lateSends == 0);
    assertThat(array.writing()).as("admitted and not finished").isZero();
    assertThat(mirror.locks.size()).as("locks left").isZero();
    stack.close();
  }
}
