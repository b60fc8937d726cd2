// SPDX-License-Identifier: Apache-2.0
package dev.belay.md;

import static org.assertj.core.api.Assertions.assertThat;

import dev.belay.Bio;
import dev.belay.CancelFlag;
import dev.belay.Clock;
import dev.belay.Device;
import dev.belay.Errno;
import dev.belay.Extents.State;
import dev.belay.Op;
import dev.belay.Outcome;
import dev.belay.Outcome.Kind;
import dev.belay.Verdict;
import dev.belay.leaf.Memory;
import dev.belay.target.Hedge;
import dev.belay.target.Mirror;
import dev.belay.testing.DrivenStack;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.Predicate;
import java.util.logging.Handler;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * What the array writes of itself fails or throws, at any of its steps: every request ends, and
 * closing does not wait for ever.
 */
final class ArrayDefectsTest implements AutoCloseable {
  private static final int USED_BYTES = 1 << 20;

  private final Clock.Manual clock = new Clock.Manual();
  private final DrivenStack stack = new DrivenStack(clock);
  private final List<Flaky> devices = new ArrayList<>();
  private final List<Member> members = new ArrayList<>();
  private final Map<Member, Superblock> superblocks = new HashMap<>();
  private boolean hasAllSuperblocks = true;
  private Array array;

  /** A member that fails what it is told to. */
  private static final class Flaky extends Device {
    private final Memory lower;
    Predicate<Bio> fails = bio -> false;

    Flaky(Memory lower) {
      super(lower.loop(), "flaky", lower.limits(), List.of(lower));
      this.lower = lower;
    }

    @Override
    public Verdict map(Bio bio) {
      if (fails.test(bio)) {
        bio.fail(Errno.EIO, "told to fail", State.UNKNOWN);
        return Verdict.TAKEN;
      }
      bio.remap(lower, bio.offsetBytes());
      return Verdict.REMAPPED;
    }
  }

  @AfterEach
  @Override
  public void close() {
    stack.close();
  }

  private Mirror mirror(boolean hasBitmap) throws MetadataException {
    List<List<Creation.Placed>> made =
        MadeArrays.make(Level.RAID1, 0, 2, 0, 0, USED_BYTES, 2, hasBitmap ? 64 << 10 : 0);
    for (int i = 0; i < 2; i++) {
      devices.add(new Flaky(new Memory(stack.loop, MadeArrays.deviceBytes(USED_BYTES), 512)));
      Member member =
          new Member("m" + i, devices.get(i), MadeArrays.startBytes(2), i, Member.State.IN_SYNC, 0);
      members.add(member);
      Superblock block =
          Superblock.parse(
              Arrays.copyOf(made.get(i).getLast().bytes(), Superblock.BYTES),
              2,
              made.get(i).getLast().atBytes());
      superblocks.put(member, block);
    }
    Superblock common = superblocks.get(members.getFirst());
    IntentBitmap bitmap = null;
    if (hasBitmap) {
      long syncBytes = BitmapHead.syncBytes(common);
      BitmapHead head = BitmapHead.create(common.uuid(), syncBytes, 64 << 10);
      bitmap =
          new IntentBitmap(head, new BitSet(), (int) BitmapHead.bits(syncBytes, 64 << 10), true);
    }
    if (!hasAllSuperblocks) {
      superblocks.remove(members.get(1));
    }
    Records records = new Records(superblocks, common.events(), Superblock.CLEAN);
    array =
        new Array(
            stack.loop,
            Level.RAID1,
            ArrayOptions.DEFAULT,
            members.toArray(new Member[0]),
            List.of(),
            records,
            bitmap);
    return new Mirror(stack.loop, array, CopiesLayout.raid1(2, USED_BYTES), Hedge.NONE);
  }

  private void turn() {
    while (stack.loop.turn(0)) {
      // until it has nothing to do
    }
  }

  private DrivenStack.Request write(Mirror mirror, long at) {
    return stack.submit(mirror, Op.WRITE, at, stack.memory(4096), new CancelFlag());
  }

  private String refusal(DrivenStack.Request request) {
    assertThat(request.ended()).isTrue();
    assertThat(request.result().kind()).isEqualTo(Kind.FAILED);
    return Objects.requireNonNull(request.result().error()).sentence();
  }

