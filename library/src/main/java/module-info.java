// SPDX-License-Identifier: Apache-2.0

/** Asynchronous block I/O in which every request can be cancelled by one store into one flag. */
module dev.belay {
  // Where a JVM has it, the arithmetic of parity uses it; nothing needs it.
  requires static jdk.incubator.vector;
  requires static transitive org.jspecify;

  exports dev.belay;
  exports dev.belay.front;
  exports dev.belay.leaf;
  exports dev.belay.md;
  exports dev.belay.nbd;
  exports dev.belay.net;
  exports dev.belay.serve;
  exports dev.belay.stack;
  exports dev.belay.target;
}
