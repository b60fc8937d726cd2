// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

import dev.belay.front.Volume;
import dev.belay.leaf.FileEngine;
import dev.belay.uring.Abi;
import dev.belay.uring.Errno;
import dev.belay.uring.FileFacts;
import dev.belay.uring.FileSystems;
import dev.belay.uring.Kernel;
import dev.belay.uring.UringSupport;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.FileStore;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code belay doctor [PATH…]}: what this machine offers, and the remedy for what it lacks. */
@Command(
    name = "doctor",
    description = "Say what this machine offers, and the exact remedy for what it lacks.",
    mixinStandardHelpOptions = true,
    footer = {
      "",
      "Exit codes: 0 nothing lacks, 1 something lacks (it works all the same, slower)."
    })
final class Doctor implements Callable<Integer> {
  private static final long MEMLOCK_ENOUGH_BYTES = 64L << 20;
  private static final int CAP_IPC_LOCK = 14;

  @Parameters(
      paramLabel = "PATH",
      arity = "0..*",
      description =
          "Directories, files or block devices to look at. Default: the current directory")
  private List<Path> paths = List.of(Path.of("."));

  @Option(names = "--json", description = "Print one JSON object instead.")
  private boolean json;

  @Spec private CommandSpec spec;

  /** What was looked at, what was found, and what would help; no remedy: nothing lacks. */
  record Finding(String what, String found, String remedy) {
    boolean lacks() {
      return !remedy.isEmpty();
    }
  }

  @Override
  public Integer call() {
    UringSupport support = UringSupport.look();
    List<Finding> findings = new ArrayList<>();
    findings.add(jdk());
    findings.add(fine("CPUs", Runtime.getRuntime().availableProcessors() + " for this program"));
    findings.add(kernel(support));
    findings.add(
        nativeAccess(Volume.class.getModule().isNativeAccessEnabled(), Kernel.available()));
    findings.add(ring(support));
    if (support.usable()) {
      findings.add(
          fine("io_uring features", String.join(" ", Abi.featureNames(support.features()))));
    }
    findings.add(memlock(support.memlockLimitBytes(), mayLockAnyMemory()));
    for (Path path : paths) {
      findings.add(direct(path));
    }
    findings.add(fine("files", FileEngine.choice()));
    print(findings);
    return findings.stream().anyMatch(Finding::lacks) ? Main.FAILED : Main.DONE;
  }

  private static Finding fine(String what, String found) {
    return new Finding(what, found, "");
  }

  private static Finding jdk() {
    return fine(
        "JDK",
        Runtime.version()
            + " ("
            + System.getProperty("java.vendor", "?")
            + ", "
            + System.getProperty("java.home", "?")
            + ")");
  }

  private static Finding kernel(UringSupport support) {
    String system = System.getProperty("os.name", "?");
    String found =
        system + " " + support.kernelRelease() + ", " + System.getProperty("os.arch", "?");
    return system.equals("Linux")
        ? fine("kernel", found)
        : new Finding("kernel", found, "run it on Linux 5.11 or later, which has io_uring");
  }

  static Finding nativeAccess(boolean isOn, boolean canCall) {
    return isOn
        ? fine("native access", "allowed")
        : new Finding(
            "native access",
            canCall
                ? "not allowed: warnings now, and an error in a later JDK"
                : "denied: files by threads and through the page cache, never direct",
            "start java with --enable-native-access=ALL-UNNAMED (modules: dev.belay)");
  }

  static Finding ring(UringSupport support) {
    if (support.usable()) {
      return fine("io_uring", support.opNames().size() + " operations");
    }
    String remedy =
        switch (support.errno()) {
          case Errno.EPERM, Errno.EACCES ->
              support.disabledSetting() > 0
                  ? "sysctl -w kernel.io_uring_disabled=0"
                  : "docker run --security-opt seccomp=PROFILE, with a profile that allows"
                      + " io_uring_setup, io_uring_enter and io_uring_register";
          case Errno.ENOMEM -> "ulimit -l unlimited";
          case Errno.EMFILE, Errno.ENFILE -> "ulimit -n 65536";
          default -> "use Linux 5.11 or later, not in a sandbox that hides io_uring";
        };
    return new Finding("io_uring", support.sentence(), remedy);
  }

