// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

import dev.belay.IoError;
import dev.belay.md.Array;
import dev.belay.md.SyncMode;
import dev.belay.md.Walk;
import java.io.PrintWriter;
import java.util.Locale;

/**
 * Runs the walks of an array, a resync for instance, and shows how far they are: a line that
 * changes on a terminal, a line now and then elsewhere. Ctrl-C stops a walk, and what it has done
 * is recorded when the members are closed.
 */
final class MdWalk {
  private static final int BAR = 20;
  private static final long TURN_NANOS = 20_000_000;
  private static final long PLAIN_NANOS = 2_000_000_000;
  private static final int MOST_ROUNDS = 100;

  /** How it ended. */
  enum End {
    /** All is done; nothing more is due. */
    DONE,
    /** The user stopped it. */
    STOPPED,
    /** It could not go on; why was said. */
    FAILED;

    /** The exit code of a command that did nothing else. */
    int code() {
      return switch (this) {
        case DONE -> Main.DONE;
        case STOPPED -> Main.CANCELLED;
        case FAILED -> Main.FAILED;
      };
    }
  }

  private final MdMembers members;
  private final Array array;
  private final Screen screen;
  private volatile boolean isAsked;

  MdWalk(MdMembers members, Array array, PrintWriter out) {
    this.members = members;
    this.array = array;
    screen = Screen.on(out, false);
  }

  /** Does all that is due: rebuilds into empty places, and resyncs. */
  End runDue() {
    try (OnExit onExit = OnExit.ask(() -> isAsked = true)) {
      End end = End.DONE;
      for (int round = 0; round < MOST_ROUNDS && end == End.DONE; round++) {
        if (isBroken()) {
          return close(End.FAILED);
        }
        String before = array.letters();
        if (array.walk().beginDue()) {
          end = follow();
        } else if (array.letters().equals(before)) {
          break;
        } else {
          // Where the bitmap has no bit there is nothing to walk over.
          screen.line("  recovery done: nothing was missed");
        }
      }
      return onExit.isAsked() || end != End.DONE ? close(end) : end;
    }
  }

  /** Does one walk from the beginning. */
  End run(SyncMode mode) {
    try (OnExit onExit = OnExit.ask(() -> isAsked = true)) {
      if (isBroken()) {
        return close(End.FAILED);
      }
      array.walk().begin(mode);
      End end = follow();
      return onExit.isAsked() ? close(end) : end;
    }
  }

  /** Before the JVM may go, what was done has to be on the members. */
  private End close(End end) {
    members.close();
    return end;
  }

  private boolean isBroken() {
    IoError broken = array.broken();
    if (broken != null) {
      screen.line("  the array has failed: " + broken.sentence());
    }
    return broken != null;
  }

  private End follow() {
    Walk walk = array.walk();
    String word = walk.mode().word();
    long start = System.nanoTime();
    long plain = start;
    boolean isStopped = false;
    while (walk.isRunning()) {
      if (isAsked && !isStopped) {
        isStopped = true;
        walk.stop();
      }
      members.loop().turn(TURN_NANOS);
      screen.live("  " + line(walk));
      if (!screen.isLive() && System.nanoTime() - plain >= PLAIN_NANOS) {
        plain = System.nanoTime();
        screen.line("  " + line(walk));
      }
    }
    members.await();
    IoError error = walk.error();
    if (error != null) {
      screen.line("  %s ended at %s, because %s".formatted(word, percent(walk), error.sentence()));
      return End.FAILED;
    }
    if (isStopped && walk.positionBytes() < walk.walkBytes()) {
      boolean isRecorded = walk.mode() == SyncMode.RESYNC || walk.mode() == SyncMode.REBUILD;
      screen.line(
          "  %s stopped at %s%s"
              .formatted(
                  word, percent(walk), isRecorded ? ": it goes on from there next time" : ""));
      return End.STOPPED;
    }
    screen.line(
        "  %s done: %s in %s"
            .formatted(
                word, Units.bytes(walk.walkBytes()), Units.nanos(System.nanoTime() - start)));
    return isBroken() ? End.FAILED : End.DONE;
  }

  private static String percent(Walk walk) {
    double percent = walk.walkBytes() == 0 ? 100 : 100.0 * walk.positionBytes() / walk.walkBytes();
    return String.format(Locale.ROOT, "%.1f%%", percent);
  }

  /** As /proc/mdstat has it. */
  static String line(Walk walk) {
    return line(walk.mode().word(), walk.positionBytes(), walk.walkBytes(), walk.bytesPerSecond());
  }

  static String line(String word, long positionBytes, long walkBytes, long bytesPerSecond) {
    int full = walkBytes == 0 ? BAR : (int) (BAR * positionBytes / walkBytes);
    String bar = "=".repeat(full) + (full < BAR ? ">" + ".".repeat(BAR - full - 1) : "");
    double seconds = (double) (walkBytes - positionBytes) / Math.max(1, bytesPerSecond);
    return String.format(
        Locale.ROOT,
        "[%s]  %s = %4.1f%% (%d/%d) finish=%.1fmin speed=%dK/sec",
        bar,
        word,
        walkBytes == 0 ? 100 : 100.0 * positionBytes / walkBytes,
        positionBytes >> 10,
        walkBytes >> 10,
        seconds / 60,
        bytesPerSecond >> 10);
  }
}
