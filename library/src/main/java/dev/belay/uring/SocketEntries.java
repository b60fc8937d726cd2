// SPDX-License-Identifier: Apache-2.0
package dev.belay.uring;

/**
 * Prepares what a ring does with sockets; for the ring's owner, as {@link Ring}'s own methods,
 * which say what a token is, and what false means.
 */
public final class SocketEntries {
  private static final int ACCEPT_MULTISHOT = 1 << 16;
  private static final int POLL_FIRST = 1 << 16;
  private static final int MSG_WAITALL = 0x100;
  private static final int MSG_NOSIGNAL = 0x4000;

  private final Ring ring;

  public SocketEntries(Ring ring) {
    this.ring = ring;
  }

  /**
   * Accepts a connection; completes with its descriptor, which is closed on exec.
   *
   * @param isMultishot whether to go on accepting: then each completion has {@link Abi#CQE_F_MORE},
   *     until one that has it not. -EINVAL from a kernel before 5.19
   */
  public boolean accept(int fd, boolean isMultishot, long token) {
    int how = Abi.OP_ACCEPT | (isMultishot ? ACCEPT_MULTISHOT : 0);
    return ring.put(how, fd, 0, 0, 0, Kernel.O_CLOEXEC, token, 0);
  }

  /**
   * Connects; completes with 0.
   *
   * @param nameAddress a struct sockaddr, which stays until the completion
   */
  public boolean connect(int fd, long nameAddress, int nameBytes, long token) {
    return ring.put(Abi.OP_CONNECT, fd, nameBytes, nameAddress, 0, 0, token, 0);
  }

  /**
   * Receives at least one byte, or 0 at the end of the stream. The completion's flags have {@link
   * Abi#CQE_F_SOCK_NONEMPTY} if there is more.
   *
   * @param waitsFirst that there is nothing yet, so that the kernel does not look in vain
   * @param waitsForAll to complete with fewer bytes only at the end of the stream, or at an error
   */
  public boolean receive(
      int fd, long address, int lengthBytes, boolean waitsFirst, boolean waitsForAll, long token) {
    int how = Abi.OP_RECV | (waitsFirst ? POLL_FIRST : 0);
    int flags = waitsForAll ? MSG_WAITALL : 0;
    return ring.put(how, fd, 0, address, lengthBytes, flags, token, 0);
  }

  /** Completes once with the events ({@link Abi#POLLHUP} and the like) that have come. */
  public boolean watch(int fd, int events, long token) {
    return ring.pollAdd(fd, events, 0, 0, token);
  }

  /** Sends all of a range, or fewer where an error came; raises no signal. */
  public boolean send(int fd, long address, int lengthBytes, long token) {
    return ring.put(Abi.OP_SEND, fd, 0, address, lengthBytes, MSG_NOSIGNAL | MSG_WAITALL, token, 0);
  }

  /** Sends all of several ranges, as {@link #send}; the message stays until the completion. */
  public boolean send(int fd, Message message, long token) {
    return ring.put(
        Abi.OP_SENDMSG, fd, 0, message.address(), 1, MSG_NOSIGNAL | MSG_WAITALL, token, 0);
  }
}
