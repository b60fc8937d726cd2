// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

import dev.belay.md.Array;
import dev.belay.md.Assembly;
import dev.belay.md.Creation;
import dev.belay.md.DirectIo;
import dev.belay.md.Level;
import dev.belay.md.MetadataException;
import dev.belay.md.Superblock;
import java.io.IOException;
import java.io.PrintWriter;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code belay md create MEMBER...}: makes a new array, which Linux can assemble too. */
@Command(
    name = "create",
    description = "Make a new array of files or devices, and synchronise it.",
    mixinStandardHelpOptions = true,
    footer = {
      "",
      "Members are given in the order of their roles, spares last; 'missing' stands for one that"
          + " is",
      "not there yet. All is checked before anything is written.",
      "Example: belay md create a.img b.img c.img --level=5 --chunk=64 --bitmap=internal"
    })
final class MdCreate implements Callable<Integer> {
  private static final String MISSING = "missing";
  private static final int PPL_LEVEL = 5;

  @Parameters(
      arity = "1..*",
      paramLabel = "MEMBER",
      description = "Files, devices, expressions, or 'missing'.")
  private List<String> texts;

  @Option(
      names = {"--level", "-l"},
      required = true,
      paramLabel = "LEVEL",
      description = "0, 1, 4, 5, 6 or 10; also stripe, mirror, raid5.")
  private String level;

  @Option(
      names = {"--raid-devices", "-n"},
      paramLabel = "N",
      description = "Members when it is whole. Default: all that are given, but the spares")
  private @Nullable Integer raidDevices;

  @Option(
      names = {"--spare-devices", "-x"},
      paramLabel = "N",
      description = "How many of the last are spares. Default: those beyond --raid-devices")
  private @Nullable Integer spareDevices;

  @Option(
      names = {"--chunk", "-c"},
      paramLabel = "KIB",
      description = "The chunk, in KiB or as 64k, 1M. Default: 512")
  private @Nullable String chunk;

  @Option(
      names = {"--layout", "--parity", "-p"},
      paramLabel = "LAYOUT",
      description = "left-symmetric, …; n2, f2, o2 for raid10. Default: mdadm's")
  private @Nullable String layout;

  @Option(
      names = {"--size", "-z"},
      paramLabel = "KIB",
      description = "How much of each member is used, in KiB or as 10G. Default: max")
  private String size = "max";

  @Option(
      names = {"--bitmap", "-b"},
      paramLabel = "internal|none",
      description = "Whether there is a write-intent bitmap. Default: above 100 GiB a member")
  private @Nullable String bitmap;

  @Option(
      names = "--bitmap-chunk",
      paramLabel = "KIB",
      description = "What a bit of it covers, in KiB or as 64M. Default: mdadm's choice")
  private @Nullable String bitmapChunk;

  @Option(
      names = {"--consistency-policy", "-k"},
      paramLabel = "POLICY",
      description = "resync, bitmap, or ppl (raid5 only).")
  private @Nullable String policy;

  @Option(
      names = {"--metadata", "-e"},
      paramLabel = "1.0|1.1|1.2",
      description = "Where the superblock lies: at the end, the beginning, 4 KiB. Default: 1.2")
  private String metadata = "1.2";

  @Option(
      names = {"--name", "-N"},
      paramLabel = "NAME",
      description = "A name of up to 31 bytes, by custom host:name.")
  private String name = "";

  @Option(
      names = "--assume-clean",
      description = "The members agree already, all zeroes for instance: no resync.")
  private boolean assumeClean;

  @Mixin private MdChoices choices;

  @Spec private CommandSpec spec;

  @Override
  public Integer call() throws IOException {
    Creation creation = creation();
    List<String> present = texts.stream().filter(text -> !text.equals(MISSING)).toList();
    if (present.isEmpty()) {
      throw wrong("all members are missing: at least one has to be there");
    }
    try (MdMembers members = MdMembers.open(present, MdMembers.Opening.NEW)) {
      List<Optional<Creation.Member>> plan = plan(members, creation);
      refuseContents(members);
      write(members, plan);
      members.readAll();
      return start(members);
    }
  }

  private Creation creation() {
    Level wanted;
    int layoutNumber = -1;
    try {
      wanted = MdText.level(level);
      if (layout != null) {
        layoutNumber = MdText.layout(wanted, layout);
      }
    } catch (IllegalArgumentException e) {
      throw wrong(String.valueOf(e.getMessage()));
    }
    int least =
        switch (wanted) {
          case RAID0, RAID1 -> 1;
          case RAID4, RAID5, RAID10 -> 2;
          case RAID6 -> 4;
        };
    if (raidDevices() < least) {
      throw wrong(
          "a %s has at least %d members: name more, or 'missing' for those not there yet"
              .formatted(wanted.word(), least));
    }
    Creation creation = new Creation(wanted, raidDevices());
    if (layoutNumber >= 0) {
      creation.layout(layoutNumber);
    }
    if (chunk != null) {
      creation.chunkBytes(MdChoices.kib(spec, "--chunk", chunk));
    }
    if (!size.equals("max")) {
      creation.usedBytes(MdChoices.kib(spec, "--size", size));
    }
    if (bitmapChunk != null) {
      creation.bitmapChunkBytes(MdChoices.kib(spec, "--bitmap-chunk", bitmapChunk));
    }
    if (choices.wish().uuid().isPresent()) {
      creation.uuid(choices.wish().uuid().orElseThrow());
    }
    return creation.log(log(wanted)).minor(minor()).name(name).assumeClean(assumeClean);
  }

