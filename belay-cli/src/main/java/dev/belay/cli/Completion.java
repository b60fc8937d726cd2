// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

import java.util.concurrent.Callable;
import picocli.AutoComplete;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code belay completion bash|zsh}: the script that a shell reads to complete commands. */
@Command(
    name = "completion",
    description = "Print the completion script of a shell, made from these very commands.",
    mixinStandardHelpOptions = true,
    footer = {
      "",
      "bash: source <(belay completion bash)",
      "zsh:  source <(belay completion zsh), in .zshrc behind compinit"
    })
final class Completion implements Callable<Integer> {
  /** The shells that picocli writes for. */
  enum Shell {
    bash,
    zsh
  }

  @Parameters(paramLabel = "SHELL", description = "${COMPLETION-CANDIDATES}")
  private Shell shell;

  @Spec private CommandSpec spec;

  @Override
  public Integer call() {
    String script = AutoComplete.bash("belay", Main.commandLine());
    // The script itself asks which shell reads it; zsh only has to have its bash completion on.
    String before = shell == Shell.zsh ? "autoload -U +X bashcompinit && bashcompinit\n" : "";
    spec.commandLine().getOut().print(before + script);
    return Main.DONE;
  }
}
