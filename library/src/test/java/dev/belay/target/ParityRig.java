// SPDX-License-Identifier: Apache-2.0
package dev.belay.target;

import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;
import static org.assertj.core.api.Assertions.assertThat;

import dev.belay.Bio;
import dev.belay.CancelFlag;
import dev.belay.Device;
import dev.belay.Extents.State;
import dev.belay.Op;
import dev.belay.Outcome;
import dev.belay.md.Level;
import dev.belay.md.ParityLayout;
import dev.belay.testing.DrivenStack;
import dev.belay.testing.Recording;
import dev.belay.testing.SimClock;
import dev.belay.testing.SimLeaf;
import dev.belay.testing.SimMedium;
import dev.belay.testing.SimPoller;
import dev.belay.testing.Steps;
import dev.belay.testing.Weather;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.SplittableRandom;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * An array with parity over simulated members that outlive it, and what they must hold: every word
 * of the array is known, and parity is computed here once more, bit by bit.
 */
final class ParityRig implements AutoCloseable {
  static final Weather CALM = new Weather(4, 1000, 0, 0, 0, Weather.Abort.EVERYTHING, 0, 1);

  private static final int WORD = SimMedium.GRANULE_BYTES;
  static final int BLOCK = 64;

  /** A request and what became of it. */
  static final class Request {
    final DrivenStack.Request request;
    final int firstWord;
    final int words;
    final long value;

    Request(DrivenStack.Request request, int firstWord, int words, long value) {
      this.request = request;
      this.firstWord = firstWord;
      this.words = words;
      this.value = value;
    }

    Outcome outcome() {
      return request.result();
    }

    /** What it writes into a word. */
    long word(int word) {
      return value == 0 ? 0 : value << 32 | word;
    }
  }

  final ParityLayout layout;
  final List<SimMedium> media;
  final Steps steps;
  final DrivenStack stack;
  final Recording recording = new Recording(true, true);
  final Parity parity;
  final SplittableRandom random;

  /** What each word may be. */
  final long[][] model;

  private final List<Request> requests = new ArrayList<>();
  private final List<DrivenStack.Request> reads = new ArrayList<>();
  private final List<long[]> seen = new ArrayList<>();
  private final List<SimLeaf> leaves = new ArrayList<>();
  private long values;

  /** New media, which are written whole first. */
  ParityRig(ParityLayout layout, int rows, long seed) {
    this(layout, media(layout, rows), new BitSet(), seed, lower -> lower, null);
    write(0, words(), new CancelFlag());
    settle();
  }

  /** The media of another one, without some of the members. */
  ParityRig(ParityRig other, BitSet missing) {
    this(other, missing, lower -> lower);
  }

  ParityRig(ParityRig other, BitSet missing, UnaryOperator<Device> wrap) {
    this(other.layout, other.media, missing, other.random.nextLong(), wrap, other.model);
    values = other.values;
  }

  private ParityRig(
      ParityLayout layout,
      List<SimMedium> media,
      BitSet missing,
      long seed,
      UnaryOperator<Device> wrap,
      long @Nullable [][] model) {
    this.layout = layout;
    this.media = media;
    random = new SplittableRandom(seed);
    steps = new Steps();
    SimClock clock = new SimClock(steps);
    stack = new DrivenStack(clock);
    SimPoller poller = new SimPoller(clock, steps);
    stack.loop.setPoller(poller);
    List<@Nullable Device> members = new ArrayList<>();
    for (int i = 0; i < media.size(); i++) {
      SimLeaf leaf =
          new SimLeaf(stack.loop, "m" + i, media.get(i), CALM, poller, recording, random.split());
      leaves.add(leaf);
      members.add(missing.get(i) ? null : wrap.apply(leaf));
    }
    parity =
        Parity.byHand(stack.loop, layout.level(), members, layout.chunkBytes(), layout.number());
    this.model = model != null ? model : new long[words()][1];
  }

  static List<SimMedium> media(ParityLayout layout, int rows) {
    List<SimMedium> media = new ArrayList<>();
    for (int i = 0; i < layout.members(); i++) {
      media.add(new SimMedium(i, (int) (rows * layout.chunkBytes() / WORD), BLOCK / WORD));
    }
    return media;
  }

  static ParityLayout layout(Level level, int number, int members) {
    return new ParityLayout(level, number, members, 512);
  }

  int words() {
    return (int) (parity.limits().sizeBytes() / WORD);
  }

  // --- Requests ---