  static Finding memlock(long limitBytes, boolean mayLockAny) {
    String found =
        limitBytes == Long.MAX_VALUE
            ? "unlimited"
            : limitBytes < 0 ? "unknown" : Units.bytes(limitBytes);
    if (mayLockAny) {
      return fine("locked memory", found + ", and this user may exceed it");
    }
    if (limitBytes < 0 || limitBytes >= MEMLOCK_ENOUGH_BYTES) {
      return fine("locked memory", found);
    }
    return new Finding(
        "locked memory",
        found + ": too little to register many buffers, so each transfer pins its own",
        "ulimit -l unlimited (for good: \"* - memlock unlimited\" in /etc/security/limits.conf;"
            + " docker run --ulimit memlock=-1)");
  }

  /** Whether the limit does not count for this program: CAP_IPC_LOCK, as /proc says. */
  private static boolean mayLockAnyMemory() {
    try {
      for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
        if (line.startsWith("CapEff:")) {
          long capabilities = Long.parseUnsignedLong(line.substring(7).strip(), 16);
          return (capabilities >> CAP_IPC_LOCK & 1) != 0;
        }
      }
    } catch (IOException | NumberFormatException e) {
      return false; // no such thing here
    }
    return false;
  }

  /** Whether files there can be read and written past the page cache, and how they are aligned. */
  private static Finding direct(Path path) {
    String what = "O_DIRECT in " + path;
    if (!Kernel.available()) {
      return new Finding(
          what, "not looked at: " + Kernel.unavailableReason(), "allow native access");
    }
    try {
      if (!Files.isDirectory(path)) {
        return directOf(what, path, Kernel.O_RDONLY);
      }
      Path file = Files.createTempFile(path, ".belay-doctor-", "");
      try {
        Files.write(file, new byte[1 << 16]);
        return directOf(what, file, Kernel.O_RDWR);
      } finally {
        Files.delete(file);
      }
    } catch (IOException e) {
      return new Finding(
          what, "not looked at: " + Main.sentence(e), "name a directory to write in");
    }
  }

  private static Finding directOf(String what, Path file, int flags) throws IOException {
    String system = fileSystem(file);
    int fd = Kernel.open(file.toString(), flags | Kernel.O_DIRECT, 0);
    if (fd == -Errno.EINVAL) {
      return new Finding(
          what,
          system + " has no direct I/O: files there go through the page cache",
          "put files on ext4, xfs, btrfs or a block device");
    }
    if (fd < 0) {
      throw new IOException(file + " cannot be opened: " + Errno.sentence(fd));
    }
    try {
      String mayHang = FileSystems.mayHang(fd);
      FileFacts facts = FileFacts.of(fd);
      boolean isLocal = facts.kind() == FileFacts.Kind.BLOCK_DEVICE || mayHang.isEmpty();
      String alignment =
          facts.directOffsetAlignBytes() > 0
              ? "offsets and lengths to "
                  + facts.directOffsetAlignBytes()
                  + " bytes, memory to "
                  + facts.directMemoryAlignBytes()
              : "the kernel does not say the alignment (it does from 6.1 on); belay uses "
                  + facts.logicalBlockBytes();
      String engine =
          isLocal ? "" : "; files by threads, because it is " + mayHang + " and can hang";
      return fine(what, system + ": " + alignment + engine);
    } finally {
      Kernel.close(fd);
    }
  }

  private static String fileSystem(Path file) {
    try {
      FileStore store = Files.getFileStore(file);
      return store.type() + ", " + Units.bytes(store.getUsableSpace()) + " free";
    } catch (IOException e) {
      return "file system unknown";
    }
  }

  private void print(List<Finding> findings) {
    PrintWriter out = spec.commandLine().getOut();
    long lacking = findings.stream().filter(Finding::lacks).count();
    if (json) {
      List<Map<String, Object>> list = new ArrayList<>();
      for (Finding finding : findings) {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("what", finding.what());
        map.put("fine", !finding.lacks());
        map.put("found", finding.found());
        map.put("remedy", finding.remedy());
        list.add(map);
      }
      out.println(Json.print(Map.of("findings", list)));
      return;
    }
    for (Finding finding : findings) {
      out.printf(
          Locale.ROOT,
          "%s %-18s %s%n",
          finding.lacks() ? "✗" : "✓",
          finding.what(),
          finding.found());
      if (finding.lacks()) {
        out.println("    remedy: " + finding.remedy());
      }
    }
    out.println(lacking == 0 ? "Nothing lacks." : lacking + " lacking; see the remedies above.");
  }
}
