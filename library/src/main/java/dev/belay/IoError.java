// SPDX-License-Identifier: Apache-2.0
package dev.belay;

/**
 * Why a request failed.
 *
 * @param errno the kernel's number, positive
 * @param sentence what was wrong and where
 */
public record IoError(int errno, String sentence) {
  @Override
  public String toString() {
    return sentence + " (" + Errno.describe(errno) + ")";
  }
}
