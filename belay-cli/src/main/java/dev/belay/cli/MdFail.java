// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

import dev.belay.md.Array;
import dev.belay.md.Assembly;
import dev.belay.md.Member;
import java.io.PrintWriter;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code belay md fail MEMBER... --member=X}: counts members out, if the array can do without. */
@Command(
    name = "fail",
    description = "Count a member out; a spare takes its place, if there is one.",
    mixinStandardHelpOptions = true,
    footer = {
      "",
      "Refused where the array cannot do without it. Belay md add brings it back.",
      "Example: belay md fail a.img b.img c.img --member=b.img"
    })
final class MdFail implements Callable<Integer> {
  @Parameters(arity = "1..*", paramLabel = "MEMBER", description = "Files, devices, expressions.")
  private List<String> texts;

  @Option(
      names = "--member",
      required = true,
      paramLabel = "MEMBER",
      description = "Who is out; may be said several times.")
  private List<String> out;

  @Mixin private MdChoices choices;

  @Spec private CommandSpec spec;

  @Override
  public Integer call() {
    PrintWriter screen = spec.commandLine().getOut();
    try (MdMembers members = MdMembers.open(texts, MdMembers.Opening.WRITABLE)) {
      Assembly assembly = members.assemble(choices.wish());
      MdWork.requireRedundancy(assembly);
      for (String name : out) {
        check(members, assembly, members.require(name));
      }
      Array array = MdWork.array(members.start(assembly, choices.options()));
      for (String name : out) {
        Member member = MdWork.member(members, array, members.require(name));
        if (!MdLog.quietly(() -> array.fail(member, "it was asked for"))) {
          throw new Main.Failure(
              "%s cannot be counted out: the array cannot do without it; add another first"
                  .formatted(name));
        }
        members.await();
        screen.println(name + " is out");
      }
      MdWalk.End end =
          choices.noSync() ? MdWalk.End.DONE : new MdWalk(members, array, screen).runDue();
      screen.println(MdWork.state(array));
      return end.code();
    }
  }

  private void check(MdMembers members, Assembly assembly, int index) {
    String name = members.name(index);
    for (Assembly.Left left : assembly.left()) {
      if (left.candidate() == index) {
        throw new Main.Failure(
            "%s is out already: %s".formatted(name, MdMembers.inOptions(left.sentence())));
      }
    }
    boolean isParity = assembly.superblock().level().parities() > 0;
    boolean isSeated = MdWork.seat(assembly, index) >= 0;
    if (isSeated && isParity && !assembly.isClean() && !choices.force()) {
      throw new Main.Failure(
          ("the array waits for a resync, and without %s its parity could not be made right: run"
                  + " belay md stop first, or use --force and check the contents")
              .formatted(name));
    }
  }
}
