// SPDX-License-Identifier: Apache-2.0
package dev.belay.front;

import org.jspecify.annotations.Nullable;

/**
 * Control blocks whose requests have ended, in order: a ring of a power of two. One that is taken
 * out of turn leaves a gap. Guarded by its context.
 */
final class ReadyRing {
  private @Nullable Iocb[] ring = new @Nullable Iocb[16];
  private int head;
  private int tail;
  int size;

  /** Makes room for so many, so that adding one of them needs no memory. */
  void reserve(int count) {
    if (count > ring.length) {
      move(new @Nullable Iocb[Integer.highestOneBit(count - 1) << 1]);
    }
  }

  void add(Iocb iocb) {
    requireRoom();
    put(tail++, iocb);
    size++;
  }

  /** Puts one back that was taken, before all others. */
  void addFirst(Iocb iocb) {
    requireRoom();
    put(--head, iocb);
    size++;
  }

  @Nullable Iocb first() {
    return size == 0 ? null : ring[head & (ring.length - 1)];
  }

  void remove(Iocb iocb) {
    ring[iocb.place & (ring.length - 1)] = null;
    size--;
    while (head != tail && ring[head & (ring.length - 1)] == null) {
      head++;
    }
  }

  private void put(int place, Iocb iocb) {
    iocb.place = place;
    ring[place & (ring.length - 1)] = iocb;
  }

  private void requireRoom() {
    if (tail - head == ring.length) {
      reserve(size + 1);
      move(ring);
    }
  }

  /** Closes the gaps, in a ring that may be the same. */
  private void move(@Nullable Iocb[] target) {
    @Nullable Iocb[] source = ring;
    int from = head;
    int end = tail;
    ring = target;
    tail = head;
    for (; from != end; from++) {
      Iocb iocb = source[from & (source.length - 1)];
      if (iocb != null) {
        source[from & (source.length - 1)] = null;
        put(tail++, iocb);
      }
    }
  }
}
