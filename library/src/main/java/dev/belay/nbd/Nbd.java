// SPDX-License-Identifier: Apache-2.0
package dev.belay.nbd;

/** The numbers of the protocol. */
public final class Nbd {
  private Nbd() {}
}
