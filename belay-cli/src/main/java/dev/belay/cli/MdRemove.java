// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

import dev.belay.md.Array;
import dev.belay.md.Assembly;
import java.io.IOException;
import java.io.PrintWriter;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code belay md remove MEMBER... --member=X}: lets go of a spare, or of one that has failed. */
@Command(
    name = "remove",
    description = "Let go of a spare or of a member that has failed.",
    mixinStandardHelpOptions = true,
    footer = {
      "",
      "A member in use has to fail first: belay md fail.",
      "Example: belay md remove a.img b.img c.img --member=b.img --zero-superblock"
    })
final class MdRemove implements Callable<Integer> {
  @Parameters(arity = "1..*", paramLabel = "MEMBER", description = "Files, devices, expressions.")
  private List<String> texts;

  @Option(
      names = "--member",
      required = true,
      paramLabel = "MEMBER",
      description = "Who is let go.")
  private String gone;

  @Option(names = "--zero-superblock", description = "Also make it forget that it was a member.")
  private boolean zeroSuperblock;

  @Mixin private MdChoices choices;

  @Spec private CommandSpec spec;

  @Override
  public Integer call() throws IOException {
    PrintWriter out = spec.commandLine().getOut();
    String kind;
    try (MdMembers members = MdAdd.open(texts, gone)) {
      int index = members.require(gone);
      Assembly assembly = members.assembleWithout(choices.wish(), gone);
      MdWork.requireRedundancy(assembly);
      int role = MdWork.seat(assembly, index);
      if (role >= 0) {
        throw new Main.Failure(
            "%s is in use as member %d: count it out first with belay md fail"
                .formatted(gone, role));
      }
      boolean isSpare = assembly.spares().contains(index);
      kind = isSpare ? "a spare" : "out already";
      if (members.contents(index).superblock() == null) {
        throw new Main.Failure(
            "%s has no superblock, so it is no member: %s"
                .formatted(gone, members.contents(index).problem()));
      }
      if (isSpare) {
        Array array = MdWork.array(members.start(assembly, choices.options()));
        MdLog.quietly(() -> array.fail(MdWork.member(members, array, index), "it was asked for"));
        members.await();
      }
    }
    if (zeroSuperblock) {
      try (MdMembers alone = MdMembers.open(List.of(gone), MdMembers.Opening.WRITABLE)) {
        MdSigns.wipe(alone.io(0), -1);
      }
    }
    out.printf(
        "%s was %s and is let go%s%n",
        gone,
        kind,
        zeroSuperblock
            ? "; its superblock is gone"
            : "; its superblock is still there: --zero-superblock takes that too");
    return Main.DONE;
  }
}
