// SPDX-License-Identifier: Apache-2.0
package dev.belay.md;

import static dev.belay.md.SuperblockCheck.require;

import dev.belay.md.Assembly.Left;
import dev.belay.md.Assembly.Seat;
import dev.belay.md.Assembly.State;
import dev.belay.md.Assembly.Wish;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.OptionalInt;
import java.util.UUID;

/**
 * Makes the decision of {@link Assembly}: first which array it is, then whose superblock is the
 * freshest, then who may sit where, and last whether that is enough to start.
 */
final class Assembler {
  /**
   * How many events a member may be behind and still be current: the freshest may have been written
   * just before all stopped. The freshest then says what the member's role is.
   */
  private static final long EVENT_MARGIN = 1;

  private final List<Candidate> candidates;
  private final Wish wish;
  private final int newcomer;
  private final boolean[] out;
  private final List<Left> left = new ArrayList<>();
  private final List<String> remarks = new ArrayList<>();
  private final List<Integer> spares = new ArrayList<>();
  private int freshest = -1;
  private Seat[] seats = new Seat[0];

  Assembler(List<Candidate> candidates, Wish wish, int newcomer) {
    this.candidates = candidates;
    this.wish = wish;
    this.newcomer = newcomer;
    this.out = new boolean[candidates.size()];
  }

  Assembly assemble() throws MetadataException {
    require(!candidates.isEmpty(), "an array needs members, and none are given");
    leaveUnreadable();
    chooseArray();
    leaveCutOff();
    chooseFreshest();
    Superblock best = block(freshest);
    if (best.unserved().isPresent()) {
      throw new MetadataException(name(freshest) + ": " + best.unserved().get());
    }
    leaveUnlike();
    refuseSplit();
    seats = new Seat[best.raidDevices()];
    Arrays.fill(seats, Seat.EMPTY);
    for (int i = 0; i < out.length; i++) {
      if (!out[i]) {
        seat(i);
      }
    }
    leaveSpareNumbers();
    leaveSparesWithoutLog();
    requireEnough();
    remarkState();
    return new Assembly(freshest, best, Arrays.asList(seats), spares, left, remarks);
  }

  private void leaveUnreadable() throws MetadataException {
    for (int i = 0; i < out.length; i++) {
      if (candidates.get(i).superblock().isEmpty()) {
        leave(i, candidates.get(i).complaint());
      }
    }
    require(left.size() < out.length, "there is no array here: %s", told());
  }

  /** All must be of one array: a foreign one among them is a mistake of whoever named them. */
  private void chooseArray() throws MetadataException {
    UUID uuid = wish.uuid().orElseGet(this::mostCommon);
    for (int i = 0; i < out.length; i++) {
      if (out[i] || block(i).uuid().equals(uuid)) {
        continue;
      }
      String sentence =
          "it belongs to the array %s (\"%s\"), not to %s"
              .formatted(Superblock.text(block(i).uuid()), block(i).name(), Superblock.text(uuid));
      require(
          wish.uuid().isPresent(),
          "%s: %s as the others do: take it out of the list",
          name(i),
          sentence);
      leave(i, sentence);
    }
    require(left.size() < out.length, "no member of the array is here: %s", told());
  }

  private UUID mostCommon() {
    UUID best = new UUID(0, 0);
    long most = 0;
    for (int i = 0; i < out.length; i++) {
      if (!out[i]) {
        UUID uuid = block(i).uuid();
        long count =
            candidates.stream()
                .filter(c -> c.superblock().map(s -> s.uuid().equals(uuid)).orElse(false))
                .count();
        if (count > most) {
          most = count;
          best = uuid;
        }
      }
    }
    return best;
  }

  private void leaveCutOff() {
    for (int i = 0; i < out.length; i++) {
      if (!out[i]) {
        try {
          block(i).requireRoom(candidates.get(i).deviceBytes());
        } catch (MetadataException e) {
          leave(i, Objects.requireNonNull(e.getMessage()));
        }
      }
    }
  }

  /** The most events among those that say of themselves that they are active: spares may stray. */
  private void chooseFreshest() throws MetadataException {
    freshest = freshest(-1);
    require(
        freshest >= 0,
        "none of the devices is an active member: all are spares, failed or unreadable%s",
        told().isEmpty() ? "" : ": " + told());
    int other = freshest == newcomer ? freshest(newcomer) : -1;
    if (other >= 0 && blames(newcomer, other) && blames(other, newcomer)) {
      freshest = other;
    }
  }