  /** There is no superblock for a member, so that whoever writes them throws. */
  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void noWriterWaitsForRecordsThatThrow(boolean hasBitmap) throws Exception {
    hasAllSuperblocks = false;
    Mirror mirror = mirror(hasBitmap);
    List<DrivenStack.Request> writes = new ArrayList<>();
    for (int i = 0; i < 4; i++) {
      writes.add(write(mirror, i * (64L << 10)));
    }
    turn();
    for (DrivenStack.Request write : writes) {
      assertThat(refusal(write)).contains("what raid1 must know of itself cannot be recorded");
      assertThat(write.result().cleanBytes()).isEqualTo(4096);
    }
    assertThat(stack.defects).isNotEmpty();
    stack.defects.clear();
    DrivenStack.Request later = write(mirror, 0);
    turn();
    assertThat(refusal(later)).contains("cannot be recorded");
    assertThat(stack.loop.openRequests()).isZero();
  }

  @Test
  void theOthersRunWhenOneThatWaitedThrows() throws Exception {
    Mirror mirror = mirror(true);
    List<String> ran = new ArrayList<>();
    Runnable throwing =
        () -> {
          throw new IllegalStateException("a writer's defect");
        };
    List<Boolean> atOnce = new ArrayList<>();
    // Within a turn, so that both wait for the same superblocks and bits.
    stack.loop.execute(
        () -> {
          atOnce.add(array.admit(0, 4096, throwing));
          atOnce.add(array.admit(4096, 4096, () -> ran.add("second")));
          atOnce.add(array.admit(64 << 10, 4096, throwing));
          atOnce.add(array.admit(128 << 10, 4096, () -> ran.add("fourth")));
        });
    turn();
    assertThat(atOnce).containsOnly(false);
    assertThat(ran).containsExactly("second", "fourth");
    for (long at : new long[] {0, 4096, 64 << 10, 128 << 10}) {
      array.finished(at, 4096, true);
    }
    DrivenStack.Request write = write(mirror, 0);
    turn();
    assertThat(write.result()).isEqualTo(Outcome.done(4096));
    assertThat(stack.defects).hasSize(2);
    stack.defects.clear();
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void aFailedFlushPutsAMemberOutAndTheWriteGoesOn(boolean hasBitmap) throws Exception {
    Mirror mirror = mirror(hasBitmap);
    devices.get(0).fails = bio -> bio.op() == Op.FLUSH;
    DrivenStack.Request write = write(mirror, 0);
    turn();
    assertThat(write.result()).isEqualTo(Outcome.done(4096));
    assertThat(array.faulty()).hasSize(1);
  }

  @ParameterizedTest
  @ValueSource(strings = {"FLUSH", "WRITE"})
  void noWriterWaitsWhenNoMemberCanRecord(String op) throws Exception {
    Mirror mirror = mirror(true);
    devices.forEach(each -> each.fails = bio -> bio.op() == Op.valueOf(op));
    DrivenStack.Request write = write(mirror, 0);
    turn();
    assertThat(refusal(write)).contains("cannot be recorded", "told to fail");
    assertThat(write.result().cleanBytes()).isEqualTo(4096);
  }

  /** Somebody listens to the log who throws when a member fails. */
  @Test
  void aListenerThatThrowsCostsNobodyAnything() throws Exception {
    Mirror mirror = mirror(true);
    Handler listener =
        new Handler() {
          @Override
          public void publish(LogRecord event) {
            throw new IllegalStateException("a listener's defect");
          }

          @Override
          public void flush() {}

          @Override
          public void close() {}
        };
    Logger logger = Logger.getLogger("dev.belay");
    var before = logger.getLevel(); // the simulators turn it off
    logger.setLevel(java.util.logging.Level.WARNING);
    logger.addHandler(listener);
    try {
      long startBytes = members.getFirst().startBytes();
      devices.get(1).fails = bio -> bio.op() == Op.WRITE && bio.offsetBytes() >= startBytes;
      DrivenStack.Request first = write(mirror, 0);
      DrivenStack.Request over = write(mirror, 0);
      turn();
      assertThat(first.result()).isEqualTo(Outcome.done(4096));
      assertThat(over.result()).isEqualTo(Outcome.done(4096));
    } finally {
      logger.removeHandler(listener);
      logger.setLevel(before);
    }
    assertThat(array.faulty()).hasSize(1);
    assertThat(stack.defects).hasSize(1);
    stack.defects.clear();
  }
}
