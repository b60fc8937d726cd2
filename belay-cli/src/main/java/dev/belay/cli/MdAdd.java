// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

import dev.belay.md.Array;
import dev.belay.md.Assembly;
import dev.belay.md.Creation;
import dev.belay.md.DirectIo;
import dev.belay.md.Joining;
import dev.belay.md.MetadataException;
import dev.belay.md.Superblock;
import java.io.IOException;
import java.io.PrintWriter;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code belay md add MEMBER... --member=NEW}: a spare, a new member, or one that comes back. */
@Command(
    name = "add",
    description = "Add a member: one that comes back catches up, a new one is rebuilt.",
    mixinStandardHelpOptions = true,
    footer = {
      "",
      "A former member is caught up by the bitmap where that knows all it has missed. Where no",
      "place is empty, the new one waits as a spare. The other half of a split mirror, which was",
      "written alone, is overwritten with --force.",
      "Example: belay md add a.img c.img --member=d.img"
    })
final class MdAdd implements Callable<Integer> {
  @Parameters(arity = "1..*", paramLabel = "MEMBER", description = "Files, devices, expressions.")
  private List<String> texts;

  @Option(names = "--member", required = true, paramLabel = "NEW", description = "Who is added.")
  private String newcomer;

  @Mixin private MdChoices choices;

  @Spec private CommandSpec spec;

  @Override
  public Integer call() throws IOException {
    PrintWriter out = spec.commandLine().getOut();
    try (MdMembers members = MdAdd.open(texts, newcomer)) {
      int index = members.require(newcomer);
      Assembly assembly = members.assemble(choices.wish(), newcomer);
      MdWork.requireRedundancy(assembly);
      Assembly joined = join(out, members, assembly, index);
      Array array = MdWork.array(members.start(joined, choices.options()));
      if (!joined.spares().isEmpty()) {
        array.record();
        members.await();
      }
      MdWalk.End end =
          choices.noSync() ? MdWalk.End.DONE : new MdWalk(members, array, out).runDue();
      out.println(MdWork.state(array));
      out.println("use it: " + MdWork.expression(members));
      return end.code();
    }
  }

  /** Opens the members and one more, which comes last, and may be among them. */
  static MdMembers open(List<String> texts, String newcomer) {
    List<String> all = new ArrayList<>(texts);
    all.removeIf(text -> text.equals(newcomer));
    all.add(newcomer);
    return MdMembers.open(all, MdMembers.Opening.WRITABLE);
  }

  private Assembly join(PrintWriter out, MdMembers members, Assembly assembly, int index)
      throws IOException {
    String name = members.name(index);
    if (assembly.spares().contains(index) || MdWork.seat(assembly, index) >= 0) {
      throw new Main.Failure(alreadyIn(members, assembly, index));
    }
    Joining joining = MdReplace.joining(members, assembly, index);
    Optional<Assembly.Left> left =
        assembly.left().stream().filter(one -> one.candidate() == index).findFirst();
    boolean wasMember = left.isPresent() && left.get().role().isPresent();
    if (wasMember && canCatchUp(members, assembly, joining, left.get())) {
      return again(out, members, assembly, joining, left.get());
    }
    if (!wasMember && !choices.force()) {
      refuseContents(members, left, index);
    }
    if (!wasMember && isOwn(members, assembly, index)) {
      out.println("  all of " + name + " is overwritten with what the array has");
    }
    Joining.Joined spare;
    try {
      spare = joining.spare(members.contents(index).deviceBytes(), new SecureRandom());
    } catch (MetadataException e) {
      throw new Main.Failure(name + " cannot be added: " + e.getMessage());
    }
    DirectIo io = members.io(index);
    MdSigns.wipe(io, -1);
    for (Creation.Placed placed : spare.writes()) {
      io.write(placed.atBytes(), placed.bytes());
    }
    members.readAll();
    boolean hasRoom = assembly.count(Assembly.State.MISSING) > assembly.spares().size();
    out.println(name + (hasRoom ? " is rebuilt as a new member" : " is a spare"));
    List<Integer> spares = new ArrayList<>(assembly.spares());
    spares.add(index);
    return new Assembly(
        assembly.freshest(),
        assembly.superblock(),
        assembly.seats(),
        spares,
        without(assembly.left(), index),
        assembly.remarks());
  }

  /** It has a place already; but it may be the others who are to be added to it. */
  private static String alreadyIn(MdMembers members, Assembly assembly, int index) {
    String name = members.name(index);
    for (Assembly.Left left : assembly.left()) {
      if (assembly.freshest() == index && left.role().isPresent()) {
        String stale = members.name(left.candidate());
        return "%s is a member of this array already, and %s lacks what was written since"
                .formatted(name, stale)
            + "; to bring that one back: belay md add %s --member=%s".formatted(name, stale);
      }
    }
    return name + " is a member of this array already";
  }

  private static boolean isOwn(MdMembers members, Assembly assembly, int index) {
    Superblock own = members.contents(index).superblock();
    return own != null && own.uuid().equals(assembly.superblock().uuid());
  }

  private static void refuseContents(MdMembers members, Optional<Assembly.Left> left, int index)
      throws IOException {
    String found =
        left.isPresent() && members.contents(index).superblock() != null
            ? MdMembers.inOptions(left.get().sentence())
            : MdSigns.found(members.contents(index), members.io(index));
    if (!found.isEmpty()) {
      throw new Main.Failure(
          "%s is not empty: %s; use --force to overwrite all of it, or name another"
              .formatted(members.name(index), found));
    }
  }

  private static boolean canCatchUp(
      MdMembers members, Assembly assembly, Joining joining, Assembly.Left left) {
    int role = left.role().getAsInt();
    return left.canCatchUp()
        && role < assembly.seats().size()
        && assembly.seats().get(role).state() == Assembly.State.MISSING
        && joining.fits(members.superblock(left.candidate()));
  }

  /**
   * It takes its old seat. Its superblock is written with those of the others, when that is so:
   * until then it says what it said, and could be added the same way again.
   */
  private static Assembly again(
      PrintWriter out, MdMembers members, Assembly assembly, Joining joining, Assembly.Left left)
      throws IOException {
    int index = left.candidate();
    int role = left.role().getAsInt();
    Superblock own = members.superblock(index);
    Joining.Joined joined = joining.again(own, role);
    MdReplace.announce(members, assembly.freshest(), index, joined);
    List<Assembly.Seat> seats = new ArrayList<>(assembly.seats());
    seats.set(role, new Assembly.Seat(OptionalInt.of(index), Assembly.State.RECOVERING, 0, true));
    out.println(members.name(index) + " comes back, and is caught up by the bitmap");
    return new Assembly(
        assembly.freshest(),
        assembly.superblock(),
        seats,
        assembly.spares(),
        without(assembly.left(), index),
        assembly.remarks());
  }

  private static List<Assembly.Left> without(List<Assembly.Left> left, int index) {
    return left.stream().filter(one -> one.candidate() != index).toList();
  }
}