  private int freshest(int without) {
    int found = -1;
    for (int i = 0; i < out.length; i++) {
      if (!out[i]
          && i != without
          && block(i).isActive(block(i).role())
          && !block(i).has(Feature.REPLACEMENT)
          && (found < 0 || block(i).events() > block(found).events())) {
        found = i;
      }
    }
    return found;
  }

  /** Whether one that is active says that the other is not. */
  private boolean blames(int i, int other) {
    Superblock one = block(i);
    return one.isActive(one.role()) && one.numberOf(block(other).role()).isEmpty();
  }

  private void leaveUnlike() {
    Superblock best = block(freshest);
    for (int i = 0; i < out.length; i++) {
      if (out[i] || i == freshest) {
        continue;
      }
      Superblock one = block(i);
      String unlike =
          unlike("metadata", "1." + one.minor(), "1." + best.minor())
              + unlike("creation time", one.createdExactly(), best.createdExactly())
              + unlike("level", one.level().word(), best.level().word())
              + unlike("layout", one.layout(), best.layout())
              + unlike("chunk in bytes", one.chunkBytes(), best.chunkBytes())
              + unlike("used size in bytes", one.usedBytes(), best.usedBytes())
              + unlike("number of members", one.raidDevices(), best.raidDevices())
              + unlike("bitmap", hasBitmap(one), hasBitmap(best));
      if (!unlike.isEmpty()) {
        leave(i, "it does not fit %s:%s".formatted(name(freshest), unlike));
      }
    }
  }

  private static String hasBitmap(Superblock block) {
    return block.bitmapAtBytes().isPresent() ? "internal" : "none";
  }

  private static String unlike(String what, Object one, Object best) {
    return one.equals(best) ? "" : " its %s is %s, not %s;".formatted(what, one, best);
  }

  /**
   * Two that each went on alone, and each say that the other has failed, both have writes that the
   * other has not. mdadm takes the one with more events; that loses the other's writes without a
   * word, so here it must be said.
   */
  private void refuseSplit() throws MetadataException {
    Superblock best = block(freshest);
    for (int i = 0; i < out.length; i++) {
      if (out[i] || i == freshest || !blames(i, freshest)) {
        continue;
      }
      Superblock one = block(i);
      boolean blamed = blames(freshest, i);
      if (blamed ? wasLeft(i) : one.events() + EVENT_MARGIN >= best.events()) {
        continue; // it knew the freshest as a spare, and was not told what became of it
      }
      if (blamed && i == newcomer) {
        leave(
            i,
            "it is the other half of a split array: it and %s each say that the other has"
                    .formatted(name(freshest))
                + " failed, and each was written alone (events %d and %d)"
                    .formatted(one.events(), best.events()));
        continue;
      }
      require(
          wish.force() || !blamed,
          "%s and %s are halves of a split array: each says that the other has failed, and each was"
              + " written alone (events %d and %d); name only the one whose contents you want, and"
              + " belay md add --force makes the other a copy of it",
          name(freshest),
          name(i),
          best.events(),
          one.events());
      leave(i, "it says that %s has failed, and is not believed".formatted(name(freshest)));
    }
  }

  /**
   * Whether a companion that this one believes in went on with the freshest: so this one did not go
   * on alone, because then it would have said that the companion has failed.
   */
  private boolean wasLeft(int i) {
    Superblock one = block(i, block(freshest));
    for (int k = 0; k < out.length; k++) {
      Superblock other = block(k, one);
      if (!out[k]
          && k != i
          && other.events() > one.events()
          && one.isActive(one.role(other.number()))
          && other.role(block(freshest).number()) == block(freshest).role()) {
        return true;
      }
    }
    return false;
  }

