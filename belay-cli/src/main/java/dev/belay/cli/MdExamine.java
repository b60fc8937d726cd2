// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

import dev.belay.md.BadBlocks;
import dev.belay.md.BitmapHead;
import dev.belay.md.Feature;
import dev.belay.md.Level;
import dev.belay.md.MemberContents;
import dev.belay.md.Superblock;
import java.io.PrintWriter;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalLong;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code belay md examine MEMBER...}: what each member says of itself and of its array. */
@Command(
    name = "examine",
    description = "Show what is written on members: superblock, bitmap, bad blocks.",
    mixinStandardHelpOptions = true,
    footer = {
      "",
      "Nothing is written. Exit codes: 0 all are members, 1 one of them is not.",
      "Example: belay md examine a.img b.img"
    })
final class MdExamine implements Callable<Integer> {
  private static final int SECTOR = 512;
  private static final int CHECKSUM_AT = 216;
  private static final int MOST_BAD_BLOCKS = 32;

  @Parameters(arity = "1..*", paramLabel = "MEMBER", description = "Files, devices, expressions.")
  private List<String> texts;

  @Spec private CommandSpec spec;

  @Override
  public Integer call() {
    PrintWriter out = spec.commandLine().getOut();
    int code = Main.DONE;
    try (MdMembers members = MdMembers.open(texts, MdMembers.Opening.READ_ONLY)) {
      for (int i = 0; i < members.count(); i++) {
        MemberContents member = members.contents(i);
        Superblock block = member.superblock();
        if (block == null) {
          out.flush();
          spec.commandLine().getErr().println("belay: " + member.name() + ": " + member.problem());
          code = Main.FAILED;
        } else {
          out.println(member.name() + ":");
          print(out, member, block);
        }
      }
    }
    return code;
  }

  private static void row(PrintWriter out, String label, Object value) {
    int width = label.equals("Device Role") || label.equals("Array State") ? 14 : 15;
    out.println(" ".repeat(Math.max(0, width - label.length())) + label + " : " + value);
  }

  private static void print(PrintWriter out, MemberContents member, Superblock block) {
    identity(out, block);
    sizes(out, block);
    row(out, "State", block.resyncBytes() == Superblock.CLEAN ? "clean" : "active");
    row(out, "Device UUID", Superblock.text(block.deviceUuid()));
    out.println();
    block.bitmapAtBytes().ifPresent(at -> row(out, "Internal Bitmap", fromSuperblock(block, at)));
    if (block.pplAtBytes().isPresent()) {
      row(
          out,
          "PPL",
          block.pplBytes() / SECTOR
              + " sectors at offset "
              + fromSuperblock(block, block.pplAtBytes().getAsLong()));
    }
    String flags =
        (block.writeMostly() ? " write-mostly" : "") + (block.failFast() ? " failfast" : "");
    if (!flags.isEmpty()) {
      row(out, "Flags", flags.strip());
    }
    row(out, "Update Time", MdText.time(block.updatedSeconds()));
    badBlockLog(out, block);
    int checksum =
        ByteBuffer.wrap(block.encode()).order(ByteOrder.LITTLE_ENDIAN).getInt(CHECKSUM_AT);
    row(out, "Checksum", Integer.toHexString(checksum) + " - correct");
    row(out, "Events", block.events());
    out.println();
    String layout = MdText.layout(block);
    if (!layout.isEmpty()) {
      row(out, "Layout", layout);
    }
    if (block.chunkBytes() > 0) {
      row(out, "Chunk Size", (block.chunkBytes() >> 10) + "K");
    }
    if (!layout.isEmpty() || block.chunkBytes() > 0) {
      out.println();
    }
    row(out, "Device Role", role(block));
    row(
        out,
        "Array State",
        MdText.letters(block) + " ('A' == active, '.' == missing, 'R' == replacing)");
    bitmap(out, member);
    badBlocks(out, member.badBlocks());
  }

  private static void identity(PrintWriter out, Superblock block) {
    row(out, "Magic", "a92b4efc");
    row(out, "Version", "1." + block.minor());
    row(out, "Feature Map", "0x" + Integer.toHexString(features(block)));
    row(out, "Array UUID", Superblock.text(block.uuid()));
    row(out, "Name", block.name());
    row(out, "Creation Time", MdText.time(block.createdSeconds()));
    row(out, "Raid Level", block.level().word());
    row(out, "Raid Devices", block.raidDevices());
    out.println();
  }

