// SPDX-License-Identifier: Apache-2.0
package dev.belay.md;

import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;
import static org.assertj.core.api.Assertions.assertThat;

import dev.belay.CancelFlag;
import dev.belay.Device;
import dev.belay.Extents.State;
import dev.belay.Inside;
import dev.belay.Op;
import dev.belay.Outcome;
import dev.belay.stack.MdArray;
import dev.belay.stack.MdOptions;
import dev.belay.testing.DrivenStack;
import dev.belay.testing.Recording;
import dev.belay.testing.SimClock;
import dev.belay.testing.SimLeaf;
import dev.belay.testing.SimMedium;
import dev.belay.testing.SimPoller;
import dev.belay.testing.Steps;
import dev.belay.testing.Weather;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/**
 * A small RAID 5 with partial parity logs over simulated members whose power can go, and a model of
 * what each of its blocks may hold.
 */
final class PartialParityRig {
  static final int BLOCK = 512;
  private static final int WORDS = BLOCK / Long.BYTES;
  private static final int CHUNK = 4096;
  private static final int ROWS = 4;
  private static final int LOG_AT = 8192;
  private static final int LOG_BYTES = 24576;
  private static final int START = LOG_AT + LOG_BYTES;
  private static final int DEVICE_BYTES = 18 * 4096;
  private static final Weather CALM =
      new Weather(4, 50_000, 0, 0, 0, Weather.Abort.NOTHING, 0, 4096);

  final ParityLayout layout;
  final List<SimMedium> media = new ArrayList<>();
  private final boolean hasSeveral;
  final SplittableRandom random;

  /** By block: what it held when all was durable, and what was written since and may be there. */
  private final List<List<Long>> model = new ArrayList<>();

  private long values;
  private @Nullable Session session;

  // What came of the last opening.
  LogReplay.@Nullable Result replay;

  /** What one power-up sees. */
  private static final class Session {
    final Steps steps = new Steps();
    final DrivenStack stack;
    final SimPoller poller;
    final Recording recording = new Recording(false, true);
    final List<Device> leaves = new ArrayList<>();
    final List<Write> writes = new ArrayList<>();
    boolean isOff;
    @Nullable MdArray md;

    Session() {
      SimClock clock = new SimClock(steps);
      stack = new DrivenStack(clock);
      poller = new SimPoller(clock, steps);
      stack.loop.setPoller(poller);
    }

    Array array() {
      MdArray opened = md;
      assert opened != null && opened.array() != null;
      return opened.array();
    }
  }

  /** A write that is under way. */
  private record Write(DrivenStack.Request request, int block, int blocks, long value) {}

  PartialParityRig(int members, boolean hasSeveral, long seed) throws Exception {
    layout = new ParityLayout(Level.RAID5, ParityLayout.LEFT_SYMMETRIC, members, CHUNK);
    this.hasSeveral = hasSeveral;
    random = new SplittableRandom(seed);
    for (int i = 0; i < members; i++) {
      SimMedium medium = new SimMedium(i, DEVICE_BYTES / Long.BYTES, WORDS);
      for (int at = 0; at < DEVICE_BYTES / Long.BYTES; at++) {
        medium.put(at, 0);
      }
      medium.setKeepsLog(true);
      media.add(medium);
    }
    for (int block = 0; block < blocks(); block++) {
      model.add(List.of(0L));
    }
    Session made = new Session();
    for (int i = 0; i < members; i++) {
      DirectIo io = new DirectIo(made.stack.loop, leaf(made, i, media.get(i)));
      io.write(4096, Arrays.copyOf(superblock(i).encode(), 512));
      io.write(LOG_AT, PartialParityLog.empty(superblock(i).uuid(), 0).encode());
    }
    made.stack.close();
  }

  private Superblock superblock(int number) {
    Superblock block = Superblock.blank(2);
    block.setLevel(Level.RAID5);
    block.setLayout(layout.number());
    block.setRaidDevices(layout.members());
    block.setChunkBytes(CHUNK);
    block.setUsedBytes((long) ROWS * CHUNK);
    block.setStartBytes(START);
    block.setRoomBytes((long) ROWS * CHUNK);
    block.setCreatedSeconds(1_700_000_000);
    block.setUpdatedSeconds(1_700_000_000);
    block.setUuid(new UUID(0x1234_5678_9abc_4defL, 0x8fed_cba9_8765_4321L));
    block.setDeviceUuid(new UUID(0x4000L, 0x8000_0000_0000_0000L | number));
    block.setNumber(number);
    block.setSlots(128);
    for (int i = 0; i < layout.members(); i++) {
      block.setRole(i, i);
    }
    block.setResyncBytes(Superblock.CLEAN);
    block.setEvents(10);
    block.setAtBytes(4096);
    block.setPpl(LOG_AT, LOG_BYTES);
    if (hasSeveral) {
      block.set(Feature.PPL, false);
      block.set(Feature.MULTIPLE_PPLS, true);
    }
    return block;
  }

