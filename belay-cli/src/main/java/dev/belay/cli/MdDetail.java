// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

import dev.belay.md.Assembly;
import dev.belay.md.BitmapHead;
import dev.belay.md.Level;
import dev.belay.md.Superblock;
import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code belay md detail MEMBER...}: the array that the members make, as it stands. */
@Command(
    name = "detail",
    description = "Show the array that members make: who is where, and in what state.",
    mixinStandardHelpOptions = true,
    footer = {
      "",
      "Nothing is written. Exit codes: 0 it can be started, 1 it cannot.",
      "Example: belay md detail a.img b.img c.img"
    })
final class MdDetail implements Callable<Integer> {
  @Parameters(arity = "1..*", paramLabel = "MEMBER", description = "Files, devices, expressions.")
  private List<String> texts;

  @Mixin private MdChoices choices;

  @Spec private CommandSpec spec;

  @Override
  public Integer call() {
    PrintWriter out = spec.commandLine().getOut();
    try (MdMembers members = MdMembers.open(texts, MdMembers.Opening.READ_ONLY)) {
      Assembly assembly;
      Main.Failure refusal = null;
      try {
        assembly = members.assemble(choices.wish());
      } catch (Main.Failure e) {
        refusal = e;
        assembly = inSpite(members, e);
      }
      print(out, members, assembly, refusal != null);
      if (refusal != null) {
        out.flush();
        spec.commandLine().getErr().println("belay: " + refusal.getMessage());
      }
      return refusal == null ? Main.DONE : Main.FAILED;
    }
  }

  /** An array that may not be started can be looked at, if that is all that keeps it. */
  private Assembly inSpite(MdMembers members, Main.Failure refusal) {
    try {
      return members.assemble(new Assembly.Wish(true, true, choices.wish().uuid()));
    } catch (Main.Failure e) {
      throw refusal;
    }
  }

  private static void row(PrintWriter out, String label, Object value) {
    out.println(" ".repeat(Math.max(0, 18 - label.length())) + label + " : " + value);
  }

  static void print(PrintWriter out, MdMembers members, Assembly assembly, boolean isRefused) {
    Superblock array = assembly.superblock();
    List<Superblock> seated = new ArrayList<>();
    assembly.seats().forEach(s -> s.member().ifPresent(i -> seated.add(members.superblock(i))));
    out.println(array.name().isEmpty() ? "array:" : array.name() + ":");
    row(out, "Version", "1." + array.minor());
    row(out, "Creation Time", MdText.time(array.createdSeconds()));
    row(out, "Raid Level", array.level().word());
    long arrayBytes = MdText.arrayBytes(array, seated);
    row(out, "Array Size", (arrayBytes >> 10) + MdText.human(arrayBytes));
    if (array.level() != Level.RAID0) {
      row(out, "Used Dev Size", (array.usedBytes() >> 10) + MdText.human(array.usedBytes()));
    }
    row(out, "Raid Devices", array.raidDevices());
    row(out, "Total Devices", seated.size() + assembly.spares().size());
    row(out, "Persistence", "Superblock is persistent");
    out.println();
    if (array.bitmapAtBytes().isPresent()) {
      row(out, "Intent Bitmap", "Internal");
      out.println();
    }
    row(out, "Update Time", MdText.time(array.updatedSeconds()));
    row(out, "State", state(assembly) + (isRefused ? ", Not Started" : ""));
    int recovering = assembly.count(Assembly.State.RECOVERING);
    row(out, "Active Devices", assembly.count(Assembly.State.IN_SYNC));
    row(out, "Working Devices", seated.size() + assembly.spares().size());
    row(out, "Failed Devices", assembly.left().stream().filter(l -> l.role().isPresent()).count());
    row(out, "Spare Devices", assembly.spares().size() + recovering);
    out.println();
    String layout = MdText.layout(array);
    if (!layout.isEmpty()) {
      row(out, "Layout", layout);
    }
    if (array.chunkBytes() > 0) {
      row(out, "Chunk Size", (array.chunkBytes() >> 10) + "K");
      out.println();
    }
    row(out, "Consistency Policy", MdText.policy(array));
    out.println();
    progress(out, members, assembly);
    row(out, "Name", array.name());
    row(out, "UUID", Superblock.text(array.uuid()));
    row(out, "Events", array.events());
    out.println();
    seats(out, members, assembly);
  }

  /** What is under way, or will be when it is opened, and how far it is. */
  private static void progress(PrintWriter out, MdMembers members, Assembly assembly) {
    Superblock array = assembly.superblock();
    for (Assembly.Seat seat : assembly.seats()) {
      if (seat.state() == Assembly.State.RECOVERING) {
        row(out, "Rebuild Status", percent(seat.recoveryBytes(), array.usedBytes()));
        out.println();
        return;
      }
    }
    if (!assembly.isClean()) {
      int member = assembly.freshest();
      String how =
          array.bitmapAtBytes().isPresent()
              ? "%d of the bitmap's bits are set"
                  .formatted(members.contents(member).bits().cardinality())
              : percent(array.resyncBytes(), BitmapHead.syncBytes(array));
      row(out, "Resync Status", how);
      out.println();
    }
  }

  private static String percent(long part, long whole) {
    return String.format(Locale.ROOT, "%d%% complete", whole == 0 ? 0 : 100 * part / whole);
  }

  /** As mdadm has it: clean or active, then what lacks. */
  static String state(Assembly assembly) {
    String text = assembly.isClean() ? "clean" : "active";
    text += assembly.degraded() > 0 ? ", degraded" : "";
    if (assembly.count(Assembly.State.RECOVERING) > 0) {
      return text + ", recovering";
    }
    return text + (assembly.isClean() ? "" : ", resyncing");
  }

  private static void seats(PrintWriter out, MdMembers members, Assembly assembly) {
    out.println("    Number   RaidDevice State");
    for (int role = 0; role < assembly.seats().size(); role++) {
      Assembly.Seat seat = assembly.seats().get(role);
      if (seat.member().isEmpty()) {
        out.printf("       -   %5d      removed%n", role);
        continue;
      }
      int index = seat.member().getAsInt();
      String state =
          seat.state() == Assembly.State.IN_SYNC
              ? "active sync"
              : seat.byBitmap() ? "spare rebuilding (by the bitmap)" : "spare rebuilding";
      if (members.superblock(index).writeMostly()) {
        state += " writemostly";
      }
      out.printf(
          "   %5d   %5d      %s   %s%n",
          members.superblock(index).number(), role, state, members.name(index));
    }
    if (!assembly.spares().isEmpty() || !assembly.left().isEmpty()) {
      out.println();
    }
    for (int index : assembly.spares()) {
      out.printf(
          "   %5d       -      spare   %s%n",
          members.superblock(index).number(), members.name(index));
    }
    for (Assembly.Left left : assembly.left()) {
      out.printf(
          "       -       -      left out   %s: %s%n",
          members.name(left.candidate()), MdMembers.inOptions(left.sentence()));
    }
  }
}
