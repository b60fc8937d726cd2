// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

import java.util.Locale;

/** Numbers as people read them. */
final class Units {
  private static final String[] BYTES = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};

  private Units() {}

  /** Bytes, exactly where a unit fits: {@code 64 KiB}; else with one decimal: {@code 1.5 GiB}. */
  static String bytes(long bytes) {
    int unit = 0;
    long scale = 1;
    while (unit < BYTES.length - 1 && bytes / scale >= 1024) {
      scale *= 1024;
      unit++;
    }
    return bytes % scale == 0
        ? bytes / scale + " " + BYTES[unit]
        : String.format(Locale.ROOT, "%.1f %s", (double) bytes / scale, BYTES[unit]);
  }

  /** A time span with three digits or so: {@code 12.3 ms}. */
  static String nanos(long nanos) {
    double n = nanos;
    if (Math.abs(nanos) < 1_000) {
      return nanos + " ns";
    }
    if (Math.abs(nanos) < 1_000_000) {
      return String.format(Locale.ROOT, "%.1f µs", n / 1e3);
    }
    if (Math.abs(nanos) < 1_000_000_000) {
      return String.format(Locale.ROOT, "%.1f ms", n / 1e6);
    }
    return String.format(Locale.ROOT, "%.2f s", n / 1e9);
  }

  /** A share of a whole, as whole percents; 0 of nothing. */
  static String percent(long part, long whole) {
    return whole == 0 ? "0 %" : Math.round(100.0 * part / whole) + " %";
  }
}