  private static void sizes(PrintWriter out, Superblock block) {
    long room = block.roomBytes();
    row(out, "Avail Dev Size", room / SECTOR + " sectors" + MdText.human(room));
    if (block.level() != Level.RAID0) {
      long arrayBytes = MdText.arrayBytes(block, List.of());
      row(out, "Array Size", (arrayBytes >> 10) + " KiB" + MdText.human(arrayBytes));
      if (block.usedBytes() != room) {
        long used = block.usedBytes();
        row(out, "Used Dev Size", used / SECTOR + " sectors" + MdText.human(used));
      }
    }
    row(out, "Data Offset", block.startBytes() / SECTOR + " sectors");
    row(out, "Super Offset", block.atBytes() / SECTOR + " sectors");
    block
        .recoveryBytes()
        .ifPresent(bytes -> row(out, "Recovery Offset", bytes / SECTOR + " sectors"));
    if (block.resyncBytes() != Superblock.CLEAN) {
      row(out, "Resync Offset", block.resyncBytes() / SECTOR + " sectors");
    }
  }

  private static int features(Superblock block) {
    int map = 0;
    for (Feature feature : Feature.values()) {
      map |= block.has(feature) ? feature.mask() : 0;
    }
    return map;
  }

  private static String fromSuperblock(Superblock block, long atBytes) {
    return (atBytes - block.atBytes()) / SECTOR + " sectors from superblock";
  }

  private static void badBlockLog(PrintWriter out, Superblock block) {
    OptionalLong at = block.badBlockLogAtBytes();
    if (at.isPresent()) {
      row(
          out,
          "Bad Block Log",
          "%d entries available at offset %d sectors%s"
              .formatted(
                  block.badBlockLogBytes() / 8,
                  (at.getAsLong() - block.atBytes()) / SECTOR,
                  block.has(Feature.BAD_BLOCKS) ? " - bad blocks present." : ""));
    }
  }

  private static String role(Superblock block) {
    int role = block.role();
    return switch (role) {
      case Superblock.SPARE -> "spare";
      case Superblock.FAULTY -> "faulty";
      case Superblock.JOURNAL -> "Journal";
      default -> (block.has(Feature.REPLACEMENT) ? "Replacement device " : "Active device ") + role;
    };
  }

  private static void bitmap(PrintWriter out, MemberContents member) {
    BitmapHead head = member.bitmap();
    if (head == null) {
      if (!member.bitmapProblem().isEmpty()) {
        out.println();
        row(out, "Bitmap", "cannot be relied upon: " + member.bitmapProblem());
      }
      return;
    }
    out.println();
    row(out, "Bitmap Events", head.events());
    row(out, "Events Cleared", head.eventsCleared());
    boolean isSound = (head.state() & (BitmapHead.STALE | BitmapHead.WRITE_ERROR)) == 0;
    row(out, "Bitmap State", isSound ? "OK" : "stale, or a write of it failed");
    row(out, "Bitmap Chunk", Units.bytes(head.chunkBytes()));
    long bits = BitmapHead.bits(head.syncBytes(), head.chunkBytes());
    long dirty = member.bits().cardinality();
    row(
        out,
        "Bitmap",
        "%d bits (chunks), %d dirty (%s)".formatted(bits, dirty, Units.percent(dirty, bits)));
  }

  private static void badBlocks(PrintWriter out, BadBlocks badBlocks) {
    List<BadBlocks.Range> ranges = new ArrayList<>(badBlocks.ranges());
    if (ranges.isEmpty()) {
      return;
    }
    out.println();
    row(out, "Bad Blocks", ranges.size() + " ranges");
    for (BadBlocks.Range range : ranges.subList(0, Math.min(MOST_BAD_BLOCKS, ranges.size()))) {
      out.printf(
          "%20d for %d sectors%n", range.offsetBytes() / SECTOR, range.lengthBytes() / SECTOR);
    }
    if (ranges.size() > MOST_BAD_BLOCKS) {
      out.println("               … and " + (ranges.size() - MOST_BAD_BLOCKS) + " more");
    }
  }
}
