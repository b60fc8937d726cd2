// SPDX-License-Identifier: Apache-2.0
package dev.belay.stack;

import dev.belay.md.ArrayOptions;
import dev.belay.md.Assembly;
import dev.belay.target.Hedge;

/**
 * What an array is opened with.
 *
 * @param wish what may be started
 * @param array how it behaves
 * @param hedge when a mirror asks a second leg
 */
public record MdOptions(Assembly.Wish wish, ArrayOptions array, Hedge hedge) {
  /** What is safe to start, with the kernel's defaults. */
  public static final MdOptions DEFAULT =
      new MdOptions(Assembly.Wish.SAFE, ArrayOptions.DEFAULT, Hedge.NONE);
}
