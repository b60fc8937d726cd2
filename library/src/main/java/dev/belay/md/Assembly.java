// SPDX-License-Identifier: Apache-2.0
package dev.belay.md;

import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.UUID;

/**
 * Which array a number of devices make up, and in what state: the decision of {@code mdadm
 * --assemble} and of the kernel's {@code super_1_validate}, without touching any device.
 *
 * @param freshest whose superblock is believed: an index into the candidates
 * @param superblock that one's; its table of roles and its event count are the array's
 * @param seats one for each role of the array
 * @param spares indices of the spares
 * @param left those that do not take part, each with the reason
 * @param remarks what the user should be told, a sentence each; those of {@code left} are in it
 */
public record Assembly(
    int freshest,
    Superblock superblock,
    List<Seat> seats,
    List<Integer> spares,
    List<Left> left,
    List<String> remarks) {

  /** What is in a seat. */
  public enum State {
    /** Nobody. */
    MISSING,
    /** A member that is right everywhere. */
    IN_SYNC,
    /** A member that is right before an offset only. */
    RECOVERING
  }

  /**
   * A role and who has it.
   *
   * @param member index into the candidates; none where the seat is missing
   * @param state what it is worth
   * @param recoveryBytes up to where a recovering member is right, from its start on
   * @param byBitmap whether behind the offset only that is wrong for which the bitmap has a bit
   */
  public record Seat(OptionalInt member, State state, long recoveryBytes, boolean byBitmap) {
    static final Seat EMPTY = new Seat(OptionalInt.empty(), State.MISSING, 0, false);
  }

  /**
   * A device that is left out.
   *
   * @param candidate its index
   * @param sentence why
   * @param role the seat that it may be added to again; none if it is to be added as a new one
   * @param canCatchUp whether the bitmap knows all that it has missed, so that only that is copied
   */
  public record Left(int candidate, String sentence, OptionalInt role, boolean canCatchUp) {}

  /**
   * What the user asks for.
   *
   * @param run whether to start with fewer members than there were when it stopped
   * @param force whether to start in spite of what may be lost: dirty and degraded parity, or one
   *     half of a split array
   * @param uuid the array that is wanted; others are then left out instead of refused
   */
  public record Wish(boolean run, boolean force, Optional<UUID> uuid) {
    /** Start what is safe to start. */
    public static final Wish SAFE = new Wish(false, false, Optional.empty());
  }

  /** Keeps its own lists. */
  public Assembly {
    seats = List.copyOf(seats);
    spares = List.copyOf(spares);
    left = List.copyOf(left);
    remarks = List.copyOf(remarks);
  }

  /**
   * Decides.
   *
   * @param candidates in any order
   * @throws MetadataException if there is no array that may be started, with the reasons
   */
  public static Assembly of(List<Candidate> candidates, Wish wish) throws MetadataException {
    return new Assembler(candidates, wish, -1).assemble();
  }

  /**
   * Decides, when one of them is to be added to the array of the others: if it is the other half of
   * a split array it is left out, though it may have more events than they.
   *
   * @param newcomer index of that one
   * @throws MetadataException if there is no array that may be started, with the reasons
   */
  public static Assembly of(List<Candidate> candidates, Wish wish, int newcomer)
      throws MetadataException {
    return new Assembler(candidates, wish, newcomer).assemble();
  }

  /** The event count of the array. */
  public long events() {
    return superblock.events();
  }

  /** Whether all was in sync when it stopped. */
  public boolean isClean() {
    return superblock.resyncBytes() == Superblock.CLEAN;
  }

  /** How many seats have no member that is right everywhere. */
  public int degraded() {
    return (int) seats.stream().filter(s -> s.state() != State.IN_SYNC).count();
  }

  /** The seats with this state. */
  public int count(State state) {
    return (int) seats.stream().filter(s -> s.state() == state).count();
  }
}
