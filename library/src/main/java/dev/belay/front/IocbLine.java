// SPDX-License-Identifier: Apache-2.0
package dev.belay.front;

import org.jspecify.annotations.Nullable;

/** Control blocks in a row, each in one at a time. Guarded by whoever has it. */
final class IocbLine {
  @Nullable Iocb first;
  private @Nullable Iocb last;
  int size;

  @Nullable Iocb last() {
    return last;
  }

  void add(Iocb iocb) {
    iocb.previous = last;
    if (last != null) {
      last.next = iocb;
    } else {
      first = iocb;
    }
    last = iocb;
    size++;
  }

  void remove(Iocb iocb) {
    if (iocb.previous != null) {
      iocb.previous.next = iocb.next;
    } else {
      first = iocb.next;
    }
    if (iocb.next != null) {
      iocb.next.previous = iocb.previous;
    } else {
      last = iocb.previous;
    }
    iocb.previous = null;
    iocb.next = null;
    size--;
  }
}
