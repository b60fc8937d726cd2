// SPDX-License-Identifier: Apache-2.0
package dev.belay.uring;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;

/**
 * Whether io_uring works here, for this program, now; and if not, why and what would help.
 *
 * @param usable whether a ring could be made
 * @param errno the positive error number of the refusal; 0 if usable or if no call could be made
 * @param sentence for a person: what is so, and what would change it
 * @param kernelRelease as uname says, for instance "6.8.0-45-generic"
 * @param disabledSetting /proc/sys/kernel/io_uring_disabled: 0 on, 1 only for a group, 2 off; -1 if
 *     the kernel has no such setting
 * @param setupFlags the flags that the kernel accepted, see {@link Abi#setupNames}
 * @param features the features that it reported, see {@link Abi#featureNames}
 * @param opNames the operations that it supports, in the order of their numbers
 * @param memlockLimitBytes how much memory may be locked: the bound on registered buffers for a
 *     program without CAP_IPC_LOCK; Long.MAX_VALUE if unlimited, -1 if unknown
 */
public record UringSupport(
    boolean usable,
    int errno,
    String sentence,
    String kernelRelease,
    int disabledSetting,
    int setupFlags,
    int features,
    List<String> opNames,
    long memlockLimitBytes) {

  private static final Path DISABLED = Path.of("/proc/sys/kernel/io_uring_disabled");

  /** Looks, by making a small ring and closing it again. Any thread; never throws. */
  public static UringSupport look() {
    String release = System.getProperty("os.version", "?");
    if (!Kernel.available()) {
      return refused(0, Kernel.unavailableReason(), release, -1);
    }
    long memlock = Kernel.memlockLimitBytes();
    try (Ring ring = Ring.open(8, 16)) {
      BitSet ops = ring.registry().supportedOps();
      List<String> names = new ArrayList<>();
      ops.stream().forEach(op -> names.add(Abi.opName(op)));
      return new UringSupport(
          true,
          0,
          "io_uring works here (kernel " + release + ", " + names.size() + " operations)",
          release,
          currentDisabledSetting(),
          ring.setupFlags(),
          ring.features(),
          List.copyOf(names),
          memlock);
    } catch (RingSetupException e) {
      return refused(e.errno(), String.valueOf(e.getMessage()), release, memlock);
    }
  }

  private static UringSupport refused(int errno, String sentence, String release, long memlock) {
    return new UringSupport(
        false, errno, sentence, release, currentDisabledSetting(), 0, 0, List.of(), memlock);
  }

  /** The switch of the administrator: 0, 1 or 2; -1 where there is none. */
  static int currentDisabledSetting() {
    try {
      return Integer.parseInt(Files.readString(DISABLED).trim());
    } catch (IOException | NumberFormatException e) {
      return -1;
    }
  }

  /** Why a ring was refused, and what would help. */
  static String sentence(int errno, int disabledSetting) {
    return switch (errno) {
      case Errno.ENOSYS ->
          "this kernel has no io_uring of Linux 5.11 or later: it is older, or was built without"
              + " it, or a sandbox such as gVisor stands in for it";
      case Errno.EPERM, Errno.EACCES ->
          switch (disabledSetting) {
            case 2 ->
                "the administrator switched io_uring off: "
                    + DISABLED
                    + " is 2, and must be 0 (sysctl kernel.io_uring_disabled=0)";
            case 1 ->
                "io_uring is kept for one group: "
                    + DISABLED
                    + " is 1; join the group that kernel.io_uring_group names, or set it to 0";
            default ->
                "a sandbox forbids io_uring, as the default seccomp profile of many container"
                    + " runtimes does: allow io_uring_setup, io_uring_enter and io_uring_register";
          };
      case Errno.ENOMEM ->
          "the rings do not fit into the memory that this program may lock: raise the limit"
              + " (ulimit -l) or ask for fewer entries";
      case Errno.EMFILE, Errno.ENFILE ->
          "no descriptor is left for a ring: raise the limit on open files (ulimit -n)";
      default -> "io_uring refused a ring: " + Errno.sentence(errno);
    };
  }
}
