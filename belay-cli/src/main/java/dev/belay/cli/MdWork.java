// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

import dev.belay.md.Array;
import dev.belay.md.Assembly;
import dev.belay.md.Level;
import dev.belay.md.Member;
import dev.belay.stack.MdArray;
import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.List;

/** What the commands that change an array have in common. */
final class MdWork {
  private MdWork() {}

  /** The state of an array that can have one. */
  static Array array(MdArray open) {
    Array array = open.array();
    if (array == null) {
      throw new Main.Failure("a raid0 has no redundancy: there is nothing to do for its members");
    }
    return array;
  }

  static void requireRedundancy(Assembly assembly) {
    if (assembly.superblock().level() == Level.RAID0) {
      throw new Main.Failure(
          "a raid0 has no redundancy: nothing in it can be compared, and no member can fail, be"
              + " added or be replaced");
    }
  }

  /** The stack expression of an array. */
  static String expression(MdMembers members) {
    List<String> names = new ArrayList<>();
    for (int i = 0; i < members.count(); i++) {
      names.add(members.name(i));
    }
    return expression(names);
  }

  static String expression(List<String> names) {
    return "md(" + String.join(", ", names) + ")";
  }

  /** What the user should know of how it was put together. */
  static void remarks(PrintWriter out, Assembly assembly) {
    assembly.remarks().forEach(remark -> out.println("  " + MdMembers.inOptions(remark)));
  }

  /** One line that says what the array is now. */
  static String state(Array array) {
    return "%s: %s%s"
        .formatted(
            array.level().word(),
            array.status(),
            array.spares().isEmpty() ? "" : ", spares: " + array.spares().size());
  }

  /** The open array's member that is the device of this index. */
  static Member member(MdMembers members, Array array, int index) {
    List<Member> all = new ArrayList<>(array.writable());
    all.addAll(array.spares());
    for (Member member : all) {
      if (member.device() == members.device(index)) {
        return member;
      }
    }
    throw new Main.Failure(members.name(index) + " is no member of the array any more");
  }

  /** The seat of a device; -1 if it has none. */
  static int seat(Assembly assembly, int index) {
    for (int role = 0; role < assembly.seats().size(); role++) {
      if (assembly.seats().get(role).member().orElse(-1) == index) {
        return role;
      }
    }
    return -1;
  }
}