  private void seat(int i) throws MetadataException {
    Superblock one = block(i);
    Superblock best = block(freshest);
    int own = one.role();
    if (own == Superblock.SPARE) {
      spares.add(i);
      return;
    }
    if (own == Superblock.FAULTY) {
      leave(i, "its own superblock says that it has failed");
      return;
    }
    if (!one.isActive(own)) {
      leave(i, "its role is %d, and the array has %d".formatted(own, one.raidDevices()));
      return;
    }
    if (one.events() > best.events()) {
      leave(
          i,
          "it says that it is a replacement with more events than any other member: add it anew");
      return;
    }
    if (one.events() + EVENT_MARGIN < best.events()) {
      leaveStale(i);
      return;
    }
    int role = best.role(one.number());
    if (role == Superblock.FAULTY) {
      leaveFailed(i, "%s says that it has failed".formatted(name(freshest)));
      return;
    }
    if (role != own) {
      leaveFailed(
          i,
          role == Superblock.SPARE
              ? "%s does not know it as a member any more".formatted(name(freshest))
              : "it says that its role is %d, but %s says %d".formatted(own, name(freshest), role));
      return;
    }
    take(i, role);
  }

  /** The table of roles has one entry a number: two of one number cannot both be told of. */
  private void leaveSpareNumbers() {
    Map<Integer, Integer> taken = new HashMap<>();
    for (Seat seat : seats) {
      seat.member().ifPresent(i -> taken.put(block(i).number(), i));
    }
    spares.removeIf(
        i -> {
          Integer other = taken.putIfAbsent(block(i).number(), i);
          if (other != null) {
            leave(
                i,
                "it is a spare with the number %d, which %s has: add it anew"
                    .formatted(block(i).number(), name(other)));
          }
          return other != null;
        });
  }

  /**
   * A round of writes must fit into the partial parity log of whoever has the parity, as it does
   * with those who are members now; or writes would wait for ever, or go unlogged.
   */
  private void leaveSparesWithoutLog() {
    long least =
        PartialParityWriter.leastLogBytes(StripeCache.sliceBytes(block(freshest).chunkBytes(), 1));
    for (Seat seat : seats) {
      if (seat.member().isPresent() && logBytes(seat.member().getAsInt()) < least) {
        return; // no log is kept
      }
    }
    spares.removeIf(
        i -> {
          boolean isSmall = logBytes(i) < least;
          if (isSmall) {
            leave(
                i,
                "its partial parity log has %d bytes, and %d are needed: add it anew"
                    .formatted(logBytes(i), least));
          }
          return isSmall;
        });
  }

  private int logBytes(int i) {
    return block(i).pplAtBytes().isPresent() ? block(i).pplBytes() : 0;
  }

  private void take(int i, int role) throws MetadataException {
    Superblock one = block(i);
    Seat taken = seats[role];
    if (taken.member().isPresent()) {
      int other = taken.member().getAsInt();
      boolean replaces = one.has(Feature.REPLACEMENT) != block(other).has(Feature.REPLACEMENT);
      require(
          replaces || one.events() != block(other).events(),
          "%s and %s are both member %d of the array, with the same event count: one is a copy of"
              + " the other; name only one of them",
          name(other),
          name(i),
          role);
      boolean better =
          replaces ? block(other).has(Feature.REPLACEMENT) : one.events() > block(other).events();
      if (!better) {
        leaveSecond(i, other, role);
        return;
      }
      leaveSecond(other, i, role);
    }
    boolean recovering = one.recoveryBytes().isPresent();
    seats[role] =
        new Seat(
            OptionalInt.of(i),
            recovering ? State.RECOVERING : State.IN_SYNC,
            recovering ? one.recoveryBytes().getAsLong() : 0,
            recovering && one.has(Feature.RECOVERY_BITMAP));
  }

  private void leaveSecond(int i, int sitting, int role) {
    leave(
        i,
        block(i).has(Feature.REPLACEMENT)
            ? "it was to replace %s, member %d, and was not done: add it anew to begin again"
                .formatted(name(sitting), role)
            : "%s is member %d already".formatted(name(sitting), role));
  }

  private void leaveStale(int i) {
    String events =
        "it is stale: its event count is %d, that of %s is %d"
            .formatted(block(i).events(), name(freshest), block(freshest).events());
    leaveFailed(i, events);
  }

  /** Leaves one out that was in the array once, and says what adding it again would cost. */
  private void leaveFailed(int i, String why) {
    Superblock one = block(i);
    boolean catchUp =
        one.recoveryBytes().isEmpty()
            && block(freshest).has(Feature.BITMAP)
            && candidates.get(freshest).bitmap().isPresent()
            && candidates.get(freshest).bitmap().get().canCatchUp(one.events());
    leave(
        i,
        why
            + (catchUp
                ? "; add it again, and only what changed since is copied"
                : "; add it again, and all of it is rebuilt"),
        OptionalInt.of(one.role()),
        catchUp);
  }

