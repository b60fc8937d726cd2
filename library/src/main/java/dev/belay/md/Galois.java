// SPDX-License-Identifier: Apache-2.0
package dev.belay.md;

/**
 * GF(2^8) with the polynomial 0x11d and the generator 2: the field of RAID 6's Q.
 *
 * <p>Source: H. P. Anvin, "The mathematics of RAID-6".
 */
final class Galois {
  /** What is added when a product by 2 goes out of the byte: the polynomial without its top. */
  static final int OVERFLOW = 0x1d;

  /** The order of 2: exponents count modulo this. */
  static final int ORDER = 255;

  private static final byte[] POWERS = new byte[ORDER];
  private static final byte[] LOGS = new byte[256];

  static {
    int value = 1;
    for (int exponent = 0; exponent < ORDER; exponent++) {
      POWERS[exponent] = (byte) value;
      LOGS[value] = (byte) exponent;
      value = twice(value);
    }
  }

  private Galois() {}

  /** Of values 0 to 255. */
  static int twice(int value) {
    return ((value << 1) & 0xff) ^ ((value >> 7) * OVERFLOW);
  }

  /** 2 to that power; the exponent may be negative. */
  static int power(int exponent) {
    return POWERS[Math.floorMod(exponent, ORDER)] & 0xff;
  }

  static int product(int a, int b) {
    return a == 0 || b == 0 ? 0 : power((LOGS[a] & 0xff) + (LOGS[b] & 0xff));
  }

  /** Of a value other than 0. */
  static int inverse(int value) {
    return power(-(LOGS[value] & 0xff));
  }
}
