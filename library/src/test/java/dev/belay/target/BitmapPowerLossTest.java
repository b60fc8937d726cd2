// SPDX-License-Identifier: Apache-2.0
package dev.belay.target;

import static org.assertj.core.api.Assertions.assertThat;

import dev.belay.CancelFlag;
import dev.belay.Clock;
import dev.belay.Device;
import dev.belay.Op;
import dev.belay.md.Array;
import dev.belay.md.ArrayOptions;
import dev.belay.md.Assembly;
import dev.belay.md.BitmapHead;
import dev.belay.md.Creation;
import dev.belay.md.DirectIo;
import dev.belay.md.Level;
import dev.belay.md.MemberContents;
import dev.belay.md.Superblock;
import dev.belay.stack.MdArray;
import dev.belay.stack.MdOptions;
import dev.belay.testing.DrivenStack;
import dev.belay.testing.Patterns;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Random;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * What a power loss at any step may leave of a mirror with a write-intent bitmap: wherever the
 * members may differ then, the bit of that chunk is on one of them, whatever else is lost. It is
 * looked at after every request that comes to a member or is answered by one.
 */
final class BitmapPowerLossTest implements AutoCloseable {
  private static final int LEG_BYTES = 4 << 20;
  private static final int CHUNK_BYTES = 64 << 10;
  private static final long TICK_NANOS = 5_000_000_000L;

  private final Clock.Manual clock = new Clock.Manual();
  private final DrivenStack stack = new DrivenStack(clock);
  private final List<CachedLeg> legs = new ArrayList<>();
  private Superblock superblock;
  private Array array;
  private Device device;
  private String where = "";
  private boolean isOpen;
  private int looks;

  @AfterEach
  @Override
  public void close() {
    release();
    stack.close();
  }

  private void open() throws Exception {
    Creation creation =
        new Creation(Level.RAID1, 2)
            .assumeClean(true)
            .log(Creation.Log.BITMAP)
            .bitmapChunkBytes(CHUNK_BYTES);
    List<OptionalLong> sizes = Collections.nCopies(2, OptionalLong.of(LEG_BYTES));
    List<Device> devices = new ArrayList<>();
    List<MemberContents> contents = new ArrayList<>();
    for (Optional<Creation.Member> planned : creation.plan(sizes, new Random(1), 1_700_000_000L)) {
      byte[] image = new byte[LEG_BYTES];
      for (Creation.Placed placed : planned.orElseThrow().writes()) {
        System.arraycopy(placed.bytes(), 0, image, (int) placed.atBytes(), placed.bytes().length);
      }
      CachedLeg leg = new CachedLeg(stack.loop, image, this::look);
      legs.add(leg);
      devices.add(leg);
      contents.add(MemberContents.read("m" + legs.size(), new DirectIo(stack.loop, leg)));
    }
    superblock = Objects.requireNonNull(contents.getFirst().superblock());
    Assembly assembly = MdArray.assemble(contents, Assembly.Wish.SAFE);
    ArrayOptions options = ArrayOptions.DEFAULT.withSyncsByItself(false);
    MdOptions how = new MdOptions(Assembly.Wish.SAFE, options, Hedge.NONE);
    MdArray opened = MdArray.open(stack.loop, devices, contents, assembly, how);
    array = Objects.requireNonNull(opened.array());
    device = opened.device();
    isOpen = true;
  }

  // --- The law ---

  private void look() {
    if (!isOpen) {
      return;
    }
    looks++;
    CachedLeg first = legs.get(0);
    CachedLeg second = legs.get(1);
    long chunks = Math.ceilDiv(superblock.usedBytes(), CHUNK_BYTES);
    for (int chunk = 0; chunk < chunks; chunk++) {
      long from = superblock.startBytes() + (long) chunk * CHUNK_BYTES;
      long to = Math.min(from + CHUNK_BYTES, superblock.startBytes() + superblock.usedBytes());
      boolean isSame =
          first.isSure(from, to)
              && second.isSure(from, to)
              && Arrays.equals(
                  first.durable, (int) from, (int) to, second.durable, (int) from, (int) to);
      if (!isSame) {
        long at = superblock.bitmapAtBytes().orElseThrow() + BitmapHead.byteOf(chunk);
        int mask = BitmapHead.maskOf(chunk);
        assertThat(first.isSurelySet(at, mask) || second.isSurelySet(at, mask))
            .as("bit %d after a power loss, %s", chunk, where)
            .isTrue();
      }
    }
  }

  private int bitsOnDisk(CachedLeg leg) {
    int count = 0;
    long at = superblock.bitmapAtBytes().orElseThrow();
    for (int chunk = 0; chunk < superblock.usedBytes() / CHUNK_BYTES; chunk++) {
      count += leg.isSurelySet(at + BitmapHead.byteOf(chunk), BitmapHead.maskOf(chunk)) ? 1 : 0;
    }
    return count;
  }

  // --- What happens ---