  Request write(int firstWord, int words, CancelFlag flag) {
    long value = ++values;
    MemorySegment buffer = stack.memory((long) words * WORD);
    for (int i = 0; i < words; i++) {
      buffer.set(JAVA_LONG_UNALIGNED, (long) i * WORD, value << 32 | (firstWord + i));
    }
    return note(
        stack.submit(parity, Op.WRITE, (long) firstWord * WORD, buffer, flag),
        firstWord,
        words,
        value);
  }

  Request zero(int firstWord, int words, CancelFlag flag) {
    long offset = (long) firstWord * WORD;
    long length = (long) words * WORD;
    return note(
        stack.submit(parity, Op.WRITE_ZEROES, offset, length, MemorySegment.NULL, flag, false),
        firstWord,
        words,
        0);
  }

  private Request note(DrivenStack.Request request, int firstWord, int words, long value) {
    Request noted = new Request(request, firstWord, words, value);
    requests.add(noted);
    return noted;
  }

  /** Some blocks, of any place and length up to a stripe and a half. */
  Request writeSomewhere(CancelFlag flag) {
    int perBlock = BLOCK / WORD;
    int blocks = words() / perBlock;
    int first = random.nextInt(blocks);
    int most = (int) Math.min(blocks - first, layout.rowBytes() * 3 / 2 / BLOCK);
    int count = 1 + random.nextInt(random.nextBoolean() ? Math.min(3, most) : most);
    return random.nextInt(8) == 0
        ? zero(first * perBlock, count * perBlock, flag)
        : write(first * perBlock, count * perBlock, flag);
  }

  /** Reads some blocks; what is found must be what may be there, when all has ended. */
  DrivenStack.Request readSomewhere(CancelFlag flag) {
    int blocks = words() * WORD / BLOCK;
    int first = random.nextInt(blocks);
    int count = 1 + random.nextInt((int) Math.min(blocks - first, layout.rowBytes() / BLOCK));
    MemorySegment buffer = stack.memory((long) count * BLOCK);
    DrivenStack.Request read = stack.submit(parity, Op.READ, (long) first * BLOCK, buffer, flag);
    reads.add(read);
    return read;
  }

  /** The faults of the members, from now on. */
  void setWeather(Weather weather) {
    leaves.forEach(leaf -> leaf.setWeather(weather));
  }

  /** Which members are out. */
  BitSet faulty() {
    BitSet faulty = new BitSet();
    for (int slot = 0; slot < layout.members(); slot++) {
      faulty.set(slot, parity.array().member(slot) == null);
    }
    return faulty;
  }

  /** What reads found is what some write of their time left; a clean byte is as it was: zero. */
  private void checkReadsOfBatch() {
    for (DrivenStack.Request read : reads) {
      for (long at = 0; at < read.buffer.byteSize(); at += WORD) {
        long found = read.buffer.get(JAVA_LONG_UNALIGNED, at);
        int word = (int) ((read.offsetBytes + at) / WORD);
        switch (read.result().extents().at(at)) {
          case CLEAN -> assertThat(found).as("a clean word of a buffer").isZero();
          case DONE ->
              assertThat(Arrays.stream(seen.get(word)).anyMatch(may -> may == found))
                  .as("read %x at word %d, of %s", found, word, Arrays.toString(seen.get(word)))
                  .isTrue();
          case UNKNOWN -> {}
        }
      }
    }
    reads.clear();
  }

  /** Everything that a word held at some time of the batch. */
  private void noteSeen(List<long[]> before) {
    seen.clear();
    seen.addAll(before);
    for (Request request : requests) {
      for (int i = 0; i < request.words; i++) {
        if (request.outcome().extents().at((long) i * WORD) != State.CLEAN) {
          long[] old = seen.get(request.firstWord + i);
          long[] now = Arrays.copyOf(old, old.length + 1);
          now[old.length] = request.word(request.firstWord + i);
          seen.set(request.firstWord + i, now);
        }
      }
    }
  }

  /** Ends all requests, and takes what they wrote into the model. */
  void settle() {
    stack.finishAll();
    stack.turnUntil(() -> parity.cache().slicesInUse() == 0);
    List<long[]> before = new ArrayList<>(Arrays.asList(model.clone()));
    noteSeen(before);
    checkReadsOfBatch();
    for (Request request : requests) {
      for (int i = 0; i < request.words; i++) {
        int word = request.firstWord + i;
        State state = request.outcome().extents().at((long) i * WORD);
        if (state == State.CLEAN) {
          continue;
        }
        long[] old = model[word];
        boolean isFresh = state == State.DONE && old == before.get(word);
        long[] now = isFresh ? new long[1] : Arrays.copyOf(old, old.length + 1);
        now[now.length - 1] = request.word(word);
        model[word] = now;
      }
    }
    requests.clear();
    assertThat(stack.defects).isEmpty();
    assertThat(recording.violations()).isEmpty();
    assertThat(parity.cache().partsInUse()).as("parts in use").isZero();
    assertThat(parity.cache().slicesInUse()).as("slices in use").isZero();
  }

