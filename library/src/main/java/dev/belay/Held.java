// SPDX-License-Identifier: Apache-2.0
package dev.belay;

/** Who is shown what devices hold; see {@link Device#showHeld}. */
@FunctionalInterface
public interface Held {
  /**
   * The device that is asked holds this bio now.
   *
   * @param bio a front's request, or a clone of which {@link Bio#root} is one
   * @param how in a few words, to be put behind the device's name: "waits for tokens"
   */
  void show(Bio bio, String how);
}
