// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

import dev.belay.Extents;
import dev.belay.Extents.State;
import java.util.List;

/** Extents as a bar of signs: █ done, ░ clean, ? unknown. */
final class Picture {
  private static final int WIDTH = 48;

  private Picture() {}

  static final String LEGEND = "█ done  ▒ partly  ░ clean  ? unknown";

  /** One sign for each 48th of the request. */
  static String bar(List<Extents.Extent> extents, long lengthBytes) {
    StringBuilder bar = new StringBuilder();
    int at = 0;
    for (int i = 0; i < WIDTH; i++) {
      long from = lengthBytes * i / WIDTH;
      long to = Math.max(from + 1, lengthBytes * (i + 1) / WIDTH);
      long done = 0;
      boolean isUnknown = false;
      while (at > 0 && extents.get(at).offsetBytes() > from) {
        at--;
      }
      for (int k = at; k < extents.size() && extents.get(k).offsetBytes() < to; k++) {
        Extents.Extent extent = extents.get(k);
        long shared = Math.min(to, extent.endBytes()) - Math.max(from, extent.offsetBytes());
        if (shared > 0) {
          at = k;
          done += extent.state() == State.DONE ? shared : 0;
          isUnknown |= extent.state() == State.UNKNOWN;
        }
      }
      bar.append(isUnknown ? '?' : done == 0 ? '░' : done >= to - from ? '█' : '▒');
    }
    return bar.toString();
  }

  /** How far something is, of a whole. */
  static String bar(long part, long whole) {
    int full = whole == 0 ? 0 : (int) Math.min(WIDTH, Math.round((double) WIDTH * part / whole));
    return "█".repeat(full) + "░".repeat(WIDTH - full);
  }
}
