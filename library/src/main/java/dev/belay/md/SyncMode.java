// SPDX-License-Identifier: Apache-2.0
package dev.belay.md;

/** What a walk over an array does with each step. */
public enum SyncMode {
  /** After a crash: makes copies or parity agree again with what is there. */
  RESYNC("resync"),
  /** Fills the members that are being rebuilt from the others. */
  REBUILD("recovery"),
  /** Reads everything and counts what does not agree; changes nothing. */
  CHECK("check"),
  /** Reads everything and makes agree what does not. */
  REPAIR("repair");

  private final String word;

  SyncMode(String word) {
    this.word = word;
  }

  /** As mdadm and the kernel have it. */
  public String word() {
    return word;
  }
}
