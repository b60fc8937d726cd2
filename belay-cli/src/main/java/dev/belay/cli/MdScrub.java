// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

import dev.belay.md.Array;
import dev.belay.md.Assembly;
import dev.belay.md.SyncMode;
import java.io.PrintWriter;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code belay md scrub MEMBER...}: reads all of an array and counts what does not agree. */
@Command(
    name = "scrub",
    description = "Do the resync that is due, then read all of the array and compare.",
    mixinStandardHelpOptions = true,
    footer = {
      "",
      "A rebuild or resync that a crash has left is done first, and recorded; --no-sync leaves it.",
      "Exit codes: 0 all agrees, 1 something does not: belay md repair makes it agree.",
      "Example: belay md scrub a.img b.img c.img"
    })
final class MdScrub implements Callable<Integer> {
  private static final int SECTOR = 512;

  @Parameters(arity = "1..*", paramLabel = "MEMBER", description = "Files, devices, expressions.")
  private List<String> texts;

  @Mixin private MdChoices choices;

  @Spec private CommandSpec spec;

  @Override
  public Integer call() {
    return run(spec, texts, choices, SyncMode.CHECK);
  }

  static int run(CommandSpec spec, List<String> texts, MdChoices choices, SyncMode mode) {
    PrintWriter out = spec.commandLine().getOut();
    try (MdMembers members = MdMembers.open(texts, MdMembers.Opening.WRITABLE)) {
      Assembly assembly = members.assemble(choices.wish());
      MdWork.requireRedundancy(assembly);
      MdWork.remarks(out, assembly);
      Array array = MdWork.array(members.start(assembly, choices.options()));
      MdWalk walk = new MdWalk(members, array, out);
      if (!choices.noSync()) {
        MdWalk.End first = walk.runDue();
        if (first != MdWalk.End.DONE) {
          return first.code();
        }
      }
      if (assembly.superblock().level().parities() > 0 && array.isDegraded()) {
        throw new Main.Failure(
            "the array is degraded, so its parity has nothing to be compared with: "
                + (choices.noSync() ? "finish the rebuild or add a member" : "add a member")
                + " first");
      }
      MdWalk.End end = walk.run(mode);
      long wrong = array.walk().mismatchedBytes();
      out.printf(
          "%s: %d bytes did not agree (mismatch_cnt %d)%s%n",
          mode.word(), wrong, wrong / SECTOR, end == MdWalk.End.DONE ? "" : " as far as it came");
      return end == MdWalk.End.DONE && mode == SyncMode.CHECK && wrong > 0
          ? Main.FAILED
          : end.code();
    }
  }
}
