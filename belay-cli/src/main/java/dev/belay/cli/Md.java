// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** {@code belay md …}: makes and keeps arrays of Linux md, in mdadm's words, without a kernel. */
@Command(
    name = "md",
    description = "Make, look at, repair and change arrays of Linux md on files and devices.",
    mixinStandardHelpOptions = true,
    subcommands = {
      MdCreate.class,
      MdExamine.class,
      MdDetail.class,
      MdAssemble.class,
      MdStop.class,
      MdFail.class,
      MdAdd.class,
      MdRemove.class,
      MdReplace.class,
      MdScrub.class,
      MdRepair.class
    },
    footer = {
      "",
      "A member is a stack expression, usually a path. No array stays open: each command opens it,",
      "does its work and closes it cleanly. To use one: md(a.img, b.img, c.img) in any stack.",
      "Example: belay md create a.img b.img c.img --level=5 --bitmap=internal"
    })
final class Md implements Runnable {
  @Spec private CommandSpec spec;

  @Override
  public void run() {
    throw new ParameterException(
        spec.commandLine(), "Give a command of md; belay md --help lists them.");
  }
}
