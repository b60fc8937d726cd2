// SPDX-License-Identifier: Apache-2.0
package dev.belay.md;

/** GF(2^8) of RAID 6, a bit at a time: so simple that it needs no test of its own. */
final class SlowField {
  private SlowField() {}

  static int product(int a, int b) {
    int sum = 0;
    for (int bit = 0; bit < 8; bit++) {
      if ((b >> bit & 1) != 0) {
        sum ^= a << bit;
      }
    }
    for (int bit = 14; bit >= 8; bit--) {
      if ((sum >> bit & 1) != 0) {
        sum ^= 0x11d << (bit - 8);
      }
    }
    return sum;
  }

  static int power(int exponent) {
    int value = 1;
    for (int i = 0; i < exponent; i++) {
      value = product(value, 2);
    }
    return value;
  }

  /** P of columns that may be null, for zeroes. */
  static byte[] p(byte[][] columns, int length) {
    byte[] p = new byte[length];
    for (byte[] column : columns) {
      for (int i = 0; column != null && i < length; i++) {
        p[i] ^= column[i];
      }
    }
    return p;
  }

  /** Q of columns that may be null, for zeroes. */
  static byte[] q(byte[][] columns, int[] qIndexes, int length) {
    byte[] q = new byte[length];
    for (int column = 0; column < columns.length; column++) {
      int factor = power(qIndexes[column]);
      for (int i = 0; columns[column] != null && i < length; i++) {
        q[i] ^= (byte) product(factor, columns[column][i] & 0xff);
      }
    }
    return q;
  }
}