  private void turn() {
    while (stack.loop.turn(0)) {
      // until it waits for a member, or for time to pass
    }
  }

  private void pass(long nanos) {
    clock.advance(nanos);
    turn();
  }

  private void hold() {
    legs.forEach(leg -> leg.holds = true);
  }

  private void release() {
    for (CachedLeg leg : legs) {
      leg.holds = false;
      while (!leg.pending.isEmpty()) {
        leg.answer(leg.pending.getFirst());
      }
    }
    turn();
  }

  private DrivenStack.Request write(long at, long length, long seed, CancelFlag flag) {
    MemorySegment bytes = stack.memory(length);
    Patterns.fill(bytes, at, seed);
    DrivenStack.Request request = stack.submit(device, Op.WRITE, at, bytes, flag);
    turn();
    return request;
  }

  private void answerOne(SplittableRandom random) {
    CachedLeg leg = legs.get(random.nextInt(legs.size()));
    if (!leg.pending.isEmpty()) {
      leg.answer(leg.pending.get(random.nextInt(leg.pending.size())));
      turn();
    }
  }

  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3, 4, 5, 6, 7, 8})
  void whereMembersMayDifferABitIsSet(long seed) throws Exception {
    open();
    hold();
    SplittableRandom random = new SplittableRandom(seed);
    List<DrivenStack.Request> requests = new ArrayList<>();
    for (int step = 0; step < 400; step++) {
      where = "seed %d, step %d".formatted(seed, step);
      switch (random.nextInt(10)) {
        case 0, 1 -> {
          // Few chunks, so that writers meet bits that are just being cleared.
          long at = random.nextInt(4) * (long) CHUNK_BYTES + random.nextInt(64) * 512L;
          long length = 512L * (1 + random.nextInt(random.nextBoolean() ? 4 : 200));
          requests.add(write(at, length, step, new CancelFlag()));
        }
        case 2 -> pass(random.nextLong(2 * TICK_NANOS));
        case 3 ->
            requests.stream()
                .filter(r -> !r.ended())
                .findAny()
                .ifPresent(
                    r -> {
                      if (random.nextInt(4) == 0) {
                        r.flag.raise();
                        turn();
                      }
                    });
        default -> answerOne(random);
      }
    }
    release();
    for (int i = 0; i < 4; i++) {
      pass(TICK_NANOS);
    }
    assertThat(requests).allMatch(DrivenStack.Request::ended);
    assertThat(array.writing()).isZero();
    assertThat(legs).allMatch(leg -> bitsOnDisk(leg) == 0, "no bit is left");
    assertThat(looks).isGreaterThan(400);
  }

  @Test
  void aWriterOfManyTicksKeepsItsBit() throws Exception {
    open();
    hold();
    DrivenStack.Request slow = write(0, 4096, 1, new CancelFlag());
    SplittableRandom random = new SplittableRandom(1);
    // All but the writer's own bytes is answered.
    for (int i = 0; i < 10; i++) {
      for (CachedLeg leg : legs) {
        for (CachedLeg.Pending each : List.copyOf(leg.pending)) {
          if (each.bio().offsetBytes() != superblock.startBytes()) {
            leg.answer(each);
            turn();
          }
        }
      }
      pass(TICK_NANOS / 2 + random.nextLong(TICK_NANOS));
      assertThat(slow.ended()).isFalse();
    }
    assertThat(legs).allMatch(leg -> bitsOnDisk(leg) == 1);
  }

  @Test
  void aBitIsClearedBehindAFlushOnly() throws Exception {
    open();
    write(0, 4096, 1, new CancelFlag());
    hold();
    pass(TICK_NANOS);
    pass(TICK_NANOS);
    assertThat(legs).allMatch(leg -> bitsOnDisk(leg) == 1);
    assertThat(legs)
        .allMatch(leg -> leg.pending.stream().anyMatch(each -> each.bio().op() == Op.FLUSH));
    // One of the two is not enough, and who writes during the flush keeps the bit.
    legs.get(0).holds = false;
    while (!legs.get(0).pending.isEmpty()) {
      legs.get(0).answer(legs.get(0).pending.getFirst());
    }
    turn();
    write(8192, 4096, 2, new CancelFlag());
    release();
    assertThat(legs).allMatch(leg -> bitsOnDisk(leg) == 1);
    for (int i = 0; i < 4; i++) {
      pass(TICK_NANOS);
    }
    assertThat(legs).allMatch(leg -> bitsOnDisk(leg) == 0);
  }

  @Test
  void aMemberThatCannotBeFlushedKeepsTheBitsOfTheOther() throws Exception {
    open();
    write(0, 4096, 1, new CancelFlag());
    legs.get(1).failsFlushes = true;
    for (int i = 0; i < 4; i++) {
      pass(TICK_NANOS);
    }
    assertThat(array.faulty()).hasSize(1);
    assertThat(bitsOnDisk(legs.get(0))).isEqualTo(1);
    assertThat(stack.loop.openRequests()).isZero();
  }
}
