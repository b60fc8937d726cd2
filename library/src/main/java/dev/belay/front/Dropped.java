// SPDX-License-Identifier: Apache-2.0
package dev.belay.front;

import java.lang.ref.Cleaner;
import java.util.Set;
import java.util.function.BooleanSupplier;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Notices that a program has dropped something which it should have closed: does what can still be
 * done about it, and says so once in the log, with the place where it was opened.
 *
 * <p>Nothing here may lead to the owner, which would then never be dropped.
 */
final class Dropped implements Runnable {
  private static final Cleaner CLEANER = Cleaner.create();
  private static final StackWalker STACK =
      StackWalker.getInstance(StackWalker.Option.RETAIN_CLASS_REFERENCE);

  /** Whose frames say nothing about the program. */
  private static final Set<Class<?>> OURS =
      Set.of(Dropped.class, Volume.class, AioContext.class, BufferPools.class);

  private final String what;
  private final StackWalker.@Nullable StackFrame opener;
  private final String consequence;
  private final BooleanSupplier remedy;
  private Cleaner.@Nullable Cleanable cleanable;
  private volatile boolean isClosed;

  private Dropped(String what, String consequence, BooleanSupplier remedy) {
    this.what = what;
    this.consequence = consequence;
    this.remedy = remedy;
    opener = STACK.walk(Dropped::firstOfTheProgram);
  }

  private static StackWalker.@Nullable StackFrame firstOfTheProgram(
      Stream<StackWalker.StackFrame> frames) {
    return frames.filter(each -> !OURS.contains(each.getDeclaringClass())).findFirst().orElse(null);
  }

  /**
   * Watches {@code owner} until it is {@linkplain #closed closed}.
   *
   * @param what the owner, as the sentence begins
   * @param consequence the sentence after it: what is done about it, and what would be right
   * @param remedy run by the cleaner's thread, so it must not block; false if there is nothing to
   *     say, because what the owner stood on is closed
   */
  static Dropped watch(Object owner, String what, String consequence, BooleanSupplier remedy) {
    Dropped dropped = new Dropped(what, consequence, remedy);
    dropped.cleanable = CLEANER.register(owner, dropped);
    return dropped;
  }

  /** The owner was closed as it should be. */
  void closed() {
    isClosed = true;
    if (cleanable != null) {
      cleanable.clean();
    }
  }

  @Override
  public void run() {
    if (isClosed || !remedy.getAsBoolean()) {
      return;
    }
    String place = opener == null ? "an unknown place" : opener.toStackTraceElement().toString();
    String sentence = what + " was dropped and never closed; opened at " + place + ". ";
    // A handler of the log may block, and the cleaner's thread is shared.
    Thread.startVirtualThread(
        () ->
            System.getLogger("dev.belay").log(System.Logger.Level.WARNING, sentence + consequence));
  }
}
