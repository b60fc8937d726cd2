// SPDX-License-Identifier: Apache-2.0
package dev.belay.sim;

/** Buffers as blocks of an array, each of which has one value. */
final class ArrayBlocks {
  private final Buffers buffers;
  private final int blockGranules;

  ArrayBlocks(Buffers buffers, int blockGranules) {
    this.buffers = buffers;
    this.blockGranules = blockGranules;
  }

  private long at(long bufferOffset, int block, int granule) {
    return bufferOffset + ((long) block * blockGranules + granule) * ArrayShape.GRANULE;
  }

  void fill(long bufferOffset, int block, long value) {
    for (int i = 0; i < blockGranules; i++) {
      buffers.set(at(bufferOffset, block, i), ArrayShape.granuleOf(value, i));
    }
  }

  /** The value of a block; {@link ArrayImage#TORN} if its granules do not belong together. */
  long found(long bufferOffset, int block) {
    long first = buffers.get(at(bufferOffset, block, 0));
    for (int i = 1; i < blockGranules; i++) {
      if (buffers.get(at(bufferOffset, block, i)) != ArrayShape.granuleOf(first, i)) {
        return ArrayImage.TORN;
      }
    }
    return first;
  }

  /** Whether nothing of a block was touched since it was marked as unread. */
  boolean isUnread(long bufferOffset, int block) {
    for (int i = 0; i < blockGranules; i++) {
      if (buffers.get(at(bufferOffset, block, i)) != Buffers.UNREAD) {
        return false;
      }
    }
    return true;
  }
}
