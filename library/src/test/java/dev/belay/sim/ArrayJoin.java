// SPDX-License-Identifier: Apache-2.0
package dev.belay.sim;

import dev.belay.md.Assembly;
import dev.belay.md.Assembly.Seat;
import dev.belay.md.Assembly.State;
import dev.belay.md.Creation;
import dev.belay.md.DirectIo;
import dev.belay.md.Joining;
import dev.belay.md.MemberContents;
import dev.belay.md.MetadataException;
import dev.belay.md.Superblock;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.HashSet;
import java.util.List;
import java.util.Objects;
import java.util.OptionalInt;
import java.util.Set;
import java.util.random.RandomGenerator;

/** Adds devices to an array that is closed, as {@code md add} does. */
final class ArrayJoin {
  private final List<MemberContents> contents;
  private final Assembly assembly;
  private final RandomGenerator random;
  private final List<Seat> seats;
  private final List<Integer> spares;
  private final List<Assembly.Left> left;

  /**
   * @param contents of all candidates; those of who joins are replaced
   */
  ArrayJoin(List<MemberContents> contents, Assembly assembly, RandomGenerator random) {
    this.contents = contents;
    this.assembly = assembly;
    this.random = random;
    seats = new ArrayList<>(assembly.seats());
    spares = new ArrayList<>(assembly.spares());
    left = new ArrayList<>(assembly.left());
  }

  /** Adds one that was left out. */
  void add(Assembly.Left one, DirectIo io) {
    int index = one.candidate();
    Superblock own = contents.get(index).superblock();
    if (own == null || one.role().isEmpty()) {
      return;
    }
    int role = one.role().getAsInt();
    Joining joining = joining(index);
    try {
      if (one.canCatchUp()
          && role < seats.size()
          && seats.get(role).state() == State.MISSING
          && joining.fits(own)) {
        announce(index, joining.again(own, role), io);
        seats.set(role, new Seat(OptionalInt.of(index), State.RECOVERING, 0, true));
      } else {
        Joining.Joined spare = joining.spare(contents.get(index).deviceBytes(), random);
        for (Creation.Placed placed : spare.writes()) {
          io.write(placed.atBytes(), placed.bytes());
        }
        contents.set(index, MemberContents.read(contents.get(index).name(), io));
        spares.add(index);
      }
      left.remove(one);
    } catch (MetadataException e) {
      throw new Violation("a member cannot be added again: " + e.getMessage(), e);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private Joining joining(int newcomer) {
    BitSet bits = new BitSet();
    Set<Integer> taken = new HashSet<>();
    for (int i = 0; i < contents.size(); i++) {
      Superblock block = contents.get(i).superblock();
      if (block != null && i != newcomer) {
        taken.add(block.number());
      }
    }
    for (Seat seat : assembly.seats()) {
      if (seat.state() == State.IN_SYNC) {
        bits.or(contents.get(seat.member().orElseThrow()).bits());
      }
    }
    MemberContents freshest = contents.get(assembly.freshest());
    return new Joining(
        Objects.requireNonNull(freshest.superblock()), freshest.bitmap(), bits, taken);
  }

  /** Its superblock is written with those of all others. */
  private void announce(int index, Joining.Joined joined, DirectIo io) throws IOException {
    for (Creation.Placed placed : joined.writes()) {
      if (placed.atBytes() != joined.superblock().atBytes()) {
        io.write(placed.atBytes(), placed.bytes());
      }
    }
    MemberContents now = contents.get(index);
    MemberContents freshest = contents.get(assembly.freshest());
    contents.set(
        index,
        new MemberContents(
            now.name(),
            now.deviceBytes(),
            joined.superblock(),
            "",
            freshest.bitmap(),
            freshest.bits(),
            "",
            now.badBlocks()));
  }

  /** The array with all who were added. */
  Assembly joined() {
    return new Assembly(
        assembly.freshest(), assembly.superblock(), seats, spares, left, assembly.remarks());
  }
}