  // --- What must hold ---

  /** Whether the word may be what is found; from now on it must be. */
  private void isRight(int word, long found, Object where) {
    for (long may : model[word]) {
      if (may == found) {
        model[word] = new long[] {found};
        return;
      }
    }
    throw new AssertionError(
        "word %d is %x, not one of %s %s"
            .formatted(word, found, Arrays.toString(model[word]), where));
  }

  /** Looks at the media of the members that are there, and at parity over all of them. */
  void checkMedia(BitSet missing) {
    int chunkWords = (int) layout.chunkBytes() / WORD;
    int rows = words() / layout.columns() / chunkWords;
    for (int row = 0; row < rows; row++) {
      for (int at = 0; at < chunkWords; at++) {
        long p = 0;
        long q = 0;
        for (int column = 0; column < layout.columns(); column++) {
          int member = layout.member(row, column);
          long found = media.get(member).at(row * chunkWords + at);
          if (!missing.get(member)) {
            isRight((int) (layout.arrayOffset(row, column) / WORD) + at, found, "on the medium");
          }
          p ^= found;
          q ^= product(found, layout.qIndex(row, column));
        }
        if (missing.isEmpty()) {
          long onP = media.get(layout.parityMember(row)).at(row * chunkWords + at);
          assertThat(onP).as("P of row %d, word %d", row, at).isEqualTo(p);
          if (layout.qMember(row) >= 0) {
            long onQ = media.get(layout.qMember(row)).at(row * chunkWords + at);
            assertThat(onQ).as("Q of row %d, word %d", row, at).isEqualTo(q);
          }
        }
      }
    }
  }

  /** Each byte times 2 to the power, in GF(2^8). */
  static long product(long word, int power) {
    long product = word;
    for (int i = 0; i < power; i++) {
      long top = product & 0x8080_8080_8080_8080L;
      product = (product & 0x7f7f_7f7f_7f7f_7f7fL) << 1 ^ (top >>> 7) * 0x1d;
    }
    return product;
  }

  /** Reads all of it through the array. */
  void checkReads(Object where) {
    MemorySegment buffer = stack.memory((long) words() * WORD);
    DrivenStack.Request read = stack.submit(parity, Op.READ, 0, buffer, new CancelFlag());
    assertThat(stack.finish(read)).isEqualTo(Outcome.done(buffer.byteSize()));
    for (int word = 0; word < words(); word++) {
      isRight(word, buffer.get(JAVA_LONG_UNALIGNED, (long) word * WORD), where);
    }
    settle();
  }

  /** Reads all of it without any tolerated set of members. */
  void checkEveryDegradedRead() {
    for (BitSet missing : combinations(layout)) {
      try (ParityRig degraded = new ParityRig(this, missing)) {
        degraded.checkReads("without " + missing);
      }
    }
  }

  /** All sets of members that may be missing, and none. */
  static List<BitSet> combinations(ParityLayout layout) {
    List<BitSet> all = new ArrayList<>();
    all.add(new BitSet());
    for (int a = 0; a < layout.members(); a++) {
      all.add(set(a, a));
      for (int b = a + 1; b < layout.members() && layout.parities() > 1; b++) {
        all.add(set(a, b));
      }
    }
    return all;
  }

  static BitSet set(int a, int b) {
    BitSet set = new BitSet();
    set.set(a);
    set.set(b);
    return set;
  }

  long sent(Op op) {
    return recording.sent().stream().filter(sent -> sent.op() == op).count();
  }

  /** A member that stops what its request's flag would stop: the shield is not there. */
  static final class Unshielded extends Device {
    private final Device lower;

    Unshielded(Device lower) {
      super(lower.loop(), "unshielded", lower.limits(), List.of(lower));
      this.lower = lower;
    }

    @Override
    public dev.belay.Verdict map(Bio bio) {
      if (bio.op() == Op.WRITE && Recording.flagOf(bio).isRaised()) {
        bio.cancelClean();
        return dev.belay.Verdict.TAKEN;
      }
      bio.remap(lower, bio.offsetBytes());
      return dev.belay.Verdict.REMAPPED;
    }
  }

  @Override
  public void close() {
    stack.close();
  }
}
