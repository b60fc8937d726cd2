// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** The program's entry: each subcommand is a class of its own, added to the annotation below. */
@Command(
    name = "belay",
    description = "Block I/O stacks in which every request can be cancelled.",
    version = "belay 0.1.0-SNAPSHOT",
    mixinStandardHelpOptions = true)
public final class Main implements Runnable {
  @Spec private CommandSpec spec;

  /** Runs one command and exits with its code: 0 done, 1 failed, 2 called wrongly. */
  public static void main(String[] args) {
    System.exit(new CommandLine(new Main()).execute(args));
  }

  @Override
  public void run() {
    throw new ParameterException(spec.commandLine(), "Give a command; belay --help lists them.");
  }
}
