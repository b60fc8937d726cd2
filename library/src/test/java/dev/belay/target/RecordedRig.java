// SPDX-License-Identifier: Apache-2.0
package dev.belay.target;

import static org.assertj.core.api.Assertions.assertThat;

import dev.belay.CancelFlag;
import dev.belay.Clock;
import dev.belay.Device;
import dev.belay.Op;
import dev.belay.Outcome;
import dev.belay.md.Array;
import dev.belay.md.ArrayOptions;
import dev.belay.md.Assembly;
import dev.belay.md.Creation;
import dev.belay.md.DirectIo;
import dev.belay.md.Level;
import dev.belay.md.MemberContents;
import dev.belay.md.MetadataException;
import dev.belay.stack.MdArray;
import dev.belay.stack.MdOptions;
import dev.belay.testing.DrivenStack;
import dev.belay.testing.DrivenStack.Request;
import dev.belay.testing.Patterns;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Random;

/**
 * An array with superblocks, and with a bitmap if that is asked for, over legs that do as they are
 * told, on a clock that the test moves.
 */
final class RecordedRig implements AutoCloseable {
  static final long LEG_BYTES = 4 << 20;

  final Clock.Manual clock = new Clock.Manual();
  final DrivenStack stack = new DrivenStack(clock);
  final List<LegLeaf> legs = new ArrayList<>();
  final List<Device> devices = new ArrayList<>();
  final Array array;
  final Device device;

  RecordedRig(Creation creation, int members, ArrayOptions options) throws Exception {
    List<OptionalLong> sizes = Collections.nCopies(members, OptionalLong.of(LEG_BYTES));
    for (Optional<Creation.Member> planned : creation.plan(sizes, new Random(1), 1_700_000_000L)) {
      LegLeaf leg = new LegLeaf(stack.loop, stack.memory(LEG_BYTES));
      for (Creation.Placed placed : planned.orElseThrow().writes()) {
        MemorySegment.copy(
            MemorySegment.ofArray(placed.bytes()),
            0,
            leg.medium,
            placed.atBytes(),
            placed.bytes().length);
      }
      legs.add(leg);
      devices.add(leg);
    }
    MdArray opened = open(options);
    array = Objects.requireNonNull(opened.array());
    device = opened.device();
    turn();
  }

  static Creation creation(Level level, int members, Creation.Log log) {
    Creation creation = new Creation(level, members).assumeClean(true).log(log);
    return level == Level.RAID1 ? creation : creation.chunkBytes(64 << 10);
  }

  private MdArray open(ArrayOptions options) throws MetadataException {
    List<MemberContents> contents = new ArrayList<>();
    for (Device each : devices) {
      contents.add(MemberContents.read("m" + contents.size(), new DirectIo(stack.loop, each)));
    }
    Assembly assembly = MdArray.assemble(contents, Assembly.Wish.SAFE);
    MdOptions how = new MdOptions(Assembly.Wish.SAFE, options, Hedge.NONE);
    return MdArray.open(stack.loop, devices, contents, assembly, how);
  }

  LegLeaf leg(int slot) {
    return legs.get(slot);
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

  /** Lets the walk go on until it ends. */
  void walkToItsEnd() {
    for (int i = 0; i < 10_000 && array.walk().isRunning(); i++) {
      pass(10_000_000);
    }
    assertThat(array.walk().isRunning()).isFalse();
  }

  /** Submits a write, and does not turn the loop. */
  Request submit(long offsetBytes, long lengthBytes, long seed, CancelFlag flag) {
    MemorySegment buffer = stack.memory(lengthBytes);
    Patterns.fill(buffer, offsetBytes, seed);
    return stack.submit(device, Op.WRITE, offsetBytes, buffer, flag);
  }

  Request write(long offsetBytes, long lengthBytes, long seed) {
    Request request = submit(offsetBytes, lengthBytes, seed, new CancelFlag());
    turn();
    return request;
  }

  Request read(long offsetBytes, long lengthBytes) {
    MemorySegment buffer = stack.memory(lengthBytes);
    Request request = stack.submit(device, Op.READ, offsetBytes, buffer, new CancelFlag());
    turn();
    return request;
  }

  /** It is done, and what {@code seed} wrote. */
  void isRead(Request request, long seed) {
    assertThat(request.result()).isEqualTo(Outcome.done(request.buffer.byteSize()));
    assertThat(Patterns.firstOther(request.buffer, request.offsetBytes, seed)).isEqualTo(-1);
  }

  /** Takes a member out. */
  void fail(int slot) {
    assertThat(array.fail(Objects.requireNonNull(array.member(slot)), "a test says so")).isTrue();
    turn();
  }

  Request flush() {
    Request request =
        stack.submit(device, Op.FLUSH, 0, 0, MemorySegment.NULL, new CancelFlag(), false);
    turn();
    return request;
  }

  @Override
  public void close() {
    legs.forEach(LegLeaf::unpark);
    legs.forEach(LegLeaf::release);
    turn();
    assertThat(stack.loop.openRequests()).as("requests that never end").isZero();
    stack.close();
    assertThat(array.writing()).as("admitted and not finished").isZero();
  }
}
