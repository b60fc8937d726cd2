// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

import dev.belay.md.Array;
import dev.belay.md.Assembly;
import dev.belay.md.BadBlocks;
import dev.belay.md.BitmapHead;
import dev.belay.md.Creation;
import dev.belay.md.Joining;
import dev.belay.md.MemberContents;
import dev.belay.md.MetadataException;
import dev.belay.md.Superblock;
import java.io.IOException;
import java.io.PrintWriter;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.HashSet;
import java.util.List;
import java.util.OptionalInt;
import java.util.Set;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code belay md replace MEMBER... --member=OLD --with=NEW}: one member's place for another. */
@Command(
    name = "replace",
    description = "Copy a member to another device, which then takes its place.",
    mixinStandardHelpOptions = true,
    footer = {
      "",
      "Until the copy is whole nothing changes, so the array stays as redundant as it was. What"
          + " the",
      "old member cannot read is rebuilt from the others at the end.",
      "Example: belay md replace a.img b.img --member=b.img --with=d.img"
    })
final class MdReplace implements Callable<Integer> {
  @Parameters(arity = "1..*", paramLabel = "MEMBER", description = "Files, devices, expressions.")
  private List<String> texts;

  @Option(names = "--member", required = true, paramLabel = "OLD", description = "Who is replaced.")
  private String old;

  @Option(
      names = "--with",
      required = true,
      paramLabel = "NEW",
      description = "Who takes its place.")
  private String with;

  @Mixin private MdChoices choices;

  @Spec private CommandSpec spec;

  @Override
  public Integer call() throws IOException {
    PrintWriter out = spec.commandLine().getOut();
    try (MdMembers members = MdAdd.open(texts, with)) {
      int from = members.require(old);
      int to = members.require(with);
      Assembly assembly = members.assemble(choices.wish(), with);
      MdWork.requireRedundancy(assembly);
      int role = MdWork.seat(assembly, from);
      if (role < 0) {
        throw new Main.Failure(
            "%s has no place in the array that another could take: belay md detail shows who has"
                .formatted(old));
      }
      Joining.Joined joined = plan(members, assembly, from, to);
      long startBytes = members.superblock(from).startBytes();
      long lengthBytes = assembly.superblock().usedBytes();
      MdSigns.wipe(members.io(to), -1);
      MdCopy copy =
          new MdCopy(
              members.loop(),
              members.device(from),
              members.device(to),
              startBytes,
              lengthBytes,
              choices.options().fastestSyncBytesPerSecond());
      for (BadBlocks.Range bad :
          members.contents(from).badBlocks().within(startBytes, lengthBytes)) {
        copy.endBefore(bad.offsetBytes() - startBytes);
      }
      MdWalk.End end = copy.run(out);
      if (end != MdWalk.End.DONE) {
        out.println("nothing has changed: " + old + " is still in its place");
        return end.code();
      }
      return takeOver(members, assembly, role, joined, to, copy.goodBytes());
    }
  }

  private Joining.Joined plan(MdMembers members, Assembly assembly, int from, int to)
      throws IOException {
    if (from == to || MdWork.seat(assembly, to) >= 0 || assembly.spares().contains(to)) {
      throw new Main.Failure(
          with + " is a member of this array already: remove it first, or name another device");
    }
    if (!choices.force()) {
      String found = MdSigns.found(members.contents(to), members.io(to));
      if (!found.isEmpty()) {
        throw new Main.Failure(
            "%s is not empty: %s; use --force to overwrite all of it, or name another"
                .formatted(with, found));
      }
    }
    try {
      return joining(members, assembly, to)
          .replacement(
              members.superblock(from), members.contents(to).deviceBytes(), new SecureRandom());
    } catch (MetadataException e) {
      throw new Main.Failure(with + " cannot take its place: " + e.getMessage());
    }
  }

