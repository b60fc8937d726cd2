// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

import dev.belay.md.ArrayOptions;
import dev.belay.md.Assembly;
import dev.belay.stack.Sizes;
import dev.belay.stack.StackException;
import java.util.Locale;
import java.util.Optional;
import java.util.UUID;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;
import picocli.CommandLine.Spec.Target;

/** What most commands of md take: what may be started, and how fast it is synchronised. */
final class MdChoices {
  /** Faster than any device, so that the devices alone decide. */
  private static final long AS_FAST_AS_IT_GOES = 1L << 50;

  private static final long SLOWEST = 1L << 20;

  @Option(
      names = {"--run", "-R"},
      description = "Start also with fewer members than there were when it stopped.")
  private boolean run;

  @Option(
      names = {"--force", "-f"},
      description = "Go on in spite of what may be lost: dirty and degraded, split, not empty.")
  private boolean force;

  @Option(
      names = "--uuid",
      paramLabel = "UUID",
      description = "The array that is meant; members of others are left out.")
  private @Nullable String uuid;

  @Option(
      names = "--speed-limit-max",
      paramLabel = "KIB",
      description = "At most so fast, KiB a second (or 50M). Default: as fast as it goes")
  private @Nullable String fastest;

  @Option(
      names = "--speed-limit-min",
      paramLabel = "KIB",
      description = "At least so fast beside other requests, KiB a second. Default: 1024")
  private @Nullable String slowest;

  @Option(names = "--no-sync", description = "Leave a rebuild or resync that is due for later.")
  private boolean noSync;

  @Spec(Target.MIXEE)
  private CommandSpec spec;

  boolean force() {
    return force;
  }

  boolean run() {
    return run;
  }

  boolean noSync() {
    return noSync;
  }

  Assembly.Wish wish() {
    return new Assembly.Wish(run, force, uuid());
  }

  ArrayOptions options() {
    long most = fastest == null ? AS_FAST_AS_IT_GOES : kib(spec, "--speed-limit-max", fastest);
    long least = slowest == null ? SLOWEST : kib(spec, "--speed-limit-min", slowest);
    if (most < 1 || least < 1) {
      throw new ParameterException(spec.commandLine(), "a speed limit is at least 1 KiB a second");
    }
    return ArrayOptions.DEFAULT.withSyncRates(Math.min(least, most), most);
  }

  /** As mdadm prints it, or as everybody else does. */
  private Optional<UUID> uuid() {
    if (uuid == null) {
      return Optional.empty();
    }
    String digits = uuid.replace(":", "").replace("-", "").toLowerCase(Locale.ROOT);
    if (!digits.matches("[0-9a-f]{32}")) {
      throw new ParameterException(
          spec.commandLine(),
          "--uuid has 32 hexadecimal digits, such as a55cee48:ab112ec8:b680225e:20ca2873, not "
              + uuid);
    }
    return Optional.of(
        new UUID(
            Long.parseUnsignedLong(digits.substring(0, 16), 16),
            Long.parseUnsignedLong(digits.substring(16), 16)));
  }

  /** A size as mdadm has it: KiB, if there is no unit. */
  static long kib(CommandSpec spec, String option, String text) {
    try {
      long bytes = Sizes.parse(text);
      boolean hasUnit = !Character.isDigit(text.strip().charAt(text.strip().length() - 1));
      return hasUnit ? bytes : Math.multiplyExact(bytes, 1024L);
    } catch (StackException e) {
      throw new ParameterException(spec.commandLine(), option + ": " + e.sentence());
    } catch (ArithmeticException e) {
      throw new ParameterException(
          spec.commandLine(), option + ": " + text + " KiB are more than any device has");
    }
  }
}
