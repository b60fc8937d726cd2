// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

import dev.belay.md.Array;
import dev.belay.md.Assembly;
import dev.belay.md.Level;
import dev.belay.md.Superblock;
import dev.belay.stack.MdArray;
import java.io.PrintWriter;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code belay md assemble MEMBER...}: puts an array together and does all that is due. */
@Command(
    name = "assemble",
    description = "Put an array together, say what it is, and do the rebuild or resync due.",
    mixinStandardHelpOptions = true,
    footer = {
      "",
      "With --readonly or --no-sync nothing is written. Ctrl-C stops the work; what was done is",
      "recorded. Exit codes: 0 done, 1 it cannot be started or failed, 3 stopped.",
      "Example: belay md assemble a.img b.img c.img"
    })
final class MdAssemble implements Callable<Integer> {
  @Parameters(arity = "1..*", paramLabel = "MEMBER", description = "Files, devices, expressions.")
  private List<String> texts;

  @Option(
      names = {"--readonly", "-o"},
      description = "Write nothing at all: only say what it is.")
  private boolean isReadOnly;

  @Mixin private MdChoices choices;

  @Spec private CommandSpec spec;

  @Override
  public Integer call() {
    return run(spec, texts, choices, isReadOnly);
  }

  static int run(CommandSpec spec, List<String> texts, MdChoices choices, boolean isReadOnly) {
    PrintWriter out = spec.commandLine().getOut();
    boolean writes = !isReadOnly && !choices.noSync();
    MdMembers.Opening how = writes ? MdMembers.Opening.WRITABLE : MdMembers.Opening.READ_ONLY;
    try (MdMembers members = MdMembers.open(texts, how)) {
      Assembly assembly = members.assemble(choices.wish());
      Superblock array = assembly.superblock();
      MdArray open = members.start(assembly, choices.options().withReadOnly(!writes));
      out.printf(
          "%s, %s, state: %s%n",
          MdText.level(array),
          Units.bytes(open.device().limits().sizeBytes()),
          MdDetail.state(assembly));
      MdWork.remarks(out, assembly);
      if (!writes || array.level() == Level.RAID0) {
        due(out, assembly);
        out.println("use it: " + MdWork.expression(members));
        return Main.DONE;
      }
      Array state = MdWork.array(open);
      MdWalk.End end = new MdWalk(members, state, out).runDue();
      out.println(MdWork.state(state));
      if (end == MdWalk.End.DONE) {
        out.println("use it: " + MdWork.expression(members));
      }
      return end.code();
    }
  }

  private static void due(PrintWriter out, Assembly assembly) {
    boolean isRecovering = assembly.count(Assembly.State.RECOVERING) > 0;
    boolean canFill = assembly.count(Assembly.State.MISSING) > 0 && !assembly.spares().isEmpty();
    if (isRecovering || canFill) {
      out.println("  due: a rebuild, which begins when the array is used");
    } else if (!assembly.isClean()) {
      out.println("  due: a resync, which begins when the array is used");
    } else {
      out.println("  nothing is due");
    }
  }
}