  private int raidDevices() {
    int given = texts.size();
    int spares = spareDevices == null ? 0 : spareDevices;
    int active = raidDevices == null ? given - spares : raidDevices;
    if (active < 1 || spares < 0) {
      throw wrong("--raid-devices is at least 1, and --spare-devices no more than are left over");
    }
    if (active > given || (spareDevices != null && active + spares != given)) {
      throw wrong(
          "%d members are given, but --raid-devices and --spare-devices together want %d: name %s"
              .formatted(
                  given,
                  active + spares,
                  active + spares > given
                      ? "more, or 'missing' for those not there yet"
                      : "fewer, or say that the rest are spares"));
    }
    return active;
  }

  private Creation.Log log(Level wanted) {
    if (policy != null && bitmap != null && policy.equals("bitmap") != bitmap.equals("internal")) {
      throw wrong(
          "--consistency-policy=%s and --bitmap=%s exclude each other".formatted(policy, bitmap));
    }
    String word = policy == null ? String.valueOf(bitmap) : policy;
    return switch (word) {
      case "null" -> bitmapChunk == null ? Creation.Log.AUTOMATIC : Creation.Log.BITMAP;
      case "none", "resync" -> Creation.Log.NONE;
      case "internal", "bitmap" -> Creation.Log.BITMAP;
      case "ppl" -> {
        if (wanted.number() != PPL_LEVEL) {
          throw wrong("--consistency-policy=ppl is for raid5: use bitmap or resync");
        }
        yield Creation.Log.PPL;
      }
      default ->
          throw wrong(
              policy == null
                  ? "--bitmap is internal or none, not " + word
                  : "--consistency-policy is resync, bitmap or ppl, not " + word);
    };
  }

  private int minor() {
    return switch (metadata) {
      case "1.0" -> 0;
      case "1.1" -> 1;
      case "1.2", "1", "default" -> 2;
      default -> throw wrong("--metadata is 1.0, 1.1 or 1.2, not " + metadata);
    };
  }

  private List<Optional<Creation.Member>> plan(MdMembers members, Creation creation) {
    List<OptionalLong> sizes = new ArrayList<>();
    int next = 0;
    for (String text : texts) {
      sizes.add(
          text.equals(MISSING)
              ? OptionalLong.empty()
              : OptionalLong.of(members.contents(next++).deviceBytes()));
    }
    for (int i = 0; i < members.count(); i++) {
      try {
        Superblock.placeBytes(2, members.contents(i).deviceBytes());
      } catch (MetadataException e) {
        throw new Main.Failure(members.name(i) + ": " + e.getMessage());
      }
    }
    try {
      return creation.plan(sizes, new SecureRandom(), System.currentTimeMillis() / 1000);
    } catch (MetadataException e) {
      throw MdMembers.failure(e);
    }
  }

  private void refuseContents(MdMembers members) throws IOException {
    if (choices.force()) {
      return;
    }
    for (int i = 0; i < members.count(); i++) {
      String found = MdSigns.found(members.contents(i), members.io(i));
      boolean isMd = found.contains("array") || found.contains(" of md ");
      if (!found.isEmpty() && (isMd || !choices.run())) {
        throw new Main.Failure(
            "%s is not empty: %s; use --force to overwrite all of it, or name another"
                .formatted(members.name(i), found));
      }
    }
  }

  private static void write(MdMembers members, List<Optional<Creation.Member>> plan)
      throws IOException {
    int index = 0;
    for (Optional<Creation.Member> planned : plan) {
      if (planned.isPresent()) {
        DirectIo io = members.io(index++);
        MdSigns.wipe(io, -1);
        for (Creation.Placed placed : planned.get().writes()) {
          io.write(placed.atBytes(), placed.bytes());
        }
        io.flush();
      }
    }
  }

  private int start(MdMembers members) {
    PrintWriter out = spec.commandLine().getOut();
    Assembly assembly = members.assemble(new Assembly.Wish(true, true, Optional.empty()));
    Superblock array = assembly.superblock();
    List<Superblock> all = new ArrayList<>();
    for (int i = 0; i < members.count(); i++) {
      all.add(members.superblock(i));
    }
    String layoutWord = MdText.layout(array);
    out.printf(
        "made a %s: %s%s%s, metadata 1.%d, %s%n",
        MdText.level(array),
        Units.bytes(MdText.arrayBytes(array, all)),
        array.chunkBytes() > 0 ? ", chunks of " + Units.bytes(array.chunkBytes()) : "",
        layoutWord.isEmpty() ? "" : ", " + layoutWord,
        array.minor(),
        "consistency by " + MdText.policy(array));
    assembly.remarks().stream()
        .filter(remark -> remark.startsWith("the array is degraded"))
        .forEach(remark -> out.println("  " + remark));
    if (!assembly.spares().isEmpty()) {
      out.println("  spares: " + assembly.spares().size());
    }
    MdWalk.End end = MdWalk.End.DONE;
    if (array.level() != Level.RAID0 && !choices.noSync()) {
      Array open = MdWork.array(members.start(assembly, choices.options()));
      end = new MdWalk(members, open, out).runDue();
    } else if (!assembly.isClean() || assembly.count(Assembly.State.RECOVERING) > 0) {
      out.println("  a resync is due, which begins when the array is used");
    }
    out.println("use it: " + MdWork.expression(members));
    return end.code();
  }

  private ParameterException wrong(String sentence) {
    return new ParameterException(spec.commandLine(), sentence);
  }
}