  int blocks() {
    return ROWS * layout.columns() * CHUNK / BLOCK;
  }

  private SimLeaf leaf(Session in, int i, SimMedium medium) {
    return new SimLeaf(
        in.stack.loop, "m" + i, medium, CALM, in.poller, in.recording, random.split());
  }

  // --- Opening ---

  /** Opens it, without a member; -1 for none. Replays and waits for a resync that is due. */
  void open(int missing) throws IOException, MetadataException {
    open(media, missing);
  }

  private Session open(List<SimMedium> on, int missing) throws IOException, MetadataException {
    Session now = new Session();
    List<MemberContents> contents = new ArrayList<>();
    List<DirectIo> ios = new ArrayList<>();
    for (int i = 0; i < on.size(); i++) {
      if (i != missing) {
        SimLeaf leaf = leaf(now, i, on.get(i));
        now.leaves.add(leaf);
        ios.add(new DirectIo(now.stack.loop, leaf));
        contents.add(MemberContents.read(leaf.name(), ios.getLast()));
        on.get(i).setKeepsLog(true);
      }
    }
    Assembly assembly =
        MdArray.assemble(contents, new Assembly.Wish(true, false, Optional.empty()));
    replay = LogReplay.isDue(assembly) ? LogReplay.run(assembly, contents, ios) : null;
    MdOptions options =
        new MdOptions(
            Assembly.Wish.SAFE,
            ArrayOptions.DEFAULT.withIdleNanos(300_000),
            MdOptions.DEFAULT.hedge());
    now.md = MdArray.open(now.stack.loop, now.leaves, contents, assembly, options);
    session = now;
    now.stack.loop.turn(0);
    now.stack.turnUntil(() -> !now.array().walk().isRunning());
    return now;
  }

  private Session session() {
    Session now = session;
    assert now != null;
    return now;
  }

  Steps steps() {
    return session().steps;
  }

  Recording recording() {
    return session().recording;
  }

  String status() {
    MdArray md = session().md;
    return md == null ? "" : md.device().status();
  }

  // --- Requests ---

  DrivenStack.Request write(int block, int blocks, CancelFlag flag) {
    Session now = session();
    MdArray md = now.md;
    assert md != null;
    long value = ++values;
    MemorySegment buffer = now.stack.memory((long) blocks * BLOCK);
    for (int i = 0; i < blocks * WORDS; i++) {
      buffer.set(JAVA_LONG_UNALIGNED, (long) i * Long.BYTES, word(value, block * WORDS + i));
    }
    DrivenStack.Request request =
        now.stack.submit(md.device(), Op.WRITE, (long) block * BLOCK, buffer, flag);
    now.writes.add(new Write(request, block, blocks, value));
    return request;
  }

  private static long word(long value, long word) {
    return value == 0 ? 0 : value << 32 | word;
  }

  DrivenStack.Request writeSomewhere(CancelFlag flag) {
    int block = random.nextInt(blocks());
    int most = Math.min(blocks() - block, layout.columns() * CHUNK / BLOCK * 3 / 2);
    int count = 1 + random.nextInt(random.nextInt(3) > 0 ? Math.min(4, most) : most);
    return write(block, count, flag);
  }

  /** The power goes at a step from now on. */
  void loseAt(long step) {
    Session now = session();
    now.steps.plan(
        step,
        () -> {
          now.isOff = true;
          now.poller.switchOff();
        });
  }

  boolean isOff() {
    return session().isOff;
  }

  /** Turns until all has ended, or no more than so many are open, or the power is gone. */
  void turn(int openAtMost) {
    Session now = session();
    now.stack.turnUntil(() -> now.isOff || now.stack.loop.openRequests() <= openAtMost);
  }