  private void requireEnough() throws MetadataException {
    Superblock best = block(freshest);
    int inSync = count(State.IN_SYNC);
    int recovering = count(State.RECOVERING);
    boolean enough =
        switch (best.level()) {
          case RAID0 -> inSync == seats.length;
          case RAID1 -> inSync >= 1;
          case RAID4, RAID5, RAID6 -> inSync >= seats.length - best.level().parities();
          case RAID10 -> canRun(best);
        };
    require(
        enough,
        "%d of the %d members of this %s are here and in sync, too few to read it all: missing"
            + " %s%s",
        inSync,
        seats.length,
        best.level().word(),
        missing(),
        told().isEmpty() ? "" : "; " + told());
    require(
        !isDirtyAndDegraded(best, inSync) || wish.force(),
        "the array is dirty and degraded (missing %s): it stopped while it was written, and what"
            + " the missing member had cannot be told for sure; bring it back, or use force=on"
            + " and check the contents%s",
        missing(),
        told().isEmpty() ? "" : "; " + told());
    int active = best.activeRoles();
    require(
        wish.run() || wish.force() || inSync + recovering >= active,
        "%d of the %d members that were active when the array stopped are here, missing %s: bring"
            + " them back, or use run=on to start without them%s",
        inSync + recovering,
        active,
        missing(),
        told().isEmpty() ? "" : "; " + told());
  }

  /** Without all columns the parity of a row that was being written says nothing about them. */
  private boolean isDirtyAndDegraded(Superblock best, int inSync) {
    boolean parityOnly =
        best.level() == Level.RAID4
            && inSync == seats.length - 1
            && seats[seats.length - 1].state() != State.IN_SYNC;
    return best.level().parities() > 0
        && best.resyncBytes() != Superblock.CLEAN
        && inSync < seats.length
        && !parityOnly
        && best.pplAtBytes().isEmpty();
  }

  private boolean canRun(Superblock best) throws MetadataException {
    try {
      return CopiesLayout.raid10(
              best.layout(), best.raidDevices(), best.chunkBytes(), best.usedBytes())
          .canRunWithout(role -> seats[role].state() != State.IN_SYNC);
    } catch (IllegalArgumentException e) {
      throw new MetadataException(name(freshest) + ": " + e.getMessage());
    }
  }

  private void remarkState() {
    Superblock best = block(freshest);
    if (count(State.MISSING) > 0) {
      remarks.add("the array is degraded: missing " + missing());
    }
    for (int role = 0; role < seats.length; role++) {
      if (seats[role].state() == State.RECOVERING) {
        remarks.add(
            "%s is being rebuilt as member %d and is right up to byte %d"
                .formatted(
                    name(seats[role].member().getAsInt()), role, seats[role].recoveryBytes()));
      }
    }
    if (best.resyncBytes() != Superblock.CLEAN) {
      remarks.add(
          "the array was not stopped cleanly, or never was in sync: "
              + (best.pplAtBytes().isPresent()
                  ? "its partial parity logs are replayed, or it is resynced"
                  : "it is resynced" + (best.has(Feature.BITMAP) ? " where the bitmap says" : "")));
    }
  }

  private String missing() {
    List<String> roles = new ArrayList<>();
    for (int role = 0; role < seats.length; role++) {
      if (seats[role].state() == State.MISSING) {
        roles.add(Integer.toString(role));
      }
    }
    return roles.isEmpty()
        ? "none, but some are not rebuilt yet"
        : (roles.size() == 1 ? "member " : "members ") + String.join(", ", roles);
  }

  private int count(State state) {
    return (int) Arrays.stream(seats).filter(s -> s.state() == state).count();
  }

  private Superblock block(int i) {
    return candidates.get(i).superblock().orElseThrow();
  }

  private Superblock block(int i, Superblock fallback) {
    return candidates.get(i).superblock().orElse(fallback);
  }

  private String name(int i) {
    return candidates.get(i).name();
  }

  private void leave(int i, String sentence) {
    leave(i, sentence, OptionalInt.empty(), false);
  }

  private void leave(int i, String sentence, OptionalInt role, boolean canCatchUp) {
    out[i] = true;
    left.add(new Left(i, sentence, role, canCatchUp));
    remarks.add("%s is left out: %s".formatted(name(i), sentence));
  }

  private String told() {
    return String.join("; ", remarks);
  }
}
