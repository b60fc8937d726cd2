// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

import dev.belay.md.SyncMode;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code belay md repair MEMBER...}: makes agree what does not. */
@Command(
    name = "repair",
    description = "Read the whole array and make agree what does not.",
    mixinStandardHelpOptions = true,
    footer = {
      "",
      "Parity is computed anew; of mirrors the first one is believed, as Linux has it.",
      "Example: belay md repair a.img b.img c.img"
    })
final class MdRepair implements Callable<Integer> {
  @Parameters(arity = "1..*", paramLabel = "MEMBER", description = "Files, devices, expressions.")
  private List<String> texts;

  @Mixin private MdChoices choices;

  @Spec private CommandSpec spec;

  @Override
  public Integer call() {
    return MdScrub.run(spec, texts, choices, SyncMode.REPAIR);
  }
}