  /** From now on the new one has the seat, whole or, where the old could not be read, in part. */
  private int takeOver(
      MdMembers members, Assembly assembly, int role, Joining.Joined joined, int to, long goodBytes)
      throws IOException {
    PrintWriter out = spec.commandLine().getOut();
    Assembly.Seat seat = assembly.seats().get(role);
    boolean isWhole = goodBytes >= assembly.superblock().usedBytes();
    boolean isParity = assembly.superblock().level().parities() > 0;
    if (!isWhole && isParity && !assembly.isClean() && !choices.force()) {
      throw new Main.Failure(
          ("%s cannot be read everywhere, and the array waits for a resync: nothing has changed;"
                  + " run belay md stop first")
              .formatted(old));
    }
    if (!isWhole) {
      out.println(
          "  the old member cannot be read everywhere: the rest is rebuilt from the others");
    }
    announce(members, assembly.freshest(), to, joined);
    List<Assembly.Seat> seats = new ArrayList<>(assembly.seats());
    boolean wasInSync = seat.state() == Assembly.State.IN_SYNC;
    seats.set(
        role,
        isWhole
            ? new Assembly.Seat(
                OptionalInt.of(to), seat.state(), seat.recoveryBytes(), seat.byBitmap())
            : new Assembly.Seat(
                OptionalInt.of(to),
                Assembly.State.RECOVERING,
                wasInSync ? goodBytes : Math.min(goodBytes, seat.recoveryBytes()),
                false));
    Assembly changed =
        new Assembly(
            assembly.freshest(),
            assembly.superblock(),
            seats,
            assembly.spares(),
            List.of(),
            assembly.remarks());
    Array array = MdWork.array(members.start(changed, choices.options()));
    if (array.broken() != null) {
      throw new Main.Failure(
          "%s cannot be read everywhere, and the array cannot do without it: nothing has changed"
              .formatted(old));
    }
    array.record();
    members.await();
    out.printf("%s has taken the place of %s, which is out%n", with, old);
    MdWalk.End end = choices.noSync() ? MdWalk.End.DONE : new MdWalk(members, array, out).runDue();
    out.println(MdWork.state(array));
    List<String> names = new ArrayList<>();
    for (int i = 0; i < members.count(); i++) {
      if (seat.member().orElse(-1) != i) {
        names.add(members.name(i));
      }
    }
    out.println("use it: " + MdWork.expression(names));
    return end.code();
  }

  /** How others join this array; the one that does is not counted among its members. */
  static Joining joining(MdMembers members, Assembly assembly, int newcomer) {
    BitSet bits = new BitSet();
    BitmapHead head = members.contents(assembly.freshest()).bitmap();
    Set<Integer> taken = new HashSet<>();
    for (int i = 0; i < members.count(); i++) {
      Superblock block = members.contents(i).superblock();
      if (block != null && i != newcomer && block.uuid().equals(assembly.superblock().uuid())) {
        taken.add(block.number());
      }
      Assembly.State state =
          MdWork.seat(assembly, i) < 0
              ? Assembly.State.MISSING
              : assembly.seats().get(MdWork.seat(assembly, i)).state();
      if (state == Assembly.State.IN_SYNC) {
        bits.or(members.contents(i).bits());
      }
    }
    return new Joining(assembly.superblock(), head, bits, taken);
  }

  /**
   * Writes bitmap and logs of a device that is about to join, and counts it as if its superblock
   * were written too, which the array does with all others at once.
   */
  static void announce(MdMembers members, int freshest, int index, Joining.Joined joined)
      throws IOException {
    for (Creation.Placed placed : joined.writes()) {
      if (placed.atBytes() != joined.superblock().atBytes()) {
        members.io(index).write(placed.atBytes(), placed.bytes());
      }
    }
    MemberContents now = members.contents(index);
    members.setContents(
        index,
        new MemberContents(
            now.name(),
            now.deviceBytes(),
            joined.superblock(),
            "",
            members.contents(freshest).bitmap(),
            members.contents(freshest).bits(),
            "",
            now.badBlocks()));
  }
}
