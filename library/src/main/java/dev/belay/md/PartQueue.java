// SPDX-License-Identifier: Apache-2.0
package dev.belay.md;

import dev.belay.Held;
import org.jspecify.annotations.Nullable;

/** Parts that wait, first in, first out; any of them can be taken out. */
final class PartQueue {
  private @Nullable Part first;
  private @Nullable Part last;
  private int size;

  @Nullable Part first() {
    return first;
  }

  boolean isEmpty() {
    return first == null;
  }

  int size() {
    return size;
  }

  void showHeld(Held held, String how) {
    for (Part part = first; part != null; part = part.next) {
      part.showHeld(held, how);
    }
  }

  void add(Part part) {
    part.previous = last;
    part.next = null;
    if (last == null) {
      first = part;
    } else {
      last.next = part;
    }
    last = part;
    size++;
  }

  /** It is the next one. */
  void addFirst(Part part) {
    part.previous = null;
    part.next = first;
    if (first == null) {
      last = part;
    } else {
      first.previous = part;
    }
    first = part;
    size++;
  }

  void remove(Part part) {
    if (part.previous == null) {
      first = part.next;
    } else {
      part.previous.next = part.next;
    }
    if (part.next == null) {
      last = part.previous;
    } else {
      part.next.previous = part.previous;
    }
    part.previous = null;
    part.next = null;
    size--;
  }
}