  /** Flushes, after all has ended. */
  void flush() {
    Session now = session();
    turn(0);
    if (!now.isOff) {
      MdArray md = now.md;
      assert md != null;
      DrivenStack.Request flush =
          now.stack.submit(
              md.device(), Op.FLUSH, 0, 0, MemorySegment.NULL, new CancelFlag(), false);
      now.stack.turnUntil(() -> now.isOff || flush.ended());
      if (flush.ended()) {
        assertThat(flush.result()).isEqualTo(Outcome.done(0));
        note(true);
      }
    }
  }

  /** Takes into the model what may be on the members now. */
  private void note(boolean isDurable) {
    Session now = session();
    int[] touches = new int[model.size()];
    for (Write write : now.writes) {
      Outcome outcome = write.request.outcome;
      for (int i = 0; i < write.blocks; i++) {
        State state = outcome == null ? State.UNKNOWN : outcome.extents().at((long) i * BLOCK);
        if (state != State.CLEAN) {
          List<Long> may = new ArrayList<>(model.get(write.block + i));
          may.add(write.value);
          touches[write.block + i]++;
          model.set(write.block + i, may);
        }
      }
      if (outcome != null) {
        assertThat(write.request.completions).isEqualTo(1);
      }
    }
    now.writes.clear();
    // Where two went over each other, either may be the last.
    for (int block = 0; isDurable && block < model.size(); block++) {
      if (touches[block] == 1) {
        model.set(block, List.of(model.get(block).getLast()));
      }
    }
  }

  /** After the power went, or to have it go now: what was not flushed may be lost. */
  void losePower() {
    Session now = session();
    note(false);
    if (!now.isOff) {
      now.poller.switchOff();
    }
    assertThat(now.recording.violations()).isEmpty();
    assertThat(now.stack.defects).isEmpty();
    Inside.abandon(now.stack.loop);
    media.forEach(medium -> medium.losePower(random));
  }

  /** Stops it, all being well. */
  void close() {
    Session now = session();
    flush();
    now.stack.close();
    assertThat(now.recording.violations()).isEmpty();
  }

  // --- What must hold ---

  /**
   * With copies of the members, one of them missing: opens it, and reads. What no write touched
   * that was under way must be there; what was, if its member is here, is old or new.
   */
  void checkWithout(int missing, Object where) throws IOException, MetadataException {
    List<SimMedium> copies = media.stream().map(SimMedium::copy).toList();
    Session kept = session;
    Session now = open(copies, missing);
    check(now, missing, where);
    now.stack.close();
    session = kept;
  }

  /** Reads all; what is found is what must be there from now on. */
  void check(Object where) {
    check(session(), -1, where);
  }

  private void check(Session now, int missing, Object where) {
    MdArray md = now.md;
    assert md != null;
    MemorySegment all = now.stack.memory((long) blocks() * BLOCK);
    DrivenStack.Request read = now.stack.submit(md.device(), Op.READ, 0, all, new CancelFlag());
    assertThat(now.stack.finish(read)).as("read %s", where).isEqualTo(Outcome.done(all.byteSize()));
    for (int block = 0; block < blocks(); block++) {
      List<Long> may = model.get(block);
      long offset = (long) block * BLOCK;
      boolean isLost = layout.member(layout.row(offset), layout.column(offset)) == missing;
      if (may.size() > 1 && isLost) {
        continue;
      }
      Long found = null;
      for (long value : may) {
        boolean isIt = true;
        for (int i = 0; i < WORDS; i++) {
          long word = all.get(JAVA_LONG_UNALIGNED, offset + (long) i * Long.BYTES);
          isIt &= word == word(value, (long) block * WORDS + i);
        }
        if (isIt) {
          found = value;
        }
      }
      if (found == null) {
        throw new AssertionError(
            "block %d (row %d, column %d) without member %d is %x, not one of %s; %s, %s"
                .formatted(
                    block,
                    layout.row(offset),
                    layout.column(offset),
                    missing,
                    all.get(JAVA_LONG_UNALIGNED, offset),
                    may,
                    where,
                    replay));
      }
      if (missing < 0 && now == session && media.size() == now.leaves.size()) {
        model.set(block, List.of(found));
      }
    }
  }

  /** Whether parity is right in all rows, on the media. */
  void checkParity(Object where) {
    for (int at = 0; at < ROWS * CHUNK / Long.BYTES; at++) {
      long sum = 0;
      for (SimMedium medium : media) {
        sum ^= medium.at(START / Long.BYTES + at);
      }
      assertThat(sum).as("parity at word %d, %s, %s", at, where, replay).isZero();
    }
  }
}
