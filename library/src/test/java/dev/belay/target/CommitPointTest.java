// SPDX-License-Identifier: Apache-2.0
package dev.belay.target;

import static org.assertj.core.api.Assertions.assertThat;

import dev.belay.CancelFlag;
import dev.belay.Inside;
import dev.belay.Op;
import dev.belay.Outcome;
import dev.belay.md.ArrayOptions;
import dev.belay.md.Creation;
import dev.belay.md.Creation.Log;
import dev.belay.md.Level;
import dev.belay.md.SyncMode;
import dev.belay.testing.CommitWitness;
import dev.belay.testing.DrivenStack.Request;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/**
 * Law 3 across shields: what of a write is sent to members has been looked at right before, however
 * long the write had waited: for its range or its slice, to be admitted, for records, for room in
 * the log, for reads, or for a step of a walk. One thing happens at a time, by chance, and flags go
 * up in between.
 */
final class CommitPointTest {
  private static final int KIB = 1 << 10;
  private static final int RUNS = Integer.getInteger("belay.commits.runs", 25);

  /** An array, and whether a write of it waits for the log as well. */
  private record Kind(Level level, int members, Log log) {}

  private static final List<Kind> KINDS =
      List.of(
          new Kind(Level.RAID1, 2, Log.NONE),
          new Kind(Level.RAID1, 3, Log.BITMAP),
          new Kind(Level.RAID10, 4, Log.NONE),
          new Kind(Level.RAID10, 3, Log.BITMAP),
          new Kind(Level.RAID4, 3, Log.BITMAP),
          new Kind(Level.RAID5, 3, Log.NONE),
          new Kind(Level.RAID5, 4, Log.BITMAP),
          new Kind(Level.RAID5, 4, Log.PPL),
          new Kind(Level.RAID6, 5, Log.BITMAP));

  /** One run: some writes to a few places, of which some are stopped. */
  private static final class Run {
    private final RecordedRig rig;
    private final SplittableRandom random;
    private final CommitWitness witness = new CommitWitness();
    private final List<Request> requests = new ArrayList<>();
    private final List<Request> stopped = new ArrayList<>();
    private int left = 12;
    private boolean hasWalked;

    Run(RecordedRig rig, long seed) {
      this.rig = rig;
      random = new SplittableRandom(seed);
      for (LegLeaf leg : rig.legs) {
        leg.witness = witness;
        leg.holdAll();
      }
    }

    int play() {
      while (left > 0 || requests.stream().anyMatch(request -> !request.ended())) {
        switch (random.nextInt(8)) {
          case 0, 1 -> submit();
          case 2 -> stop();
          case 3 -> walk();
          case 4 -> rig.pass(random.nextInt(300) * 1_000_000L);
          case 5 -> rig.stack.loop.turn(0);
          default -> answer();
        }
        witness.nextMoment();
        assertThat(witness.violations()).isEmpty();
      }
      for (Request request : stopped) {
        assertThat(request.result().kind()).isEqualTo(Outcome.Kind.CANCELLED);
        assertThat(request.result().cleanBytes()).isEqualTo(request.result().lengthBytes());
        assertThat(witness.sent(request.flag)).as("sent after its flag was up").isZero();
      }
      rig.legs.forEach(LegLeaf::release);
      rig.walkToItsEnd();
      assertThat(rig.array.walk().begin(SyncMode.CHECK)).isTrue();
      rig.walkToItsEnd();
      assertThat(rig.array.walk().mismatchedBytes()).isZero();
      return requests.stream().mapToInt(request -> witness.sent(request.flag)).sum();
    }

    private void submit() {
      if (left > 0) {
        left--;
        long at = random.nextInt(3) * 64L * KIB + random.nextInt(4) * 4L * KIB;
        long length = random.nextInt(5) == 0 ? 64L * KIB - at % (64 * KIB) : 8 * KIB;
        requests.add(rig.submit(at, length, left, witness.newFlag()));
      }
    }

    /** The flag goes up, and nobody hears of it until something else happens. */
    private void stop() {
      if (!requests.isEmpty()) {
        Request request = requests.get(random.nextInt(requests.size()));
        if (!request.flag.isRaised()) {
          boolean isCommitted = request.ended() || Inside.isCommitted(request.bio);
          request.flag.raise();
          if (!isCommitted) {
            stopped.add(request);
          }
        }
        answer();
      }
    }

    private void walk() {
      if (!hasWalked && random.nextInt(4) == 0) {
        hasWalked = true;
        List<SyncMode> modes = List.of(SyncMode.CHECK, SyncMode.REPAIR, SyncMode.RESYNC);
        rig.array.walk().begin(modes.get(random.nextInt(3)));
      }
    }

    private void answer() {
      List<LegLeaf> holding = rig.legs.stream().filter(leg -> !leg.held.isEmpty()).toList();
      if (!holding.isEmpty()) {
        LegLeaf leg = holding.get(random.nextInt(holding.size()));
        leg.answer(leg.held.remove(random.nextInt(leg.held.size())));
      }
    }
  }

  @TestFactory
  Stream<DynamicTest> whatWaitedIsLookedAtBeforeItIsSent() {
    return KINDS.stream()
        .map(kind -> DynamicTest.dynamicTest(kind.toString(), () -> playAll(kind)));
  }

  private static void playAll(Kind kind) throws Exception {
    int sent = 0;
    for (long seed = 1; seed <= RUNS; seed++) {
      Creation creation = RecordedRig.creation(kind.level, kind.members, kind.log);
      try (RecordedRig rig = new RecordedRig(creation, kind.members, ArrayOptions.DEFAULT)) {
        sent += new Run(rig, seed).play();
      } catch (AssertionError | RuntimeException e) {
        throw new AssertionError(kind + ", seed " + seed + ": " + e.getMessage(), e);
      }
    }
    assertThat(sent).as("pieces that were sent").isGreaterThan(RUNS);
  }

  @TestFactory
  Stream<DynamicTest> aWriteThatWaitedForItsRangeIsNotSentOnceItsFlagIsUp() {
    return KINDS.stream()
        .map(kind -> DynamicTest.dynamicTest(kind.toString(), () -> raiseAsItIsGranted(kind)));
  }

  private static void raiseAsItIsGranted(Kind kind) throws Exception {
    Creation creation = RecordedRig.creation(kind.level, kind.members, kind.log);
    try (RecordedRig rig = new RecordedRig(creation, kind.members, ArrayOptions.DEFAULT)) {
      rig.legs.forEach(leg -> leg.holds = bio -> bio.op() == Op.WRITE && bio.lengthBytes() > 4096);
      Request first = rig.submit(0, 8L * KIB, 1, new CancelFlag());
      rig.turn();
      CancelFlag flag = new CancelFlag();
      Request second = rig.submit(0, 8L * KIB, 2, flag);
      rig.turn();
      flag.raise();
      rig.legs.forEach(LegLeaf::release);
      rig.turn();
      assertThat(first.result()).isEqualTo(Outcome.done(8L * KIB));
      assertThat(second.result().cleanBytes()).isEqualTo(8L * KIB);
    }
  }
}
