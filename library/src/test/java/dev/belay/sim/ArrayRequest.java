// SPDX-License-Identifier: Apache-2.0
package dev.belay.sim;

import dev.belay.Bio;
import dev.belay.BioEnd;
import dev.belay.CancelFlag;
import dev.belay.Loop;
import java.util.function.Consumer;

/** A place for one request at a time to an array, and what was asked there. */
final class ArrayRequest implements BioEnd {
  final Bio bio;
  final long bufferAt;
  boolean isOpen;
  int number;
  int block;
  int blocks;
  int began;
  long bufferOffset;
  CancelFlag flag = CancelFlag.NEVER;
  private final Consumer<ArrayRequest> end;

  /**
   * @param bufferAt where its part of the buffers begins
   * @param end hears that the request has ended
   */
  ArrayRequest(Loop loop, long bufferAt, Consumer<ArrayRequest> end) {
    bio = new Bio(loop, this);
    this.bufferAt = bufferAt;
    this.end = end;
  }

  @Override
  public void ended(Bio done) {
    end.accept(this);
  }
}
