// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code belay md stop MEMBER...}: finishes what a program that was killed has left. */
@Command(
    name = "stop",
    description = "Finish what a killed program left: resync what is due, record it clean.",
    mixinStandardHelpOptions = true,
    footer = {
      "",
      "An array is stopped whenever no program has it open; this makes it clean too.",
      "Example: belay md stop a.img b.img c.img"
    })
final class MdStop implements Callable<Integer> {
  @Parameters(arity = "1..*", paramLabel = "MEMBER", description = "Files, devices, expressions.")
  private List<String> texts;

  @Mixin private MdChoices choices;

  @Spec private CommandSpec spec;

  @Override
  public Integer call() {
    return MdAssemble.run(spec, texts, choices, false);
  }
}
